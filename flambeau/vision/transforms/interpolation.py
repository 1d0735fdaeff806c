"""How pixels between pixels are made up: the modes, and the weights of each for tensors."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["InterpolationMode"]


class InterpolationMode(Enum):
    """Interpolation modes; tensors know the nearest ones, bilinear and bicubic."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


# Pillow's numbers for the same filters.
PIL_MODES = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.NEAREST_EXACT: 0,
    InterpolationMode.LANCZOS: 1,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
}
_FROM_PIL = {
    number: mode
    for mode, number in PIL_MODES.items()
    if mode is not InterpolationMode.NEAREST_EXACT
}


def interpolation_mode(value: Any) -> InterpolationMode:
    """Returns the mode that `value`, an InterpolationMode or Pillow's number of one, names."""
    if isinstance(value, InterpolationMode):
        return value
    if isinstance(value, int):
        if value not in _FROM_PIL:
            raise ValueError(
                f"interpolation {value} is none of Pillow's filters {sorted(_FROM_PIL)}"
            )
        return _FROM_PIL[value]
    raise TypeError(
        "Argument interpolation should be a InterpolationMode or a corresponding Pillow integer "
        f"constant, got {type(value)}"
    )


def warn_antialias(antialias: bool | None) -> None:
    """Says that Pillow always smooths what it shrinks."""
    if antialias is False:
        warnings.warn(
            "Anti-alias option is always applied for PIL Image input. "
            "Argument antialias is ignored.",
            stacklevel=3,
        )


@lru_cache(maxsize=128)
def nearest_indices(size: int, target: int, exact: bool) -> np.ndarray[Any, Any]:
    """Returns, for each of `target` output pixels, the input pixel of `size` that it takes."""
    # float32, as PyTorch counts: the last bit decides between two pixels.
    scale = np.float32(size) / np.float32(target)
    positions = np.arange(target, dtype=np.float32)
    if exact:
        positions = positions + np.float32(0.5)
    pixels: np.ndarray[Any, Any] = np.floor(positions * scale).astype(np.int64)
    return np.minimum(pixels, size - 1)


@lru_cache(maxsize=128)
def resize_weights(
    size: int, target: int, mode: InterpolationMode, antialias: bool
) -> np.ndarray[Any, Any]:
    """Returns the (target, size) matrix that resizes one axis: out = weights @ pixels.

    Pixel centres are at half integers (`align_corners=False`). With `antialias` the filter is as
    wide as an output pixel, as in Pillow; without, it spans the neighbouring input pixels only.
    """
    scale = size / target
    cubic = mode is InterpolationMode.BICUBIC
    if antialias:
        # Pillow's cubic has a = -0.5, PyTorch's plain one a = -0.75.
        kernel, support = (_cubic(-0.5), 2.0) if cubic else (_triangle, 1.0)
        weights = _smoothing_weights(size, target, scale, kernel, support)
    elif cubic:
        weights = _spread(
            size, (np.arange(target) + 0.5) * scale - 0.5, _cubic(-0.75), range(-1, 3)
        )
    else:
        centres = np.maximum((np.arange(target) + 0.5) * scale - 0.5, 0.0)
        weights = _spread(size, centres, _triangle, range(2))
    return weights.astype(np.float32)


_Kernel = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]


def _triangle(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.maximum(1.0 - np.abs(x), 0.0)


def _cubic(a: float) -> _Kernel:
    """Keys' cubic convolution kernel (IEEE Trans. ASSP 29, 1981, equation 4 for a = -0.5)."""

    def kernel(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        x = np.abs(x)
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = (((x - 5) * x + 8) * x - 4) * a
        return np.where(x < 1, near, np.where(x < 2, far, 0.0))

    return kernel


def _smoothing_weights(
    size: int, target: int, scale: float, kernel: _Kernel, support: float
) -> np.ndarray[Any, Any]:
    stretch = max(scale, 1.0)
    weights = np.zeros((target, size))
    for index in range(target):
        centre = (index + 0.5) * scale
        first = max(int(centre - support * stretch + 0.5), 0)
        last = min(int(centre + support * stretch + 0.5), size)
        row = kernel((np.arange(first, last) - centre + 0.5) / stretch)
        weights[index, first:last] = row / row.sum()
    return weights


def _spread(
    size: int, centres: np.ndarray[Any, Any], kernel: _Kernel, taps: range
) -> np.ndarray[Any, Any]:
    target = len(centres)
    base = np.floor(centres).astype(np.int64)
    weights = np.zeros((target, size))
    for tap in taps:
        position = np.clip(base + tap, 0, size - 1)
        np.add.at(weights, (np.arange(target), position), kernel(centres - (base + tap)))
    return weights
