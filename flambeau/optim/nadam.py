"""NAdam."""

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
from ._functional import nadam

if TYPE_CHECKING:
    from flambeau import Tensor

    from .optimizer import Group, ParamsT

__all__ = ["NAdam", "nadam"]


class NAdam(ElementwiseOptimizer):
    """NAdam: Adam with Nesterov's look-ahead, and a momentum that warms up towards `betas[0]`.

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts that make parameter groups.
        lr: learning rate, a number or a tensor of one element.
        betas: decay rates of the two means.
        eps: added to the denominator.
        weight_decay: L2 penalty; with `decoupled_weight_decay` it shrinks the parameter itself.
        momentum_decay: how fast the momentum warms up; that of step t is
            `betas[0] * (1 - 0.96 ** (t * momentum_decay) / 2)`.
        foreach: accepted for PyTorch's sake.
        maximize: climb instead of descending.
        capturable: needs a device that captures graphs; refused by `step` on the CPU.
        differentiable: record the step for autograd.

    Raises:
        ValueError: a hyperparameter out of range.
    """

    _scalar_states = ("step", "mu_product")
    _option_fallbacks = {
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_not_negative("momentum_decay value", momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _first_scalar(self, name: str, group: Group) -> float:
        return 1.0 if name == "mu_product" else 0.0

    def _update(self, group: Group) -> None:
        beta1, beta2 = group["betas"]
        decay = group["momentum_decay"]
        for bucket in self._buckets(group, ("exp_avg", "exp_avg_sq")):
            step = bucket.values[0] + 1
            mu = beta1 * (1.0 - 0.5 * 0.96 ** (step * decay))
            mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((step + 1) * decay))
            mu_product = bucket.values[1] * mu
            _updates.nadam(
                bucket.params,
                bucket.grads,
                *bucket.buffers,
                step=step,
                mu=mu,
                mu_next=mu_next,
                mu_product=mu_product,
                lr=hyperparameter(group, group["lr"]),
                beta1=beta1,
                beta2=beta2,
                eps=group["eps"],
                weight_decay=group["weight_decay"],
                decoupled=group["decoupled_weight_decay"],
                maximize=group["maximize"],
            )
            bucket.write(step, mu_product)
