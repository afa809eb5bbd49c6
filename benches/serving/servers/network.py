"""What every peer but Keras computes with: onnxruntime on one thread.

NETWORK names the network, MODELS the folder that export.py filled, PORT where to answer.
"""

import os

import numpy as np
import onnxruntime

NAME = os.environ["NETWORK"]
PORT = int(os.environ["PORT"])


class Network:
    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        file = os.path.join(os.environ["MODELS"], f"{NAME}.onnx")
        self.session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])

    def __call__(self, pixels):
        """Probabilities [n, 10] of grey pixels [n, 784], 0 to 255."""
        inputs = np.asarray(pixels, np.float32).reshape(-1, 1, 28, 28)
        return self.session.run(None, {"x": inputs})[0]


def answer(probabilities):
    return {"digit": int(probabilities.argmax()), "probabilities": probabilities.tolist()}
