#!/usr/bin/env python3
"""Hard numbers through an identity model, by row, by column and by V2: they come back bit for bit as the nearest float32,
and every text in an answer reads back to it: V1 in TensorFlow Serving's format, V2 with as few digits as will do. Other
datatypes by V2, as JSON and binary."""
import json
import os
import random
import re
import struct
from fractions import Fraction

from daemon import SOURCE, Daemon, check, run

MODELS = os.path.join(SOURCE, "tests", "http", "models")
SAME = os.path.join(MODELS, "same.h5")
LARGEST = Fraction(2**24 - 1) * 2**104


def nearest(text):
    """The bits of the float32 nearest to a decimal text, ties to even: exact, with rational numbers."""
    sign = 1 << 31 if text.startswith("-") else 0
    digits, _, exponent = text.lstrip("-").lower().partition("e")
    exponent = int(exponent or 0)
    if not digits.strip("0.") or exponent < -5000:
        return sign
    value = Fraction(digits) * Fraction(10) ** max(min(exponent, 5000), -5000)
    if value >= LARGEST + Fraction(2) ** 103:
        return sign | 0x7f800000
    power = max(value.numerator.bit_length() - value.denominator.bit_length() - 24, -149)
    while value / Fraction(2) ** power >= 2**24:
        power += 1
    while power > -149 and value / Fraction(2) ** power < 2**23:
        power -= 1
    mantissa = round(value / Fraction(2) ** power)  # to even on a tie
    return sign | ((power + 149) * 2**23 + mantissa if mantissa >= 2**23 else mantissa)


def bits_of(text):
    special = {"NaN": 0x7fc00000, "Infinity": 0x7f800000, "-Infinity": 0xff800000}
    return special[text] if text in special else nearest(text)


def exact(bits):
    """All decimals of a float32."""
    return "%.160e" % struct.unpack("<f", struct.pack("<I", bits))[0]


def halfway(bits):
    low, high = (struct.unpack("<f", struct.pack("<I", b))[0] for b in (bits, bits + 1))
    return "%.200e" % ((low + high) / 2)  # doubles hold the middle exactly


def all_hard():
    numbers = ["0", "-0", "0.0", "-0.0", "1", "-1", "1e400", "-1e400", "1e-400", "-1e-400", "1e99999", "1e-99999", "0e99999",
               "3.4028234663852886e38", "3.4028235677973366e38", "3.4028235677973365e38", "1e39", "1.17549435e-38",
               "1.4e-45", "7.0064923216240853e-46", "7.0064923216240854e-46", "7.1e-46", "16777217", "16777219",
               "9007199254740993", "18446744073709551616", "0." + "0" * 44 + "1", "1" * 39, "123456789" * 80,
               "0." + "123456789" * 89, "1" + "0" * 37 + "." + "0" * 760 + "1", "0.30000001192092896"]
    source = random.Random(5)
    for _ in range(120):
        bits = source.randrange(1, 0x7f7fffff)
        middle = halfway(bits)
        mantissa, exponent = middle.split("e")
        numbers += [exact(bits), middle, mantissa[:-1] + "1e" + exponent, "-" + middle,
                    "%.17g" % source.uniform(-1e3, 1e3), "%.9g" % source.gauss(0, 1)]
    for bits in (1, 2, 3, 0x7fffff, 0x800000, 0x800001, 0x3f800000, 0x7f7ffffe):
        numbers += [exact(bits), halfway(bits)]
    return numbers


def texts_of(answer, member):
    """The numbers' texts, as they stand in the answer."""
    return re.findall(rb"-?[0-9][^,\]\[}]*|-?Infinity|NaN", answer.split(b'"%s":' % member)[-1])


def value_of(bits):
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def tfs_text(bits):
    """Six digits if they read back, else nine, and a sign of being no integer."""
    text = "%.6g" % value_of(bits)
    if nearest(text) != bits:
        text = "%.9g" % value_of(bits)
    return text if "." in text or "e" in text else text + ".0"


def digits_of(text):
    return text.lower().partition("e")[0].replace(".", "").lstrip("-0").rstrip("0") or "0"


def fewest_digits(bits):
    return next(n for n in range(1, 10) if nearest("%.*e" % (n - 1, value_of(bits))) == bits)


def check_text(path, bits, text):
    if bits & 0x7fffffff >= 0x7f800000:
        return
    if path.startswith("/v1"):
        check(text == tfs_text(bits), "%s: %s, TensorFlow Serving writes %s" % (hex(bits), text, tfs_text(bits)))
    else:
        least = 0 if bits & 0x7f800000 else 9  # denormals are written as V1 does
        check(len(digits_of(text)) <= max(fewest_digits(bits), least), "%s: %s is too long" % (hex(bits), text))


def numbers(directory):
    all_numbers = all_hard()
    check(len(all_numbers) > 500, "several hundred")
    row = "[" + ", ".join(all_numbers) + "]"
    requests = [("/v1/models/same:predict", '{"instances": [%s]}' % row, b"predictions"),
                ("/v1/models/same:predict", '{"inputs": [%s]}' % row, b"outputs"),
                ("/v1/models/same:predict", '{"instances": [{"x": %s}]}' % row, b"predictions"),
                ("/v2/models/same/infer", '{"inputs":[{"name":"x","shape":[1,%d],"datatype":"FP32","data":%s}]}'
                 % (len(all_numbers), row), b"data")]
    with Daemon(SAME) as daemon:
        for path, body, member in requests:
            status, _, data = daemon.post(path, body)
            texts = [text.decode() for text in texts_of(data, member)]
            check(status == 200 and len(texts) == len(all_numbers), (path, status, data[:200]))
            for sent, text in zip(all_numbers, texts):
                check(bits_of(text) == nearest(sent), "%s: %s came back as %s" % (path, sent[:60], text))
                check_text(path, nearest(sent), text)
            json.loads(data)


def not_finite(directory):
    with Daemon(SAME) as daemon:
        for path, body in (("/v1/models/same:predict", '{"instances":[[NaN,Inf,-Inf,Infinity,-Infinity]]}'),
                           ("/v2/models/same/infer", '{"inputs":[{"name":"x","shape":[1,5],"datatype":"FP32",'
                                                     '"data":[NaN,Inf,-Inf,Infinity,-Infinity]}]}')):
            status, _, data = daemon.post(path, body)
            check(status == 200 and b"NaN,Infinity,-Infinity,Infinity,-Infinity" in data, data)


def documented(directory):
    """The numbers that the documentation of the formats names."""
    vectors = {"0": "0.0", "-0": "-0.0", "1": "1.0", "0.1": "0.1", "0.3333333333333333": "0.333333343", "0.0001": "0.0001",
               "0.6666666666666666": "0.666666687", "0.00003": "3e-05", "123456": "123456.0", "999999": "999999.0",
               "1000000": "1e+06", "9000000": "9e+06", "1234567": "1234567.0", "16777216": "16777216.0", "1e10": "1e+10",
               "123456.7": "123456.703", "555557.5": "555557.5", "3.4028234663852886e38": "3.40282347e+38",
               "1.401298464324817e-45": "1.4013e-45", "3.141592653589793": "3.14159274"}
    with Daemon(SAME) as daemon:
        _, _, data = daemon.post("/v1/models/same:predict", '{"instances":[[%s]]}' % ",".join(vectors))
        check(data.decode() == '{"predictions":[[%s]]}' % ",".join(vectors.values()), data)


def binary_agrees(directory):
    """The float32 that a binary output holds is the one that the text says."""
    data = struct.pack("<200f", *[random.Random(i).gauss(0, 10.0 ** (i % 60 - 30)) for i in range(200)])
    head = b'{"inputs":[{"name":"x","shape":[1,200],"datatype":"FP32","parameters":{"binary_data_size":800}}]}'
    with Daemon(SAME) as daemon:
        _, _, answer = daemon.post("/v2/models/same/infer", head + data, {"Inference-Header-Content-Length": str(len(head))})
        bits = struct.unpack("<200I", data)
        for text, want in zip(texts_of(answer, b"data"), bits):
            check(bits_of(text.decode()) == want, (text, hex(want)))


GOOD = ["0", "-0", "1", "-1", "10", "1E5", "1e+05", "1e-5", "1.5e05", "0.50", "-0.0e-0", "1" * 400, "0." + "0" * 400 + "1"]
BAD = ["", "1.", ".5", "-.5", "+1", "01", "-01", "00", "1e", "1e+", "1.e5", "-", "--1", "- 1", "0x10", "0x1p3", "1f", "1_0", "1 2",
       "nan", "NAN", "inf", "infinity", "INF", "+NaN", "NaNx", "Infinit", "Infinity1", "1e5.5", "1,", ",1", "'1'", "\u0661", "1\0"]


def grammar(directory):
    """What is a number and what is not."""
    with Daemon(SAME) as daemon:
        for path, body in (("/v1/models/same:predict", '{"instances":[[0,%s]]}'), ("/v1/models/same:predict", '{"inputs":[[0,%s]]}'),
                           ("/v2/models/same/infer", '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[0,%s]}]}')):
            for text in GOOD:
                check(daemon.post(path, body % text)[0] == 200, (path, text[:20]))
            for text in BAD:
                status, _, data = daemon.post(path, (body % text).encode())
                check(status == 400 and b"error" in data, (path, text, status, data))


def binary(daemon, model, name, datatype, shape, raw, output):
    """(status, bytes of the output or the error)"""
    head = json.dumps({"inputs": [{"name": name, "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": len(raw)}}],
                       "outputs": [{"name": output, "parameters": {"binary_data": True}}]}).encode()
    status, headers, data = daemon.post("/v2/models/%s/infer" % model, head + raw,
                                        {"Inference-Header-Content-Length": str(len(head))})
    return status, data[int(headers["Inference-Header-Content-Length"]):] if status == 200 else data


INTEGERS = {"UINT8": "B", "INT8": "b", "UINT16": "H", "INT16": "h", "UINT32": "I", "INT32": "i", "INT64": "q"}


def converted(directory):
    """What Python makes by default, sent to a float32 input: every half, float64 at the edges of rounding, integers."""
    halves = range(65536)
    with Daemon(SAME) as daemon:
        send = lambda datatype, raw, n: binary(daemon, "same", "x", datatype, [1, n], raw, "y")
        raw = struct.pack("<65536H", *halves)
        _, data = send("BF16", raw, 65536)
        check(struct.unpack("<65536I", data) == tuple(half << 16 for half in halves), "bfloat16")
        _, data = send("FP16", raw, 65536)
        want = struct.unpack("<65536e", raw)
        for half, got, value in zip(halves, struct.unpack("<65536f", data), want):
            check(got == value or (got != got and value != value), "half %#x is not %r" % (half, got))
        middles = [float(text) for text in all_hard() if abs(float(text)) < 1e300]
        _, data = send("FP64", struct.pack("<%dd" % len(middles), *middles), len(middles))
        for value, got in zip(middles, struct.unpack("<%dI" % len(middles), data)):
            check(got == nearest("%.1200e" % value if value else repr(value)), "float64 %r became %#x" % (value, got))
        for datatype, letter in INTEGERS.items():
            bits, signed = 8 * struct.calcsize(letter), letter.islower()
            low, high = (-2**(bits - 1), 2**(bits - 1) - 1) if signed else (0, 2**bits - 1)
            values = sorted({low, low + 1, 0, 1, high - 1, high} | {v for v in (16777217, 16777219, 2**53 + 1) if v <= high})
            _, data = send(datatype, struct.pack("<%d%s" % (len(values), letter), *values), len(values))
            want = tuple(nearest(str(value)) for value in values)
            check(struct.unpack("<%dI" % len(values), data) == want, datatype)
            body = '{"inputs":[{"name":"x","shape":[1,%d],"datatype":"%s","data":%s}]}' % (len(values), datatype, values)
            status, _, data = daemon.post("/v2/models/same/infer", body)
            check(status == 200 and tuple(bits_of(text.decode()) for text in texts_of(data, b"data")) == want, (datatype, data))
            for wrong in (low - 1, high + 1, 1.5, '"1"', "true", "1e0"):
                body = '{"inputs":[{"name":"x","shape":[1,1],"datatype":"%s","data":[%s]}]}' % (datatype, wrong)
                check(daemon.post("/v2/models/same/infer", body)[0] == 400, (datatype, wrong))


def integers(directory):
    """int64 is exact by all ways, and nothing but an integer literal within its range is one."""
    values = [0, -1, 2**53 + 1, -2**53 - 1, 9007199254740993, 10**18, 2**63 - 1, -2**63]
    with Daemon(os.path.join(MODELS, "ab.h5")) as daemon:
        rows = ",".join('{"a":[1,2],"b":%d}' % value for value in values)
        columns = '"a":%s,"b":%s' % ([[1, 2]] * len(values), values)
        predict, inner = "/v1/models/ab:predict", [int(value) for value in values]
        got = daemon.json("POST", predict, '{"instances":[%s]}' % rows)[1]
        check([row["s"] for row in got["predictions"]] == inner, got)
        check(daemon.json("POST", predict, '{"inputs":{%s}}' % columns)[1]["outputs"]["s"] == inner, "columns")
        a = '{"name":"a","shape":[%d,2],"datatype":"FP32","data":%s}' % (len(values), [0] * 2 * len(values))
        b = '{"name":"b","shape":[%d],"datatype":"INT64","data":%s}' % (len(values), values)
        got = daemon.json("POST", "/v2/models/ab/infer", '{"inputs":[%s,%s]}' % (a, b))[1]
        check(got["outputs"][0]["data"] == inner, got)
        for text in ("9223372036854775808", "-9223372036854775809", "1.0", "1e0", "1e5", "NaN", "true", '"1"', "null", "1" * 400):
            status, _, data = daemon.post(predict, '{"inputs":{"a":[[1,2]],"b":[%s]}}' % text)
            check(status == 400 and b"inputs.b[0]" in data, (text, data))


if __name__ == "__main__":
    run(numbers, documented, not_finite, grammar, binary_agrees, converted, integers)
