"""PyTriton: Triton in front, the network in the Python process, batches as Triton gathers them."""

import numpy as np
from network import PORT, Network
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

network = Network()


@batch
def predict(PIXELS):
    return [network(PIXELS)]


# Ports beside the gRPC one, so that nothing meets a neighbour's.
config = TritonConfig(grpc_port=PORT, http_port=PORT + 1, metrics_port=PORT + 2)
with Triton(config=config) as triton:
    triton.bind(
        model_name="digits",
        infer_func=predict,
        inputs=[Tensor(name="PIXELS", dtype=np.uint8, shape=(784,))],
        outputs=[Tensor(name="PROBABILITIES", dtype=np.float32, shape=(10,))],
        config=ModelConfig(max_batch_size=64),
        strict=False,
    )
    triton.serve()
