"""One set of small models for every generation but the two that have everything: containers, names, node forms, and the
places where the same file means other numbers to another generation."""
import numpy as np

from cases_core import ints
from cases_rnn import padded

ENVIRONMENTS = ["tf212", "tf210", "tf26", "tf23", "tf20", "tf115", "tf113", "k231", "k224", "k208", "k37", "k33", "k30"]

# tf.keras from 2.6 on differs from 2.15 in few places, Keras 3.0 and 3.3 from the newest in some.
LATE_TF = ("sequential_conv", "bidirectional", "nested_frozen", "name_slash", "mask_merge_concatenate", "optimizer_adam",
           "bidirectional_in_two_wrappers", "own_activation", "own_activation_alias", "random_crop", "random_crop_larger",
           "random_crop_wide")
EARLY_3 = LATE_TF + ("hard_sigmoid", "dense", "sequential", "sequential_nested", "gru_reset_after", "nested_shared",
                     "two_outputs", "mask_lstm", "mask_merge_add", "mask_merge_add_one", "mask_merge_concatenate_one",
                     "mask_masking", "conv_kinds", "encoder_decoder")


class Chosen(object):
    """Passes on the cases with these names only."""

    def __init__(self, case, names):
        self.case, self.names = case, names

    def __call__(self, name, make, **keywords):
        if name in self.names:
            self.case(name, make, **keywords)


def define(k, case):
    if k.is_k3():
        broken = ("mask_merge_concatenate", "mask_merge_concatenate_one")  # Keras 3.7 cannot join masks of an unknown batch
        case = Chosen(case, [name for name in EARLY_3 if k.version[:2] != (3, 7) or name not in broken])
    elif k.family == "TF" and k.tf_version >= (2, 4):
        case = Chosen(case, LATE_TF)
    basics(k, case)
    sequential_forms(k, case)
    recurrent(k, case)
    graphs(k, case)
    masks(k, case)
    resizing(k, case)
    optimizers(k, case)
    own_activation(k, case)


def build(k, spec, function):
    """Functional model that every generation can build."""
    return k.net(spec, function)


def own_activation(k, case):
    """A function that its user registered, by the name of a built-in one."""
    if k.family != "TF" or not (2, 1) <= k.tf_version < (2, 11):
        return

    @k.keras.utils.register_keras_serializable()
    def relu(x):
        return k.keras.backend.relu(x)

    def make():
        return k.one([3], k.layers.Dense(2, activation=relu))
    case("own_activation", make, refused=["Dense", "Custom>relu", "not one of Keras's own"])
    case("own_activation_alias", make, options={"sidecar": '{"classes": {"Custom>relu": {"alias": "relu"}}}'})


def basics(k, case):
    L = k.layers
    case("dense", lambda: build(k, [5], lambda x: L.Dense(3, activation="softmax")(L.Dense(4, activation="relu")(x))))
    case("hard_sigmoid", lambda: build(k, [6], lambda x: L.Activation("hard_sigmoid")(x)),
         data=lambda rng, shape, dtype: (3 * rng.standard_normal(shape)).astype(dtype))
    case("leaky_relu", lambda: build(k, [6], lambda x: L.LeakyReLU()(x)))
    case("prelu_elu", lambda: build(k, [6], lambda x: L.ELU(0.5)(L.PReLU()(x))))
    case("conv_bn_pool", lambda: build(k, [7, 8, 3], lambda x: L.Dense(2)(L.Flatten()(L.MaxPooling2D(2)(L.Activation("relu")(
        L.BatchNormalization()(L.Conv2D(4, 3)(x))))))))
    case("conv_kinds", lambda: build(k, [7, 8, 3], lambda x: L.Conv2DTranspose(2, 3, strides=2, padding="same")(
        L.SeparableConv2D(4, 3, padding="same")(x))))
    case("embedding", lambda: build(k, ([5], "int32"), lambda x: L.Dense(2)(L.Flatten()(L.Embedding(9, 3)(x)))), data=ints(9))
    case("merges", lambda: build(k, [[4], [4]], lambda a, b: L.Concatenate()([
        L.Add()([a, b]), L.Multiply()([a, b]), L.Average()([a, b]), L.Maximum()([a, b]), L.Dot(1)([a, b])])))
    if hasattr(L, "LocallyConnected1D"):
        case("locally_connected1d", lambda: build(k, [6, 3], lambda x: L.LocallyConnected1D(2, 3, activation="tanh")(x)))
        case("locally_connected2d", lambda: build(k, [5, 6, 2], lambda x: L.LocallyConnected2D(2, (2, 3), strides=(1, 2))(x)))
    if hasattr(L, "DepthwiseConv2D"):
        case("depthwise", lambda: build(k, [6, 7, 3], lambda x: L.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(x)))
    if hasattr(L, "MultiHeadAttention") and not (k.is_k3() and k.version < (3, 3)):
        case("multi_head", lambda: build(k, [4, 6], lambda x: L.MultiHeadAttention(2, 3)(x, x)))


def sequential_forms(k, case):
    """A Sequential with input_shape on its first layer, as nearly all of them are written."""
    L = k.layers

    def seq(*layers):
        model = k.models.Sequential()
        for layer in layers:
            model.add(layer)
        return model
    case("sequential", lambda: seq(L.Dense(4, activation="relu", input_shape=(5,)), L.Dropout(0.5), L.Dense(2, activation="softmax")))
    case("sequential_conv", lambda: seq(L.Conv2D(3, (3, 3), activation="relu", input_shape=(6, 7, 1)), L.MaxPooling2D((2, 2)),
                                        L.Flatten(), L.Dense(3, activation="softmax")))
    case("sequential_embedding", lambda: seq(L.Embedding(9, 3, input_length=5), L.LSTM(3), L.Dense(1, activation="sigmoid"))
         if not k.is_k3() else k.seq(([5], "int32"), L.Embedding(9, 3), L.LSTM(3), L.Dense(1)), data=ints(9))
    case("sequential_lstm", lambda: seq(L.LSTM(4, return_sequences=True, input_shape=(5, 2)), L.LSTM(3), L.Dense(1)))
    case("sequential_time_distributed", lambda: seq(L.TimeDistributed(L.Dense(3), input_shape=(4, 5)), L.Flatten(), L.Dense(2)))
    if (k.family != "K2" or k.version >= (2, 2)) and not k.is_k3():
        case("sequential_nested", lambda: seq(seq(L.Dense(4, input_shape=(5,)), L.BatchNormalization()), L.Dense(2)))


def recurrent(k, case):
    L = k.layers
    case("lstm", lambda: build(k, [5, 3], lambda x: L.LSTM(4, return_sequences=True)(x)))
    case("gru", lambda: build(k, [5, 3], lambda x: L.GRU(4)(x)))
    if k.version >= (2, 1) or k.family == "TF":
        case("gru_reset_after", lambda: build(k, [5, 3], lambda x: L.GRU(4, reset_after=True)(x)))
    case("lstm_states", lambda: build(k, [5, 3], lambda x: L.LSTM(4, return_state=True)(x)))
    if not (k.is_k3() and k.version < (3, 3)):  # 3.0 cannot save two weights of one name in a layer
        case("bidirectional", lambda: build(k, [5, 3], lambda x: L.Bidirectional(L.LSTM(3, return_sequences=True))(x)))
    if k.family == "TF" and (2, 5) <= k.tf_version < (2, 12):
        case("bidirectional_in_two_wrappers", lambda: two_wrappers(k), batches=(1, 3))
    case("conv_lstm2d", lambda: build(k, [2, 5, 6, 1], lambda x: L.ConvLSTM2D(2, 3, padding="same")(x)), batches=(1, 3))
    doubled = k.family == "TF" and (2, 0) <= k.tf_version < (2, 1)  # writes two arrays of one name
    if (k.version >= (2, 1) or k.family == "TF") and not (k.is_k3() and k.version < (3, 3)) and not doubled:
        case("rnn_cells", lambda: build(k, [4, 3], lambda x: L.RNN([L.LSTMCell(3), L.GRUCell(2)])(x)))
    case("encoder_decoder", lambda: encoder_decoder(k), batches=(1, 3))


def two_wrappers(k):
    """tf.keras 2.5 to 2.11 say by ids that both wrap the same, and give the forward layer an id too."""
    L = k.layers
    layer = L.Bidirectional(L.GRU(3, name="inner"))
    return k.net([3, 4, 2], lambda x: L.Add()([L.TimeDistributed(layer)(x), L.TimeDistributed(layer)(L.Activation("tanh")(x))]))


def encoder_decoder(k):
    L = k.layers

    def function(a, b):
        _, h, c = L.LSTM(3, return_state=True)(a)
        return L.Dense(2)(L.LSTM(3, return_sequences=True)(b, initial_state=[h, c]))
    return k.net([[4, 2], [5, 2]], function)


def graphs(k, case):
    L = k.layers
    duplicate = k.is_k3() and k.version < (3, 3)

    def inner():
        return k.net([5], lambda x: L.BatchNormalization()(L.Dense(5, activation="tanh")(x))
                     if not duplicate else L.Dense(5, activation="tanh")(x), name="inner")
    case("nested", lambda: k.net([5], lambda x: L.Dense(2)(inner()(x))))
    case("nested_shared", lambda: shared(k, inner))
    case("nested_frozen", lambda: frozen(k, inner))
    case("shared_layer", lambda: shared_layer(k))
    case("two_outputs", lambda: k.net([4], lambda x: [L.Dense(2, name="first")(x), L.Dense(3, name="second")(x)]))
    if k.family != "K2":
        case("name_slash", lambda: k.net([4], lambda x: L.Dense(2, name="head/out")(L.Dense(3, name="head")(x)))
             if not k.is_k3() else k.net([4], lambda x: L.Dense(2, name="head_out")(x)))


def shared(k, inner):
    model = inner()
    return k.net([[5], [5]], lambda a, b: k.layers.Concatenate()([model(a), model(b)]))


def frozen(k, inner):
    model = inner()
    model.trainable = False
    return k.net([5], lambda x: k.layers.Dense(2)(model(x)))


def shared_layer(k):
    dense = k.layers.Dense(4, activation="tanh")
    return k.net([[4], [4]], lambda a, b: k.layers.Multiply()([dense(a), dense(b)]))


def masks(k, case):
    L = k.layers
    ids = ([6], "int32")

    def embedded(x, masked=True):
        return L.Embedding(9, 4, mask_zero=masked)(x)
    case("mask_lstm", lambda: k.net(ids, lambda x: L.LSTM(3)(embedded(x))), data=padded)
    case("mask_sequences", lambda: k.net(ids, lambda x: L.GRU(3, return_sequences=True)(embedded(x))), data=padded)
    case("mask_masking", lambda: k.net([6, 3], lambda x: L.SimpleRNN(3, return_sequences=True)(L.Masking(0.0)(x))),
         data=lambda rng, shape, dtype: zero_steps(rng, shape, dtype))
    if k.family == "TF":  # a Softmax layer knows masks since TensorFlow 2.4
        case("mask_before_softmax", lambda: k.net([6, 3], lambda x: L.Softmax()(L.Masking(0.0)(x))),
             data=lambda rng, shape, dtype: zero_steps(rng, shape, dtype))
    if not (k.is_k3() and k.version < (3, 3)):
        case("mask_bidirectional", lambda: k.net(ids, lambda x: L.Bidirectional(L.LSTM(3, return_sequences=True))(embedded(x))),
             data=padded)
    backwards = [padded, lambda rng, shape, dtype: padded(rng, shape, dtype)[:, ::-1].copy()]
    for name in ("Add", "Concatenate"):
        merge = getattr(L, name)
        case("mask_merge_" + name.lower(), lambda m=merge: k.net([ids, ids], lambda a, b: L.LSTM(3)(m()([
            embedded(a), embedded(b)]))), data=backwards)
        case("mask_merge_%s_one" % name.lower(), lambda m=merge: k.net([ids, ids], lambda a, b: L.LSTM(3)(m()([
            embedded(a), embedded(b, False)]))), data=backwards)


def zero_steps(rng, shape, dtype):
    x = rng.standard_normal(shape)
    x[:, -2:] = 0
    x[0, 1] = 0
    return x.astype(dtype)


def resizing(k, case):
    L = k.layers
    if k.has("RandomCrop"):  # four rules so far for what it does at inference
        for name, shape, size in (("", [7, 8, 3], (4, 3)), ("_larger", [5, 4, 2], (6, 6)), ("_wide", [4, 9, 1], (3, 5))):
            case("random_crop" + name, lambda i=shape, o=size: k.one(i, L.RandomCrop(*o)))
    if (k.version >= (2, 2, 3) or k.family == "TF") and k.tf_version >= (1, 14):  # TF 1.13 does not save interpolation
        case("upsampling_bilinear", lambda: k.net([3, 4, 2], lambda x: L.UpSampling2D((2, 3), interpolation="bilinear")(x)))


def optimizers(k, case):
    L = k.layers
    for name in ("adam", "sgd"):
        case("optimizer_" + name, lambda n=name: trained(k, n), randomise=False, optimizer=True, batches=(1,))


def trained(k, optimizer):
    """Slots of the optimizer from training, but weights that do not hang on how it rounds."""
    model = k.net([4], lambda x: k.layers.Dense(2)(k.layers.Dense(3, activation="relu")(x)))
    k.randomise(model, np.random.RandomState(4))
    model.compile(optimizer, "mse")
    rng = np.random.RandomState(5)
    model.fit(rng.standard_normal((8, 4)).astype("float32"), rng.standard_normal((8, 2)).astype("float32"), epochs=2, verbose=0)
    k.randomise(model, np.random.RandomState(4))
    return model
