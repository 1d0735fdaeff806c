"""RAdam."""

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
from ._functional import radam

if TYPE_CHECKING:
    from flambeau import Tensor

    from .optimizer import Group, ParamsT

__all__ = ["RAdam", "radam"]


class RAdam(ElementwiseOptimizer):
    """RAdam: Adam that steps by momentum alone until its second moment can be trusted, and is
    rectified for that moment's variance afterwards.

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts that make parameter groups.
        lr: learning rate, a number or a tensor of one element.
        betas: decay rates of the two means.
        eps: added to the denominator.
        weight_decay: L2 penalty; with `decoupled_weight_decay` it shrinks the parameter itself.
        foreach: accepted for PyTorch's sake.
        maximize: climb instead of descending.
        capturable: needs a device that captures graphs; refused by `step` on the CPU.
        differentiable: record the step for autograd.

    Raises:
        ValueError: a hyperparameter out of range.
    """

    _scalar_states = ("step",)
    _option_fallbacks = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group) -> None:
        beta1, beta2 = group["betas"]
        for bucket in self._buckets(group, ("exp_avg", "exp_avg_sq")):
            step = bucket.values[0] + 1
            _updates.radam(
                bucket.params,
                bucket.grads,
                *bucket.buffers,
                step=step,
                lr=hyperparameter(group, group["lr"]),
                beta1=beta1,
                beta2=beta2,
                eps=group["eps"],
                weight_decay=group["weight_decay"],
                decoupled=group["decoupled_weight_decay"],
                maximize=group["maximize"],
            )
            bucket.write(step)
