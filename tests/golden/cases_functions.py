"""The functions that cases_ops.py leaves out, many in one model: an output each. Wide rather than deep."""
import numpy as np
import tensorflow as tf

from cases_ops import logical, positive, unit

ENVIRONMENTS = ["tf215", "keras3", "tf23"]


def holes(rng, shape, dtype):
    """Numbers, zeros, NaN and infinities."""
    values = rng.standard_normal(shape).astype(dtype)
    kind = rng.randint(0, 8, shape)
    for i, special in enumerate((np.nan, np.inf, -np.inf, 0.0)):
        values[kind == i] = special
    return values


def above_one(rng, shape, dtype):
    return rng.uniform(1.1, 3.0, shape).astype(dtype)


def small_ints(rng, shape, dtype):
    return rng.randint(0, 6, shape).astype(dtype)


def define(k, case):
    if not k.is_k3():
        sizes_as_values(k, case)
    if k.family == "TF" and k.tf_version < (2, 4):
        return
    groups = keras_3(k) if k.is_k3() else tensorflow(k)
    for name, specs, data, functions in groups:
        case("functions_" + name, lambda s=specs, f=functions: k.net(s, lambda *x: flat([one(*x) for one in f])),
             batches=(2, 3), mixes_rows=True, **({"data": data} if data else {}))


def flat(outputs):
    return [x for one in outputs for x in (one if isinstance(one, (list, tuple)) else [one])]


def sizes_as_values(k, case):
    """Graphs that compute with the sizes of their inputs."""
    L = k.layers

    def positions(x):
        steps = tf.cast(tf.range(tf.shape(x)[1])[None, :, None], tf.float32)
        return L.Dense(2)(x + steps * 0.1)

    def class_token(x):
        token = tf.tile(tf.zeros_like(x[:1, :1]) + 0.5, [tf.shape(x)[0], 1, 1])
        return L.LSTM(3)(tf.concat([token, x], axis=1))

    def flat_pixels(x):
        return L.Dense(2)(tf.reshape(x, [tf.shape(x)[0], tf.shape(x)[1] * tf.shape(x)[2], 3]))

    def variational():
        x = L.Input(shape=(8,), name="x")
        hidden = L.Dense(4, activation="relu")(x)
        mean, spread = L.Dense(2)(hidden), L.Dense(2)(hidden)
        y = L.Dense(8, activation="sigmoid")(mean)
        model = k.model(x, y)
        model.add_loss(tf.reduce_mean(tf.keras.losses.binary_crossentropy(x, y)) - 0.5 * tf.reduce_sum(
            1 + spread - tf.square(mean) - tf.exp(spread)))
        return model

    case("sizes_positions", lambda: k.net([None, 4], positions), sizes=[(3,), (6,)])
    case("sizes_class_token", lambda: k.net([None, 4], class_token), sizes=[(3,), (6,)], mixes_rows=True)
    case("sizes_flat_pixels", lambda: k.net([None, None, 3], flat_pixels), sizes=[(3, 4), (2, 5)])
    case("sizes_resize_like", lambda: k.net([[4, 4, 2], [8, 6, 2]], lambda x, y: tf.image.resize(x, tf.shape(y)[1:3]) + y))
    case("loss_beside_the_outputs", variational)


def keras_3(k):
    from keras import ops as o
    m = [3, 4]
    ints = ([3, 4], "int32")
    return [
        ("one_number", m, unit, [
            o.cbrt, o.exp2, o.tan, o.arccos, o.arcsinh, o.arctanh, o.erfc, o.erfinv, o.trunc, o.deg2rad, o.rad2deg, o.sinc,
            o.signbit, lambda x: o.signbit(-o.relu(x)), o.copy, o.real, o.conj, o.conjugate, o.swish, o.hard_swish, o.sparsemax, o.hard_shrink,
            o.soft_shrink, o.tanh_shrink, lambda x: o.threshold(x, 0.1, -2.0), o.sparse_plus, o.sparse_sigmoid,
            lambda x: o.squareplus(x, 2.0), lambda x: o.round(x, 1), lambda x: o.saturate_cast(x * 9, "int8"),
            o.array, o.absolute]),
        ("one_large_number", m, above_one, [o.arccosh, o.log2, o.log10, o.reciprocal]),
        ("special_numbers", m, holes, [
            o.isnan, o.isinf, o.isfinite, o.isposinf, o.isneginf, lambda x: o.nan_to_num(x, 0.5, 9.0, -9.0)]),
        ("two_numbers", [m, m], positive, [
            o.divide, o.divide_no_nan, o.fmod, o.arctan2, o.logaddexp, o.logaddexp2, o.hypot, o.less, o.greater_equal,
            lambda x, y: o.isclose(x, y, 0.3), lambda x, y: o.ldexp(x, o.cast(y, "int32")),
            lambda x, y: o.heaviside(o.round(x) - 1.0, y), o.fmax, o.fmin]),
        ("two_integers", [ints, ints], small_ints, [
            o.bitwise_and, o.bitwise_or, o.bitwise_xor, lambda x, y: o.bitwise_not(x), lambda x, y: o.bitwise_invert(y),
            lambda x, y: o.saturate_cast(x * 100 - 250, "int8"), lambda x, y: o.saturate_cast(y * 100 - 200, "uint8")]),
        ("two_flags", [(m, "bool")] * 2, logical, [o.logical_xor]),
        ("reductions", m, None, [
            lambda x: o.amax(x, axis=1), lambda x: o.amin(x, axis=-1), lambda x: o.argmin(x, axis=-1),
            lambda x: o.median(x, axis=1), lambda x: o.median(x, axis=2, keepdims=True), lambda x: o.moments(x, axes=[1]),
            lambda x: o.argsort(x, axis=1), lambda x: o.ptp(x, axis=2), lambda x: o.quantile(x, 0.3, axis=1),
            lambda x: o.percentile(x, 70.0, axis=-1, keepdims=True), lambda x: o.count_nonzero(o.relu(x), axis=1),
            lambda x: o.norm(x, ord=1, axis=-1), lambda x: o.norm(x, ord=np.inf, axis=1)]),
        ("reductions_with_holes", m, holes, [lambda x, f=getattr(o, n): f(x, axis=-1) for n in (
            "nanmax", "nanmin", "nansum", "nanmean", "nanprod") if hasattr(o, n)]),
        ("movement", m, None, [
            lambda x: o.hstack([x, x]), lambda x: o.append(x, x, axis=2), lambda x: o.hsplit(x, 3), lambda x: o.dsplit(x, 2),
            lambda x: o.array_split(x, 2, axis=2), o.fliplr, lambda x: o.rot90(x, 1, (1, 2)), lambda x: o.rot90(x, 3, (1, 2)),
            lambda x: o.rot90(x[:, :, :3], 2, (2, 1)), lambda x: o.diff(x, axis=1), lambda x: o.diff(x, 2, axis=2), o.tril, o.triu,
            lambda x: o.tril(x, -1), lambda x: o.triu(x, 1), lambda x: o.tril(x, 1), lambda x: o.triu(x, -1),
            lambda x: o.slice(x[0], (1, 1), (2, 2)), lambda x: o.full_like(x, 2.5)]),
        ("square_matrices", [3, 3], None, [
            lambda x: o.diagonal(x, axis1=1, axis2=2), lambda x: o.trace(x, axis1=1, axis2=2),
            lambda x: o.take_along_axis(x, o.argsort(x, axis=1), axis=1), lambda x: o.cross(x, x[:, ::-1])]),
        ("whole_batch", [2], None, [
            o.ravel, lambda x: o.vstack([x, x]), o.flipud, lambda x: o.outer(x, x), lambda x: o.inner(x, x),
            lambda x: o.vdot(x, x)]),
        ("indices", ([4], "int32"), small_ints, [
            lambda x: o.multi_hot(x, 7), lambda x: o.digitize(o.cast(x, "float32"), np.array([0.5, 2.5, 4.0])),
            lambda x: o.searchsorted(np.array([1.0, 3.0, 3.0, 5.0], "float32"), o.ravel(o.cast(x, "float32"))),
            lambda x: o.searchsorted(np.array([1.0, 3.0, 3.0, 5.0], "float32"), o.ravel(o.cast(x, "float32")), side="right")]),
        ("pictures", [5, 6, 4], None, [
            lambda x: o.depth_to_space(x, 2), lambda x: o.space_to_depth(x[:, :4], 2),
            lambda x: o.adaptive_max_pool(x, (2, 3)), lambda x: o.adaptive_average_pool(x, (3, 4)),
            lambda x: o.image.extract_patches(x, 2), lambda x: o.image.extract_patches(x, 3, strides=2, padding="same"),
            lambda x: o.image.pad_images(x, 1, 2, target_height=8, target_width=10),
            lambda x: o.image.crop_images(x, 1, 2, 3, 1)]),
        ("layers_as_functions", [5, 6, 2], None, [
            lambda x: o.conv(x, np.linspace(-1, 1, 16).reshape(2, 2, 2, 2).astype("float32"), 1, "same"),
            lambda x: o.depthwise_conv(x, np.linspace(-1, 1, 8).reshape(2, 2, 2, 1).astype("float32"), 1, "valid"),
            lambda x: o.batch_normalization(x, np.array([0.1, 0.2], "float32"), np.array([0.5, 2.0], "float32"), -1),
            lambda x: o.max_pool(x, 2, 1, "same"), lambda x: o.average_pool(x, 2),
            lambda x: o.broadcast_to(x[:1, :1, :1], (3, 2, 4, 2))]),
        ("normalisation", m, None, [
            lambda x: o.layer_normalization(x), lambda x: o.rms_normalization(x),
            lambda x: o.normalize(x, axis=1), lambda x: o.normalize(x, order=1)]),
        ("attention_function", [[4, 2, 3], [5, 2, 3], [5, 2, 3]], None, [o.dot_product_attention]),
    ]


def tensorflow(k):
    m, s, im, nn = tf.math, [3, 4], tf.image, tf.nn
    return [
        ("one_number", s, unit, [
            m.reciprocal_no_nan, m.tan, m.acos, m.sinh, m.cosh, m.asinh, m.atanh, m.log_sigmoid, m.erfinv, m.erfc,
            lambda x: m.scalar_mul(0.3, x), lambda x: tf.ensure_shape(x, (None, 3, 4))]),
        ("one_large_number", s, above_one, [m.acosh]),
        ("special_numbers", s, holes, [m.is_nan, m.is_inf, m.is_finite]),
        ("two_numbers", [s, s], positive, [m.atan2, m.xlogy, m.xdivy, m.divide_no_nan, tf.truncatemod]),
        ("two_integers", [(s, "int32")] * 2, small_ints, [
            tf.bitwise.bitwise_and, tf.bitwise.bitwise_or, tf.bitwise.bitwise_xor, lambda x, y: tf.bitwise.invert(x)]),
        ("two_flags", [(s, "bool")] * 2, logical, [m.logical_xor]),
        ("reductions", s, None, [
            lambda x: m.count_nonzero(tf.nn.relu(x), axis=1), lambda x: m.argmin(x, axis=2),
            lambda x: tf.norm(x, axis=1), lambda x: tf.norm(x, ord=1, axis=-1, keepdims=True),
            lambda x: tf.norm(x, ord=np.inf, axis=2), lambda x: m.reduce_euclidean_norm(x, axis=1),
            lambda x: nn.moments(x, axes=[1, 2]), lambda x: m.cumprod(x, axis=1), lambda x: tf.sort(x, axis=1),
            lambda x: tf.sort(x, direction="DESCENDING"), lambda x: tf.argsort(x, axis=-1)]),
        ("movement", s, None, [
            tf.linalg.matrix_transpose, lambda x: tf.linalg.band_part(x, 1, 0), lambda x: tf.linalg.band_part(x, 0, -1),
            lambda x: tf.slice(x, [0, 1, 0], [-1, 2, 3]), lambda x: tf.strided_slice(x, [0, 0, 3], [2, 3, 0], [1, 2, -1]),
            lambda x: tf.zeros([tf.shape(x)[0], 2]), lambda x: tf.ones([2, 3]) + tf.reduce_sum(x),
            lambda x: tf.fill([tf.shape(x)[0], 3], 2.5), lambda x: x * tf.cast(tf.range(tf.shape(x)[2]), tf.float32),
            lambda x: tf.cast(tf.size(x), tf.float32) + x, lambda x: tf.cast(tf.rank(x), tf.float32) + x]),
        ("square_matrices", [3, 3], None, [
            tf.linalg.diag_part, tf.linalg.trace, lambda x: tf.linalg.cross(x, x[:, ::-1]),
            lambda x: tf.linalg.matvec(x, x[:, 0]), lambda x: tf.tensordot(x, x[0], axes=1),
            lambda x: tf.tensordot(x, x[0], axes=[[1], [1]])]),
        ("indices", ([4], "int32"), small_ints, [
            lambda x: tf.sequence_mask(x, 6), lambda x: tf.gather_nd(tf.cast(tf.stack([x, x], -1), tf.float32), [[0, 1], [1, 2]]),
            lambda x: tf.searchsorted([1.0, 3.0, 3.0, 5.0], tf.reshape(tf.cast(x, tf.float32), [-1])),
            lambda x: tf.searchsorted([1.0, 3.0, 3.0, 5.0], tf.reshape(tf.cast(x, tf.float32), [-1]), side="right")]),
        ("layers_as_functions", [5, 6, 2], None, [
            lambda x: nn.conv2d(x, np.arange(16.0).reshape(2, 2, 2, 2).astype("float32"), 1, "SAME"),
            lambda x: nn.depthwise_conv2d(x, np.arange(8.0).reshape(2, 2, 2, 1).astype("float32"), [1, 1, 1, 1], "VALID"),
            lambda x: nn.bias_add(x, [0.5, -1.0]), lambda x: nn.max_pool2d(x, 2, 1, "SAME"),
            lambda x: nn.batch_normalization(x, x[:1, :1, :1], tf.square(x[:1, :1, 1:2]), None, x[:1, 1:2, :1], 1e-3),
            lambda x: nn.local_response_normalization(x, depth_radius=1)]),
        ("old_resizing", [4, 5, 2], None, [
            lambda x, a=a, f=f: f(x, (7, 8), align_corners=a) for a in (False, True) for f in (
                tf.compat.v1.image.resize_bilinear, tf.compat.v1.image.resize_nearest_neighbor)] + [
            lambda x: tf.compat.v1.image.resize(x, (7, 8)), lambda x: tf.compat.v1.image.resize_area(x, (3, 4)),
            lambda x: tf.compat.v1.image.resize_bilinear(x, (7, 8), half_pixel_centers=True)]),
        ("pictures", [6, 5, 3], positive, [
            im.per_image_standardization, lambda x: im.grayscale_to_rgb(x[..., :1]), lambda x: im.central_crop(x, 0.5),
            lambda x: im.crop_to_bounding_box(x, 1, 2, 3, 2), lambda x: im.pad_to_bounding_box(x, 1, 2, 9, 8),
            lambda x: im.resize_with_crop_or_pad(x, 4, 8), lambda x: im.resize_with_crop_or_pad(x, 7, 3),
            im.flip_left_right, im.flip_up_down, lambda x: im.adjust_brightness(x, 0.2),
            lambda x: im.adjust_contrast(x, 1.5), lambda x: im.resize_with_pad(x, 8, 9),
            lambda x: im.extract_patches(x, [1, 2, 2, 1], [1, 2, 2, 1], [1, 1, 1, 1], "VALID"),
            lambda x: im.extract_patches(x, [1, 3, 3, 1], [1, 2, 2, 1], [1, 1, 1, 1], "SAME")]),
        ("byte_pictures", ([4, 5, 3], "uint8"), lambda rng, shape, dtype: rng.randint(0, 256, shape).astype(dtype), [
            lambda x: im.convert_image_dtype(x, tf.float32), lambda x: im.resize(x, (3, 3)),
            lambda x: im.resize(x, (3, 3), method="nearest")]),
    ]
