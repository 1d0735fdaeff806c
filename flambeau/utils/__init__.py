"""Utilities; ``flambeau.utils.data`` is loaded when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_LAZY = ("data",)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
