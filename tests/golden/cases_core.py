"""Dense, activations, Embedding, EinsumDense, shape layers: one case per option that changes a number."""
import numpy as np

ENVIRONMENTS = ["tf215", "keras3"]
ONCE = ("dense_sigmoid", "dense_tanh", "dense_wide", "dense_rank", "permute", "repeat", "reshape", "flatten_", "prelu_")

NAMES = ["linear", "relu", "relu6", "sigmoid", "hard_sigmoid", "tanh", "softmax", "log_softmax", "softplus", "softsign",
         "elu", "selu", "exponential", "swish", "silu", "gelu", "mish", "leaky_relu", "hard_silu", "hard_swish",
         "hard_tanh", "hard_shrink", "soft_shrink", "tanh_shrink", "celu", "glu", "log_sigmoid",
         "sparse_plus", "sparse_sigmoid", "squareplus", "sparsemax"]


def wide(rng, shape, dtype):
    """Also the ends: large, tiny, zero."""
    x = rng.uniform(-8, 8, shape)
    flat = x.reshape(-1)
    special = [0.0, -0.0, 20.0, -20.0, 1e-4, -1e-4, 3.0, -3.0, 0.5, -0.5, 1.0, -1.0]
    flat[: len(special)] = special[: flat.size]
    return x.astype(dtype)


def ints(high, low=0):
    return lambda rng, shape, dtype: rng.randint(low, high, shape).astype(dtype)


def define(k, case):
    L = k.layers
    activations(k, case)
    activation_layers(k, case)

    # A Lambda: its bytecode is read as data
    case("lambda_scaling", lambda: k.one([3], L.Lambda(lambda x: x / 127.5 - 1.0)))
    case("lambda_last_step", lambda: k.one([4, 3], L.Lambda(lambda x: x[:, -1, :], output_shape=(3,))))

    # Dense
    case("dense", lambda: k.one([7], L.Dense(5)))
    case("dense_sequential", lambda: k.seq([7], L.Dense(5, activation="relu"), L.Dense(3, activation="softmax")))
    case("dense_no_bias", lambda: k.one([7], L.Dense(5, use_bias=False, activation="tanh")))
    case("dense_one_unit", lambda: k.one([3], L.Dense(1, activation="sigmoid")))
    case("dense_rank3", lambda: k.one([3, 7], L.Dense(4, activation="elu")))
    case("dense_rank4_unknown", lambda: k.one([None, None, 5], L.Dense(3)), sizes=[(2, 3), (5, 4)])
    case("dense_wide", lambda: k.one([150], L.Dense(70, activation="relu")))
    case("dense_regularised", lambda: k.one([6], L.Dense(
        4, kernel_regularizer="l2", bias_constraint="non_neg", activity_regularizer="l1",
        kernel_initializer="he_normal")))
    case("rank_expanded", lambda: k.one([1], L.Dense(2)), fixed=[[np.arange(4, dtype="float32").reshape(4, 1)]])

    # Embedding
    case("embedding", lambda: k.one(([6], "int32"), L.Embedding(11, 4)), data=ints(11))
    case("embedding_float_ids", lambda: k.one([6], L.Embedding(11, 4)), data=ints(11))
    case("embedding_int64", lambda: k.one(([3], "int64"), L.Embedding(9, 2)), data=ints(9))
    case("embedding_unknown_length", lambda: k.one(([None], "int32"), L.Embedding(11, 4)), data=ints(11), sizes=[(5,), (9,)])
    case("embedding_flatten_dense", lambda: k.seq(
        ([5], "int32"), L.Embedding(20, 3), L.Flatten(), L.Dense(2, activation="softmax")), data=ints(20))
    case("embedding_rank3", lambda: k.one(([2, 3], "int32"), L.Embedding(8, 3)), data=ints(8))
    if k.has("ReversibleEmbedding"):
        for name, options in (("tied", {}), ("untied", {"tie_weights": False}), ("soft_cap", {"logit_soft_cap": 2.0})):
            case("reversible_embedding_" + name, lambda o=options: reversible(k, o), data=ints(9))
        case("reversible_embedding_lookup", lambda: k.one(([4], "int32"), L.ReversibleEmbedding(9, 3)), data=ints(9))

    # EinsumDense
    for name, equation, shape, output, bias, activation in (
            ("plain", "ab,bc->ac", [5], 4, "c", "relu"),
            ("no_bias", "ab,bc->ac", [5], 4, None, None),
            ("time", "abc,cd->abd", [3, 5], (None, 4), "d", None),
            ("heads", "abc,cde->abde", [3, 5], (None, 2, 4), "de", None),
            ("merge", "abde,dec->abc", [3, 2, 4], (None, 5), "c", "gelu"),
            ("bias_middle", "abc,cde->abde", [3, 5], (3, 2, 4), "d", None),
            ("bias_both", "abc,cde->abde", [3, 5], (3, 2, 4), "be", None),
            ("ellipsis_left", "...x,xy->...y", [3, 5], 4, "y", None),
            ("ellipsis_right", "ab...,bc->ac...", [5, 3], 4, "c", None),
            ("transposed", "abc,cd->adb", [3, 5], (4, 3), "d", None)):
        case("einsum_dense_" + name, lambda e=equation, s=shape, o=output, b=bias, a=activation: k.one(
            s, L.EinsumDense(e, o, bias_axes=b, activation=a)))

    # shape layers
    case("flatten", lambda: k.one([3, 2, 4], L.Flatten()))
    case("flatten_channels_first", lambda: k.one([3, 2, 4], L.Flatten(data_format="channels_first")))
    case("flatten_channels_first_rank3", lambda: k.one([3, 4], L.Flatten(data_format="channels_first")))
    case("flatten_vector", lambda: k.one([4], L.Flatten()))
    case("flatten_scalar", lambda: k.one([], L.Flatten()), fixed=[[np.arange(3, dtype="float32")]])
    case("flatten_unknown", lambda: k.one([None, 4], L.Flatten()), sizes=[(2,), (5,)])
    case("reshape", lambda: k.one([12], L.Reshape((3, 4))))
    case("reshape_minus_one", lambda: k.one([4, 6], L.Reshape((-1, 3))))
    case("reshape_unknown", lambda: k.one([None, 6], L.Reshape((-1, 3))), sizes=[(2,), (5,)])
    case("reshape_to_vector", lambda: k.one([2, 3, 2], L.Reshape((12,))))
    case("permute", lambda: k.one([2, 3, 4], L.Permute((3, 1, 2))))
    case("permute_2", lambda: k.one([2, 3], L.Permute((2, 1))))
    case("repeat_vector", lambda: k.one([5], L.RepeatVector(3)))
    case("identity", lambda: k.one([3, 2], L.Identity()))
    case("masking", lambda: k.one([4, 3], L.Masking(0.0)), data=with_rows(0.0))
    case("masking_value", lambda: k.one([4, 3], L.Masking(-1.0)), data=with_rows(-1.0))
    case("masking_nan", lambda: k.one([4, 3], L.Masking(float("nan"))))
    case("input_only", lambda: k.net([3], lambda x: x))


def reversible(k, options):
    layer = k.layers.ReversibleEmbedding(9, 3, **options)
    return k.net(([4], "int32"), lambda x: layer(k.layers.Dense(3, activation="tanh")(layer(x)), reverse=True))


def with_rows(value):
    """Some whole steps equal the value, some only in part."""
    def make(rng, shape, dtype):
        x = rng.standard_normal(shape)
        x[:, 1] = value
        x[:, 2, 0] = value
        return x.astype(dtype)
    return make


def activations(k, case):
    L = k.layers
    known = [n for n in NAMES if known_activation(k, n)]
    for name in known:
        case("activation_" + name, lambda n=name: k.one([14], L.Activation(n)), data=wide, batches=(1, 3))
    for name in ("relu", "sigmoid", "tanh", "gelu", "softmax"):
        case("dense_" + name, lambda n=name: k.one([6], L.Dense(4, activation=n)))
    for name in ("softmax", "log_softmax", "sparsemax", "glu"):
        if name in known:
            case("activation_%s_rank3" % name, lambda n=name: k.one([3, 4], L.Activation(n)))
    case("activation_layer_object", lambda: k.one([6], L.Dense(4, activation=L.LeakyReLU())))
    case("activation_relu_layer_object", lambda: k.one([6], L.Dense(4, activation=L.ReLU(max_value=0.5))))


def known_activation(k, name):
    try:
        k.keras.activations.get(name)
        return True
    except (ValueError, TypeError):
        return False


def activation_layers(k, case):
    L = k.layers
    slope = "negative_slope" if k.is_k3() else "alpha"
    for name, options in (
            ("plain", {}), ("max_value", {"max_value": 2.0}), ("slope", {"negative_slope": 0.2}),
            ("threshold", {"threshold": 0.5}),
            ("all", {"max_value": 2.0, "negative_slope": 0.2, "threshold": 0.5}),
            ("max_threshold", {"max_value": 6.0, "threshold": 0.3}),
            ("slope_threshold", {"negative_slope": 0.1, "threshold": 1.0})):
        case("relu_layer_" + name, lambda o=options: k.one([14], L.ReLU(**o)), data=wide, batches=(1, 3))
    case("leaky_relu_layer", lambda: k.one([14], L.LeakyReLU()), data=wide, batches=(1, 3))
    case("leaky_relu_layer_01", lambda: k.one([14], L.LeakyReLU(**{slope: 0.1})), data=wide, batches=(1, 3))
    case("prelu", lambda: k.one([6], L.PReLU()))
    case("prelu_image", lambda: k.one([3, 4, 2], L.PReLU()))
    case("prelu_shared", lambda: k.one([3, 4, 2], L.PReLU(shared_axes=[1, 2])))
    case("prelu_shared_one", lambda: k.one([3, 4], L.PReLU(shared_axes=[1])))
    case("prelu_shared_unknown", lambda: k.one([None, None, 3], L.PReLU(shared_axes=[1, 2])), sizes=[(2, 3), (4, 5)])
    case("elu_layer", lambda: k.one([14], L.ELU()), data=wide, batches=(1, 3))
    case("elu_layer_alpha", lambda: k.one([14], L.ELU(0.5)), data=wide, batches=(1, 3))
    if k.has("ThresholdedReLU"):
        case("thresholded_relu", lambda: k.one([14], L.ThresholdedReLU()), data=wide, batches=(1, 3))
        case("thresholded_relu_theta", lambda: k.one([14], L.ThresholdedReLU(0.3)), data=wide, batches=(1, 3))
    case("softmax_layer", lambda: k.one([5], L.Softmax()))
    case("softmax_layer_axis1", lambda: k.one([3, 4], L.Softmax(axis=1)))
    case("softmax_layer_axes", lambda: k.one([3, 4, 2], L.Softmax(axis=[1, 2])))
    case("softmax_layer_axes_last", lambda: k.one([3, 4, 2], L.Softmax(axis=[-1, -2])))
