"""Models after model.quantize("int8") or "int4": integer kernels, inputs rounded to integers too."""
import os

import numpy as np

from cases_core import ints

ENVIRONMENTS = ["keras3", "k33"]


def define(k, case):
    for name, spec, build, data in networks(k):
        case("int8_" + name, lambda s=spec, b=build: quantized(k, s, b, "int8"), randomise=False, **data)
    case("int8_mixed_bfloat16", lambda: mixed(k), randomise=False, tolerance=2e-2)
    case("float8", lambda: quantized(k, [6], lambda x: k.layers.Dense(3)(x), "float8"), randomise=False,
         refused=["Dense", "dtype policy", "float8"])
    if k.version < (3, 15):
        return
    from keras import quantizers
    case("int8_weights_only", lambda: quantized(k, [6], lambda x: k.layers.Dense(3, activation="tanh")(x), None, quantizers.Int8QuantizationConfig(
        activation_quantizer=None)), randomise=False)
    for block in (-1, 4, 128):
        case("int4_block_%s" % ("all" if block < 0 else block), lambda b=block: quantized(
            k, ([5], "int32"), embedded(k), None, quantizers.Int4QuantizationConfig(block_size=b)), randomise=False, data=ints(9))
    case("archive", lambda: quantized(k, [6], lambda x: k.layers.Dense(3)(k.layers.Dense(5, activation="relu")(x)), "int8"),
         randomise=False, save=archive)
    case("archive_int4", lambda: quantized(k, [6], lambda x: k.layers.Dense(3)(x), "int4"), randomise=False, save=archive)


def archive(model, path):
    model.save(path[:-3] + ".keras")
    os.rename(path[:-3] + ".keras", path)


def quantized(k, spec, build, mode, config=None):
    model = k.net(spec, build)
    k.randomise(model, np.random.RandomState(7))
    model.quantize(*([mode] if config is None else []), **({} if config is None else {"config": config}))
    return model


def mixed(k):
    policy = k.keras.config.dtype_policy()
    k.keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        return quantized(k, [6], lambda x: k.layers.Dense(3)(k.layers.Dense(5, activation="relu")(x)), "int8")
    finally:
        k.keras.config.set_dtype_policy(policy)


def embedded(k):
    L = k.layers
    return lambda x: L.Dense(3)(L.Flatten()(L.Dense(7, use_bias=False)(L.Embedding(9, 5)(x))))


def networks(k):
    L = k.layers

    def nested(x):
        # A Dense alone in TimeDistributed takes its integers for the kernel itself.
        return L.TimeDistributed(k.net([4], lambda y: L.Dense(3)(L.Dense(4, activation="relu")(y))))(x)
    return [
        ("dense", [6], lambda x: L.Dense(3)(L.BatchNormalization()(L.Dense(5, activation="relu")(x))), {}),
        ("dense_sequences", [4, 6], lambda x: L.Dense(3, use_bias=False, activation="softmax")(x), {}),
        ("einsum", [4, 6], lambda x: [
            L.EinsumDense("abc,cd->abd", (4, 3), bias_axes="d", activation="relu")(x),
            L.EinsumDense("abc,bcde->ade", (2, 3))(x),
            L.EinsumDense("abc,bd->acd", (6, 2))(x)], {}),
        ("embedding", ([5], "int32"), lambda x: L.Dense(2)(L.GlobalAveragePooling1D()(L.Embedding(9, 4, mask_zero=True)(x))),
         {"data": ints(9)}),
        ("beside_others", [6, 6, 2], lambda x: L.Dense(3)(L.GlobalAveragePooling2D()(L.Conv2D(4, 3)(x))), {}),
    ] + ([("nested", [3, 4], nested, {})] if k.version >= (3, 4) else [])  # 3.3 has no models in TimeDistributed
