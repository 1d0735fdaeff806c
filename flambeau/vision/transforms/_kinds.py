"""Which of the two modules works on a picture: `_pil` or `_tensor`."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from .._extras import is_pil_image
from . import _pil, _tensor

# A Pillow image or a tensor; what comes out is of the kind that went in.
Picture = Any


def module_of(image: Any) -> Any:
    """Returns the module that works on `image`: `_tensor` or `_pil`.

    Raises:
        TypeError: `image` is neither a tensor nor a Pillow image.
    """
    if isinstance(image, torch.Tensor):
        return _tensor
    if is_pil_image(image):
        return _pil
    raise TypeError(
        f"Unexpected type {type(image)}: an image is a PIL Image or a tensor (..., C, H, W)"
    )


def get_dimensions(img: Picture) -> list[int]:
    """Returns the image's [channels, height, width]."""
    if module_of(img) is _tensor:
        return list(_tensor.dimensions(img))
    return [len(img.getbands()), img.height, img.width]


def channel_fill(img: Picture, fill: Any) -> Any:
    """Returns the colour `fill` as a tensor image wants it, one float a channel; None stays."""
    if not isinstance(img, torch.Tensor) or fill is None:
        return fill
    if isinstance(fill, (int, float)):
        return [float(fill)] * get_dimensions(img)[0]
    return [float(part) for part in fill]
