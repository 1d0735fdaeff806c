"""Both kinds of error: the user's (PyTorch's exception types) and ours (`InternalError`)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from .lacking import attribute as missing
from .lacking import pytorch_name

__all__ = ["AcceleratorError", "InternalError", "OutOfMemoryError", "brief", "missing",
           "pytorch_name", "refusing", "shape_text", "shown", "users_line"]  # fmt: skip


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


# --- values in messages -------------------------------------------------------------------------
#
# `repr` of a hostile value fails, or takes any time and memory: of a list nested too deep, of a
# number of 5000 digits, of a tuple that holds another twice, and so on thirty times.


class _Limits(NamedTuple):
    """How much of a value is shown: characters, items in all, depth, bits of a number, and whether
    other objects show themselves."""

    text: int
    items: int
    depth: int
    bits: int
    objects: bool


_USERS = _Limits(text=1000, items=200, depth=8, bits=1000, objects=True)
_FILES = _Limits(text=60, items=8, depth=1, bits=128, objects=False)
_BRACKETS = {"tuple": ("(", ")"), "list": ("[", "]"), "dict": ("{", "}")}


def shown(value: Any, quoted: bool = True) -> str:
    """A user's value in the text of an error about it, as `repr` shows it where that is short.
    Unless `quoted`, text stands for itself and objects show themselves by `str`.

    >>> deep = []
    >>> deep.append(deep)
    >>> shown((1, "a")), shown("a", quoted=False), shown(deep)
    ("(1, 'a')", 'a', '[[[[[[[[[...]]]]]]]]]')
    """
    return _shown(value, _USERS, [_USERS.items], _USERS.depth, quoted)


def brief(value: Any) -> str:
    """What a file holds, in the text of an error about it: numbers, texts and flat sequences as
    `repr` shows them where that is short, and else what kind of thing it is.

    >>> brief((1, "a")), brief([[1]]), brief(1 << 1000)
    ("(1, 'a')", '[[...]]', 'a number of 1001 bits')
    """
    return _shown(value, _FILES, [_FILES.items], _FILES.depth, True)


def _shown(value: Any, limits: _Limits, room: list[int], depth: int, quoted: bool) -> str:
    kind = type(value)
    if kind in (tuple, list, dict):
        return _container(value, limits, room, depth)
    if kind in (str, bytes):
        cut, more = value[: limits.text], "..." if len(value) > limits.text else ""
        return f"{cut!r}{more}" if quoted or kind is bytes else f"{cut}{more}"
    if kind is int and value.bit_length() > limits.bits:
        return f"a number of {value.bit_length()} bits"
    if limits.objects or value is None or kind in (bool, int, float):
        try:
            return repr(value) if quoted else str(value)
        except Exception:  # RecursionError, or whatever a class of the user's raises
            pass
    return f"{'an' if kind.__name__[:1] in 'AEIOaeio' else 'a'} {kind.__name__}"


def _container(value: Any, limits: _Limits, room: list[int], depth: int) -> str:
    opening, closing = _BRACKETS[type(value).__name__]
    if not (value and depth):
        return f"{opening}{'...' if value else ''}{closing}"
    parts = []
    for item in value.items() if type(value) is dict else value:
        room[0] -= 1
        if room[0] < 0:
            parts.append("...")
            break
        each = item if type(value) is dict else (item,)
        parts.append(": ".join(_shown(part, limits, room, depth - 1, True) for part in each))
    comma = "," if type(value) is tuple and len(value) == 1 else ""
    return f"{opening}{', '.join(parts)}{comma}{closing}"


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
