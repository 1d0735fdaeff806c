"""What was loaded from a hostile file, given to a module's and an optimizer's `load_state_dict`."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import flambeau as torch
from fuzz.targets._archives import Unpacked, records
from fuzz.targets._pickles import DICTIONARY as _WORDS
from fuzz.targets._pickles import mutate

ALLOWED = (pickle.UnpicklingError, RuntimeError, TypeError, ValueError, KeyError)
INSTRUMENT = (
    "flambeau.nn.modules._state_dict",
    "flambeau.optim.optimizer",
    "flambeau.optim.lr_scheduler",
    "flambeau.serialization",
)
MAX_LENGTH = 3000
DICTIONARY = (
    *_WORDS, b"\x8c\x0cparam_groups", b"\x8c\x05state", b"\x8c\x06params", b"\x8c\x02lr",
    b"\x8c\x08exp_avg", b"\x8c\x04step", b"\x8c\x08weight", b"\x8c\x04bias",
)  # fmt: skip
__all__ = ["mutate"]


def _made() -> tuple[Any, Any, Any]:
    model = torch.nn.Sequential(torch.nn.Linear(1, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(model.parameters())
    return model, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 2)


_MODEL, _OPTIMIZER, _SCHEDULER = _made()


def run(data: bytes) -> None:
    try:
        loaded = _ARCHIVE.load(data)
    except (pickle.UnpicklingError, RuntimeError):
        return
    errors: list[Exception] = []
    for target in (_MODEL, _OPTIMIZER, _SCHEDULER):
        try:
            target.load_state_dict(loaded)
        except ALLOWED as error:
            errors.append(error)
    if len(errors) < 2:
        _OPTIMIZER.state_dict()
        _MODEL.state_dict()
    if errors:
        raise errors[0]


def _states() -> Iterator[dict[str, bytes]]:
    model, optimizer, scheduler = _made()
    model(torch.ones(2, 1)).sum().backward()
    optimizer.step()
    for value in (model, optimizer, scheduler):
        file = BytesIO()
        torch.save(value.state_dict(), file)
        yield records(file.getvalue())


_STORAGES = {
    name.removeprefix("data/"): content
    for found in _states()
    for name, content in found.items()
    if name.startswith("data/")
}
_ARCHIVE = Unpacked(_STORAGES)


def seeds() -> Iterator[bytes]:
    for found in _states():
        yield found["data.pkl"]
