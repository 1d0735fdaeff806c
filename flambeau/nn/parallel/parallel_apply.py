"""Calling several modules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flambeau as torch

__all__ = ["get_a_var", "parallel_apply"]


def get_a_var(obj: Any) -> Any:
    """The first tensor in something nested, None if there is none."""
    if isinstance(obj, torch.Tensor):
        return obj
    values: Any = ()
    if isinstance(obj, (list, tuple)):
        values = obj
    elif isinstance(obj, dict):
        values = obj.items()
    for each in values:
        found = get_a_var(each)
        if found is not None:
            return found
    return None


def parallel_apply(
    modules: Sequence[Any],
    inputs: Sequence[Any],
    kwargs_tup: Sequence[dict[str, Any]] | None = None,
    devices: Sequence[Any] | None = None,
) -> list[Any]:
    """The results of `modules[i](*inputs[i], **kwargs_tup[i])`.

    One after the other: what they compute already uses all cores.
    """
    named = [{}] * len(modules) if kwargs_tup is None else kwargs_tup
    if not len(modules) == len(inputs) == len(named):
        raise AssertionError(
            f"The number of modules {len(modules)} is not equal to the number of inputs "
            f"{len(inputs)} or of keyword arguments {len(named)}"
        )
    results = []
    for module, args, kwargs in zip(modules, inputs, named, strict=True):
        positional = args if isinstance(args, (list, tuple)) else (args,)
        results.append(module(*positional, **kwargs))
    return results
