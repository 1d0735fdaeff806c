"""`read_plain_pickle`: the pickles of datasets."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

from flambeau.serialization.pickle_reader import read_plain_pickle
from fuzz.targets._pickles import DICTIONARY, mutate, plain_values

ALLOWED = (pickle.UnpicklingError,)
INSTRUMENT = (
    "flambeau.serialization.pickle_reader",
    "flambeau.serialization.opcodes",
    "flambeau.serialization.plain_globals",
)
MAX_LENGTH = 1024
__all__ = ["DICTIONARY", "mutate"]


def run(data: bytes) -> None:
    read_plain_pickle(data)


def seeds() -> Iterator[bytes]:
    for value in plain_values():
        for protocol in range(6):
            yield pickle.dumps(value, protocol)
