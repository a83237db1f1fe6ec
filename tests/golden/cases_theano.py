"""Theano under Keras 1 and 2: its padding "same" puts half a window before the input, its convolutions are true ones."""

ENVIRONMENTS = ["k206t", "k122t"]


def define(k, case):
    (keras_1 if k.family == "K1" else keras_2)(k, case)


def keras_2(k, case):
    L = k.layers
    for name, layer in (
            ("conv1d_stride", lambda: L.Conv1D(3, 3, strides=2, padding="same")),
            ("conv1d_even", lambda: L.Conv1D(3, 4, padding="same")),
            ("pool1d_max", lambda: L.MaxPooling1D(3, 2, padding="same")),
            ("pool1d_average", lambda: L.AveragePooling1D(3, 2, padding="same"))):
        case(name, lambda l=layer: k.one([8, 2], l()), batches=(1, 3))
    for name, layer in (
            ("conv2d", lambda: L.Conv2D(3, (3, 1), padding="same")),
            ("conv2d_stride", lambda: L.Conv2D(3, 3, strides=(2, 1), padding="same")),
            ("conv2d_even", lambda: L.Conv2D(3, (2, 4), padding="same", strides=2)),
            ("conv2d_transpose", lambda: L.Conv2DTranspose(3, 3, padding="same", strides=2)),
            ("conv2d_transpose_wide", lambda: L.Conv2DTranspose(3, 3, padding="same", strides=3)),
            ("pool2d_max", lambda: L.MaxPooling2D((2, 5), strides=2, padding="same")),
            ("pool2d_average", lambda: L.AveragePooling2D((2, 3), strides=(2, 1), padding="same"))):
        case(name, lambda l=layer: k.one([6, 7, 2], l()), batches=(1, 3))
    case("conv3d_even", lambda: k.one([4, 5, 4, 2], L.Conv3D(2, 2, padding="same", strides=2)), batches=(1, 3))
    for name, layer in (("max", L.MaxPooling3D), ("average", L.AveragePooling3D)):
        case("pool3d_" + name, lambda l=layer: k.one([4, 5, 4, 2], l(2, strides=1, padding="same")), batches=(1, 3))


def keras_1(k, case):
    L = k.layers
    for name, layer in (
            ("conv2d_stride", lambda: L.Convolution2D(3, 3, 3, subsample=(2, 1), border_mode="same", dim_ordering="tf")),
            ("conv2d_even", lambda: L.Convolution2D(3, 2, 4, border_mode="same", dim_ordering="tf"))):
        case(name, lambda l=layer: k.one([6, 7, 2], l()), batches=(1, 3))
    case("srelu", lambda: k.one([3, 4], L.SReLU()))
    for name, layer in (("max", L.MaxPooling2D), ("average", L.AveragePooling2D)):
        case("pool2d_" + name, lambda l=layer: k.net([6, 7, 2], lambda x: l(
            (2, 3), strides=(2, 1), border_mode="same", dim_ordering="tf")(L.Convolution2D(
                2, 1, 1, dim_ordering="tf")(x))), batches=(1, 3))
