"""Steps for whole batches (see `transforms._whole`) of this version's transforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau as torch

from .. import _whole
from .._whole import Made, Shape
from . import _container, _geometry, _misc


def _to_image(transform: Any, kind: str, shape: Shape) -> Made | None:
    if kind != "picture" or _whole.has_hooks(transform):
        return None
    return None, 0, "uint8", shape


def _to_dtype(transform: _misc.ToDtype, kind: str, shape: Shape) -> Made | None:
    if transform.dtype is not torch.float32 or transform.scale is not True:
        return None
    return _whole.to_float(transform, kind, shape)


def _crop(transform: _geometry.RandomCrop, kind: str, shape: Shape) -> Made | None:
    padding = set(transform.padding or [0])
    if _whole.has_hooks(transform) or transform.pad_if_needed or len(padding) != 1:
        return None
    if transform.fill != 0 or transform.padding_mode != "constant":
        return None
    size = tuple(transform.size)
    return _whole.cut(kind, shape, size, padding.pop(), always=False)


_whole.CONTAINERS.add(_container.Compose)
_STEPS: dict[type, Callable[[Any, str, Shape], Made | None]] = {
    _misc.ToImage: _to_image,
    _misc.PILToTensor: _to_image,
    _misc.ToDtype: _to_dtype,
    _misc.ConvertImageDtype: _whole.to_float_dtype,
    _misc.Normalize: _whole.normalize,
    _geometry.RandomHorizontalFlip: _whole.flip(-1),
    _geometry.RandomVerticalFlip: _whole.flip(-2),
    _geometry.RandomCrop: _crop,
}
_whole.STEPS.update(_STEPS)
