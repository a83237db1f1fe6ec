#!/usr/bin/env python3
"""HTTP as it arrives: pieces of any size, pipelining, framing that contradicts itself, limits, many connections."""
import gzip
import json
import os
import selectors
import socket
import subprocess
import threading
import zlib

from daemon import KERASD, PATIENCE, SOURCE, Daemon, check, eventually, run

MODELS = os.path.join(SOURCE, "tests", "http", "models")
PREDICT = "/v1/models/hpt:predict"
BODY = b'{"instances":[1.0,2.0,5.0]}'
ANSWER = b'{"predictions":[2.5,3.0,4.5]}'


def start(*extra, env=None):
    return Daemon(*extra, os.path.join(MODELS, "hpt.h5"), os.path.join(MODELS, "same.h5"), env=env)


def connect(daemon):
    host, port = daemon.address.split("//", 1)[1].rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def post(body=BODY, path=PREDICT, *fields):
    head = ["POST %s HTTP/1.1" % path, "Host: localhost", "Content-Length: %d" % len(body)] + list(fields)
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Reader:
    """Answers from a socket, one after the other."""

    def __init__(self, connection):
        self.connection, self.data = connection, b""

    def more(self):
        piece = self.connection.recv(65536)
        self.data += piece
        return piece != b""

    def answer(self):
        """(status, fields, body), or None if the connection ended."""
        while b"\r\n\r\n" not in self.data:
            if not self.more():
                return None
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        status = int(lines[0].split()[1])
        fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        length = int(fields.get("content-length", 0))
        while len(self.data) < length:
            if not self.more():
                return None
        body, self.data = self.data[:length], self.data[length:]
        return status, fields, body

    def closed(self):
        try:
            return not self.more()
        except ConnectionResetError:
            return True


def ask(daemon, data):
    with connect(daemon) as connection:
        connection.sendall(data)
        return Reader(connection).answer()


def byte_by_byte(directory):
    with start() as daemon, connect(daemon) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = Reader(connection)
        for request in (post(), post(BODY, PREDICT, "X-Request-Id: a")):
            for i in range(len(request)):
                connection.sendall(request[i:i + 1])
            check(reader.answer()[::2] == (200, ANSWER), "byte by byte")


def chunked(directory):
    with start() as daemon:
        head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % PREDICT.encode()
        for size in (1, 2, 7, 100):
            pieces = [BODY[i:i + size] for i in range(0, len(BODY), size)]
            data = head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
            check(ask(daemon, data)[::2] == (200, ANSWER), size)
        with connect(daemon) as connection:  # extensions, zeros, trailers: and the next request is found behind them
            reader = Reader(connection)
            for chunks in (b"1b;a=b;c=\"d\"\r\n%s\r\n0;x\r\n\r\n", b"0000001B\r\n%s\r\n000\r\n\r\n",
                           b"1b\r\n%s\r\n0\r\nX-Sum: 1\r\nContent-Length: 5\r\n\r\n"):
                connection.sendall((head + chunks % BODY + post()) * 2)
                check([reader.answer()[::2] for _ in range(4)] == [(200, ANSWER)] * 4, chunks)


def pipelined(directory):
    with start() as daemon, connect(daemon) as connection:
        reader = Reader(connection)
        connection.sendall(b"".join(post(b'{"instances":[%d]}' % i) for i in range(10)))
        for i in range(10):
            status, _, body = reader.answer()
            check(status == 200 and json.loads(body) == {"predictions": [i / 2 + 2]}, (i, body))
        bad = [post(b"x"), post(BODY, "/nope"), b"DELETE /v2 HTTP/1.1\r\nHost: x\r\n\r\n", post(BODY, PREDICT, "Content-Encoding: br"),
               b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 27\r\n\r\n" + BODY]
        connection.sendall(b"".join(one + post() for one in bad))  # refusals among them leave the others alone
        statuses = [reader.answer()[0] for _ in range(10)]
        check(statuses == [400, 200, 404, 200, 405, 200, 501, 200, 200, 200], statuses)


def framing(directory):
    """What the body is must be beyond doubt."""
    with start() as daemon:
        line = b"POST %s HTTP/1.1\r\nHost: localhost\r\n" % PREDICT.encode()
        chunks = b"1b\r\n" + BODY + b"\r\n0\r\n\r\n"
        for name, data, statuses in (
                ("two lengths", line + b"Content-Length: 27\r\nContent-Length: 28\r\n\r\n" + BODY, (400,)),
                ("length and chunks", line + b"Content-Length: 27\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, (400,)),
                ("chunks and length", line + b"Transfer-Encoding: chunked\r\nContent-Length: 27\r\n\r\n" + chunks, (400,)),
                ("two encodings", line + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n" + chunks, (400, 501)),
                ("other encoding", line + b"Transfer-Encoding: gzip\r\n\r\n" + BODY, (400, 501)),
                ("no number", line + b"Content-Length: abc\r\n\r\n" + BODY, (400, None)),
                ("negative", line + b"Content-Length: -5\r\n\r\n" + BODY, (400, None)),
                ("huge", line + b"Content-Length: 99999999999999999999999\r\n\r\n" + BODY, (400, 413, None)),
                ("a list", line + b"Content-Length: 27, 27\r\n\r\n" + BODY, (400, None)),
                ("largest", line + b"Content-Length: 18446744073709551615\r\n\r\n" + BODY, (413,)),
                ("blank before the colon", line + b"Content-Length : 27\r\n\r\n" + BODY, (400,)),
                ("chunks behind a blank", line + b"Transfer-Encoding : chunked\r\n\r\n" + chunks, (400,)),
                ("folded length", line + b"Content-Length: 2\r\n 7\r\n\r\n" + BODY, (400,)),
                ("length, folded on", line + b"Content-Length: 27\r\n X: y\r\n\r\n" + BODY, (400,)),
                ("folded encoding", line + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + chunks, (400,)),
                ("folded first", line.replace(b"Host", b" Host") + b"Content-Length: 27\r\n\r\n" + BODY, (400,)),
                ("bare CR", line + b"X: a\rb\r\nContent-Length: 27\r\n\r\n" + BODY, (400,)),
                ("two hosts", line + b"Host: localhost\r\nContent-Length: 27\r\n\r\n" + BODY, (400,)),
                ("no host", line.replace(b"Host", b"Hosts") + b"Content-Length: 27\r\n\r\n" + BODY, (400,)),
                ("bad chunk", line + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", (400, None)),
                ("hex chunk", line + b"Transfer-Encoding: chunked\r\n\r\n0x" + chunks, (400, None)),
                ("negative chunk", line + b"Transfer-Encoding: chunked\r\n\r\n-" + chunks, (400, None)),
                ("chunk too short", line + b"Transfer-Encoding: chunked\r\n\r\n" + chunks.replace(b"1b", b"1a"), (400, None)),
                ("huge chunk", line + b"Transfer-Encoding: chunked\r\n\r\nf" + b"f" * 16 + chunks, (400, 413, None))):
            with connect(daemon) as connection:
                connection.sendall(data)
                reader = Reader(connection)
                answer = reader.answer()
                check((answer and answer[0]) in statuses, (name, answer))
                check(not answer or reader.closed(), name)  # what comes behind is never taken for a request
        check(ask(daemon, post())[0] == 200, "still there")


def expect(directory):
    with start("--max-body", "1024") as daemon:
        with connect(daemon) as connection:
            reader = Reader(connection)
            head, body = post(BODY, PREDICT, "Expect: 100-continue").split(b"\r\n\r\n")
            connection.sendall(head + b"\r\n\r\n")
            check(reader.answer()[0] == 100, "go on")
            connection.sendall(body)
            check(reader.answer()[::2] == (200, ANSWER), "the answer")
        with connect(daemon) as connection:
            reader = Reader(connection)
            connection.sendall(post(b" " * 2000, PREDICT, "Expect: 100-continue")[:-2000])
            status, fields, body = reader.answer()
            check(status == 413 and fields["connection"].lower() == "close" and b"max_body" in body, (status, fields))
            check(reader.closed(), "closed")


def endless(directory):
    """A body in chunks that does not end is not read for ever once it is refused."""
    with start("--max-body", "100k", "--body-timeout", "1h") as daemon, connect(daemon) as connection:
        connection.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % PREDICT.encode())
        piece, sent = b"100000\r\n%s\r\n" % (b" " * 0x100000), 0
        try:
            while sent < 2048:
                connection.sendall(piece)
                sent += 1
        except OSError:
            pass
        check(sent < 2048, "2 GiB were read")
        check(ask(daemon, post())[0] == 200, "still there")


def too_large(directory):
    """Refused at the limit, whoever counts; the connection lives on where the body was short enough to be read."""
    with start("--max-body", "100k") as daemon, connect(daemon) as connection:
        reader = Reader(connection)
        connection.sendall(post(b" " * 200000))
        status, _, body = reader.answer()
        check(status == 413 and b"200000 bytes is larger than the limit of 102400 bytes" in body, body)
        connection.sendall(post())
        check(reader.answer()[::2] == (200, ANSWER), "goes on")
        head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % PREDICT.encode()
        connection.sendall(head)
        for _ in range(5):
            connection.sendall(b"8000\r\n%s\r\n" % (b" " * 32768))
        connection.sendall(b"0\r\n\r\n")
        check(reader.answer()[0] == 413, "chunks")
        connection.sendall(post(gzip.compress(b" " * 1000000), PREDICT, "Content-Encoding: gzip"))
        status, _, body = reader.answer()
        check(status == 413 and b"decompressed" in body, body)
        check(ask(daemon, post(BODY, "/" + "x" * 5000))[0] == 414, "target")
        check(ask(daemon, post(BODY, PREDICT, *["X-%d: %s" % (i, "y" * 900) for i in range(30)]))[0] == 431, "header")


def memory_of_a_byte():
    """The thread sanitizer keeps two bytes of its own beside each byte of the program."""
    version = subprocess.run([KERASD, "--version"], stdout=subprocess.PIPE, check=True).stdout
    return 3 if b"sanitizers=thread" in version else 1


def resident_kib(daemon):
    with open("/proc/%d/status" % daemon.process.pid) as file:
        return int([line for line in file if line.startswith("VmHWM")][0].split()[1])


def hostile_bodies(directory):
    """200 MB of JSON, a bomb, deep nesting: the peak of memory stays where it was. A build with the address sanitizer
    would keep freed memory to catch its use, and is told not to: this test is about what the daemon keeps."""
    options = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
    with start("--body-timeout", "1h", env=dict(os.environ, ASAN_OPTIONS=options.lstrip(":"))) as daemon:
        ask(daemon, post())
        before = resident_kib(daemon)
        share = memory_of_a_byte()
        grown = lambda: (resident_kib(daemon) - before) // share
        with connect(daemon) as connection:
            reader, piece = Reader(connection), b"1," * 500000
            connection.sendall(post(b"", PREDICT).replace(b"Length: 0", b"Length: 200000000"))
            for _ in range(200):
                connection.sendall(piece)
            check(reader.answer()[0] == 413, "200 MB")
        check(grown() < 8 * 1024, "200 MB that are announced: memory grew by %d KiB" % grown())
        with connect(daemon) as connection:
            reader, piece = Reader(connection), b"0.1234567," * 100000
            connection.sendall(b"POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % PREDICT.encode())
            connection.sendall(b"e\r\n{\"instances\":[\r\n")
            for _ in range(200):
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            connection.sendall(b"0\r\n\r\n")
            check(reader.answer()[0] == 413, "200 MB in chunks")
        check(grown() < 64 * 1024, "200 MB in chunks: memory grew by %d KiB, more than the limit of a body" % grown())
        bomb = zlib.compressobj(9, zlib.DEFLATED, 31)
        data = b"".join(bomb.compress(b'{"x":"' + b"a" * 1000000) for _ in range(300)) + bomb.flush()
        check(ask(daemon, post(data, PREDICT, "Content-Encoding: gzip"))[0] == 413, "bomb")
        check(ask(daemon, post(b"[" * 10000000))[0] == 400, "deep")
        check(ask(daemon, post(b'{"instances":' + b"[" * 10000000))[0] == 400, "deep instances")
        check(ask(daemon, post(b'{"instances":[' + b"1," * 5000000 + b"x]}"))[0] == 400, "many rows")
        check(grown() < 100 * 1024, "memory grew by %d KiB" % grown())
        check(ask(daemon, post())[0] == 200, "still there")


def all_at_once(directory):
    """128 connections become ready in the same moment, again and again."""
    with start() as daemon:
        connections = [connect(daemon) for _ in range(256)]
        for n in (128, 256, 128):
            for connection in connections[:n]:
                connection.sendall(post())
            for connection in connections[:n]:
                check(Reader(connection).answer()[::2] == (200, ANSWER), n)
        for connection in connections:
            connection.close()


def suspended_at_once(directory):
    """The same with jobs that wait in the queue."""
    with start("--inline-max-us", "0") as daemon:
        connections = [connect(daemon) for _ in range(128)]
        for _ in range(3):
            for connection in connections:
                connection.sendall(post())
            for connection in connections:
                check(Reader(connection).answer()[::2] == (200, ANSWER), "queued")
        for connection in connections:
            connection.close()


def idle(directory):
    with start("--max-connections", "1100") as daemon:
        connections = [connect(daemon) for _ in range(1000)]
        check(ask(daemon, post())[::2] == (200, ANSWER), "beside 1000 idle ones")
        for connection in connections[::100]:
            connection.sendall(post())
            check(Reader(connection).answer()[0] == 200, "of the idle ones")
        for connection in connections:
            connection.close()


def gone(directory):
    """Clients that leave in the middle of everything."""
    with start("--inline-max-us", "0") as daemon:
        for cut in range(1, len(post()), 7):
            with connect(daemon) as connection:
                connection.sendall(post()[:cut])
        for _ in range(50):
            connection = connect(daemon)
            connection.sendall(post())
            connection.close()
        check(ask(daemon, post())[0] == 200, "still there")
        in_flight = lambda: b"kerasd_http_requests_in_flight 1\n" in daemon.get("/metrics")[2]
        eventually(in_flight, "requests in flight: only the one that asks")


def http_versions(directory):
    with start() as daemon, connect(daemon) as connection:
        reader = Reader(connection)
        connection.sendall(b"GET /v2/health/live HTTP/1.0\r\n\r\n")
        status, fields, body = reader.answer()
        check(status == 200 and body == b'{"live":true}', body)
        check(reader.closed(), "HTTP/1.0 without keep-alive")
    with start() as daemon, connect(daemon) as connection:
        reader = Reader(connection)
        for _ in range(3):
            connection.sendall(post(BODY, PREDICT, "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"))
            check(reader.answer()[::2] == (200, ANSWER), "HTTP/1.0 with keep-alive")
        connection.sendall(post(BODY, PREDICT, "Connection: close"))
        check(reader.answer()[::2] == (200, ANSWER) and reader.closed(), "close")
    with start() as daemon:
        for line in (b"GET /livez HTTP/2.0", b"PRI * HTTP/2.0", b"GET /livez HTTP/9", b"hello world", b"GET /"):
            check(ask(daemon, line + b"\r\nHost: x\r\n\r\n")[0] in (400, 505), line)
        check(ask(daemon, b"\r\n\r\n" + post())[0] == 200, "empty lines before a request")


def ids(directory):
    with start("--access-log", "--log-format", "json") as daemon:
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        for fields, want in ((["X-Request-Id: abc-1"], "abc-1"), (["traceparent: " + trace], trace[3:35]),
                             (["X-Request-Id: bad id", "traceparent: " + trace], trace[3:35])):
            check(ask(daemon, post(BODY, PREDICT, *fields))[1]["x-request-id"] == want, want)
        for field in ("X-Request-Id: " + "x" * 129, "traceparent: 00-" + "0" * 32 + "-b7ad6b7169203331-01", "X-Request-Id: a\tb"):
            check(len(ask(daemon, post(BODY, PREDICT, field))[1]["x-request-id"]) == 32, field)
        ask(daemon, post(b'{"instances":["\\n"]}'))
        ask(daemon, b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        entries = lambda: [json.loads(line) for line in daemon.lines if '"msg":"request"' in line]
        eventually(lambda: len(entries()) >= 7, "access log: " + daemon.log())
        by_id = {entry["request_id"]: entry for entry in entries()}
        first = by_id["abc-1"]
        for key, value in (("method", "POST"), ("path", PREDICT), ("status", 200), ("model", "hpt"), ("rows", 3),
                           ("request_id", "abc-1"), ("bytes_in", len(BODY)), ("remote", "127.0.0.1")):
            check(first.get(key) == value, (key, first))
        second = by_id[trace[3:35]]
        check(second["trace_id"] == trace[3:35] and len(second["span_id"]) == 16, second)
        check(any("error" in entry and entry["status"] == 400 for entry in entries()), "the refused one")
        check(not any("health" in entry["path"] for entry in entries()), "health is quiet")


def deadline(directory):
    with start("--inline-max-us", "0", "--batch-delay-us", "1000000") as daemon:
        for field in ("X-Request-Timeout-Ms: 20", "X-Envoy-Expected-Rq-Timeout-Ms: 20", "grpc-timeout: 20m"):
            status, _, body = ask(daemon, post(BODY, PREDICT, field))
            check(status == 504, (field, status, body))
        body = b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}],"parameters":{"timeout":20000}}'
        check(ask(daemon, post(body, "/v2/models/hpt/infer"))[0] == 504, "timeout of V2")


def slow(directory):
    """A client that does not finish its header or body is told so and let go; others do not notice."""
    with start("--header-timeout", "1s", "--body-timeout", "1s") as daemon:
        for cut in (60, len(post()) - 5):
            with connect(daemon) as connection:
                connection.sendall(post()[:cut])
                status, fields, body = Reader(connection).answer()
                check(status == 408 and json.loads(body) == {"error": "the request took too long to arrive"}, (status, body))
        with connect(daemon) as connection:
            connection.sendall(post()[:-5])
            connection.shutdown(socket.SHUT_WR)
            check(Reader(connection).closed(), "half a body and no more")
        with connect(daemon) as connection:
            connection.sendall(post())
            connection.shutdown(socket.SHUT_WR)
            check(Reader(connection).answer()[::2] == (200, ANSWER), "a whole request and no more")
        check(ask(daemon, post())[0] == 200, "still there")


def drip(daemon, data, stop):
    with connect(daemon) as connection:
        while not stop.wait(0.05):
            try:
                connection.sendall(data)
            except OSError:
                return


def starved(directory):
    """All connections but a few are held by clients that send a byte now and then."""
    stop = threading.Event()
    with start("--max-connections", "100", "--max-connections-per-address", "0") as daemon:
        threads = [threading.Thread(target=drip, args=(daemon, b"x", stop)) for _ in range(20)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):
                check(ask(daemon, post())[0] == 200, "beside slow ones")
        finally:
            stop.set()
            for thread in threads:
                thread.join()


if __name__ == "__main__":
    run(byte_by_byte, chunked, pipelined, framing, expect, endless, too_large, hostile_bodies, all_at_once, suspended_at_once,
        idle, gone, http_versions, ids, deadline, slow, starved)
