"""`torch.load` of whole archives."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from io import BytesIO

import flambeau as torch
from fuzz.targets._archives import archive, records, saved, use
from fuzz.targets._archives import whole_mutate as mutate

ALLOWED = (pickle.UnpicklingError, RuntimeError, EOFError)
INSTRUMENT = ("flambeau.serialization", "zipfile")
MAX_LENGTH = 3000
DICTIONARY = (
    b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"a/data.pkl",
    b"a/data/0", b"../", b"a/byteorder", b"big", b"constants.pkl", b"\x01\x00\x10\x00",
    b"\xff\xff\xff\xff",
)  # fmt: skip
__all__ = ["mutate"]


def run(data: bytes) -> None:
    use(torch.load(BytesIO(data)))


def seeds() -> Iterator[bytes]:
    for index, file in enumerate(saved()):
        yield archive(records(file)) if index else file
