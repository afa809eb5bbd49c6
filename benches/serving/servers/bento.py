"""BentoML: one worker, a picture in, run by `bentoml serve`; async, which spares the hop to a thread."""

import bentoml
from network import Network, answer
from PIL import Image
from pictures import pixels_of


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Digits:
    def __init__(self):
        self.network = Network()

    @bentoml.api
    async def predict(self, file: Image.Image) -> dict:
        return answer(self.network(pixels_of(file))[0])
