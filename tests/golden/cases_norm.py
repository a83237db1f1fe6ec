"""Normalisations, merges, regularisation layers."""
import numpy as np

ENVIRONMENTS = ["tf215", "keras3"]
ONCE = ("fold_", "add_", "multiply_", "average_", "maximum_", "minimum_", "concatenate_", "dot_", "spatial_")


def define(k, case):
    batch_norm(k, case)
    other_norms(k, case)
    merges(k, case)
    identities(k, case)


def batch_norm(k, case):
    L = k.layers
    for name, shape, options in (
            ("plain", [5], {}), ("image", [3, 4, 5], {}), ("no_scale", [5], {"scale": False}),
            ("no_center", [5], {"center": False}), ("bare", [3, 5], {"center": False, "scale": False}),
            ("epsilon", [5], {"epsilon": 0.1}), ("axis1", [3, 4, 2], {"axis": 1}),
            ("axis_minus2", [3, 4], {"axis": -2}), ("frozen", [5], {"trainable": False})):
        case("batch_norm_" + name, lambda s=shape, o=options: k.one(s, L.BatchNormalization(**o)))
    case("batch_norm_unknown", lambda: k.one([None, None, 3], L.BatchNormalization()), sizes=[(2, 3), (4, 1)])
    # what an engine folds
    for name, layers in (
            ("conv", lambda: [L.Conv2D(4, 3), L.BatchNormalization(), L.ReLU()]),
            ("conv_no_bias", lambda: [L.Conv2D(4, 3, use_bias=False), L.BatchNormalization(), L.Activation("relu")]),
            ("conv_relu_before", lambda: [L.Conv2D(4, 3, activation="relu"), L.BatchNormalization()]),
            ("depthwise", lambda: [L.DepthwiseConv2D(3, padding="same"), L.BatchNormalization(), L.ReLU(6.0)]),
            ("separable", lambda: [L.SeparableConv2D(4, 3, use_bias=False), L.BatchNormalization()]),
            ("transpose", lambda: [L.Conv2DTranspose(4, 3, strides=2), L.BatchNormalization(), L.LeakyReLU()]),
            ("padded_conv", lambda: [L.ZeroPadding2D(), L.Conv2D(4, 3), L.BatchNormalization()]),
            ("before_conv_same", lambda: [L.BatchNormalization(), L.Conv2D(4, 3, padding="same")]),
            ("groups", lambda: [L.Conv2D(6, 3, groups=3), L.BatchNormalization()]),
            ("dense", lambda: [L.Flatten(), L.Dense(4), L.BatchNormalization(), L.Dense(2, activation="softmax")]),
            ("twice", lambda: [L.Conv2D(4, 1), L.BatchNormalization(), L.BatchNormalization(scale=False)])):
        case("fold_" + name, lambda f=layers: k.seq([5, 6, 3], *f()))
    case("fold_two_readers", lambda: two_readers(k))
    if not k.is_k3():
        case("batch_norm_renorm", lambda: k.one([5], L.BatchNormalization(renorm=True)))
        case("batch_norm_axes", lambda: k.one([3, 4, 2], L.BatchNormalization(axis=[1, 3])))
        case("batch_norm_sync", lambda: k.one([5], k.keras.layers.experimental.SyncBatchNormalization()))
    else:
        case("batch_norm_synchronized", lambda: k.one([5], L.BatchNormalization(synchronized=True)))


def two_readers(k):
    """The convolution's result is used before the normalisation too: folding must not change it."""
    L = k.layers

    def build(x):
        y = L.Conv2D(4, 1)(x)
        return [L.BatchNormalization()(y), L.Activation("tanh")(y)]
    return k.net([3, 4, 3], build)


def other_norms(k, case):
    L = k.layers
    for name, shape, options in (
            ("plain", [5], {}), ("rank3", [3, 5], {}), ("epsilon", [5], {"epsilon": 1e-6}),
            ("axis1", [3, 4], {"axis": 1}), ("axes", [3, 4, 2], {"axis": [1, 2]}), ("axes_all", [3, 4, 2], {"axis": [1, 2, 3]}),
            ("axes_last", [3, 4, 2], {"axis": [-2, -1]}),
            ("no_scale", [5], {"scale": False}), ("no_center", [5], {"center": False}),
            ("bare", [3, 5], {"scale": False, "center": False})):
        case("layer_norm_" + name, lambda s=shape, o=options: k.one(s, L.LayerNormalization(**o)))
    case("layer_norm_unknown", lambda: k.one([None, 4], L.LayerNormalization()), sizes=[(2,), (5,)])
    for name, shape, options in (
            ("groups2", [6], {"groups": 2}), ("image", [3, 4, 6], {"groups": 3}), ("instance", [3, 4, 6], {"groups": -1}),
            ("one", [3, 6], {"groups": 1}), ("axis1", [6, 3, 2], {"groups": 2, "axis": 1}),
            ("bare", [3, 6], {"groups": 2, "center": False, "scale": False}), ("epsilon", [3, 6], {"groups": 2, "epsilon": 0.1})):
        case("group_norm_" + name, lambda s=shape, o=options: k.one(s, L.GroupNormalization(**o)))
    case("group_norm_unknown", lambda: k.one([None, None, 4], L.GroupNormalization(2)), sizes=[(2, 3), (4, 1)])
    case("unit_norm", lambda: k.one([5], L.UnitNormalization()))
    case("unit_norm_axes", lambda: k.one([3, 4, 2], L.UnitNormalization(axis=[1, 2])))
    case("unit_norm_axis1", lambda: k.one([3, 4], L.UnitNormalization(axis=1)))
    case("unit_norm_tiny", lambda: k.one([4], L.UnitNormalization()),
         data=lambda rng, shape, dtype: (rng.standard_normal(shape) * 1e-8).astype(dtype))
    if k.has("RMSNormalization"):
        case("rms_norm", lambda: k.one([5], L.RMSNormalization()))
        case("rms_norm_rank3", lambda: k.one([3, 5], L.RMSNormalization(epsilon=1e-3)))
        case("layer_norm_rms_scaling", lambda: k.one([3, 5], L.LayerNormalization(rms_scaling=True)))
    case("spectral_norm_dense", lambda: k.one([5], L.SpectralNormalization(L.Dense(4, activation="relu"))))
    case("spectral_norm_conv", lambda: k.one([5, 6, 3], L.SpectralNormalization(L.Conv2D(4, 3), power_iterations=2)))
    case("normalization_adapted", lambda: adapted(k, [4], {}), randomise=False)
    case("normalization_image", lambda: adapted(k, [3, 4, 2], {}), randomise=False)
    case("normalization_axes", lambda: adapted(k, [3, 2], {"axis": [1, 2]}), randomise=False)
    case("normalization_scalar", lambda: adapted(k, [3, 2], {"axis": None}), randomise=False)
    case("normalization_invert", lambda: adapted(k, [4], {"invert": True}), randomise=False)
    case("normalization_given", lambda: k.one([3], L.Normalization(mean=[1.0, 2.0, 3.0], variance=[0.5, 2.0, 0.0])))
    case("normalization_given_scalar", lambda: k.one([3, 2], L.Normalization(axis=None, mean=2.0, variance=4.0)))
    case("normalization_given_invert", lambda: k.one([3], L.Normalization(
        mean=[1.0, 2.0, 3.0], variance=[0.5, 2.0, 1.0], invert=True)))
    case("normalization_given_axis1", lambda: k.one([2, 3], L.Normalization(axis=1, mean=[1.0, 2.0], variance=[0.5, 2.0])))


def adapted(k, shape, options):
    layer = k.layers.Normalization(**options)
    rng = np.random.RandomState(7)
    layer.adapt((rng.standard_normal([40] + shape) * 2 + 3).astype("float32"))
    return k.one(shape, layer)


def merges(k, case):
    L = k.layers
    same = [[3, 4], [3, 4]]
    for cls in ("Add", "Multiply", "Average", "Maximum", "Minimum"):
        layer, name = getattr(L, cls), cls.lower()
        case(name, lambda c=layer: k.net(same, lambda *x: c()(list(x))))
        case(name + "_three", lambda c=layer: k.net(same + [[3, 4]], lambda *x: c()(list(x))))
        case(name + "_broadcast", lambda c=layer: k.net([[3, 4], [1, 4]], lambda *x: c()(list(x))))
        case(name + "_ranks", lambda c=layer: k.net([[2, 3, 4], [4]], lambda *x: c()(list(x))))
    case("multiply_se", lambda: k.net([[1, 1, 4], [3, 2, 4]], lambda *x: L.Multiply()(list(x))))
    case("add_both_broadcast", lambda: k.net([[3, 1], [1, 4]], lambda *x: L.Add()(list(x))))
    case("add_ranks_three", lambda: k.net([[4], [3, 4], [2, 3, 4]], lambda *x: L.Add()(list(x))))
    case("add_same_tensor", lambda: k.net([4], lambda x: L.Add()([x, x])))
    case("add_unknown", lambda: k.net([[None, 4], [None, 4]], lambda *x: L.Add()(list(x))), sizes=[(3, 3), (5, 5)])
    case("subtract", lambda: k.net(same, lambda *x: L.Subtract()(list(x))))
    case("subtract_broadcast", lambda: k.net([[1, 4], [3, 4]], lambda *x: L.Subtract()(list(x))))
    for name, shapes, axis in (
            ("last", [[3, 4], [3, 2]], -1), ("axis1", [[3, 4], [2, 4]], 1), ("three", [[2], [3], [1]], -1),
            ("channels", [[2, 3, 4], [2, 3, 1]], 3), ("middle", [[2, 3, 4], [2, 1, 4]], -2)):
        case("concatenate_" + name, lambda s=shapes, a=axis: k.net(s, lambda *x: L.Concatenate(axis=a)(list(x))))
    case("concatenate_unknown", lambda: k.net([[None, 4], [None, 3]], lambda *x: L.Concatenate()(list(x))),
         sizes=[(2, 2), (5, 5)])
    case("concatenate_time_unknown", lambda: k.net([[None, 4], [None, 4]], lambda *x: L.Concatenate(axis=1)(list(x))),
         sizes=[(2, 3), (5, 1)])
    for name, shapes, options in (
            ("vectors", [[4], [4]], {"axes": 1}), ("vectors_normalize", [[4], [4]], {"axes": 1, "normalize": True}),
            ("matrices", [[3, 4], [5, 4]], {"axes": 2}), ("matrices_minus1", [[3, 4], [5, 4]], {"axes": -1}),
            ("mixed_axes", [[3, 4], [4, 5]], {"axes": [2, 1]}), ("first_axes", [[3, 4], [3, 5]], {"axes": 1}),
            ("matrix_vector", [[3, 4], [4]], {"axes": [2, 1]}),
            ("matrices_normalize", [[3, 4], [5, 4]], {"axes": 2, "normalize": True})):
        case("dot_" + name, lambda s=shapes, o=options: k.net(s, lambda *x: L.Dot(**o)(list(x))))


def identities(k, case):
    L = k.layers
    for name, shape, make in (
            ("dropout", [4], lambda: L.Dropout(0.5)),
            ("dropout_noise_shape", [3, 4], lambda: L.Dropout(0.5, noise_shape=(None, 1, 4))),
            ("spatial_dropout1d", [3, 4], lambda: L.SpatialDropout1D(0.5)),
            ("spatial_dropout2d", [3, 2, 2], lambda: L.SpatialDropout2D(0.5)),
            ("spatial_dropout3d", [3, 2, 2, 2], lambda: L.SpatialDropout3D(0.5)),
            ("gaussian_dropout", [4], lambda: L.GaussianDropout(0.5)),
            ("gaussian_noise", [4], lambda: L.GaussianNoise(0.5)),
            ("alpha_dropout", [4], lambda: L.AlphaDropout(0.5)),
            ("activity_regularization", [4], lambda: L.ActivityRegularization(0.1, 0.1))):
        case(name, lambda s=shape, m=make: k.seq(s, L.Dense(3, activation="tanh"), m()) if len(s) == 1 else k.one(s, m()))
