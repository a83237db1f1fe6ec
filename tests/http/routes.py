#!/usr/bin/env python3
"""Every route with every method, and every way to write a target."""
import json
import os
import socket

from daemon import PATIENCE, SOURCE, Daemon, check, run

MODELS = os.path.join(SOURCE, "tests", "http", "models")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "QUERY", "PROPFIND", "get", "X" * 3000)
GET, POST, BOTH = "GET, HEAD, OPTIONS", "POST, OPTIONS", "GET, HEAD, POST, OPTIONS"
ROUTES = [
    ("/", GET), ("/livez", GET), ("/readyz", GET), ("/healthz", GET), ("/ping", GET), ("/metrics", GET), ("/docs", GET),
    ("/monitoring/prometheus/metrics", GET), ("/openapi.json", GET),
    ("/v1/models", GET), ("/v1/config", GET), ("/v1/config/reload", POST),
    ("/v1/models/hpt", GET), ("/v1/models/hpt/versions/1", GET), ("/v1/models/hpt/labels/x", GET),
    ("/v1/models/hpt/metadata", GET), ("/v1/models/hpt/versions/1/metadata", GET),
    ("/v1/models/hpt:predict", POST), ("/v1/models/hpt/versions/1:predict", POST), ("/v1/models/hpt/labels/x:predict", POST),
    ("/v1/models/hpt:classify", POST), ("/v1/models/hpt:regress", POST), ("/v1/models/hpt:explain", POST),
    ("/v2", GET), ("/v2/health/live", GET), ("/v2/health/ready", GET), ("/v2/models", GET), ("/v2/models/stats", GET),
    ("/v2/models/hpt", GET), ("/v2/models/hpt/versions/1", GET), ("/v2/models/hpt/ready", GET),
    ("/v2/models/hpt/versions/1/ready", GET), ("/v2/models/hpt/config", GET), ("/v2/models/hpt/versions/1/config", GET),
    ("/v2/models/hpt/stats", GET), ("/v2/models/hpt/versions/1/stats", GET),
    ("/v2/models/hpt/infer", POST), ("/v2/models/hpt/versions/1/infer", POST), ("/v2/models/hpt/generate", POST),
    ("/v2/models/hpt/generate_stream", POST), ("/v2/repository/index", POST), ("/v2/repository/x/index", POST),
    ("/v2/repository/models/hpt/load", POST), ("/v2/repository/models/hpt/unload", POST),
    ("/v2/trace/setting", BOTH), ("/v2/logging", BOTH), ("/v2/models/hpt/trace/setting", BOTH),
    ("/v2/systemsharedmemory/status", GET), ("/v2/cudasharedmemory/region/a/status", GET),
    ("/v2/systemsharedmemory/region/a/register", POST), ("/v2/systemsharedmemory/unregister", POST),
]


def start(*extra):
    return Daemon(*extra, os.path.join(MODELS, "hpt.h5"))


def raw(daemon, data):
    """(status, fields, body) of an answer to bytes."""
    host, port = daemon.address.split("//")[1].rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(data)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:])
        while len(body) < int(fields.get("Content-Length", 0)):
            body += connection.recv(65536)
        return int(lines[0].split()[1]), fields, body


def method_wanted(path, allow, method):
    """The status and Allow of a method that the route does not take."""
    if path.startswith("/v1/models/") and method in ("GET", "POST"):
        return 400, None  # as TensorFlow Serving
    return 405, allow


def every_method(directory):
    with start() as daemon:
        connection = daemon.connect()
        for path, allow in ROUTES:
            for method in METHODS:
                if method in allow.split(", "):
                    continue
                status, headers, data = daemon.request(method, path, connection=connection)
                check((status, headers["Allow"]) == method_wanted(path, allow, method), (method[:9], path, status, headers["Allow"]))
                check(headers["Content-Type"] == "application/json" and len(data) < 1000, (method[:9], path))
                check(method == "HEAD" or list(json.loads(data)) == ["error"], data)
            status, headers, data = daemon.request("OPTIONS", path, connection=connection)
            if path.startswith("/v1/"):
                check(status == 400, (path, status))  # without an Origin, as TensorFlow Serving
            else:
                check((status, headers["Allow"], data) == (204, allow, b""), (path, status))
        status, headers, _ = daemon.request("OPTIONS", "*", connection=connection)
        check((status, headers["Allow"]) == (204, BOTH), "the server as a whole")


def head_is_get(directory):
    changing = ("/metrics", "/monitoring/prometheus/metrics")
    with start() as daemon:
        connection = daemon.connect()
        for path, allow in ROUTES:
            if "GET" not in allow:
                continue
            for target in (path, path + "/", path + "?a=b&c"):
                want = daemon.request("GET", target.replace("//", "/"), connection=connection)
                got = daemon.request("HEAD", target.replace("//", "/"), connection=connection)
                check(got[0] == want[0] and got[2] == b"" and got[1]["Content-Type"] == want[1]["Content-Type"], target)
                check(path in changing or got[1]["Content-Length"] == want[1]["Content-Length"], target)
                check(int(want[1]["Content-Length"]) == len(want[2]), target)


def targets(directory):
    body = b'{"instances":[3]}'
    end = b" HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with start() as daemon:
        for target in ("/v1/models/hpt:predict", "/v1/models/h%70t:predict", "/v1/models/%68%70%74:predict?x=%00",
                       "http://localhost/v1/models/hpt:predict", "HTTP://example.org:80/v1/models/hpt:predict?x",
                       "https://[::1]:1/v1/models/hpt:predict", "/v1/models/hpt:predict#part", "/V1/MODELS/hpt:predict"):
            got = raw(daemon, b"POST " + target.encode() + end)
            check(got[::2] == (200, b'{"predictions":[3.5]}'), (target, got))
        for target, status in (("http://localhost", 200), ("http://localhost?x", 200), ("http://localhost/livez", 200),
                               ("http://localhost/nope", 404), ("ftp://localhost/livez", 404), ("livez", 404), ("//livez", 404),
                               ("/v2/../livez", 404), ("/v2/%2e%2e/livez", 404), ("/%6civez", 404), ("*", 404)):
            got = raw(daemon, b"GET " + target.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            check(got[0] == status and got[1]["Content-Type"] == "application/json", (target, got))
        check(raw(daemon, b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n")[0] == 404, "CONNECT")


def odd_names(directory):
    """Names that no model has: never found as another one, never a path, told back as valid UTF-8 in one line of JSON."""
    with start() as daemon:
        for name, said in (("a%2Fb", "a/b"), ("..%2f..%2fetc%2fpasswd", "../../etc/passwd"), ("a%3Ab", "a:b"), ("a%20b", "a b"),
                           ("%C3%A9", "\u00e9"), ("a%00b", "a?b"), ("a%0d%0ab", "a\r\nb"), ("%ff%fe", "\ufffd\ufffd"), ("a%zz%1", "a%zz%1"),
                           ("hpt%2fversions%2f1", "hpt/versions/1"), ("HPT", "HPT"), ("hpt%00", "hpt?"), ("x" * 1000, "x" * 256)):
            status, headers, data = daemon.get("/v1/models/" + name)
            check(status == 404 and json.loads(data) == {"error": "Could not find any versions of model " + said}, (name, data))
            check(b"\n" not in data and b"\r" not in data, data)
            status, headers, data = daemon.request("POST", "/v2/models/%s/infer" % name, b"{}")
            check(status in (400, 404) and list(json.loads(data)) == ["error"], (name, data))
            status, headers, data = daemon.request("POST", "/v2/repository/models/%s/load" % name)
            check(status == 404 and directory not in data.decode(), (name, data))


if __name__ == "__main__":
    run(every_method, head_is_get, targets, odd_names)
