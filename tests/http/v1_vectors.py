#!/usr/bin/env python3
"""TensorFlow Serving's REST API: requests and what must come back, by model of tests/http/models."""
import gzip
import json
import os
import re
import time

from daemon import PATIENCE, SOURCE, Daemon, check, put, run

MODELS = os.path.join(SOURCE, "tests", "http", "models")
HPT, AB, NONE = "/v1/models/hpt", "/v1/models/ab", "/v1/models/none"
PREDICT = HPT + ":predict"

# number, path, body, status, what the answer must contain (bytes), or be (anything else: as JSON)
VECTORS = [
    ("T1", PREDICT, b'{"instances":[1.0,2.0,5.0]}', 200, {"predictions": [2.5, 3.0, 4.5]}),
    ("T2", PREDICT, b'{"inputs":[1.0,2.0,5.0]}', 200, {"outputs": [2.5, 3.0, 4.5]}),
    ("T3", PREDICT, b'{"instances":[{"x":1.0}]}', 200, {"predictions": [2.5]}),
    ("T4", PREDICT, b'{"inputs":{"x":[1]}}', 200, {"outputs": [2.5]}),
    ("T5", PREDICT, b'{"instances":1}', 400, b"to be an list/array"),
    ("T6", PREDICT, b'{"instances":[]}', 400, b"No values"),
    ("T7", PREDICT, b"{}", 400, b"Missing 'inputs' or 'instances'"),
    ("T8", PREDICT, b'{"instances":[1],"inputs":[1]}', 400, b"only one of"),
    ("T9", PREDICT, b'{"instances":["a"]}', 400, b"Type: String is not of expected type: float"),
    ("T10", PREDICT, b'{"instances":[true]}', 400, b"Type: True"),
    ("T11", PREDICT, b'{"instances":[null]}', 400, b"Type: Null"),
    ("T12", PREDICT, b'{"instances":[NaN,-Infinity,Infinity]}', 200, b"[NaN,-Infinity,Infinity]"),
    ("T13", PREDICT, b'{"instances":[[1],[2,3]]}', 400, b"Expecting tensor size: 1 but got: 2"),
    ("T14", PREDICT, b'{"inputs":[[1,2],[3]]}', 400, b"unexpected size: 1 at level: 1 expected size: 2"),
    ("T15", PREDICT, b'{"inputs":[1,[2]]}', 400, b"unexpected level"),
    ("T16", PREDICT, b'{"inputs":[[1],2]}', 400, b"found at incorrect level"),
    ("T17", PREDICT, b'{"signature_name":7,"instances":[1]}', 400, b"'signature_name' key must be a string value."),
    ("T18", PREDICT, b'{"signature_name":"nope","instances":[1]}', 400, b"nope"),
    ("T19", PREDICT, b'{"signature_name":"serving_default","instances":[1],"extra":{}}', 200, {"predictions": [2.5]}),
    ("T20", PREDICT, b'{"instances":[1]} trailing', 200, {"predictions": [2.5]}),
    ("T21", PREDICT, b"[1]", 400, b"Is not object"),
    ("T22", PREDICT, b"", 400, b"The document is empty"),
    ("T24a", "/V1/Models/hpt:predict", b'{"instances":[1]}', 200, {"predictions": [2.5]}),
    ("T24b", HPT + ":PREDICT", b'{"instances":[1]}', 400, b"Malformed request: POST /v1/models/hpt:PREDICT"),
    ("T24c", "/v1/models/HPT:predict", b'{"instances":[1]}', 404, b"Servable not found for request: Latest(HPT)"),
    ("T25", NONE + ":predict", b'{"instances":[1]}', 404, b"Servable not found for request: Latest(none)"),
    ("T26", AB + ":predict", b'{"instances":[{"a":[1,2],"b":3}]}', 200, {"predictions": [{"s": 3, "d": [2.0, 4.0]}]}),
    ("T27", AB + ":predict", b'{"instances":[{"a":[1,2]}]}', 400, b"keys must be equal to: a,b"),
    ("T28", AB + ":predict", b'{"instances":[{"a":[1,2],"b":3,"c":0}]}', 400, b"does not have named input: c"),
    ("T29", AB + ":predict", b'{"inputs":{"a":[[1,2]],"b":[3],"zzz":1}}', 200, {"outputs": {"s": [3], "d": [[2.0, 4.0]]}}),
    ("T30", AB + ":predict", b'{"inputs":{"a":[[1,2]]}}', 400, b"Missing named input: b"),
    ("T31", AB + ":predict", b'{"instances":[[1,2]]}', 400, b"list of objects"),
    ("T32", AB + ":predict", b'{"inputs":{"a":[[1,2]],"b":[3.0]}}', 400, b"Type: Number is not of expected type: int64"),
    ("T33", AB + ":predict", b'{"inputs":{"a":[[1,2]],"b":[9007199254740993]}}', 200, b"[9007199254740993]"),
    ("T35", PREDICT, b"[" * 100000, 400, b"JSON Parse error"),
    ("T40", PREDICT, b'{"instances":[{"b64":"AA=="}]}', 400, b"Type: Object"),
    ("version", HPT + "/versions/1:predict", b'{"instances":[1]}', 200, {"predictions": [2.5]}),
    ("zeros", HPT + "/versions/0001:predict", b'{"instances":[1]}', 200, {"predictions": [2.5]}),
    ("no version", HPT + "/versions/7:predict", b'{"instances":[1]}', 404, b"Servable not found for request: Specific(hpt, 7)"),
    ("big version", HPT + "/versions/99999999999999999999:predict", b"{}", 400, b"Failed to convert version"),
    ("label", HPT + "/labels/stable:predict", b'{"instances":[1]}', 400, b"Unrecognized servable version label: stable"),
    ("query", PREDICT + "?x=1", b'{"instances":[1]}', 200, {"predictions": [2.5]}),
    ("escape", "/v1/models/%68pt:predict", b'{"instances":[1]}', 200, {"predictions": [2.5]}),
    ("explain", HPT + ":explain", b"{}", 501, b"error"),
    ("order 1", NONE + ":predict", b'{"instances":[1}', 400, b"JSON Parse error"),
    ("order 2", NONE + ":predict", b'{"signature_name":1}', 400, b"signature_name"),
    ("order 3", HPT + ":predict", b'{"signature_name":"x"}', 400, b"Serving signature name"),
    ("shape 1", "/v1/models/m:predict", b'{"instances":[[1,2,3]]}', 400, b"input 'x': got a tensor of shape (1, 3), the model expects (None, 2)"),
    ("shape 2", "/v1/models/m:predict", b'{"inputs":[1,2]}', 400, b"input 'x': got a tensor of shape (2,), the model expects (None, 2)"),
    ("rows", AB + ":predict", b'{"inputs":{"a":[[1,2],[3,4]],"b":[1]}}', 400, b"input 'b' has 1 rows, but input 'a' has 2"),
    ("place", PREDICT, b'{"instances":[1,2,3,"x"]}', 400, b"instances[3]"),
    ("regress", "/v1/models/m:regress", b'{"examples":[{"x":[1,2]},{"x":[3,4.5]}]}', 200, {"results": [3.0, 7.5]}),
    ("regress one", HPT + ":regress", b'{"examples":[{"x":1},{"x":[3]}],"context":{}}', 200, {"results": [2.5, 3.5]}),
    ("classify", "/v1/models/same:classify", b'{"examples":[{"x":[0.25,0.75]}]}', 200,
     {"results": [[["", 0.25], ["", 0.75]]]}),
    ("classify ab", AB + ":classify", b'{"examples":[{"a":[1,2],"b":1}]}', 400, b"cannot classify"),
    ("regress same", "/v1/models/same:regress", b'{"examples":[{"x":[1,2]}]}', 400, b"cannot regress"),
    ("examples 1", HPT + ":regress", b"{}", 400, b"key 'examples' is expected and was not found"),
    ("examples 2", HPT + ":regress", b'{"examples":{}}', 400, b"to be an list/array"),
    ("examples 3", HPT + ":regress", b'{"examples":[]}', 400, b"value is an empty array"),
    ("examples 4", HPT + ":regress", b'{"examples":[1]}', 400, b"Example must be JSON object but got JSON Number"),
    ("examples 5", HPT + ":regress", b'{"examples":[{"x":null}]}', 400, b"Type: Null"),
    ("examples 6", HPT + ":regress", b'{"examples":[{"x":[[1]]}]}', 400, b"feature 'x' has 1 values"),
    ("examples 7", "/v1/models/m:regress", b'{"examples":[{"x":[1,2,3]}]}', 400, b"feature 'x' has 3 values"),
    ("examples 8", HPT + ":regress", b'{"examples":[{"y":1}]}', 400, b"does not have named input: y"),
    ("examples 9", HPT + ":regress", b'{"examples":[{"x":1}],"context":{"x":1}}', 400, b"'context'"),
    ("examples 10", NONE + ":classify", b'{"examples":[{"x":1}]}', 404, b"Servable not found"),
    ("text", "/v1/models/text:predict", b'{"instances":["a",{"b64":"AP8="}]}', 200,
     {"predictions": [{"b64": "YQ=="}, {"b64": "AP8="}]}),
    ("text 2", "/v1/models/text:predict", b'{"inputs":{"s":["\xc3\xa9"]}}', 200, {"outputs": [{"b64": "w6k="}]}),
]


def matches(data, want):
    return want in data if isinstance(want, bytes) else json.loads(data) == want


def start(*extra):
    return Daemon(*extra, *[os.path.join(MODELS, name + ".h5") for name in ("hpt", "ab", "text", "kinds", "m", "same")])


def vectors(directory):
    wrong = []
    with start() as daemon:
        connection = daemon.connect()
        for name, path, body, status, want in VECTORS:
            got, headers, data = daemon.request("POST", path, body, connection=connection)
            if got != status or not matches(data, want) or headers["Content-Type"] != "application/json":
                wrong.append("%s: %d %r, expected %d %r" % (name, got, data[:300], status, want))
            if len(data) > 1024:
                wrong.append("%s: a long answer" % name)
    check(not wrong, "\n  ".join([""] + wrong))


def malformed(directory):
    with start() as daemon:
        for method, path, want in (
                ("GET", PREDICT, 400), ("POST", HPT + "/metadata", 400), ("GET", HPT + "/versions/x", 400),
                ("GET", HPT + "/version/5", 400), ("GET", HPT + "/versions/1/labels/x", 400), ("GET", "/v1/nope", 400),
                ("GET", HPT + "/METADATA", 400), ("PUT", "/v1/nope", 400), ("PUT", HPT, 405), ("DELETE", PREDICT, 405),
                ("PATCH", HPT, 405), ("TRACE", HPT, 405)):
            status, headers, data = daemon.request(method, path, b"{}" if method in ("POST", "PUT", "PATCH") else None)
            check(status == want and (headers["Allow"] is not None) == (want == 405), (method, path, status))
            check(json.loads(data) == {"error": "Malformed request: %s %s" % (method, path)}, data)
        status, headers, data = daemon.request("HEAD", HPT)
        check(status == 200 and data == b"", "HEAD is GET without the body")


def compressed(directory):
    with start() as daemon:
        body = gzip.compress(b'{"instances":[1]}')
        for encoding in ("gzip", "GZIP", "x-gzip"):
            status, _, data = daemon.post(PREDICT, body, {"Content-Encoding": encoding})
            check(status == 200 and json.loads(data) == {"predictions": [2.5]}, (status, data))
        status, _, data = daemon.post(PREDICT, b"garbage", {"Content-Encoding": "gzip"})
        check(status == 400 and b"decompression" in data, (status, data))
        status, _, data = daemon.post(PREDICT, body[:-9], {"Content-Encoding": "gzip"})
        check(status == 400 and b"decompression" in data, (status, data))
        long = json.dumps({"instances": [k / 7 for k in range(1000)]}).encode()
        status, headers, data = daemon.post(PREDICT, long, {"Accept-Encoding": "gzip"})
        check(status == 200 and headers["Content-Encoding"] == "gzip", headers)
        check(len(json.loads(gzip.decompress(data))["predictions"]) == 1000, "rows")


def status(directory):
    with start() as daemon:
        code, data = daemon.json("GET", HPT)
        want = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        check(code == 200 and data == {"name": "hpt", "ready": True, "model_version_status": [want]}, data)
        code, data = daemon.json("GET", HPT + "/versions/1")
        check(code == 200 and data["model_version_status"] == [want], data)
        code, data = daemon.json("GET", HPT + "/versions/2")
        check(code == 404 and data == {"error": "Could not find version 2 of model hpt"}, data)
        code, data = daemon.json("GET", NONE)
        check(code == 404 and data == {"error": "Could not find any versions of model none"}, data)
        code, data = daemon.json("GET", HPT + "/labels/x")
        check(code == 400 and data == {"error": "Unrecognized servable version label: x"}, data)
        code, data = daemon.json("GET", "/v1/models")
        check(code == 200 and data == {"models": ["ab", "hpt", "kinds", "m", "same", "text"]}, data)
        code, data = daemon.json("GET", "/v1/config")
        check(code == 200 and data["ab"]["model_version_status"][0]["state"] == "AVAILABLE", data)
        code, data = daemon.json("POST", "/v1/config/reload")
        check(code == 200 and sorted(data) == ["ab", "hpt", "kinds", "m", "same", "text"], (code, data))


def metadata(directory):
    with start() as daemon:
        code, data = daemon.json("GET", HPT + "/metadata")
        check(code == 200 and data["model_spec"] == {"name": "hpt", "signature_name": "", "version": "1"}, data)
        definition = data["metadata"]["signature_def"]["signature_def"]["serving_default"]
        check(definition["method_name"] == "tensorflow/serving/predict", definition)
        check(definition["inputs"]["x"] == {
            "dtype": "DT_FLOAT", "name": "serving_default_x:0",
            "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}}, definition)
        check(definition["outputs"]["y"]["name"] == "StatefulPartitionedCall:0", definition)
        code, data = daemon.json("GET", "/v1/models/kinds/metadata")
        inputs = data["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]
        check({name: tensor["dtype"] for name, tensor in inputs.items()} == {
            "in_bool": "DT_BOOL", "in_uint8": "DT_UINT8", "in_int8": "DT_INT8", "in_int32": "DT_INT32",
            "in_uint32": "DT_UINT32", "in_float64": "DT_DOUBLE", "in_float16": "DT_HALF", "in_string": "DT_STRING"},
              inputs)
        code, data = daemon.json("GET", NONE + "/metadata")
        check(code == 404 and "Servable not found" in data["error"], data)


def output_names(directory):
    with start("--output-names", "keras3") as daemon:
        _, data = daemon.json("POST", AB + ":predict", b'{"instances":[{"a":[1,2],"b":3}]}')
        check(data == {"predictions": [{"output_0": 3, "output_1": [2.0, 4.0]}]}, data)
        _, data = daemon.json("GET", AB + "/metadata")
        outputs = data["metadata"]["signature_def"]["signature_def"]["serving_default"]["outputs"]
        check(sorted(outputs) == ["output_0", "output_1"], outputs)


def classes(directory):
    """Labels beside the model."""
    put(os.path.join(MODELS, "same.h5"), os.path.join(directory, "same.h5"))
    put(b"cat\ndog\n", os.path.join(directory, "same.labels.txt"))
    with Daemon(os.path.join(directory, "same.h5")) as daemon:
        _, data = daemon.json("POST", "/v1/models/same:classify", b'{"examples":[{"x":[0.25,0.75]}]}')
        check(data == {"results": [[["cat", 0.25], ["dog", 0.75]]]}, data)
        body = (b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[0.25,0.75]}],'
                b'"outputs":[{"name":"y","parameters":{"classification":1}}]}')
        _, data = daemon.json("POST", "/v2/models/same/infer", body)
        check(data["outputs"][0]["data"] == ["0.750000:1:dog"], data)


def kinds(directory):
    row = {"in_bool": True, "in_uint8": 255, "in_int8": -128, "in_int32": -2147483648, "in_uint32": 4294967295,
           "in_float64": 0.1, "in_float16": 0.1, "in_string": "a\nb"}
    with start() as daemon:
        code, data = daemon.json("POST", "/v1/models/kinds:predict", json.dumps({"instances": [row, row]}))
        want = {"out" + name[2:]: value for name, value in row.items()}
        want["out_float16"] = 0.0999755859
        check(code == 200 and data == {"predictions": [want, want]}, data)
        for name, value in (("in_bool", 1), ("in_uint8", 256), ("in_uint8", -1), ("in_int8", 128),
                            ("in_int32", 2147483648), ("in_uint32", -1), ("in_int32", 1.0), ("in_float64", "1"),
                            ("in_string", 1), ("in_string", None)):
            code, data = daemon.json("POST", "/v1/models/kinds:predict", json.dumps({"instances": [{**row, name: value}]}))
            check(code == 400 and "instances[0]." + name in data["error"], (name, value, data))


def pretty(directory):
    with start() as daemon:
        for path, body, want in (
                (HPT, '{"instances":[3,4,7]}', '{\n    "predictions": [3.5, 4.0, 5.5\n    ]\n}'),
                (HPT, '{"inputs":[3]}', '{\n    "outputs": [\n        3.5\n    ]\n}'),
                (AB, '{"instances":[{"a":[1,2],"b":3}]}',
                 '{\n    "predictions": [\n        {\n            "s": 3,\n            "d": [2.0, 4.0]\n        }\n'
                 '    ]\n}'),
                (AB, '{"inputs":{"a":[[1,2]],"b":[3]}}',
                 '{\n    "outputs": {\n        "s": [\n            3\n        ],\n        "d": [\n            [\n'
                 '                2.0,\n                4.0\n            ]\n        ]\n    }\n}')):
            _, _, data = daemon.post(path + ":predict?pretty=1", body)
            check(data.decode() == want, data.decode())


def cors(directory):
    with start("--cors-origin", "*") as on, start() as off:
        for daemon, name in ((on, "*"), (off, None)):
            status, headers, data = daemon.request("OPTIONS", PREDICT, headers={"Origin": "http://e.x"})
            check(status == 200 and data == b"" and headers["Access-Control-Allow-Origin"] == name, headers)
            check(headers["Access-Control-Allow-Methods"] == (name and "POST, GET"), headers)
            check(headers["Access-Control-Allow-Headers"] == (name and "Content-Type"), headers)
            status, headers, _ = daemon.request("OPTIONS", PREDICT)
            check(status == 400, status)
            status, headers, _ = daemon.post(PREDICT, b"{}")
            check(status == 400 and headers["Access-Control-Allow-Origin"] == name, headers)


def one_waits(daemon):
    return re.search(rb"^kerasd_queue_depth\{.*\} 1$", daemon.get("/metrics")[2], re.M)


def full_queue(directory):
    """One job may wait, and waits a second for company: the second one is refused. On a busy machine that second can
    pass unseen, and the test tries again."""
    with start("--inline-max-us", "0", "--workers", "1", "--max-queue-jobs", "1", "--batch-delay-us", "1000000") as daemon:
        status, deadline = None, time.monotonic() + PATIENCE
        while status != 503 and time.monotonic() < deadline:
            connection = daemon.connect()
            connection.request("POST", PREDICT, b'{"instances":[1]}')
            began = time.monotonic()
            while not one_waits(daemon) and time.monotonic() - began < 1:
                pass
            status, headers, data = daemon.post(PREDICT, b'{"instances":[1]}')
            check(connection.getresponse().status == 200, "the first one")
            connection.close()
        check(status == 503 and headers["Retry-After"] == "1", (status, headers, data))


if __name__ == "__main__":
    run(vectors, malformed, compressed, status, metadata, output_names, classes, kinds, pretty, cors, full_queue)
