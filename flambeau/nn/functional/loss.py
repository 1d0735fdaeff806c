"""Losses: regression, classification, probabilities.

All take `reduction` ("mean", "sum", "none") and most also the old `size_average` and `reduce`.
"""

from __future__ import annotations

import math
import warnings

import flambeau as torch
from flambeau.errors import users_line

from ._common import check_reduction, reduced, resolve_reduction

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "nll_loss",
    "poisson_nll_loss",
    "smooth_l1_loss",
]

Tensor = torch.Tensor
_nn = torch._nn


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(input - target)². With `weight` the mean is the weighted mean."""
    reduction = resolve_reduction("mse_loss", reduction, size_average, reduce)
    input, target = _same_size(input, target)
    if weight is None:
        return _nn.mse_loss(input, target, reduction)
    _check_weight(weight, input)
    return _weighted_mean(_nn.mse_loss(input, target, "none"), weight, reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|input - target|. With `weight` the mean is the weighted mean."""
    reduction = resolve_reduction("l1_loss", reduction, size_average, reduce)
    input, target = _same_size(input, target)
    if weight is None:
        return _nn.l1_loss(input, target, reduction)
    _check_weight(weight, input)
    return _weighted_mean(_nn.l1_loss(input, target, "none"), weight, reduction)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d² / (2 * beta) where d = |input - target| is below `beta`, d - beta / 2 elsewhere."""
    reduction = resolve_reduction("smooth_l1_loss", reduction, size_average, reduce)
    input, target = _same_size(input, target)
    if beta == 0.0:
        return _nn.l1_loss(input, target, reduction)
    return _nn.smooth_l1_loss(input, target, reduction, beta)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """d² / 2 where d = |input - target| is below `delta`, delta * (d - delta / 2) elsewhere."""
    check_reduction("huber_loss", reduction)
    input, target = _same_size(input, target)
    if weight is None:
        return _nn.huber_loss(input, target, reduction, delta)
    _check_weight(weight, input)
    # Unlike the two above, the mean is over the number of elements (PyTorch 2.13).
    return reduced(_nn.huber_loss(input, target, "none", delta) * weight, reduction)


def _same_size(input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    if input.shape == target.shape:
        return input, target
    warnings.warn(
        f"Using a target size ({target.size()}) that is different to the input size "
        f"({input.size()}). This will likely lead to incorrect results due to broadcasting. "
        "Please ensure they have the same size.",
        stacklevel=users_line(),
    )
    broadcast = torch.broadcast_tensors(input, target)
    return broadcast[0], broadcast[1]


def _check_weight(weight: Tensor, input: Tensor) -> None:
    if weight.shape != input.shape:
        raise ValueError(
            f"Weights and input must have the same size, got {weight.size()} and {input.size()}."
        )


def _weighted_mean(loss: Tensor, weight: Tensor, reduction: str) -> Tensor:
    weighted = loss * weight
    if reduction == "mean":
        return weighted.sum() / weight.sum()
    return reduced(weighted, reduction)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-input[n, target[n]] for log-probabilities (N, C, ...) and classes (N, ...).

    `weight` (C) weighs the classes, also in the mean. Targets `ignore_index` don't count.
    """
    reduction = resolve_reduction("nll_loss", reduction, size_average, reduce)
    return _nn.nll_loss(input, target, weight, ignore_index, reduction)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """`nll_loss` of `log_softmax(input)`: logits (N, C, ...), classes (N, ...) or probabilities
    (N, C, ...)."""
    reduction = resolve_reduction("cross_entropy", reduction, size_average, reduce)
    return _nn.cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(t * log(x) + (1 - t) * log(1 - x)) with the logarithms cut at -100.

    Raises `ValueError` for sizes that differ, `RuntimeError` for x outside of [0, 1].
    """
    reduction = resolve_reduction("binary_cross_entropy", reduction, size_average, reduce)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}) is deprecated. Please ensure they have the same size."
        )
    if weight is not None:
        weight = weight.expand(torch.broadcast_shapes(target.shape, weight.shape))
    return _nn.binary_cross_entropy(input, target, weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """`binary_cross_entropy` of `sigmoid(input)`, computed in one stable step.

    `pos_weight` multiplies the part of the positive targets.
    """
    reduction = resolve_reduction("binary_cross_entropy_with_logits", reduction, size_average, reduce)
    if target.shape != input.shape:
        raise ValueError(
            f"Target size ({target.size()}) must be the same as input size ({input.size()})"
        )
    return _nn.binary_cross_entropy_with_logits(input, target, weight, pos_weight, reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """target * (log(target) - input), with log-probabilities for the input.

    "batchmean" sums and divides by the size of the batch, which is the definition of the
    divergence.
    """
    if size_average is not None or reduce is not None:
        reduction = resolve_reduction("kl_div", reduction, size_average, reduce)
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support "
            "size. 'batchmean' divides only by the batch size, and aligns with the KL div math "
            "definition.",
            stacklevel=2,
        )
    if reduction != "batchmean":
        return _nn.kl_div(input, target, check_reduction("kl_div", reduction), log_target)
    total = _nn.kl_div(input, target, "sum", log_target)
    return total / input.size(0) if input.dim() else total


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of counts `target` with rate exp(input), or `input` itself.

    `full` adds Stirling's approximation of log(target!) for counts above 1.
    """
    reduction = resolve_reduction("poisson_nll_loss", reduction, size_average, reduce)
    if log_input:
        loss = torch.exp(input) - target * input
    else:
        loss = input - target * torch.log(input + eps)
    if full:
        stirling = target * torch.log(target) - target + 0.5 * torch.log(2 * math.pi * target)
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log(var) + (input - target)² / var) / 2 with `var` at least `eps`.

    `var` has the shape of `input`, or lacks its last dimension, or has one of size 1. `full` adds
    log(2 pi) / 2. Raises `ValueError` for another shape and for a negative variance.
    """
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"gaussian_nll_loss(): reduction {reduction} is not valid")
    negative = var < 0 if isinstance(var, (int, float)) else bool((var < 0).any())
    if negative:
        raise ValueError("gaussian_nll_loss(): var has negative entry/entries")
    if isinstance(var, (int, float)):
        variance = torch.full_like(input, var)
    else:
        variance = _variance_like(var, input)
    with torch.no_grad():
        floor = variance.clamp(min=eps)
    # The value is cut, its gradient is not: PyTorch clamps a copy outside of the graph.
    variance = variance + (floor - variance.detach())
    loss = 0.5 * (torch.log(variance) + (input - target) ** 2 / variance)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction)


def _variance_like(var: Tensor, input: Tensor) -> Tensor:
    if var.shape == input.shape:
        return var
    if tuple(input.shape[:-1]) == tuple(var.shape):
        return var.unsqueeze(-1)
    if input.dim() == var.dim():
        other = [n for m, n in zip(input.shape, var.shape, strict=True) if m != n]
        if other == [1]:
            return var
    raise ValueError(
        f"gaussian_nll_loss(): var is of incorrect size: {var.size()} for input {input.size()}; "
        "the same size, the size without its last dimension, or one dimension of 1 would fit"
    )
