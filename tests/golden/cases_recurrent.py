"""Recurrent layers in the forms that cases_rnn.py leaves out: Keras 1's arrays, cuDNN's layout, activations that mix units."""
import json

import h5py
import numpy as np

from cases_rnn import padded_rows

ENVIRONMENTS = ["tf215", "keras3", "k122", "k224", "tf115"]


def define(k, case):
    if k.family == "K1":
        keras_1(k, case)
        return
    if k.has("CuDNNLSTM"):
        cudnn(k, case)
        return
    mixing(k, case)
    cells(k, case)


def keras_1(k, case):
    L = k.layers
    options = (("cpu", {}), ("mem", {"consume_less": "mem"}), ("gpu", {"consume_less": "gpu"}),
               ("sequences", {"return_sequences": True}), ("backwards", {"go_backwards": True, "return_sequences": True}))
    for name, cls in (("simple_rnn", L.SimpleRNN), ("lstm", L.LSTM), ("gru", L.GRU)):
        for suffix, o in options:
            case("%s_%s" % (name, suffix), lambda c=cls, o=o: k.one([5, 3], c(4, **o)))
        case(name + "_bidirectional", lambda c=cls: k.one([5, 3], L.Bidirectional(c(4, return_sequences=True))))
        case(name + "_time_distributed", lambda c=cls: k.one([2, 5, 3], L.TimeDistributed(c(4))))
        case(name + "_masked", lambda c=cls: k.net([6, 3], lambda x: c(4, return_sequences=True)(L.Masking()(x))),
             data=padded_rows)
    case("lstm_sigmoid", lambda: k.one([5, 3], L.LSTM(4, inner_activation="sigmoid")))
    case("gru_sigmoid", lambda: k.one([5, 3], L.GRU(4, inner_activation="sigmoid")))
    for order, shape in (("tf", [3, 5, 6, 2]), ("th", [3, 2, 5, 6])):
        case("conv_lstm_" + order, lambda o=order, s=shape: k.one(s, L.ConvLSTM2D(
            3, 2, 2, dim_ordering=o, border_mode="same", return_sequences=True)), batches=(1, 3))


def converter(k):
    """Keras's own function between plain and cuDNN layouts."""
    if k.family == "TF":
        from tensorflow.python.keras.saving import hdf5_format as module
    else:
        from keras.engine import saving as module
    return module._convert_rnn_weights


def cudnn_entries(k, entry, found):
    """Turns LSTM and GRU entries of a model configuration into CuDNN ones; found: prefix of weights -> layer."""
    if isinstance(entry, list):
        for one in entry:
            cudnn_entries(k, one, found)
    if not isinstance(entry, dict):
        return
    if entry.get("class_name") in ("LSTM", "GRU"):
        entry["class_name"] = "CuDNN" + entry["class_name"]
        cls, old = getattr(k.layers, entry["class_name"]), entry["config"]
        known = cls(1).get_config()
        layer = cls.from_config({key: value for key, value in old.items() if key in known})
        entry["config"] = layer.get_config()
        found.append(layer)
        return
    for value in entry.values():
        cudnn_entries(k, value, found)


def save_cudnn(k):
    """Saves a model of plain layers as the file that CuDNN layers would have written: those need a GPU to exist."""
    def save(model, path):
        model.save(path)
        with h5py.File(path, "r+") as f:
            text = f.attrs["model_config"]
            config = json.loads(text.decode("utf-8") if isinstance(text, bytes) else text)
            layers = []
            cudnn_entries(k, config, layers)
            f.attrs["model_config"] = json.dumps(config).encode("utf-8")
            kernels = []
            f["model_weights"].visit(lambda name: kernels.append(name) if name.endswith("/kernel:0") else None)
            for name in kernels:
                rewrite(k, f["model_weights"], name[:-len("kernel:0")], layers)
    return save


def rewrite(k, group, prefix, layers):
    names = [prefix + kind for kind in ("kernel:0", "recurrent_kernel:0", "bias:0")]
    if names[1] not in group:
        return
    plain = [group[name][()] for name in names]
    is_gru = plain[2].ndim == 2
    layer = [x for x in layers if x.__class__.__name__ == ("CuDNNGRU" if is_gru else "CuDNNLSTM")][0]
    arrays = list(converter(k)(layer, plain))
    if not is_gru:
        # Keras halves the bias; a trained file has two different halves.
        shift = np.linspace(-0.5, 0.5, arrays[2].size // 2).astype("float32")
        arrays[2] = arrays[2] + np.concatenate([shift, -shift])
    for name, array in zip(names, arrays):
        del group[name]
        group[name] = array


def cudnn(k, case):
    L = k.layers

    def lstm(units, **o):
        return L.LSTM(units, recurrent_activation="sigmoid", **o)

    def gru(units, **o):
        return L.GRU(units, recurrent_activation="sigmoid", reset_after=True, **o)

    table = (
        ("cudnn_lstm", lambda: k.one([5, 3], lstm(4))),
        ("cudnn_gru", lambda: k.one([5, 3], gru(4))),
        ("cudnn_lstm_wide", lambda: k.one([4, 6], lstm(2, return_sequences=True))),
        ("cudnn_gru_wide", lambda: k.one([4, 6], gru(2, return_sequences=True))),
        ("cudnn_lstm_backwards", lambda: k.one([5, 3], lstm(4, go_backwards=True))),
        ("cudnn_lstm_state", lambda: k.net([5, 3], lambda x: lstm(4, return_state=True)(x))),
        ("cudnn_bidirectional", lambda: k.one([5, 3], L.Bidirectional(lstm(3, return_sequences=True)))),
        ("cudnn_gru_bidirectional", lambda: k.one([5, 3], L.Bidirectional(gru(3)))),
        ("cudnn_stacked", lambda: k.net([5, 3], lambda x: L.Dense(2)(gru(3)(lstm(4, return_sequences=True)(x))))))
    for name, build in table:
        case(name, build, save=save_cudnn(k))


def mixing(k, case):
    L = k.layers
    for name, cls in (("simple_rnn", L.SimpleRNN), ("lstm", L.LSTM), ("gru", L.GRU)):
        case(name + "_softmax", lambda c=cls: k.one([5, 3], c(4, activation="softmax", return_sequences=True)))
        case(name + "_softmax_backwards", lambda c=cls: k.one([4, 3], c(4, activation="softmax", go_backwards=True)))
        case(name + "_softmax_masked", lambda c=cls: k.net([6, 3], lambda x: c(
            4, activation="softmax", return_sequences=True)(L.Masking()(x))), data=padded_rows)
        case(name + "_softmax_unknown", lambda c=cls: k.one([None, 3], c(4, activation="softmax")), sizes=[(3,), (6,)])
    case("gru_softmax_reset_before", lambda: k.one([5, 3], L.GRU(4, activation="softmax", reset_after=False)))
    case("lstm_softmax_state", lambda: k.net([5, 3], lambda x: L.LSTM(4, activation="softmax", return_state=True)(x)))
    case("lstm_recurrent_softmax", lambda: k.one([5, 3], L.LSTM(4, recurrent_activation="softmax")))


def cells(k, case):
    """Cells called by themselves, one step at a time."""
    L = k.layers
    case("lstm_cell_step", lambda: k.net([[3], [4], [4]], lambda x, h, c: L.LSTMCell(4)(x, [h, c])[0]))
    case("gru_cell_step", lambda: k.net([[3], [4]], lambda x, h: L.GRUCell(4)(x, [h])[0]))
    case("simple_rnn_cell_step", lambda: k.net([[3], [4]], lambda x, h: L.SimpleRNNCell(4)(x, [h])[0]))
