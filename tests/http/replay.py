#!/usr/bin/env python3
"""The exchanges of real clients (tritonclient, the KServe SDK, requests), recorded byte for byte by tests/clients, replayed
without them: the same requests must get the same answers."""
import gzip
import json
import os
import re
import socket
import zlib

from daemon import PATIENCE, SOURCE, Daemon, check, run

FOLDER = os.path.join(SOURCE, "tests", "http")
# What differs from run to run: times, and fields that carry them.
VOLATILE_FIELDS = ("date", "x-request-id")
VOLATILE_VALUES = re.compile(r'"(ns|last_inference|count|inference_count|execution_count|byte_size)":\d+')


def take_apart(message):
    head, _, body = message.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
    return lines[0], fields, body


def essence(message):
    """Status line, fields and body, without what may differ."""
    line, fields, body = take_apart(message)
    encoding = fields.get("content-encoding")
    if encoding:
        body = gzip.decompress(body) if encoding == "gzip" else zlib.decompress(body)
    statistics = b'"model_stats"' in body
    if statistics:
        body = re.sub(r'"batch_stats":\[.*?\],"memory', '"batch_stats":[],"memory', body.decode()).encode()
        body = VOLATILE_VALUES.sub(r'"\1":0', body.decode()).encode()
    fields = {name: value for name, value in fields.items() if name not in VOLATILE_FIELDS}
    plain = body
    body = re.sub(rb'"count":\d+,"gpus"', b'"count":0,"gpus"', body)  # one per core
    body = re.sub(rb'^{"name":"kerasd","version":"[^"]*"', b'{"name":"kerasd","version":""', body)
    if encoding or statistics or body != plain:
        fields.pop("content-length")
    return line, fields, body


def read_answer(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    length = int(take_apart(data)[1].get("content-length", 0)) + data.index(b"\r\n\r\n") + 4
    while len(data) < length:
        piece = connection.recv(65536)
        check(piece, "the connection ended")
        data += piece
    return data


def replay(directory):
    with open(os.path.join(FOLDER, "recorded.json")) as file:
        exchanges = json.load(file)
    names = ("m", "ab", "hpt", "text", "same", "kinds")
    with Daemon(*[os.path.join(FOLDER, "models", name + ".h5") for name in names]) as daemon:
        host, port = daemon.address.split("//")[1].rsplit(":", 1)
        for exchange in exchanges:
            with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
                connection.sendall(exchange["request"].encode("latin-1"))
                got, want = essence(read_answer(connection)), essence(exchange["answer"].encode("latin-1"))
                check(got == want, "%s\n  got      %r\n  expected %r" % (exchange["call"], got, want))
        check(len(exchanges) > 60, "%d exchanges" % len(exchanges))


if __name__ == "__main__":
    run(replay)
