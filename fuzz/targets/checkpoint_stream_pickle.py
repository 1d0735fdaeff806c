"""`torch.load` of a sound stream of the form before PyTorch 1.6 around a hostile pickle."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from io import BytesIO

import flambeau as torch
from fuzz.targets._archives import records, saved, stream, use
from fuzz.targets._pickles import DICTIONARY, mutate

ALLOWED = (pickle.UnpicklingError, RuntimeError)
INSTRUMENT = ("flambeau.serialization",)
MAX_LENGTH = 2048
__all__ = ["DICTIONARY", "mutate"]

_VIEW = (
    b"ctorch._utils\n_rebuild_tensor_v2\n((\x8c\x07storagectorch\nFloatStorage\n\x8c\x010\x8c\x03cpuK"
    b"\x04(\x8c\x02v0K\x01K\x02ttQK\x00K\x02\x85K\x01\x85\x89}tR."
)


def run(data: bytes) -> None:
    use(torch.load(BytesIO(stream(data, {"0": bytes(16), "1": bytes(16)}))))


def seeds() -> Iterator[bytes]:
    yield _VIEW
    for file in saved():
        yield records(file)["data.pkl"]
