"""MLServer: a custom runtime for the Open Inference Protocol, in the server's own process (no inference pool
on one core).
"""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from network import Network


class Digits(MLModel):
    async def load(self) -> bool:
        self.network = Network()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        pixels = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        output = NumpyCodec.encode_output("PROBABILITIES", np.asarray(self.network(pixels)))
        return InferenceResponse(model_name=self.name, outputs=[output])
