"""Convolutions, their transposes, depthwise and separable ones, pooling, padding, cropping, up-sampling."""

ENVIRONMENTS = ["tf215", "keras3"]
ONCE = ("conv2d_same", "conv2d_stride", "conv2d_kernel1", "conv2d_whole", "conv2d_one", "conv2d_many", "conv1d_same",
        "conv1d_kernel1", "conv3d_same", "conv2d_transpose_same", "conv2d_transpose_stride", "conv1d_transpose_same",
        "max_pooling", "average_pooling", "zero_padding1d", "zero_padding3d", "cropping")


def define(k, case):
    convolutions(k, case)
    transposed(k, case)
    depthwise(k, case)
    pooling(k, case)
    padding(k, case)
    upsampling(k, case)


def convolutions(k, case):
    L = k.layers
    for name, shape, options in (
            ("valid", [9, 3], dict(filters=4, kernel_size=3)),
            ("same", [9, 3], dict(filters=4, kernel_size=4, padding="same")),
            ("same_stride", [9, 3], dict(filters=4, kernel_size=3, strides=2, padding="same")),
            ("same_stride_even", [8, 3], dict(filters=4, kernel_size=3, strides=2, padding="same")),
            ("causal", [9, 3], dict(filters=4, kernel_size=3, padding="causal")),
            ("causal_dilated", [9, 3], dict(filters=4, kernel_size=3, padding="causal", dilation_rate=2)),
            ("causal_stride", [9, 3], dict(filters=4, kernel_size=3, padding="causal", strides=2)),
            ("dilated", [9, 3], dict(filters=4, kernel_size=3, dilation_rate=3)),
            ("groups", [9, 4], dict(filters=6, kernel_size=3, groups=2)),
            ("no_bias", [9, 3], dict(filters=4, kernel_size=2, use_bias=False, activation="relu")),
            ("kernel1", [9, 3], dict(filters=4, kernel_size=1, activation="sigmoid")),
            ("unknown", [None, 3], dict(filters=4, kernel_size=3, padding="same", strides=2))):
        case("conv1d_" + name, lambda s=shape, o=options: k.one(s, L.Conv1D(**o)),
             sizes=[(5,), (12,)] if None in shape else None)
    for name, shape, options in (
            ("valid", [7, 8, 3], dict(filters=4, kernel_size=3)),
            ("same", [7, 8, 3], dict(filters=4, kernel_size=(2, 3), padding="same", activation="relu")),
            ("same_even_kernel", [6, 6, 2], dict(filters=3, kernel_size=4, padding="same")),
            ("stride", [7, 8, 3], dict(filters=4, kernel_size=3, strides=(2, 3))),
            ("stride_same_odd", [7, 7, 3], dict(filters=4, kernel_size=3, strides=2, padding="same")),
            ("stride_same_even", [8, 8, 3], dict(filters=4, kernel_size=3, strides=2, padding="same")),
            ("stride_same_k1", [7, 8, 3], dict(filters=4, kernel_size=1, strides=2, padding="same")),
            ("stride_same_k5", [9, 8, 3], dict(filters=4, kernel_size=5, strides=3, padding="same")),
            ("dilated", [9, 9, 2], dict(filters=4, kernel_size=3, dilation_rate=2)),
            ("dilated_same", [8, 9, 2], dict(filters=4, kernel_size=3, dilation_rate=(2, 3), padding="same")),
            ("groups", [6, 5, 4], dict(filters=6, kernel_size=3, groups=2, padding="same")),
            ("groups_depthwise", [6, 5, 4], dict(filters=4, kernel_size=3, groups=4, use_bias=False)),
            ("kernel1", [5, 6, 3], dict(filters=7, kernel_size=1, activation="tanh")),
            ("whole", [5, 6, 3], dict(filters=4, kernel_size=(5, 6))),
            ("no_bias", [5, 6, 3], dict(filters=4, kernel_size=3, use_bias=False)),
            ("one_channel", [8, 8, 1], dict(filters=5, kernel_size=3, activation="relu")),
            ("many_channels", [4, 4, 20], dict(filters=36, kernel_size=3, padding="same")),
            ("unknown", [None, None, 3], dict(filters=4, kernel_size=3, strides=2, padding="same"))):
        case("conv2d_" + name, lambda s=shape, o=options: k.one(s, L.Conv2D(**o)),
             sizes=[(7, 8), (10, 5)] if None in shape else None)
    for name, shape, options in (
            ("valid", [5, 6, 4, 2], dict(filters=3, kernel_size=(2, 3, 2))),
            ("same_stride", [5, 6, 4, 2], dict(filters=3, kernel_size=3, strides=2, padding="same", activation="relu")),
            ("dilated", [5, 5, 5, 2], dict(filters=3, kernel_size=2, dilation_rate=2)),
            ("groups", [4, 5, 4, 4], dict(filters=6, kernel_size=2, groups=2, use_bias=False)),
            ("unknown", [None, None, None, 2], dict(filters=3, kernel_size=2, padding="same"))):
        case("conv3d_" + name, lambda s=shape, o=options: k.one(s, L.Conv3D(**o)),
             sizes=[(3, 4, 5), (2, 3, 2)] if None in shape else None)
    if not k.is_k3():
        case("conv1d_leading", lambda: k.one([2, 9, 3], L.Conv1D(4, 3)))
        case("conv2d_leading", lambda: k.one([2, 5, 6, 3], L.Conv2D(4, 3, padding="same")))


def transposed(k, case):
    L = k.layers
    for name, shape, options in (
            ("valid", [5, 3], dict(filters=4, kernel_size=3)),
            ("valid_stride", [5, 3], dict(filters=4, kernel_size=3, strides=2)),
            ("valid_stride_large", [4, 3], dict(filters=2, kernel_size=2, strides=3)),
            ("same", [5, 3], dict(filters=4, kernel_size=3, padding="same")),
            ("same_stride", [5, 3], dict(filters=4, kernel_size=3, strides=2, padding="same")),
            ("same_stride_k4", [5, 3], dict(filters=4, kernel_size=4, strides=2, padding="same")),
            ("same_stride_large", [4, 3], dict(filters=2, kernel_size=2, strides=3, padding="same")),
            ("output_padding", [5, 3], dict(filters=4, kernel_size=3, strides=2, output_padding=1)),
            ("output_padding_same", [5, 3], dict(filters=4, kernel_size=3, strides=2, padding="same", output_padding=1)),
            ("no_bias", [5, 3], dict(filters=4, kernel_size=2, strides=2, use_bias=False, activation="relu")),
            ("unknown", [None, 3], dict(filters=4, kernel_size=3, strides=2, padding="same"))):
        case("conv1d_transpose_" + name, lambda s=shape, o=options: k.one(s, L.Conv1DTranspose(**o)),
             sizes=[(5,), (8,)] if None in shape else None)
    for name, shape, options in (
            ("valid", [4, 5, 3], dict(filters=4, kernel_size=3)),
            ("stride", [4, 5, 3], dict(filters=4, kernel_size=(2, 3), strides=(2, 3))),
            ("same_stride", [4, 5, 3], dict(filters=4, kernel_size=3, strides=2, padding="same", activation="relu")),
            ("same_stride_k4", [4, 5, 3], dict(filters=4, kernel_size=4, strides=2, padding="same", use_bias=False)),
            ("same_stride_k2", [3, 4, 3], dict(filters=2, kernel_size=2, strides=2, padding="same")),
            ("stride_large", [3, 4, 2], dict(filters=2, kernel_size=2, strides=3)),
            ("output_padding", [4, 5, 3], dict(filters=4, kernel_size=3, strides=2, output_padding=1)),
            ("output_padding_same", [4, 5, 3], dict(filters=4, kernel_size=3, strides=(2, 3), padding="same",
                                                    output_padding=(1, 0))),
            ("output_padding_zero", [4, 5, 3], dict(filters=4, kernel_size=3, strides=2, padding="same", output_padding=0)),
            ("unknown", [None, None, 3], dict(filters=4, kernel_size=3, strides=2, padding="same"))):
        case("conv2d_transpose_" + name, lambda s=shape, o=options: k.one(s, L.Conv2DTranspose(**o)),
             sizes=[(3, 4), (5, 2)] if None in shape else None)
    if not k.is_k3():
        case("conv2d_transpose_dilated", lambda: k.one([4, 5, 3], L.Conv2DTranspose(2, 3, dilation_rate=2)))
    for name, shape, options in (
            ("valid", [3, 4, 2, 2], dict(filters=3, kernel_size=2)),
            ("stride", [3, 2, 3, 2], dict(filters=2, kernel_size=(2, 3, 2), strides=2)),
            ("same_stride", [3, 2, 3, 2], dict(filters=2, kernel_size=3, strides=2, padding="same", activation="relu")),
            ("output_padding", [3, 2, 2, 2], dict(filters=2, kernel_size=3, strides=2, output_padding=1))):
        case("conv3d_transpose_" + name, lambda s=shape, o=options: k.one(s, L.Conv3DTranspose(**o)))


def depthwise(k, case):
    L = k.layers
    for name, shape, options in (
            ("valid", [7, 8, 3], dict(kernel_size=3)),
            ("same_stride", [7, 8, 3], dict(kernel_size=3, strides=2, padding="same")),
            ("multiplier", [6, 5, 3], dict(kernel_size=3, depth_multiplier=2, activation="relu")),
            ("multiplier_same", [6, 5, 2], dict(kernel_size=(2, 3), depth_multiplier=3, padding="same", use_bias=False)),
            ("dilated", [9, 8, 3], dict(kernel_size=3, dilation_rate=2, padding="same")),
            ("kernel5", [9, 8, 3], dict(kernel_size=5, strides=2, padding="same")),
            ("unknown", [None, None, 3], dict(kernel_size=3, strides=2, padding="same"))):
        case("depthwise_conv2d_" + name, lambda s=shape, o=options: k.one(s, L.DepthwiseConv2D(**o)),
             sizes=[(7, 8), (4, 9)] if None in shape else None)
    for name, shape, options in (
            ("valid", [8, 3], dict(kernel_size=3)),
            ("same_stride", [8, 3], dict(kernel_size=3, strides=2, padding="same", depth_multiplier=2)),
            ("dilated", [9, 3], dict(kernel_size=3, dilation_rate=2, use_bias=False, activation="relu"))):
        case("depthwise_conv1d_" + name, lambda s=shape, o=options: k.one(s, L.DepthwiseConv1D(**o)))
    for name, shape, options in (
            ("valid", [7, 8, 3], dict(filters=5, kernel_size=3)),
            ("same_stride", [7, 8, 3], dict(filters=5, kernel_size=3, strides=2, padding="same", activation="relu")),
            ("multiplier", [6, 5, 3], dict(filters=4, kernel_size=(3, 2), depth_multiplier=2, use_bias=False)),
            ("dilated", [9, 8, 2], dict(filters=4, kernel_size=3, dilation_rate=2, padding="same"))):
        case("separable_conv2d_" + name, lambda s=shape, o=options: k.one(s, L.SeparableConv2D(**o)))
    for name, shape, options in (
            ("valid", [8, 3], dict(filters=5, kernel_size=3)),
            ("same_stride", [9, 3], dict(filters=5, kernel_size=3, strides=2, padding="same", activation="relu")),
            ("multiplier", [8, 3], dict(filters=4, kernel_size=2, depth_multiplier=2, use_bias=False)),
            ("dilated", [9, 3], dict(filters=4, kernel_size=3, dilation_rate=2))):
        case("separable_conv1d_" + name, lambda s=shape, o=options: k.one(s, L.SeparableConv1D(**o)))
    if not k.is_k3():
        case("separable_conv1d_causal", lambda: k.one([9, 3], L.SeparableConv1D(4, 3, padding="causal")))
    else:
        case("separable_conv2d_stride_dilated", lambda: k.one([9, 10, 2], L.SeparableConv2D(
            3, 3, strides=2, dilation_rate=2, padding="same")))
        case("depthwise_conv2d_stride_dilated", lambda: k.one([9, 10, 2], L.DepthwiseConv2D(
            3, strides=2, dilation_rate=2)))


def pooling(k, case):
    L = k.layers
    for kind in ("Max", "Average"):
        for rank, shape in ((1, [9, 3]), (2, [7, 9, 2]), (3, [5, 6, 4, 2])):
            cls = getattr(L, "%sPooling%dD" % (kind, rank))
            for name, options in (
                    ("plain", dict(pool_size=2)),
                    ("same", dict(pool_size=2, padding="same")),
                    ("overlap", dict(pool_size=3, strides=2)),
                    ("overlap_same", dict(pool_size=3, strides=2, padding="same")),
                    ("same_stride1", dict(pool_size=3, strides=1, padding="same"))):
                case("%s_pooling%dd_%s" % (kind.lower(), rank, name), lambda c=cls, s=shape, o=options: k.one(s, c(**o)))
        cls = getattr(L, kind + "Pooling2D")
        case("%s_pooling2d_uneven" % kind.lower(), lambda c=cls: k.one([7, 9, 2], c(pool_size=(2, 3), strides=(3, 1))))
        case("%s_pooling2d_pool1_stride2" % kind.lower(), lambda c=cls: k.one([7, 8, 2], c(pool_size=1, strides=2)))
        case("%s_pooling2d_unknown" % kind.lower(), lambda c=cls: k.one([None, None, 2], c(2, padding="same")),
             sizes=[(5, 6), (7, 3)])
        for rank, shape in ((1, [6, 3]), (2, [4, 5, 3]), (3, [3, 4, 2, 3])):
            cls = getattr(L, "Global%sPooling%dD" % (kind, rank))
            name = "global_%s_pooling%dd" % (kind.lower(), rank)
            case(name, lambda c=cls, s=shape: k.one(s, c()))
            case(name + "_keepdims", lambda c=cls, s=shape: k.one(s, c(keepdims=True)))
            case(name + "_channels_first", lambda c=cls, s=shape: k.one(s, c(data_format="channels_first")))
        cls = getattr(L, "Global%sPooling2D" % kind)
        case("global_%s_pooling2d_unknown" % kind.lower(), lambda c=cls: k.one([None, None, 2], c()), sizes=[(3, 4), (6, 2)])
    case("average_pooling1d_channels_first", lambda: k.one([3, 9], L.AveragePooling1D(2, data_format="channels_first")))
    if k.has("AdaptiveAveragePooling2D"):
        for kind in ("Average", "Max"):
            for rank, shape, size in ((1, [7, 2], 3), (2, [7, 5, 2], (3, 2)), (3, [5, 4, 6, 2], (2, 3, 4))):
                cls = getattr(L, "Adaptive%sPooling%dD" % (kind, rank))
                case("adaptive_%s_pooling%dd" % (kind.lower(), rank), lambda c=cls, s=shape, o=size: k.one(s, c(o)))
            cls = getattr(L, "Adaptive%sPooling2D" % kind)
            case("adaptive_%s_pooling2d_int" % kind.lower(), lambda c=cls: k.one([7, 5, 2], c(4)))
            case("adaptive_%s_pooling2d_channels_first" % kind.lower(),
                 lambda c=cls: k.one([2, 7, 5], c((3, 2), data_format="channels_first")))


def padding(k, case):
    L = k.layers
    for name, shape, make in (
            ("zero_padding1d", [4, 2], lambda: L.ZeroPadding1D()),
            ("zero_padding1d_pair", [4, 2], lambda: L.ZeroPadding1D((1, 2))),
            ("zero_padding2d", [3, 4, 2], lambda: L.ZeroPadding2D(2)),
            ("zero_padding2d_pair", [3, 4, 2], lambda: L.ZeroPadding2D((1, 2))),
            ("zero_padding2d_pairs", [3, 4, 2], lambda: L.ZeroPadding2D(((0, 1), (2, 3)))),
            ("zero_padding2d_channels_first", [2, 3, 4], lambda: L.ZeroPadding2D(((0, 1), (2, 3)), data_format="channels_first")),
            ("zero_padding3d", [2, 3, 2, 2], lambda: L.ZeroPadding3D((1, 2, 1))),
            ("zero_padding3d_pairs", [2, 3, 2, 2], lambda: L.ZeroPadding3D(((0, 1), (2, 0), (1, 1)))),
            ("zero_padding3d_channels_first", [2, 2, 3, 2], lambda: L.ZeroPadding3D(((0, 1), (2, 0), (1, 1)),
                                                                                     data_format="channels_first")),
            ("cropping1d", [6, 2], lambda: L.Cropping1D()),
            ("cropping1d_pair", [6, 2], lambda: L.Cropping1D((1, 2))),
            ("cropping2d", [5, 6, 2], lambda: L.Cropping2D((1, 2))),
            ("cropping2d_pairs", [5, 6, 2], lambda: L.Cropping2D(((0, 1), (2, 1)))),
            ("cropping2d_channels_first", [2, 5, 6], lambda: L.Cropping2D(((0, 1), (2, 1)), data_format="channels_first")),
            ("cropping3d", [4, 5, 4, 2], lambda: L.Cropping3D(((0, 1), (2, 1), (1, 1)))),
            ("cropping3d_channels_first", [2, 4, 5, 4], lambda: L.Cropping3D(((0, 1), (2, 1), (1, 1)),
                                                                              data_format="channels_first"))):
        case(name, lambda s=shape, m=make: k.one(s, m()))
    case("zero_padding2d_unknown", lambda: k.one([None, None, 2], L.ZeroPadding2D(((0, 1), (0, 1)))), sizes=[(2, 3), (4, 1)])


def upsampling(k, case):
    L = k.layers
    case("upsampling1d", lambda: k.one([3, 2], L.UpSampling1D(3)))
    case("upsampling2d", lambda: k.one([3, 4, 2], L.UpSampling2D()))
    case("upsampling2d_uneven", lambda: k.one([3, 2, 2], L.UpSampling2D((2, 3))))
    case("upsampling2d_channels_first", lambda: k.one([2, 3, 2], L.UpSampling2D((2, 3), data_format="channels_first")))
    case("upsampling2d_unknown", lambda: k.one([None, None, 2], L.UpSampling2D()), sizes=[(2, 3), (4, 2)])
    case("upsampling3d", lambda: k.one([2, 3, 2, 2], L.UpSampling3D((2, 1, 3))))
    case("upsampling3d_channels_first", lambda: k.one([2, 2, 3, 2], L.UpSampling3D((2, 1, 3), data_format="channels_first")))
    methods = ["bilinear", "bicubic", "lanczos3", "lanczos5"] + ([] if k.is_k3() else ["area", "gaussian", "mitchellcubic"])
    for method in methods:
        case("upsampling2d_" + method, lambda m=method: k.one([4, 5, 2], L.UpSampling2D((2, 3), interpolation=m)),
             tolerance=3e-5 if method.startswith("lanczos") else 1e-5)
    case("upsampling2d_bilinear_channels_first", lambda: k.one([2, 3, 4], L.UpSampling2D(
        (2, 2), interpolation="bilinear", data_format="channels_first")))
    case("upsampling2d_bilinear_unknown", lambda: k.one([None, None, 2], L.UpSampling2D(
        (2, 2), interpolation="bilinear")), sizes=[(3, 4), (5, 2)])
