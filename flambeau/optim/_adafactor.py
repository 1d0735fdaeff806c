"""Adafactor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import flambeau as torch

from ._elementwise import ElementwiseOptimizer

if TYPE_CHECKING:
    from flambeau import Tensor

    from .optimizer import Group, ParamsT

__all__ = ["Adafactor", "adafactor"]


class Adafactor(ElementwiseOptimizer):
    """Scales each gradient by a second moment that is kept as row and column means (Shazeer and
    Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", 2018).

    Args:
        params: parameters, `(name, parameter)` pairs, or dicts that make parameter groups.
        lr: learning rate, a number or a tensor of one element. The step is relative: at most
            `lr` (and 1 / sqrt(step)) times the root mean square of the parameter.
        beta2_decay: the moments' decay rate at step t is 1 - t ** beta2_decay.
        eps: (smallest second moment's root; None for the dtype's epsilon, and smallest root
            mean square of a parameter that counts).
        d: updates whose root mean square is above this are scaled down.
        weight_decay: shrinks the parameter itself by `lr * weight_decay`.
        foreach: accepted for PyTorch's sake.
        maximize: climb instead of descending.

    Raises:
        ValueError: a hyperparameter out of range.
        RuntimeError: at `step`, complex parameters.
    """

    _scalar_states = ("step",)
    _option_fallbacks = {"foreach": None}

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, torch.Tensor) and lr.numel() != 1:
            raise ValueError(f"Tensor lr must be 1-element, but its shape is {tuple(lr.shape)}")
        _check("Learning rate should be >= 0", lr, lr >= 0.0)
        _check("beta2_decay should be <= 0", beta2_decay, beta2_decay <= 0.0)
        _check("epsilon1 should be >= 0", eps[0], eps[0] is None or eps[0] >= 0.0)
        _check("epsilon2 should be >= 0", eps[1], eps[1] >= 0.0)
        _check("Clipping threshold d should be >= 1", d, d >= 1.0)
        _check("weight_decay should be >= 0", weight_decay, weight_decay >= 0.0)
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _gather(self, group: Group) -> list[tuple[Tensor, Tensor]]:
        found = super()._gather(group)
        if any(p.is_complex() for p, _ in found):
            raise RuntimeError("Adafactor does not support complex parameters")
        return found

    def _update(self, group: Group) -> None:
        eps1, eps2 = group["eps"]
        for bucket in self._buckets(group, ()):
            step = bucket.values[0] + 1
            for p, grad in zip(bucket.params, bucket.grads, strict=True):
                self._step_one(p, grad, self._moments(p, grad), group, step, eps1, eps2)
            bucket.write(step)

    def _moments(self, p: Tensor, grad: Tensor) -> dict[str, Tensor]:
        """The parameter's state: the means over the last dimension and over the one before, of a
        vector all of it."""
        state = self.state[p]
        if len(state) == 1:
            if grad.dim() > 1:
                state["row_var"] = grad.new_zeros((*grad.shape[:-1], 1))
                state["col_var"] = grad.new_zeros((*grad.shape[:-2], 1, grad.shape[-1]))
            else:
                state["variance"] = torch.zeros_like(grad)
        return state

    def _step_one(
        self, p: Tensor, grad: Tensor, state: dict[str, Tensor], group: Group, step: float,
        eps1: float | None, eps2: float,
    ) -> None:  # fmt: skip
        _adafactor_step(
            p, grad, state.get("row_var"), state.get("col_var"), state.get("variance"),
            step=step, d=group["d"], lr=float(group["lr"]), beta2_decay=group["beta2_decay"],
            weight_decay=group["weight_decay"], eps1=eps1, eps2=eps2, maximize=group["maximize"],
        )  # fmt: skip


def _check(message: str, value: Any, fine: Any) -> None:
    if not fine:
        raise ValueError(f"{message} but is: {value}")


def _adafactor_step(
    p: Tensor, grad: Tensor, row_var: Tensor | None, col_var: Tensor | None,
    variance: Tensor | None, *, step: float, d: float, lr: float, beta2_decay: float,
    weight_decay: float, eps1: float | None, eps2: float, maximize: bool,
) -> None:  # fmt: skip
    """One parameter's step. Norms stay tensors: nothing has to be computed before it is due."""
    if eps1 is None:
        eps1 = torch.finfo(p.dtype).eps
    grad = -grad if maximize else grad
    weight = step**beta2_decay
    rate = min(lr, 1.0 / step**0.5)
    size = p.numel() ** 0.5
    alpha = (p.norm() / size).clamp(min=eps2) * rate
    if weight_decay != 0:
        p.mul_(1 - lr * weight_decay)
    if row_var is not None and col_var is not None:
        squares = grad * grad
        row_var.lerp_(squares.mean(-1, keepdim=True), weight)
        col_var.lerp_(squares.mean(-2, keepdim=True), weight)
        # The best approximation of rank one whose rows' and columns' means are these.
        estimate = row_var @ col_var / row_var.mean(-2, keepdim=True).clamp(min=eps1)
    else:
        assert variance is not None
        variance.lerp_(grad * grad, weight)
        estimate = variance
    update = estimate.clamp(min=eps1 * eps1).rsqrt() * grad
    denominator = (update.norm() / (size * d)).clamp(min=1.0)
    p.sub_(update * (alpha / denominator))


def adafactor(
    params: list[Any], grads: list[Any], row_vars: list[Any], col_vars: list[Any],
    variances: list[Any], state_steps: list[Any], foreach: bool | None = None,
    grad_scale: Any = None, found_inf: Any = None, has_complex: bool = False, *, d: float,
    lr: Any, beta2_decay: float, weight_decay: float, eps1: float, eps2: float, maximize: bool,
) -> None:  # fmt: skip
    """The step of `Adafactor` as a function of lists of tensors."""
    every = zip(params, grads, row_vars, col_vars, variances, state_steps, strict=True)
    for p, grad, row_var, col_var, variance, step in every:
        step += 1
        _adafactor_step(
            p, grad, row_var, col_var, variance, step=float(step), d=d, lr=float(lr),
            beta2_decay=beta2_decay, weight_decay=weight_decay, eps1=eps1, eps2=eps2,
            maximize=maximize,
        )  # fmt: skip
