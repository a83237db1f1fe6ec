"""One face for every Keras generation: finds the Keras of this environment, builds, randomises, runs and saves models.

Works with Python 2.7 and 3.5 to 3.13, standalone Keras 1.2 to 2.3, tf.keras 1.13 to 2.15 and Keras 3.
"""
from __future__ import absolute_import, division, print_function

import os
import sys
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# Environments named after Theano run Keras on it, interpreted: nothing is compiled.
ON_THEANO = os.path.basename(sys.prefix) in ("k122t", "k206t")
os.environ.setdefault("KERAS_BACKEND", "theano" if ON_THEANO else "tensorflow")
os.environ.setdefault("THEANO_FLAGS", "cxx=,optimizer=None,linker=py,device=cpu")
# Keras 1 and 2 take the image data format from a file in the home folder: none here.
os.environ.setdefault("KERAS_HOME", os.devnull)
warnings.filterwarnings("ignore")

import h5py
import numpy as np
import tensorflow as tf

try:
    import keras as standalone
except ImportError:
    standalone = None


def version_tuple(text):
    return tuple(int(p) for p in text.split("-")[0].split(".")[:3] if p.isdigit())


class Writer(object):
    """The Keras of this environment. family: "K1", "K2", "TF" or "K3"."""

    def __init__(self):
        module = standalone
        if module is not None and (2, 4) <= version_tuple(module.__version__) < (3, 0):
            module = None  # the package behind tf.keras
        self.keras = module or tf.keras
        text = getattr(self.keras, "__version__", None) or standalone.__version__
        self.version = version_tuple(text)
        if module is None:
            self.family = "TF"
        else:
            self.family = "K%d" % min(self.version[0], 3)
        self.tf_version = version_tuple(tf.__version__)
        self.layers = self.keras.layers
        self.models = self.keras.models
        self.facts = {
            "package": "tf.keras" if module is None else "keras",
            "version": text,
            "tensorflow": tf.__version__,
            "h5py": h5py.__version__,
            "python": "%d.%d.%d" % sys.version_info[:3],
        }
        if hasattr(tf, "compat") and hasattr(tf.compat, "v1"):
            tf.compat.v1.logging.set_verbosity("ERROR")

    @property
    def eager(self):
        return self.family == "K3" or (self.family == "TF" and self.tf_version >= (2, 0))

    def is_k3(self):
        return self.family == "K3"

    def has(self, *names):
        """Does this Keras export these layers?"""
        return all(hasattr(self.layers, name) for name in names)

    def clear(self):
        if not ON_THEANO:
            self.keras.backend.clear_session()

    # ---- building ----

    def input(self, spec, name):
        """spec: [dims without batch] or ([dims], dtype)."""
        dims, dtype = spec if isinstance(spec, tuple) else (spec, "float32")
        return self.layers.Input(shape=tuple(dims), dtype=dtype, name=name)

    def model(self, inputs, outputs, name=None):
        inputs_key, outputs_key = ("input", "output") if self.family == "K1" else ("inputs", "outputs")
        keywords = {inputs_key: inputs, outputs_key: outputs}
        if name:
            keywords["name"] = name
        return self.models.Model(**keywords)

    def net(self, specs, function, name=None):
        """Functional model: function takes one tensor per spec, answers a tensor or a list of them."""
        if isinstance(specs, tuple) or not specs or not isinstance(specs[0], (list, tuple)):
            specs = [specs]
        names = ["x"] if len(specs) == 1 else list("abcdefgh")[: len(specs)]
        inputs = [self.input(s, n) for s, n in zip(specs, names)]
        outputs = function(*inputs)
        return self.model(inputs[0] if len(inputs) == 1 else inputs, outputs, name)

    def one(self, spec, layer):
        """Functional model of one layer."""
        return self.net(spec, lambda x: layer(x))

    def seq(self, spec, *layers):
        """Sequential with an explicit input (tf.keras from 2.2 on and Keras 3)."""
        dims, dtype = spec if isinstance(spec, tuple) else (spec, "float32")
        model = self.models.Sequential()
        model.add(self.layers.Input(shape=tuple(dims), dtype=dtype, name="x"))
        for layer in layers:
            model.add(layer)
        return model

    # ---- weights ----

    @staticmethod
    def weight_name(weight):
        return getattr(weight, "path", None) or getattr(weight, "name", None) or ""

    def randomise(self, model, rng):
        """Random weights; nothing stays at 0 or 1, where a mistake would not show."""
        weights = list(model.weights)
        if self.family in ("K1", "K2"):  # there get_weights() goes layer by layer, weights does not
            weights = [w for layer in model.layers for w in layer.weights]
        values = model.get_weights()
        if len(weights) != len(values):  # a Merge of models
            weights = list(model.weights)
        assert len(weights) == len(values)
        model.set_weights([self.random_weight(self.weight_name(w), v, rng) for w, v in zip(weights, values)])

    @staticmethod
    def random_weight(name, value, rng):
        value = np.asarray(value)
        shape, last = value.shape, name.split("/")[-1]
        if value.dtype.kind in "iub" or "vector_u" in last or "seed" in last:
            return value
        if "variance" in last or "stddev" in last or "running_std" in last:
            new = rng.uniform(0.5, 2.0, shape)
        elif "gamma" in last or "scale" in last:
            new = 1.0 + 0.3 * rng.standard_normal(shape) if hasattr(rng, "standard_normal") else 1.0
        elif len(shape) <= 1 or "bias" in last or "beta" in last or "mean" in last or "embeddings" in last:
            new = 0.4 * rng.standard_normal(shape)
        else:
            new = rng.standard_normal(shape) * (1.2 / np.sqrt(max(1.0, np.prod(shape[:-1]))))
        return np.asarray(new).astype(value.dtype).reshape(shape)

    # ---- running ----

    def run(self, model, inputs):
        """List of arrays in, list of (name, array) out."""
        given = inputs[0] if len(inputs) == 1 else list(inputs)
        if self.eager:
            given = tf.nest.map_structure(tf.constant, given)
            outputs = model(given, training=False)
        else:
            outputs = model.predict_on_batch(given)
        return self.named(model, self.flatten(outputs))

    @staticmethod
    def flatten(outputs):
        if isinstance(outputs, dict):
            return [v for key in sorted(outputs) for v in Writer.flatten(outputs[key])]
        if isinstance(outputs, (list, tuple)):
            return [v for o in outputs for v in Writer.flatten(o)]
        if hasattr(outputs, "to_tensor") and not hasattr(outputs, "numpy"):
            outputs = outputs.to_tensor()
        return [outputs.numpy() if hasattr(outputs, "numpy") else np.asarray(outputs)]

    def names(self, model, kind, count):
        names = list(getattr(model, kind + "_names", None) or [])
        if len(names) != count:
            names = ["%s_%d" % (kind, i) for i in range(count)]
        unique, seen = [], {}
        for name in names:
            seen[name] = seen.get(name, -1) + 1
            unique.append(name if seen[name] == 0 else "%s_%d" % (name, seen[name]))
        return unique

    def named(self, model, arrays):
        return list(zip(self.names(model, "output", len(arrays)), arrays))

    def save(self, model, path, optimizer=False):
        keywords = {"overwrite": True}
        if self.family != "K1":
            keywords["include_optimizer"] = optimizer
        if self.family == "TF" and self.tf_version >= (2, 0):
            keywords["save_format"] = "h5"
        model.save(path, **keywords)
