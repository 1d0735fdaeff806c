"""Resizing the spatial dimensions: `interpolate` and its older names."""

from __future__ import annotations

import math
import operator
import warnings
from typing import Any

import flambeau as torch

from .pooling import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

__all__ = ["interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

Tensor = torch.Tensor
_nn = torch._nn

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
        factors = [f.item() if hasattr(f, "item") else f for f in factors]  # NumPy's overflow
        size = [math.floor(n * factor) for n, factor in zip(input.shape[2:], factors, strict=True)]
        if recompute_scale_factor:
            factors = None
    size = [operator.index(n) for n in size]
    if any(n < 1 for n in (*input.shape[2:], *size)):
        raise RuntimeError(
            "Input and output sizes should be greater than 0, but got input "
            f"{list(input.shape[2:])} and output {size}"
        )
    if mode == "area":
        pools = (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)
        return pools[input.dim() - 3](input, size)
    if input.dtype != torch.uint8 and not input.is_floating_point():
        raise NotImplementedError(f"interpolate: mode '{mode}' is not for {input.dtype}")
    kind = {"bicubic": "cubic"}.get(mode, mode if mode.startswith("nearest") else "linear")
    scales = None if factors is None else tuple(map(float, factors))
    return _nn.resize_image(input, tuple(size), scales, kind, bool(align_corners), antialias)


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
