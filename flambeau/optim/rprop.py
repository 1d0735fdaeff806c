"""Rprop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import flambeau as torch

from . import _updates
from ._elementwise import ElementwiseOptimizer, check_lr
from ._functional import rprop

if TYPE_CHECKING:
    from flambeau import Tensor

    from .optimizer import Group, ParamsT

__all__ = ["Rprop", "rprop"]


class Rprop(ElementwiseOptimizer):
    """Resilient backpropagation: looks at the gradient's sign alone, and keeps a step size for
    each element, which grows while the sign stays and shrinks when it turns.

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts that make parameter groups.
        lr: the first step size, a number or a tensor of one element.
        etas: factors by which a step size shrinks and grows.
        step_sizes: smallest and largest step size.
        capturable: needs a device that captures graphs; refused by `step` on the CPU.
        foreach: accepted for PyTorch's sake.
        maximize: climb instead of descending.
        differentiable: record the step for autograd.

    Raises:
        ValueError: a negative rate, or factors that are not `0 < etas[0] < 1 < etas[1]`.
    """

    _scalar_states = ("step",)
    _option_fallbacks = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(
                f"Invalid eta values: {etas[0]}, {etas[1]}; they must be 0 < etas[0] < 1 < etas[1]"
            )
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _first_buffer(self, name: str, group: Group, p: Tensor) -> Tensor:
        if name != "step_size":
            return torch.zeros_like(p)
        lr = float(group["lr"])
        return torch.full_like(p, complex(lr, lr) if p.is_complex() else lr)

    def _update(self, group: Group) -> None:
        eta_minus, eta_plus = group["etas"]
        step_size_min, step_size_max = group["step_sizes"]
        for bucket in self._buckets(group, ("prev", "step_size")):
            _updates.rprop(
                bucket.params,
                bucket.grads,
                *bucket.buffers,
                step_size_min=step_size_min,
                step_size_max=step_size_max,
                eta_minus=eta_minus,
                eta_plus=eta_plus,
                maximize=group["maximize"],
            )
            bucket.write(bucket.values[0] + 1)
