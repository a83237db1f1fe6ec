"""Writes the models of the black-box tests (tests/http/models) with Keras 3. Not run by the tests.

usage: KERAS_BACKEND=tensorflow python make_models.py
"""
import os

import numpy as np
import keras
from keras import layers

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "models")


def save(name, inputs, outputs):
    keras.Model(inputs, outputs, name=name).save(os.path.join(HERE, name + ".h5"))


# Half plus two: y = 0.5 x + 2, scalars in and out.
x = keras.Input((), name="x")
save("hpt", x, layers.Rescaling(0.5, 2.0, name="y")(x))

# Two inputs, two outputs, floats and integers.
a = keras.Input((2,), name="a")
b = keras.Input((), name="b", dtype="int64")
save("ab", [a, b], [layers.Identity(name="s")(b), layers.Rescaling(2.0, name="d")(a)])

# y = x0 + x1
x = keras.Input((2,), name="x")
dense = layers.Dense(1, use_bias=False, name="y")
y = dense(x)
dense.set_weights([np.ones((2, 1), "float32")])
save("m", x, y)

# What goes in comes out; rows of any length.
x = keras.Input((None,), name="x")
save("same", x, layers.Identity(name="y")(x))

# One of each kind.
kinds = ["bool", "uint8", "int8", "int32", "uint32", "float64", "float16", "string"]
inputs = [keras.Input((), name="in_" + kind, dtype=kind) for kind in kinds]
same = [layers.Identity(name="out_" + kind, dtype=kind if kind.startswith("float") else None) for kind in kinds]
save("kinds", inputs, [layer(i) for layer, i in zip(same, inputs)])

# Strings.
s = keras.Input((), name="s", dtype="string")
save("text", s, layers.Identity(name="t_bytes")(s))
