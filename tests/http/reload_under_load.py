#!/usr/bin/env python3
"""100 reloads under load by 8 clients: not one request fails, every answer is the model's. And what cannot be loaded
takes nothing away."""
import json
import os
import random
import threading

from daemon import DIGITS, Daemon, check, digit, eventually, put, run

CLIENTS = 8
RELOADS = int(os.environ.get("KERASD_TEST_RELOADS", "100"))  # fewer under a sanitizer on a busy machine


class Client(threading.Thread):
    """Predicts on one kept connection until told to stop; `wrong` is the first thing that was not right."""

    def __init__(self, daemon, n, over):
        super().__init__()
        self.daemon_process, self.n, self.over = daemon, n, over
        self.wrong, self.count = None, 0

    def run(self):
        connection = self.daemon_process.connect()
        body = digit(self.n)
        expected = None
        try:
            while not self.over.is_set() and not self.wrong:
                status, _, data = self.daemon_process.request("POST", "/v1/models/digits:predict", body,
                                                              connection=connection)
                if status != 200:
                    self.wrong = "status %d: %r" % (status, data[:200])
                    break
                row = json.loads(data)["predictions"][0]
                expected = expected or row
                if row != expected or row.index(max(row)) != self.n:
                    self.wrong = "another answer: %r" % row
                self.count += 1
        except Exception as error:
            self.wrong = "%s after %d answers: %s" % (type(error).__name__, self.count, error)
        connection.close()


def with_clients(daemon, act):
    over = threading.Event()
    clients = [Client(daemon, n, over) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        eventually(lambda: all(client.count or client.wrong for client in clients), "no answers")
        act()
    finally:
        over.set()
        for client in clients:
            client.join()
    for client in clients:
        check(client.wrong is None, client.wrong)


def reloads(directory):
    model = os.path.join(directory, "digits.h5")
    put(DIGITS, model)
    with Daemon("--no-watch", model) as daemon:
        def act():
            for i in range(RELOADS):
                if i % 2:
                    put(DIGITS, model)
                    status, data = daemon.json("POST", "/v1/config/reload")
                    check(status == 201, "reload: %d %r" % (status, data))
                else:
                    status, _, data = daemon.post("/v2/repository/models/digits/load")
                    check(status == 200, "load: %d %r" % (status, data))
        with_clients(daemon, act)
        metrics = daemon.get("/metrics")[2].decode()
        check('kerasd_model_loads_total{model="digits",outcome="ok"} %d\n' % (RELOADS + 1) in metrics, "loads counted")
        check('outcome="error"' not in metrics, "an inference failed")


def bad_files(directory):
    """Truncated, zero-filled, random: a clear error each, the old version serves on, then a good one comes."""
    model = os.path.join(directory, "digits.h5")
    with open(DIGITS, "rb") as file:
        good = file.read()
    put(good, model)
    bad = {"truncated": good[:len(good) // 2], "zeros": bytes(len(good)),
           "random": random.Random(1).randbytes(len(good)), "empty": b""}
    with Daemon("--no-watch", model) as daemon:
        def act():
            for name, content in bad.items():
                put(content, model)
                status, data = daemon.json("POST", "/v1/config/reload")
                check(status >= 400 and "digits" in data["error"], "%s: %d %r" % (name, status, data))
                status, data = daemon.json("GET", "/v1/models/digits")
                version = data["model_version_status"][0]
                check(status == 200 and version["state"] == "AVAILABLE", "%s: %r" % (name, data))
                check(version["status"]["error_code"] != "OK" and version["status"]["error_message"], "%r" % version)
                check(directory not in version["status"]["error_message"], "a path in a status")
            put(good, model)
            status, data = daemon.json("POST", "/v1/config/reload")
            check(status == 201, "%d %r" % (status, data))
            data = daemon.json("GET", "/v1/models/digits")[1]
            check(data["model_version_status"][0]["status"]["error_code"] == "OK", "%r" % data)
        with_clients(daemon, act)
        metrics = daemon.get("/metrics")[2].decode()
        check('kerasd_model_loads_total{model="digits",outcome="failed"} %d\n' % len(bad) in metrics, "failures counted")


def watched(directory):
    """Without a command: a file that is moved into place is noticed, and so is a directory of models."""
    models = os.path.join(directory, "models")
    os.mkdir(models)
    put(DIGITS, os.path.join(models, "digits.h5"))
    with Daemon(models) as daemon:
        def act():
            put(DIGITS, os.path.join(models, "digits.h5"))
            eventually(lambda: 'kerasd_model_loads_total{model="digits",outcome="ok"} 2\n' in
                       daemon.get("/metrics")[2].decode(), "not noticed")
            put(DIGITS, os.path.join(models, "other.h5"))
            eventually(lambda: daemon.get("/v1/models/other")[0] == 200, "not found")
        with_clients(daemon, act)


if __name__ == "__main__":
    run(reloads, bad_files, watched)
