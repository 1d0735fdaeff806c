"""What the functionals that move pixels do to boxes and points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau as torch

from .... import tv_tensors
from ....tv_tensors import BoundingBoxes, BoundingBoxFormat, KeyPoints
from ... import _grid
from ... import functional as v1
from ..._warps import _check_affine, _get_inverse_affine_matrix
from . import _pictures as P
from ._meta import clamped, converted
from ._registry import for_type

_XYXY, _XYWH = BoundingBoxFormat.XYXY, BoundingBoxFormat.XYWH

_Size = tuple[int, int]
# From points (..., 2) to where they go.
_Move = Callable[[torch.Tensor], torch.Tensor]


def _straight(boxes: Any, what: str) -> torch.Tensor:
    """The boxes as a plain tensor."""
    if tv_tensors.is_rotated_bounding_format(boxes.format):
        raise NotImplementedError(
            f"flambeau has no {what} of turned boxes ({boxes.format.value}): convert them to "
            "straight ones first"
        )
    return boxes.as_subclass(torch.Tensor)


def _cut(plain: torch.Tensor, like: Any, size: _Size) -> Any:
    """Boxes in a picture of a size, what leaves it cut off as they want it."""
    inside = clamped(plain, like.format, size, like.clamping_mode)
    return tv_tensors.wrap(inside, like=like, canvas_size=size)


def _shifted(boxes: Any, right: int, down: int, size: _Size, what: str) -> Any:
    plain = _straight(boxes, what)
    twice = boxes.format is _XYXY
    shift = [right, down, right, down] if twice else [right, down, 0, 0]
    return _cut(plain + torch.tensor(shift, dtype=plain.dtype, device=plain.device), boxes, size)


def _moved(boxes: Any, move: _Move, size: _Size, what: str) -> Any:
    """The straight boxes around where the corners go."""
    plain = _straight(boxes, what)
    if plain.numel() == 0:
        return tv_tensors.wrap(plain, like=boxes, canvas_size=size)
    floats = plain if plain.is_floating_point() else plain.float()
    x1, y1, x2, y2 = converted(floats, boxes.format, _XYXY).unbind(-1)
    corners = torch.stack([x1, y1, x2, y1, x2, y2, x1, y2], -1).reshape(-1, 4, 2)
    moved = move(corners)
    around = torch.cat([moved.amin(1), moved.amax(1)], dim=1)
    inside = clamped(around, _XYXY, size, boxes.clamping_mode)
    result = converted(inside, _XYXY, boxes.format).to(plain.dtype)
    return tv_tensors.wrap(result, like=boxes, canvas_size=size)


def _points(points: Any, move: _Move, size: _Size) -> Any:
    plain = points.as_subclass(torch.Tensor)
    floats = plain if plain.is_floating_point() else plain.float()
    return tv_tensors.wrap(move(floats).to(plain.dtype), like=points, canvas_size=size)


def _resized(like: Any, size: Any, max_size: int | None) -> _Size:
    height, width = like.canvas_size
    if size is None:
        tall, wide = P.longest_edge(height, width, max_size or 0)
        return tall, wide
    return v1._resized(height, width, size, max_size)


@for_type(P.resize, BoundingBoxes)
def _resize_boxes(
    boxes: Any, size: Any, interpolation: Any = None, max_size: Any = None, antialias: Any = None
) -> Any:
    height, width = boxes.canvas_size
    tall, wide = _resized(boxes, size, max_size)
    plain = _straight(boxes, "resizing")
    ratios = torch.tensor([wide / width, tall / height] * 2, device=plain.device)
    scaled = plain.mul(ratios).to(plain.dtype)
    return tv_tensors.wrap(scaled, like=boxes, canvas_size=(tall, wide))


@for_type(P.resize, KeyPoints)
def _resize_points(
    points: Any, size: Any, interpolation: Any = None, max_size: Any = None, antialias: Any = None
) -> Any:
    height, width = points.canvas_size
    tall, wide = _resized(points, size, max_size)
    ratios = torch.tensor([wide / width, tall / height], device=points.device)
    return _points(points, lambda xy: xy * ratios, (tall, wide))


@for_type(P.horizontal_flip, BoundingBoxes)
def _flip_boxes(boxes: Any) -> Any:
    plain, width = _straight(boxes, "flipping"), boxes.canvas_size[1]
    a, b, c, d = plain.unbind(-1)
    if boxes.format is _XYXY:
        a, c = width - c, width - a
    else:
        a = width - a - c if boxes.format is _XYWH else width - a
    return tv_tensors.wrap(torch.stack([a, b, c, d], -1), like=boxes)


@for_type(P.vertical_flip, BoundingBoxes)
def _turn_boxes_over(boxes: Any) -> Any:
    plain, height = _straight(boxes, "flipping"), boxes.canvas_size[0]
    a, b, c, d = plain.unbind(-1)
    if boxes.format is _XYXY:
        b, d = height - d, height - b
    else:
        b = height - b - d if boxes.format is _XYWH else height - b
    return tv_tensors.wrap(torch.stack([a, b, c, d], -1), like=boxes)


@for_type(P.horizontal_flip, KeyPoints)
def _flip_points(points: Any) -> Any:
    size = points.canvas_size
    # A point is a pixel, the last of which is at one less than the width.
    return _points(points, lambda xy: torch.stack([size[1] - 1 - xy[..., 0], xy[..., 1]], -1), size)


@for_type(P.vertical_flip, KeyPoints)
def _turn_points_over(points: Any) -> Any:
    size = points.canvas_size
    return _points(points, lambda xy: torch.stack([xy[..., 0], size[0] - 1 - xy[..., 1]], -1), size)


@for_type(P.crop, BoundingBoxes)
def _crop_boxes(boxes: Any, top: int, left: int, height: int, width: int) -> Any:
    return _shifted(boxes, -left, -top, (height, width), "cropping")


@for_type(P.crop, KeyPoints)
def _crop_points(points: Any, top: int, left: int, height: int, width: int) -> Any:
    corner = torch.tensor([left, top], device=points.device)
    return _points(points, lambda xy: xy - corner, (height, width))


def _central(like: Any, output_size: Any) -> tuple[int, int, int, int]:
    """The rectangle of a central crop, which may start outside."""
    tall, wide = v1._pair(output_size)
    height, width = like.canvas_size
    # Where the picture has to be padded, torchvision's boxes may be one pixel off: so are these.
    return round((height - tall) / 2.0), round((width - wide) / 2.0), tall, wide


@for_type(P.center_crop, BoundingBoxes)
def _center_crop_boxes(boxes: Any, output_size: Any) -> Any:
    return _crop_boxes(boxes, *_central(boxes, output_size))


@for_type(P.center_crop, KeyPoints)
def _center_crop_points(points: Any, output_size: Any) -> Any:
    return _crop_points(points, *_central(points, output_size))


@for_type(P.resized_crop, BoundingBoxes)
def _resized_crop_boxes(
    boxes: Any, top: int, left: int, height: int, width: int, size: Any, *_: Any, **__: Any
) -> Any:
    return _resize_boxes(_crop_boxes(boxes, top, left, height, width), size)


@for_type(P.resized_crop, KeyPoints)
def _resized_crop_points(
    points: Any, top: int, left: int, height: int, width: int, size: Any, *_: Any, **__: Any
) -> Any:
    return _resize_points(_crop_points(points, top, left, height, width), size)


def _padded(like: Any, padding: Any, mode: str) -> tuple[int, int, _Size]:
    if mode != "constant":
        raise ValueError(f"Padding mode '{mode}' is not supported with bounding boxes")
    left, top, right, bottom = v1._sides(padding)
    height, width = like.canvas_size
    return left, top, (height + top + bottom, width + left + right)


@for_type(P.pad, BoundingBoxes)
def _pad_boxes(boxes: Any, padding: Any, fill: Any = None, padding_mode: str = "constant") -> Any:
    left, top, size = _padded(boxes, padding, padding_mode)
    return _shifted(boxes, left, top, size, "padding")


@for_type(P.pad, KeyPoints)
def _pad_points(points: Any, padding: Any, fill: Any = None, padding_mode: str = "constant") -> Any:
    left, top, size = _padded(points, padding, padding_mode)
    corner = torch.tensor([left, top], device=points.device)
    return _points(points, lambda xy: xy + corner, size)


def _by_matrix(matrix: list[float]) -> _Move:
    def move(points: torch.Tensor) -> torch.Tensor:
        rows = torch.tensor(matrix, dtype=points.dtype, device=points.device).reshape(2, 3)
        whole = torch.cat([points, torch.ones_like(points[..., :1])], dim=-1)
        return torch.matmul(whole, rows.T)

    return move


def _affine_of(
    like: Any, angle: float, translate: Any, scale: float, shear: Any, center: Any
) -> list[float]:
    """The map from where a point is to where it goes."""
    shears = _check_affine(angle, list(translate), scale, shear, center)
    height, width = like.canvas_size
    about = [width * 0.5, height * 0.5] if center is None else list(center)
    return _get_inverse_affine_matrix(about, angle, translate, scale, shears, inverted=False)


def _affine(
    inpt: Any,
    angle: float,
    translate: Any,
    scale: float,
    shear: Any,
    interpolation: Any = None,
    fill: Any = None,
    center: Any = None,
) -> Any:
    move = _by_matrix(_affine_of(inpt, angle, translate, scale, shear, center))
    if isinstance(inpt, BoundingBoxes):
        return _moved(inpt, move, inpt.canvas_size, "an affine map")
    return _points(inpt, move, inpt.canvas_size)


def _rotate(
    inpt: Any,
    angle: float,
    interpolation: Any = None,
    expand: bool = False,
    center: Any = None,
    fill: Any = None,
) -> Any:
    matrix = _affine_of(inpt, -angle, [0.0, 0.0], 1.0, [0.0, 0.0], center)
    move, size = _by_matrix(matrix), inpt.canvas_size
    if expand:
        height, width = size
        corners = [[0.0, 0.0], [0, height], [width, height], [width, 0]]
        edges = torch.tensor(corners, device=inpt.device)
        corner = move(edges).amin(0)
        turn = _by_matrix(matrix)

        def move(points: torch.Tensor) -> torch.Tensor:
            return turn(points) - corner.to(points.dtype)

        about = [width * 0.5, height * 0.5] if center is None else list(center)
        back = _get_inverse_affine_matrix(about, -angle, [0.0, 0.0], 1.0, [0.0, 0.0])
        size = _grid._extent(back, size)
    if isinstance(inpt, BoundingBoxes):
        return _moved(inpt, move, size, "turning")
    return _points(inpt, move, size)


def _perspective(
    inpt: Any,
    startpoints: Any,
    endpoints: Any,
    interpolation: Any = None,
    fill: Any = None,
    coefficients: Any = None,
) -> Any:
    a, b, c, d, e, f, g, h = P.perspective_coefficients(startpoints, endpoints, coefficients)
    if a * e == b * d:
        raise RuntimeError("these coefficients can't be inverted to transform boxes and points")
    # The coefficients lead from the result to the picture.
    back = torch.tensor([[a, b, c], [d, e, f], [g, h, 1.0]], dtype=torch.float64)
    inverse = torch.linalg.inv(back)

    def move(points: torch.Tensor) -> torch.Tensor:
        rows = inverse.to(points.device, points.dtype)
        found = torch.matmul(points, rows[:, :2].T) + rows[:, 2]
        return found[..., :2] / found[..., 2:]

    if isinstance(inpt, BoundingBoxes):
        return _moved(inpt, move, inpt.canvas_size, "a perspective")
    return _points(inpt, move, inpt.canvas_size)


def _elastic(inpt: Any, displacement: Any, interpolation: Any = None, fill: Any = None) -> Any:
    height, width = inpt.canvas_size
    moved = displacement.to(inpt.device)

    def move(points: torch.Tensor) -> torch.Tensor:
        # Approximately: each point goes the opposite way of what its pixel is taken from.
        x = points[..., 0].long().clamp(0, width - 1)
        y = points[..., 1].long().clamp(0, height - 1)
        half = torch.tensor([0.5 * width, 0.5 * height], dtype=points.dtype, device=points.device)
        whole = torch.stack([x, y], -1).to(points.dtype)
        return whole - moved[0, y, x].to(points.dtype) * half

    if isinstance(inpt, BoundingBoxes):
        return _moved(inpt, lambda xy: move(xy.ceil()), inpt.canvas_size, "a displacement")
    return _points(inpt, move, inpt.canvas_size)


for _kind in (BoundingBoxes, KeyPoints):
    for_type(P.affine, _kind)(_affine)
    for_type(P.rotate, _kind)(_rotate)
    for_type(P.perspective, _kind)(_perspective)
    for_type(P.elastic, _kind)(_elastic)
