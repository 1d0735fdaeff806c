"""`torch._dynamo`: PyTorch's front end of `compile`. flambeau needs none; functions pass through."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flambeau.compiler import (
    allow_in_graph,
    assume_constant_result,
    disable,
    is_compiling,
    list_backends,
    reset,
    set_stance,
    substitute_in_graph,
)
from flambeau.errors import refusing

__all__ = ["allow_in_graph", "assume_constant_result", "disable", "disallow_in_graph",
           "forbid_in_graph", "graph_break", "is_compiling", "list_backends", "mark_dynamic",
           "mark_static", "mark_static_address", "maybe_mark_dynamic", "nonstrict_trace", "optimize",
           "optimize_assert", "reset", "reset_recompile_user_contexts", "run", "set_recursion_limit",
           "set_stance", "skip_frame", "step_unsupported", "substitute_in_graph"]  # fmt: skip


def _same(fn: Any) -> Any:
    """The function itself."""
    return fn


disallow_in_graph = forbid_in_graph = nonstrict_trace = _same


def run(fn: Any = None) -> Any:
    """The function itself; without one, a decorator that gives it back."""
    return _same if fn is None else fn


def optimize(*args: Any, **kwargs: Any) -> Any:
    """A decorator that gives back what it gets, as `torch.compile` does."""
    return _same


optimize_assert = optimize


def mark_static(t: Any, index: Any = None) -> None:
    """Accepted: sizes are noticed by themselves."""


def mark_dynamic(t: Any, index: Any, **bounds: Any) -> None:
    """Accepted: sizes are noticed by themselves."""


maybe_mark_dynamic = mark_dynamic


def mark_static_address(t: Any, guard: bool = False) -> None:
    """Accepted: addresses are nothing that is compiled in."""


def graph_break(msg: str = "") -> None:
    """Nothing: Python runs the program, so a graph never has to end."""


skip_frame = step_unsupported = graph_break


def reset_recompile_user_contexts() -> None:
    """Nothing is kept that would have to be forgotten."""


def set_recursion_limit(limit: int) -> None:
    """Accepted: there is no recursion of a tracer."""


def __getattr__(name: str) -> Any:
    if name == "config":
        return import_module(f"{__name__}.config")
    return _refuse(name)


_refuse = refusing(__name__)
