"""What files of public repositories found: companions of Keras, and what Keras itself writes damaged."""
import os

ENVIRONMENTS = ["tf215", "tf115"]

K = None  # a global, as scripts have it: a closure over a module can't be saved


def define(k, case):
    global K
    K = k.keras.backend
    windows(k, case)
    instances(k, case)


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
