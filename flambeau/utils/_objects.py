"""What `torch.utils` has itself."""

from __future__ import annotations

from typing import Any, NoReturn

import flambeau as torch


def set_module(obj: Any, mod: str) -> None:
    """Say which module something belongs to."""
    if not isinstance(mod, str):
        raise TypeError("The mod argument should be a string")
    obj.__module__ = mod


def swap_tensors(t1: Any, t2: Any) -> None:
    """Exchange two tensors: each name, and whoever holds one, then has the other's content.

    RuntimeError where one of them is in a graph that is still used, or has hooks.
    """
    for t in (t1, t2):
        if not isinstance(t, torch.Tensor):
            raise TypeError(f"swap_tensors() takes two tensors, not {type(t).__name__}")
        if t.grad_fn is not None:
            raise RuntimeError("Cannot swap a tensor that is the result of recorded operations: "
                               "detach() it first")  # fmt: skip
    t1.__class__, t2.__class__ = t2.__class__, t1.__class__
    t1.__dict__, t2.__dict__ = t2.__dict__, t1.__dict__


def get_cpp_backtrace(*_: Any, **__: Any) -> NoReturn:
    """RuntimeError: there is no C++."""
    raise RuntimeError("flambeau has no C++ frames: traceback.format_stack() shows Python's")
