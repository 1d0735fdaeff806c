"""Adagrad."""

from __future__ import annotations

from typing import TYPE_CHECKING

import flambeau as torch

from . import _updates
from ._elementwise import (
    ElementwiseOptimizer,
    check_fused,
    check_lr,
    check_not_negative,
    hyperparameter,
)
from ._functional import adagrad

if TYPE_CHECKING:
    from flambeau import Tensor

    from .optimizer import Group, ParamsT

__all__ = ["Adagrad", "adagrad"]


class Adagrad(ElementwiseOptimizer):
    """Adagrad: divides the gradient by the root of the sum of all its squares so far.

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts that make parameter groups.
        lr: learning rate, a number or a tensor of one element.
        lr_decay: the rate of step t is `lr / (1 + (t - 1) * lr_decay)`.
        weight_decay: L2 penalty.
        initial_accumulator_value: where the sums start.
        eps: added to the root.
        foreach, fused: accepted for PyTorch's sake; the step is one operation in any case.
        maximize: climb instead of descending.
        differentiable: record the step for autograd.

    Raises:
        ValueError: a negative hyperparameter.
        RuntimeError: `fused` together with `foreach` or `differentiable`.
    """

    _scalar_states = ("step",)
    _option_fallbacks = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "fused": None,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_not_negative("lr_decay value", lr_decay)
        check_not_negative("weight_decay value", weight_decay)
        check_not_negative("initial_accumulator_value value", initial_accumulator_value)
        check_not_negative("epsilon value", eps)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)
        # As in PyTorch the state is there from the start, also of parameters without gradient.
        for group in self.param_groups:
            for p in group["params"]:
                self._scalar("step", group, p)
                self._buffer("sum", group, p, self.state[p])

    def _first_buffer(self, name: str, group: Group, p: Tensor) -> Tensor:
        start = self.defaults["initial_accumulator_value"]
        return torch.full_like(p, complex(start, start) if p.is_complex() else start)

    def share_memory(self) -> None:
        """Move the sums to memory that other processes can share."""
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["sum"].share_memory_()

    def _update(self, group: Group) -> None:
        for bucket in self._buckets(group, ("sum",)):
            step = bucket.values[0] + 1
            _updates.adagrad(
                bucket.params,
                bucket.grads,
                *bucket.buffers,
                step=step,
                lr=hyperparameter(group, group["lr"]),
                lr_decay=group["lr_decay"],
                eps=group["eps"],
                weight_decay=group["weight_decay"],
                maximize=group["maximize"],
            )
            bucket.write(step)
