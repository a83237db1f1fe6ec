#!/usr/bin/env python3
"""Hard numbers through an identity model, by row, by column and by V2: they come back bit for bit as the nearest float32,
and every text in an answer reads back to it."""
import json
import os
import random
import re
import struct
from fractions import Fraction

from daemon import SOURCE, Daemon, check, run

SAME = os.path.join(SOURCE, "tests", "http", "models", "same.h5")
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
                check(len(text) <= 16, text)
            json.loads(data)


def not_finite(directory):
    with Daemon(SAME) as daemon:
        for path, body in (("/v1/models/same:predict", '{"instances":[[NaN,Inf,-Inf,Infinity,-Infinity]]}'),
                           ("/v2/models/same/infer", '{"inputs":[{"name":"x","shape":[1,5],"datatype":"FP32",'
                                                     '"data":[NaN,Inf,-Inf,Infinity,-Infinity]}]}')):
            status, _, data = daemon.post(path, body)
            check(status == 200 and b"NaN,Infinity,-Infinity,Infinity,-Infinity" in data, data)


def binary_agrees(directory):
    """The float32 that a binary output holds is the one that the text says."""
    data = struct.pack("<200f", *[random.Random(i).gauss(0, 10.0 ** (i % 60 - 30)) for i in range(200)])
    head = b'{"inputs":[{"name":"x","shape":[1,200],"datatype":"FP32","parameters":{"binary_data_size":800}}]}'
    with Daemon(SAME) as daemon:
        _, _, answer = daemon.post("/v2/models/same/infer", head + data, {"Inference-Header-Content-Length": str(len(head))})
        bits = struct.unpack("<200I", data)
        for text, want in zip(texts_of(answer, b"data"), bits):
            check(bits_of(text.decode()) == want, (text, hex(want)))


if __name__ == "__main__":
    run(numbers, not_finite, binary_agrees)
