"""What PyTorch's optimizers use among themselves, for those that others wrote from their sources.

`torch.optim.optimizer` has these names. Here no optimizer has a fused or "foreach" form of its own,
so that copied code takes its plain loop, which the compiler fuses anyway.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import flambeau as torch

_foreach_doc = "foreach (bool, optional): accepted; all parameters are updated together anyway"
_fused_doc = "fused (bool, optional): accepted; updates are fused anyway"
_capturable_doc = "capturable (bool, optional): for CUDA graphs, which are not here"
_differentiable_doc = "differentiable (bool, optional): record the step in the graph"
_maximize_doc = "maximize (bool, optional): climb instead of descending"


def _use_grad_for_differentiable(func: Callable[..., Any]) -> Callable[..., Any]:
    """A `step` that runs in the graph where the optimizer's option `differentiable` says so."""

    @functools.wraps(func)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        thread = torch._thread
        before = thread.grad, thread.inference, thread.asked
        try:  # see `ElementwiseOptimizer.step`
            torch.set_grad_enabled(bool(self.defaults.get("differentiable", False)))
            return func(self, *args, **kwargs)
        finally:
            thread.grad, thread.inference, thread.asked = before

    return step


def _default_to_fused_or_foreach(
    params: list[Any], differentiable: bool, use_fused: bool = False
) -> tuple[bool, bool]:
    """Which form to take where the caller has not chosen: on a CPU neither, the plain loop."""
    return False, False


def _get_capturable_supported_devices(supports_xla: bool = True) -> list[str]:
    return ["cuda"]


def _disable_dynamo_if_unsupported(single_tensor_fn: Any = None) -> Callable[[Any], Any]:
    """A decorator that leaves the function as it is."""
    return lambda func: func


def _get_value(x: Any) -> Any:
    """The number that a tensor of one element holds; anything else as it is."""
    return x.item() if isinstance(x, torch.Tensor) else x


def _stack_if_compiling(x: Any) -> Any:
    return x


def _dispatch_sqrt(x: Any) -> Any:
    return x.sqrt() if isinstance(x, torch.Tensor) else math.sqrt(x)


def _to_scalar(x: Any) -> Any:
    """A tensor of one element as a 0-d one; anything else as it is."""
    return x.squeeze() if isinstance(x, torch.Tensor) and x.dim() else x


def _view_as_real(params: list[Any], *state_and_grads: list[Any]) -> None:
    """Replace, in lists that belong together, what belongs to complex parameters by real views."""
    for i, p in enumerate(params):
        if torch.is_complex(p):
            for tensors in (params, *state_and_grads):
                tensors[i] = torch.view_as_real(tensors[i])
