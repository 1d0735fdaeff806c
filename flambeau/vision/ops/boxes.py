"""Boxes around things in pictures: converting, measuring, comparing and choosing among them."""

from __future__ import annotations

from typing import Any

import numpy as np

import flambeau as torch
from flambeau import Tensor
from flambeau.errors import shown

from ._box_convert import STRAIGHT, TURNED

__all__ = [
    "batched_nms",
    "box_area",
    "box_convert",
    "box_iou",
    "clip_boxes_to_image",
    "complete_box_iou",
    "distance_box_iou",
    "generalized_box_iou",
    "masks_to_boxes",
    "nms",
    "remove_small_boxes",
]


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Keeps the best boxes, each rid of all lesser ones that overlap it too much.

    Args:
        boxes: (N, 4), of corners x1, y1, x2, y2.
        scores: (N).
        iou_threshold: overlaps above it are too much.

    Returns:
        The kept boxes' indices, int64, the best score first.

    Raises:
        RuntimeError: other shapes.
    """
    _check_scored(boxes, scores)
    if _together(boxes):
        return _suppress_together(boxes, scores, None, iou_threshold)
    corners = boxes.detach().cpu().numpy()
    order = np.argsort(-scores.detach().cpu().numpy(), kind="stable")
    keep = _suppress(corners, order, iou_threshold)
    return torch.from_numpy(keep).to(boxes.device)


def _check_scored(boxes: Tensor, scores: Tensor) -> None:
    if boxes.dim() != 2:
        raise RuntimeError(f"boxes should be a 2d tensor, got {boxes.dim()}D")
    if boxes.size(1) != 4:
        raise RuntimeError(f"boxes should have 4 elements in dimension 1, got {boxes.size(1)}")
    if scores.dim() != 1:
        raise RuntimeError(f"scores should be a 1d tensor, got {scores.dim()}D")
    if boxes.size(0) != scores.size(0):
        raise RuntimeError(
            "boxes and scores should have same number of elements in dimension 0, got "
            f"{boxes.size(0)} and {scores.size(0)}"
        )


def _suppress(
    corners: np.ndarray[Any, Any], order: np.ndarray[Any, Any], threshold: float
) -> np.ndarray[Any, Any]:
    """The greedy choice: `order` is the boxes' indices, the best first."""
    x1, y1, x2, y2 = (corners[:, side] for side in range(4))
    areas = (x2 - x1) * (y2 - y1)
    keep = []
    while order.size:
        best, order = order[0], order[1:]
        keep.append(best)
        width = np.minimum(x2[best], x2[order]) - np.maximum(x1[best], x1[order])
        height = np.minimum(y2[best], y2[order]) - np.maximum(y1[best], y1[order])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            overlap = shared / (areas[best] + areas[order] - shared)
        # A box without area overlaps nothing: nan is not above the threshold.
        order = order[~(overlap > threshold)]
    return np.array(keep, np.int64)


MOST_TOGETHER = 16384
"""Boxes whose pairs are all compared on a GPU: a byte and for a while some floats each."""


def _together(boxes: Tensor) -> bool:
    return boxes.device.type != "cpu" and 0 < boxes.size(0) <= MOST_TOGETHER


def _suppress_together(boxes: Tensor, scores: Tensor, classes: Tensor | None, threshold: float) -> Tensor:
    """The same choice by comparing all pairs at once, of `classes` only those within one.

    A box is kept if no better one that is kept overlaps it. Asking that of all boxes, from any guess,
    settles at least one more each time, the best first, so that what does not change any more is the
    answer: after as many rounds as the longest row of boxes that each overlap the next.
    """
    order = (-scores.detach()).argsort(stable=True)
    x1, y1, x2, y2 = boxes.detach()[order].unbind(1)
    areas = (x2 - x1) * (y2 - y1)
    width = torch.minimum(x2[:, None], x2) - torch.maximum(x1[:, None], x1)
    height = torch.minimum(y2[:, None], y2) - torch.maximum(y1[:, None], y1)
    shared = width.clamp(min=0) * height.clamp(min=0)
    clash = shared / (areas[:, None] + areas - shared) > threshold
    if classes is not None:
        own = classes[order]
        clash = clash & (own[:, None] == own)
    clash = clash.triu(1)
    keep = torch.ones(len(order), dtype=torch.bool, device=boxes.device)
    while True:
        for _ in range(ROUNDS):
            before, keep = keep, ~(clash & keep[:, None]).any(0)
        if torch.equal(before, keep):
            return order[keep]


ROUNDS = 4
"""Rounds before the host asks whether anything has changed."""


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """As `nms`, for each of several classes by itself.

    Args:
        boxes: (N, 4), of corners x1, y1, x2, y2.
        scores: (N).
        idxs: (N), the class of each box.
        iou_threshold: see `nms`.

    Returns:
        The kept boxes' indices, int64, the best score first.
    """
    _check_scored(boxes, scores)
    if _together(boxes):
        return _suppress_together(boxes, scores, idxs, iou_threshold)
    classes = idxs.detach().cpu().numpy()
    values = scores.detach().cpu().numpy()
    corners = boxes.detach().cpu().numpy()
    kept = [np.empty(0, np.int64)]
    for one in np.unique(classes):
        own = np.flatnonzero(classes == one)
        kept.append(_suppress(corners, own[np.argsort(-values[own], kind="stable")], iou_threshold))
    chosen = np.sort(np.concatenate(kept))
    return torch.from_numpy(chosen[np.argsort(-values[chosen], kind="stable")]).to(boxes.device)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """Returns the indices of the boxes (N, 4) that are at least `min_size` wide and high."""
    wide = boxes[:, 2] - boxes[:, 0] >= min_size
    high = boxes[:, 3] - boxes[:, 1] >= min_size
    return torch.where(wide & high)[0]


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Returns the boxes (..., 4) with all corners inside of a picture of `size` height, width."""
    height, width = size
    x = boxes[..., 0::2].clamp(min=0, max=width)
    y = boxes[..., 1::2].clamp(min=0, max=height)
    return torch.stack((x, y), dim=boxes.dim()).reshape(boxes.shape)


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Writes boxes down in another way.

    Args:
        boxes: (N, 4), or (N, 5) with an angle, or (N, 8) for four corners.
        in_fmt: "xyxy", "xywh" or "cxcywh"; or "xywhr", "cxcywhr" or "xyxyxyxy".
        out_fmt: another of the same three.

    Raises:
        ValueError: there is no such format.
        NotImplementedError: from a straight box to a turned one, or back.
    """
    known = {**STRAIGHT, **TURNED}
    if in_fmt not in known or out_fmt not in known:
        raise ValueError(
            f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt "
            f"{out_fmt}: known are {', '.join(known)}"
        )
    if in_fmt == out_fmt:
        return boxes.clone()
    if (in_fmt in STRAIGHT) != (out_fmt in STRAIGHT):
        raise NotImplementedError(
            f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}"
        )
    return known[out_fmt][1](known[in_fmt][0](boxes))


def _wide(boxes: Tensor) -> Tensor:
    """In a type whose products don't overflow so soon."""
    if boxes.is_floating_point():
        return boxes if boxes.dtype in (torch.float32, torch.float64) else boxes.float()
    return boxes if boxes.dtype in (torch.int32, torch.int64) else boxes.int()


def box_area(boxes: Tensor, fmt: str = "xyxy") -> Tensor:
    """Returns the areas (N) of boxes (N, 4) of format "xyxy", "xywh" or "cxcywh".

    Raises:
        ValueError: another format.
    """
    if fmt not in STRAIGHT:
        raise ValueError(f"Unsupported Bounding Box area for given format {fmt}")
    boxes = _wide(boxes)
    if fmt == "xyxy":
        return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return boxes[:, 2] * boxes[:, 3]


def _shared_and_union(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """For each pair of boxes (N, 4) and (M, 4): the area that both and that either covers."""
    area1, area2 = box_area(boxes1), box_area(boxes2)
    upper = torch.max(boxes1[:, None, :2], boxes2[:, :2])
    lower = torch.min(boxes1[:, None, 2:], boxes2[:, 2:])
    size = _wide(lower - upper).clamp(min=0)
    shared = size[:, :, 0] * size[:, :, 1]
    return shared, area1[:, None] + area2 - shared


def box_iou(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> Tensor:
    """Returns (N, M): the shared area of boxes (N, 4) and (M, 4) over that of both.

    Args:
        boxes1: (N, 4).
        boxes2: (M, 4).
        fmt: of both: "xyxy", "xywh" or "cxcywh".

    Raises:
        NotImplementedError: turned boxes.
        ValueError: there is no such format.
    """
    if fmt in TURNED:
        raise NotImplementedError(
            f"flambeau has no overlap of turned boxes (fmt={shown(fmt)}): use their straight bounds"
        )
    if fmt not in STRAIGHT:
        raise ValueError(f"Unsupported Box IoU Calculation for given format {fmt}.")
    to_corners = STRAIGHT[fmt][0]
    shared, union = _shared_and_union(to_corners(boxes1), to_corners(boxes2))
    return shared / union


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Returns (N, M): the overlap less the empty share of the box around both.

    Rezatofighi et al., CVPR 2019. Boxes are of format "xyxy".
    """
    shared, union = _shared_and_union(boxes1, boxes2)
    upper = torch.min(boxes1[:, None, :2], boxes2[:, :2])
    lower = torch.max(boxes1[:, None, 2:], boxes2[:, 2:])
    size = _wide(lower - upper).clamp(min=0)
    around = size[:, :, 0] * size[:, :, 1]
    return shared / union - (around - union) / around


def distance_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """Returns (N, M): the overlap less the squared distance of the middles.

    The distance is in terms of the diagonal of the box around both (Zheng et al., AAAI 2020).
    Boxes are of format "xyxy"; `eps` keeps the division finite.
    """
    return _distance_and_plain(_wide(boxes1), _wide(boxes2), eps)[0]


def complete_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """As `distance_box_iou`, and less a term for the difference of the shapes (the same paper)."""
    boxes1, boxes2 = _wide(boxes1), _wide(boxes2)
    distance, iou = _distance_and_plain(boxes1, boxes2, eps)
    slope1, slope2 = (
        torch.atan((boxes[:, 2] - boxes[:, 0]) / (boxes[:, 3] - boxes[:, 1]))
        for boxes in (boxes1, boxes2)
    )
    shape = 4 / torch.pi**2 * torch.pow(slope1[:, None] - slope2, 2)
    with torch.no_grad():
        weight = shape / (1 - iou + shape + eps)
    return distance - weight * shape


def _distance_and_plain(boxes1: Tensor, boxes2: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    iou = box_iou(boxes1, boxes2)
    upper = torch.min(boxes1[:, None, :2], boxes2[:, :2])
    lower = torch.max(boxes1[:, None, 2:], boxes2[:, 2:])
    size = _wide(lower - upper).clamp(min=0)
    diagonal = size[:, :, 0] ** 2 + size[:, :, 1] ** 2 + eps
    middle1, middle2 = ((boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (boxes1, boxes2))
    apart = _wide(middle1[:, None, :] - middle2[None, :, :]) ** 2
    return iou - apart.sum(-1) / diagonal, iou


def masks_to_boxes(masks: Tensor) -> Tensor:
    """Returns the boxes (N, 4) around the non-zero pixels of masks (N, H, W), in floats.

    A mask without any gives zeros. The far corner is the last pixel, not the one behind it.
    """
    boxes = torch.zeros((masks.shape[0], 4), device=masks.device, dtype=torch.float)
    if masks.numel() == 0:
        return boxes
    filled = masks.detach().cpu().numpy() != 0
    for index, mask in enumerate(filled):
        y, x = np.nonzero(mask)
        if x.size:
            corners = [float(x.min()), float(y.min()), float(x.max()), float(y.max())]
            boxes[index] = torch.tensor(corners, device=boxes.device)
    return boxes
