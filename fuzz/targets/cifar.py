"""Batches of CIFAR: pickles, and what may stand in them for pixels, labels and names."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator

import numpy as np

from flambeau.serialization.pickle_reader import read_plain_pickle
from flambeau.vision.datasets import CIFAR10
from fuzz.targets._pickles import DICTIONARY, mutate

ALLOWED = (pickle.UnpicklingError, RuntimeError)
INSTRUMENT = ("flambeau.vision.datasets.cifar", "flambeau.serialization.plain_globals")
MAX_LENGTH = 4096
__all__ = ["DICTIONARY", "mutate"]
_COUNT = 1


class _Small(CIFAR10):
    _class_count = 3

    def __init__(self) -> None:
        """Without any file."""


_DATA = _Small()


def run(data: bytes) -> None:
    hashlib.md5(data, usedforsecurity=False)
    entry = read_plain_pickle(data, encoding="latin1")
    if isinstance(entry, dict):
        pixels, labels = _DATA._checked("input", entry, _COUNT)
        assert pixels.shape == (_COUNT, 3072) and 0 <= labels[0] < _Small._class_count


def seeds() -> Iterator[bytes]:
    pixels = np.zeros((_COUNT, 3072), np.uint8)
    for protocol in (0, 2, 4):
        for data in (pixels, pixels[:, :8], pixels[0, :8].astype("f8")):
            entry = {"data": data, "labels": [1] * _COUNT, "batch_label": "one"}
            if len(found := pickle.dumps(entry, protocol)) <= MAX_LENGTH:
                yield found
    yield pickle.dumps({"label_names": ["a", "b", "c"]}, 2)
