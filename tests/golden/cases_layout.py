"""Networks trained with channels first. TensorFlow runs hardly any of them on a processor, so that their numbers are those of
the same network with channels last and the same weights, turned round. No convolution has as many channels as the picture is
wide: then Keras 3.7 and later add the bias along the width (found.conv_first_bias_fits_last)."""
import numpy as np

ENVIRONMENTS = ["keras3", "tf215"]
FIRST, LAST = "channels_first", "channels_last"


def define(k, case):
    for name, spec, network in networks(k):
        case("first_" + name, lambda s=spec, n=network: build(k, s, n, FIRST), run=twin(k, spec, network), batches=(1, 3))


def build(k, spec, network, layout):
    # An axis of time may stand before the channels.
    time, picture = spec if isinstance(spec, tuple) else ([], spec)
    shape = picture if layout == LAST else picture[-1:] + picture[:-1]
    axis = 1 + len(time) if layout == FIRST else -1
    return k.net(time + shape, lambda x: network(x, layout, axis))


def twin(k, spec, network):
    axis = 2 if isinstance(spec, tuple) else 1
    rank = 1 + (len(spec[0]) + len(spec[1]) if isinstance(spec, tuple) else len(spec))

    def run(model, inputs):
        other = build(k, spec, network, LAST)
        # Weights are the same in both layouts, but those with one number per element of the picture.
        other.set_weights([w if w.shape == tuple(o.shape) else np.moveaxis(w, 0, -1)
                           for w, o in zip(model.get_weights(), other.weights)])
        outputs = k.flatten(other(np.moveaxis(inputs[0], axis, -1), training=False))
        # The channels of an output without the axis of time are nearer to the front.
        return k.named(model, [np.moveaxis(y, -1, axis - (rank - y.ndim if rank > y.ndim > 2 else 0)) if y.ndim > 2 else y
                               for y in outputs])
    return run


def networks(k):
    L = k.layers

    def small(x, f, axis):
        x = L.Conv2D(4, 3, strides=2, padding="same", activation="relu", data_format=f)(x)
        x = L.MaxPooling2D(2, data_format=f)(L.BatchNormalization(axis=axis)(x))
        x = L.Conv2D(3, (1, 2), activation="tanh", data_format=f)(x)
        return L.Dense(2)(L.GlobalAveragePooling2D(data_format=f)(x))

    def flat(x, f, axis):
        x = L.Conv2D(2, 2, dilation_rate=2, use_bias=False, data_format=f)(x)
        x = L.AveragePooling2D((2, 1), strides=2, padding="same", data_format=f)(L.PReLU(shared_axes=[2, 3] if f == FIRST else [1, 2])(x))
        return L.Dense(3)(L.Flatten(data_format=f)(x))

    def larger(x, f, axis):
        x = L.Conv2DTranspose(3, 3, strides=2, padding="same", data_format=f)(x)
        x = L.ZeroPadding2D(((1, 0), (0, 2)), data_format=f)(L.UpSampling2D((2, 1), data_format=f)(x))
        return L.Cropping2D(((0, 1), (2, 0)), data_format=f)(x)

    def depthwise(x, f, axis):
        x = L.DepthwiseConv2D(2, depth_multiplier=2, activation="tanh", data_format=f)(x)
        return L.GlobalMaxPooling2D(keepdims=True, data_format=f)(L.SeparableConv2D(3, 2, padding="same", data_format=f)(x))

    def line(x, f, axis):
        x = L.MaxPooling1D(2, data_format=f)(L.Conv1D(3, 3, padding="same", activation="relu", data_format=f)(x))
        x = L.SeparableConv1D(4, 2, data_format=f)(L.Conv1DTranspose(2, 2, strides=2, data_format=f)(x))
        return [L.GlobalAveragePooling1D(data_format=f)(x), L.AveragePooling1D(2, data_format=f)(L.DepthwiseConv1D(2, data_format=f)(x))]

    def volume(x, f, axis):
        x = L.Conv3D(2, 2, padding="same", data_format=f)(x)
        x = L.MaxPooling3D((1, 2, 2), data_format=f)(L.ZeroPadding3D(1, data_format=f)(x))
        x = L.UpSampling3D((1, 1, 2), data_format=f)(L.Conv3DTranspose(3, 2, strides=2, data_format=f)(x))
        return L.GlobalAveragePooling3D(data_format=f)(L.Cropping3D(1, data_format=f)(x))

    def film(x, f, axis):
        x = L.ConvLSTM2D(2, 2, padding="same", return_sequences=True, data_format=f)(x)
        last = 1 if f == FIRST else -1
        return [x, L.BatchNormalization(axis=last)(L.ConvLSTM2D(3, 2, data_format=f)(x)),
                L.TimeDistributed(L.Conv2D(3, 2, data_format=f))(x)]

    def axes(x, f, axis):
        y = L.Concatenate(axis=axis)([L.LayerNormalization(axis=axis)(x), L.Softmax(axis=axis)(x), L.GroupNormalization(2, axis=axis)(x)])
        return L.SpatialDropout2D(0.2, data_format=f)(y)

    return [("conv2d", [7, 9, 3], small), ("flat", [6, 7, 2], flat), ("larger", [3, 4, 2], larger),
            ("depthwise", [5, 5, 3], depthwise), ("conv1d", [9, 2], line), ("conv3d", [3, 4, 3, 2], volume),
            ("conv_lstm", ([3], [4, 3, 2]), film), ("axes", [3, 4, 4], axes)]
