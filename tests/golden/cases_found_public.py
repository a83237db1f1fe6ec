"""What files of public repositories found: companions of Keras, and what Keras itself writes damaged."""
import io
import os

import tensorflow as tf

from cases_archive import state
from make import architecture_of

ENVIRONMENTS = ["tf215", "tf115", "tf212"]

K = None  # a global, as scripts have it: a closure over a module can't be saved


def define(k, case):
    global K
    K = k.keras.backend
    if k.tf_version[:2] == (2, 12):
        archives(k, case)
        return
    windows(k, case)
    instances(k, case)
    case("array_defaults", lambda: k.one([3], k.layers.Lambda(
        lambda x, mean=[1.5, -2.0, 0.25], scale=[2.0, 0.5, 4.0]: (x - tf.constant(mean)) / (tf.constant(scale) + 1e-2))))
    case("weights_of_another", lambda: k.seq([4], k.layers.Dense(3, name="one"), k.layers.BatchNormalization(name="two"))
         if k.tf_version >= (2, 2) else k.one([4], k.layers.Dense(3, name="one")),
         save=lambda model, path: save_with_another(k, model, path), refused=["'two'", "another model's"]
         if k.tf_version >= (2, 2) else ["layers with weights"])


def save_with_another(k, model, path):
    """Weights beside the architecture of a model with a layer less, or more."""
    model.save_weights(path)
    layers = [k.layers.Dense(3, name="one")] + ([] if k.tf_version >= (2, 2) else [k.layers.Dense(3, name="more")])
    other = k.net([4], lambda x: layers[-1](layers[0](x)) if len(layers) > 1 else layers[0](x))
    with io.open(architecture_of(path), "w", encoding="utf-8") as f:
        f.write(u"" + other.to_json())


def archives(k, case):
    """Keras 2.12 and 2.13 file the layers of .keras archives under names that skip one behind each layer with weights."""
    L = k.layers

    def save(model, path):
        model.save(path + ".keras", save_format="keras_v3")
        os.rename(path + ".keras", path)

    def layers(x):
        x = L.ReLU()(L.Dense(5)(L.TimeDistributed(L.Dense(4))(x)))
        x = L.Dropout(0.5)(L.Bidirectional(L.LSTM(3, return_sequences=True))(x))
        x = L.ReLU()(L.Dense(3)(L.ReLU()(L.Dense(4)(x))))
        return L.BatchNormalization()(L.GRU(3)(x))

    def nested(x):
        inner = k.seq([3], L.Dense(2), L.Dense(3), L.LayerNormalization())
        return L.Dense(2)(inner(L.Dense(3)(k.net([5, 2], layers)(x))))
    case("archive_layers", lambda: k.net([5, 2], layers), save=save, extension=".keras")
    case("archive_nested", lambda: k.net([5, 2], nested), save=save, extension=".keras")
    case("archive_sequential", lambda: k.seq([4], L.Dense(3), L.Dense(3), L.Activation("tanh"), L.Dense(2)), save=save,
         extension=".keras")
    state(k, lambda name, make, **keywords: case("archive_" + name, make, save=save, extension=".keras", **keywords))


def windows(k, case):
    """Keras on Windows writes / for each backslash of a function's code: also for the instruction that unpacks."""
    def save(model, path):
        name, os.name = os.name, "nt"
        try:
            k.save(model, path)
        finally:
            os.name = name

    def distance(vectors):
        a, b = vectors
        return K.sqrt(K.sum(K.square(a - b), axis=1, keepdims=True))

    def doubtful(vectors):
        a, b = vectors
        return a * 47 + b
    case("windows_unpack", lambda: k.net([[4], [4]], lambda a, b: k.layers.Lambda(distance)([a, b])), save=save)
    case("windows_doubtful", lambda: k.net([[4], [4]], lambda a, b: k.layers.Lambda(doubtful)([a, b])), save=save,
         refused=["instruction 47", "\"layers\""])


def instances(k, case):
    """InstanceNormalization as keras_contrib has it, and one that is neither its nor that of tensorflow_addons."""
    class InstanceNormalization(k.layers.Layer):
        def __init__(self, axis=None, epsilon=1e-3, center=True, scale=True, **keywords):
            super(InstanceNormalization, self).__init__(**keywords)
            self.axis, self.epsilon, self.center, self.scale = axis, epsilon, center, scale

        def build(self, input_shape):
            shape = (1,) if self.axis is None else (int(input_shape[self.axis]),)
            self.gamma = self.add_weight(shape=shape, name="gamma", initializer="ones") if self.scale else None
            self.beta = self.add_weight(shape=shape, name="beta", initializer="zeros") if self.center else None
            super(InstanceNormalization, self).build(input_shape)

        def call(self, inputs):
            rank = K.ndim(inputs)
            axes = [i for i in range(1, rank) if self.axis is None or i != self.axis % rank]
            shape = [1] * rank
            if self.axis is not None:
                shape[self.axis] = K.int_shape(inputs)[self.axis]
            y = (inputs - K.mean(inputs, axes, keepdims=True)) / (K.std(inputs, axes, keepdims=True) + self.epsilon)
            y = y * K.reshape(self.gamma, shape) if self.scale else y
            return y + K.reshape(self.beta, shape) if self.center else y

        def compute_output_shape(self, input_shape):
            return input_shape

        def get_config(self):
            zeros, ones = ({"class_name": name, "config": {}} for name in ("Zeros", "Ones"))
            return dict(super(InstanceNormalization, self).get_config(), axis=self.axis, epsilon=self.epsilon,
                        center=self.center, scale=self.scale, beta_initializer=zeros, gamma_initializer=ones,
                        beta_regularizer=None, gamma_regularizer=None, beta_constraint=None, gamma_constraint=None)

    class Bare(InstanceNormalization):
        def get_config(self):
            return dict(k.layers.Layer.get_config(self), epsilon=self.epsilon)
    Bare.__name__ = "InstanceNormalization"
    for name, shape, options in (("last", [3, 4, 2], {"axis": -1}), ("first", [3, 4, 2], {"axis": 1, "epsilon": 0.1}),
                                 ("all", [3, 4, 2], {"epsilon": 0.2}), ("bare", [5, 3], {"axis": 2, "center": False, "scale": False})):
        case("instance_" + name, lambda s=shape, o=options: k.one(s, InstanceNormalization(**o)))
    case("instance_custom", lambda: k.one([3, 4, 2], Bare(axis=-1)), refused=["keras_contrib", "custom class"])
