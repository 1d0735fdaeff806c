"""What boxes lose by not lying on their targets."""

from __future__ import annotations

import flambeau as torch
from flambeau import Tensor
from flambeau.nn import functional as F

__all__ = [
    "complete_box_iou_loss",
    "distance_box_iou_loss",
    "generalized_box_iou_loss",
    "sigmoid_focal_loss",
]


def _reduced(loss: Tensor, reduction: str, empty_is_zero: bool = True) -> Tensor:
    if reduction == "none":
        return loss
    if reduction == "mean":
        return loss.mean() if loss.numel() > 0 or not empty_is_zero else 0.0 * loss.sum()
    if reduction == "sum":
        return loss.sum()
    raise ValueError(
        f"Invalid Value for arg 'reduction': '{reduction}' \n Supported reduction modes: 'none', "
        "'mean', 'sum'"
    )


def _floats(boxes: Tensor) -> Tensor:
    return boxes if boxes.dtype in (torch.float32, torch.float64) else boxes.float()


def _shared_and_union(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    x1, y1, x2, y2 = boxes1.unbind(-1)
    a1, b1, a2, b2 = boxes2.unbind(-1)
    width = torch.min(x2, a2) - torch.max(x1, a1)
    height = torch.min(y2, b2) - torch.max(y1, b1)
    apart = (width <= 0) | (height <= 0)
    shared = (width * height).masked_fill(apart, 0)
    return shared, (x2 - x1) * (y2 - y1) + (a2 - a1) * (b2 - b1) - shared


def _around(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """Width and height of the smallest box around both."""
    upper = torch.min(boxes1[..., :2], boxes2[..., :2])
    lower = torch.max(boxes1[..., 2:], boxes2[..., 2:])
    width, height = (lower - upper).unbind(-1)
    return width, height


def generalized_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """Returns 1 less the generalised overlap of each pair (Rezatofighi et al., CVPR 2019).

    Args:
        boxes1: (N, 4) or (4), corners x1 < x2 and y1 < y2.
        boxes2: the same.
        reduction: "none", "mean" or "sum".
        eps: keeps the divisions finite.
    """
    boxes1, boxes2 = _floats(boxes1), _floats(boxes2)
    shared, union = _shared_and_union(boxes1, boxes2)
    width, height = _around(boxes1, boxes2)
    area = width * height
    overlap = shared / (union + eps) - (area - union) / (area + eps)
    return _reduced(1 - overlap, reduction)


def distance_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """Returns 1 less the overlap, and the squared distance of the middles over the diagonal's.

    Zheng et al., AAAI 2020. The arguments are those of `generalized_box_iou_loss`.
    """
    return _reduced(_distance_loss(_floats(boxes1), _floats(boxes2), eps)[0], reduction)


def _distance_loss(boxes1: Tensor, boxes2: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    shared, union = _shared_and_union(boxes1, boxes2)
    overlap = shared / (union + eps)
    width, height = _around(boxes1, boxes2)
    diagonal = width**2 + height**2 + eps
    middle1, middle2 = ((boxes[..., :2] + boxes[..., 2:]) / 2 for boxes in (boxes1, boxes2))
    apart = ((middle1 - middle2) ** 2).sum(-1)
    return 1 - overlap + apart / diagonal, overlap


def complete_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """As `distance_box_iou_loss`, and a term for the difference of the shapes (the same paper)."""
    boxes1, boxes2 = _floats(boxes1), _floats(boxes2)
    loss, overlap = _distance_loss(boxes1, boxes2, eps)
    slope1, slope2 = (
        torch.atan((boxes[..., 2] - boxes[..., 0]) / (boxes[..., 3] - boxes[..., 1]))
        for boxes in (boxes1, boxes2)
    )
    shape = 4 / torch.pi**2 * torch.pow(slope2 - slope1, 2)
    with torch.no_grad():
        weight = shape / (1 - overlap + shape + eps)
    return _reduced(loss + weight * shape, reduction)


def sigmoid_focal_loss(
    inputs: Tensor,
    targets: Tensor,
    alpha: float = 0.25,
    gamma: float = 2,
    reduction: str = "none",
) -> Tensor:
    """Returns the cross-entropy of yes-or-no questions, with less weight on easy ones.

    Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, equation 5.

    Args:
        inputs: logits.
        targets: 0 or 1, of the same shape.
        alpha: weight of the targets that are 1, the others having 1 - alpha; -1 weighs none.
        gamma: how much less weight.
        reduction: "none", "mean" or "sum".

    Raises:
        ValueError: an `alpha` or `reduction` that is none of these.
    """
    if not 0 <= alpha <= 1 and alpha != -1:
        raise ValueError(
            f"Invalid alpha value: {alpha}. alpha must be in the range [0,1] or -1 for ignore."
        )
    likely = torch.sigmoid(inputs)
    entropy = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    right = likely * targets + (1 - likely) * (1 - targets)
    loss = entropy * (1 - right) ** gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    return _reduced(loss, reduction, empty_is_zero=False)
