"""Sizes of inputs, formats of boxes, and types."""

from __future__ import annotations

from typing import Any

import numpy as np

import flambeau as torch

from .... import tv_tensors
from ...._extras import is_pil_image
from ....tv_tensors import BoundingBoxes, BoundingBoxFormat, KeyPoints, Mask
from ... import _tensor
from ... import functional as v1
from ..._conversion import pil_to_tensor
from ._registry import for_type, functional, is_pure_tensor


@functional
def get_dimensions(inpt: Any) -> list[int]:
    """Returns a picture's [channels, height, width]."""
    return v1.get_dimensions(inpt)


@functional
def get_size(inpt: Any) -> list[int]:
    """Returns [height, width]: a picture's, a mask's, or those of boxes' and points' picture."""
    return v1.get_dimensions(inpt)[1:]


@functional
def get_num_channels(inpt: Any) -> int:
    """Returns the number of a picture's channels."""
    return v1.get_dimensions(inpt)[0]


@functional
def get_num_frames(inpt: Any) -> int:
    """Returns the number of a video's pictures."""
    return int(inpt.shape[-4])


def _plain(measure: Any) -> Any:
    """For results that are no pictures."""
    for kind in (tv_tensors.Image, tv_tensors.Video):
        for_type(measure, kind)(measure.__wrapped__)
    return measure


for _measure in (get_dimensions, get_size, get_num_channels, get_num_frames):
    _plain(_measure)
for_type(get_size, Mask)(lambda mask: list(mask.shape[-2:]))
for_type(get_size, BoundingBoxes)(lambda boxes: list(boxes.canvas_size))
for_type(get_size, KeyPoints)(lambda points: list(points.canvas_size))


def _named(format: Any) -> BoundingBoxFormat:
    return BoundingBoxFormat[format.upper()] if isinstance(format, str) else format


def converted(boxes: torch.Tensor, old: BoundingBoxFormat, new: BoundingBoxFormat) -> torch.Tensor:
    """Plain boxes in another format. Whole numbers stay whole: middles are rounded up.

    Raises:
        ValueError: from straight boxes to turned ones, or back.
    """
    if old == new:
        return boxes
    if tv_tensors.is_rotated_bounding_format(old) != tv_tensors.is_rotated_bounding_format(new):
        raise ValueError("Cannot convert between rotated and unrotated bounding boxes.")
    if boxes.is_floating_point():
        from ....ops import box_convert

        return box_convert(boxes, old.value.lower(), new.value.lower())
    first, second = boxes[..., :2], boxes[..., 2:]
    if old is BoundingBoxFormat.XYXY:
        second = second - first
    elif old is BoundingBoxFormat.CXCYWH:
        first = first - (second + 1) // 2
    if new is BoundingBoxFormat.XYXY:
        second = first + second
    elif new is BoundingBoxFormat.CXCYWH:
        first = (2 * first + second) // 2
    return torch.cat([first, second], dim=-1)


def convert_bounding_box_format(
    inpt: torch.Tensor, old_format: Any = None, new_format: Any = None, inplace: bool = False
) -> Any:
    """Writes boxes down in another format.

    Args:
        inpt: `BoundingBoxes`, or plain boxes with their `old_format`.
        old_format: of plain boxes.
        new_format: the format wanted.
        inplace: write into `inpt`.

    Raises:
        TypeError: no `new_format`, or an input that is no tensor of boxes.
        ValueError: `old_format` is missing for plain boxes, or given for others.
    """
    if new_format is None:
        raise TypeError("convert_bounding_box_format() missing 1 required argument: 'new_format'")
    new = _named(new_format)
    if is_pure_tensor(inpt):
        if old_format is None:
            raise ValueError("For pure tensor inputs, `old_format` has to be passed.")
        result = converted(inpt, _named(old_format), new)
        return inpt.copy_(result) if inplace else result
    if not isinstance(inpt, BoundingBoxes):
        raise TypeError(
            "Input can either be a plain tensor or a bounding box tv_tensor, but got "
            f"{type(inpt)} instead."
        )
    if old_format is not None:
        raise ValueError("For bounding box tv_tensor inputs, `old_format` must not be passed.")
    plain = inpt.as_subclass(torch.Tensor)
    result = converted(plain, inpt.format, new)
    if inplace:
        result = plain.copy_(result)
    return tv_tensors.wrap(result, like=inpt, format=new)


def clamped(
    boxes: torch.Tensor, format: BoundingBoxFormat, canvas_size: Any, clamping_mode: str | None
) -> torch.Tensor:
    """Plain boxes with what leaves the picture cut off."""
    if clamping_mode is None:
        return boxes.clone()
    if tv_tensors.is_rotated_bounding_format(format):
        raise NotImplementedError(
            f"flambeau has no clamping of turned boxes ({format.value}): set clamping_mode=None"
        )
    height, width = canvas_size
    floats = boxes if boxes.is_floating_point() else boxes.float()
    corners = converted(floats, format, BoundingBoxFormat.XYXY)
    x, y = corners[..., 0::2].clamp(0, width), corners[..., 1::2].clamp(0, height)
    inside = torch.stack((x, y), dim=-1).reshape(corners.shape)
    return converted(inside, BoundingBoxFormat.XYXY, format).to(boxes.dtype)


def clamp_bounding_boxes(
    inpt: torch.Tensor,
    format: Any = None,
    canvas_size: Any = None,
    clamping_mode: str | None = "auto",
) -> Any:
    """Cuts off what of boxes leaves the picture.

    Args:
        inpt: `BoundingBoxes`, or plain boxes with all that follows.
        format: of plain boxes.
        canvas_size: height and width of the picture, for plain boxes.
        clamping_mode: "soft", "hard", None, or "auto" for the boxes' own.

    Raises:
        TypeError: an input that is no tensor of boxes.
        ValueError: another mode, or arguments that are missing or too many.
    """
    if clamping_mode not in (None, "soft", "hard", "auto"):
        raise ValueError(f"clamping_mode must be soft, hard, auto or None, got {clamping_mode}")
    if is_pure_tensor(inpt):
        if format is None or canvas_size is None or clamping_mode == "auto":
            raise ValueError(
                "For pure tensor inputs, `format`, `canvas_size` and `clamping_mode` have to be "
                "passed."
            )
        return clamped(inpt, _named(format), canvas_size, clamping_mode)
    if not isinstance(inpt, BoundingBoxes):
        raise TypeError(
            "Input can either be a plain tensor or a bounding box tv_tensor, but got "
            f"{type(inpt)} instead."
        )
    if format is not None or canvas_size is not None:
        raise ValueError(
            "For bounding box tv_tensor inputs, `format` and `canvas_size` must not be passed."
        )
    mode = inpt.clamping_mode if clamping_mode == "auto" else clamping_mode
    plain = inpt.as_subclass(torch.Tensor)
    return tv_tensors.wrap(clamped(plain, inpt.format, inpt.canvas_size, mode), like=inpt)


def clamp_keypoints(inpt: torch.Tensor, canvas_size: Any = None) -> Any:
    """Moves points that are outside of the picture onto its edge.

    Raises:
        ValueError: `canvas_size` is missing for plain points, or given for `KeyPoints`.
    """
    if isinstance(inpt, KeyPoints) == (canvas_size is not None):
        raise ValueError(
            "`canvas_size` has to be passed for pure tensors, and must not be for KeyPoints"
        )
    height, width = inpt.canvas_size if isinstance(inpt, KeyPoints) else canvas_size
    plain = inpt.as_subclass(torch.Tensor)
    x, y = plain[..., 0].clamp(0, width - 1), plain[..., 1].clamp(0, height - 1)
    result = torch.stack([x, y], dim=-1)
    return tv_tensors.wrap(result, like=inpt) if isinstance(inpt, KeyPoints) else result


def valid_boxes(
    boxes: torch.Tensor, format: Any, canvas_size: Any, min_size: float, min_area: float
) -> torch.Tensor:
    """Which boxes are inside of the picture and not too small, (N)."""
    plain = boxes.as_subclass(torch.Tensor)
    corners = converted(plain, _named(format), BoundingBoxFormat.XYXY)
    height, width = canvas_size
    wide, high = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
    large = (wide >= min_size) & (high >= min_size) & (wide * high >= min_area)
    inside = (corners >= 0).all(dim=-1)
    inside = inside & (corners[:, 0::2] <= width).all(dim=-1)
    return large & inside & (corners[:, 1::2] <= height).all(dim=-1)


def sanitize_bounding_boxes(
    bounding_boxes: torch.Tensor,
    format: Any = None,
    canvas_size: Any = None,
    min_size: float = 1.0,
    min_area: float = 1.0,
) -> tuple[Any, torch.Tensor]:
    """Returns the boxes that are inside of the picture and not too small, and which those are.

    Raises:
        ValueError: `format` and `canvas_size` are missing for plain boxes, or given for others.
    """
    own = isinstance(bounding_boxes, BoundingBoxes)
    if own == (format is not None or canvas_size is not None):
        raise ValueError(
            "format and canvas_size have to be given for pure tensors, and must not be for "
            f"BoundingBoxes; got format={format} and canvas_size={canvas_size}."
        )
    if isinstance(bounding_boxes, BoundingBoxes):
        format, canvas_size = bounding_boxes.format, bounding_boxes.canvas_size
    valid = valid_boxes(bounding_boxes, format, canvas_size, min_size, min_area)
    kept = bounding_boxes[valid]
    return (tv_tensors.wrap(kept, like=bounding_boxes) if own else kept), valid


def sanitize_keypoints(
    key_points: torch.Tensor, canvas_size: Any = None
) -> tuple[Any, torch.Tensor]:
    """Returns the points that are inside of the picture, and which those are.

    Raises:
        ValueError: `canvas_size` is missing for plain points, or given for `KeyPoints`.
    """
    own = isinstance(key_points, KeyPoints)
    if own == (canvas_size is not None):
        raise ValueError(
            "`canvas_size` has to be passed for pure tensors, and must not be for KeyPoints"
        )
    height, width = key_points.canvas_size if isinstance(key_points, KeyPoints) else canvas_size
    plain = key_points.as_subclass(torch.Tensor)
    x, y = plain[..., 0], plain[..., 1]
    valid = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    if valid.ndim > 1:
        valid = valid.flatten(start_dim=1).all(dim=1)
    kept = plain[valid]
    return (tv_tensors.wrap(kept, like=key_points) if own else kept), valid


@functional
def to_dtype(inpt: torch.Tensor, dtype: torch.dtype = torch.float32, scale: bool = False) -> Any:
    """Returns `inpt` in another type, the values of pictures scaled to its range with `scale`."""
    return _tensor.convert_dtype(inpt, dtype) if scale else inpt.to(dtype)


for _kind in (Mask, BoundingBoxes, KeyPoints):
    for_type(to_dtype, _kind)(lambda inpt, dtype=torch.float32, scale=False: inpt.to(dtype))


def convert_image_dtype(image: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Returns the picture in another type, its values scaled."""
    return to_dtype(image, dtype, scale=True)


def to_image(inpt: Any) -> Any:
    """Returns a Pillow image, an array (H, W) or (H, W, C), or a tensor as an `Image`.

    Raises:
        TypeError: something else is given.
    """
    if isinstance(inpt, np.ndarray):
        planes = np.atleast_3d(inpt).transpose(2, 0, 1)
        return tv_tensors.Image(torch.from_numpy(np.array(planes, order="C")))
    if is_pil_image(inpt):
        return tv_tensors.Image(pil_to_tensor(inpt))
    if isinstance(inpt, torch.Tensor):
        return tv_tensors.Image(inpt)
    raise TypeError(
        "Input can either be a pure Tensor, a numpy array, or a PIL image, but got "
        f"{type(inpt)} instead."
    )
