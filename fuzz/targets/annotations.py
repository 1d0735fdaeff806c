"""Lists and annotations of data sets as text, JSON and XML. The first byte says which reader."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import numpy as np

from flambeau.vision.datasets import USPS, VOCDetection
from flambeau.vision.datasets._listed import class_number, within
from flambeau.vision.datasets.utils import well_formed

ALLOWED = (RuntimeError,)
INSTRUMENT = ("flambeau.vision.datasets.annotated", "flambeau.vision.datasets.arrays",
              "flambeau.vision.datasets.utils", "flambeau.vision.datasets._listed")  # fmt: skip
MAX_LENGTH = 3000
DICTIONARY = (b"<!DOCTYPE a [<!ENTITY b \"c\">]>", b"<object>", b"</object>", b"&#x41;", b"<![CDATA[",
              b"../", b"/", b"\x00", b"<annotation>", b"</annotation>", b"nan", b"1e400", b":",
              b"<?xml version='1.0' encoding='utf-16'?>")  # fmt: skip


def run(data: bytes) -> None:
    which, content = data[:1], data[1:]
    if which == b"x":
        VOCDetection._parsed(content, "input")
        return
    with well_formed("input"):
        if which == b"u":
            values, labels = USPS._parsed(content)
            assert values.shape == (len(labels), 16, 16) and values.dtype == np.uint8
        else:
            rows = [line.split() for line in BytesIO(content).read().decode().splitlines()]
            for row in rows:
                class_number(row[1], 37, 1)
                within("/a", [f"/a/{row[0]}"])


def seeds() -> Iterator[bytes]:
    yield (b"x<annotation><size><width>3</width></size><object><name>a</name></object><object><name>b"
           b"</name><part/></object></annotation>")  # fmt: skip
    yield b"x<!DOCTYPE a [<!ENTITY b 'cccc'>]><annotation>&b;</annotation>"
    yield b"u" + b"1 " + b" ".join(b"%d:0.5" % i for i in range(1, 257)) + b"\n"
    yield b"pa 1 2\nb 37 1\n../c 0 0\n"
