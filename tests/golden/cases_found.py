"""What random models of the newer generations found: options and functions that no other family had a case for."""
import numpy as np

from cases_functions import flat, small_ints
from cases_ops import positive

ENVIRONMENTS = ["keras3"]


def define(k, case):
    if k.is_k3():
        packed(k, case, keras3_functions())


def packed(k, case, groups):
    """Many functions in one model, an output each."""
    for name, specs, data, functions in groups:
        case("functions_" + name, lambda s=specs, f=functions: k.net(s, lambda *x: flat([one(*x) for one in f])),
             batches=(2, 3), mixes_rows=True, **({"data": data} if data else {}))


def keras3_functions():
    from keras import ops as o
    m = [3, 4]
    ints = ([3, 4], "int32")
    return [
        ("rare", m, None, [
            o.median, lambda x: o.median(x, axis=(1, 2), keepdims=True), lambda x: o.quantile(x, 0.3),
            lambda x: o.quantile(x, [0.2, 0.5], axis=(1, 2)), lambda x: o.percentile(x, 30.0, axis=1, method="lower"),
            lambda x: o.quantile(x, 0.3, axis=1, method="higher"), lambda x: o.percentile(x, 40.0, axis=-1, method="nearest"),
            lambda x: o.percentile(x, 60.0, axis=-1, method="midpoint"), lambda x: o.max(x, axis=1, initial=0.5),
            lambda x: o.min(x, axis=-1, initial=-0.25), lambda x: o.cumsum(x, axis=1, dtype="int32"),
            lambda x: o.nanvar(x, axis=1), o.nanstd, lambda x: o.nanargmax(x, axis=1),
            lambda x: o.nancumsum(x, axis=1), lambda x: o.trapezoid(x, axis=1), lambda x: o.allclose(x, x),
            lambda x: o.extract_sequences(x, 2, 1), o.angle, o.isreal, o.imag, lambda x: o.isin(x > 0, [True]),
            lambda x: o.roll(x, 2), lambda x: o.array_split(x, 3, axis=2), lambda x: o.dstack([x, x]),
            lambda x: o.diagonal(x, 1, axis1=1, axis2=2), lambda x: o.diagonal(x, -1, axis1=2, axis2=1),
            lambda x: o.trace(x, 1, axis1=1, axis2=2), o.empty_like]),
        ("integers", [ints, ints], small_ints, [
            o.left_shift, o.right_shift, lambda x, y: o.bitwise_left_shift(x - 3, y), lambda x, y: o.right_shift(x - 9, 1),
            lambda x, y: o.relu6(x * 2), o.inner, lambda x, y: o.matmul(x, o.transpose(y, (0, 2, 1))), lambda x, y: o.fabs(x),
            lambda x, y: o.nansum(x, axis=1), lambda x, y: o.isin(x, [1, 4], invert=True), lambda x, y: o.cumprod(x, axis=2)]),
        ("losses", [m, m], positive, [
            lambda x, y: o.binary_crossentropy(x / 3.0, y / 3.0), lambda x, y: o.binary_crossentropy(x / 3.0, y, from_logits=True),
            o.categorical_crossentropy, lambda x, y: o.categorical_crossentropy(x, y, from_logits=True, axis=1), o.cdist,
            lambda x, y: o.isclose(x / 0.0, y / 0.0)]),
    ]
