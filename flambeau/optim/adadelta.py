"""Adadelta."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _updates
from ._elementwise import ElementwiseOptimizer, check_lr, check_not_negative, hyperparameter
from ._functional import adadelta

if TYPE_CHECKING:
    from flambeau import Tensor

    from .optimizer import Group, ParamsT

__all__ = ["Adadelta", "adadelta"]


class Adadelta(ElementwiseOptimizer):
    """Adadelta: scales the gradient by the ratio of the root mean squares of past changes and of
    past gradients.

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts that make parameter groups.
        lr: factor of the change, a number or a tensor of one element.
        rho: decay rate of both means.
        eps: added under both roots.
        weight_decay: L2 penalty.
        foreach: accepted for PyTorch's sake.
        capturable: needs a device that captures graphs; refused by `step` on the CPU.
        maximize: climb instead of descending.
        differentiable: record the step for autograd.

    Raises:
        ValueError: a negative hyperparameter, or `rho` above 1.
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
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}; it must be in [0, 1]")
        check_not_negative("epsilon value", eps)
        check_not_negative("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group) -> None:
        for bucket in self._buckets(group, ("square_avg", "acc_delta")):
            _updates.adadelta(
                bucket.params,
                bucket.grads,
                *bucket.buffers,
                lr=hyperparameter(group, group["lr"]),
                rho=group["rho"],
                eps=group["eps"],
                weight_decay=group["weight_decay"],
                maximize=group["maximize"],
            )
            bucket.write(bucket.values[0] + 1)
