"""Models that are no single .h5 file: the .keras archive (under either name), and weights alone with model.to_json().

What is asked of them is where each array goes: both file weights by the objects that own them, or by position, and know
nothing of the names that .h5 files use. So: classes that occur twice, layers in layers, models in models, state that is
no weight."""
import io
import os
import zipfile

import numpy as np

from cases_core import ints
from cases_graph import policies
from make import architecture_of

ENVIRONMENTS = ["keras3", "tf215", "k33", "k30", "tf210", "tf115", "k231", "k208", "k122"]
WORDS = ["cat", "dog", "", "bird", "Cat", "unknown", "fish", "the"]


class Archive(object):
    """Passes on cases as .keras archives; zip: named .h5."""

    def __init__(self, case):
        self.case = case

    def __call__(self, name, make, **keywords):
        keywords.setdefault("extension", ".keras")
        self.case(name, make, save=save_archive, **keywords)


def save_archive(model, path):
    plain = path + ".keras"
    model.save(plain)
    os.rename(plain, path)


class Weights(object):
    """Passes on cases as weights alone, with their architecture in a file."""

    def __init__(self, k, case):
        self.case, self.extension = case, ".weights.h5" if k.is_k3() else ".h5"

    def __call__(self, name, make, **keywords):
        self.case("weights_" + name, make, save=save_weights, extension=self.extension, **keywords)


def save_weights(model, path):
    model.save_weights(path)
    with io.open(architecture_of(path), "w", encoding="utf-8") as f:
        f.write(u"" + model.to_json())


def define(k, case):
    if k.is_k3() or (k.family == "TF" and k.tf_version >= (2, 13)):
        archive = Archive(case)
        plain(k, archive)
        names(k, archive)
        models(k, archive)
        in_layers(k, archive)
        state(k, archive)
        trained(k, archive)
        if k.is_k3() and k.version >= (3, 14):
            case("weights_at_4096", lambda: k.seq([4], k.layers.Dense(3)), save=save_at_4096, extension=".keras")
        case("zip_named_h5", lambda: k.seq([4], k.layers.Dense(3), k.layers.Dense(2)), save=save_archive)
    weights(k, Weights(k, case))


def plain(k, case):
    L = k.layers
    case("dense", lambda: k.seq([5], L.Dense(4, activation="relu"), L.Dropout(0.3), L.Dense(3), L.Activation("softmax")))
    case("convolutions", lambda: k.seq(
        [9, 8, 3], L.Conv2D(4, 3, use_bias=False), L.BatchNormalization(), L.ReLU(), L.SeparableConv2D(5, 2), L.MaxPooling2D(),
        L.DepthwiseConv2D(2), L.BatchNormalization(scale=False), L.Conv2DTranspose(2, 2), L.Flatten(), L.Dense(2)))
    case("normalizations", lambda: k.seq(
        [4, 6], L.LayerNormalization(), L.BatchNormalization(center=False), L.GroupNormalization(2), L.UnitNormalization(),
        L.LayerNormalization(scale=False)))
    case("prelu_einsum", lambda: k.seq([3, 4], L.EinsumDense("abc,cd->abd", (3, 5), bias_axes="d"), L.PReLU(), L.Flatten(), L.Dense(2)))
    case("embedding", lambda: k.seq(([5], "int32"), L.Embedding(9, 3), L.GlobalAveragePooling1D(), L.Dense(2)), data=ints(9))
    case("lambda", lambda: k.seq([4], L.Lambda(lambda x: x * 2 - 1), L.Dense(3)))
    case("unknown_sizes", lambda: k.seq([None, None, 2], L.Conv2D(3, 3), L.GlobalMaxPooling2D(), L.Dense(2)), sizes=[(5, 6), (8, 4)])


def save_at_4096(model, path):
    """HDF5 may begin at any power of two from 512 on: here does so what the archive holds unpacked."""
    save_archive(model, path)
    with zipfile.ZipFile(path) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
    before = sum(30 + len(name) + len(data) for name, data in entries[:-1]) + 30 + len(entries[-1][0])
    entries[0] = (entries[0][0], entries[0][1] + b" " * (4096 - before))
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name), data)


def names(k, case):
    """Weights are filed under the snake-cased class and a number, whatever the layers are called."""
    L = k.layers
    case("names", lambda: k.net([4], lambda x: L.Dense(2, name="dense_1")(L.Dense(3, name="dense")(L.Dense(4, name="dense_2")(x)))))
    case("branches", lambda: branches(k))
    case("frozen", lambda: frozen(k))
    case("no_weights", lambda: k.net([4], lambda x: L.Activation("tanh")(x)))


def branches(k):
    """The order of the layers is not the order of their creation."""
    L = k.layers
    late, early = L.Dense(3, activation="tanh"), L.Dense(3, activation="sigmoid")
    return k.net([[4], [4]], lambda a, b: L.Dense(2)(L.Add()([early(a), L.Dense(3)(late(b))])))


def frozen(k):
    L = k.layers
    layers = [L.Dense(4), L.BatchNormalization(), L.Dense(2)]
    layers[0].trainable = layers[1].trainable = False
    return k.seq([3], *layers)


def inner(k, name="inner"):
    L = k.layers
    return k.net([5], lambda x: L.Dense(5)(L.BatchNormalization()(L.Dense(4, activation="tanh")(x))), name=name)


def models(k, case):
    L = k.layers

    def sequential():
        return k.seq([5], L.Dense(4), L.Dense(5, activation="relu"))
    case("nested", lambda: k.net([5], lambda x: L.Dense(2)(inner(k, "b")(L.Dense(5)(inner(k, "a")(x))))))
    case("nested_sequential", lambda: k.seq([5], sequential(), L.Dense(5), sequential(), L.Dense(2)))
    case("nested_deep", lambda: k.seq([5], k.net([5], lambda x: sequential()(inner(k)(x)), name="outer"), L.Dense(2)))
    case("nested_shared", lambda: shared(k, inner(k)))
    case("shared_layer", lambda: shared(k, L.Dense(4, activation="tanh")))
    if k.is_k3() and k.version >= (3, 14):
        case("shared_with_nested", lambda: shared_with_nested(k), refused=["'dense'", "in two models"])
    case("several", lambda: k.net([[4], [3]], lambda a, b: [L.Dense(2)(a), L.Dense(3)(L.Concatenate()([a, b]))]))


def shared(k, layer):
    return k.net([[5], [5]], lambda a, b: k.layers.Concatenate()([layer(a), layer(b), k.layers.Dense(2)(a)]))


def shared_with_nested(k):
    """One layer in two models is in the file once, and this Keras does not read its own file."""
    L = k.layers
    dense = L.Dense(5, activation="tanh")
    part = k.net([5], lambda x: L.Dense(5)(dense(x)), name="part")
    return k.net([5], lambda x: L.Add()([part(x), dense(x)]))


def in_layers(k, case):
    """Layers that own layers."""
    L = k.layers
    case("lstm", lambda: k.seq([5, 3], L.LSTM(4, return_sequences=True), L.GRU(3, return_sequences=True), L.SimpleRNN(4),
                               L.Dense(1)), batches=(1, 3))
    case("gru_reset_before", lambda: k.seq([5, 3], L.GRU(4, reset_after=False)))
    case("bidirectional", lambda: k.seq([5, 3], L.Bidirectional(L.LSTM(3, return_sequences=True)), L.Bidirectional(L.GRU(2))))
    case("bidirectional_backward", lambda: k.seq([5, 3], L.Bidirectional(
        L.LSTM(3, return_sequences=True), backward_layer=L.GRU(4, return_sequences=True, go_backwards=True))))
    case("cells", lambda: k.seq([4, 3], L.RNN([L.LSTMCell(3), L.GRUCell(2), L.LSTMCell(2)], return_sequences=True),
                                L.RNN(L.SimpleRNNCell(3))))
    if not (k.is_k3() and k.version < (3, 4)):  # they cannot build a model of unknown input there
        case("time_distributed", lambda: k.seq([3, 5], L.TimeDistributed(L.Dense(5)), L.TimeDistributed(inner(k, "steps")), L.Flatten(), L.Dense(2)))
    case("time_distributed_bidirectional", lambda: k.seq([2, 4, 3], L.TimeDistributed(L.Bidirectional(L.GRU(2)))))
    case("conv_lstm", lambda: k.seq([3, 5, 6, 2], L.ConvLSTM2D(2, 3, return_sequences=True), L.ConvLSTM2D(3, 2)), batches=(1, 3))
    case("bidirectional_conv_lstm", lambda: k.seq([3, 5, 4, 1], L.Bidirectional(L.ConvLSTM2D(2, 2))), batches=(1, 3))
    case("attention", lambda: k.net([[3, 4], [5, 4]], lambda q, v: [
        L.Attention(use_scale=True)([q, v]), L.AdditiveAttention()([q, v]), L.MultiHeadAttention(2, 3)(q, v)]))
    case("multi_head", lambda: k.net([4, 6], lambda x: L.MultiHeadAttention(2, 3, value_dim=2, use_bias=False)(
        *[L.LayerNormalization()(L.MultiHeadAttention(3, 2, output_shape=(6,))(x, x))] * 2)))
    if k.is_k3() and k.version >= (3, 14):
        case("multi_head_gate", lambda: k.net([4, 6], lambda x: L.MultiHeadAttention(2, 3, use_gate=True)(x, x)))
    if k.has("GroupQueryAttention"):
        case("grouped", lambda: k.net([4, 6], lambda x: L.GroupQueryAttention(3, 4, 2)(x, x)))
    if k.has("SpectralNormalization"):
        case("spectral", lambda: k.seq([6, 7, 2], L.SpectralNormalization(L.Conv2D(3, 2)), L.Flatten(), L.SpectralNormalization(L.Dense(2))))
    if k.is_k3():
        case("operations", lambda: k.net([[4], [4]], lambda a, b: L.Dense(2)(k.keras.ops.tanh(L.Dense(4)(a) * b) + a)))
    if k.has("Pipeline"):
        case("pipeline", lambda: k.seq([4], L.Dense(4), L.Pipeline([L.Dense(3), L.BatchNormalization(), L.Dense(4)]), L.Dense(2)))
    if hasattr(L.Dense, "enable_lora"):
        case("lora", lambda: lora(k))


def lora(k):
    layers = [k.layers.Dense(5, activation="tanh"), k.layers.Dense(3)]
    model = k.seq([4], *layers)
    layers[0].enable_lora(2)
    return model


def state(k, case):
    """What is adapted and not trained: numbers among the weights, vocabularies beside them."""
    L = k.layers
    case("normalization", lambda: adapted(k, [3], L.Normalization(), np.random.RandomState(1).uniform(0, 9, (20, 3)),
                                          L.Dense(2)), randomise=False)
    case("normalization_given", lambda: k.seq([3], L.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 5.0, 0.5]), L.Dense(2)))
    case("discretization", lambda: adapted(k, [3], L.Discretization(num_bins=4), np.random.RandomState(1).uniform(-2, 2, (50, 3))),
         randomise=False)
    words = np.array(["cat", "dog", "dog", "bird", "the", "the", "the"])
    texts = np.array([["the cat sat"], ["The dog, the bird!"]])
    looked_up = dict(fixed=[[np.array(WORDS[:2], dtype=object).reshape(1, 2)], [np.array(WORDS, dtype=object).reshape(4, 2)]],
                     randomise=False)
    case("string_lookup", lambda: adapted(k, ([2], "string"), L.StringLookup(), words), **looked_up)
    case("string_lookup_two", lambda: two_lookups(k), **looked_up)
    case("string_lookup_given", lambda: k.seq(([2], "string"), L.StringLookup(vocabulary=["a", "cat", "the"], output_mode="multi_hot")),
         **looked_up)
    case("integer_lookup", lambda: adapted(k, ([2], "int64"), L.IntegerLookup(output_mode="count"), np.array([3, 5, 5, 900, 3, 5])),
         fixed=[[np.array([[3, 5], [900, 7]], "int64")]], randomise=False)
    case("string_lookup_tf_idf", lambda: adapted(k, ([2], "string"), L.StringLookup(output_mode="tf_idf"), words.reshape(-1, 1)),
         **looked_up)
    case("string_lookup_masked", lambda: adapted(k, ([2], "string"), L.StringLookup(mask_token="", output_mode="multi_hot"), words),
         **looked_up)
    spoken = dict(fixed=[[np.array([["the bird"], [""], ["The CAT, unknown dog!"]], dtype=object)]], randomise=False)
    case("text", lambda: adapted(k, ([1], "string"), L.TextVectorization(output_sequence_length=4), texts, L.Embedding(9, 3)), **spoken)
    case("text_tf_idf", lambda: adapted(k, ([1], "string"), L.TextVectorization(output_mode="tf_idf"), texts, L.Dense(2)), **spoken)
    case("augmented", lambda: k.seq([6, 7, 3], L.RandomFlip(), L.RandomRotation(0.2), L.Rescaling(1 / 255.0), L.Conv2D(2, 3),
                                    L.Dropout(0.2), L.Flatten(), L.Dense(2)))
    case("category_hashing", lambda: k.net([([2], "int32"), ([2], "string")], lambda a, b: [
        L.CategoryEncoding(5, "multi_hot")(a), L.Hashing(7)(b)]), fixed=[[
            np.array([[1, 4], [0, 0]], "int32"), np.array([["a", "b"], ["cat", ""]], dtype=object)]], randomise=False)


def adapted(k, spec, layer, data, *more):
    layer.adapt(data)
    model = k.seq(spec, layer, *more)
    for other in more:
        other.set_weights([k.random_weight(w.name, np.asarray(v), np.random.RandomState(2)) for w, v in zip(
            other.weights, other.get_weights())])
    return model


def two_lookups(k):
    """Two vocabularies in one archive."""
    L = k.layers
    first, second = L.StringLookup(), L.StringLookup(output_mode="multi_hot", num_oov_indices=2)
    first.adapt(np.array(["cat", "dog", "dog"]))
    second.adapt(np.array(["bird", "the", "the"]))
    return k.net(([2], "string"), lambda x: [first(x), second(x)])


def trained(k, case):
    """What training adds to the file: slots of the optimizer, metrics, losses."""
    L = k.layers
    for name in ("adam", "sgd") + (("adamw",) if k.is_k3() else ()):
        case("optimizer_" + name, lambda n=name: fitted(k, n), randomise=False, batches=(1,))
    case("compiled", lambda: compiled(k), batches=(1,))
    case("mixed_float16", lambda: under_policy(k, "mixed_float16"), tolerance=2e-3)


def fitted(k, optimizer):
    """As in cases_generations: trained for the slots, then with weights that any machine gives."""
    model = k.net([4], lambda x: k.layers.Dense(2)(k.layers.BatchNormalization()(k.layers.Dense(3, activation="relu")(x))))
    k.randomise(model, np.random.RandomState(4))
    model.compile(optimizer, "mse", metrics=["mae"])
    rng = np.random.RandomState(5)
    model.fit(rng.standard_normal((8, 4)).astype("float32"), rng.standard_normal((8, 2)).astype("float32"), epochs=2, verbose=0,
              shuffle=False)
    k.randomise(model, np.random.RandomState(4))
    return model


def compiled(k):
    L = k.layers
    model = k.net([4], lambda x: [L.Dense(2, name="first")(x), L.Dense(3, activation="softmax", name="second")(x)])
    model.compile("rmsprop", loss={"first": "mse", "second": "categorical_crossentropy"}, loss_weights={"first": 0.5, "second": 2.0},
                  metrics={"first": ["mae"], "second": ["accuracy"]})
    return model


def under_policy(k, policy):
    policies(k)(policy)
    try:
        return k.seq([4, 3], k.layers.LSTM(4), k.layers.Dense(3), k.layers.Dense(2, dtype="float32"))
    finally:
        policies(k)("float32")


def weights(k, case):
    L = k.layers

    def nested():
        part = k.net([5], lambda x: L.BatchNormalization()(L.Dense(5, activation="tanh")(x)), name="part")
        return k.net([5], lambda x: L.Dense(2)(part(x)))

    def sequential(*layers):
        model = k.models.Sequential()
        for layer in layers:
            model.add(layer)
        return model
    dense = "kernel_initializer" if k.family != "K1" else "init"
    case("sequential", lambda: sequential(L.Dense(4, activation="relu", input_shape=(5,), **{dense: "uniform"}), L.Dense(3)))
    case("functional", lambda: k.net([[4], [3]], lambda a, b: [L.Dense(2)(a), L.Dense(3)(b), L.Dense(4)(L.Dense(2)(b))]))
    if not (k.is_k3() and k.version < (3, 3)):
        case("nested", nested)
    case("lstm", lambda: sequential(L.LSTM(3, return_sequences=True, input_shape=(4, 2)), L.GRU(2), L.Dense(1)))
    if k.family != "K1":
        case("bidirectional", lambda: k.net([4, 2], lambda x: L.Bidirectional(L.LSTM(3))(x)))
        case("convolution", lambda: k.net([6, 7, 2], lambda x: L.Dense(2)(L.Flatten()(L.BatchNormalization()(L.Conv2D(3, 2)(x))))))
    else:
        case("convolution", lambda: sequential(L.Convolution2D(3, 2, 2, input_shape=(6, 7, 2), dim_ordering="tf"), L.Flatten(), L.Dense(2)))
    if k.has("MultiHeadAttention"):
        case("multi_head", lambda: k.net([4, 6], lambda x: L.MultiHeadAttention(2, 3)(x, x)))
