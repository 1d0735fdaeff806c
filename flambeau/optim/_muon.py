"""Muon."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import flambeau as torch

from ._elementwise import ElementwiseOptimizer

if TYPE_CHECKING:
    from flambeau import Tensor

    from .optimizer import Group, ParamsT

__all__ = ["Muon", "muon"]

EPS = 1e-7
DEFAULT_A, DEFAULT_B, DEFAULT_C = 3.4445, -4.7750, 2.0315
DEFAULT_NS_STEPS = 5
ADJUSTMENTS = (None, "original", "match_rms_adamw")


class Muon(ElementwiseOptimizer):
    """Momentum made nearly orthogonal by Newton-Schulz iterations, for the matrices of hidden
    layers (Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024).

    Args:
        params: matrices, `(name, parameter)` pairs, or dicts that make parameter groups.
        lr: learning rate, a number or a tensor of one element.
        weight_decay: shrinks the parameter itself by `lr * weight_decay`.
        momentum: decay rate of the running mean of the gradients.
        nesterov: mix the gradient into the mean once more.
        ns_coefficients: a, b, c of an iteration, X ← a X + (b G + c G²) X with G = X Xᵀ.
        eps: smallest norm that the matrix is divided by.
        ns_steps: iterations, below 100. They are computed in bfloat16.
        adjust_lr_fn: "original" (also None) scales the rate of an (A, B) matrix by
            sqrt(max(1, A / B)), "match_rms_adamw" by 0.2 sqrt(max(A, B)) (Liu et al., "Muon is
            Scalable for LLM Training", 2025).

    Raises:
        ValueError: a hyperparameter out of range, or a parameter that is no matrix.
        RuntimeError: at `step`, complex parameters.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (DEFAULT_A, DEFAULT_B, DEFAULT_C),
        eps: float = EPS,
        ns_steps: int = DEFAULT_NS_STEPS,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, torch.Tensor) and lr.numel() != 1:
            raise ValueError(f"Tensor lr must be 1-element, but its shape is {tuple(lr.shape)}")
        for what, value in (
            ("Learning rate", lr), ("momentum", momentum), ("weight decay", weight_decay)
        ):  # fmt: skip
            if not value >= 0.0:
                raise ValueError(f"{what} should be >= 0 but is: {value}")
        if adjust_lr_fn not in ADJUSTMENTS:
            raise ValueError(
                f"Adjust learning rate function {adjust_lr_fn} is not supported: use one of "
                f"{ADJUSTMENTS}"
            )
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(
                        "Muon only supports 2D parameters whereas we found a parameter with size: "
                        f"{p.size()}"
                    )

    def _update(self, group: Group) -> None:
        found = self._gather(group)
        if any(p.is_complex() for p, _ in found):
            raise RuntimeError("Muon does not support complex parameters")
        buffers = [self._buffer("momentum_buffer", group, p, self.state[p]) for p, _ in found]
        muon(
            [p for p, _ in found],
            [grad for _, grad in found],
            buffers,
            has_complex=False,
            **{name: group[name] for name in self.defaults if name != "differentiable"},
        )


def _orthogonalized(
    grad: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Tensor:
    """A matrix U S' Vᵀ for grad = U S Vᵀ, with the numbers S' near 1."""
    if steps >= 100:
        raise ValueError(
            f"Number of steps must be less than 100 for computational efficiency, got {steps}"
        )
    if len(coefficients) != 3:
        raise ValueError(f"Coefficients must be a tuple of exactly 3 values, got {coefficients}")
    a, b, c = coefficients
    tall = grad.size(0) > grad.size(1)
    x = grad.bfloat16()
    if tall:
        x = x.T
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


def _adjusted(lr: float, how: str | None, shape: Any) -> float:
    """The rate for a matrix of a shape."""
    rows, columns = shape[:2]
    if how == "match_rms_adamw":
        return lr * 0.2 * math.sqrt(max(rows, columns))
    return lr * math.sqrt(max(1.0, rows / columns))


def muon(
    params: list[Any], grads: list[Any], muon_momentum_bufs: list[Any], *,
    foreach: bool | None = None, lr: Any, weight_decay: float, momentum: float, nesterov: bool,
    ns_coefficients: tuple[float, float, float], ns_steps: int, eps: float,
    adjust_lr_fn: str | None, has_complex: bool,
) -> None:  # fmt: skip
    """The step of `Muon` as a function of lists of tensors."""
    if foreach:
        raise RuntimeError("Foreach is not supported for Muon yet")
    if has_complex:
        raise ValueError("Complex parameters are not supported")
    rate = float(lr)
    for p, grad, buffer in zip(params, grads, muon_momentum_bufs, strict=True):
        if grad.ndim != 2:
            raise ValueError(f"Param gradient must be a 2D matrix, but has {grad.ndim} dimensions")
        buffer.lerp_(grad, 1 - momentum)
        update = grad.lerp(buffer, momentum) if nesterov else buffer
        update = _orthogonalized(update, ns_coefficients, ns_steps, eps)
        p.mul_(1 - rate * weight_decay)
        p.add_(update, alpha=-_adjusted(rate, adjust_lr_fn, p.shape))
