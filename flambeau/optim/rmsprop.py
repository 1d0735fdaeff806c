"""RMSprop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _updates
from ._elementwise import ElementwiseOptimizer, check_lr, check_not_negative, hyperparameter
from ._functional import rmsprop

if TYPE_CHECKING:
    from flambeau import Tensor

    from .optimizer import Group, ParamsT

__all__ = ["RMSprop", "rmsprop"]


class RMSprop(ElementwiseOptimizer):
    """RMSprop: divides the gradient by the root of a running mean of its square, plus `eps`.

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts that make parameter groups.
        lr: learning rate, a number or a tensor of one element.
        alpha: decay rate of the mean.
        eps: added to the root.
        weight_decay: L2 penalty.
        momentum: of the scaled gradient.
        centered: divide by the estimated standard deviation instead, which takes a running mean
            of the gradient too.
        capturable: needs a device that captures graphs; refused by `step` on the CPU.
        foreach: accepted for PyTorch's sake; the step is one operation in any case.
        maximize: climb instead of descending.
        differentiable: record the step for autograd.

    Raises:
        ValueError: a negative hyperparameter.
    """

    _scalar_states = ("step",)
    _option_fallbacks = {
        "momentum": 0,
        "centered": False,
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative("epsilon value", eps)
        check_not_negative("momentum value", momentum)
        check_not_negative("weight_decay value", weight_decay)
        check_not_negative("alpha value", alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _update(self, group: Group) -> None:
        names = ["square_avg"]
        if group["momentum"] > 0:
            names.append("momentum_buffer")
        if group["centered"]:
            names.append("grad_avg")
        for bucket in self._buckets(group, tuple(names)):
            buffers = dict(zip(names, bucket.buffers, strict=True))
            _updates.rmsprop(
                bucket.params,
                bucket.grads,
                buffers["square_avg"],
                buffers.get("momentum_buffer", []),
                buffers.get("grad_avg", []),
                lr=hyperparameter(group, group["lr"]),
                alpha=group["alpha"],
                eps=group["eps"],
                weight_decay=group["weight_decay"],
                momentum=group["momentum"],
                centered=group["centered"],
                maximize=group["maximize"],
            )
            bucket.write(bucket.values[0] + 1)
