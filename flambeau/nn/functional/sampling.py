"""Sampling images at places that a grid names (Jaderberg et al., spatial transformers, 2015).

A grid holds coordinates from -1 to 1, the last dimension of the image first: (x, y) or (x, y, z).
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from typing import Any

import flambeau as torch
from flambeau.errors import shown

__all__ = ["affine_grid", "grid_sample"]

Tensor = torch.Tensor
_CUBIC = -0.75
"""The parameter of the cubic convolution kernel, as in `interpolate`."""


def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """The grid of an affine map: (N, 2, 3) and size (N, C, H, W) give (N, H, W, 2); (N, 3, 4) and
    (N, C, D, H, W) give (N, D, H, W, 3). See `grid_sample` for `align_corners`."""
    if align_corners is None:
        _warn_about_corners("affine_grid")
    if not theta.is_floating_point():
        raise ValueError(f"affine_grid(): expected theta to be floating, got {theta.dtype}")
    n = len(size) - 2
    if n not in (2, 3):
        raise NotImplementedError(
            f"affine_grid(): only 4-D and 5-D sizes are supported, got {list(size)}"
        )
    if theta.dim() != 3 or tuple(theta.shape[1:]) != (n, n + 1):
        raise ValueError(
            f"affine_grid(): expected a batch of {n} by {n + 1} matrices for size {list(size)}, got "
            f"{list(theta.shape)}"
        )
    if min(size) <= 0:
        raise ValueError(f"affine_grid(): expected non-zero, positive sizes, got {list(size)}")
    lines = []
    for axis, length in enumerate(reversed(size[2:])):
        line = torch.linspace(-1, 1, length, dtype=theta.dtype, device=theta.device) if length > 1 else torch.zeros(
            1, dtype=theta.dtype, device=theta.device
        )
        if not align_corners:
            line = line * (length - 1) / length
        lines.append(line.reshape([-1 if d == n - 1 - axis else 1 for d in range(n)]))
    lines.append(torch.ones((), dtype=theta.dtype, device=theta.device))
    base = torch.stack(torch.broadcast_tensors(*lines), -1).reshape(1, -1, n + 1)
    grid = torch.bmm(base.expand(size[0], -1, -1), theta.transpose(1, 2))
    return grid.reshape(theta.size(0), *size[2:], n)


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """The values of (N, C, H, W) at a grid (N, h, w, 2): (N, C, h, w). Or with one dimension more.

    `mode` is "bilinear", "nearest" or "bicubic" (images only). Outside of the image
    `padding_mode` gives "zeros", the nearest value of its "border", or its "reflection".
    `align_corners`: whether -1 and 1 are the middles of the outermost pixels, or their edges.
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            "grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', got "
            f"{shown(mode)}"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "grid_sample(): expected padding_mode to be 'zeros', 'border' or 'reflection', got "
            f"{shown(padding_mode)}"
        )
    if align_corners is None:
        _warn_about_corners("grid_sample")
    _check(input, grid, mode)
    sizes = tuple(reversed(input.shape[2:]))
    align = bool(align_corners)
    flat = grid.reshape(grid.size(0), -1, len(sizes))
    places = [_pixels(flat[..., i], n, align) for i, n in enumerate(sizes)]

    def inside(x: Tensor, n: int) -> Tensor:
        return x if padding_mode == "zeros" else _returned(x, n, padding_mode, align)

    if mode == "bicubic":  # each tap by itself is brought inside
        taps = [_cubic_taps(x, n, inside) for x, n in zip(places, sizes, strict=True)]
    else:
        near = [inside(x, n) for x, n in zip(places, sizes, strict=True)]
        taps = [_nearest_tap(x) if mode == "nearest" else _linear_taps(x) for x in near]
    pixels = input.flatten(2)
    total: Any = None
    for chosen in itertools.product(*taps):
        part = _weighted(pixels, sizes, chosen)
        total = part if total is None else total + part
    return total.reshape(input.size(0), input.size(1), *grid.shape[1:-1])


def _warn_about_corners(name: str) -> None:
    warnings.warn(
        f"Default {name} behavior has changed to align_corners=False since PyTorch 1.3. Please "
        "specify align_corners=True if the old behavior is desired.",
        stacklevel=3,
    )


def _check(input: Tensor, grid: Tensor, mode: str) -> None:
    shapes = f"got input {list(input.shape)} and grid {list(grid.shape)}"
    if input.dtype != grid.dtype:
        raise RuntimeError(
            "grid_sample(): expected input and grid to have the same dtype, got "
            f"{input.dtype} and {grid.dtype}"
        )
    if not input.is_floating_point():
        raise NotImplementedError(f"grid_sample(): not implemented for {input.dtype}")
    if input.dim() not in (4, 5) or grid.dim() != input.dim():
        raise RuntimeError(
            f"grid_sample(): expected 4D or 5D input and grid with the same number of dimensions, {shapes}"
        )
    if input.size(0) != grid.size(0):
        raise RuntimeError(f"grid_sample(): expected the same batch size, {shapes}")
    if grid.size(-1) != input.dim() - 2:
        raise RuntimeError(
            f"grid_sample(): expected grid to have size {input.dim() - 2} in its last dimension, {shapes}"
        )
    if 0 in input.shape[2:]:
        raise RuntimeError(f"grid_sample(): expected non-empty spatial dimensions, {shapes}")
    if mode == "bicubic" and input.dim() == 5:
        raise RuntimeError(f"grid_sample(): bicubic interpolation is for 4D input only, {shapes}")


def _pixels(x: Tensor, n: int, align: bool) -> Tensor:
    """Coordinates from -1 to 1 as places in `n` pixels."""
    return (x + 1) * ((n - 1) / 2) if align else ((x + 1) * n - 1) / 2


def _returned(x: Tensor, n: int, padding_mode: str, align: bool) -> Tensor:
    """Places outside of `n` pixels moved to their border, or mirrored until they are inside."""
    if padding_mode == "reflection":
        low, span = (0.0, n - 1.0) if align else (-0.5, float(n))
        if span == 0:
            return torch.zeros_like(x)
        away = (x - low).abs()
        times = (away.detach() / span).floor()
        rest = away - times * span
        x = torch.where(times % 2 == 0, rest, span - rest) + low
    return x.clamp(0, n - 1)


def _nearest_tap(x: Tensor) -> list[tuple[Tensor, Any]]:
    """The weight is 1, and gives the grid a gradient of zeros."""
    return [(x.detach().round(), torch.where(torch.ones((), dtype=torch.bool, device=x.device), 1.0, x))]


def _linear_taps(x: Tensor) -> list[tuple[Tensor, Any]]:
    below = x.detach().floor()
    return [(below, 1 - (x - below)), (below + 1, x - below)]


def _cubic_taps(
    x: Tensor, n: int, inside: Callable[[Tensor, int], Tensor]
) -> list[tuple[Tensor, Any]]:
    below = x.detach().floor()
    t = x - below
    weights = [_far(t + 1), _near(t), _near(1 - t), _far(2 - t)]
    return [(inside(below + k - 1, n), w) for k, w in enumerate(weights)]


def _near(t: Tensor) -> Tensor:
    return ((_CUBIC + 2) * t - (_CUBIC + 3)) * t * t + 1


def _far(t: Tensor) -> Tensor:
    return ((_CUBIC * t - 5 * _CUBIC) * t + 8 * _CUBIC) * t - 4 * _CUBIC


def _weighted(pixels: Tensor, sizes: tuple[int, ...], chosen: Any) -> Tensor:
    """The pixels (N, C, all) of one tap in each dimension, times their weights: (N, C, places)."""
    index: Any = 0
    weight: Any = 1
    seen: Any = True
    strides = [math.prod(sizes[:i]) for i in range(len(sizes))]
    for (at, w), n, stride in zip(chosen, sizes, strides, strict=True):
        within = (at >= 0) & (at <= n - 1)
        seen = within & seen
        index = index + torch.where(within, at, 0).long() * stride
        weight = weight * w
    places = index.unsqueeze(1).expand(-1, pixels.size(1), -1)
    return pixels.gather(2, places) * torch.where(seen, weight, 0).unsqueeze(1)
