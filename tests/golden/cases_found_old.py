"""What random models of standalone Keras 1 and 2 found: places where a version computed otherwise than the next."""

from cases_rnn import padded_rows
from keras_writer import standalone

ENVIRONMENTS = ["k108", "k224", "k231"]

K = getattr(standalone, "backend", None)  # a global: closures are not written


def define(k, case):
    if k.family == "K1":
        keras_1_0(k, case)
    else:
        keras_2(k, case)


def keras_1_0(k, case):
    L = k.layers
    case("highway", lambda: k.one([4], L.Highway(activation="tanh")))
    case("lambda", lambda: k.one([4], L.Lambda(lambda x: K.abs(x) / 2 - 1.)))
    case("merge_function", lambda: k.net([[4], [4]], lambda a, b: L.merge(
        [a, b], mode=lambda v: K.abs(v[0] - v[1]), output_shape=lambda s: s[0])), batches=(1, 3))


def keras_2(k, case):
    L = k.layers
    # The dtype of a config did not convert anything.
    case("dtype_ignored", lambda: k.net([4], lambda x: L.LeakyReLU(0.2, dtype="float64")(
        L.RepeatVector(2, dtype="float16")(x))))
    case("highway_no_bias", lambda: k.one([4], L.Highway(activation="tanh", bias=False)))
    case("maxout_no_bias", lambda: k.one([4], L.MaxoutDense(3, nb_feature=2, bias=False)))
    case("softmax_masked", lambda: k.net([5, 3], lambda x: L.Softmax()(L.Masking()(x))), data=[padded_rows])
    if k.version < (2, 3):
        for name, shapes, axes in (("last", ([2, 3, 4], [2, 4, 5]), (3, 2)), ("first", ([4, 3, 2], [4, 3, 5]), 2),
                                   ("middle", ([3, 3, 2], [3, 3, 5]), 1)):
            case("dot_stacks_" + name, lambda s=shapes, a=axes: k.net(list(s), lambda a_, b_: L.Dot(a)([a_, b_])),
                 batches=(1, 3))
