"""Resizing the spatial dimensions: `interpolate` and its older names.

Every mode but "area" is separable: along one dimension each output is a weighted sum of a few
inputs, its taps. So a mode is a function that says which taps, and resizing is the same for all.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import flambeau as torch

from .pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

Tensor = torch.Tensor
Taps = list[tuple[Tensor, Tensor | None]]
"""For each tap the input's index and the weight of every output; no weights: all are 1."""

_DIMENSIONS = {
    "nearest": (3, 4, 5),
    "nearest-exact": (3, 4, 5),
    "area": (3, 4, 5),
    "linear": (3,),
    "bilinear": (4,),
    "bicubic": (4,),
    "trilinear": (5,),
}
_ALIGNABLE = ("linear", "bilinear", "bicubic", "trilinear")


def interpolate(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resize the spatial dimensions of (N, C, ...) to `size` or by `scale_factor`.

    Modes: "nearest", "nearest-exact", "area"; with a dimension each "linear" (N, C, L),
    "bilinear" and "bicubic" (N, C, H, W), "trilinear". `align_corners` puts the first and last
    elements on top of each other, otherwise their outer edges. `antialias` widens the filter
    when an image shrinks, as Pillow does. Raises `ValueError` and `NotImplementedError` for
    arguments that do not go together.
    """
    _check_mode(input, mode, align_corners)
    size, factors = _check_size(input, size, scale_factor)
    if antialias and not (mode in ("bilinear", "bicubic") and input.dim() == 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D "
            "tensor as input"
        )
    if recompute_scale_factor and factors is None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    if factors is not None:
        size = [math.floor(n * factor) for n, factor in zip(input.shape[2:], factors, strict=True)]
        if recompute_scale_factor:
            factors = None
    if any(n < 1 for n in (*input.shape[2:], *size)):
        raise RuntimeError(
            "Input and output sizes should be greater than 0, but got input "
            f"{list(input.shape[2:])} and output {size}"
        )
    if mode == "area":
        pools = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)
        return pools[input.dim() - 3](input, size)
    images = input.dtype == torch.uint8 and mode.startswith("nearest")
    if not images and not input.is_floating_point():
        raise NotImplementedError(f"interpolate: mode '{mode}' is not for {input.dtype}")
    kind = {"bicubic": "cubic"}.get(mode, mode if mode.startswith("nearest") else "linear")
    for axis, n in enumerate(size):
        factor = None if factors is None else float(factors[axis])
        input = _resized(input, 2 + axis, n, factor, kind, bool(align_corners), antialias)
    return input


def _resized(
    x: Tensor, dim: int, size: int, factor: float | None, kind: str, align: bool, antialias: bool
) -> Tensor:
    """One dimension resized."""
    total: Any = None
    for index, weight in _taps(x.size(dim), size, factor, kind, align, antialias):
        part = x.index_select(dim, index)
        if weight is not None:
            shape = [1] * x.dim()
            shape[dim] = size
            part = part * weight.to(x.dtype).reshape(shape)
        total = part if total is None else total + part
    return total


@functools.lru_cache(maxsize=256)
def _taps(n: int, size: int, factor: float | None, kind: str, align: bool, antialias: bool) -> Taps:
    """The taps that resize `n` elements to `size`."""
    with torch.no_grad():
        if kind.startswith("nearest"):
            return _nearest_taps(n, size, factor, exact=kind == "nearest-exact")
        scale = _scale(n, size, factor, align)
        if antialias:
            return _wide_taps(n, size, scale, _triangle if kind == "linear" else _catmull_rom)
        position = torch.arange(size, dtype=torch.float64)
        source = position * scale if align else (position + 0.5) * scale - 0.5
        if kind == "linear":
            return _linear_taps(n, source)
        return _cubic_taps(n, source)


def _scale(n: int, size: int, factor: float | None, align: bool) -> float:
    """How far apart in the input two neighbours of the output are."""
    if align:
        return (n - 1) / (size - 1) if size > 1 else 0.0
    return n / size if factor is None else 1.0 / factor


def _nearest_taps(n: int, size: int, factor: float | None, exact: bool) -> Taps:
    # In float32, as PyTorch: it decides which way an element on the border falls.
    position = torch.arange(size, dtype=torch.float32) + (0.5 if exact else 0.0)
    source = position * torch.tensor(_scale(n, size, factor, False), dtype=torch.float32)
    return [(source.floor().to(torch.int64).clamp(0, n - 1), None)]


def _linear_taps(n: int, source: Tensor) -> Taps:
    source = source.clamp(min=0)
    low = source.floor().clamp(max=n - 1)
    share = (source - low).clamp(0, 1)
    index = low.to(torch.int64)
    return [(index, 1 - share), ((index + 1).clamp(max=n - 1), share)]


def _cubic_taps(n: int, source: Tensor) -> Taps:
    """Keys' cubic convolution (1981) with a = -0.75, on four neighbours."""
    low = source.floor()
    index = low.to(torch.int64)
    taps: Taps = []
    for k in range(-1, 3):
        distance = (source - low - k).abs()
        taps.append(((index + k).clamp(0, n - 1), _keys(distance, -0.75)))
    return taps


def _keys(x: Tensor, a: float) -> Tensor:
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def _triangle(x: Tensor) -> Tensor:
    return (1 - x.abs()).clamp(min=0)


def _catmull_rom(x: Tensor) -> Tensor:
    return _keys(x.abs(), -0.5)


def _wide_taps(n: int, size: int, scale: float, filter: Callable[[Tensor], Tensor]) -> Taps:
    """A filter that is stretched by the scale when the image shrinks."""
    stretch = max(scale, 1.0)
    reach = stretch * (1.0 if filter is _triangle else 2.0)
    centre = (torch.arange(size, dtype=torch.float64) + 0.5) * scale
    first = (centre - reach + 0.5).to(torch.int64).clamp(min=0)
    last = (centre + reach + 0.5).to(torch.int64).clamp(max=n)
    found: list[tuple[Tensor, Tensor]] = []
    for k in range(int((last - first).max())):
        index = first + k
        weight = filter((index - centre + 0.5) / stretch)
        found.append((index.clamp(max=n - 1), torch.where(index < last, weight, 0.0 * weight)))
    total = sum((weight for _, weight in found), torch.zeros(size, dtype=torch.float64))
    return [(index, weight / total) for index, weight in found]


def _check_mode(input: Tensor, mode: str, align_corners: bool | None) -> None:
    dims = _DIMENSIONS.get(mode)
    if dims is None or not 3 <= input.dim() <= 5:
        raise NotImplementedError(
            "Input Error: Only 3D, 4D and 5D input Tensors supported (got "
            f"{input.dim()}D) for the modes: {' | '.join(_DIMENSIONS)} (got {mode})"
        )
    if align_corners is not None and mode not in _ALIGNABLE:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: "
            + " | ".join(_ALIGNABLE)
        )
    if input.dim() not in dims:
        raise NotImplementedError(
            f"Got {input.dim()}D input, but {mode} mode needs {dims[0]}D input"
        )


def _check_size(input: Tensor, size: Any, scale_factor: Any) -> tuple[Any, Any]:
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is None and scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    spatial = input.dim() - 2
    name, given = ("output size", size) if size is not None else ("scale_factor", scale_factor)
    if isinstance(given, (list, tuple)):
        if len(given) != spatial:
            raise ValueError(
                "Input and output must have the same number of spatial dimensions, but got input "
                f"with spatial dimensions of {list(input.shape[2:])} and {name} of {given}."
            )
        given = list(given)
    else:
        given = [given] * spatial
    return (given, None) if size is not None else (None, given)


def upsample(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """The old name of `interpolate`."""
    _warn_renamed("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """The old name of `interpolate` with mode "nearest"."""
    _warn_renamed("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """The old name of `interpolate` with mode "bilinear" and aligned corners."""
    _warn_renamed("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _warn_renamed(name: str) -> None:
    warnings.warn(
        f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=3,
    )
