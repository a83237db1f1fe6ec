"""Topologies: nested, shared and frozen models, several inputs and outputs, names, dtypes, structured inputs."""
import numpy as np

from cases_core import ints

ENVIRONMENTS = ["tf215", "keras3"]
ONCE = ("chunked_names", "many_layers", "net_churn", "net_digits", "net_inception", "net_dense", "net_separable", "net_ocr",
        "net_autoencoder", "net_residual")


def define(k, case):
    nested(k, case)
    frozen(k, case)
    several(k, case)
    names(k, case)
    dtypes(k, case)
    small_networks(k, case)
    optimizers(k, case)
    training(k, case)


def block(k, name=None, trainable=True):
    L = k.layers
    model = k.net([5], lambda x: L.BatchNormalization()(L.Dense(5, activation="relu")(L.BatchNormalization()(L.Dense(6)(x)))),
                  name=name)
    model.trainable = trainable
    return model


def nested(k, case):
    L = k.layers
    case("nested_functional", lambda: k.net([5], lambda x: L.Dense(2)(block(k, "inner")(x))))
    case("nested_sequential", lambda: k.net([5], lambda x: L.Dense(2)(
        k.seq([5], L.Dense(4), L.BatchNormalization(), L.ReLU())(x))))
    case("nested_sequential_unbuilt", lambda: k.net([5], lambda x: L.Dense(2)(
        k.models.Sequential([L.Dense(4), L.BatchNormalization()])(x))))
    case("nested_in_sequential", lambda: k.seq([5], block(k, "inner"), L.Dense(2)))
    case("nested_sequential_in_sequential", lambda: k.models.Sequential([
        k.models.Sequential([L.Dense(4, input_shape=[5]), L.BatchNormalization()]),
        k.seq([4], L.Dense(3), L.Dense(2, activation="softmax"))]))
    case("nested_twice", lambda: k.net([5], lambda x: L.Dense(2)(k.net(
        [5], lambda y: L.BatchNormalization()(block(k, "innermost")(y)), name="middle")(x))))
    case("nested_shared", lambda: shared_model(k))
    case("nested_shared_sequential", lambda: shared_sequential(k))
    case("nested_several_outputs", lambda: several_outputs(k))
    case("shared_layer", lambda: shared_layer(k))
    case("shared_layer_and_model", lambda: shared_layer_and_model(k))
    case("nested_with_lstm", lambda: k.net([4, 5], lambda x: L.TimeDistributed(block(k, "inner"))(
        L.Bidirectional(L.LSTM(5, return_sequences=True), merge_mode="sum")(x))))
    case("nested_with_wrappers", lambda: k.net([4, 5], lambda x: L.Dense(2)(k.seq(
        [4, 5], L.Bidirectional(L.GRU(3, return_sequences=True)), L.TimeDistributed(L.Dense(3)), L.BatchNormalization(), L.Flatten())(x))))
    case("nested_training_false", lambda: k.net([5], lambda x: L.Dense(2)(block(k, "inner")(x, training=False))))


def shared_model(k):
    L = k.layers
    inner = block(k, "encoder")
    return k.net([[5], [5]], lambda a, b: L.Subtract()([inner(a), inner(b)]))


def shared_sequential(k):
    L = k.layers
    inner = k.seq([5], L.Dense(4, activation="tanh"), L.BatchNormalization())
    return k.net([[5], [5], [5]], lambda a, b, c: L.Concatenate()([inner(b), inner(a), inner(c)]))


def several_outputs(k):
    L = k.layers
    inner = k.net([5], lambda x: [L.Dense(3)(x), L.Dense(2, activation="tanh")(x)], name="two_heads")

    def build(x):
        a, b = inner(x)
        return [L.Dense(2)(b), a]
    return k.net([5], build)


def shared_layer(k):
    L = k.layers
    dense = L.Dense(4, activation="tanh")
    return k.net([[4], [4]], lambda a, b: L.Multiply()([dense(a), dense(dense(b))]))


def shared_layer_and_model(k):
    """One layer in a nested model and outside: its weights are stored twice."""
    L = k.layers
    dense = L.Dense(5, activation="tanh")
    inner = k.net([5], lambda x: L.Dense(5)(dense(x)), name="inner")
    return k.net([5], lambda x: L.Add()([inner(x), dense(x)]))


def frozen(k, case):
    L = k.layers

    def head(inner):
        return k.net([5], lambda x: L.Dense(2)(inner(x)))
    case("frozen_model", lambda: head(block(k, "base", trainable=False)))
    case("frozen_sequential", lambda: k.models.Sequential([block(k, "base", trainable=False), L.Dense(2)]))

    def partly(which):
        inner = block(k, "base")
        for i, layer in enumerate(inner.layers):
            layer.trainable = which(i)
        return head(inner)
    case("frozen_layers", lambda: partly(lambda i: False))
    case("frozen_first_layers", lambda: partly(lambda i: i >= 3))
    case("frozen_every_other", lambda: partly(lambda i: i % 2 == 0))
    case("frozen_then_unfrozen", lambda: unfrozen(k, head))
    case("frozen_top_layer", lambda: k.seq([5], L.Dense(4, trainable=False), L.BatchNormalization(trainable=False), L.Dense(2)))
    case("frozen_wrapped", lambda: k.seq([4, 3], L.Bidirectional(L.LSTM(3, return_sequences=True), trainable=False),
                                         L.TimeDistributed(L.BatchNormalization(trainable=False)), L.Flatten(), L.Dense(2)))
    case("frozen_nested_twice", lambda: head(k.net(
        [5], lambda y: L.BatchNormalization()(block(k, "innermost", trainable=False)(y)), name="middle")))


def unfrozen(k, head):
    inner = block(k, "base", trainable=False)
    inner.layers[-1].trainable = True
    return head(inner)


def several(k, case):
    L = k.layers
    case("two_inputs", lambda: k.net([[3], [4]], lambda a, b: L.Dense(2)(L.Concatenate()([a, b]))))
    case("two_outputs", lambda: k.net([4], lambda x: [L.Dense(2, name="first")(x), L.Dense(3, name="second")(x)]))
    case("same_output_twice", lambda: same_twice(k))
    case("input_is_output", lambda: k.net([4], lambda x: [x, L.Dense(2)(x)]))
    case("unused_input", lambda: k.net([[3], [4]], lambda a, b: L.Dense(2)(b)))
    case("mixed_dtypes", lambda: k.net([([3], "int32"), [4]], lambda a, b: L.Concatenate()(
        [L.Flatten()(L.Embedding(9, 2)(a)), b])), data=[ints(9), ints(5)])
    case("dictionary_outputs", lambda: dictionary(k), run=lambda m, xs: k.run(m, xs))
    case("dictionary_inputs", lambda: dictionary_inputs(k), run=lambda m, xs: run_dictionary(k, m, xs))
    case("skip_connections", lambda: skips(k))
    case("inner_tensor_twice", lambda: k.net([4], lambda x: L.Concatenate()([x, x, L.Dense(2)(x)])))


def same_twice(k):
    L = k.layers

    def build(x):
        y = L.Dense(2)(x)
        return [y, L.Activation("relu")(y), y]
    return k.net([4], build)


def dictionary(k):
    L = k.layers
    x = k.input([4], "x")
    return k.models.Model(x, {"zebra": L.Dense(2, name="one")(x), "ant": L.Dense(3, name="two")(x)})


def dictionary_inputs(k):
    L = k.layers
    a, b = k.input([3], "width"), k.input([4], "height")
    return k.models.Model({"width": a, "height": b}, L.Dense(2)(L.Concatenate()([a, b])))


def run_dictionary(k, model, arrays):
    names = [t.name.split(":")[0] for t in model.inputs]
    return k.named(model, k.flatten(model(dict(zip(names, arrays)), training=False)))


def skips(k):
    L = k.layers

    def build(x):
        a = L.Dense(4, activation="relu")(x)
        b = L.Dense(4, activation="relu")(a)
        c = L.Add()([a, b])
        d = L.Dense(4)(c)
        return L.Dense(2)(L.Concatenate()([L.Multiply()([d, a]), c, x]))
    return k.net([3], build)


def names(k, case):
    L = k.layers
    case("name_slash", lambda: k.net([4], lambda x: L.Dense(2, name="head/dense")(L.Dense(3, name="head")(x)))
         if not k.is_k3() else k.net([4], lambda x: L.Dense(2, name="head_dense")(L.Dense(3, name="head")(x))))
    if k.is_k3():  # tf.keras makes scope names of them, which must be ASCII without spaces
        case("name_unicode", lambda: k.seq([4], L.Dense(3, name="sch\u00f6n"), L.Dense(2, name="\u5c42")))
        case("name_space", lambda: k.net([4], lambda x: L.Dense(2, name="out put")(x)))
    case("name_long", lambda: k.seq([4], L.Dense(3, name="n" * 200), L.Dense(2, name="dense" + "_x" * 40)))
    case("chunked_names", lambda: chunked(k), batches=(1,))
    case("many_layers", lambda: k.seq([4], *[L.Activation("tanh") for _ in range(60)]), batches=(1, 3))


def chunked(k):
    """layer_names of more than 64512 bytes: 33 layers with names of 2000 characters."""
    L = k.layers
    layers = [L.Activation("linear", name="layer_%02d_%s" % (i, "x" * 1991)) for i in range(33)]
    return k.seq([3], L.Dense(2), *layers)


def policies(k):
    if k.is_k3():
        return k.keras.mixed_precision.set_dtype_policy
    return k.keras.mixed_precision.set_global_policy


def under(k, policy, make):
    """The model under a global dtype policy."""
    def build():
        policies(k)(policy)
        try:
            return make()
        finally:
            policies(k)("float32")
    return build


def dtypes(k, case):
    L = k.layers

    def network():
        return k.seq([6, 7, 3], L.Conv2D(4, 3, activation="relu"), L.BatchNormalization(), L.MaxPooling2D(), L.Flatten(),
                     L.LayerNormalization(), L.Dense(4), L.Dense(3, activation="softmax", dtype="float32"))
    for policy, tolerance in (("mixed_float16", 2e-3), ("mixed_bfloat16", 2e-2)):
        case("dtype_" + policy, under(k, policy, network), tolerance=tolerance)
        case("dtype_%s_lstm" % policy, under(k, policy, lambda: k.seq([4, 3], L.LSTM(4), L.Dense(2))), tolerance=tolerance)
    for dtype, tolerance in (("float64", 1e-6), ("float16", 2e-3)):
        spec = ([5], dtype)
        case("dtype_%s_dense" % dtype, under(k, dtype, lambda s=spec: k.seq(
            s, L.Dense(4, activation="tanh"), L.BatchNormalization(), L.Dense(3, activation="softmax"))), tolerance=tolerance)
        case("dtype_%s_conv" % dtype, under(k, dtype, lambda d=dtype: k.seq(
            ([6, 7, 3], d), L.Conv2D(4, 3), L.DepthwiseConv2D(2), L.AveragePooling2D(2), L.Flatten(), L.Dense(2))), tolerance=tolerance)
    case("dtype_float64_lstm", under(k, "float64", lambda: k.seq(([4, 3], "float64"), L.LSTM(4), L.Dense(2))), tolerance=1e-6)
    case("dtype_float64_one_layer", lambda: k.seq([5], L.Dense(4, dtype="float64"), L.Dense(3)), tolerance=1e-6)
    # TensorFlow's product of few numbers adds up in float16 itself.
    case("dtype_float16_one_layer", lambda: k.seq([5], L.Dense(4, dtype="float16"), L.Dense(3)), tolerance=3e-3)
    case("dtype_int_input_rescaling", lambda: k.seq(([4, 4, 3], "uint8"), L.Rescaling(1 / 255.0), L.Conv2D(2, 3)),
         data=ints(256))
    case("dtype_int_dense", lambda: k.seq(([4], "int32"), L.Rescaling(0.5), L.Dense(2)), data=ints(9))
    case("dtype_bool_input", lambda: k.net([([4], "bool"), [4]], lambda m, x: L.Softmax()(x, mask=m)),
         data=[lambda rng, shape, dtype: rng.randint(0, 2, shape).astype(bool), lambda rng, shape, dtype:
               rng.standard_normal(shape).astype(dtype)])


def small_networks(k, case):
    L = k.layers

    def conv_bn(x, filters, **options):
        return L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(filters, use_bias=False, **options)(x)))

    def inverted(x, stride):
        y = conv_bn(x, 8, kernel_size=1)
        if stride == 2:
            y = L.ZeroPadding2D(((0, 1), (0, 1)))(y)
        y = L.DepthwiseConv2D(3, strides=stride, padding="same" if stride == 1 else "valid", use_bias=False)(y)
        y = L.ReLU(6.0)(L.BatchNormalization(epsilon=1e-3, momentum=0.999)(y))
        y = L.BatchNormalization()(L.Conv2D(x.shape[-1], 1, use_bias=False)(y))
        return L.Add()([x, y]) if stride == 1 else y

    def squeeze(x):
        s = L.Reshape((1, 1, x.shape[-1]))(L.GlobalAveragePooling2D()(x))
        s = L.Conv2D(x.shape[-1], 1, activation="sigmoid")(L.Conv2D(2, 1, activation="swish")(s))
        return L.Multiply()([x, s])

    def unet(x):
        a = L.Conv2D(3, 3, padding="same", activation="relu")(x)
        b = L.Conv2D(4, 3, padding="same", activation="relu")(L.MaxPooling2D(2)(a))
        c = L.Conv2D(5, 3, padding="same", activation="relu")(L.MaxPooling2D(2)(b))
        y = L.Concatenate()([L.UpSampling2D(2)(c), b])
        y = L.Concatenate()([L.Conv2DTranspose(3, 2, strides=2, padding="same")(y), a])
        return L.Conv2D(1, 1, activation="sigmoid")(L.Dropout(0.2)(y))

    def residual(x):
        y = L.Conv2D(6, 1, strides=2)(x)
        z = L.Activation("relu")(L.BatchNormalization(epsilon=1.001e-5)(L.Conv2D(3, 1, strides=2)(x)))
        z = L.Conv2D(3, 3, padding="same")(z)
        z = L.BatchNormalization()(L.Conv2D(6, 1)(z))
        return L.Activation("relu")(L.Add()([L.BatchNormalization()(y), z]))
    case("net_mobile", lambda: k.net([9, 9, 3], lambda x: L.Dense(3)(L.GlobalAveragePooling2D()(
        inverted(inverted(conv_bn(x, 4, kernel_size=3, strides=2, padding="same"), 1), 2)))))
    case("net_squeeze", lambda: k.net([6, 5, 4], lambda x: L.Dense(3)(L.GlobalMaxPooling2D()(squeeze(x)))))
    case("net_unet", lambda: k.net([None, None, 2], unet), sizes=[(8, 8), (12, 4)], batches=(1, 2))
    case("net_residual", lambda: k.net([9, 8, 4], lambda x: residual(residual(x))))
    case("net_siamese", lambda: siamese(k))
    case("net_churn", lambda: k.seq([11], L.Dense(6, activation="relu"), L.Dropout(0.1), L.Dense(6, activation="relu"),
                                    L.Dense(1, activation="sigmoid")))
    case("net_digits_cnn", lambda: k.seq([12, 12, 1], L.Conv2D(4, 3, activation="relu"), L.MaxPooling2D(), L.Conv2D(
        5, 3, activation="relu"), L.Dropout(0.25), L.Flatten(), L.Dense(8, activation="relu"), L.Dense(3, activation="softmax")))
    case("net_inception", lambda: k.net([6, 7, 4], lambda x: L.Concatenate()([
        L.Conv2D(2, 1)(x), L.Conv2D(3, 3, padding="same")(L.Conv2D(2, 1, activation="relu")(x)),
        L.Conv2D(2, 1)(L.AveragePooling2D(3, strides=1, padding="same")(x)), L.MaxPooling2D(3, strides=1, padding="same")(x)])))
    case("net_dense", lambda: k.net([6, 6, 3], lambda x: L.AveragePooling2D(2)(L.Concatenate()([x, L.Conv2D(
        2, 3, padding="same", use_bias=False)(L.Activation("relu")(L.BatchNormalization()(x)))]))))
    case("net_separable", lambda: k.net([8, 8, 3], lambda x: L.Add()([
        L.MaxPooling2D(3, strides=2, padding="same")(L.BatchNormalization()(L.SeparableConv2D(4, 3, padding="same")(x))),
        L.BatchNormalization()(L.Conv2D(4, 1, strides=2, padding="same")(x))])))
    case("net_text_cnn", lambda: k.net(([None], "int32"), lambda x: L.Dense(1, activation="sigmoid")(L.Concatenate()([
        L.GlobalMaxPooling1D()(L.Conv1D(3, n, activation="relu", padding="same")(L.Embedding(15, 5)(x))) for n in (2, 3)]))),
        data=ints(15), sizes=[(6,), (9,)])
    case("net_ocr", lambda: k.net([8, 6, 1], lambda x: L.Dense(5, activation="softmax")(L.Bidirectional(
        L.LSTM(3, return_sequences=True))(L.Reshape((8, 12))(L.Permute((1, 3, 2))(L.Conv2D(2, 3, padding="same")(x)))))))
    case("net_autoencoder", lambda: k.net([8, 8, 1], lambda x: L.Conv2D(1, 3, padding="same", activation="sigmoid")(
        L.UpSampling2D()(L.Conv2D(2, 3, padding="same", activation="relu")(L.MaxPooling2D(padding="same")(x))))))


def siamese(k):
    L = k.layers
    base = k.seq([6, 6, 1], L.Conv2D(3, 3, activation="relu"), L.MaxPooling2D(), L.Flatten(), L.Dense(4))
    return k.net([[6, 6, 1], [6, 6, 1]], lambda a, b: L.Dense(1, activation="sigmoid")(L.Dot(1, normalize=True)([base(a), base(b)])))


def optimizers(k, case):
    """Files with optimizer state: the only ones that hold slots. Their weights do not come from the training, where
    rounding can turn the sign of a step."""
    L = k.layers
    O = k.keras.optimizers

    def trained(optimizer, loss="mse"):
        model = k.seq([4], L.Dense(3, activation="relu"), L.Dense(2))
        k.randomise(model, np.random.RandomState(4))
        model.compile(optimizer(), loss, metrics=["mae"])
        rng = np.random.RandomState(5)
        model.fit(rng.standard_normal((8, 4)).astype("float32"), rng.standard_normal((8, 2)).astype("float32"),
                  epochs=2, verbose=0)
        k.randomise(model, np.random.RandomState(4))
        return model
    for name, optimizer in (
            ("adam", lambda: O.Adam(0.01)), ("sgd", lambda: O.SGD(0.1)), ("sgd_momentum", lambda: O.SGD(0.1, momentum=0.9)),
            ("rmsprop", lambda: O.RMSprop(0.01)),
            ("schedule", lambda: O.Adam(O.schedules.ExponentialDecay(0.01, 100, 0.9)))):
        case("optimizer_" + name, lambda o=optimizer: trained(o), randomise=False, optimizer=True, batches=(1,))
    case("optimizer_adam_compiled_only", lambda: compiled(k), optimizer=True, batches=(1,))
    if not k.is_k3():
        case("optimizer_legacy_adam", lambda: trained(lambda: O.legacy.Adam(0.01)), randomise=False, optimizer=True, batches=(1,))


def training(k, case):
    """training=True stored in a call: tf.keras obeys it, Keras 3's predict() does not."""
    L = k.layers

    def net(x, **options):
        return L.Dense(2)(L.Dropout(0.5)(L.BatchNormalization()(x, **options), **options))
    if k.is_k3():
        case("training_true", lambda: k.net([4], lambda x: net(x, training=True)))
    else:
        case("training_true", lambda: k.net([4], lambda x: net(x, training=True)), refused=["training"])
        case("training_true_ignored", lambda: k.net([4], lambda x: net(x, training=True)),
             options={"ignore_training_true": True}, run=lambda m, xs: run_inference(k, m, net, xs))
        case("training_true_without_effect", lambda: k.net([4], lambda x: L.Dense(2)(k.seq([4], L.Dense(3))(x, training=True))))


def run_inference(k, model, net, arrays):
    plain = k.net([4], net)
    plain.set_weights(model.get_weights())
    return k.named(model, k.flatten(plain(arrays[0], training=False)))


def compiled(k):
    model = k.seq([4], k.layers.Dense(2))
    model.compile("adam", "mse")
    return model
