"""The cross entropy of a linear map: a network's last layer and its loss in one function."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import flambeau as torch

from .linears import linear
from .loss import cross_entropy

if TYPE_CHECKING:
    from ..modules.linear_cross_entropy_options import LinearCrossEntropyOptions

__all__ = ["linear_cross_entropy"]

Tensor = torch.Tensor


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: LinearCrossEntropyOptions | None = None,
) -> Tensor:
    """`cross_entropy(linear(input, linear_weight, linear_bias), target)`.

    input (in) or (N, in), linear_weight (C, *d, in) and linear_bias (C, *d) make logits
    (N, C, *d); the rest is `cross_entropy`'s. `options` say how PyTorch cuts the batch into
    pieces to save memory; the result does not depend on them, and here they change nothing.

    Raises `RuntimeError` where shapes don't fit, and for `ignore_index` with a target of
    probabilities.
    """
    _check(input, linear_weight, linear_bias)
    classes, *places, width = linear_weight.shape
    logits_shape = (*input.shape[:-1], classes, *places)
    if tuple(target.shape) == logits_shape and ignore_index is not None:
        raise RuntimeError(
            "ignore_index cannot be specified when target contains probabilities: a target of "
            f"shape {list(target.shape)} has a probability for each class"
        )
    if options is not None and (
        places or label_smoothing != 0.0 or target.dtype != torch.int64
    ):
        warnings.warn(
            "linear_cross_entropy: `options` ignored: they are for targets of class indices "
            "(int64), without label_smoothing, and a linear_weight of two dimensions",
            stacklevel=2,
        )
    flat = linear_weight.reshape(math.prod((classes, *places)), width) if places else linear_weight
    bias = linear_bias.reshape(-1) if linear_bias is not None and places else linear_bias
    return cross_entropy(
        linear(input, flat, bias).reshape(logits_shape),
        target,
        weight=weight,
        reduction=reduction,
        ignore_index=-100 if ignore_index is None else ignore_index,
        label_smoothing=label_smoothing,
    )


def _check(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    name = "linear_cross_entropy"
    if input.dim() not in (1, 2):
        raise RuntimeError(
            f"{name}: expected input with dimensionality 1 or 2, got {input.dim()}"
        )
    if weight.dim() < 2:
        raise RuntimeError(
            f"{name}: expected linear_weight with dimensionality at least 2, got {weight.dim()}"
        )
    if input.shape[-1] != weight.shape[-1]:
        raise RuntimeError(
            f"{name}: expected equal input and linear_weight last dimensions (in_features), got "
            f"{input.shape[-1]} and {weight.shape[-1]}"
        )
    if bias is not None and tuple(bias.shape) != tuple(weight.shape[:-1]):
        raise RuntimeError(
            f"{name}: expected linear_bias shape {tuple(weight.shape[:-1])}, got "
            f"{tuple(bias.shape)}"
        )
    if weight.dim() > 2 and input.dim() == 1:
        raise RuntimeError(
            f"{name}: a linear_weight of shape {tuple(weight.shape)} requires batched input, (N, "
            f"{input.shape[-1]}), got {tuple(input.shape)}"
        )
