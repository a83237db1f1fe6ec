#!/usr/bin/env python3
"""/metrics: the text format, the counts, and the rules that `promtool check metrics` knows (promtool itself if it is
there). The names of TensorFlow Serving and Triton break those rules; they are the same on a switch."""
import json
import re
import shutil
import subprocess

from daemon import DIGITS, Daemon, check, digit, run

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')


def parse(text):
    """{family: (type, {(name, labels): value})}; every rule of the format that is broken is an error."""
    families, family, described = {}, None, None
    check(text.endswith("\n"), "the last line has no end")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
            check(family not in families, "%s comes twice" % family)
            check(line.split(" ", 3)[3].strip(), "%s has no help" % family)
            families[family] = (None, {})
        elif line.startswith("# TYPE "):
            _, _, described, kind = line.split(" ")
            check(described == family, "TYPE of %s after HELP of %s" % (described, family))
            families[family] = (kind, {})
        else:
            match = SAMPLE.match(line)
            check(match, "not a sample: %r" % line)
            name, labels, value = match.groups()
            kind, samples = families[family]
            base = re.sub("_(bucket|sum|count)$", "", name) if kind == "histogram" else name
            check(base == family, "%s among the samples of %s" % (name, family))
            check("".join(m.group(0) for m in LABEL.finditer(labels or "")) == (labels or ""), "labels: %r" % line)
            key = (name, tuple(LABEL.findall(labels or "")))
            check(key not in samples, "%r comes twice" % line)
            samples[key] = float(value)
    for family, (kind, samples) in families.items():
        if kind == "histogram":
            check_histogram(family, samples)
    return families


def check_histogram(family, samples):
    series = {}
    for (name, labels), value in samples.items():
        own = tuple(label for label in labels if label[0] != "le")
        entry = series.setdefault(own, {"buckets": []})
        if name.endswith("_bucket"):
            entry["buckets"].append((float(dict(labels)["le"]), value))
        else:
            entry[name[len(family) + 1:]] = value
    for labels, entry in series.items():
        bounds, counts = zip(*entry["buckets"])
        check(list(bounds) == sorted(set(bounds)) and bounds[-1] == float("inf"), "%s: bounds" % family)
        check(list(counts) == sorted(counts) and counts[-1] == entry["count"], "%s: counts" % family)
        check(entry["count"] > 0 or entry["sum"] == 0, "%s: sum" % family)


def lint(families):
    for name, (kind, _) in families.items():
        check(":" not in name, "%s: colon" % name)
        check((kind == "counter") == name.endswith("_total"), "%s: _total is for counters, all of them" % name)
        for word in name.split("_"):
            check(word not in ("ms", "us", "ns", "sec", "kb", "mb", "milliseconds", "microseconds", "kilobytes"),
                  "%s: not a base unit" % name)
        check(kind == "histogram" or not re.search("_(bucket|sum|count)$", name), "%s: suffix of a histogram" % name)


def value(families, family, name=None, **labels):
    for (sample, have), number in families[family][1].items():
        have = dict(have)
        if sample == (name or family) and all(have.get(key) == text for key, text in labels.items()):
            return number
    return None


def scrape(daemon, path="/metrics"):
    status, headers, text = daemon.get(path)
    check(status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4"), "%d %s" % (status, headers))
    return text.decode()


def use(daemon):
    """Two good requests of one and three rows, one bad one, one for a model that is not there."""
    rows = json.loads(digit(3))["instances"] * 3
    for body in (digit(3), json.dumps({"instances": rows})):
        check(daemon.post("/v1/models/digits:predict", body)[0] == 200, "predict")
    check(daemon.post("/v1/models/digits:predict", b'{"instances": [[1]]}')[0] == 400, "bad")
    check(daemon.post("/v1/models/x%22%0Ay:predict", digit(3))[0] in (400, 404), "unknown")


def counts(directory):
    with Daemon(DIGITS) as daemon:
        use(daemon)
        families = parse(scrape(daemon))
        own = dict(model="digits", version="1")
        check(value(families, "kerasd_inference_requests_total", protocol="v1", outcome="ok", **own) == 2, "ok")
        check(value(families, "kerasd_inference_requests_total", outcome="client_error", **own) == 1, "client error")
        check(value(families, "kerasd_inference_rows_total", **own) == 4, "rows")
        check(value(families, "kerasd_batch_rows", "kerasd_batch_rows_sum", **own) == 4, "rows of batches")
        check(value(families, "kerasd_inference_stage_seconds", "kerasd_inference_stage_seconds_count",
                    stage="encode", **own) == 2, "stages")
        check(value(families, "nv_inference_request_success", **own) == 2, "Triton's success")
        check(value(families, "nv_inference_count", **own) == 4, "Triton's rows")
        check(value(families, ":tensorflow:serving:request_count", model_name="digits", status="OK") == 2, "TFS")
        check(value(families, ":tensorflow:serving:request_latency", ":tensorflow:serving:request_latency_count",
                    model_name="digits", API="Predict") == 2, "TFS latency")
        check(value(families, "kerasd_model_state", state="AVAILABLE", **own) == 1, "state")
        check(value(families, "process_resident_memory_bytes") > 1e6, "memory")
        tfs = parse(scrape(daemon, "/monitoring/prometheus/metrics"))
        check(set(tfs) == set(families), "TensorFlow Serving's path has the same families")


def rules(directory):
    with Daemon("--no-metrics-compatibility", DIGITS) as daemon:
        check_rules(daemon, "/metrics")
    with Daemon(DIGITS) as daemon:
        check_rules(daemon, "/metrics?own")
        check_rules(daemon, "/monitoring/prometheus/metrics?own=1")
        check(b"nv_inference_count" in daemon.get("/metrics?own=0")[2], "own=0")


def check_rules(daemon, path):
    use(daemon)
    text = scrape(daemon, path)
    families = parse(text)
    lint(families)
    check("nv_inference_count" not in families and len(families) > 20, "families")
    if shutil.which("promtool"):
        done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, stderr=subprocess.STDOUT,
                              stdout=subprocess.PIPE)
        check(done.returncode == 0 and not done.stdout, done.stdout)


if __name__ == "__main__":
    run(counts, rules)
