"""Both kinds of error: the user's (PyTorch's exception types) and ours (`InternalError`)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from .lacking import attribute as missing
from .lacking import pytorch_name

__all__ = ["AcceleratorError", "InternalError", "OutOfMemoryError", "missing", "pytorch_name", "refusing",
           "shape_text", "users_line"]  # fmt: skip


class InternalError(RuntimeError):
    """A fault of flambeau itself, never of the user's program."""

    def __init__(self, message: str) -> None:
        super().__init__(
            f"{message}\nThis is a fault in flambeau, not in your program: please report it "
            "with the program that shows it."
        )


class OutOfMemoryError(RuntimeError, MemoryError):
    """Memory that an operation needs can't be had. It is also a MemoryError, for whoever catches
    what Python and NumPy raise."""

    nbytes: int | None = None
    """The bytes asked for, if that is known."""
    operation: str = ""
    """Who asked for them, if that is known."""
    named = False
    """Whether the message says so."""


class AcceleratorError(RuntimeError):
    """An accelerator reported an error."""


def shape_text(shape: tuple[int, ...]) -> str:
    """`[2, 3]`, as PyTorch prints shapes in its messages."""
    return "[" + ", ".join(map(str, shape)) + "]"


def users_line() -> int:
    """The `stacklevel` with which the caller's `warnings.warn` names the user's own line."""
    level, frame = 1, sys._getframe(1)
    # Functions that are made of rows have no module's name.
    while frame.f_back and frame.f_globals.get("__name__", "flambeau.").startswith("flambeau."):
        level, frame = level + 1, frame.f_back
    return level


def refusing(module: str) -> Callable[[str], Any]:
    """A module's `__getattr__` for names that it lacks; see `flambeau.lacking`."""

    def __getattr__(name: str) -> Any:
        return missing(module, name)

    return __getattr__
