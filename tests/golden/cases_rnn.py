"""Recurrent layers, their wrappers, and masks through the graph."""
import numpy as np
import tensorflow as tf

from cases_core import ints

ENVIRONMENTS = ["tf215", "keras3"]
ONCE = ("simple_rnn_backwards", "simple_rnn_no", "simple_rnn_state", "gru_unroll", "gru_implementation", "gru_dropout",
        "gru_stacked", "gru_long", "lstm_long", "simple_rnn_long", "lstm_one_step", "gru_one_step", "simple_rnn_one_step",
        "gru_encoder", "simple_rnn_encoder", "lstm_stacked", "simple_rnn_stacked",
        "lstm_activation", "gru_activation", "simple_rnn_activation", "mask_zero_gru", "mask_zero_simple", "mask_zero_max",
        "mask_zero_time", "mask_zero_dense", "mask_zero_flatten", "mask_zero_conv", "mask_zero_rnn", "masking_", "bidirectional_sum", "bidirectional_mul", "mask_merge_maximum",
        "mask_merge_average", "mask_merge_subtract", "time_distributed_activation", "time_distributed_reshape")


def define(k, case):
    simple(k, case)
    cells(k, case)
    bidirectional(k, case)
    time_distributed(k, case)
    conv_lstm(k, case)
    masks(k, case)
    mask_merges(k, case)


def simple(k, case):
    L = k.layers
    common = (
        ("plain", {}), ("sequences", {"return_sequences": True}), ("backwards", {"go_backwards": True}),
        ("backwards_sequences", {"go_backwards": True, "return_sequences": True}), ("no_bias", {"use_bias": False}),
        ("activation", {"activation": "relu"}), ("unroll", {"unroll": True}),
        ("implementation1", {"implementation": 1}), ("dropout", {"dropout": 0.3, "recurrent_dropout": 0.2}))
    gated = (("hard_sigmoid", {"recurrent_activation": "hard_sigmoid"}), ("sigmoid_relu", {"activation": "relu",
             "recurrent_activation": "tanh"}), ("linear", {"activation": None}))
    for cls, name in ((L.SimpleRNN, "simple_rnn"), (L.LSTM, "lstm"), (L.GRU, "gru")):
        options = [o for o in common if not (cls is L.SimpleRNN and "implementation" in o[1])]
        for suffix, o in options + list(gated if cls is not L.SimpleRNN else ()):
            case("%s_%s" % (name, suffix), lambda c=cls, o=o: k.one([5, 3], c(4, **o)))
        case(name + "_unknown_time", lambda c=cls: k.one([None, 3], c(4, return_sequences=True)), sizes=[(4,), (9,)])
        case(name + "_one_step", lambda c=cls: k.one([1, 3], c(4)))
        case(name + "_long", lambda c=cls: k.one([60, 2], c(3)), batches=(1, 3))
        case(name + "_state", lambda c=cls: k.net([5, 3], lambda x: c(4, return_state=True)(x)))
        case(name + "_state_sequences", lambda c=cls: k.net(
            [5, 3], lambda x: c(4, return_state=True, return_sequences=True)(x)))
        case(name + "_stateful", lambda c=cls: stateful(k, c), batches=(2,), warns=["stateful"])
        case(name + "_stacked", lambda c=cls: k.seq([6, 2], c(4, return_sequences=True), c(3), k.layers.Dense(1)))
        case(name + "_encoder_decoder", lambda c=cls: encoder_decoder(k, c), sizes=[(4, 3), (2, 5)])
    for suffix, o in (("reset_before", {}), ("reset_before_sequences", {"return_sequences": True}),
                      ("reset_before_no_bias", {"use_bias": False}), ("reset_before_backwards", {"go_backwards": True})):
        case("gru_" + suffix, lambda o=o: k.one([5, 3], L.GRU(4, reset_after=False, **o)))
    case("lstm_no_forget_bias", lambda: k.one([5, 3], L.LSTM(4, unit_forget_bias=False)))
    if not k.is_k3():
        case("lstm_time_major", lambda: k.one([5, 3], L.LSTM(4, time_major=True, return_sequences=True)), mixes_rows=True)
    case("stock_lstm", lambda: k.seq([10, 1], L.LSTM(8, return_sequences=True), L.Dropout(0.2), L.LSTM(8), L.Dropout(0.2),
                                     L.Dense(4), L.Dense(1)))
    case("repeat_decoder", lambda: k.seq([5, 2], L.LSTM(4), L.RepeatVector(3), L.LSTM(4, return_sequences=True),
                                         L.TimeDistributed(L.Dense(2))))


def stateful(k, cls):
    L = k.layers
    if k.is_k3():
        x = L.Input(batch_shape=(2, 4, 3), name="x")
    else:
        x = L.Input(shape=(4, 3), batch_size=2, name="x")
    model = k.model(x, cls(3, stateful=True)(x))
    return model


def encoder_decoder(k, cls):
    def build(a, b):
        encoded = cls(4, return_state=True)(a)
        states = encoded[1:]
        decoded = cls(4, return_sequences=True)(b, initial_state=states if len(states) > 1 else states[0])
        return k.layers.Dense(2)(decoded)
    return k.net([[None, 3], [None, 2]], build)


def cells(k, case):
    L = k.layers
    makers = (("simple", lambda u, **o: L.SimpleRNNCell(u, **o)), ("lstm", lambda u, **o: L.LSTMCell(u, **o)),
              ("gru", lambda u, **o: L.GRUCell(u, **o)))
    for name, cell in makers:
        case("rnn_%s_cell" % name, lambda c=cell: k.one([5, 3], L.RNN(c(4))))
        case("rnn_%s_cell_sequences" % name, lambda c=cell: k.one([5, 3], L.RNN(c(4), return_sequences=True, go_backwards=True)))
        case("rnn_stacked_" + name, lambda c=cell: k.one([5, 3], L.RNN([c(4), c(2), c(3)], return_sequences=True)))
    wrapped_cells(k, case)
    case("rnn_stacked_mixed", lambda: k.one([5, 3], L.RNN(L.StackedRNNCells([L.LSTMCell(4), L.GRUCell(3)]))))
    case("rnn_stacked_state", lambda: k.net([5, 3], lambda x: flat(L.RNN(
        [L.LSTMCell(4), L.LSTMCell(2)], return_state=True)(x))))
    case("rnn_gru_cell_reset_before", lambda: k.one([5, 3], L.RNN(L.GRUCell(4, reset_after=False))))


def wrapped_cells(k, case):
    """The wrappers of tf.nn, which are layers of tf.keras."""
    if k.family != "TF" or k.tf_version < (2, 1):
        return
    L, nn = k.layers, tf.nn
    residual, device = nn.RNNCellResidualWrapper, nn.RNNCellDeviceWrapper
    case("rnn_residual_cell", lambda: k.one([5, 3], L.RNN(residual(L.LSTMCell(3)))))
    case("rnn_residual_backwards", lambda: k.one([5, 3], L.RNN(residual(L.GRUCell(3)), go_backwards=True)))
    case("rnn_residual_sequences", lambda: k.one([5, 3], L.RNN(
        [residual(residual(L.LSTMCell(3))), device(residual(L.GRUCell(3)), "/cpu:0")], return_sequences=True, go_backwards=True)))


def flat(outputs):
    result = []
    for o in outputs:
        result.extend(o if isinstance(o, (list, tuple)) else [o])
    return result


def bidirectional(k, case):
    L = k.layers
    for mode in ("concat", "sum", "mul", "ave"):
        for sequences in (False, True):
            case("bidirectional_%s%s" % (mode, "_sequences" if sequences else ""), lambda m=mode, s=sequences: k.one(
                [5, 3], L.Bidirectional(L.LSTM(4, return_sequences=s), merge_mode=m)))
    for sequences in (False, True):
        case("bidirectional_none" + ("_sequences" if sequences else ""), lambda s=sequences: k.net(
            [5, 3], lambda x: L.Bidirectional(L.GRU(4, return_sequences=s), merge_mode=None)(x)))
    case("bidirectional_gru", lambda: k.one([5, 3], L.Bidirectional(L.GRU(4, return_sequences=True))))
    case("bidirectional_simple", lambda: k.one([None, 3], L.Bidirectional(L.SimpleRNN(4))), sizes=[(4,), (7,)])
    case("bidirectional_state", lambda: k.net([5, 3], lambda x: L.Bidirectional(L.LSTM(4, return_state=True))(x)))
    case("bidirectional_backward_layer", lambda: k.one([5, 3], L.Bidirectional(
        L.LSTM(4, return_sequences=True), backward_layer=L.GRU(3, return_sequences=True, go_backwards=True))))
    case("bidirectional_stacked", lambda: k.seq([6, 2], L.Bidirectional(L.LSTM(4, return_sequences=True)),
                                                L.Bidirectional(L.LSTM(3)), L.Dense(2, activation="softmax")))
    case("bidirectional_initial_state", lambda: k.net(
        [[5, 3], [4], [4]], lambda x, a, b: L.Bidirectional(L.GRU(4))(x, initial_state=[a, b])))
    if not k.is_k3():
        case("bidirectional_go_backwards", lambda: k.one([5, 3], L.Bidirectional(L.LSTM(4, go_backwards=True, return_sequences=True))))


def time_distributed(k, case):
    L = k.layers
    for name, shape, make in (
            ("dense", [3, 5], lambda: L.Dense(4, activation="relu")),
            ("conv2d", [3, 5, 6, 2], lambda: L.Conv2D(3, 3)),
            ("max_pooling", [2, 4, 5, 2], lambda: L.MaxPooling2D()),
            ("flatten", [3, 2, 4], lambda: L.Flatten()),
            ("batch_norm", [3, 4], lambda: L.BatchNormalization()),
            ("dropout", [3, 4], lambda: L.Dropout(0.5)),
            ("embedding", ([3, 4], "int32"), lambda: L.Embedding(10, 3)),
            ("lstm", [3, 4, 2], lambda: L.LSTM(3)),
            ("bidirectional", [3, 4, 2], lambda: L.Bidirectional(L.GRU(3))),
            ("nested", [3, 4, 2], lambda: L.TimeDistributed(L.Dense(3))),
            ("activation", [3, 4], lambda: L.Activation("softmax")),
            ("reshape", [3, 4], lambda: L.Reshape((2, 2)))):
        case("time_distributed_" + name, lambda s=shape, m=make: k.one(s, L.TimeDistributed(m())),
             data=ints(10) if name == "embedding" else ints_or_normal)
    case("time_distributed_unknown", lambda: k.one([None, 5], L.TimeDistributed(L.Dense(4))), sizes=[(2,), (6,)])
    case("time_distributed_model", lambda: k.one([3, 6, 6, 1], L.TimeDistributed(k.seq(
        [6, 6, 1], L.Conv2D(2, 3, activation="relu"), L.BatchNormalization(), L.Flatten(), L.Dense(3)))))
    case("cnn_lstm", lambda: k.seq([4, 6, 6, 1], L.TimeDistributed(L.Conv2D(3, 3, activation="relu")),
                                   L.TimeDistributed(L.MaxPooling2D(2)), L.TimeDistributed(L.Flatten()),
                                   L.LSTM(4), L.Dense(2, activation="softmax")))


def ints_or_normal(rng, shape, dtype):
    return rng.standard_normal(shape).astype(dtype)


def conv_lstm(k, case):
    L = k.layers
    for name, cls, shape, options in (
            ("1d", L.ConvLSTM1D, [3, 6, 2], dict(filters=3, kernel_size=3)),
            ("1d_same_sequences", L.ConvLSTM1D, [3, 6, 2], dict(filters=3, kernel_size=2, padding="same", return_sequences=True)),
            ("2d", L.ConvLSTM2D, [3, 5, 6, 2], dict(filters=2, kernel_size=3)),
            ("2d_same_sequences", L.ConvLSTM2D, [3, 4, 5, 2], dict(filters=2, kernel_size=3, padding="same",
                                                                    return_sequences=True)),
            ("2d_stride", L.ConvLSTM2D, [2, 6, 7, 2], dict(filters=2, kernel_size=3, strides=2, padding="same")),
            ("2d_dilated", L.ConvLSTM2D, [2, 6, 7, 1], dict(filters=2, kernel_size=2, dilation_rate=2)),
            ("2d_no_bias", L.ConvLSTM2D, [2, 4, 5, 2], dict(filters=2, kernel_size=2, use_bias=False)),
            ("2d_activations", L.ConvLSTM2D, [2, 4, 5, 2], dict(filters=2, kernel_size=2, activation="relu",
                                                               recurrent_activation="hard_sigmoid")),
            ("2d_backwards", L.ConvLSTM2D, [3, 4, 5, 2], dict(filters=2, kernel_size=2, go_backwards=True,
                                                               return_sequences=True)),
            ("3d", L.ConvLSTM3D, [2, 3, 4, 3, 1], dict(filters=2, kernel_size=2, padding="same"))):
        case("conv_lstm" + name, lambda c=cls, s=shape, o=options: k.one(s, c(**o)), batches=(1, 3))
    case("conv_lstm2d_state", lambda: k.net([2, 4, 5, 1], lambda x: L.ConvLSTM2D(2, 2, return_state=True)(x)), batches=(1, 3))
    case("conv_lstm2d_bidirectional", lambda: k.one([2, 4, 4, 1], L.Bidirectional(L.ConvLSTM2D(2, 2, return_sequences=True))),
         batches=(1, 3))
    case("conv_lstm2d_unknown", lambda: k.one([None, 4, 4, 1], L.ConvLSTM2D(2, 2)), sizes=[(2,), (4,)], batches=(1, 3))


# ---- masks ----


def padded(rng, shape, dtype):
    """Ids with zeros on the right, one in the middle; the last row of several is all zeros."""
    x = rng.randint(1, 9, shape)
    x[:, -2:] = 0
    if shape[1] > 4:
        x[0, 1] = 0
    if shape[0] > 1:
        x[-1] = 0
    return x.astype(dtype)


def padded_rows(rng, shape, dtype):
    """Float sequences with whole steps of zeros."""
    x = rng.standard_normal(shape)
    x[:, -2:] = 0
    x[0, 1] = 0
    if shape[0] > 1:
        x[-1] = 0
    return x.astype(dtype)


def unpadded(rng, shape, dtype):
    return rng.standard_normal(shape).astype(dtype)


def some(rng, shape, dtype):
    """A mask; the last row of several is all false."""
    m = rng.randint(0, 2, shape).astype(bool)
    m[0, 0] = True
    if shape[0] > 1:
        m[-1] = False
    return m


def masks(k, case):
    L = k.layers
    readers = (
        ("lstm", lambda: L.LSTM(3)), ("lstm_sequences", lambda: L.LSTM(3, return_sequences=True)),
        ("gru", lambda: L.GRU(3)), ("gru_backwards", lambda: L.GRU(3, go_backwards=True, return_sequences=True)),
        ("simple_rnn", lambda: L.SimpleRNN(3, return_sequences=True)),
        ("bidirectional", lambda: L.Bidirectional(L.LSTM(3))),
        ("bidirectional_sequences", lambda: L.Bidirectional(L.LSTM(3, return_sequences=True))),
        ("pooling", lambda: L.GlobalAveragePooling1D()), ("max_pooling", lambda: L.GlobalMaxPooling1D()),
        ("time_distributed", lambda: L.TimeDistributed(L.Dense(2))), ("softmax", lambda: L.Softmax(axis=1)),
        ("rnn_cells", lambda: L.RNN([L.LSTMCell(3), L.GRUCell(2)], return_sequences=True)),
        ("dense", lambda: L.Dense(2)), ("flatten", lambda: L.Flatten()), ("conv1d", lambda: L.Conv1D(2, 2)))
    for name, make in readers:
        if name != "softmax":
            case("mask_zero_" + name, lambda m=make: k.seq(([6], "int32"), L.Embedding(9, 4, mask_zero=True), m()),
                 data=padded, mixes_rows=False)
            case("masking_" + name, lambda m=make: k.seq([6, 3], L.Masking(0.0), m()), data=padded_rows)
    for name, make in readers[:8]:
        case("mask_functional_" + name, lambda m=make: k.net(
            ([6], "int32"), lambda x: m()(L.Embedding(9, 4, mask_zero=True)(x))), data=padded)
    case("mask_unknown_length", lambda: k.seq(([None], "int32"), L.Embedding(9, 4, mask_zero=True), L.LSTM(3)),
         data=padded, sizes=[(5,), (8,)])
    case("mask_stacked", lambda: k.seq(([6], "int32"), L.Embedding(9, 4, mask_zero=True), L.LSTM(3, return_sequences=True),
                                       L.Dropout(0.2), L.LSTM(2, return_sequences=True), L.TimeDistributed(L.Dense(2))), data=padded)
    case("mask_through", lambda: k.seq(([6], "int32"), L.Embedding(9, 4, mask_zero=True), L.Dense(3, activation="relu"),
                                       L.BatchNormalization(), L.LayerNormalization(), L.Dropout(0.1), L.LSTM(3)), data=padded)
    case("mask_dropped_conv", lambda: k.seq(([6], "int32"), L.Embedding(9, 4, mask_zero=True),
                                            L.Conv1D(3, 2, padding="same"), L.LSTM(3)), data=padded)
    case("mask_backwards_twice", lambda: k.seq(([6], "int32"), L.Embedding(9, 4, mask_zero=True),
                                               L.LSTM(3, go_backwards=True, return_sequences=True), L.LSTM(2)), data=padded)
    case("mask_bidirectional_modes", lambda: k.seq(
        ([6], "int32"), L.Embedding(9, 4, mask_zero=True),
        L.Bidirectional(L.GRU(3, return_sequences=True), merge_mode="sum"),
        L.Bidirectional(L.GRU(3), merge_mode="ave")), data=padded)
    case("mask_zero_output", lambda: k.seq(([6], "int32"), L.Embedding(9, 4, mask_zero=True),
                                           L.RNN(L.GRUCell(3), return_sequences=True, zero_output_for_mask=True)), data=padded)
    case("mask_softmax_layer", lambda: k.net([[5], ([5], "bool")], lambda x, m: L.Softmax()(x, mask=m)),
         data=[unpadded, some], batches=(1, 3, 7))
    case("mask_state", lambda: k.net(([6], "int32"), lambda x: L.LSTM(3, return_state=True)(
        L.Embedding(9, 4, mask_zero=True)(x))), data=padded)
    case("mask_conv_lstm", lambda: k.net([[4, 3, 3, 1], ([4], "bool")], lambda x, m: L.ConvLSTM2D(
        2, 2, return_sequences=True)(x, mask=m)), data=[unpadded, some], batches=(1, 3))
    case("mask_encoder_decoder", lambda: masked_translation(k), data=padded, sizes=[(5, 6), (6, 5)])
    case("mask_nested_model", lambda: masked_nested(k), data=padded)


def masked_translation(k):
    L = k.layers

    def build(a, b):
        _, h, c = L.LSTM(3, return_state=True)(L.Embedding(9, 4, mask_zero=True)(a))
        y = L.LSTM(3, return_sequences=True)(L.Embedding(9, 4, mask_zero=True)(b), initial_state=[h, c])
        return L.Dense(4, activation="softmax")(y)
    return k.net([([None], "int32"), ([None], "int32")], build)


def masked_nested(k):
    L = k.layers
    inner = k.net([6, 4], lambda x: L.LSTM(3)(L.Dense(4)(x)), name="inner")
    return k.net(([6], "int32"), lambda x: inner(L.Embedding(9, 4, mask_zero=True)(x)))


def mask_merges(k, case):
    L = k.layers
    ids = ([6], "int32")

    def two(merge, second_masked=True):
        def build(a, b):
            x = L.Embedding(9, 4, mask_zero=True)(a)
            y = L.Embedding(9, 4, mask_zero=second_masked)(b)
            return L.LSTM(3, return_sequences=True)(merge()([x, y]))
        return lambda: k.net([ids, ids], build)
    data = [padded, lambda rng, shape, dtype: padded(rng, shape, dtype)[:, ::-1].copy()]
    for name, merge in (("add", L.Add), ("multiply", L.Multiply), ("maximum", L.Maximum), ("average", L.Average),
                        ("concatenate", L.Concatenate), ("subtract", L.Subtract)):
        case("mask_merge_" + name, two(merge), data=data)
        case("mask_merge_%s_one" % name, two(merge, False), data=data)
    case("mask_merge_concatenate_time", two(lambda: L.Concatenate(axis=1)), data=data)
    if k.is_k3():  # tf.keras fails on the shape of the mask
        case("mask_merge_concatenate_time_one", two(lambda: L.Concatenate(axis=1), False), data=data)
