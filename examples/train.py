"""Trains the example model: handwritten digits, 28x28, one hidden layer; writes digits.h5, digits-K.json and digits-K.png.

The digits are the ones that come with scikit-learn (1797 scans from the UCI "Optical Recognition of Handwritten Digits"
set, 8x8 pixels with 17 grey levels), scaled to 28x28. A quarter is held out; the requests and pictures are held-out ones,
the first of each class.

usage: pip install tensorflow-cpu==2.15.1 scikit-learn pillow && python train.py
"""
import json
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import numpy as np
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def scale(digit):
    """8x8 with levels 0..16 to 28x28 bytes."""
    image = Image.fromarray((digit * (255 / 16)).astype(np.uint8))
    return np.asarray(image.resize((28, 28), Image.BICUBIC))


def write_examples(images, labels):
    for k in range(10):
        image = images[np.flatnonzero(labels == k)[0]]
        Image.fromarray(image).save(f"digits-{k}.png")
        row = [round(float(v), 4) for v in image.reshape(784) / 255.0]
        with open(f"digits-{k}.json", "w") as f:
            json.dump({"instances": [row]}, f)
            f.write("\n")


def main():
    tf.keras.utils.set_random_seed(1)
    digits = load_digits()
    images = np.stack([scale(d) for d in digits.images])
    train_x, test_x, train_y, test_y = train_test_split(
        images, digits.target, test_size=0.25, random_state=1, stratify=digits.target)

    model = tf.keras.Sequential([
        tf.keras.layers.Dense(128, activation="relu", input_shape=(784,)),
        tf.keras.layers.Dense(10, activation="softmax"),
    ])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train_x.reshape(-1, 784) / 255.0, train_y, epochs=30, batch_size=32, verbose=0)
    loss, accuracy = model.evaluate(test_x.reshape(-1, 784) / 255.0, test_y, verbose=0)
    print(f"held out: {len(test_y)} digits, accuracy {accuracy:.4f}")

    model.save("digits.h5")
    write_examples(test_x, test_y)


if __name__ == "__main__":
    main()
