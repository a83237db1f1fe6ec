"""Every kind of layer under every dtype policy: which type each output has, and how far rounding carries.

The low types are computed in float32 here and rounded where Keras rounds; Keras's own kernels round more often within an
op, so that its numbers are one of several right ones. float64 is computed in float32. The tolerances are those of README.md, but
for attention: there Keras rounds the scores, and the softmax makes twice as much of that."""
import numpy as np

from cases_core import ints
from cases_graph import under

ENVIRONMENTS = ["keras3", "tf215"]

TOLERANCES = {"float64": 2e-6, "float16": 2e-3, "mixed_float16": 2e-3, "bfloat16": 2e-2, "mixed_bfloat16": 2e-2}


def define(k, case):
    for policy in ("float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"):
        for name, spec, build, keywords in networks(k):
            keywords = dict(keywords)
            factor = keywords.pop("factor", 1)
            # A whole-float16 model takes float16 inputs, a mixed one float32.
            dtype = policy if "mixed" not in policy else "float32"
            specs = [one if isinstance(one, tuple) else (one, dtype) for one in spec]
            if policy == "bfloat16" and any(s[1] == dtype for s in specs):
                specs = [s if s[1] != dtype else (s[0], "float32") for s in specs]  # NumPy has no such type
            case("%s_%s" % (policy, name), under(k, policy, lambda s=specs, b=build: k.net(s, b)),
                 tolerance=TOLERANCES[policy] * factor, batches=(1, 3), **keywords)


def networks(k):
    L = k.layers
    start = {"recurrent_initializer": "glorot_uniform"}  # the default, orthogonal, does not exist for bfloat16
    return [
        ("dense", [[6]], lambda x: L.Dense(3, activation="softmax")(L.BatchNormalization()(L.Dense(5, activation="relu")(x))), {}),
        ("activations", [[7]], lambda x: [L.Activation(name)(x) for name in (
            "relu", "sigmoid", "tanh", "elu", "selu", "softplus", "softsign", "swish", "gelu", "hard_sigmoid", "exponential")] + [
                L.LeakyReLU()(x), L.PReLU()(x), L.ReLU(1.0)(x), L.Softmax()(x)], {}),
        ("conv2d", [[7, 8, 3]], lambda x: L.Dense(3)(L.Flatten()(L.MaxPooling2D()(L.ReLU()(L.BatchNormalization()(L.Conv2D(
            4, 3)(x)))))), {}),
        ("conv_kinds", [[6, 7, 2]], lambda x: [L.DepthwiseConv2D(2)(x), L.SeparableConv2D(3, 2)(x),
                                               L.Conv2DTranspose(2, 3, strides=2)(x)], {}),
        ("conv1d", [[8, 3]], lambda x: L.GlobalAveragePooling1D()(L.Conv1D(3, 3, padding="causal", dilation_rate=2)(x)), {}),
        ("shapes", [[4, 6, 2]], lambda x: [
            L.UpSampling2D(2)(x), L.ZeroPadding2D(1)(x), L.Cropping2D(1)(x), L.Permute((2, 1, 3))(x), L.Reshape((8, 6))(x),
            L.AveragePooling2D(2)(x), L.GlobalMaxPooling2D()(x)], {}),
        ("merges", [[4], [4]], lambda a, b: [L.Add()([a, b]), L.Multiply()([a, b]), L.Subtract()([a, b]), L.Average()([a, b]),
                                             L.Maximum()([a, b]), L.Concatenate()([a, b]), L.Dot(1)([a, b])], {}),
        ("normalizations", [[4, 6]], lambda x: [L.LayerNormalization()(x), L.BatchNormalization()(x)] + (
            [L.GroupNormalization(2)(x), L.UnitNormalization()(x)] if k.has("GroupNormalization") else []), {}),
        ("lstm", [[5, 3]], lambda x: L.LSTM(3, **start)(L.LSTM(4, return_sequences=True, **start)(x)), {}),
        ("gru", [[5, 3]], lambda x: [L.GRU(4, return_sequences=True, **start)(x), L.SimpleRNN(3, **start)(x)], {}),
        ("bidirectional", [[4, 3]], lambda x: L.TimeDistributed(L.Dense(2))(L.Bidirectional(L.LSTM(
            3, return_sequences=True, **start))(x)), {}),
        ("cells", [[4, 3]], lambda x: L.RNN([L.LSTMCell(3, **start), L.GRUCell(2, reset_after=False, **start)])(x), {}),
        ("conv_lstm", [[2, 4, 4, 1]], lambda x: L.ConvLSTM2D(2, 2, **start)(x), {}),
        ("volume", [[3, 4, 4, 2]], lambda x: [L.GlobalAveragePooling3D()(L.Conv3D(2, 2)(x)), L.UpSampling3D(2)(x)], {}),
        ("line", [[7, 2]], lambda x: [L.SeparableConv1D(3, 2)(x), L.Conv1DTranspose(2, 2)(x), L.AveragePooling1D(3)(x),
                                      L.ZeroPadding1D(1)(x), L.EinsumDense("abc,cd->abd", (None, 3), bias_axes="d")(x)], {}),
        ("embedding", [([5], "int32")], lambda x: L.Dense(3)(L.GlobalAveragePooling1D()(L.Embedding(9, 4)(x))), {"data": ints(9)}),
        ("attention", [[4, 6], [5, 6]], lambda q, v: [L.Attention()([q, v]), L.AdditiveAttention()([q, v]),
                                                      L.MultiHeadAttention(2, 3)(q, v)], {"factor": 2}),
        ("picture", [[4, 5, 3]], lambda x: [
            L.Rescaling(1 / 127.5, offset=-1)(x), L.Resizing(3, 7)(x), L.CenterCrop(2, 3)(x), L.CenterCrop(6, 3)(x),
            L.UpSampling2D(2, interpolation="bilinear")(x), L.RandomFlip()(x), L.Dropout(0.5)(x), L.GaussianNoise(0.1)(x)], {}),
        ("channels", [[4, 6]], lambda x: [L.PReLU(shared_axes=[1])(x), L.Softmax(1)(x), L.ELU(0.3)(x), L.ReLU(
            1.5, negative_slope=0.1, threshold=0.2)(x), L.Masking()(x), L.RepeatVector(2)(L.Flatten()(x))], {}),
        ("one_in_float32", [[6]], lambda x: L.Activation("softmax", dtype="float32")(L.Dense(3)(x)), {}),
    ]
