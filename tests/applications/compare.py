"""Compares kerasd with Keras on every architecture of keras.applications, end to end.

    PYTHON tests/applications/compare.py KERASD [NAME ...]

PYTHON is one with TensorFlow (2.15, or a current Keras 3). Each architecture is built with random weights, its moving
statistics moved away from 0 and 1, logits instead of softmax (a softmax would hide errors), saved as .h5 into a temporary
directory by Keras itself, and asked through `kerasd predict`. One line per architecture: largest absolute and relative
error and whether the five largest logits agree. Exit 1 if one is beyond 1e-4 of its largest logit, or not served.
Architectures that this Keras can't save as .h5 are listed with Keras's reason.
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
SIZES = {"InceptionV3": 96, "InceptionResNetV2": 96, "Xception": 96, "NASNetLarge": 96,
         "MobileNetV2": 224, "ResNet50": 224, "VGG16": 224}


def architectures():
    found = {}
    for name in sorted(dir(keras.applications)):
        item = getattr(keras.applications, name)
        if callable(item) and name[0].isupper():
            found[name] = item
    return found


def perturb(model, rng):
    for layer in model.layers:
        if hasattr(layer, "layers"):
            perturb(layer, rng)
        elif layer.__class__.__name__ == "BatchNormalization":
            values = layer.get_weights()
            values[-2] = rng.normal(0, 0.1, values[-2].shape)
            values[-1] = rng.uniform(0.5, 1.5, values[-1].shape)
            layer.set_weights(values)


def build(name, make):
    size = SIZES.get(name, 64)
    keras.utils.set_random_seed(7)
    model = make(weights=None, input_shape=(size, size, 3), classes=1000, classifier_activation=None)
    perturb(model, np.random.RandomState(11))
    return model, np.random.RandomState(3).uniform(0, 255 if "Efficient" in name else 1, (2, size, size, 3)).astype("float32")


def teachable_machine():
    """The nesting that Teachable Machine exports."""
    keras.utils.set_random_seed(7)
    base = keras.applications.MobileNetV2(input_shape=(224, 224, 3), alpha=0.35, include_top=False, weights=None)
    perturb(base, np.random.RandomState(11))
    features = keras.Sequential([base, keras.layers.GlobalAveragePooling2D()])
    head = keras.Sequential([keras.layers.Dense(100, activation="relu", input_shape=(1280,)),
                             keras.layers.Dense(4, use_bias=False)])
    model = keras.Sequential([features, head])
    x = np.random.RandomState(3).uniform(-1, 1, (2, 224, 224, 3)).astype("float32")
    model(x)
    return model, x


def ask(kerasd, path, x):
    body = json.dumps({"inputs": x.tolist()})
    done = subprocess.run([kerasd, "predict", path], input=body, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError("kerasd: " + done.stderr.strip())
    return np.array(json.loads(done.stdout)["outputs"])


def compare(kerasd, name, make, directory):
    path = os.path.join(directory, name + ".h5")
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
