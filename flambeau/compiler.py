"""`torch.compiler`: flambeau compiles what repeats by itself; there is nothing to steer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flambeau import compile
from flambeau.errors import refusing

__all__ = ["allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin",
           "disable", "is_compiling", "is_dynamo_compiling", "is_exporting", "list_backends",
           "reset"]  # fmt: skip


def _same(fn: Any) -> Any:
    """The function itself."""
    return fn


allow_in_graph = assume_constant_result = _same


def disable(fn: Callable[..., Any] | None = None, recursive: bool = True, *, reason: Any = None) -> Any:
    """The function itself; without one, a decorator that gives it back."""
    return _same if fn is None else fn


def is_compiling() -> bool:
    """Whether this is a compiler's run of the program: never, programs run once."""
    return False


is_dynamo_compiling = is_exporting = is_compiling


def list_backends(exclude_tags: Any = ()) -> list[str]:
    """The names that `compile(backend=...)` offers."""
    return ["inductor"]


def reset() -> None:
    """Nothing is kept that would have to be forgotten."""


cudagraph_mark_step_begin = reset

__getattr__ = refusing(__name__)
