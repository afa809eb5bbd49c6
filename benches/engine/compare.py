"""Times kiln, onnxruntime and LiteRT in turns: compare.py MODELS ENGINE [NETWORK...]

MODELS is what make_models.py wrote, ENGINE the binary of `cargo build --release --example engine`. All engines run on
one thread (and, with --threads 2, kiln on two threads with a batch each, LiteRT on two of its own, onnxruntime once with
two intra-op threads and once as one session that two threads call). Every round asks each engine for about the same work
before the next round begins, so that noise on the machine hits all alike; the answers are compared with Keras's first.
What is timed is the whole call: for kiln from a Vec to a Vec, for the others from a NumPy array to a NumPy array.
"""

import argparse
import pathlib
import statistics
import subprocess
import threading
import time

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter

BATCHES = [1, 8, 32, 128]
TOLERANCE = 1e-5


class Kiln:
    def __init__(self, binary, folder, name):
        raw = folder / f"{name}.input.raw"
        np.load(folder / f"{name}.input.npy").astype("<f4").tofile(raw)
        command = [binary, folder / f"{name}.keras", raw]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def answer(self, batch):
        return np.array(self.ask(f"answer {batch}").split(), np.float32).reshape(batch, -1)

    def seconds(self, batch, repeats, threads):
        return float(self.ask(f"time {batch} {repeats} {threads}"))


class Onnx:
    def __init__(self, folder, name, inputs, threads):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            folder / f"{name}.onnx", options, providers=["CPUExecutionProvider"])
        shape = self.session.get_inputs()[0].shape[1:]
        if inputs.ndim == 4 and len(shape) == 3:
            inputs = inputs.transpose(0, 3, 1, 2)
        self.inputs = {"x": np.ascontiguousarray(inputs).reshape(len(inputs), *shape)}

    def __call__(self):
        return self.session.run(None, self.inputs)[0]


class LiteRt:
    def __init__(self, folder, name, inputs, threads):
        # XNNPACK is its default.
        path = folder / f"{name}.{len(inputs)}.tflite"
        self.interpreter = Interpreter(str(path), num_threads=threads)
        self.interpreter.allocate_tensors()
        self.inputs = inputs
        self.input = self.interpreter.get_input_details()[0]["index"]
        self.output = self.interpreter.get_output_details()[0]["index"]

    def __call__(self):
        self.interpreter.set_tensor(self.input, self.inputs)
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self.output)


def seconds(call, repeats, threads=1):
    def work():
        for _ in range(repeats):
            call()

    others = [threading.Thread(target=work) for _ in range(threads - 1)]
    begun = time.perf_counter()
    for other in others:
        other.start()
    work()
    for other in others:
        other.join()
    return (time.perf_counter() - begun) / repeats


def candidates(folder, name, inputs, kiln, threads):
    """Name, examples that a call computes, and how to time some calls."""
    batch = len(inputs)
    litert = LiteRt(folder, name, inputs, threads)
    timed = {"kiln": (batch * threads, lambda repeats: kiln.seconds(batch, repeats, threads))}
    if threads == 1:
        onnx = Onnx(folder, name, inputs, 1)
        timed["onnxruntime"] = (batch, lambda repeats: seconds(onnx, repeats))
        answers = {"onnxruntime": onnx()}
    else:
        intra, shared = Onnx(folder, name, inputs, threads), Onnx(folder, name, inputs, 1)
        timed["ort intra-op"] = (batch, lambda repeats: seconds(intra, repeats))
        timed["ort callers"] = (batch * threads, lambda repeats: seconds(shared, repeats, threads))
        answers = {"ort intra-op": intra(), "ort callers": shared()}
    answers |= {"kiln": kiln.answer(batch), "LiteRT": litert()}
    timed["LiteRT"] = (batch, lambda repeats: seconds(litert, repeats))
    return timed, answers


def compare(arguments, name):
    inputs = np.load(arguments.models / f"{name}.input.npy")
    expected = np.load(arguments.models / f"{name}.expected.npy")
    kiln = Kiln(arguments.engine, arguments.models, name)
    for batch in BATCHES:
        timed, answers = candidates(arguments.models, name, inputs[:batch], kiln, arguments.threads)
        for engine, answer in answers.items():
            error = np.abs(answer - expected[:batch]).max()
            assert error < TOLERANCE, f"{engine} is {error} away from Keras on {name}"
        times = {engine: [] for engine in timed}
        repeats = {}
        for engine, (_, run) in timed.items():
            run(2)
            repeats[engine] = max(2, int(arguments.round / run(2)))
        for _ in range(arguments.rounds):
            for engine, (examples, run) in timed.items():
                times[engine].append(run(repeats[engine]) / examples * 1e6)
        best = {engine: min(values) for engine, values in times.items()}
        middle = {engine: statistics.median(values) for engine, values in times.items()}
        others = [engine for engine in timed if engine != "kiln"]
        ratios = [min(of[other] for other in others) / of["kiln"] for of in (middle, best)]
        cells = [f"{middle[engine]:.2f} ({best[engine]:.2f})" for engine in timed]
        first = [of[others[0]] / of["kiln"] for of in (middle, best)]
        cells += [f"{a:.2f} ({b:.2f})" for a, b in (first, ratios)]
        print(f"| {name} | {batch} | " + " | ".join(cells) + " |", flush=True)
    kiln.process.kill()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("engine", type=pathlib.Path)
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--round", type=float, default=0.01, help="seconds an engine works in a round")
    arguments = parser.parse_args()
    others = ["onnxruntime"] if arguments.threads == 1 else ["ort intra-op", "ort callers"]
    engines = ["kiln", *others, "LiteRT"]
    print("µs an example, median (least)\n")
    head = ["network", "batch", *engines, f"{engines[1]} / kiln", "better / kiln"]
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    names = arguments.networks or sorted(path.stem for path in arguments.models.glob("*.keras"))
    for name in names:
        compare(arguments, name)


if __name__ == "__main__":
    main()
