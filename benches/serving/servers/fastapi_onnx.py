"""FastAPI with onnxruntime; the forward pass is shorter than a hop to the thread pool, so it runs in the event loop."""

import io

from fastapi import FastAPI, File, UploadFile
from network import Network, answer
from pictures import pixels_of

network = Network()
app = FastAPI()


@app.post("/predict")
async def predict(file: UploadFile = File(...)):
    pixels = pixels_of(io.BytesIO(await file.read()))
    return answer(network(pixels)[0])
