"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _updates
from ._elementwise import ElementwiseOptimizer, check_lr, check_not_negative
from ._functional import asgd

if TYPE_CHECKING:
    from flambeau import Tensor

    from .optimizer import Group, ParamsT

__all__ = ["ASGD", "asgd"]


class ASGD(ElementwiseOptimizer):
    """Averaged stochastic gradient descent: plain descent with a decaying rate, while
    `state[p]["ax"]` holds the average of the points from step `t0` on.

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts that make parameter groups.
        lr: the first rate, a number or a tensor of one element.
        lambd: decay, of the rate and of the parameters.
        alpha: power of the rate's decay; that after step t is `lr / (1 + lambd * lr * t) ** alpha`.
        t0: the step at which averaging starts.
        weight_decay: L2 penalty.
        foreach: accepted for PyTorch's sake.
        maximize: climb instead of descending.
        differentiable: record the step for autograd.
        capturable: needs a device that captures graphs; refused by `step` on the CPU.

    Raises:
        ValueError: a negative rate or weight decay.
    """

    _scalar_states = ("step", "eta", "mu")
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
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative("weight_decay value", weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _first_scalar(self, name: str, group: Group) -> float:
        if name == "eta":
            return float(group["lr"])
        return 1.0 if name == "mu" else 0.0

    def _update(self, group: Group) -> None:
        lr, lambd = float(group["lr"]), group["lambd"]
        for bucket in self._buckets(group, ("ax",)):
            step, eta, mu = bucket.values
            step += 1
            _updates.asgd(
                bucket.params,
                bucket.grads,
                *bucket.buffers,
                eta=eta,
                mu=mu,
                lambd=lambd,
                weight_decay=group["weight_decay"],
                maximize=group["maximize"],
            )
            next_eta = lr / (1 + lambd * lr * step) ** group["alpha"]
            bucket.write(step, next_eta, 1 / max(1, step - group["t0"]))
