"""Compares kerasd with Keras on every architecture of keras.applications, end to end.

    PYTHON tests/applications/compare.py KERASD [NAME ...]

PYTHON is one with TensorFlow (2.6 to a current Keras 3). Each architecture is built with random weights, saved as .h5 into
a temporary directory by Keras itself, and asked through `kerasd predict`: logits, as a softmax would hide errors. One line
per architecture: largest absolute and relative error and whether the five largest logits agree. Exit 1 if one is beyond
1e-4 of its largest logit, or not served. Architectures that this Keras can't save as .h5 are listed with Keras's reason.

The random weights are such that every layer counts and none explodes: kernels keep the variance, gammas, betas and biases
are away from 1 and 0 (ConvNeXt's layer scales of 1e-6 would hide all of its blocks), and moving statistics are random with
gammas and betas that still normalize. With Keras's own initial weights the deepest networks reach 1e9 and amplify the
rounding of the first layers until two float32 programs share no digit. Small gammas and large betas serve the same end:
normalizing what an activation has bent strongly amplifies differences by a third per layer.
"""
import gc
import json
import os
import subprocess
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import numpy as np
import tensorflow as tf

keras = tf.keras
TOLERANCE = 1e-4
SIZES = {"ConvNeXtTiny": 224, "DenseNet121": 224, "EfficientNetB0": 224, "EfficientNetV2B0": 224, "InceptionResNetV2": 139,
         "InceptionV3": 299, "MobileNet": 224, "MobileNetV2": 224, "MobileNetV3Large": 224, "NASNetLarge": 115,
         "NASNetMobile": 224, "RegNetX002": 224, "ResNet50": 224, "VGG16": 224, "VGG19": 130, "Xception": 299}


def architectures():
    found = {}
    for name in sorted(dir(keras.applications)):
        item = getattr(keras.applications, name)
        if callable(item) and name[0].isupper():
            found[name] = item
    return found


def layers_of(model):
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from layers_of(layer)
        else:
            yield layer


def scatter(layer, rng):
    """Random weights that keep the variance; statistics stay for calibrate()."""
    kind = layer.__class__.__name__
    values = layer.get_weights()
    if kind == "Normalization":
        return
    for i, (weight, value) in enumerate(zip(layer.weights, values)):
        name = weight.name.split("/")[-1].split(":")[0]
        if name.endswith("kernel"):
            deep = "depthwise" in name or kind == "DepthwiseConv2D"
            inputs = np.prod(value.shape[:2] if deep else value.shape[:-1])
            values[i] = rng.normal(0, np.sqrt(2 / inputs), value.shape)
        elif name.endswith("gamma"):
            values[i] = rng.uniform(0.25, 0.75, value.shape)
        elif name.endswith("beta") or name.endswith("bias"):
            values[i] = rng.normal(0, 0.5 if name.endswith("beta") else 0.1, value.shape)
    layer.set_weights(values)


def statistics_of(model, x):
    """By normalization: mean and variance of what reaches it when all before normalize by theirs."""
    norms = [layer for layer in layers_of(model) if layer.__class__.__name__ == "BatchNormalization"]
    drops = [layer for layer in layers_of(model) if layer.__class__.__name__ == "Dropout"]
    momenta, rates = [layer.momentum for layer in norms], [layer.rate for layer in drops]
    for layer in norms:
        layer.momentum = 0.0
    for layer in drops:
        layer.rate = 0.0
    if norms:
        model(x, training=True)
    for layer, momentum in zip(norms, momenta):
        layer.momentum = momentum
    for layer, rate in zip(drops, rates):
        layer.rate = rate
    return [(layer, *layer.get_weights()[-2:]) for layer in norms]


def calibrate(model, x, rng):
    """Moving statistics far from those of x, with gammas and betas that make up for it."""
    for layer, mean, variance in statistics_of(model, x):
        values = layer.get_weights()
        true = np.sqrt(variance + layer.epsilon)
        scale = values[0] / true if layer.scale else 1 / true
        away = true * rng.normal(0, 0.5, mean.shape)
        values[-3] = values[-3] + scale * away
        values[-2] = mean + away
        values[-1] = rng.uniform(0.5, 1.5, mean.shape) if layer.scale else true**2
        if layer.scale:
            values[0] = scale * np.sqrt(values[-1] + layer.epsilon)
        layer.set_weights(values)


def pictures(n, size, high, rng):
    """Coarse coloured squares under noise: not all the same once they are averaged."""
    coarse = rng.uniform(0, high, (n, 8, 8, 3)).repeat(size // 8 + 1, 1).repeat(size // 8 + 1, 2)[:, :size, :size]
    return (0.7 * coarse + 0.3 * rng.uniform(0, high, (n, size, size, 3))).astype("float32")


def prepare(model, size):
    """Weights for the model; gives two pictures to ask about."""
    rng = np.random.RandomState(11)
    kinds = [layer.__class__.__name__ for layer in layers_of(model)]
    high = 255 if "Rescaling" in kinds or "Normalization" in kinds else 1
    for layer in layers_of(model):
        scatter(layer, rng)
    x = pictures(8, size, high, rng)
    calibrate(model, x, rng)
    return x[:2]


def build(name, make):
    size = SIZES.get(name, 96)
    model = make(weights=None, input_shape=(size, size, 3), classes=1000, classifier_activation=None)
    return model, prepare(model, size)


def teachable_machine():
    """The nesting that Teachable Machine exports."""
    base = keras.applications.MobileNetV2(input_shape=(224, 224, 3), alpha=0.35, include_top=False, weights=None)
    features = keras.Sequential([base, keras.layers.GlobalAveragePooling2D()])
    head = keras.Sequential([keras.layers.Dense(100, activation="relu", input_shape=(1280,)),
                             keras.layers.Dense(4, use_bias=False)])
    model = keras.Sequential([features, head])
    model.build((None, 224, 224, 3))
    return model, prepare(model, 224)


def ask(kerasd, path, x):
    body = json.dumps({"inputs": x.tolist()})
    done = subprocess.run([kerasd, "predict", path], input=body, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError("kerasd: " + done.stderr.strip())
    return np.array(json.loads(done.stdout)["outputs"])


def compare(kerasd, name, make, directory):
    path = os.path.join(directory, name + ".h5")
    tf.random.set_seed(7)
    try:
        model, x = make()
        model.save(path)
    except Exception as error:
        print("%-20s not written by this Keras: %s" % (name, str(error).split("\n")[0][:90]))
        return True
    expected = model.predict(x, verbose=0)
    del model
    keras.backend.clear_session()
    gc.collect()
    try:
        got = ask(kerasd, path, x)
    except Exception as error:
        print("%-20s FAILED: %s" % (name, error))
        return False
    finally:
        os.unlink(path)
    error = np.abs(got - expected).max()
    relative = error / np.abs(expected).max()
    top = all(set(np.argsort(a)[-5:]) == set(np.argsort(b)[-5:]) for a, b in zip(got, expected))
    good = relative <= TOLERANCE and top
    print("%-20s %s  max abs error %.2g  max rel error %.2g  top-5 %s"
          % (name, "ok    " if good else "FAILED", error, relative, "equal" if top else "differ"))
    return good


def main():
    kerasd, names = sys.argv[1], sys.argv[2:]
    makers = {name: lambda name=name, make=make: build(name, make) for name, make in architectures().items()}
    makers["TeachableMachine"] = teachable_machine
    good = 0
    chosen = names or list(makers)
    print("keras %s" % keras.__version__ if hasattr(keras, "__version__") else "tf.keras %s" % tf.__version__)
    with tempfile.TemporaryDirectory() as directory:
        for name in chosen:
            good += compare(kerasd, name, makers[name], directory)
            sys.stdout.flush()
    print("%d of %d" % (good, len(chosen)))
    return good != len(chosen)


if __name__ == "__main__":
    sys.exit(main())
