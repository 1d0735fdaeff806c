"""Utilities; ``flambeau.utils.data`` is loaded when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flambeau.errors import no_attribute

_LAZY = ("checkpoint", "data", "hooks", "model_zoo")


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return import_module(f".{name}", __name__)
    raise no_attribute(__name__, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
