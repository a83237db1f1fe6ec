"""Lambda layers: what their bytecode says, what must be refused, and what the sidecar file replaces.

Run by Keras of many generations under several Pythons, as each compiles functions to other instructions."""
import json
import math

import tensorflow as tf

ENVIRONMENTS = ["tf215", "keras3", "tf210", "tf26", "tf115", "k231", "k208", "k122"]

SCALE = 3.0
K = ops = None  # globals, as scripts have them: a closure over a module can't be saved


def define(k, case):
    global K, ops
    if k.is_k3():
        ops = k.keras.ops
        operations(k, case)
    else:
        K = k.keras.backend
        backend_functions(k, case)
    backend(k, case)
    tensorflow_functions(k, case)
    refusals(k, case)
    sidecar(k, case)


def layer(k, function, **options):
    return lambda x: k.layers.Lambda(function, **options)(x)


def one(k, case, name, function, shape=(4,), **keywords):
    case(name, lambda: k.net(list(shape), layer(k, function)), **keywords)


def two(k, case, name, function, **keywords):
    case(name, lambda: k.net([[4], [4]], lambda a, b: k.layers.Lambda(function)([a, b])), **keywords)


def backend(k, case):
    picture, sequence = (4, 5, 3), (4, 3)
    one(k, case, "scale", lambda x: x / 127.5 - 1., picture)
    one(k, case, "half", lambda x: x / 255. - .5, picture)
    one(k, case, "negative", lambda x: -x)
    one(k, case, "last_step", lambda x: x[:, -1, :], sequence)
    one(k, case, "last_steps", lambda x: x[:, -1:, :], sequence)
    one(k, case, "part", lambda x: x[:, 1:3])
    one(k, case, "polynomial", lambda x: 2 * x ** 2 - 3 * x + 1)
    one(k, case, "constants", lambda x: x * (1 + 2) / 4 - 0.5 ** 2)


def backend_functions(k, case):
    picture, sequence = (4, 5, 3), (4, 3)
    two(k, case, "abs_difference", lambda x: K.abs(x[0] - x[1]))
    two(k, case, "euclidean", lambda t: K.sqrt(K.maximum(K.sum(K.square(t[0] - t[1]), axis=1, keepdims=True), K.epsilon())))
    two(k, case, "scaled_sum", lambda x: x[0] + x[1] * 0.17)
    two(k, case, "sampling_mean", lambda args: args[0] + K.exp(args[1] / 2) * 0.)
    one(k, case, "l2_normalize", lambda x: K.l2_normalize(x, axis=1))
    one(k, case, "mean", lambda x: K.mean(x, axis=1), sequence)
    one(k, case, "mean_axes", lambda x: K.mean(x, axis=[1, 2]), picture)
    one(k, case, "max_keep", lambda x: K.max(x, axis=-1, keepdims=True))
    one(k, case, "expand", lambda x: K.expand_dims(x, -1))
    one(k, case, "squeeze", lambda x: K.squeeze(x, 1), (1, 3))
    one(k, case, "softmax", lambda x: K.softmax(x))
    one(k, case, "clip_exp", lambda x: K.clip(K.exp(x), 0.5, 2.))
    one(k, case, "reverse", lambda x: K.reverse(x, 1), sequence)
    one(k, case, "transpose", lambda x: K.permute_dimensions(x, (0, 2, 1)), sequence)
    one(k, case, "flatten", lambda x: K.batch_flatten(x), sequence)
    one(k, case, "reshape_int_shape", lambda x: K.reshape(x, (-1, K.int_shape(x)[1] * K.int_shape(x)[2])), sequence)
    one(k, case, "concatenate", lambda x: K.concatenate([x, x * 2.], axis=1))
    one(k, case, "dueling", lambda a: K.expand_dims(a[:, 0], -1) + a[:, 1:] - K.mean(a[:, 1:], axis=1, keepdims=True))
    one(k, case, "relu_max", lambda x: K.relu(x, max_value=1.))

    def euclidean_distance(vectors):
        a, b = vectors
        total = K.sum(K.square(a - b), axis=1, keepdims=True)
        return K.sqrt(K.maximum(total, K.epsilon()))
    two(k, case, "named_function", euclidean_distance)

    def swish(x, beta=1.5):
        return x * K.sigmoid(beta * x)
    one(k, case, "default", swish)
    case("arguments", lambda: k.net([4], layer(k, lambda x, factor, shift: x * factor + shift,
                                               arguments={"factor": 2.5, "shift": -1})))
    factor = 0.25
    one(k, case, "closure", lambda x: x * factor)
    one(k, case, "unknown_time", lambda x: K.sum(x, axis=1), (None, 3), sizes=[(2,), (5,)])


def operations(k, case):
    two(k, case, "ops_abs_difference", lambda x: ops.abs(x[0] - x[1]))
    two(k, case, "ops_euclidean", lambda t: ops.sqrt(ops.maximum(ops.sum(ops.square(t[0] - t[1]), axis=1, keepdims=True), 1e-7)))
    one(k, case, "ops_mean", lambda x: ops.mean(x, axis=1), (4, 3))
    one(k, case, "ops_expand", lambda x: ops.expand_dims(x, axis=-1))
    one(k, case, "ops_concatenate", lambda x: ops.concatenate([x, 2 * x], axis=-1))
    one(k, case, "ops_softmax", lambda x: ops.softmax(x, axis=-1))


def tensorflow_functions(k, case):
    sequence = (4, 3)
    one(k, case, "tf_square", lambda x: tf.square(x) + tf.abs(x))
    one(k, case, "tf_relu", lambda x: tf.nn.relu(x))
    one(k, case, "tf_reduce_sum", lambda x: tf.reduce_sum(x, axis=1), sequence)
    one(k, case, "tf_cast", lambda x: tf.cast(x > 0.5, tf.float32))
    one(k, case, "tf_cast_text", lambda x: tf.cast(x, 'float32') * 0.5)
    one(k, case, "tf_reshape", lambda x: tf.reshape(x, (-1, 12)), sequence)
    one(k, case, "tf_stack_expand", lambda x: tf.expand_dims(x, axis=1))
    one(k, case, "tf_concat", lambda x: tf.concat([x, x], axis=1), sequence)
    one(k, case, "tf_transpose", lambda x: tf.transpose(x, perm=[0, 2, 1]), sequence)
    one(k, case, "tf_pad", lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 0]]), sequence)
    one(k, case, "tf_clip", lambda x: tf.clip_by_value(x, -0.5, 0.5))
    one(k, case, "math_sqrt", lambda x: x / math.sqrt(2.))
    if hasattr(tf.image, "resize_images"):
        one(k, case, "resize_images", lambda x: tf.image.resize_images(x, (6, 7)), (4, 5, 3))
        one(k, case, "resize_images_nearest", lambda x: tf.image.resize_images(x, (6, 7), method=1), (4, 5, 3))
    if not hasattr(tf, "Session"):
        one(k, case, "image_resize", lambda x: tf.image.resize(x, (6, 7)), (4, 5, 3))
        one(k, case, "image_resize_nearest", lambda x: tf.image.resize(x, [6, 7], method='nearest'), (4, 5, 3))

    def with_import(x):
        import tensorflow as tf
        return tf.nn.sigmoid(x) * 2.
    one(k, case, "import", with_import, refused=["'with_import'", "\"layers\""] if k.is_k3() else None)


def refusals(k, case):
    one(k, case, "refused_global", lambda x: x * SCALE, refused=["lambda x: x * SCALE", "'SCALE'", "\"layers\""])
    one(k, case, "refused_random", lambda x: x + tf.random.normal((4,)) if hasattr(tf, "random") else x,
        refused=["\"layers\""])
    one(k, case, "refused_own_function", lambda x: layer_function(x), refused=["'layer_function'", "\"layers\""])
    one(k, case, "refused_loop", lambda x: sum([x * i for i in range(3)]), refused=["\"layers\""])


def layer_function(x):
    return x * 2.


def sidecar(k, case):
    def named(function):
        return lambda x: k.layers.Lambda(function, name="scaled")(x)
    case("sidecar", lambda: k.net([4], named(lambda x: x * SCALE)),
         options={"sidecar": json.dumps({"layers": {"scaled": "lambda x: x * 3.0"}})})
    case("no_recovery", lambda: k.net([4], named(lambda x: x * 2.)), options={"no_lambda_recovery": True},
         refused=["switched off", "scaled"])
