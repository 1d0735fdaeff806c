"""Mutations of bytes for where atheris is not installed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

_NUMBERS = (0, 1, 2, 7, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1,
            2**62, 2**63 - 1, 2**63, 2**64 - 1)  # fmt: skip


def mutator(
    rng: random.Random, dictionary: Sequence[bytes], corpus: Sequence[bytes]
) -> Callable[[bytes, int], bytes]:
    """A function of data and greatest size that changes a few places of the data."""

    def mutate(data: bytes, max_size: int) -> bytes:
        for _ in range(rng.choice((1, 1, 1, 2, 3, 5, 8))):
            data = rng.choice(steps)(data)
        return data[:max_size]

    def flip(data: bytes) -> bytes:
        if not data:
            return bytes((rng.randrange(256),))
        at = rng.randrange(len(data))
        return data[:at] + bytes((data[at] ^ (1 << rng.randrange(8)),)) + data[at + 1 :]

    def replace(data: bytes) -> bytes:
        at = rng.randrange(len(data) + 1)
        return data[:at] + bytes((rng.randrange(256),)) + data[at + 1 :]

    def number(data: bytes) -> bytes:
        at, width = rng.randrange(len(data) + 1), rng.choice((1, 2, 4, 8))
        value = rng.choice(_NUMBERS) % (1 << (8 * width))
        return data[:at] + value.to_bytes(width, rng.choice(("little", "big"))) + data[at + width :]

    def erase(data: bytes) -> bytes:
        at = rng.randrange(len(data) + 1)
        return data[:at] + data[at + rng.choice((1, 2, 4, 16, 64)) :]

    def double(data: bytes) -> bytes:
        at, count = rng.randrange(len(data) + 1), rng.choice((1, 4, 16, 64))
        return data[: at + count] + data[at:]

    def insert(data: bytes) -> bytes:
        at = rng.randrange(len(data) + 1)
        piece = rng.choice(dictionary) if dictionary else rng.randbytes(rng.randrange(1, 9))
        return data[:at] + piece + data[at:]

    def cross(data: bytes) -> bytes:
        other = rng.choice(corpus) if corpus else data
        return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]

    def cut(data: bytes) -> bytes:
        return data[: rng.randrange(len(data) + 1)]

    steps = (flip, flip, replace, number, number, erase, double, insert, insert, cross, cut)
    return mutate
