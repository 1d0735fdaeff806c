"""`functorch`, which PyTorch brings along: `torch.func` under its first name, and models as pairs of a
function and its parameters."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from flambeau import nn
from flambeau.errors import refusing, users_line
from flambeau.func import (
    functional_call,
    functionalize,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    stack_module_state,
    vjp,
    vmap,
)

__all__ = [
    "combine_state_for_ensemble", "functionalize", "grad", "grad_and_value", "hessian", "jacfwd",
    "jacrev", "jvp", "make_functional", "make_functional_with_buffers", "vjp", "vmap",
]  # fmt: skip


def _deprecated(name: str, instead: str) -> None:
    warnings.warn(
        f"functorch.{name} is deprecated: write torch.func.{instead}", FutureWarning,
        stacklevel=users_line(),
    )  # fmt: skip


def _called(model: nn.Module, names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    if len(names) != len(values):
        raise ValueError(f"{type(model).__name__} has {len(names)} of these, not {len(values)}")
    return dict(zip(names, values, strict=True))


def _pair(model: nn.Module, detached: bool) -> tuple[Any, tuple[Any, ...], tuple[Any, ...]]:
    """A function of parameters, buffers and inputs, and copies of the first two."""
    bare = copy.deepcopy(model)
    params, buffers = dict(bare.named_parameters()), dict(bare.named_buffers())

    def function(given: Sequence[Any], state: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        parts = (_called(bare, tuple(params), given), _called(bare, tuple(buffers), state))
        return functional_call(bare, parts, args, kwargs)

    kept = tuple(p.detach() if detached else p for p in params.values())
    return function, kept, tuple(buffers.values())


def make_functional(model: nn.Module, disable_autograd_tracking: bool = False) -> tuple[Any, Any]:
    """`f, params` with `f(params, *inputs)` what the model computes; it must have no buffers."""
    _deprecated("make_functional", "functional_call(model, params, inputs)")
    if any(True for _ in model.buffers()):
        raise RuntimeError(
            "make_functional(model): the model has buffers; use make_functional_with_buffers(model)"
        )
    function, params, _ = _pair(model, disable_autograd_tracking)
    return lambda given, *args, **kwargs: function(given, (), *args, **kwargs), params


def make_functional_with_buffers(
    model: nn.Module, disable_autograd_tracking: bool = False
) -> tuple[Callable[..., Any], tuple[Any, ...], tuple[Any, ...]]:
    """`f, params, buffers` with `f(params, buffers, *inputs)` what the model computes."""
    _deprecated("make_functional_with_buffers", "functional_call(model, (params, buffers), inputs)")
    return _pair(model, disable_autograd_tracking)


def combine_state_for_ensemble(models: Sequence[nn.Module]) -> tuple[Any, Any, Any]:
    """Models of one kind as one function, and their parameters and buffers stacked."""
    _deprecated("combine_state_for_ensemble", "stack_module_state(models)")
    params, buffers = stack_module_state(list(models))
    function, _, _ = _pair(models[0], False)
    return function, tuple(params.values()), tuple(buffers.values())


__getattr__ = refusing(__name__)
