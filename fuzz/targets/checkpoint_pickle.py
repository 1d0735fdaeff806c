"""`torch.load` of a sound archive around a hostile pickle."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

from fuzz.targets._archives import Unpacked, records, saved, use
from fuzz.targets._pickles import DICTIONARY, mutate

ALLOWED = (pickle.UnpicklingError, RuntimeError)
INSTRUMENT = ("flambeau.serialization",)
MAX_LENGTH = 2048
__all__ = ["DICTIONARY", "mutate"]
_ARCHIVE = Unpacked()


def run(data: bytes) -> None:
    use(_ARCHIVE.load(data))


def seeds() -> Iterator[bytes]:
    for file in saved():
        yield records(file)["data.pkl"]
