"""`torch.load` of whole streams of the form before PyTorch 1.6."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from io import BytesIO

import flambeau as torch
from fuzz.targets._archives import saved, use
from fuzz.targets._pickles import DICTIONARY, mutate

ALLOWED = (pickle.UnpicklingError, RuntimeError, EOFError)
INSTRUMENT = ("flambeau.serialization",)
MAX_LENGTH = 2048
__all__ = ["DICTIONARY", "mutate"]


def run(data: bytes) -> None:
    use(torch.load(BytesIO(data)))


def seeds() -> Iterator[bytes]:
    return saved(zipped=False)
