"""Adam."""

from __future__ import annotations

from typing import TYPE_CHECKING

import flambeau as torch

from . import _updates
from ._elementwise import (
    ElementwiseOptimizer,
    check_betas,
    check_fused,
    check_lr,
    check_not_negative,
    hyperparameter,
)
from ._functional import adam
from .optimizer import as_scalar

if TYPE_CHECKING:
    from flambeau import Tensor

    from .optimizer import Group, ParamsT

__all__ = ["Adam", "adam"]


class Adam(ElementwiseOptimizer):
    """Adam: steps along a running mean of the gradient, divided by the root of a running mean of
    its square, both corrected for having started at zero.

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts that make parameter groups.
        lr: learning rate, a number or a tensor of one element.
        betas: decay rates of the two means, both numbers or both tensors of one element.
        eps: added to the denominator.
        weight_decay: L2 penalty; with `decoupled_weight_decay` it shrinks the parameter itself
            by `lr * weight_decay` (AdamW).
        amsgrad: divide by the largest second moment so far.
        foreach, fused: accepted for PyTorch's sake; the step is one operation in any case.
        maximize: climb instead of descending.
        capturable: needs a device that captures graphs; refused by `step` on the CPU.
        differentiable: record the step for autograd.

    Raises:
        ValueError: a hyperparameter out of range, or tensors among them with `foreach`.
        RuntimeError: `fused` together with `foreach` or `differentiable`.
    """

    _scalar_states = ("step",)
    _option_fallbacks = {
        "amsgrad": False,
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "fused": None,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative("epsilon value", eps)
        check_not_negative("weight_decay value", weight_decay)
        _check_tensors(lr, betas, bool(foreach) and not capturable)
        defaults = {
            "lr": lr,
            "betas": tuple(as_scalar(beta) for beta in betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)

    def _update(self, group: Group) -> None:
        beta1, beta2 = (hyperparameter(group, beta) for beta in group["betas"])
        names = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
        for bucket in self._buckets(group, names if group["amsgrad"] else names[:2]):
            step = bucket.values[0] + 1
            exp_avgs, exp_avg_sqs, *max_exp_avg_sqs = bucket.buffers
            _updates.adam(
                bucket.params,
                bucket.grads,
                exp_avgs,
                exp_avg_sqs,
                max_exp_avg_sqs[0] if max_exp_avg_sqs else [],
                step=step,
                lr=hyperparameter(group, group["lr"]),
                beta1=beta1,
                beta2=beta2,
                eps=group["eps"],
                weight_decay=hyperparameter(group, group["weight_decay"]),
                amsgrad=group["amsgrad"],
                decoupled=group["decoupled_weight_decay"],
                maximize=group["maximize"],
            )
            bucket.write(step)


def _check_tensors(
    lr: float | Tensor, betas: tuple[float | Tensor, float | Tensor], numbers_only: bool
) -> None:
    tensors = [isinstance(beta, torch.Tensor) for beta in betas]
    floats = [isinstance(beta, float) for beta in betas]
    check_betas(betas)
    if not (all(tensors) or all(floats)):
        raise ValueError(f"betas must be either both floats or both Tensors, but got {betas}")
    for name, value in (("lr", lr), ("betas[0]", betas[0]), ("betas[1]", betas[1])):
        if not isinstance(value, torch.Tensor):
            continue
        if value.numel() != 1:
            raise ValueError(
                f"Tensor {name} must be 1-element, but its shape is {tuple(value.shape)}"
            )
        if numbers_only:
            raise ValueError(
                f"{name} as a Tensor is not supported for capturable=False and foreach=True"
            )
