"""What random models of the newer generations found: options and functions that no other family had a case for."""
import os

import numpy as np

from cases_functions import flat, small_ints
from cases_graph import under
from cases_ops import logical, positive
from cases_rnn import padded
from make import normal

ENVIRONMENTS = ["keras3", "tf215"]


def define(k, case):
    integers_into_layers(k, case)
    users_own(k, case)
    layer_options(k, case)
    masks_of_pixels(k, case)
    if k.is_k3():
        packed(k, case, keras3_functions())
        masks_as_arguments(k, case)
        archives(k, case)
    else:
        packed(k, case, tensorflow_functions(k))


def integers_into_layers(k, case):
    """Integers are not cast by a layer's dtype policy: some layers keep them, the others compute in floats."""
    L = k.layers
    row = ["Activation", "Flatten", "Masking", "Dropout", "ReLU", "LeakyReLU", "MaxPooling1D", "GlobalMaxPooling1D",
           "GlobalAveragePooling1D", "ZeroPadding1D", "UpSampling1D", "BatchNormalization", "LayerNormalization", "UnitNormalization"]
    keywords = {"Activation": {"activation": "relu" if k.is_k3() else "linear"}, "Dense": {"units": 3}, "Dropout": {"rate": 0.2}, "Rescaling": {"scale": 0.5},
                "SimpleRNN": {"units": 2}, "LSTM": {"units": 2}, "GRU": {"units": 2},
                "EinsumDense": {"equation": "abc,cd->abd", "output_shape": (None, 3)}, "CenterCrop": {"height": 3, "width": 2},
                "Resizing": {"height": 3, "width": 4}, "RandomContrast": {"factor": 0.1}, "RandomInvert": {"factor": 0.1},
                "RandomCrop": {"height": 3, "width": 2}, "RandomFlip": {}}
    row.remove("UnitNormalization" if k.is_k3() else "Masking")
    if k.is_k3():
        row.remove("LayerNormalization")
        row += ["EinsumDense", "SimpleRNN", "LSTM", "GRU"]
    picture = ["MaxPooling2D", "GlobalAveragePooling2D", "Resizing", "CenterCrop", "Rescaling", "RandomFlip", "RandomContrast",
               "RandomCrop", "UpSampling2D"] + (["RandomInvert"] if k.is_k3() else [])
    for name, spec, layers in (("row", ([6, 4], "int32"), row + ["Dense"]), ("picture", ([6, 5, 3], "uint8"), picture)):
        case("integers_into_layers_" + name, lambda s=spec, names=layers: k.net(
            s, lambda x: [getattr(L, n)(**keywords.get(n, {}))(x) for n in names]), data=small_ints)


def layer_options(k, case):
    L = k.layers
    case("layer_norm_axes_backwards", lambda: k.one([3, 4, 2], L.LayerNormalization(axis=(-1, -2))))
    if not k.is_k3():
        case("spectral_frozen", lambda: k.one([6, 2], L.SpectralNormalization(L.Conv1D(3, 2), trainable=False)))
        case("base_layer", lambda: k.net([4], lambda x: L.Dense(2)(L.Layer()(x))))
        return
    # Few convolutions run with channels first on a processor: grouped ones, separable dilated ones.
    case("conv_first_bias_fits_last", lambda: k.net([4, 5, 4], lambda x: [
        L.Conv2D(4, 2, padding="same", groups=2, data_format="channels_first", activation="tanh")(x),
        L.Conv2D(2, 2, padding="same", groups=2, data_format="channels_first", activation="softmax")(x),
        L.SeparableConv2D(4, 2, padding="same", dilation_rate=2, data_format="channels_first")(x)]))
    words, numbers = ["a", "b", "cat"], [3, 5, 11]
    if k.version >= (3, 15):
        case("lookup_hashes", lambda: k.net([([4], "string"), ([4], "int64")], lambda s, n: [
            L.StringLookup(vocabulary=words, num_oov_indices=3, salt=7)(s),
            L.StringLookup(vocabulary=words, num_oov_indices=3, salt=[7, 8], mask_token="", output_mode="count")(s),
            L.IntegerLookup(vocabulary=numbers, num_oov_indices=4, oov_method="farmhash")(n),
            L.IntegerLookup(vocabulary=numbers, num_oov_indices=4, oov_method="farmhash", salt=9, mask_token=0)(n)]), fixed=[
                [np.array([["a", "x", "", "yy"]], dtype=object), np.array([[3, 0, 7, -12]])],
                [np.array([["b", "zebra", "q", "cat"], ["1", "2", "3", "4"]], dtype=object), np.array([[5, 8, 9, 10], [11, 99, 100, 101]])]])
    case("sequential_gives_states", lambda: k.seq([5, 3], L.LSTM(2, return_state=True)))


def holes(rng, shape, dtype):
    """Pixels whose channels are all zero, and in the first row a whole step of them."""
    x = normal(rng, shape, dtype)
    x[rng.uniform(size=shape[:-1]) < 0.4] = 0
    x[0, 1] = 0
    return x


def masks_of_pixels(k, case):
    """Masking before a ConvLSTM: each pixel has its own mask. A mask in front of a nested model of another dtype."""
    L = k.layers
    for name, function in (
            ("", lambda x: L.ConvLSTM2D(2, 2, padding="same")(L.ConvLSTM2D(1, 3, padding="same", return_sequences=True)(x))),
            ("_back", lambda x: L.ConvLSTM2D(1, 2, padding="same", go_backwards=True, return_state=True)(x)),
            ("_both", lambda x: L.Bidirectional(L.ConvLSTM2D(1, 2, padding="same", return_sequences=True))(x))):
        case("masked_pixels" + name, lambda f=function: k.net([3, 3, 4, 2], lambda x: f(L.Masking()(x))), data=holes, batches=(1, 3))
    case("masked_steps_both", lambda: k.net([[3, 3, 4, 2], ([3], "bool")], lambda x, m: L.Bidirectional(L.ConvLSTM2D(
        1, 2, return_sequences=True))(x, mask=m)), data=[normal, logical], batches=(1, 3))
    # The nested model's input is float32: in Keras 2 the cast loses the mask.
    case("mask_before_cast", under(k, "mixed_float16", lambda: k.net(([5], "int32"), lambda x: k.net(
        [5, 3], lambda y: [L.LSTM(2)(y), L.GlobalAveragePooling1D()(y)])(L.Embedding(9, 3, mask_zero=True)(x)))), data=padded, tolerance=2e-3)


def archives(k, case):
    """What only an archive holds: vocabularies of adapted layers, arrays filed twice, another class name."""
    L = k.layers

    def archive(model, path):
        model.save(path[:-3] + ".keras")
        os.rename(path[:-3] + ".keras", path)

    def adapted(layer, words, dtype):
        layer.adapt(np.array(words))
        return k.net(([1], dtype), lambda x: layer(x))
    words = ["b a", "b c", "b", u"\u00e9 a"]
    tokens = [w[:1] for w in words]
    strings = [np.array([["a b"], ["zz c"], [u"\u00e9"]], dtype=object)], [np.array([["b"]], dtype=object)]
    for name, layer, data, dtype, fixed in (
            ("text", lambda: L.TextVectorization(output_sequence_length=3), words, "string", strings),
            ("text_tf_idf", lambda: L.TextVectorization(output_mode="tf_idf"), words, "string", strings),
            ("strings", lambda: L.StringLookup(num_oov_indices=2), tokens, "string", strings),
            ("strings_tf_idf", lambda: L.StringLookup(output_mode="tf_idf"), tokens, "string", strings),
            ("integers", lambda: L.IntegerLookup(mask_token=0), [4, 7, 7, 9], "int64", ([np.array([[7], [1], [0]])],))):
        case("archive_" + name, lambda l=layer, d=data, t=dtype: adapted(l(), d, t), fixed=[list(f) for f in fixed],
             save=archive)
    case("archive_spectral", lambda: k.one([4], L.SpectralNormalization(L.Dense(3))), save=archive)
    case("archive_grouped", lambda: k.net([4, 6], lambda x: L.GroupQueryAttention(3, 4, 2)(x, x)), save=archive)


def users_own(k, case):
    """A user's class may have the name of a built-in one."""
    register = k.keras.utils.register_keras_serializable()

    @register
    class Dense(k.layers.Dense):
        pass

    class Scaled(k.layers.Dense):
        def call(self, inputs, gain=1.0):
            return gain * super().call(inputs)
    Scaled.__name__ = "Dense"

    def own_layer():
        return k.one([3], Dense(2))

    def archive(model, path):
        model.save(path[:-3] + ".keras")
        os.rename(path[:-3] + ".keras", path)
    alias = {"sidecar": '{"classes": {"Custom>Dense": {"alias": "Dense"}}}'}
    if k.is_k3():  # an .h5 says "Dense" alone
        case("own_dense", own_layer, save=archive, refused=["Dense", "a custom class"])
        case("own_dense_without_package", lambda: k.net([3], Scaled(2)), save=archive, refused=["Dense", "a custom class"])
    else:
        case("own_dense", own_layer, refused=["Custom>Dense", "a custom class"])
        case("own_dense_alias", own_layer, options=alias)
        if k.has("GroupNormalization"):
            case("group_norm_mask", lambda: k.net([[4, 4], ([4, 4], "bool")], lambda x, m: k.layers.GroupNormalization(2)(x, mask=m)),
                 refused=["GroupNormalization", "with a mask"])
    case("own_argument", lambda: k.net([3], lambda x: Scaled(2)(x, gain=3.0)), refused=["Dense", "'gain'"])


def masks_as_arguments(k, case):
    L = k.layers
    m = [[4, 3], ([4], "bool")]
    case("masks_by_position", lambda: k.net(m, lambda x, y: [
        L.LSTM(3)(x, None, y), L.Bidirectional(L.GRU(2))(x, None, y), L.GlobalAveragePooling1D()(x, y), L.Attention()([x, x], [None, y]),
        L.LSTM(2)(x, [L.Dense(2)(x[:, 0]), L.Dense(2)(x[:, 1])], y), L.Lambda(lambda t: t * 2.0)(x, y)]), data=[normal, logical])
    case("conv_masks_by_position", lambda: k.net([[4, 3, 2], ([4], "bool")], lambda x, y: L.ConvLSTM1D(3, 2)(x, None, y)),
         data=[normal, logical])

    def attend(layer, *names):
        def build(q, v, *masks):
            return layer()(q, v, **dict(zip(names, masks)))
        case("masks_%s_%s" % (layer.__name__, "_".join(names)), lambda: k.net(
            [[4, 3], [5, 3]] + [([5 if n in ("key_mask", "value_mask") else 4], "bool") for n in names], build),
            data=[normal, normal] + [logical] * len(names))

    def mha():
        return L.MultiHeadAttention(2, 3)

    def gqa():
        return L.GroupQueryAttention(3, 4, 2)
    for layer in (mha, gqa):
        attend(layer, "query_mask", "value_mask")
        attend(layer, "key_mask")


def packed(k, case, groups):
    """Many functions in one model, an output each."""
    for name, specs, data, functions in groups:
        case("functions_" + name, lambda s=specs, f=functions: k.net(s, lambda *x: flat([one(*x) for one in f])),
             batches=(2, 3), mixes_rows=True, **({"data": data} if data else {}))


def tensorflow_functions(k):
    import tensorflow as tf
    m, s = tf.math, [3, 4]
    ints = (s, "int32")
    backend = k.keras.backend
    return [
        ("tensorflow_rare", [s, s], positive, [
            tf.truncatediv, m.multiply_no_nan, m.xlog1py, lambda x, y: m.imag(x), lambda x, y: m.conj(x), lambda x, y: m.angle(1.0 - x),
            lambda x, y: m.zero_fraction(tf.nn.relu(x - 1.0)), lambda x, y: tf.nn.l2_loss(x), lambda x, y: tf.clip_by_norm(x, 1.5),
            lambda x, y: tf.clip_by_norm(x, 1.5, axes=[2]), lambda x, y: tf.linalg.normalize(x, axis=-1),
            lambda x, y: tf.linalg.normalize(x, ord=1, axis=1), lambda x, y: tf.linalg.adjoint(x),
            lambda x, y: tf.nn.sigmoid_cross_entropy_with_logits(x, y), lambda x, y: tf.nn.weighted_cross_entropy_with_logits(x, y, 2.5),
            lambda x, y: backend.binary_crossentropy(x / 3.0, y / 3.0), lambda x, y: backend.binary_crossentropy(x / 3.0, y, from_logits=True),
            backend.categorical_crossentropy, lambda x, y: tf.linalg.diag_part(x, k=1),
            lambda x, y: m.count_nonzero(x, axis=1, dtype="int32"), lambda x, y: tf.size(x, out_type=tf.int64), lambda x, y: tf.sequence_mask(x, 3)]),
        ("tensorflow_integers", [ints, ints], small_ints, [
            lambda x, y: x / 3, lambda x, y: x / (y + 1), lambda x, y: m.truediv(x, 7), lambda x, y: tf.truncatediv(x - 3, y + 1),
            tf.bitwise.left_shift, tf.bitwise.right_shift, lambda x, y: tf.nn.relu(x - 2)]),
    ]


def keras3_functions():
    from keras import ops as o
    m = [3, 4]
    ints = ([3, 4], "int32")
    return [
        ("rare", m, None, [
            o.median, lambda x: o.median(x, axis=(1, 2), keepdims=True), lambda x: o.quantile(x, 0.3),
            lambda x: o.quantile(x, [0.2, 0.5], axis=(1, 2)), lambda x: o.percentile(x, 30.0, axis=1, method="lower"),
            lambda x: o.quantile(x, 0.3, axis=1, method="higher"), lambda x: o.percentile(x, 40.0, axis=-1, method="nearest"),
            lambda x: o.percentile(x, 60.0, axis=-1, method="midpoint"), lambda x: o.max(x, axis=1, initial=0.5),
            lambda x: o.min(x, axis=-1, initial=-0.25), lambda x: o.cumsum(x, axis=1, dtype="int32"),
            lambda x: o.nanvar(x, axis=1), o.nanstd, lambda x: o.nanargmax(x, axis=1),
            lambda x: o.nancumsum(x, axis=1), lambda x: o.trapezoid(x, axis=1), lambda x: o.allclose(x, x),
            lambda x: o.extract_sequences(x, 2, 1), o.angle, o.isreal, o.imag, lambda x: o.isin(x > 0, [True]),
            lambda x: o.roll(x, 2), lambda x: o.array_split(x, 3, axis=2), lambda x: o.dstack([x, x]),
            lambda x: o.diagonal(x, 1, axis1=1, axis2=2), lambda x: o.diagonal(x, -1, axis1=2, axis2=1),
            lambda x: o.trace(x, 1, axis1=1, axis2=2), o.empty_like]),
        ("integers", [ints, ints], small_ints, [
            o.left_shift, o.right_shift, lambda x, y: o.bitwise_left_shift(x - 3, y), lambda x, y: o.right_shift(x - 9, 1),
            lambda x, y: o.relu6(x * 2), o.inner, lambda x, y: o.matmul(x, o.transpose(y, (0, 2, 1))), lambda x, y: o.fabs(x),
            lambda x, y: o.nansum(x, axis=1), lambda x, y: o.isin(x, [1, 4], invert=True), lambda x, y: o.cumprod(x, axis=2)]),
        ("losses", [m, m], positive, [
            lambda x, y: o.binary_crossentropy(x / 3.0, y / 3.0), lambda x, y: o.binary_crossentropy(x / 3.0, y, from_logits=True),
            o.categorical_crossentropy, lambda x, y: o.categorical_crossentropy(x, y, from_logits=True, axis=1), o.cdist,
            lambda x, y: o.isclose(x / 0.0, y / 0.0)]),
    ]
