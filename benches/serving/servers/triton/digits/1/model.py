"""Triton's Python backend: the batch that Triton gathered, in one forward pass."""

import pathlib
import sys

import numpy as np
import triton_python_backend_utils as pb

# The backend's Python is an isolated one: it reads no PYTHONPATH.
sys.path.append(str(pathlib.Path(__file__).resolve().parents[3]))
from network import Network  # noqa: E402


class TritonPythonModel:
    def initialize(self, args):
        self.network = Network()

    def execute(self, requests):
        inputs = [pb.get_input_tensor_by_name(request, "PIXELS").as_numpy() for request in requests]
        outputs = self.network(np.concatenate(inputs))
        ends = np.cumsum([len(part) for part in inputs])[:-1]
        return [
            pb.InferenceResponse([pb.Tensor("PROBABILITIES", np.ascontiguousarray(part))])
            for part in np.split(outputs, ends)
        ]
