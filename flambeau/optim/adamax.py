"""Adamax."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _updates
from ._elementwise import (
    ElementwiseOptimizer,
    check_betas,
    check_lr,
    check_not_negative,
    hyperparameter,
)
from ._functional import adamax

if TYPE_CHECKING:
    from flambeau import Tensor

    from .optimizer import Group, ParamsT

__all__ = ["Adamax", "adamax"]


class Adamax(ElementwiseOptimizer):
    """Adamax: Adam with a decaying maximum of the gradient's magnitude in place of the root of its
    mean square.

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts that make parameter groups.
        lr: learning rate, a number or a tensor of one element.
        betas: decay rates of the mean and of the maximum.
        eps: added to each magnitude.
        weight_decay: L2 penalty.
        foreach: accepted for PyTorch's sake.
        maximize: climb instead of descending.
        differentiable: record the step for autograd.
        capturable: needs a device that captures graphs; refused by `step` on the CPU.

    Raises:
        ValueError: a hyperparameter out of range.
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
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative("epsilon value", eps)
        check_betas(betas)
        check_not_negative("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group) -> None:
        beta1, beta2 = group["betas"]
        for bucket in self._buckets(group, ("exp_avg", "exp_inf")):
            step = bucket.values[0] + 1
            _updates.adamax(
                bucket.params,
                bucket.grads,
                *bucket.buffers,
                step=step,
                lr=hyperparameter(group, group["lr"]),
                beta1=beta1,
                beta2=beta2,
                eps=group["eps"],
                weight_decay=group["weight_decay"],
                maximize=group["maximize"],
            )
            bucket.write(step)
