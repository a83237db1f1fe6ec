#!/usr/bin/env python3
"""What operators use: the other listeners, the access log, the documents of the interface, files that are copied slowly."""
import http.client
import json
import os
import re
import socket
import time

from daemon import DIGITS, SOURCE, Daemon, check, digit, eventually, run

MODELS = os.path.join(SOURCE, "tests", "http", "models")
HPT = os.path.join(MODELS, "hpt.h5")
PREDICT, ROW = "/v1/models/hpt:predict", b'{"instances":[3]}'


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def ask_unix(path, method, target, body=b""):
    connection = UnixConnection(path)
    connection.request(method, target, body)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data


def listeners(directory):
    """Control on a Unix socket of its own, metrics on another; each serves what it is for, and they go with the daemon."""
    admin, metrics = os.path.join(directory, "admin.sock"), os.path.join(directory, "metrics.sock")
    with Daemon("--admin-listen", "unix:" + admin, "--metrics-listen", "unix:" + metrics, "--loopback-control=off", HPT) as daemon:
        status, _, data = daemon.post("/v1/config/reload")
        check(status == 403 and b"admin_listen" in data, (status, data))
        check(daemon.post(PREDICT, ROW)[0] == 200, "predictions need nothing")
        check(ask_unix(admin, "POST", "/v1/config/reload")[0] == 200, "reload")
        check(ask_unix(admin, "POST", "/v2/repository/models/hpt/load")[0] == 200, "load")
        check(ask_unix(admin, "POST", PREDICT, ROW)[0] == 200, "predict")
        check(os.stat(admin).st_mode & 0o777 == 0o660, oct(os.stat(admin).st_mode))
        status, data = ask_unix(metrics, "GET", "/metrics")
        check(status == 200 and b"kerasd_build_info" in data, (status, data[:100]))
        check(ask_unix(metrics, "GET", "/readyz")[0] == 200, "health")
        for method, path in (("POST", PREDICT), ("GET", "/v1/models"), ("POST", "/v1/config/reload")):
            check(ask_unix(metrics, method, path)[0] == 404, path)
    check(not os.path.exists(admin) and not os.path.exists(metrics), "sockets are left")
    left = socket.socket(socket.AF_UNIX)
    left.bind(admin)
    left.close()  # a socket that nobody listens on any more is no hindrance
    with Daemon(HPT, listen="unix:" + admin) as daemon:
        check(ask_unix(admin, "POST", PREDICT, ROW) == (200, b'{"predictions":[3.5]}'), "data on a Unix socket")


def access_log(directory):
    """One line per request, readable; what clients send cannot make another one."""
    with Daemon("--access-log", HPT) as daemon:
        daemon.post(PREDICT, ROW, {"X-Request-Id": "first", "User-Agent": "a'b\\c level=error"})
        daemon.post("/v1/models/x%0aforged%20line:predict", ROW, {"X-Request-Id": "second"})
        daemon.get("/livez")
        entries = lambda: [line for line in daemon.lines if " request " in line]
        eventually(lambda: len(entries()) >= 2, "no lines")
        first, second = entries()
        for word in ("method='POST'", "path='%s'" % PREDICT, "status=200", "request_id='first'", "model='hpt'", "rows=1",
                     "bytes_in=%d" % len(ROW), "remote='127.0.0.1'", "queue_ms=", "compute_ms=", "dur_ms="):
            check(word in first, (word, first))
        check("user_agent='a\\'b\\\\c level=error'" in first, first)
        check("status=404" in second and "request_id='second'" in second and "error=" in second, second)
        check(all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z (info|notice|warn|error) |listening on ", line) for line in daemon.lines),
              daemon.log())
        check("x?forged line" in second, second)


def references(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def documents(directory):
    """/openapi.json: complete in itself, with the loaded models' own paths and inputs, also after a change. /docs: one page
    that fetches nothing from elsewhere."""
    with Daemon(HPT, DIGITS, os.path.join(MODELS, "ab.h5")) as daemon:
        status, data = daemon.json("GET", "/openapi.json")
        check(status == 200 and data["openapi"].startswith("3.1"), data["openapi"])
        for reference in references(data):
            node = data
            for part in reference[2:].split("/"):
                node = node[part]
        ids = [operation["operationId"] for path in data["paths"].values() for operation in path.values() if "operationId" in operation]
        check(len(ids) == len(set(ids)) and len(ids) > 50, "operation ids")
        for path in ("/v1/models/hpt:predict", "/v1/models/hpt/versions/1:predict", "/v2/models/ab/infer", "/v1/models/{model}/metadata",
                     "/v1/config/reload", "/v2/repository/models/{model}/load", "/metrics", "/livez"):
            check(path in data["paths"], path)
        body = data["paths"]["/v1/models/digits:predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        row = body["properties"]["instances"]["anyOf"][0]["items"]
        check((row["minItems"], row["maxItems"], row["items"]) == (784, 784, {"type": "number"}), row)
        check(daemon.post("/v2/repository/models/ab/unload")[0] == 200, "unload")
        check("/v2/models/ab/infer" not in daemon.json("GET", "/openapi.json")[1]["paths"], "what is not loaded is not offered")
        for path in ("/docs", "/"):
            status, headers, page = daemon.request("GET", path, headers={"Accept": "text/html"})
            check(status == 200 and headers["Content-Type"].startswith("text/html"), headers)
            check(not re.search(rb"""(src|href)\s*=\s*["']?(https?:)?//|@import|url\(\s*["']?(https?:)?//""", page), "from elsewhere")


def slow_copy(directory):
    """A file that is still being written is left alone until it rests; nobody sees half a model."""
    file = os.path.join(directory, "digits.h5")
    with open(DIGITS, "rb") as source:
        content = source.read()
    with Daemon("--settle-time", "3s", directory, HPT) as daemon:
        step, longest, before = len(content) // 20 + 1, 0, time.monotonic()
        with open(file, "wb") as target:
            for at in range(0, len(content), step):
                target.write(content[at:at + step])
                target.flush()
                longest, before = max(longest, time.monotonic() - before), time.monotonic()
                check(daemon.post("/v1/models/digits:predict", digit(3))[0] in (404, 503), "half a file serves")
        eventually(lambda: daemon.post("/v1/models/digits:predict", digit(3))[0] == 200, "it never comes")
        tried = b'kerasd_model_loads_total{model="digits",outcome="failed"}' in daemon.get("/metrics")[2]
        check(not tried or longest > 2, "half a file was tried")  # unless this test itself rested for long


def deadlines_and_order(directory):
    """The headers and parameters in use are taken; what makes no sense is ignored or refused by name."""
    infer = b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[3]}],"parameters":{"%s":%s}}'
    with Daemon(HPT) as daemon:
        for headers in ({"Priority": "u=0"}, {"Priority": "u=7, i"}, {"Priority": "x"}, {"grpc-timeout": "10S"}, {"grpc-timeout": "x"},
                        {"X-Request-Timeout-Ms": "60000"}, {"X-Request-Timeout-Ms": "-1"}, {"X-Request-Timeout-Ms": "soon"},
                        {"X-Envoy-Expected-Rq-Timeout-Ms": "15000"}, {"traceparent": "00-x"}, {"tracestate": "a=b"}, {"Expect": "x"}):
            check(daemon.post(PREDICT, ROW, headers)[0] == 200, headers)
        for name, value, status in ((b"priority", b"1", 200), (b"priority", b"0", 200), (b"priority", b"999", 200),
                                    (b"priority", b"-1", 400), (b"priority", b'"1"', 400), (b"timeout", b"0", 200),
                                    (b"timeout", b"60000000", 200), (b"timeout", b"1.5", 400), (b"timeout", b"9223372036854775807", 200),
                                    (b"sequence_id", b"7", 200), (b"sequence_start", b"true", 200), (b"sequence_end", b"1", 400)):
            got, _, data = daemon.post("/v2/models/hpt/infer", infer % (name, value))
            check(got == status and (status == 200 or name in data), (name, value, got, data))


if __name__ == "__main__":
    run(listeners, access_log, documents, slow_copy, deadlines_and_order)
