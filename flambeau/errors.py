"""Both kinds of error: the user's (PyTorch's exception types) and ours (`InternalError`)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


class InternalError(RuntimeError):
    """A fault of flambeau itself, never of the user's program."""

    def __init__(self, message: str) -> None:
        super().__init__(
            f"{message}\nThis is a fault in flambeau, not in your program: please report it "
            "with the program that shows it."
        )


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


_PYTORCHS_NAMES = (("flambeau.vision", "torchvision"), ("flambeau", "torch"))


def pytorch_name(name: str) -> str:
    """What PyTorch's users call something: `flambeau.nn.Linear` → `torch.nn.Linear`."""
    for ours, theirs in _PYTORCHS_NAMES:
        if name == ours or name.startswith(ours + "."):
            return theirs + name[len(ours) :]
    return name


def no_attribute(module: str, name: str) -> AttributeError:
    """The error for a name that a module of ours hasn't got, which PyTorch's may have."""
    if name.startswith("__"):
        return AttributeError(f"module {module!r} has no attribute {name!r}", name=name)
    full = pytorch_name(f"{module}.{name}")
    return AttributeError(
        f"flambeau has no {full}: PyTorch may have it, flambeau lacks it so far", name=name
    )


def refusing(module: str) -> Callable[[str], Any]:
    """A module's `__getattr__` that says of each missing name that flambeau lacks it."""

    def __getattr__(name: str) -> Any:
        raise no_attribute(module, name)

    return __getattr__
