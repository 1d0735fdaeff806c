"""Tensors that say what they are of, for the second generation of transforms."""

from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau.errors import refusing

from ._base import Image, Mask, TVTensor, Video, set_return_type
from ._boxes import BoundingBoxes, BoundingBoxFormat, KeyPoints, is_rotated_bounding_format

__all__ = [
    "BoundingBoxFormat",
    "BoundingBoxes",
    "Image",
    "KeyPoints",
    "Mask",
    "TVTensor",
    "Video",
    "is_rotated_bounding_format",
    "set_return_type",
    "wrap",
]


def wrap(wrappee: torch.Tensor, *, like: Any, **kwargs: Any) -> Any:
    """Returns `wrappee` as what `like` is, with what it carries, changed by `kwargs`."""
    make = getattr(type(like), "wrap", None)
    return wrappee.as_subclass(type(like)) if make is None else make(wrappee, like, **kwargs)


__getattr__ = refusing(__name__)
