#!/usr/bin/env python3
"""Writes the golden cases of the Keras in this environment (format: README.md).

usage: PYTHON make.py [--environment NAME] [--family NAME] [--only TEXT] [--check] [--output DIR] [--writer]
  --environment  name in environments.txt (default: the name of the virtual environment's folder)
  --family       one family only; --only: of each family only the cases whose name contains TEXT, the others stay
  --check        write nothing: compute everything again and compare with what is committed
  --writer       print the Keras found and stop
"""
from __future__ import absolute_import, division, print_function

import argparse
import binascii
import gzip
import importlib
import io
import json
import os
import shutil
import sys
import tempfile
import zipfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import numpy as np

from keras_writer import Writer

FAMILIES = sorted(f[6:-3] for f in os.listdir(HERE) if f.startswith("cases_") and f.endswith(".py"))
CHEAP_ROW = 16        # numbers of input and output per row up to which batch 33 is cheap
DEAR_ROW = 100        # ... above which the larger batch is 2, not 3
LAYER_KEYS = ("layers", "layer", "cell", "cells", "forward_layer", "backward_layer")


def architecture_of(path):
    """Where the text of model.to_json() stands for a file that holds weights alone."""
    folder, name = os.path.split(path)
    return os.path.join(folder, name.split(".")[0] + ".json")


def normal(rng, shape, dtype):
    """The default data: N(0, 1), or small integers."""
    if np.dtype(dtype).kind in "iu":
        return rng.randint(0, 5, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


class Case(object):
    """What a table says about one case.

    make: builds the model. data: function or list of functions (rng, shape, dtype) -> array, one per input.
    sizes: for unknown dimensions, a list of tuples that fill them in order, over all inputs.
    batches: batch sizes, () = 1, 3 and, where cheap, 33. run: function (model, inputs) -> [(name, array)] in place of
    the model's own call. save: function (model, path) in place of model.save; it may write the architecture of weights alone as
    text to architecture_of(path). extension: of the file."""

    def __init__(self, name, make, data=normal, sizes=None, batches=(), tolerance=1e-5, mixes_rows=False, options=None,
                 refused=None, warns=None, randomise=True, optimizer=False, run=None, save=None, fixed=None,
                 extension=".h5"):
        self.__dict__.update(locals())
        del self.__dict__["self"]


class Table(object):
    """Collects the cases of a family; called by the case modules as case(name, make, ...).

    once: beginnings of names whose files say the same in every generation; a module lists them as ONCE, and only its
    first environment writes them. It keeps the committed files small."""

    def __init__(self, only, once):
        self.only, self.once = only, once
        self.cases = []

    def __call__(self, name, make, **keywords):
        assert all(c.name != name for c in self.cases), "case %s twice" % name
        if name.startswith(tuple(self.once)):
            return
        self.cases.append(Case(name, make, **keywords))

    def wanted(self):
        return [c for c in self.cases if self.only in c.name]


# ---- running one case ----


def input_shapes(model):
    shapes = []
    for tensor in model.inputs:
        shape = tensor.shape if not hasattr(tensor, "_keras_shape") else tensor._keras_shape
        shapes.append([None if d is None or str(d) in ("?", "None") else int(d) for d in tuple(shape)[1:]])
    return shapes


def input_dtype(tensor):
    dtype = tensor.dtype
    name = dtype if isinstance(dtype, str) else getattr(dtype, "name", str(dtype))
    return name.replace("_ref", "")


def make_inputs(case, model, rng, batch, size):
    size = list(size or [])
    arrays = []
    for i, (tensor, shape) in enumerate(zip(model.inputs, input_shapes(model))):
        full = [batch] + [d if d is not None else size.pop(0) for d in shape]
        maker = case.data[i] if isinstance(case.data, (list, tuple)) else case.data
        arrays.append(maker(rng, full, input_dtype(tensor)))
    return arrays


def run_case(writer, case, model, rng):
    """The sets: [(inputs, outputs)], each a list of (name, array)."""
    if case.fixed is not None:
        plan = [([np.asarray(a) for a in inputs]) for inputs in case.fixed]
    else:
        sizes = case.sizes or [()]
        row = sum(a.size for a in make_inputs(case, model, np.random.RandomState(0), 1, sizes[0]))
        batches = list(case.batches) or [1, 2 if row > DEAR_ROW else 3]
        plan = [make_inputs(case, model, rng, b, sizes[i % len(sizes)]) for i, b in enumerate(batches)]
        for i in range(len(batches), len(sizes)):
            plan.append(make_inputs(case, model, rng, batches[-1], sizes[i]))
    run = case.run or writer.run
    sets = [(inputs, run(model, inputs)) for inputs in plan]
    numbers = sum(a.size // max(1, a.shape[0]) for a in sets[0][0]) + sum(
        a.size // max(1, a.shape[0]) for _, a in sets[0][1] if a.ndim)
    if case.fixed is None and not case.batches and numbers <= CHEAP_ROW:
        inputs = make_inputs(case, model, rng, 33, (case.sizes or [()])[0])
        sets.append((inputs, run(model, inputs)))
    names = writer.names(model, "input", len(sets[0][0]))
    return [(list(zip(names, inputs)), outputs) for inputs, outputs in sets]


# ---- what is in a file ----


def classes_of(config):
    """Class names of all layers and ops in a model configuration."""
    found, todo = set(), [config]
    while todo:
        entry = todo.pop()
        if isinstance(entry, list):
            todo.extend(entry)
        elif isinstance(entry, dict):
            if "class_name" in entry:
                found.add(entry["class_name"])
            inner = entry.get("config")
            if isinstance(inner, list):
                todo.extend(inner)
            elif isinstance(inner, dict):
                todo.extend(inner[k] for k in LAYER_KEYS if k in inner)
    return sorted(found)


def read_config(path):
    """The text of the model's configuration, wherever it is."""
    import h5py
    if os.path.exists(architecture_of(path)):
        with open(architecture_of(path), "rb") as f:
            return f.read()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return archive.read("config.json")
    with h5py.File(path, "r") as f:
        return f.attrs.get("model_config")


def read_classes(path):
    text = read_config(path)
    if text is None:
        return []
    return classes_of(json.loads(text.decode("utf-8") if isinstance(text, bytes) else text))


# ---- manifests ----


class Data(object):
    """The .bin file of a family while it is written."""

    def __init__(self):
        self.bytes = bytearray()

    def tensor(self, name, array):
        array = np.asarray(array)
        entry = {"name": name, "dtype": dtype_name(array), "shape": [int(d) for d in array.shape]}
        if entry["dtype"] == "string":
            entry["strings"] = [s.decode("utf-8") if isinstance(s, bytes) else str(s) for s in array.reshape(-1)]
        else:
            self.bytes.extend(b"\0" * (-len(self.bytes) % 8))
            entry["offset"] = len(self.bytes)
            self.bytes.extend(np.ascontiguousarray(array).tobytes())
        return entry


def dtype_name(array):
    return "string" if array.dtype.kind in "OSU" else array.dtype.name


def read_tensor(entry, data):
    if "strings" in entry:
        return np.array(entry["strings"], dtype=object).reshape(entry["shape"])
    if entry["dtype"] == "bfloat16":
        import ml_dtypes
        dtype = np.dtype(ml_dtypes.bfloat16)
    else:
        dtype = np.dtype(entry["dtype"])
    count = int(np.prod(entry["shape"])) if entry["shape"] else 1
    return np.frombuffer(bytes(data), dtype, count, entry["offset"]).reshape(entry["shape"])


class Family(object):
    """Manifest and data of one family of one environment, on disk."""

    def __init__(self, directory, name):
        self.directory, self.name = directory, name
        self.manifest = os.path.join(directory, name + ".json")
        self.data = os.path.join(directory, name + ".bin")

    def read(self):
        """{case name: (entry, [(inputs, outputs)])} of what is on disk."""
        if not os.path.exists(self.manifest):
            return {}
        with io.open(self.manifest, encoding="utf-8") as f:
            cases = json.load(f)["cases"]
        with open(self.data, "rb") as f:
            data = f.read()
        return {c["name"]: (c, [
            ([(t["name"], read_tensor(t, data)) for t in s["inputs"]],
             [(t["name"], read_tensor(t, data)) for t in s["outputs"]]) for s in c.get("sets", [])]) for c in cases}

    def write(self, environment, facts, cases):
        """cases: [(entry without sets, sets or None)]"""
        data, lines = Data(), []
        for entry, sets in cases:
            if sets is not None:
                entry["sets"] = [{
                    "inputs": [data.tensor(n, a) for n, a in inputs],
                    "outputs": [data.tensor(n, a) for n, a in outputs]} for inputs, outputs in sets]
            lines.append(json.dumps(entry, sort_keys=True))
        head = json.dumps({"environment": environment, "family": self.name, "writer": facts,
                           "data": self.name + ".bin"}, sort_keys=True)
        text = head[:-1] + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n"
        with io.open(self.manifest, "w", encoding="utf-8") as f:
            f.write(text if isinstance(text, type(u"")) else text.decode("ascii"))
        with open(self.data, "wb") as f:
            f.write(bytes(data.bytes))


def entry_of(case, family, path):
    entry = {"name": case.name, "file": "%s/%s%s" % (family, case.name, case.extension), "classes": read_classes(path)}
    if os.path.exists(architecture_of(path)):
        entry["architecture"] = "%s/%s.json" % (family, case.name)
    if case.refused is None:
        entry["tolerance"] = case.tolerance
    for key in ("options", "refused", "warns"):
        if getattr(case, key):
            entry[key] = getattr(case, key)
    if case.mixes_rows:
        entry["mixes_rows"] = True
    return entry


# ---- commands ----


def make_case(writer, case, family, folder):
    """Builds, saves and runs; returns (entry, sets)."""
    writer.clear()
    rng = np.random.RandomState(binascii.crc32((family + "/" + case.name).encode()) & 0x7FFFFFFF)
    np.random.seed(1)
    model = case.make()
    path = os.path.join(folder, case.name + case.extension)
    if case.randomise:
        writer.randomise(model, rng)
    if case.save:
        case.save(model, path)
    else:
        writer.save(model, path, case.optimizer)
    sets = None if case.refused is not None else run_case(writer, case, model, rng)
    return entry_of(case, family, path), sets


def worst_difference(old, new):
    """Worst error of outputs relative to the largest expected number; inf if shapes, types or texts differ."""
    worst = 0.0
    for (_, old_outputs), (_, new_outputs) in zip(old, new):
        for (old_name, a), (new_name, b) in zip(old_outputs, new_outputs):
            a, b = np.asarray(a), np.asarray(b)
            if a.shape != b.shape or dtype_name(a) != dtype_name(b) or old_name != new_name:
                return float("inf")
            if dtype_name(a) == "string":
                text = [s.decode("utf-8") if isinstance(s, bytes) else str(s) for s in b.reshape(-1)]
                if list(a.reshape(-1)) != text:
                    return float("inf")
                continue
            a, b = a.astype("float64"), b.astype("float64")
            finite = np.isfinite(a)
            same = (a == b) | (np.isnan(a) & np.isnan(b))
            if not np.array_equal(finite, np.isfinite(b)) or not same[~finite].all():
                return float("inf")
            if finite.any():
                worst = max(worst, np.abs(a - b)[finite].max() / max(1e-3, np.abs(a[finite]).max()))
    return worst if len(old) == len(new) else float("inf")


def make_family(writer, environment, name, arguments):
    """Writes or checks one family; returns (cases done, cases that failed)."""
    module = importlib.import_module("cases_" + name)
    if environment not in module.ENVIRONMENTS:
        return 0, 0
    table = Table(arguments.only, getattr(module, "ONCE", ()) if environment != module.ENVIRONMENTS[0] else ())
    module.define(writer, table)
    family = Family(os.path.join(arguments.output, environment), name)
    committed = family.read()
    folder = os.path.join(family.directory, name)
    target = tempfile.mkdtemp()
    made, failed = {}, 0
    for case in table.wanted():
        try:
            made[case.name] = make_case(writer, case, name, target)
        except Exception as error:
            text = str(error).strip().split("\n")
            print("%s/%s/%s: %s: %s" % (environment, name, case.name, type(error).__name__, " / ".join(text)[:300]))
            failed += 1
            if arguments.trace:
                raise
            continue
        if arguments.check:
            failed += check_case(environment, name, made[case.name], committed.get(case.name))
    if not arguments.check:
        keep_family(family, folder, target, environment, writer.facts, table, made, committed)
    shutil.rmtree(target)
    return len(made), failed


def check_case(environment, family, made, committed):
    entry, sets = made
    label = "%s/%s/%s" % (environment, family, entry["name"])
    if committed is None:
        print("%s: not committed" % label)
        return 1
    if sets is None:
        return 0
    worst = worst_difference(committed[1], sets)
    if worst <= max(entry["tolerance"], 1e-6):
        return 0
    what = "by %g" % worst if worst < float("inf") else "in names, types, shapes, batches or texts"
    print("%s: differs %s" % (label, what))
    return 1


def compress(source, target):
    """Small HDF5 files are mostly padding. No name and time in it: the same file gives the same bytes."""
    with open(source, "rb") as plain, open(target, "wb") as out:
        with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=out, mtime=0) as packed:
            packed.write(plain.read())


def keep_family(family, folder, target, environment, facts, table, made, committed):
    """Replaces the family on disk, or with --only the cases made."""
    if not os.path.isdir(folder):
        os.makedirs(folder)
    names = [c.name for c in table.cases]
    for old in os.listdir(folder):
        if old.split(".")[0] not in names:
            os.remove(os.path.join(folder, old))
    cases = []
    for name in names:
        if name in made:
            entry = made[name][0]
            for file in (entry["file"], entry.get("architecture")):
                if file:
                    compress(os.path.join(target, os.path.basename(file)), os.path.join(family.directory, file + ".gz"))
            cases.append(made[name])
        elif name in committed:
            entry, sets = committed[name]
            entry.pop("sets", None)
            cases.append((entry, sets if "refused" not in entry else None))
    family.write(environment, facts, cases)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", default=os.path.basename(sys.prefix))
    parser.add_argument("--family", choices=FAMILIES)
    parser.add_argument("--only", default="")
    parser.add_argument("--output", default=os.path.join(HERE, "cases"))
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--trace", action="store_true", help="stop at the first failure, with its trace")
    parser.add_argument("--writer", action="store_true")
    arguments = parser.parse_args()
    writer = Writer()
    if arguments.writer:
        print(json.dumps(writer.facts, sort_keys=True))
        return 0
    done = failed = 0
    for name in [arguments.family] if arguments.family else FAMILIES:
        family_done, family_failed = make_family(writer, arguments.environment, name, arguments)
        done, failed = done + family_done, failed + family_failed
    print("%s: %d cases %s, %d failed" % (arguments.environment, done, "checked" if arguments.check else "written", failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
