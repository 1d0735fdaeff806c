"""MAT-files of level 5, in which SVHN, Flowers102, StanfordCars and ImageNet keep theirs."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator

from flambeau.vision.datasets.matlab import parse_matlab

ALLOWED = (RuntimeError,)
INSTRUMENT = ("flambeau.vision.datasets.matlab",)
MAX_LENGTH = 1024
_HEAD = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
DICTIONARY = (
    b"\x0e\x00\x00\x00", b"\x0f\x00\x00\x00", b"\x06\x00\x00\x00", b"\x05\x00\x00\x00",
    b"\x01\x00\x01\x00", b"\xff\xff\xff\xff", b"\x05\x00\x04\x00", b"\xff\xff\xff\x7f",
)  # fmt: skip


def run(data: bytes) -> None:
    parse_matlab(_HEAD + data)


def element(kind: int, data: bytes) -> bytes:
    """A tag, the data, and zeros up to eight bytes."""
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def array(kind: int, shape: tuple[int, ...], name: bytes, *rest: bytes) -> bytes:
    """A matrix of MATLAB's class `kind`."""
    head = element(6, struct.pack("<II", kind, 0)) + element(5, struct.pack(f"<{len(shape)}i", *shape))
    return element(14, head + element(1, name) + b"".join(rest))


def parts() -> Iterator[bytes]:
    """One array of each kind."""
    numbers = array(9, (2, 3), b"X", element(2, bytes(range(6))))
    yield numbers
    yield array(6, (1, 2), b"y", element(9, struct.pack("<2d", 1.0, float("nan"))))
    text = array(4, (1, 2), b"t", element(4, "ab".encode("utf-16-le")))
    yield text
    yield array(1, (1, 2), b"c", numbers, array(1, (1, 1), b"", text))
    yield array(2, (1, 1), b"s", struct.pack("<IHH", 5 | 4 << 16, 2, 0), element(1, b"a\0b\0"), numbers, text)


def seeds() -> Iterator[bytes]:
    for part in parts():
        packed = zlib.compress(part)
        yield part
        yield struct.pack("<II", 15, len(packed)) + packed
    yield b"".join(parts())


def mutate(
    data: bytes, max_size: int, rng: random.Random, plain: Callable[[bytes, int], bytes]
) -> bytes:
    """Change a part of it and set the length of the outermost element right."""
    if data[:4] == b"\x0f\x00\x00\x00" and rng.random() < 0.6:
        try:
            packed = zlib.compress(plain(zlib.decompress(data[8:])[:max_size], max_size))
        except zlib.error:
            return plain(data, max_size)
        return (struct.pack("<II", 15, len(packed)) + packed)[:max_size]
    data = plain(data, max_size)
    if len(data) > 8 and rng.random() < 0.7:
        data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    return data
