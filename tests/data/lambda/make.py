# Writes the marshalled code of small functions, one per line, as this Python makes it:
#   version <TAB> base64 of marshal.dumps(function.__code__) <TAB> the expression that must be read from it, or "refused"
# Run it under each Python: for p in python2.7 python3.6 ...; do $p make.py; done > samples.txt
from __future__ import print_function
import base64
import marshal
import sys

CASES = []


def case(source, expected=None):
    CASES.append((source, expected or source))


case("lambda x: x / 127.5 - 1.0")
case("lambda x: x / 255.0 - 0.5")
case("lambda x: -x")
case("lambda x: x[:, -1, :]")
case("lambda x: x[:, -1:, :]")
case("lambda x: x[:, 1:3]")
case("lambda x: x[::2]")
case("lambda x: x[..., 0]")
case("lambda x: x[2:]")
case("lambda x: K.abs(x[0] - x[1])")
case("lambda x: K.l2_normalize(x, axis=1)")
case("lambda x: K.mean(x, axis=[1, 2])")
case("lambda x: K.sqrt(K.maximum(K.sum(K.square(x[0] - x[1]), axis=1, keepdims=True), K.epsilon()))")
case("lambda x: tf.image.resize(x, (64, 48))")
case("lambda x: tf.image.resize(x, [64, 48], method='nearest')", "lambda x: tf.image.resize(x, [64, 48], method=\"nearest\")")
case("lambda a, b: a + b * 2")
case("lambda x: (x + 1) * (x - 1) ** 2", "lambda x: (x + 1) * (x - 1)**2")
case("lambda x: x // 2 % 3")
case("lambda x, scale=0.17: x[0] + x[1] * scale", "lambda x, scale: x[0] + x[1] * scale")
case("lambda x: tf.cast(x > 0.5, tf.float32)")
case("lambda x: tf.cast(x >= 0.5, 'float32') * (x != 3)", "lambda x: tf.cast(x >= 0.5, \"float32\") * (x != 3)")
case("lambda x: K.expand_dims(x[:, 0], -1) + x[:, 1:] - K.mean(x[:, 1:], keepdims=True)")
case("lambda x: tf.reshape(x, (-1, x.shape[1] * x.shape[2]))")
case("lambda x: x.get_shape().as_list()[1]")
case("lambda x: f(x, *g)", "refused")
case("lambda x: x if x else 0", "refused")
case("lambda x: [i for i in x]", "refused")
case("lambda *x: x[0]", "refused")

FUNCTIONS = '''
def euclidean(vectors):
    a, b = vectors
    total = K.sum(K.square(a - b), axis=1, keepdims=True)
    return K.sqrt(K.maximum(total, K.epsilon()))

def resize(x):
    import tensorflow as tf
    return tf.image.resize_images(x, (64, 64))

def swap(x):
    a, b = x[0], x[1]
    a, b = b, a
    a -= b
    return a

def twice(x):
    y = x * 2
    y = y + y
    return y + x

def from_import(x):
    from keras import backend as K
    return K.exp(x)

def outer(scale):
    def inner(x):
        return x * scale
    return inner

closure = outer(3)
'''
NAMED = [
    ("euclidean", "lambda vectors: K.sqrt(K.maximum(K.sum(K.square(vectors[0] - vectors[1]), axis=1, keepdims=True), "
                  "K.epsilon()))"),
    ("resize", "lambda x: tensorflow.image.resize_images(x, (64, 64))"),
    ("swap", "lambda x: x[1] - x[0]"),
    ("twice", "lambda x: x * 2 + x * 2 + x"),
    ("from_import", "lambda x: keras.backend.exp(x)"),
    ("closure", "lambda x: x * 7"),
]


def emit(function, expected):
    code = base64.b64encode(marshal.dumps(function.__code__)).decode("ascii")
    print("%d.%d\t%s\t%s" % (sys.version_info[0], sys.version_info[1], code, expected))


for source, expected in CASES:
    emit(eval(source if sys.version_info[0] > 2 or "..." not in source else source), expected)
namespace = {}
exec(FUNCTIONS, namespace)
for name, expected in NAMED:
    emit(namespace[name], expected)
