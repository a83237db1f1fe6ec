"""Writes the files that tests/unit/test_load.c loads: all forms of a Keras file, and all kinds of wrong ones.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install h5py numpy && /tmp/venv/bin/python make.py

The files are committed; the tests need no Python. Values: element i of a tensor is i, unless said otherwise."""
import io
import json
import os
import pickle
import random
import zipfile

import h5py
import numpy as np

CONFIG = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": []}})
TRAINING = json.dumps({"optimizer_config": {"class_name": "Adam", "config": {"learning_rate": 0.001}}})


def values(*shape, dtype="<f4"):
    return np.arange(int(np.prod(shape)), dtype=dtype).reshape(shape)


def names(group, attribute, items, fixed=False):
    """As Keras writes them: an empty list becomes an empty float64 array."""
    if not items:
        group.attrs[attribute] = []
    elif fixed:
        group.attrs[attribute] = np.array([item.encode() for item in items])
    else:
        group.attrs.create(attribute, [item.encode() for item in items], dtype=h5py.string_dtype("ascii"))


def model(path, layers, config=CONFIG, fixed=False, root=None, **kwargs):
    """layers: {name: {weight name: array}}"""
    with h5py.File(path, "w", libver=("earliest", "v108"), **kwargs) as file:
        group = file if config is None else file.create_group(root or "model_weights")
        if config is not None:
            file.attrs["model_config"] = config
            file.attrs["keras_version"] = "2.15.0"
            file.attrs["backend"] = "tensorflow"
        group.attrs.create("keras_version", "2.14.0", dtype=h5py.string_dtype("ascii"))
        group.attrs.create("backend", "theano", dtype=h5py.string_dtype("ascii"))
        names(group, "layer_names", list(layers), fixed)
        for name, weights in layers.items():
            layer = group.require_group(name)
            names(layer, "weight_names", list(weights), fixed)
            for weight, array in weights.items():
                if array is not None:
                    layer.create_dataset(weight, data=array)


DENSE = {"dense": {"dense/kernel:0": values(3, 2), "dense/bias:0": values(2)}}


def edit(path, change, layers=None, **kwargs):
    model(path, layers or DENSE, **kwargs)
    with h5py.File(path, "r+") as file:
        change(file)


# Good ones


def full(file):
    file.attrs["training_config"] = TRAINING
    file.attrs["author"] = "someone"
    slots = file.create_group("optimizer_weights")
    names(slots, "weight_names", ["iteration:0", "Adam/m/dense/kernel:0"])
    slots.create_dataset("iteration:0", data=np.int64(7))
    slots.create_dataset("Adam/m/dense/kernel:0", data=values(3, 2))
    top = file["model_weights"].create_group("top_level_model_weights")
    names(top, "weight_names", ["scale:0"])
    top.create_dataset("scale:0", data=np.float32(3))


edit("full.h5", full, {
    "input": {}, **DENSE,
    "block/conv": {"block/conv/kernel:0": values(2, 2), "block//conv/bias:0": values(1)},
    "block": {"block/alpha:0": values(4)},
    "größe": {"größe/kernel": values(1)},
})
model("fixed.h5", {"a": {"a_W:0": values(2), "a_bb:0": values(3)}, "bbb": {}}, fixed=True,
      config=np.array([CONFIG.encode()]))
model("userblock.h5", DENSE, userblock_size=2048)
model("gzip.h5", {})
with h5py.File("gzip.h5", "r+") as file:
    group = file["model_weights"].create_group("d")
    names(file["model_weights"], "layer_names", ["d"])
    names(group, "weight_names", ["k"])
    group.create_dataset("k", data=values(100, 30), chunks=(7, 30), compression="gzip", shuffle=True,
                         fletcher32=True)


def chunked(file):
    group = file["model_weights/dense"]
    del group.attrs["weight_names"]
    for i, part in enumerate((["dense/kernel:0"], [], ["dense/bias:0"])):
        names(group, "weight_names%d" % i, part, True)


edit("chunked_names.h5", chunked)
model("dtypes.h5", {"d": {
    "float16": values(3, dtype="<f2"), "float64": values(3, dtype="<f8"), "big_endian": values(3, dtype=">f4"),
    "int8": -values(3, dtype="i1"), "int16": values(3, dtype=">i2"), "int32": values(3, dtype="<i4"),
    "int64": values(3, dtype="<i8"), "uint8": values(3, dtype="u1"), "uint16": values(3, dtype="<u2"),
    "uint32": values(3, dtype="<u4"), "uint64": values(3, dtype="<u8"),
    "bool": np.array([False, True, True]), "bfloat16": np.array([b"\x80\x3f", b"\x00\x40"], dtype="V2"),
    "scalar": np.float32(5), "empty": np.zeros((0, 4), "<f4")}})
model("weights.h5", DENSE, config=None)
with open("weights.json", "w") as file:
    file.write(CONFIG)
model("weights_alone.h5", DENSE, config=None)
edit("weights_in_group.h5", lambda file: file.attrs.clear())


def layout3(path):
    with h5py.File(path, "w") as file:
        for layer, count in (("layers/dense", 2), ("layers/lstm/cell", 3), ("layers/flatten", 0), ("optimizer", 2)):
            group = file.create_group(layer + "/vars")
            group.attrs["name"] = "my " + layer.split("/")[-1]
            for i in range(count):
                group.create_dataset(str(i), data=np.float32(i) if layer == "optimizer" and i == 0 else values(2, i + 1))
        group = file.create_group("layers/many/vars")
        for i in range(12):
            group.create_dataset(str(i), data=np.int32(i))


layout3("layout3.weights.h5")


def archive(path, compression=zipfile.ZIP_STORED, drop=(), weights=None, more=()):
    layout3("weights.tmp")
    with open("weights.tmp", "rb") as file:
        weights = weights if weights is not None else file.read()
    os.remove("weights.tmp")
    entries = {"metadata.json": b'{"keras_version": "3.5.0", "date_saved": "2025-01-01@00:00:00"}',
               "config.json": CONFIG.encode(), "model.weights.h5": weights,
               "assets/layers/lookup/vocabulary.txt": b"a\nb\n", **dict(more)}
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in entries.items():
            if name not in drop:
                entry = zipfile.ZipInfo(name, (2025, 1, 1, 0, 0, 0))
                entry.compress_type = compression
                with file.open(entry, "w", force_zip64=name == "model.weights.h5") as out:
                    out.write(data)


archive("archive.keras")
archive("archive_deflated.h5", zipfile.ZIP_DEFLATED)

# Not HDF5


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)


with open("full.h5", "rb") as file:
    whole = file.read()
with open("archive.keras", "rb") as file:
    zipped = file.read()
random.seed(1)
noise = bytearray(random.randbytes(4096))
noise[0] = 0xb7  # no sign of anything
write("truncated.h5", whole[: len(whole) * 6 // 10])
write("cut_in_header.h5", whole[:40])
write("zeros.h5", bytes(4096))
write("noise.h5", bytes(noise))
write("empty.h5", b"")
write("zeroed_behind_header.h5", whole[:600] + bytes(len(whole) - 600))
heap = whole.index(b"GCOL")  # libhdf5 by itself loops here
write("heap_of_zeros.h5", whole[: heap + 16] + bytes(4080) + whole[heap + 4096 :])
write("lfs.h5", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 98765432\n")
write("page.h5", b"\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n")
write("text.h5", b"just some notes\nsecond line\n")
write("architecture.h5", CONFIG.encode())
write("tensorflow_js.h5", b'{"format": "layers-model", "generatedBy": "keras"}')
write("pickle.h5", pickle.dumps({"weights": [1.0, 2.0]}, 4))
write("saved_model.h5", b"\x08\x01\x12\xb0\x01\x0a\x10" + bytes(range(64)))
write("onnx.h5", b"\x08\x07\x12\x07pytorch\x1a\x031.9" + bytes(64))
write("safetensors.h5", (64).to_bytes(8, "little") + b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}          ')
write("tflite.h5", b"\x1c\0\0\0TFL3" + bytes(64))
write("zip_cut.keras", zipped[: len(zipped) // 2])
broken = bytearray(zipped)
broken[zipped.index(b"PK\x01\x02") + 42] ^= 0x55  # an entry's place
write("zip_broken.keras", bytes(broken))
for path, entries in (("zip_teachable.h5", ("labels.txt", "keras_model.h5")), ("zip_torch.h5", ("m/data.pkl", "m/data/0")),
                      ("zip_other.h5", ("readme.txt",)), ("zip_numpy.h5", ("arr_0.npy",))):
    with zipfile.ZipFile(path, "w") as file:
        for name in entries:
            file.writestr(zipfile.ZipInfo(name), b"x")
archive("archive_no_weights.keras", drop=("model.weights.h5",))
archive("archive_sharded.keras", drop=("model.weights.h5",), more=(("model.weights.json", b"{}"),))
archive("archive_bad_weights.keras", weights=b"no HDF5 at all")
archive("archive_bad_crc.keras", zipfile.ZIP_DEFLATED)
with open("archive_bad_crc.keras", "rb") as file:
    data = bytearray(file.read())
data[data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1) + 16] ^= 1  # the checksum of config.json
write("archive_bad_crc.keras", bytes(data))

# HDF5, but not a model, or a trap

with h5py.File("stranger.h5", "w") as file:
    file.create_dataset("temperature", data=values(3))
    file.create_group("station")


def drop(path):
    def change(file):
        del file[path]
    return change


edit("no_weights_group.h5", drop("model_weights"))
edit("missing_layer.h5", drop("model_weights/dense"))
edit("missing_weight.h5", drop("model_weights/dense/dense/bias:0"))


def delete_names(file):
    del file["model_weights/dense"].attrs["weight_names"]


edit("no_weight_names.h5", delete_names)


def number_names(file):
    file["model_weights"].attrs["layer_names"] = np.arange(3)


edit("names_are_numbers.h5", number_names)


def replace(make, path="model_weights/dense/dense/kernel:0"):
    def change(file):
        del file[path]
        make(file, path)
    return change


edit("soft_link.h5", replace(lambda f, p: f.__setitem__(p, h5py.SoftLink("/model_weights/dense/dense/bias:0"))))
edit("external_link.h5", replace(lambda f, p: f.__setitem__(p, h5py.ExternalLink("/etc/passwd", "/x"))))
edit("external_link_group.h5", replace(lambda f, p: f.__setitem__(p, h5py.ExternalLink("full.h5", "/")),
                                       "model_weights/dense"))
edit("external_storage.h5", replace(lambda f, p: f.create_dataset(p, (3, 2), "<f4", external=[("/etc/passwd", 0, 24)])))


def virtual(file, path):
    layout = h5py.VirtualLayout((3, 2), "<f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (3, 2))
    file.create_virtual_dataset(path, layout)


edit("virtual.h5", replace(virtual))


def bomb(file, path):
    dataset = file.create_dataset(path, (100000, 100000), "<f4", chunks=(100, 100), compression="gzip")
    dataset[0:100, 0:100] = 1


edit("shape_bomb.h5", replace(bomb))
edit("overflow.h5", replace(lambda f, p: f.create_dataset(p, (2**40, 2**40), "<f4", chunks=(1, 1))))
edit("unwritten.h5", replace(lambda f, p: f.create_dataset(p, (3, 2), "<f4")))
edit("rank9.h5", replace(lambda f, p: f.create_dataset(p, data=values(*[1] * 9))))
edit("strings.h5", replace(lambda f, p: f.create_dataset(p, data=np.array([b"a", b"b"]))))
edit("compound.h5", replace(lambda f, p: f.create_dataset(p, data=np.zeros(2, [("a", "<f4"), ("b", "<i4")]))))
edit("null_space.h5", replace(lambda f, p: f.create_dataset(p, data=h5py.Empty("<f4"))))
edit("group_as_weight.h5", replace(lambda f, p: f.create_group(p)))
edit("lzf.h5", replace(lambda f, p: f.create_dataset(p, data=values(30, 20), chunks=(30, 20), compression="lzf")))


def dot_name(file):
    names(file["model_weights/dense"], "weight_names", ["./dense/kernel:0"])


edit("dot_name.h5", dot_name)


def many_names(file):
    group = file["model_weights/dense"]
    group.create_dataset("k", data=np.zeros(16384, "<f4"))
    names(group, "weight_names", ["k"] * 3000, True)


edit("many_names.h5", many_names)


def many_attributes(file):
    for i in range(1100):
        file.attrs["a%d" % i] = np.int8(0)


edit("many_attributes.h5", many_attributes)
with h5py.File("circle.weights.h5", "w") as file:
    group = file.create_group("layers/dense")
    group.create_group("vars")
    group["again"] = file["layers"]
with h5py.File("two_circles.weights.h5", "w") as file:
    group = file.create_group("layers")
    group["a"] = group
    group["b"] = group
