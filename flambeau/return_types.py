"""`torch.return_types`: the named tuples that operations give, `torch.return_types.max` ..."""

from __future__ import annotations

from typing import Any

from flambeau import _result_types
from flambeau.errors import missing


def __getattr__(name: str) -> Any:
    found = _result_types().get(name)
    return missing(__name__, name) if found is None else found


def __dir__() -> list[str]:
    return sorted(_result_types())
