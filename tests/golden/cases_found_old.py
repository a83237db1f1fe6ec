"""What random models of the oldest generations found: Keras 1.0 kept some layers otherwise than its last version."""

from keras_writer import standalone

ENVIRONMENTS = ["k108"]

K = getattr(standalone, "backend", None)  # a global: closures are not written


def define(k, case):
    L = k.layers
    case("highway", lambda: k.one([4], L.Highway(activation="tanh")))
    case("lambda", lambda: k.one([4], L.Lambda(lambda x: K.abs(x) / 2 - 1.)))
    case("merge_function", lambda: k.net([[4], [4]], lambda a, b: L.merge(
        [a, b], mode=lambda v: K.abs(v[0] - v[1]), output_shape=lambda s: s[0])), batches=(1, 3))
