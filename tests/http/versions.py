#!/usr/bin/env python3
"""Versions, policies, labels and the life of models, as people operate them: by configuration, reload and directories;
and the probes that look at them."""
import json
import os
import signal

from daemon import SOURCE, Daemon, check, eventually, put, run

MODELS = os.path.join(SOURCE, "tests", "http", "models")
HPT, ROW = os.path.join(MODELS, "hpt.h5"), b'{"instances":[3]}'


def with_versions(directory, *numbers):
    """DIRECTORY/a with a model for each number."""
    base = os.path.join(directory, "a")
    for number in numbers:
        os.makedirs(os.path.join(base, str(number)))
        put(HPT, os.path.join(base, str(number), "model.h5"))
    return base


def configure(directory, text):
    path = os.path.join(directory, "kerasd.conf")
    put(text.encode(), path)
    return path


def states(daemon, model="a"):
    """{version: state} of those that are not ended."""
    status, data = daemon.json("GET", "/v1/models/" + model)
    check(status in (200, 503), (status, data))
    return {int(one["version"]): one["state"] for one in data["model_version_status"] if one["state"] != "END"}


def available(daemon, *numbers, model="a"):
    eventually(lambda: states(daemon, model) == {n: "AVAILABLE" for n in numbers}, "%s: %s" % (numbers, states(daemon, model)))


def asks(daemon, path):
    """Status of a prediction, and the version that the statistics say served it."""
    return daemon.post("/v1/models/a%s:predict" % path, ROW)[0]


def policies(directory):
    """latest N, all, specific; without a version the largest available one serves."""
    base = with_versions(directory, 1, 2, 3, 10)
    text = "[model a]\npath = %s\nversions = %s\n"
    for policy, numbers in (("latest 1", (10,)), ("latest 2", (3, 10)), ("latest 9", (1, 2, 3, 10)), ("all", (1, 2, 3, 10)),
                            ("specific 2", (2,)), ("specific 1 3", (1, 3))):
        with Daemon("--config", configure(directory, text % (base, policy)), "--no-watch") as daemon:
            available(daemon, *numbers)
            check(asks(daemon, "") == 200, policy)
            for number in (1, 2, 3, 10):
                check(asks(daemon, "/versions/%d" % number) == (200 if number in numbers else 404), (policy, number))
            check(daemon.json("GET", "/v2/models/a")[1]["versions"] == [str(number) for number in numbers], policy)
            check(daemon.json("GET", "/v1/models/a/metadata")[1]["model_spec"]["version"] == str(numbers[-1]), policy)
            _, data = daemon.json("POST", "/v2/models/a/infer", b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[3]}]}')
            check(data["model_version"] == str(numbers[-1]), (policy, data))


def policy_by_reload(directory):
    """A policy that changes takes effect at a reload; what goes is told as ended."""
    base = with_versions(directory, 1, 2, 3)
    text = "[model a]\npath = %s\nversions = %s\n"
    config = configure(directory, text % (base, "latest 1"))
    with Daemon("--config", config, "--no-watch") as daemon:
        for policy, numbers in (("all", (1, 2, 3)), ("specific 1", (1,)), ("latest 2", (2, 3))):
            configure(directory, text % (base, policy))
            status, data = daemon.json("POST", "/v1/config/reload")
            check(status in (200, 201), data)
            available(daemon, *numbers)
        check(asks(daemon, "/versions/1") == 404, "gone")
        status, data = daemon.json("GET", "/v1/models/a/versions/1")
        check(status == 200 and data["model_version_status"][0]["state"] == "END", data)
        check(daemon.json("POST", "/v1/config/reload")[0] == 200, "nothing new: 200")


def canary(directory):
    """The recipe of TensorFlow Serving's documentation: two versions, two labels; promote by moving a label."""
    base = with_versions(directory, 1, 2)
    text = "[model a]\npath = %s\nversions = specific %s\nlabels = %s\n"
    config = configure(directory, text % (base, "1 2", "stable:1 canary:2"))
    with Daemon("--config", config, "--no-watch") as daemon:
        served = lambda path: daemon.json("GET", "/v1/models/a%s/metadata" % path)[1].get("model_spec", {}).get("version")
        check((served("/labels/stable"), served("/labels/canary"), served("")) == ("1", "2", "2"), "labels")
        check(asks(daemon, "/labels/stable") == 200 and asks(daemon, "/labels/canary") == 200, "predict by label")
        status, data = daemon.json("GET", "/v1/models/a/labels/stable")
        check(status == 200 and [one["version"] for one in data["model_version_status"]] == ["1"], data)
        configure(directory, text % (base, "1 2", "stable:2 canary:2"))
        check(daemon.json("POST", "/v1/config/reload")[0] in (200, 201), "moved")
        check(served("/labels/stable") == "2", "promoted")
        configure(directory, text % (base, "2", "stable:2"))
        check(daemon.json("POST", "/v1/config/reload")[0] in (200, 201), "version 1 goes")
        available(daemon, 2)
        status, data = daemon.json("POST", "/v1/models/a/labels/canary:predict", ROW)
        check(status == 400 and "Unrecognized servable version label: canary" in data["error"], data)
        configure(directory, text % (base, "2", "stable:9"))
        status, data = daemon.json("POST", "/v1/config/reload")
        check(status >= 400 and "not currently available" in data["error"], (status, data))
        check(asks(daemon, "/labels/stable") == 200 and served("/labels/stable") == "2", "a label that cannot move stays")


def reload_by_config(directory):
    """Declarative: new models come, missing ones go, a wrong configuration changes nothing."""
    text = "[model %s]\npath = %s\n"
    config = configure(directory, text % ("a", HPT))
    with Daemon("--config", config) as daemon:
        configure(directory, text % ("a", HPT) + text % ("b", HPT))
        status, data = daemon.json("POST", "/v1/config/reload")
        check(status == 201 and data["b"]["model_version_status"][0]["state"] == "AVAILABLE", (status, data))
        check(daemon.json("GET", "/v1/config")[1].keys() == {"a", "b"}, "config")
        for wrong in ("[model a]\npath = relative.h5\nfoo = 1\n", "[model a]\npath = %s\n[model a]\npath = %s\n" % (HPT, HPT),
                      "max_body = banana\n"):
            configure(directory, wrong)
            status, data = daemon.json("POST", "/v1/config/reload")
            check(status == 400 and "kerasd.conf:" in data["error"], (status, data))
            check(asks(daemon, "") == 200 and daemon.get("/v1/models/b")[0] == 200, "they serve on")
        configure(directory, text % ("b", HPT))
        check(daemon.json("POST", "/v1/config/reload")[0] in (200, 201), "a goes")
        eventually(lambda: asks(daemon, "") == 404, "a serves on")
        check(daemon.json("GET", "/v1/models")[1] == {"models": ["b"]}, "list")


def probes(directory):
    """Readiness needs all required models; liveness none. KServe's and TensorFlow Serving's views of a failed one."""
    bad = os.path.join(directory, "bad.h5")
    put(b"\x89HDF\r\n\x1a\n broken", bad)
    config = configure(directory, "[model good]\npath = %s\n[model bad]\npath = %s\n" % (HPT, bad))
    with Daemon("--config", config, "--no-watch") as daemon:
        eventually(lambda: daemon.json("GET", "/v1/models/bad")[1]["model_version_status"][0]["state"] == "END", "failed")
        for path, status in (("/v2/health/ready", 503), ("/readyz", 503), ("/v2/health/live", 200), ("/livez", 200), ("/healthz", 200),
                             ("/", 200), ("/ping", 200), ("/v1/models/bad", 503), ("/v1/models/good", 200),
                             ("/v2/models/bad/ready", 503), ("/v2/models/good/ready", 200), ("/v1/models/bad/versions/1", 200)):
            got, headers, data = daemon.get(path)
            check(got == status, (path, got, data))
            check((headers["Retry-After"] == "1") == (got == 503), (path, headers["Retry-After"]))
            check(directory not in data.decode(), "a path in an answer: %r" % data)
        status, data = daemon.json("GET", "/readyz?verbose")
        check(status == 503 and {item["name"]: item["state"] for item in data["models"]} == {"good": "AVAILABLE", "bad": "END"}, data)
        status, data = daemon.json("GET", "/v1/models/bad")
        version = data["model_version_status"][0]
        check(data["ready"] is False and version["status"]["error_code"] == "INVALID_ARGUMENT", data)
        status, headers, data = daemon.post("/v1/models/bad:predict", ROW)
        check(status == 503 and headers["Retry-After"] == "1" and directory not in data.decode(), (status, data))
        status, data = daemon.json("POST", "/v2/models/bad/infer", b"{}")
        check(status == 404 and "has no available versions" in data["error"], (status, data))
        check({"name": "good", "version": "1", "state": "READY"} in daemon.json("POST", "/v2/repository/index", b'{"ready":true}')[1], "index")
        index = daemon.json("POST", "/v2/repository/index")[1]
        check([item["state"] for item in index] == ["UNAVAILABLE", "READY"] and index[0]["reason"], index)
        put(HPT, bad)
        check(daemon.json("POST", "/v1/config/reload")[0] == 201, "a good file comes")
        check(daemon.get("/v2/health/ready")[0] == 200 and daemon.get("/v1/models/bad")[0] == 200, "ready now")
    with Daemon("--config", config, "--no-watch", "--status-always-200") as daemon:
        check(daemon.post("/v2/repository/models/bad/unload")[0] == 200, "unload")
        check(daemon.get("/v1/models/bad")[0] == 200, "as TensorFlow Serving")
        check(daemon.get("/v2/health/ready")[0] == 200, "what was unloaded on purpose is not missed")


def ended(directory):
    """The list of ended versions does not grow without end."""
    base = with_versions(directory, 1)
    with Daemon("--no-watch", "a=" + base) as daemon:
        for number in range(2, 16):
            with_versions(directory, number)
            check(daemon.post("/v1/config/reload")[0] == 201, number)
        available(daemon, 15)
        eventually(lambda: len(daemon.json("GET", "/v1/models/a")[1]["model_version_status"]) <= 10, "the list grows")


def directories(directory):
    """Versions come and go with their directories; a folder that is still being filled is not taken; the last is kept."""
    base = with_versions(directory, 1)
    with Daemon("--settle-time", "200ms", "a=" + base) as daemon:
        with_versions(directory, 2)
        available(daemon, 2)
        for name in ("x", "3.tmp", "-4", "5"):  # no versions: other names, and an empty folder
            os.makedirs(os.path.join(base, name))
        with_versions(directory, "007")
        available(daemon, 7)
        os.remove(os.path.join(base, "007", "model.h5"))
        os.rmdir(os.path.join(base, "007"))
        available(daemon, 2)
        check(asks(daemon, "") == 200, "the older one serves again")


def unloaded(directory):
    """What a command unloaded stays unloaded, whatever its file does, until a command loads it."""
    file = os.path.join(directory, "a.h5")
    put(HPT, file)
    with Daemon(file) as daemon:
        check(daemon.post("/v2/repository/models/a/unload")[0] == 200, "unload")
        eventually(lambda: states(daemon) == {}, "still there")
        put(HPT, file)
        daemon.process.send_signal(signal.SIGHUP)
        check(daemon.post("/v1/config/reload")[0] in (200, 201), "reload")
        check(asks(daemon, "") == 503 and daemon.get("/v1/models/a")[0] == 503, "it came back")
        entry = daemon.json("POST", "/v2/repository/index")[1][0]
        check(entry["state"] == "UNAVAILABLE" and entry["reason"] == "unloaded", entry)
        check(daemon.post("/v2/repository/models/a/load")[0] == 200 and asks(daemon, "") == 200, "load")


if __name__ == "__main__":
    run(policies, policy_by_reload, canary, reload_by_config, probes, ended, directories, unloaded)
