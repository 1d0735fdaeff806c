"""`torch.load(weights_only=False)` of a sound archive around a hostile pickle."""

from __future__ import annotations

import argparse
import datetime
import decimal
import fractions
import functools
import pathlib
import pickle
import random
import sys
import types
import uuid
from collections import deque
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import flambeau as torch
from fuzz.targets._archives import Unpacked, records, use
from fuzz.targets._pickles import DICTIONARY as _WORDS
from fuzz.targets._pickles import mutate

ALLOWED = (pickle.UnpicklingError, RuntimeError)
INSTRUMENT = ("flambeau.serialization",)
MAX_LENGTH = 3000
DICTIONARY = (*_WORDS, b"__setstate__", b"_modules", b"_parameters", b"_buffers", b"param_groups")
__all__ = ["mutate"]
_ARCHIVE = Unpacked()
# As in a session: no folder belongs to the program, of which files could be read.
sys.path.insert(0, "")


def run(data: bytes) -> None:
    use(_ARCHIVE.load(data, whole=True))


def _values() -> list[Any]:
    nn = torch.nn
    model = nn.Sequential(nn.Linear(1, 1), nn.Dropout(0.5))
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    plain = [
        argparse.Namespace(a=1), deque([1, 2], 3), datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC),
        decimal.Decimal("1.5"), fractions.Fraction(1, 3), functools.partial(torch.relu, 1),
        pathlib.PurePosixPath("a/b"), types.SimpleNamespace(b=2), uuid.UUID(int=5),
    ]  # fmt: skip
    return [
        model, nn.LSTM(1, 1), nn.ReLU(), nn.Embedding(2, 1), nn.functional.relu, nn.Linear,
        optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 1), plain, random.Random(1),
        nn.ModuleDict({"a": nn.Conv2d(1, 1, 1)}), nn.ParameterList([torch.ones(1)]),
        torch.utils.data.TensorDataset(torch.ones(1)), torch.distributions.Normal(0.0, 1.0),
    ]  # fmt: skip


def seeds() -> Iterator[bytes]:
    for value in _values():
        file = BytesIO()
        torch.save(value, file)
        yield records(file.getvalue())["data.pkl"]
