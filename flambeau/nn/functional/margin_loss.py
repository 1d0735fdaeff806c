"""Losses with a margin, and losses over labels and triplets."""

from __future__ import annotations

from collections.abc import Callable

import flambeau as torch

from ._common import check_reduction, reduced, resolve_reduction
from .distance import pairwise_distance

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "soft_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]

Tensor = torch.Tensor


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos where `target` is 1, max(0, cos - margin) where it is -1.

    Inputs (N, D) with target (N), or (D) with a 0-d target.
    """
    reduction = resolve_reduction("cosine_embedding_loss", reduction, size_average, reduce)
    if target.dim() not in (0, 1):
        raise RuntimeError(
            f"cosine_embedding_loss(): 0D or 1D target tensor expected, got {target.dim()}D"
        )
    if input1.dim() != target.dim() + 1 or input2.dim() != target.dim() + 1:
        raise RuntimeError(
            f"cosine_embedding_loss(): a {target.dim()}D target tensor expects "
            f"{target.dim() + 1}D input tensors, but found "
            f"inputs with sizes {list(input1.shape)} and {list(input2.shape)}."
        )
    dim = target.dim()
    dot = (input1 * input2).sum(dim)
    # PyTorch's guard against zero vectors.
    squares = (input1 * input1).sum(dim) + 1e-12, (input2 * input2).sum(dim) + 1e-12
    cosine = dot / (squares[0] * squares[1]).sqrt()
    zero = torch.zeros_like(cosine)
    same = torch.where(target == 1, 1 - cosine, zero)
    different = torch.where(target == -1, (cosine - margin).clamp_min(0), zero)
    return reduced(same + different, reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """x where `target` is 1, max(0, margin - x) where it is -1."""
    reduction = resolve_reduction("hinge_embedding_loss", reduction, size_average, reduce)
    zero = torch.zeros_like(input)
    near = torch.where(target != -1, input, zero)
    far = torch.where(target != 1, (margin - input).clamp_min(0), zero)
    return reduced(near + far, reduction)


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -target * (input1 - input2) + margin): which of two should rank higher."""
    reduction = resolve_reduction("margin_ranking_loss", reduction, size_average, reduce)
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.size()}, input2: {input2.size()}, target: {target.size()}"
        )
    return reduced((-target * (input1 - input2) + float(margin)).clamp_min(0), reduction)


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-target * input)) for targets 1 and -1."""
    reduction = resolve_reduction("soft_margin_loss", reduction, size_average, reduce)
    return reduced(torch.log1p(torch.exp(-target * input)), reduction)


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The sum over the wrong classes of max(0, margin - x[right] + x[wrong]) ** p, over C.

    Scores (N, C) and classes (N), or (C) and a 0-d class. `weight` (C) weighs by right class.
    """
    reduction = resolve_reduction("multi_margin_loss", reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss(): only p == 1 and p == 2 supported, got {p}")
    if weight is not None and weight.dim() != 1:
        raise ValueError(
            f"multi_margin_loss(): weight must be one-dimensional, got {list(weight.shape)}"
        )
    scores = input.reshape(1, -1) if input.dim() < 2 else input
    classes = target.reshape(-1)
    if input.dim() > 2 or target.dim() > 1 or classes.size(0) != scores.size(0):
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of "
            f"input samples (batch size). Expected target size [{scores.size(0)}], but got "
            f"{list(target.shape)}. Input has shape {list(input.shape)}."
        )
    index = classes.unsqueeze(1)
    gap = (margin - scores.gather(1, index) + scores).clamp_min(0)
    if p == 2:
        gap = gap * gap
    if weight is not None:
        gap = gap * weight[classes].unsqueeze(1)
    wrong = torch.ones_like(scores).scatter(1, index, 0.0)
    loss = (gap * wrong).sum(1) / scores.size(1)
    return reduced(loss if target.dim() else loss.squeeze(0), reduction)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The sum over right and wrong classes of max(0, 1 - (x[right] - x[wrong])), over C.

    Scores and targets are (N, C) or (C); the right classes stand first, -1 ends them.
    """
    reduction = resolve_reduction("multilabel_margin_loss", reduction, size_average, reduce)
    if input.shape != target.shape or input.dim() > 2:
        raise RuntimeError(
            f"multilabel_margin_loss(): inconsistent target size: {list(target.shape)} for input of "
            f"size: {list(input.shape)}"
        )
    if input.dim() and not input.shape[-1]:
        raise RuntimeError(
            "multilabel_margin_loss(): Expected non-empty vector or matrix with optional 0-dim batch "
            f"size, but got: {list(input.shape)}"
        )
    scores = input.reshape(1, -1) if input.dim() < 2 else input
    labels = target.reshape(scores.shape)
    listed = (labels >= 0).to(input.dtype).cumprod(1)
    index = labels.clamp(min=0)
    right = torch.zeros_like(scores).scatter_add(1, index, listed) > 0
    gaps = (1 - scores.gather(1, index).unsqueeze(2) + scores.unsqueeze(1)).clamp_min(0)
    wanted = listed.unsqueeze(2) * (~right).to(input.dtype).unsqueeze(1)
    loss = (gaps * wanted).sum(2).sum(1) / scores.size(1)
    return reduced(loss if input.dim() == 2 else loss.squeeze(0), reduction)


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross-entropy with logits, averaged over the classes (last dimension)."""
    if size_average is not None or reduce is not None:
        reduction = resolve_reduction("multilabel_soft_margin_loss", reduction, size_average, reduce)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"multilabel_soft_margin_loss(): reduction {reduction} is not valid")
    log_yes, log_no = torch._nn.logsigmoid(input), torch._nn.logsigmoid(-input)
    loss = -(target * log_yes + (1 - target) * log_no)
    if weight is not None:
        loss = loss * weight
    return reduced(loss.sum(-1) / input.size(-1), reduction)


def _positive_margin(loss: str, margin: float) -> None:
    if margin <= 0:
        raise ValueError(f"{loss}(): margin must be greater than 0, got {margin}")


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, |anchor - positive| - |anchor - negative| + margin) over the last dimension.

    `swap` takes the distance from positive to negative where it is the smaller one
    (Balntas et al., 2016).
    """
    reduction = resolve_reduction("triplet_margin_loss", reduction, size_average, reduce)
    _positive_margin("triplet_margin_loss", margin)

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return pairwise_distance(a, b, p, eps)

    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with a distance of one's own; the Euclidean one by default."""
    check_reduction("triplet_margin_with_distance_loss", reduction)
    _positive_margin("triplet_margin_with_distance_loss", margin)
    distance = pairwise_distance if distance_function is None else distance_function
    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


def _triplet(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor],
    margin: float,
    swap: bool,
    reduction: str,
) -> Tensor:
    if not anchor.dim() == positive.dim() == negative.dim():
        raise RuntimeError(
            "triplet loss: anchor, positive and negative are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.dim()}D, positive {positive.dim()}D, and "
            f"negative {negative.dim()}D inputs"
        )
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = torch.minimum(far, distance(positive, negative))
    return reduced((near - far + margin).clamp_min(0), reduction)
