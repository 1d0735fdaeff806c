"""The ways to write a box down, and the way from each to each.

`xyxy` is two corners, `xywh` the upper left corner and the size, `cxcywh` the middle and the size;
an `r` is an angle in degrees, counter-clockwise, and `xyxyxyxy` four corners.
"""

from __future__ import annotations

from collections.abc import Callable

import flambeau as torch
from flambeau import Tensor

_Convert = Callable[[Tensor], Tensor]


def _from_cxcywh(boxes: Tensor) -> Tensor:
    cx, cy, w, h = boxes.unbind(-1)
    return torch.stack((cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h), dim=-1)


def _to_cxcywh(boxes: Tensor) -> Tensor:
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack(((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1), dim=-1)


def _from_xywh(boxes: Tensor) -> Tensor:
    x, y, w, h = boxes.unbind(-1)
    return torch.stack((x, y, x + w, y + h), dim=-1)


def _to_xywh(boxes: Tensor) -> Tensor:
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack((x1, y1, x2 - x1, y2 - y1), dim=-1)


def _turned(convert: _Convert) -> _Convert:
    """Rounds what a conversion of turned boxes gives where the boxes were whole numbers."""

    def wrapped(boxes: Tensor) -> Tensor:
        result = convert(boxes)
        if boxes.is_floating_point():
            return result
        return result.round_().to(boxes.dtype)

    return wrapped


def _axes(angle: Tensor) -> tuple[Tensor, Tensor]:
    radians = angle * torch.pi / 180.0
    return torch.cos(radians), torch.sin(radians)


@_turned
def _from_cxcywhr(boxes: Tensor) -> Tensor:
    cx, cy, w, h, r = boxes.unbind(-1)
    cos, sin = _axes(r)
    x = cx - w / 2 * cos - h / 2 * sin
    y = cy - h / 2 * cos + w / 2 * sin
    return torch.stack((x, y, w, h, r), dim=-1)


@_turned
def _to_cxcywhr(boxes: Tensor) -> Tensor:
    x, y, w, h, r = boxes.unbind(-1)
    cos, sin = _axes(r)
    cx = x + w / 2 * cos + h / 2 * sin
    cy = y - w / 2 * sin + h / 2 * cos
    return torch.stack((cx, cy, w, h, r), dim=-1)


@_turned
def _to_corners(boxes: Tensor) -> Tensor:
    """`xywhr` to the corners: upper left, and on clockwise."""
    x, y, w, h, r = boxes.unbind(-1)
    cos, sin = _axes(r)
    x2, y2 = x + w * cos, y - w * sin
    down, right = h * cos, h * sin
    return torch.stack((x, y, x2, y2, x2 + right, y2 + down, x + right, y + down), dim=-1)


@_turned
def _from_corners(boxes: Tensor) -> Tensor:
    """The corners to `xywhr`."""
    x1, y1, x2, y2, x3, y3, _, _ = boxes.unbind(-1)
    angle = torch.atan2(y1 - y2, x2 - x1) * 180 / torch.pi
    width = ((x2 - x1) ** 2 + (y1 - y2) ** 2).sqrt()
    height = ((x3 - x2) ** 2 + (y3 - y2) ** 2).sqrt()
    return torch.stack((x1, y1, width, height, angle), dim=-1)


def _same(boxes: Tensor) -> Tensor:
    return boxes


# Straight boxes go by way of xyxy, turned ones by way of xywhr: (there, back).
STRAIGHT: dict[str, tuple[_Convert, _Convert]] = {
    "xyxy": (_same, _same),
    "xywh": (_from_xywh, _to_xywh),
    "cxcywh": (_from_cxcywh, _to_cxcywh),
}
TURNED: dict[str, tuple[_Convert, _Convert]] = {
    "xywhr": (_same, _same),
    "cxcywhr": (_from_cxcywhr, _to_cxcywhr),
    "xyxyxyxy": (_from_corners, _to_corners),
}
