"""FastAPI with Keras's own `predict`: an uploaded picture, Pillow, resize, predict, as the replaced
project did.
"""

import io
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
from fastapi import FastAPI, File, UploadFile
from PIL import Image

model = keras.models.load_model(os.path.join(os.environ["MODELS"], f"{os.environ['NETWORK']}.keras"))
app = FastAPI()


@app.post("/predict")
async def predict(file: UploadFile = File(...)):
    picture = Image.open(io.BytesIO(await file.read())).convert("L").resize((28, 28))
    pixels = np.array(picture, np.float32).reshape(1, 28, 28, 1)
    probabilities = model.predict(pixels, verbose=0)[0]
    return {"digit": str(probabilities.argmax()), "probabilities": probabilities.tolist()}
