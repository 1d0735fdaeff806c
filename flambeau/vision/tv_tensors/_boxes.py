"""Boxes and points in a picture, which know how large it is."""

from __future__ import annotations

from enum import Enum
from typing import Any

import flambeau as torch

from ._base import TVTensor


class BoundingBoxFormat(Enum):
    """The ways to write a box down: see `vision.ops.box_convert`."""

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"
    XYWHR = "XYWHR"
    CXCYWHR = "CXCYWHR"
    XYXYXYXY = "XYXYXYXY"


_TURNED = ("XYWHR", "CXCYWHR", "XYXYXYXY")


def is_rotated_bounding_format(format: BoundingBoxFormat | str) -> bool:
    """Says whether boxes of the format may be turned.

    Raises:
        ValueError: `format` is neither a format nor its name.
    """
    if isinstance(format, BoundingBoxFormat):
        return format.value in _TURNED
    if not isinstance(format, str):
        raise ValueError(f"format should be str or BoundingBoxFormat, got {type(format)}")
    return format in _TURNED


class BoundingBoxes(TVTensor):
    """Boxes (N, 4), or turned ones (N, 5) or (N, 8).

    Args:
        data: anything a tensor can be made of.
        format: a `BoundingBoxFormat` or its name.
        canvas_size: height and width of the picture.
        clamping_mode: what transforms do with boxes that leave the picture: cut them ("soft" and
            "hard", which differ for turned boxes only), or None for nothing.
        dtype: of the tensor.
        device: of the tensor.
        requires_grad: of the tensor.

    Raises:
        ValueError: other dimensions or another mode, or turned boxes in whole numbers.
    """

    format: BoundingBoxFormat
    canvas_size: tuple[int, int]
    clamping_mode: str | None

    def __new__(
        cls,
        data: Any,
        *,
        format: BoundingBoxFormat | str,
        canvas_size: tuple[int, int],
        clamping_mode: str | None = "soft",
        dtype: Any = None,
        device: Any = None,
        requires_grad: Any = None,
    ) -> Any:
        """Makes them; one box by itself becomes (1, 4)."""
        tensor = cls._to_tensor(data, dtype, device, requires_grad)
        if is_rotated_bounding_format(format) and not tensor.is_floating_point():
            raise ValueError(
                f"Rotated bounding boxes should be floating point tensors, got {tensor.dtype}."
            )
        if tensor.ndim == 1:
            tensor = tensor.unsqueeze(0)
        elif tensor.ndim != 2:
            raise ValueError(f"Expected a 1D or 2D tensor, got {tensor.ndim}D")
        return cls._carrying(tensor, format, canvas_size, clamping_mode)

    @classmethod
    def _carrying(cls, tensor: Any, format: Any, canvas_size: Any, clamping_mode: Any) -> Any:
        if clamping_mode not in (None, "hard", "soft"):
            raise ValueError(f"clamping_mode must be None, hard or soft, got {clamping_mode}.")
        boxes = tensor.as_subclass(cls)
        boxes.format = BoundingBoxFormat[format.upper()] if isinstance(format, str) else format
        boxes.canvas_size = canvas_size
        boxes.clamping_mode = clamping_mode
        return boxes

    @classmethod
    def wrap(cls, tensor: torch.Tensor, like: Any, **kwargs: Any) -> Any:
        """Returns `tensor` with what `like` carries, changed by `kwargs`."""
        names = ("format", "canvas_size", "clamping_mode")
        carried = (kwargs.get(name, getattr(like, name)) for name in names)
        return cls._carrying(tensor.unsqueeze(0) if tensor.ndim == 1 else tensor, *carried)

    @classmethod
    def _like(cls, tensor: torch.Tensor, like: Any) -> Any:
        return cls._carrying(tensor, like.format, like.canvas_size, like.clamping_mode)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return self._shown(
            format=self.format, canvas_size=self.canvas_size, clamping_mode=self.clamping_mode
        )


class KeyPoints(TVTensor):
    """Points (..., 2), x and y.

    Args:
        data: anything a tensor can be made of.
        canvas_size: height and width of the picture.
        dtype: of the tensor.
        device: of the tensor.
        requires_grad: of the tensor.

    Raises:
        ValueError: the last dimension is not 2.
    """

    canvas_size: tuple[int, int]

    def __new__(
        cls,
        data: Any,
        *,
        canvas_size: tuple[int, int],
        dtype: Any = None,
        device: Any = None,
        requires_grad: Any = None,
    ) -> Any:
        """Makes them; one point by itself becomes (1, 2)."""
        tensor = cls._to_tensor(data, dtype, device, requires_grad)
        if tensor.ndim == 1:
            tensor = tensor.unsqueeze(0)
        elif tensor.shape[-1] != 2:
            raise ValueError(f"Expected a tensor of shape (..., 2), not {tensor.shape}")
        return cls._carrying(tensor, canvas_size)

    @classmethod
    def _carrying(cls, tensor: Any, canvas_size: Any) -> Any:
        points = tensor.as_subclass(cls)
        points.canvas_size = canvas_size
        return points

    @classmethod
    def wrap(cls, tensor: torch.Tensor, like: Any, **kwargs: Any) -> Any:
        """Returns `tensor` with what `like` carries, changed by `kwargs`."""
        return cls._carrying(tensor, kwargs.get("canvas_size", like.canvas_size))

    @classmethod
    def _like(cls, tensor: torch.Tensor, like: Any) -> Any:
        return cls._carrying(tensor, like.canvas_size)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return self._shown(canvas_size=self.canvas_size)
