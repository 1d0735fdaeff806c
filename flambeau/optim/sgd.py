"""Stochastic gradient descent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _updates
from ._elementwise import (
    ElementwiseOptimizer,
    check_fused,
    check_lr,
    check_not_negative,
    hyperparameter,
)
from ._functional import sgd

if TYPE_CHECKING:
    from flambeau import Tensor

    from .optimizer import Group, ParamsT

__all__ = ["SGD", "sgd"]


class SGD(ElementwiseOptimizer):
    """Stochastic gradient descent, optionally with momentum.

    With gradient `g` of a parameter `p`: `g += weight_decay * p`, the buffer becomes
    `momentum * buffer + (1 - dampening) * g` (just `g` at the first step), and
    `p -= lr * buffer`, or `p -= lr * (g + momentum * buffer)` with `nesterov`.

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts that make parameter groups.
        lr: learning rate, a number or a tensor of one element.
        momentum, dampening, weight_decay, nesterov: see above.
        maximize: climb instead of descending.
        foreach, fused: accepted for PyTorch's sake; the step is one operation in any case.
        differentiable: record the step for autograd.

    Raises:
        ValueError: a negative hyperparameter, or Nesterov's form without momentum or with
            dampening.
        RuntimeError: `fused` together with `foreach` or `differentiable`.
    """

    _option_fallbacks = {
        "nesterov": False,
        "maximize": False,
        "foreach": None,
        "differentiable": False,
        "fused": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_not_negative("momentum value", momentum)
        check_not_negative("weight_decay value", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                "Nesterov momentum requires a momentum and zero dampening, but momentum is "
                f"{momentum} and dampening {dampening}"
            )
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)

    def _update(self, group: Group) -> None:
        found = self._gather(group)
        if not found:
            return
        if group["momentum"] == 0:
            params, grads = zip(*found, strict=True)
            self._descend(group, params, grads, (), 0.0)
            return
        # A fresh buffer takes its first gradient whole. Zeros do that without a case of their
        # own, unless dampening would scale it.
        dampening = group["dampening"]
        fresh = [self.state[p].get("momentum_buffer") is None for p, _ in found] if dampening else ()
        for first in (True, False) if dampening and any(fresh) else (None,):
            chosen = found
            if first is not None:
                chosen = [pair for pair, f in zip(found, fresh, strict=True) if first is f]
            if chosen:
                params, grads = zip(*chosen, strict=True)
                buffers = [self._buffer("momentum_buffer", group, p, self.state[p]) for p in params]
                self._descend(group, params, grads, buffers, 0.0 if first else dampening)

    def _descend(
        self, group: Group, params: Any, grads: Any, buffers: Any, dampening: float
    ) -> None:
        _updates.sgd(
            params,
            grads,
            buffers,
            lr=hyperparameter(group, group["lr"]),
            momentum=group["momentum"],
            dampening=dampening,
            weight_decay=hyperparameter(group, group["weight_decay"]),
            nesterov=group["nesterov"],
            maximize=group["maximize"],
        )
