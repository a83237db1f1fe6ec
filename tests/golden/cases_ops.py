"""Functions applied between layers: TensorFlowOpLayer (1.15, 2.3), TFOpLambda and SlicingOpLambda (2.4 on), Keras 3 operations."""
import numpy as np
import tensorflow as tf

from cases_core import ints

ENVIRONMENTS = ["tf215", "keras3", "tf23", "tf115"]


def positive(rng, shape, dtype):
    return rng.uniform(0.2, 3.0, shape).astype(dtype)


def unit(rng, shape, dtype):
    return rng.uniform(-0.9, 0.9, shape).astype(dtype)


def logical(rng, shape, dtype):
    return rng.randint(0, 2, shape).astype(bool)


def define(k, case):
    python_operators(k, case)
    indexing(k, case)
    if k.is_k3():
        keras3_operations(k, case)
    elif k.tf_version >= (2, 4):
        tensorflow_functions(k, case)
    else:
        tensorflow_1(k, case)
    networks(k, case)


def python_operators(k, case):
    two = [[3, 4], [3, 4]]
    table = [
        ("add", lambda x, y: x + y, two, None), ("subtract", lambda x, y: x - y, two, None),
        ("multiply", lambda x, y: x * y, two, None), ("divide", lambda x, y: x / y, two, positive),
        ("add_broadcast", lambda x, y: x + y, [[3, 4], [1, 4]], None),
        ("add_constant", lambda x: x + 3.0, [[4]], None), ("constant_add", lambda x: 3.0 + x, [[4]], None),
        ("subtract_constant", lambda x: x - 0.5, [[4]], None), ("constant_subtract", lambda x: 1.0 - x, [[4]], None),
        ("multiply_constant", lambda x: x * 0.25, [[4]], None), ("constant_divide", lambda x: 2.0 / x, [[4]], positive),
        ("divide_constant", lambda x: x / 255.0, [[4]], None), ("negative", lambda x: -x, [[4]], None),
        ("power", lambda x: x ** 2.0, [[4]], None), ("absolute", lambda x: abs(x), [[4]], None),
        ("floor_divide", lambda x: x // 0.5, [[4]], None), ("modulo", lambda x: x % 0.7, [[4]], None),
        ("greater", lambda x: x > 0.1, [[4]], None), ("less_equal", lambda x, y: x <= y, two, None),
        ("hard_swish", lambda x: x * k.layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0), [[6]], None),
        ("list_constant", lambda x: x * np.array([1.0, -2.0, 0.5, 3.0], "float32"), [[3, 4]], None),
        ("matmul", lambda x, y: x @ y, [[3, 4], [4, 2]], None)]
    for name, function, specs, data in table:
        keywords = {"data": data} if data else {}
        case("python_" + name, lambda f=function, s=specs: k.net(s, f), **keywords)
    case("python_integers", lambda: k.net([([4], "int32"), ([4], "int32")], lambda x, y: x * 2 + y), data=ints(9))
    case("python_integer_division", lambda: k.net(([4], "int32"), lambda x: x // 3), data=ints(20, -20))
    case("python_integer_modulo", lambda: k.net(([4], "int32"), lambda x: x % 3), data=ints(20, -20))


def indexing(k, case):
    shape = [5, 4, 3]
    for name, index in (
            ("first", np.s_[:, 0]), ("last", np.s_[:, -1]), ("slice", np.s_[:, 1:3]), ("step", np.s_[:, ::2]),
            ("backwards", np.s_[:, ::-1]), ("ellipsis", np.s_[..., 0]), ("ellipsis_slice", np.s_[..., :2]),
            ("middle", np.s_[:, :, 1:]), ("several", np.s_[:, 1, 2:, 0]), ("new_axis", np.s_[:, None]),
            ("new_axis_end", np.s_[..., None]), ("negative_slice", np.s_[:, -3:-1]), ("all", np.s_[:, :, :, -1:])):
        case("index_" + name, lambda i=index: k.net(shape, lambda x: x[i]))
    case("index_unknown", lambda: k.net([None, 3], lambda x: x[:, -1]), sizes=[(2,), (5,)])
    case("index_unknown_slice", lambda: k.net([None, 3], lambda x: x[:, 1:-1]), sizes=[(4,), (6,)])


def unary(k, case, table, specs=([6],)):
    for name, function, data in table:
        case("op_" + name, lambda f=function, s=specs: k.net(list(s), f), **({"data": data} if data else {}))


def shaped(k, case, table):
    for row in table:
        name, specs, function = row[:3]
        case("op_" + name, lambda f=function, s=specs: k.net(s, f), **(row[3] if len(row) > 3 else {}))


def tensorflow_functions(k, case):
    m, nn = tf.math, tf.nn
    unary(k, case, (
        ("square", m.square, None), ("sqrt", m.sqrt, positive), ("rsqrt", m.rsqrt, positive), ("exp", m.exp, None),
        ("expm1", m.expm1, None), ("log", m.log, positive), ("log1p", m.log1p, positive), ("sin", m.sin, None),
        ("cos", m.cos, None), ("tanh", m.tanh, None), ("sigmoid", m.sigmoid, None), ("erf", m.erf, None),
        ("softplus", m.softplus, None), ("reciprocal", m.reciprocal, positive), ("sign", m.sign, None),
        ("floor", m.floor, None), ("ceil", m.ceil, None), ("round", m.round, None), ("abs", m.abs, None),
        ("negative", m.negative, None), ("relu", nn.relu, None), ("relu6", nn.relu6, None), ("elu", nn.elu, None),
        ("selu", nn.selu, None), ("leaky_relu", nn.leaky_relu, None), ("leaky_relu_alpha", lambda x: nn.leaky_relu(x, 0.1), None),
        ("softmax", nn.softmax, None), ("log_softmax", nn.log_softmax, None), ("swish", nn.swish, None),
        ("identity", tf.identity, None), ("stop_gradient", tf.stop_gradient, None), ("zeros_like", tf.zeros_like, None),
        ("ones_like", tf.ones_like, None), ("clip", lambda x: tf.clip_by_value(x, -0.5, 0.8), None),
        ("crelu", nn.crelu, None), ("softsign", nn.softsign, None), ("asin", m.asin, unit), ("atan", m.atan, None)))
    unary(k, case, (("silu", nn.silu, None), ("gelu", nn.gelu, None),
                    ("gelu_approximate", lambda x: nn.gelu(x, approximate=True), None)))
    shape = [3, 4]
    for name in ("mean", "sum", "max", "min", "prod"):
        function = getattr(m, "reduce_" + name)
        shaped(k, case, (
            ("reduce_%s" % name, shape, lambda x, f=function: f(x, axis=1)),
            ("reduce_%s_keep" % name, shape, lambda x, f=function: f(x, axis=-1, keepdims=True)),
            ("reduce_%s_axes" % name, shape, lambda x, f=function: f(x, axis=[1, 2]))))
    shaped(k, case, (
        ("reduce_std", shape, lambda x: m.reduce_std(x, axis=1)),
        ("reduce_variance", shape, lambda x: m.reduce_variance(x, axis=1)),
        ("reduce_logsumexp", shape, lambda x: m.reduce_logsumexp(x, axis=-1)),
        ("reduce_any", (shape, "bool"), lambda x: m.reduce_any(x, axis=1), {"data": logical}),
        ("reduce_all", (shape, "bool"), lambda x: m.reduce_all(x, axis=1), {"data": logical}),
        ("maximum", [shape, shape], m.maximum), ("minimum", [shape, shape], m.minimum),
        ("maximum_constant", shape, lambda x: m.maximum(x, 0.1)),
        ("squared_difference", [shape, shape], m.squared_difference), ("pow", [shape, shape], m.pow, {"data": positive}),
        ("add_n", [shape, shape, shape], lambda *x: m.add_n(list(x))), ("math_divide", [shape, shape], m.divide, {"data": positive}),
        ("l2_normalize", shape, lambda x: m.l2_normalize(x, axis=-1)),
        ("l2_normalize_1", shape, lambda x: m.l2_normalize(x, axis=1, epsilon=0.1)),
        ("argmax", shape, lambda x: m.argmax(x, axis=-1)), ("cumsum", shape, lambda x: m.cumsum(x, axis=1)),
        ("cumsum_reverse", shape, lambda x: m.cumsum(x, axis=2, exclusive=True, reverse=True)),
        ("top_k", shape, lambda x: m.top_k(x, k=2)),
        ("greater", [shape, shape], m.greater), ("greater_equal", [shape, shape], m.greater_equal),
        ("less", shape, lambda x: m.less(x, 0.3)), ("not_equal", [(shape, "int32")] * 2, m.not_equal),
        ("equal", [(shape, "int32")] * 2, m.equal),
        ("logical_and", [(shape, "bool")] * 2, m.logical_and, {"data": logical}),
        ("logical_or", [(shape, "bool")] * 2, m.logical_or, {"data": logical}),
        ("logical_not", (shape, "bool"), m.logical_not, {"data": logical}),
        ("matmul", [[3, 4], [4, 2]], tf.matmul), ("matmul_transpose", [[3, 4], [5, 4]], lambda x, y: tf.matmul(x, y, transpose_b=True)),
        ("matmul_transpose_a", [[4, 3], [4, 2]], lambda x, y: tf.matmul(x, y, transpose_a=True)),
        ("cast", shape, lambda x: tf.cast(x * 3.0, "int32")), ("cast_bool", shape, lambda x: tf.cast(x > 0, "float32")),
        ("cast_int", (shape, "int32"), lambda x: tf.cast(x, tf.float32)),
        ("reshape", shape, lambda x: tf.reshape(x, [-1, 2, 6])), ("reshape_flat", shape, lambda x: tf.reshape(x, (-1, 12))),
        ("reshape_shape", [None, 4], lambda x: tf.reshape(x, [tf.shape(x)[0], -1, 2, 2]), {"sizes": [(2,), (3,)]}),
        ("expand_dims", shape, lambda x: tf.expand_dims(x, 1)), ("expand_dims_last", shape, lambda x: tf.expand_dims(x, axis=-1)),
        ("squeeze", [1, 4], lambda x: tf.squeeze(x, axis=1)), ("squeeze_axes", [1, 4, 1], lambda x: tf.squeeze(x, [1, 3])),
        ("transpose", [2, 3, 4], lambda x: tf.transpose(x, [0, 3, 1, 2])),
        ("concat", [shape, [3, 2]], lambda x, y: tf.concat([x, y], axis=-1)),
        ("concat_1", [shape, [1, 4]], lambda x, y: tf.concat([x, y], 1)),
        ("stack", [shape, shape], lambda x, y: tf.stack([x, y], axis=1)),
        ("stack_last", [shape, shape], lambda x, y: tf.stack([x, y], axis=-1)),
        ("unstack", shape, lambda x: tf.unstack(x, axis=1)), ("split", shape, lambda x: tf.split(x, 2, axis=-1)),
        ("split_sizes", shape, lambda x: tf.split(x, [1, 3], axis=2)), ("tile", shape, lambda x: tf.tile(x, [1, 2, 1])),
        ("repeat", shape, lambda x: tf.repeat(x, 2, axis=1)), ("pad", shape, lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1]])),
        ("pad_value", shape, lambda x: tf.pad(x, [[0, 0], [1, 0], [0, 0]], constant_values=2.0)),
        ("pad_reflect", shape, lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 0]], mode="REFLECT")),
        ("pad_symmetric", shape, lambda x: tf.pad(x, [[0, 0], [2, 2], [1, 0]], mode="SYMMETRIC")),
        ("gather", shape, lambda x: tf.gather(x, [2, 0], axis=1)),
        ("gather_last", shape, lambda x: tf.gather(x, [3, 0, 1], axis=-1)),
        ("where", [shape, shape], lambda x, y: tf.where(x > 0.0, x, y)),
        ("where_constant", shape, lambda x: tf.where(x > 0.0, x, 0.0)),
        ("reverse", shape, lambda x: tf.reverse(x, axis=[1])), ("roll", shape, lambda x: tf.roll(x, 1, axis=1)),
        ("one_hot", ([3], "int32"), lambda x: tf.one_hot(x, 5)),
        ("broadcast_to", [1, 4], lambda x: tf.broadcast_to(x, [1, 3, 4]), {"batches": (1,)}),
        ("depth_to_space", [2, 3, 8], lambda x: nn.depth_to_space(x, 2)), ("space_to_depth", [4, 6, 2], lambda x: nn.space_to_depth(x, 2)),
        ("local_response_normalization", [2, 3, 8], lambda x: nn.local_response_normalization(x, 2, 1.0, 0.5, 0.75)),
        ("resize_bilinear", [4, 5, 2], lambda x: tf.image.resize(x, (6, 3))),
        ("resize_nearest", [4, 5, 2], lambda x: tf.image.resize(x, (6, 3), method="nearest")),
        ("resize_bicubic", [4, 5, 2], lambda x: tf.image.resize(x, [7, 8], method="bicubic")),
        ("rgb_to_grayscale", [3, 4, 3], tf.image.rgb_to_grayscale),
        ("max_pool", [4, 6, 2], lambda x: nn.max_pool2d(x, 2, 2, "VALID")), ("avg_pool", [5, 6, 2], lambda x: nn.avg_pool2d(x, 2, 2, "SAME")),
        ("moments", shape, lambda x: list(nn.moments(x, axes=[1]))),
        ("root_mean_square", shape, lambda x: tf.sqrt(tf.reduce_mean(tf.square(x), axis=1)))))
    backend = k.keras.backend
    shaped(k, case, (
        ("backend_mean", shape, lambda x: backend.mean(x, axis=1)),
        ("backend_sum_keep", shape, lambda x: backend.sum(x, axis=-1, keepdims=True)),
        ("backend_l2_normalize", shape, lambda x: backend.l2_normalize(x, axis=-1)),
        ("backend_softmax", shape, lambda x: backend.softmax(x)), ("backend_abs", [shape, shape], lambda x, y: backend.abs(x - y)),
        ("backend_expand_dims", shape, lambda x: backend.expand_dims(x, 1)),
        ("backend_permute", [2, 3, 4], lambda x: backend.permute_dimensions(x, (0, 2, 1, 3))),
        ("backend_concatenate", [shape, shape], lambda x, y: backend.concatenate([x, y], axis=1)),
        ("backend_clip", shape, lambda x: backend.clip(x, -0.3, 0.3)),
        ("backend_batch_dot", [[3, 4], [4, 2]], lambda x, y: backend.batch_dot(x, y)),
        ("backend_hard_sigmoid", shape, lambda x: backend.hard_sigmoid(x)),
        ("euclidean", [[4], [4]], lambda x, y: backend.sqrt(backend.maximum(backend.sum(
            backend.square(x - y), axis=1, keepdims=True), backend.epsilon())))))
    case("lost_einsum", lambda: k.net([[3, 4], [4, 5]], lambda x, y: tf.einsum("nab,nbc->nac", x, y)), refused=["einsum"])


def tensorflow_1(k, case):
    """The op nodes of TensorFlow 1.15 and 2.3."""
    shape = [3, 4]
    unary(k, case, (
        ("square", tf.square, None), ("sqrt", tf.sqrt, positive), ("exp", tf.exp, None), ("log", tf.math.log, positive),
        ("sigmoid", tf.sigmoid, None), ("tanh", tf.tanh, None), ("relu", tf.nn.relu, None), ("relu6", tf.nn.relu6, None),
        ("softmax", tf.nn.softmax, None), ("elu", tf.nn.elu, None), ("leaky_relu", tf.nn.leaky_relu, None)))
    shaped(k, case, (
        ("reduce_mean", shape, lambda x: tf.reduce_mean(x, axis=1)),
        ("reduce_sum_keep", shape, lambda x: tf.reduce_sum(x, axis=-1, keepdims=True)),
        ("reduce_max", shape, lambda x: tf.reduce_max(x, axis=[1, 2])),
        ("reshape", shape, lambda x: tf.reshape(x, [-1, 12])), ("transpose", [2, 3, 4], lambda x: tf.transpose(x, [0, 3, 1, 2])),
        ("expand_dims", shape, lambda x: tf.expand_dims(x, 1)), ("squeeze", [1, 4], lambda x: tf.squeeze(x, axis=1)),
        ("concat", [shape, [3, 2]], lambda x, y: tf.concat([x, y], axis=-1)),
        ("stack", [shape, shape], lambda x, y: tf.stack([x, y], axis=1)), ("split", shape, lambda x: tf.split(x, 2, axis=-1)),
        ("unstack", shape, lambda x: tf.unstack(x, axis=1)),
        ("maximum", [shape, shape], tf.maximum), ("matmul", [[3, 4], [4, 2]], tf.matmul),
        ("tile", shape, lambda x: tf.tile(x, [1, 2, 1])), ("pad", shape, lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1]])),
        ("cast", shape, lambda x: tf.cast(x * 3.0, "int32")), ("gather", shape, lambda x: tf.gather(x, [2, 0], axis=1)),
        ("resize_bilinear", [4, 5, 2], lambda x: tf.image.resize(x, (6, 3))),
        ("squared_difference", [shape, shape], lambda x, y: tf.math.squared_difference(x, y)),
        ("argmax", shape, lambda x: tf.argmax(x, axis=-1)),
        ("where", [shape, shape], lambda x, y: tf.where(x > y, x, y)),
        ("depth_to_space", [2, 3, 8], lambda x: tf.nn.depth_to_space(x, 2))))


def keras3_operations(k, case):
    ops = k.keras.ops
    unary(k, case, tuple((name, getattr(ops, name), None) for name in (
        "square", "exp", "expm1", "sin", "cos", "tanh", "sigmoid", "erf", "softplus", "sign", "floor", "ceil", "round", "negative",
        "relu", "relu6", "elu", "selu", "leaky_relu", "silu", "gelu", "softmax", "log_softmax", "hard_sigmoid", "hard_silu",
        "softsign", "stop_gradient", "zeros_like", "ones_like", "absolute", "log_sigmoid", "celu", "glu", "hard_tanh", "arctan",
        "sinh", "cosh")) + (
        ("sqrt", ops.sqrt, positive), ("rsqrt", ops.rsqrt, positive), ("log", ops.log, positive), ("log1p", ops.log1p, positive),
        ("reciprocal", ops.reciprocal, positive), ("log2", ops.log2, positive), ("log10", ops.log10, positive),
        ("arcsin", ops.arcsin, unit), ("gelu_exact", lambda x: ops.gelu(x, approximate=False), None),
        ("leaky_relu_slope", lambda x: ops.leaky_relu(x, 0.1), None), ("clip", lambda x: ops.clip(x, -0.5, 0.8), None)))
    shape = [3, 4]
    for name in ("mean", "sum", "max", "min", "prod", "var", "std"):
        function = getattr(ops, name)
        shaped(k, case, (
            (name, shape, lambda x, f=function: f(x, axis=1)),
            (name + "_keep", shape, lambda x, f=function: f(x, axis=-1, keepdims=True)),
            (name + "_axes", shape, lambda x, f=function: f(x, axis=(1, 2)))))
    shaped(k, case, (
        ("logsumexp", shape, lambda x: ops.logsumexp(x, axis=-1)), ("argmax", shape, lambda x: ops.argmax(x, axis=-1)),
        ("any", (shape, "bool"), lambda x: ops.any(x, axis=1), {"data": logical}),
        ("all", (shape, "bool"), lambda x: ops.all(x, axis=1), {"data": logical}),
        ("maximum", [shape, shape], ops.maximum), ("minimum_constant", shape, lambda x: ops.minimum(x, 0.3)),
        ("power", [shape, shape], ops.power, {"data": positive}), ("mod", shape, lambda x: ops.mod(x, 0.7)),
        ("floor_divide", [shape, shape], ops.floor_divide, {"data": positive}),
        ("equal", [(shape, "int32")] * 2, ops.equal), ("not_equal", [(shape, "int32")] * 2, ops.not_equal),
        ("greater", [shape, shape], ops.greater), ("less_equal", shape, lambda x: ops.less_equal(x, 0.2)),
        ("logical_and", [(shape, "bool")] * 2, ops.logical_and, {"data": logical}),
        ("logical_not", (shape, "bool"), ops.logical_not, {"data": logical}),
        ("matmul", [[3, 4], [4, 2]], ops.matmul), ("einsum", [[3, 4], [4, 5]], lambda x, y: ops.einsum("nab,nbc->nac", x, y)),
        ("einsum_heads", [[3, 2, 4], [5, 2, 4]], lambda x, y: ops.einsum("nqhd,nkhd->nhqk", x, y)),
        ("cast", shape, lambda x: ops.cast(x * 3.0, "int32")), ("cast_bool", shape, lambda x: ops.cast(x > 0, "float32")),
        ("reshape", shape, lambda x: ops.reshape(x, (-1, 2, 6))), ("reshape_flat", shape, lambda x: ops.reshape(x, (-1, 12))),
        ("transpose", [2, 3, 4], lambda x: ops.transpose(x, (0, 3, 1, 2))), ("swapaxes", [2, 3, 4], lambda x: ops.swapaxes(x, 1, 3)),
        ("moveaxis", [2, 3, 4], lambda x: ops.moveaxis(x, 1, -1)),
        ("expand_dims", shape, lambda x: ops.expand_dims(x, 1)), ("expand_dims_last", shape, lambda x: ops.expand_dims(x, -1)),
        ("squeeze", [1, 4], lambda x: ops.squeeze(x, 1)),
        ("concatenate", [shape, [3, 2]], lambda x, y: ops.concatenate([x, y], axis=-1)),
        ("stack", [shape, shape], lambda x, y: ops.stack([x, y], axis=1)), ("split", shape, lambda x: ops.split(x, 2, axis=-1)),
        ("split_points", shape, lambda x: ops.split(x, [1, 3], axis=2)), ("unstack", shape, lambda x: ops.unstack(x, axis=1)),
        ("repeat", shape, lambda x: ops.repeat(x, 2, axis=1)), ("tile", shape, lambda x: ops.tile(x, (1, 2, 1))),
        ("pad", shape, lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 1)))),
        ("pad_value", shape, lambda x: ops.pad(x, ((0, 0), (1, 0), (0, 0)), constant_values=2.0)),
        ("pad_reflect", shape, lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 0)), mode="reflect")),
        ("flip", shape, lambda x: ops.flip(x, axis=1)), ("roll", shape, lambda x: ops.roll(x, 1, axis=1)),
        ("take", shape, lambda x: ops.take(x, [2, 0], axis=1)), ("take_last", shape, lambda x: ops.take(x, [3, 0, 1], axis=-1)),
        ("where", [shape, shape], lambda x, y: ops.where(x > 0.0, x, y)), ("where_constant", shape, lambda x: ops.where(x > 0.0, x, 0.0)),
        ("norm", shape, lambda x: ops.norm(x, axis=-1)), ("norm_keep", shape, lambda x: ops.norm(x, axis=-1, keepdims=True)),
        ("normalize", shape, lambda x: ops.normalize(x, axis=-1)), ("normalize_1", shape, lambda x: ops.normalize(x, axis=1, order=1)),
        ("cumsum", shape, lambda x: ops.cumsum(x, axis=1)), ("cumprod", shape, lambda x: ops.cumprod(x, axis=1)),
        ("one_hot", ([3], "int32"), lambda x: ops.one_hot(x, 5)),
        ("softmax_axis", shape, lambda x: ops.softmax(x, axis=1)), ("top_k", shape, lambda x: ops.top_k(x, 2)),
        ("dot", shape, lambda x: ops.dot(x, np.arange(8, dtype="float32").reshape(4, 2) / 4.0)),
        ("tensordot", shape, lambda x: ops.tensordot(x, np.arange(8, dtype="float32").reshape(4, 2) / 4.0, axes=1)),
        ("resize", [4, 5, 2], lambda x: ops.image.resize(x, (6, 3))),
        ("resize_nearest", [4, 5, 2], lambda x: ops.image.resize(x, (6, 3), interpolation="nearest")),
        ("max_pool", [4, 6, 2], lambda x: ops.max_pool(x, 2, 2)), ("average_pool", [5, 6, 2], lambda x: ops.average_pool(x, 2, 2, "same")),
        ("rgb_to_grayscale", [3, 4, 3], ops.image.rgb_to_grayscale),
        ("triu", [4, 4], lambda x: ops.triu(x)), ("sort", shape, lambda x: ops.sort(x, axis=-1)),
        ("squared_distance", [[4], [4]], lambda x, y: ops.sqrt(ops.maximum(ops.sum(ops.square(x - y), axis=1, keepdims=True), 1e-7)))))


def networks(k, case):
    L = k.layers

    def dueling(x):
        value, advantage = L.Dense(1)(x), L.Dense(3)(x)
        if k.is_k3():
            return value + (advantage - k.keras.ops.mean(advantage, axis=1, keepdims=True))
        return value + (advantage - tf.reduce_mean(advantage, axis=1, keepdims=True))
    case("net_dueling", lambda: k.net([4], dueling))
    case("net_residual", lambda: k.net([4], lambda x: L.Dense(2)(x + L.Dense(4, activation="relu")(x))))
    case("net_scaled_input", lambda: k.net([4, 4, 3], lambda x: L.Flatten()(L.Conv2D(2, 3)(x / 127.5 - 1.0))))
    case("net_last_step", lambda: k.net([None, 3], lambda x: L.Dense(2)(L.LSTM(3, return_sequences=True)(x)[:, -1, :])),
         sizes=[(3,), (5,)])
    case("net_op_before_nested", lambda: k.net([4], lambda x: k.seq([4], L.Dense(3), L.Dense(2))(x * 2.0) - 1.0))
