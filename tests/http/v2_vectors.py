#!/usr/bin/env python3
"""The Open Inference Protocol with Triton's HTTP extensions: requests and what must come back."""
import gzip
import json
import os
import struct
import zlib

from daemon import SOURCE, Daemon, check, put, run

MODELS = os.path.join(SOURCE, "tests", "http", "models")
INFER = "/v2/models/m/infer"


def infer(data=b"[1,2]", shape=b"[1,2]", datatype=b"FP32", name=b"x", more=b""):
    return (b'{"inputs":[{"name":"%s","shape":%s,"datatype":"%s","data":%s}]%s}' % (name, shape, datatype, data, more))


OK = {"model_name": "m", "model_version": "1",
      "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 1], "data": [3.0]}]}

# number, path, body, status, what the answer must contain (bytes), or be (anything else: as JSON)
VECTORS = [
    ("V3", INFER, infer(), 200, OK),
    ("V4", INFER, infer(b"[[1,2]]"), 200, OK),
    ("V4 ragged", INFER, infer(b"[[1],[[2]]]"), 200, OK),
    ("V5", INFER, infer(more=b',"id":"abc"'), 200, {"id": "abc", **OK}),
    ("V6", INFER, infer(b"[1,2,3]", b"[2,2]"), 400, b"Shape does not match true shape of 'data' field"),
    ("V6 many", INFER, infer(b"[1,2,3,4,5]", b"[2,2]"), 400, b"Shape does not match true shape of 'data' field"),
    ("V7", INFER, infer(b"[1,2,3]", b"[1,3]"), 400,
     b"unexpected shape for input 'x' for model 'm'. Expected [-1,2], got [1,3]"),
    ("V8", INFER, infer(datatype=b"INT32"), 200, OK),
    ("V9", INFER, infer(name=b"z"), 400, b"unexpected inference input 'z' for model 'm'"),
    ("V10", INFER, infer(more=b',"outputs":[{"name":"nope"}]'), 400, b"unexpected inference output 'nope' for model 'm'"),
    ("V17", INFER, b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2],"parameters":{"binary_data_size":8}}]}',
     400, b"But set 'data' 'binary_data_size'"),
    ("V17 none", INFER, b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32"}]}', 400, b"But no field is set"),
    ("V18", INFER, infer(more=b',"parameters":{"triton_x":1}'), 400, b"parameter keys starting with 'triton_'"),
    ("V18 null", INFER, infer(more=b',"parameters":{"a":null}'), 400, b"parameter 'a' has invalid type"),
    ("V18 list", INFER, infer(more=b',"parameters":{"a":[1]}'), 400, b"parameter 'a' has invalid type"),
    ("V18 ok", INFER, infer(more=b',"parameters":{"a":1,"b":"x","c":true,"priority":1,"timeout":1000000}'), 200, OK),
    ("V19", INFER, infer(more=b',"model_name":"m","x":[[{}]]'), 200, OK),
    ("V23", "/v2/models/none/infer", infer(), 404, b"Request for unknown model: 'none' is not found"),
    ("V23 version", "/v2/models/m/versions/3/infer", infer(), 404, b"Request for unknown model: 'm' version 3 is not found"),
    ("V25", INFER, infer(b"[" * 101 + b"]" * 101), 400, b"nesting depth"),
    ("V26", INFER, infer(shape=b"[4294967296,4294967296]"), 400, b"overflow"),
    ("V30", INFER, infer(b"[]", b"[0,2]"), 200, b'"shape":[0,1],"data":[]'),
    ("V31 inputs", INFER, b"{}", 400, b"Unable to parse 'inputs'"),
    ("V31 syntax", INFER, b'{"inputs":[', 400, b"failed to parse the request JSON buffer"),
    ("V31 strings", INFER, infer(b'["1","2"]'), 400, b"attempt to access JSON non-number as double (at inputs[0].data[0])"),
    ("V31 trailing", INFER, infer() + b"x", 400, b"failed to parse the request JSON buffer"),
    ("V31 array", INFER, b"[1]", 400, b"Unable to parse 'inputs'"),
    ("V31 type", INFER, b'{"inputs":{}}', 400, b"Unable to parse 'inputs': attempt to access JSON non-array as array"),
    ("V31 id", INFER, infer(more=b',"id":7'), 400, b"Unable to parse 'id'"),
    ("V31 shape", INFER, infer(shape=b"[1.0,2]"), 400, b"Unable to parse 'shape'"),
    ("V31 shape sign", INFER, infer(shape=b"[-1,2]"), 400, b"Unable to parse 'shape'"),
    ("V31 name", INFER, b'{"inputs":[{"shape":[1,2],"datatype":"FP32","data":[1,2]}]}', 400, b"Unable to parse 'name'"),
    ("V31 datatype", INFER, b'{"inputs":[{"name":"x","shape":[1,2],"data":[1,2]}]}', 400, b"Unable to parse 'datatype'"),
    ("V31 no shape", INFER, b'{"inputs":[{"name":"x","datatype":"FP32","data":[1,2]}]}', 400, b"Unable to parse 'shape'"),
    ("V31 empty", INFER, b"", 400, b"error"),
    ("V31 object", INFER, infer(b'[{"a":1},2]'), 400, b"inputs[0].data[0]"),
    ("twice", INFER, b'{"inputs":[%s,%s]}' % ((infer()[11:-2],) * 2), 400, b"already exists in request"),
    ("too many", INFER, b'{"inputs":[%s,{"name":"z","shape":[1],"datatype":"FP32","data":[1]}]}' % infer()[11:-2], 400,
     b"expected 1 inputs but got 2 inputs for model 'm'"),
    ("none", "/v2/models/ab/infer", b'{"inputs":[{"name":"a","shape":[1,2],"datatype":"FP32","data":[1,2]}]}', 400,
     b"expected 2 inputs but got 1 inputs for model 'ab'. Got input(s) ['a'], but missing required input(s) ['b']"),
    ("batch", "/v2/models/ab/infer", b'{"inputs":[{"name":"a","shape":[1,2],"datatype":"FP32","data":[1,2]},'
     b'{"name":"b","shape":[2],"datatype":"INT64","data":[1,2]}]}', 400,
     b"input 'b' batch size does not match other inputs for 'ab'"),
    ("datatype", INFER, infer(datatype=b"FP"), 400, b"invalid datatype for input x"),
    ("lower case", INFER, infer(datatype=b"fp32"), 400, b"invalid datatype for input x"),
    ("half", INFER, infer(datatype=b"FP16"), 400, b"receiving FP16 data via JSON is not supported"),
    ("bool", INFER, infer(b"[true,false]", datatype=b"BOOL"), 400,
     b"inference input 'x' data-type is 'BOOL', but model 'm' expects 'FP32'"),
    ("int literal", INFER, infer(b"[1.0,2]", datatype=b"INT32"), 400, b"non-signed-integer as signed-integer"),
    ("int range", INFER, infer(b"[256,2]", datatype=b"UINT8"), 400, b"out of range for UINT8"),
    ("doubles", INFER, infer(b"[1e39,-1e39]", datatype=b"FP64"), 200, b'"data":[NaN]'),
    ("late", INFER, b'{"inputs":[{"data": [[1 , 2]],"datatype":"FP32","name":"x","shape":[1,2]}]}', 200, OK),
    ("later", INFER, b'{"inputs":[{"data":"x","datatype":"FP32","name":"x","shape":[1,2]}]}', 400, b"non-number as double"),
    ("scalar", "/v2/models/hpt/infer", infer(b"3", b"[1]"), 200, b'"data":[3.5]'),
    ("shared", INFER, b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"shared_memory_region":"a"}}]}',
     501, b"shared memory"),
    ("outputs", "/v2/models/ab/infer", b'{"inputs":[{"name":"a","shape":[1,2],"datatype":"FP32","data":[1,2]},'
     b'{"name":"b","shape":[1],"datatype":"INT64","data":[5]}],"outputs":[{"name":"d"},{"name":"s"},{"name":"d"}]}', 200,
     {"model_name": "ab", "model_version": "1", "outputs": [
         {"name": "s", "datatype": "INT64", "shape": [1], "data": [5]},
         {"name": "d", "datatype": "FP32", "shape": [1, 2], "data": [2.0, 4.0]}]}),
    ("V32", "/v2/models/text/infer", b'{"inputs":[{"name":"s","shape":[1],"datatype":"BYTES","data":["a"]}],'
     b'"outputs":[{"name":"t_bytes","parameters":{"classification":1}}]}', 400, b"classification"),
    ("class type", INFER, infer(more=b',"outputs":[{"name":"y","parameters":{"classification":-1}}]'), 400,
     b"Unable to parse 'classification'"),
    ("class 0", INFER, infer(more=b',"outputs":[{"name":"y","parameters":{"classification":0}}]'), 200, OK),
    ("binary type", INFER, infer(more=b',"outputs":[{"name":"y","parameters":{"binary_data":1}}]'), 400,
     b"Unable to parse 'binary_data'"),
    ("version", "/v2/models/m/versions/01/infer", infer(), 200, OK),
    ("big version", "/v2/models/m/versions/99999999999999999999/infer", infer(), 400, b"failed to get model version"),
    ("rank", "/v2/models/hpt/infer", infer(b"[3,4]", b"[2,1]"), 200, b'"data":[3.5,4.0]'),
    ("bytes", "/v2/models/text/infer", b'{"inputs":[{"name":"s","shape":[2],"datatype":"BYTES","data":["a\\u00e9",""]}]}',
     200, {"model_name": "text", "model_version": "1", "outputs": [
         {"name": "t_bytes", "datatype": "BYTES", "shape": [2], "data": ["a\u00e9", ""]}]}),
]


def start(*extra):
    return Daemon(*extra, *[os.path.join(MODELS, name + ".h5") for name in ("m", "ab", "hpt", "text", "same", "kinds")])


def vectors(directory):
    wrong = []
    with start() as daemon:
        connection = daemon.connect()
        for name, path, body, status, want in VECTORS:
            got, headers, data = daemon.request("POST", path, body, connection=connection)
            right = want in data if isinstance(want, bytes) else json.loads(data) == want
            if got != status or not right or headers["Content-Type"] != "application/json":
                wrong.append("%s: %d %r, expected %d %r" % (name, got, data[:300], status, want))
    check(not wrong, "\n  ".join([""] + wrong))


def strict(directory):
    with start("--strict-datatype") as daemon:
        status, _, data = daemon.post(INFER, infer(datatype=b"INT32"))
        check(status == 400 and b"data-type is 'INT32', but model 'm' expects 'FP32'" in data, data)


HEAD = (b'{"id":"r1","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],'
        b'"outputs":[{"name":"y","parameters":{"binary_data":true}}]}')
ROW = struct.pack("<2f", 1.0, -2.5)


def binary_request(daemon, head, raw, length=None, path=INFER, **headers):
    headers["Inference-Header-Content-Length"] = str(len(head)) if length is None else length
    return daemon.post(path, head + raw, headers)


def split(headers, data):
    """The JSON part and the bytes of an answer."""
    length = int(headers["Inference-Header-Content-Length"])
    check(headers["Content-Type"] == "application/octet-stream", headers)
    return json.loads(data[:length]), data[length:]


def binary(directory):
    with start() as daemon:
        check(len(HEAD) == 162, "the example")
        status, headers, data = binary_request(daemon, HEAD, ROW)
        check(status == 200 and headers["Inference-Header-Content-Length"] == "141" and len(data) == 145, data)
        check(data[:141] == b'{"id":"r1","model_name":"m","model_version":"1","outputs":[{"name":"y","datatype":"FP32",'
                            b'"shape":[1,1],"parameters":{"binary_data_size":4}}]}', data)
        check(data[141:] == b"\0\0\xc0\xbf", data)
        for name, head, raw, length, want in (
                ("V12", HEAD, ROW, "9999", b"inference header size should be in range (0, 170), got: 9999"),
                ("V13a", HEAD, ROW, "abc", b"Unable to parse Inference-Header-Content-Length, got: abc"),
                ("V13b", HEAD, ROW, "-1", b"in range"), ("V13c", HEAD, ROW, "162x", b"Unable to parse"),
                ("V13d", HEAD, ROW, "", b"Unable to parse"),
                ("V14a", HEAD, ROW[:7], None, b"expecting 1 additional bytes for model 'm'"),
                ("V14b", HEAD, ROW + b"x", None, b"unexpected additional input data for model 'm'"),
                ("cut", HEAD, ROW, "100", b"failed to parse the request JSON buffer"),
                ("size", HEAD.replace(b"size\":8", b"size\":4"), ROW[:4], None, b"input byte size mismatch"),
                ("size type", HEAD.replace(b"size\":8", b"size\":\"8\""), ROW, None, b"Unable to parse 'binary_data_size'")):
            status, headers, data = binary_request(daemon, head, raw, length)
            check(status == 400 and want in data, (name, status, data))
        status, _, data = daemon.post(INFER, HEAD)
        check(status == 400 and b"expecting 8 additional bytes for model 'm'" in data, data)


def raw(directory):
    with start() as daemon:
        status, headers, data = binary_request(daemon, b"", ROW, "0")
        answer, bytes_ = split(headers, data)
        check(status == 200 and bytes_ == b"\0\0\xc0\xbf", data)
        check(answer["outputs"][0]["parameters"] == {"binary_data_size": 4} and "id" not in answer, answer)
        status, _, data = binary_request(daemon, b"", ROW * 2, "0")
        check(status == 400 and b"byte size mismatch for input 'raw_input' for model 'm'. Expected 8, got 16" in data, data)
        status, _, data = binary_request(daemon, b"", b"", "0")
        check(status == 400 and b"byte size mismatch" in data, data)
        status, _, data = binary_request(daemon, b"", ROW, "0", "/v2/models/ab/infer")
        check(status == 400 and b"Raw request must only have 1 input" in data, data)
        status, headers, data = binary_request(daemon, b"", ROW * 3, "0", "/v2/models/same/infer")
        answer, bytes_ = split(headers, data)
        check(answer["outputs"][0]["shape"] == [1, 6] and bytes_ == ROW * 3, answer)
        status, headers, data = binary_request(daemon, b"", b"\xffabc", "0", "/v2/models/text/infer")
        check(split(headers, data)[1] == b"\4\0\0\0\xffabc", data)


def all_binary(directory):
    with start() as daemon:
        status, headers, data = daemon.post(INFER, infer(more=b',"parameters":{"binary_data_output":true}'))
        check(split(headers, data)[1] == struct.pack("<f", 3), data)
        status, headers, data = daemon.post(
            INFER, infer(more=b',"parameters":{"binary_data_output":true},"outputs":[{"name":"y"}]'))
        check(headers["Content-Type"] == "application/json" and json.loads(data) == OK, data)


WIRE = {"bool": ("BOOL", "<2?", (True, False)), "uint8": ("UINT8", "<2B", (0, 255)), "int8": ("INT8", "<2b", (-128, 127)),
        "int32": ("INT32", "<2i", (-2**31, 2**31 - 1)), "uint32": ("UINT32", "<2I", (0, 2**32 - 1)),
        "float64": ("FP64", "<2d", (0.5, -1e300)), "float16": ("FP16", "<2e", (1.5, -0.1))}
STRINGS = b"\2\0\0\0ab\0\0\0\0"


def datatypes(directory):
    """Every datatype there and back, in pieces of every size."""
    inputs = [{"name": "in_" + kind, "shape": [2], "datatype": wire[0],
               "parameters": {"binary_data_size": struct.calcsize(wire[1])}} for kind, wire in WIRE.items()]
    inputs.append({"name": "in_string", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": 10}})
    body = b"".join(struct.pack(wire[1], *wire[2]) for wire in WIRE.values()) + STRINGS
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    want = body.replace(struct.pack("<d", -1e300), struct.pack("<d", float("-inf")))
    with start() as daemon:
        status, headers, data = binary_request(daemon, head, body, path="/v2/models/kinds/infer")
        check(status == 200 and split(headers, data)[1] == want, data)
        connection = daemon.connect()
        for size in (1, 3, 5, 7):
            pieces = [(head + body)[i:i + size] for i in range(0, len(head + body), size)]
            connection.request("POST", "/v2/models/kinds/infer", iter(pieces),
                               {"Inference-Header-Content-Length": str(len(head))}, encode_chunked=True)
            response = connection.getresponse()
            data = response.read()
            check(response.status == 200 and split(response.headers, data)[1] == want, (size, data))
        connection.close()


def bad_strings(directory):
    head = (b'{"inputs":[{"name":"s","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":%d}}]}')
    with start() as daemon:
        for raw_bytes, want in ((b"\5\0\0\0ab", b"incomplete string data"), (b"\1\0\0\0a\1\0", b"incomplete string length"),
                                (b"\1\0\0\0a", b"expected 2 string elements for inference input 's' for model 'text', got 1"),
                                (b"\0\0\0\0" * 3, b"unexpected number of string elements 3"),
                                (b"\xff\xff\xff\xff" * 2, b"incomplete string data")):
            status, _, data = binary_request(daemon, head % len(raw_bytes), raw_bytes, path="/v2/models/text/infer")
            check(status == 400 and want in data, (raw_bytes, data))
        raw_bytes = b"\1\0\0\0\xff\0\0\0\0"
        status, _, data = binary_request(daemon, head % len(raw_bytes), raw_bytes, path="/v2/models/text/infer")
        check(status == 400 and b"use the binary data format" in data, data)


def compressed(directory):
    with start() as daemon:
        for encoding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
            status, headers, data = daemon.post(INFER, pack(HEAD + ROW), {
                "Content-Encoding": encoding, "Inference-Header-Content-Length": "162"})
            check(status == 200 and split(headers, data)[1] == b"\0\0\xc0\xbf", data)
        status, headers, data = daemon.post(INFER, infer(), {"Content-Encoding": "br"})
        check(status == 501 and headers["Accept-Encoding"] == "gzip, deflate", headers)
        check(json.loads(data) == {"error": "Unsupported compression type"}, data)
        for accept, encoding in (("gzip", "gzip"), ("deflate", "deflate"), ("gzip;q=0.5, deflate", "deflate"),
                                 ("deflate, gzip", "gzip"), ("identity", None), ("*", None), ("gzip;q=0", None)):
            status, headers, data = binary_request(daemon, HEAD, ROW, **{"Accept-Encoding": accept})
            check(status == 200 and headers["Content-Encoding"] == encoding, (accept, headers))
            check(headers["Inference-Header-Content-Length"] == "141", headers)
            plain = gzip.decompress(data) if encoding == "gzip" else zlib.decompress(data) if encoding else data
            check(len(plain) == 145 and plain[141:] == b"\0\0\xc0\xbf", plain)
        status, _, data = daemon.post(INFER, b"", {"Content-Encoding": "gzip"})
        check(status == 400 and b"nothing to be decompressed" in data, data)


def classification(directory):
    body = (b'{"inputs":[{"name":"x","shape":[2,3],"datatype":"FP32","data":[0.1,0.2,0.7,1e10,-1,1e10]}],'
            b'"outputs":[{"name":"y","parameters":{"classification":%d%s}}]}')
    with start() as daemon:
        status, _, data = daemon.post("/v2/models/same/infer", body % (1, b""))
        output = json.loads(data)["outputs"][0]
        check(output == {"name": "y", "datatype": "BYTES", "shape": [2, 1],
                         "data": ["0.700000:2", "10000000000.000000:0"]}, output)
        status, headers, data = daemon.post("/v2/models/same/infer", body % (9, b',"binary_data":true'))
        answer, raw_bytes = split(headers, data)
        check(answer["outputs"][0]["shape"] == [2, 3] and raw_bytes.startswith(b"\x0a\0\0\0000.700000:2"), data)


def server(directory):
    with start() as daemon:
        check(daemon.json("GET", "/v2/health/live") == (200, {"live": True}), "live")
        check(daemon.json("GET", "/v2/health/ready") == (200, {"ready": True}), "ready")
        status, data = daemon.json("GET", "/v2")
        check(status == 200 and list(data) == ["name", "version", "extensions"] and "statistics" in data["extensions"], data)
        check(daemon.json("GET", "/v2/") == (status, data), "one slash at the end")
        check(daemon.json("GET", "/v2/models/m/ready") == (200, {"name": "m", "ready": True}), "model ready")
        check(daemon.json("GET", "/v2/models/none/ready")[0] == 404, "unknown ready")
        check(daemon.json("GET", "/v2/models/m") == (200, {
            "name": "m", "versions": ["1"], "platform": "keras_h5",
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 1]}]}), "metadata")
        check(daemon.json("GET", "/v2/nope") == (404, {"error": "Not Found"}), "no route")
        for method, path, allow in (("DELETE", "/v2", "GET, HEAD, OPTIONS"), ("GET", INFER, "POST, OPTIONS"),
                                    ("TRACE", "/v2/models/m", "GET, HEAD, OPTIONS"), ("QUERY", "/v1/models/m", "GET, HEAD, OPTIONS")):
            status, headers, data = daemon.request(method, path)
            check(status == 405 and headers["Allow"] == allow, (method, path, status, headers["Allow"]))
            check(path.startswith("/v1") or json.loads(data) == {"error": "Method Not Allowed"}, data)
        status, headers, data = daemon.request("OPTIONS", INFER)
        check(status == 204 and headers["Allow"] == "POST, OPTIONS" and data == b"", headers)
        length = len(daemon.get("/v2")[2])
        status, headers, data = daemon.request("HEAD", "/v2")
        check(status == 200 and headers["Content-Length"] == str(length) and data == b"", headers)
        check(daemon.json("GET", "/v2/models")[1]["models"] == ["ab", "hpt", "kinds", "m", "same", "text"], "models")
        for path in ("/v2/systemsharedmemory/status", "/v2/cudasharedmemory/region/a/status", "/v2/trace/setting",
                     "/v2/models/m/trace/setting"):
            check(daemon.json("GET", path)[0] == 501, path)
        check(daemon.json("POST", "/v2/models/m/generate", b"{}")[0] == 501, "generate")


def configuration(directory):
    with start() as daemon:
        status, data = daemon.json("GET", "/v2/models/m/config")
        check(status == 200 and data["name"] == "m" and data["max_batch_size"] > 0, data)
        check(data["input"][0]["data_type"] == "TYPE_FP32" and data["input"][0]["dims"] == [2], data)
        check(data["output"][0]["dims"] == [1] and data["output"][0]["label_filename"] == "", data)
        check(data["instance_group"][0]["kind"] == "KIND_CPU", data)
        for absent in ("sequence_batching", "ensemble_scheduling", "response_cache", "model_transaction_policy"):
            check(absent not in data, absent)


def statistics(directory):
    rows = b"[" + b",".join([b"1"] * 16) + b"]"
    with start() as daemon:
        status, data = daemon.json("GET", "/v2/models/m/stats")
        check(data["model_stats"][0]["last_inference"] == 0 and data["model_stats"][0]["batch_stats"] == [], data)
        check(daemon.post(INFER, infer(rows, b"[8,2]"))[0] == 200, "infer")
        check(daemon.post(INFER, infer(b"[1]"))[0] == 400, "refused by validation, counts nowhere")
        status, data = daemon.json("GET", "/v2/models/m/stats")
        stats = data["model_stats"][0]
        check(list(stats) == ["name", "version", "last_inference", "inference_count", "execution_count", "inference_stats",
                              "response_stats", "batch_stats", "memory_usage"], list(stats))
        check(stats["version"] == "1" and stats["inference_count"] == 8 and stats["execution_count"] == 1, stats)
        check(list(stats["inference_stats"]) == ["success", "fail", "queue", "compute_input", "compute_infer",
                                                 "compute_output", "cache_hit", "cache_miss"], stats)
        check(stats["inference_stats"]["success"]["count"] == 1 and stats["inference_stats"]["fail"]["count"] == 0, stats)
        check(stats["batch_stats"][0]["batch_size"] == 8 and stats["batch_stats"][0]["compute_infer"]["count"] == 1, stats)
        check(len(daemon.json("GET", "/v2/models/stats")[1]["model_stats"]) == 6, "all")
        check(daemon.json("GET", "/v2/models/m/versions/1/stats")[0] == 200, "by version")
        check(daemon.json("GET", "/v2/models/m/versions/9/stats")[0] == 404, "no version")
        check(daemon.json("GET", "/v2/models/none/stats") == (404, {"error": "requested model 'none' is not available"}), "none")


def repository(directory):
    with start() as daemon:
        status, data = daemon.json("POST", "/v2/repository/index")
        check(status == 200 and {"name": "m", "version": "1", "state": "READY"} in data, data)
        check(daemon.json("POST", "/v2/repository/anything/index", b'{"ready":true}') == (200, data), "ready ones")
        check(daemon.json("POST", "/v2/repository/index", b'{"ready":1}')[0] == 400, "ready must be a boolean")
        check(daemon.json("POST", "/v2/repository/models/m/load", b"{}") == (200, {"name": "m", "load": True}), "load")
        check(daemon.json("POST", "/v2/repository/models/m/unload", b'{"parameters":{"unload_dependents":false}}') ==
              (200, {"name": "m", "unload": True}), "unload")
        check(daemon.json("POST", "/v2/repository/models/m/unload")[0] == 200, "unloaded already")
        status, data = daemon.json("POST", INFER, infer())
        check(status == 404 and "has no available versions" in data["error"], data)
        check(daemon.json("GET", "/v2/models/m/ready")[0] == 503, "not ready")
        status, data = daemon.json("POST", "/v2/repository/index")
        entry = [item for item in data if item["name"] == "m"][0]
        check(entry["state"] in ("UNLOADING", "UNAVAILABLE"), entry)
        check(daemon.json("POST", "/v2/repository/models/m/load")[0] == 200, "load again")
        check(daemon.json("POST", INFER, infer()) == (200, OK), "infer again")
        check(daemon.json("POST", "/v2/repository/models/none/load")[0] == 404, "unknown")
        check(daemon.json("POST", "/v2/repository/models/none/unload")[0] == 404, "unknown")
        check(daemon.json("POST", "/v2/repository/models/m/load", b'{"parameters":{"file:1/model.h5":"AA=="}}')[0] == 501, "file")
        check(daemon.json("POST", "/v2/repository/models/m/load", b'{"parameters":{"x":1}}')[0] == 400, "parameter")
        check(daemon.json("POST", "/v2/repository/models/m/load", b"[")[0] == 400, "syntax")
        for parameters in (b"[1]", b"null", b"7"):
            status, data = daemon.json("POST", "/v2/repository/models/m/load", b'{"parameters":%s}' % parameters)
            check(status == 400 and "Unable to parse 'parameters'" in data["error"], data)
        check(daemon.json("POST", "/v2/repository/x/models/m/load")[0] == 501, "named repository")


def control(directory):
    """Who may reload: loopback names without Origin, or a token."""
    token = os.path.join(directory, "tokens")
    put(b"# who\nsecret\n", token)
    path = "/v1/config/reload"
    with start() as daemon, start("--control-token-file", token, "--loopback-control=off") as closed:
        check(daemon.post(path)[0] == 200, "as curl does")
        check(daemon.post(path, b"", {"Origin": "http://evil.example"})[0] == 403, "a web page")
        check(daemon.post(path, b"", {"Host": "evil.example"})[0] == 403, "a rebound name")
        check(daemon.post(path, b"", {"Host": "localhost:1"})[0] == 200, "localhost")
        for headers, status in (({}, 401), ({"Authorization": "Bearer wrong"}, 401), ({"Authorization": "Bearer secret"}, 200),
                                ({"X-API-Key": "secret"}, 200), ({"Authorization": "Bearer secret2"}, 401)):
            got, answer, _ = closed.post(path, b"", headers)
            check(got == status and answer["WWW-Authenticate"] == ("Bearer" if got == 401 else None), (headers, got))
        check(closed.post(INFER, infer())[0] == 200, "predictions need no token")


if __name__ == "__main__":
    run(vectors, strict, binary, raw, all_binary, datatypes, bad_strings, compressed, classification, server,
        configuration, statistics, repository, control)
