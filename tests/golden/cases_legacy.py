"""Layers that Keras has removed, Keras 1 in general, and what single old versions did otherwise than the rest."""
import h5py

from cases_rnn import padded_rows
from keras_writer import standalone
from make import normal

# Merge modes that are functions. They are written with what their closure holds, so K is a global here.
K = getattr(standalone, "backend", None)
MERGE_FUNCTIONS = (("difference", lambda v: K.abs(v[0] - v[1])), ("argument", lambda v: v[0] * 2 + K.exp(v[1] / 2)))

ENVIRONMENTS = ["tf215", "k122", "k208", "k224", "tf113", "k30"]


def define(k, case):
    if k.family == "K1":
        keras_1(k, case)
        keras_1_merges(k, case)
        keras_1_removed(k, case)
    elif k.family == "K2":
        keras_2(k, case)
    elif k.family == "K3":
        keras_3_0(k, case)
    elif k.tf_version < (1, 14):
        tensorflow_1_13(k, case)
    else:
        locally_connected(k, case)
        from_applications(k, case)


def locally_connected(k, case):
    L = k.layers
    for name, o in (("plain", {}), ("stride", {"strides": 2}), ("dense_map", {"implementation": 2}),
                    ("dense_map_stride", {"implementation": 2, "strides": 2}), ("no_bias", {"use_bias": False}),
                    ("first", {"data_format": "channels_first"}),
                    ("dense_map_first", {"implementation": 2, "data_format": "channels_first"}),
                    ("dense_map_same", {"implementation": 2, "padding": "same", "strides": 2}),
                    ("sparse", {"implementation": 3, "strides": 2}),
                    ("sparse_same", {"implementation": 3, "padding": "same", "use_bias": False}),
                    ("sparse_same_first", {"implementation": 3, "padding": "same", "data_format": "channels_first"})):
        first = "data_format" in o
        case("locally_connected1d_" + name, lambda o=o, f=first: k.one(
            [2, 7] if f else [7, 2], L.LocallyConnected1D(3, 3, activation="tanh", **o)), batches=(1, 3))
        case("locally_connected2d_" + name, lambda o=o, f=first: k.one(
            [2, 5, 6] if f else [5, 6, 2], L.LocallyConnected2D(3, (2, 3), **o)), batches=(1, 3))
    fourier = k.keras.layers.experimental.RandomFourierFeatures
    for name, o in (("gaussian", {}), ("laplacian", {"kernel_initializer": "laplacian"}),
                    ("trainable", {"trainable": True, "scale": 2.0})):
        case("random_fourier_" + name, lambda o=o: k.one([4], fourier(6, **o)), batches=(1, 3))


def from_applications(k, case):
    from keras.src.applications import convnext
    from keras.src.applications.inception_resnet_v2 import CustomScaleLayer
    case("layer_scale", lambda: k.one([3, 4], convnext.LayerScale(0.5, 4)))
    case("stochastic_depth", lambda: k.one([3, 4], convnext.StochasticDepth(0.3)))
    case("custom_scale", lambda: k.net([[3], [3]], lambda a, b: CustomScaleLayer(0.17)([a, b])))


def keras_1(k, case):
    L = k.layers
    case("dense", lambda: k.one([3], L.Dense(4, activation="relu", bias=False)))
    case("time_distributed_dense", lambda: k.one([3, 4], L.TimeDistributed(L.Dense(5))))
    case("dropout_p", lambda: k.net([5], lambda x: L.GaussianNoise(0.3)(L.Dropout(0.5)(x))))
    case("embedding", lambda: k.net(([6], "int32"), lambda x: L.Flatten()(L.Embedding(9, 3)(x))))
    case("batch_norm", lambda: k.one([3, 4], L.BatchNormalization()))
    case("batch_norm_axis1", lambda: k.one([3, 4, 2], L.BatchNormalization(axis=1, epsilon=1e-4)))
    for name, o in (("same", {"border_mode": "same"}), ("stride", {"subsample_length": 2}), ("no_bias", {"bias": False})):
        case("conv1d_" + name, lambda o=o: k.one([8, 3], L.Convolution1D(4, 3, **o)))
    case("atrous_conv1d", lambda: k.one([9, 3], L.AtrousConvolution1D(4, 3, atrous_rate=2)))
    for order in ("tf", "th"):
        shape = [6, 7, 2] if order == "tf" else [2, 6, 7]
        pairs = (
            ("conv2d", (L.Convolution2D, (3, 2, 3), {"border_mode": "same", "subsample": (2, 1)})),
            ("atrous_conv2d", (L.AtrousConvolution2D, (3, 2, 2), {"atrous_rate": (2, 2)})),
            ("deconv2d", (L.Deconvolution2D, (3, 3, 3), {"output_shape": (
                (None, 13, 15, 3) if order == "tf" else (None, 3, 13, 15)), "subsample": (2, 2)})),
            ("max_pooling", (L.MaxPooling2D, ((2, 2),), {"strides": (1, 2), "border_mode": "same"})),
            ("average_pooling", (L.AveragePooling2D, ((2, 3),), {})),
            ("global_pooling", (L.GlobalAveragePooling2D, (), {})))
        for name, (layer, arguments, o) in pairs:
            case("%s_%s" % (name, order), lambda l=layer, a=arguments, o=o, s=shape, d=order: k.one(
                s, l(*a, dim_ordering=d, **o)), batches=(1, 3))
        # Keras 1 forgot the ordering of these three; a convolution beside them tells it.
        for name, layer, argument in (("up_sampling", L.UpSampling2D, (2, 3)), ("zero_padding", L.ZeroPadding2D, (1, 2)),
                                      ("cropping", L.Cropping2D, ((1, 0), (2, 1)))):
            case("%s_%s" % (name, order), lambda l=layer, a=argument, s=shape, d=order: k.net(s, lambda x: l(
                a, dim_ordering=d)(L.Convolution2D(2, 1, 1, dim_ordering=d)(x))), batches=(1, 3))
    case("zero_padding_dict", lambda: k.one([3, 4, 2], L.ZeroPadding2D(
        {"top_pad": 1, "left_pad": 2, "right_pad": 0, "bottom_pad": 3}, dim_ordering="tf")), batches=(1, 3))
    case("separable_conv2d", lambda: k.one([6, 7, 2], L.SeparableConvolution2D(
        3, 2, 2, depth_multiplier=2, dim_ordering="tf")), batches=(1, 3))
    case("conv3d", lambda: k.one([4, 5, 4, 2], L.Convolution3D(3, 2, 3, 2, dim_ordering="tf")), batches=(1, 3))
    case("pooling1d", lambda: k.net([8, 3], lambda x: L.AveragePooling1D(2, stride=1)(L.MaxPooling1D(3, 2)(x))))
    case("up_sampling1d", lambda: k.one([3, 2], L.UpSampling1D(length=3)))
    case("reshape_permute", lambda: k.net([6], lambda x: L.Permute((2, 1))(L.Reshape((2, 3))(x))))
    case("srelu", lambda: k.net([3, 4], lambda x: L.SReLU()(x)))
    case("srelu_shared", lambda: k.net([3, 4, 2], lambda x: L.SReLU(shared_axes=[1, 2])(x)))
    case("parametric_softplus", lambda: k.net([3, 4], lambda x: L.ParametricSoftplus()(x)))
    case("leaky_prelu", lambda: k.net([3, 4], lambda x: L.PReLU()(L.LeakyReLU(0.2)(x))))
    case("elu_thresholded", lambda: k.net([5], lambda x: L.ThresholdedReLU(0.3)(L.ELU(0.7)(x))))
    case("sequential", lambda: sequential(k), batches=(1, 3))
    case("nested", lambda: nested(k), batches=(1, 3))


def sequential(k):
    L = k.layers
    model = k.models.Sequential()
    model.add(L.Convolution2D(4, 3, 3, input_shape=(8, 8, 1), dim_ordering="tf", activation="relu"))
    model.add(L.MaxPooling2D((2, 2), dim_ordering="tf"))
    model.add(L.Flatten())
    model.add(L.Dense(5))
    model.add(L.Activation("softmax"))
    return model


def nested(k):
    """A Sequential as a layer, called twice."""
    L = k.layers
    inner = k.models.Sequential()
    inner.add(L.Dense(4, input_dim=3, activation="tanh"))
    inner.add(L.BatchNormalization())
    return k.net([[3], [3]], lambda a, b: L.Dense(2)(L.merge([inner(a), inner(b)], mode="concat")))


def keras_1_merges(k, case):
    L = k.layers
    for mode in ("sum", "mul", "ave", "max", "concat"):
        case("merge_" + mode, lambda m=mode: k.net([[3, 4], [3, 4]], lambda a, b: L.merge([a, b], mode=m)))
    case("merge_concat_axis", lambda: k.net([[3, 4], [2, 4]], lambda a, b: L.merge([a, b], mode="concat", concat_axis=1)))
    case("merge_dot", lambda: k.net([[3, 4], [3, 5]], lambda a, b: L.merge([a, b], mode="dot", dot_axes=1)))
    case("merge_dot_axes", lambda: k.net([[3, 4], [4, 5]], lambda a, b: L.merge([a, b], mode="dot", dot_axes=(2, 1))))
    case("merge_cos", lambda: k.net([[4], [4]], lambda a, b: L.merge([a, b], mode="cos", dot_axes=1)))
    case("merge_cos_matrices", lambda: k.net([[3, 4], [3, 4]], lambda a, b: L.merge([a, b], mode="cos", dot_axes=2)),
         batches=(1, 3), data=positive)
    for name, mode in MERGE_FUNCTIONS:
        case("merge_function_" + name, lambda m=mode: k.net([[4], [4]], lambda a, b: L.merge(
            [a, b], mode=m, output_shape=lambda s: s[0])), batches=(1, 3))
    case("merge_heads", lambda: heads(k), batches=(1, 3))
    case("merge_heads_deep", lambda: deep_heads(k), batches=(1, 3), data=[normal, small_ints, normal, normal])


def positive(rng, shape, dtype):
    """The root of a product of rows is taken."""
    return rng.uniform(0.1, 2, shape).astype(dtype)


def small_ints(rng, shape, dtype):
    return rng.randint(0, 9, shape).astype(dtype)


def heads(k):
    """A Sequential whose first layer merges two others."""
    L = k.layers
    left, right = k.models.Sequential(), k.models.Sequential()
    left.add(L.Dense(3, input_dim=2))
    right.add(L.Dense(3, input_dim=2))
    model = k.models.Sequential()
    model.add(L.Merge([left, right], mode="sum"))
    model.add(L.Dense(1))
    return model


def deep_heads(k):
    """Branches of several kinds: a functional model, an embedding, and a Sequential with such a head itself."""
    L = k.layers
    x = L.Input((4,))
    graph = k.models.Model(x, L.Dense(3)(L.Dense(2, activation="tanh")(x)))
    words = k.models.Sequential([L.Embedding(9, 2, input_length=4), L.LSTM(3)])
    model = k.models.Sequential([L.Merge([graph, words, heads(k)], mode="concat", concat_axis=-1)])
    model.add(L.BatchNormalization())
    model.add(L.Dense(2))
    return model


def as_theano(model, path):
    """As the Theano backend writes it: kernels the other way round, names without TensorFlow's ":0"."""
    model.save(path, overwrite=True)
    with h5py.File(path, "r+") as f:
        for group in f["model_weights"].values():
            names = [n.decode("ascii") for n in group.attrs["weight_names"]]
            for name in names:
                value = group[name][()]
                del group[name]
                group[name.split(":")[0]] = value[::-1, ::-1] if value.ndim == 4 else value
            group.attrs["weight_names"] = [n.split(":")[0].encode("ascii") for n in names]


def keras_1_removed(k, case):
    L = k.layers
    case("separable_conv2d_th", lambda: k.one([2, 6, 7], L.SeparableConvolution2D(
        3, 2, 3, depth_multiplier=2, dim_ordering="th")), batches=(1, 3))
    for mode, size in (("valid", (12, 14)), ("same", (11, 11))):
        case("deconv2d_size_" + mode, lambda m=mode, s=size: k.one([6, 6, 2], L.Deconvolution2D(
            3, 1, 4, (None,) + s + (3,), dim_ordering="tf", subsample=(2, 2), border_mode=m)), batches=(1, 3))
    for name, layer in (("conv2d", lambda: L.Convolution2D(3, 2, 3, dim_ordering="tf")),
                        ("conv1d", lambda: L.Convolution1D(3, 3))):
        case(name + "_theano", lambda l=layer, s=[6, 7, 2] if name == "conv2d" else [7, 2]: k.one(s, l()),
             batches=(1, 3), save=as_theano)
    case("linear_input", lambda: k.net([4], lambda x: L.Dense(3)(L.Activation("linear")(x))))
    case("highway", lambda: k.one([4], L.Highway(activation="tanh")))
    case("highway_no_bias", lambda: k.one([4], L.Highway(activation="relu", bias=False)))
    case("maxout", lambda: k.one([4], L.MaxoutDense(3, nb_feature=2)))
    case("maxout_no_bias", lambda: k.one([4], L.MaxoutDense(3, nb_feature=5, bias=False)))


def keras_2(k, case):
    L = k.layers
    if k.version < (2, 1):
        case("separable_dilated", lambda: k.one([9, 8, 2], L.SeparableConv2D(
            4, 3, padding="same", dilation_rate=2)), batches=(1, 3))
    else:
        case("up_sampling_bilinear", lambda: k.one([4, 3, 2], L.UpSampling2D((2, 3), interpolation="bilinear")))
    case("hard_sigmoid", lambda: k.one([6], L.Activation("hard_sigmoid")))
    case("merge_masked", lambda: k.net([[5, 3], [5, 3]], lambda a, b: L.LSTM(4)(
        L.Add()([L.Masking()(a), L.Masking()(b)]))), data=[padded_rows, padded_rows])
    case("sequential", lambda: convolutional(k), batches=(1, 3))


def convolutional(k):
    L = k.layers
    model = k.models.Sequential()
    model.add(L.Conv2D(4, 3, input_shape=(8, 8, 1), activation="relu"))
    model.add(L.MaxPooling2D(2))
    model.add(L.BatchNormalization())
    model.add(L.Flatten())
    model.add(L.Dense(5, activation="softmax"))
    return model


def tensorflow_1_13(k, case):
    L = k.layers
    case("sequential", lambda: convolutional(k), batches=(1, 3))


def tiny(rng, shape, dtype):
    """Vectors whose length is below the bound of UnitNormalization."""
    return (rng.standard_normal(shape) * 1e-8).astype(dtype)


def keras_3_0(k, case):
    L = k.layers
    case("unit_norm_tiny", lambda: k.one([5], L.UnitNormalization()), data=tiny)
    case("up_sampling_bilinear_first", lambda: k.one([2, 3, 4], L.UpSampling2D(
        2, interpolation="bilinear", data_format="channels_first")))
    case("merge_masked", lambda: k.net([[5, 3], [5, 3]], lambda a, b: L.LSTM(4)(
        L.Multiply()([L.Masking()(a), L.Masking()(b)]))), data=[padded_rows, padded_rows])
