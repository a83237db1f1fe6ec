"""What random models of standalone Keras 1 and 2 found: places where a version computed otherwise than the next."""

from cases_rnn import padded_rows
from keras_writer import standalone
from make import normal

ENVIRONMENTS = ["k108", "k122", "k224", "k231"]

K = getattr(standalone, "backend", None)  # a global: closures are not written


def masked_starts(rng, shape, dtype):
    """The first two steps of the first row and the second and last of the others are zeros."""
    x = normal(rng, shape, dtype)
    x[0, :2] = 0
    x[1:, 1] = 0
    x[1:, -1] = 0
    return x


def define(k, case):
    if k.family == "K1" and k.version < (1, 1):
        keras_1_0(k, case)
        graphs(k, case)
    elif k.family == "K1":
        heads(k, case)
        batch_modes(k, case)
        sides(k, case)
    else:
        keras_2(k, case)


def keras_1_0(k, case):
    L = k.layers
    case("highway", lambda: k.one([4], L.Highway(activation="tanh")))
    case("lambda", lambda: k.one([4], L.Lambda(lambda x: K.abs(x) / 2 - 1.)))
    case("merge_function", lambda: k.net([[4], [4]], lambda a, b: L.merge(
        [a, b], mode=lambda v: K.abs(v[0] - v[1]), output_shape=lambda s: s[0])), batches=(1, 3))


def graphs(k, case):
    """Graph, the model of Keras 0.3. Its concatenation does not run under a newer TensorFlow."""
    L = k.layers

    def graph(inputs, add):
        from keras.legacy.models import Graph
        model = Graph()
        for name in inputs:
            model.add_input(name, input_shape=(3,))
        add(model)
        model.build()
        return model

    def chain(g):
        g.add_node(L.Dense(4, activation="tanh"), "first", input="a", create_output=True)
        g.add_node(L.Dense(2), "second", input="first")
        g.add_output("third", input="second")

    def merged(g):
        g.add_node(L.Dense(4), "one", input="a")
        g.add_node(L.Dense(4), "two", inputs=["a", "b"], merge_mode="mul")
        g.add_output("out", inputs=["one", "two"], merge_mode="sum")

    def shared(g):
        g.add_shared_node(L.Dense(4, activation="tanh"), "both", inputs=["a", "b"], merge_mode="ave")
        g.add_node(L.Dense(2), "last", input="both")
        g.add_output("out", input="last")

    def separate(g):
        g.add_shared_node(L.Dense(4, activation="tanh"), "both", inputs=["a", "b"], outputs=["of_a", "of_b"])
        g.add_node(L.Dense(2), "last", inputs=["of_b", "of_a"], merge_mode="sum")
        g.add_output("out", input="last")
        g.add_output("out_b", input="of_b")

    for name, inputs, add in (("chain", "a", chain), ("merged", "ab", merged), ("shared", "ab", shared),
                              ("separate", "ab", separate)):
        case("graph_" + name, lambda i=inputs, a=add: graph(i, a), batches=(1, 3))


def batch_modes(k, case):
    """BatchNormalization by each sample's own statistics (1) and by those of the batch (2)."""
    L = k.layers
    for mode in (1, 2):
        for name, shape, axis in (("", [4], -1), ("_pixels", [3, 2, 4], -1), ("_first", [4, 3, 4], 1)):
            case("batch_norm_mode%d%s" % (mode, name), lambda m=mode, s=shape, a=axis: k.one(
                s, L.BatchNormalization(mode=m, axis=a, epsilon=1e-2)), batches=(1, 3), mixes_rows=mode == 2)


def sides(k, case):
    """ZeroPadding by every side."""
    L = k.layers
    for name, value in (("pair", (0, 2)), ("dict", {"left_pad": 2})):
        case("zero_padding1d_" + name, lambda v=value: k.one([4, 2], L.ZeroPadding1D(v)))
    case("zero_padding2d_sides", lambda: k.one([3, 4, 2], L.ZeroPadding2D((1, 0, 2, 3), dim_ordering="tf")), batches=(1, 3))


def heads(k, case):
    """Sequential models whose first layer merges others, in places where one layer is expected."""
    L = k.layers

    def chain(*layers):
        model = k.models.Sequential()
        for layer in layers:
            model.add(layer)
        return model

    def branch(n):
        return chain(L.Dense(3, input_dim=n, activation="tanh"))

    def head():
        return chain(L.Merge([branch(3), branch(2)], mode="sum"), L.Dense(2))

    case("head_nested", lambda: chain(head(), L.Dense(3), L.Dense(1)), batches=(1, 3))
    case("head_nested_twice", lambda: chain(chain(head(), L.Dense(3)), L.Dense(1)), batches=(1, 3))
    case("head_called", lambda: k.net([[3], [2]], lambda a, b: L.Dense(2)(head()([a, b]))), batches=(1, 3))
    case("head_of_nested", lambda: chain(L.Merge([chain(branch(3), L.Dense(3)), chain(chain(branch(2), L.Dense(4)), L.Dense(
        3))], mode="mul"), L.Dense(1)), batches=(1, 3))
    case("head_of_inputs", lambda: chain(L.Merge([L.InputLayer(input_shape=(3,)), L.InputLayer(input_shape=(3,))],
                                                 mode="sum"), L.Dense(2)), batches=(1, 3))


def keras_2(k, case):
    L = k.layers
    # The dtype of a config did not convert anything.
    case("dtype_ignored", lambda: k.net([4], lambda x: L.LeakyReLU(0.2, dtype="float64")(
        L.RepeatVector(2, dtype="float16")(x))))
    case("highway_no_bias", lambda: k.one([4], L.Highway(activation="tanh", bias=False)))
    case("maxout_no_bias", lambda: k.one([4], L.MaxoutDense(3, nb_feature=2, bias=False)))
    case("softmax_masked", lambda: k.net([5, 3], lambda x: L.Softmax()(L.Masking()(x))), data=[padded_rows])
    for whole in (True, False):
        case("initial_state_masked" + ("_whole" if whole else ""), lambda w=whole: k.net([[5, 2], [3]], lambda a, b: L.LSTM(
            3, return_sequences=w)(L.Masking()(a), initial_state=[b, L.Activation("tanh")(b)])),
             data=[masked_starts, normal], batches=(1, 3))
        case("stack_masked" + ("_whole" if whole else ""), lambda w=whole: k.net([5, 2], lambda x: L.RNN(
            [L.LSTMCell(3), L.GRUCell(3)], return_sequences=w)(L.Masking()(x))), data=[masked_starts], batches=(1, 3))
    if k.version < (2, 3):
        for name, shapes, axes in (("last", ([2, 3, 4], [2, 4, 5]), (3, 2)), ("first", ([4, 3, 2], [4, 3, 5]), 2),
                                   ("middle", ([3, 3, 2], [3, 3, 5]), 1)):
            case("dot_stacks_" + name, lambda s=shapes, a=axes: k.net(list(s), lambda a_, b_: L.Dot(a)([a_, b_])),
                 batches=(1, 3))
