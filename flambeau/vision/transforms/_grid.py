"""Looking a tensor image up at other places: affine and perspective maps, and displacements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import flambeau as torch
from flambeau.nn import functional as F

from ._tensor import _from_float, check_image

_MODES = ("nearest", "bilinear")


def _check(image: torch.Tensor, mode: str, fill: Any) -> None:
    check_image(image)
    if mode not in _MODES:
        raise ValueError(
            f"Interpolation mode '{mode}' is unsupported with Tensor input: it takes nearest or "
            "bilinear"
        )
    if isinstance(fill, (list, tuple)):
        channels = 1 if image.dim() == 2 else int(image.shape[-3])
        if len(fill) not in (1, channels):
            raise ValueError(
                "The number of elements in 'fill' cannot broadcast to match the number of channels "
                f"of the image ({len(fill)} != {channels})"
            )


def _work_type(image: torch.Tensor) -> torch.dtype:
    return image.dtype if image.is_floating_point() else torch.float32


def _middles(size: int, first: float, dtype: torch.dtype) -> torch.Tensor:
    return torch.linspace(first, first + size - 1, steps=size).to(dtype)


def _homogeneous(height: int, width: int, centred: bool, dtype: torch.dtype) -> torch.Tensor:
    """(height * width, 3): the middle of each pixel, x, y and 1, from the corner or the middle."""
    left, top = (0.5 - 0.5 * width, 0.5 - 0.5 * height) if centred else (0.5, 0.5)
    x = _middles(width, left, dtype).expand(height, width)
    y = _middles(height, top, dtype).unsqueeze(-1).expand(height, width)
    return torch.stack([x, y, torch.ones_like(x)], dim=-1).reshape(-1, 3)


def affine_grid(
    matrix: Sequence[float], size: tuple[int, int], target: tuple[int, int], dtype: torch.dtype
) -> torch.Tensor:
    """The grid (1, *target, 2) that an image of `size` is sampled at; 1 is its edge.

    `matrix` leads from a pixel of the result to the image's, both from the middle.
    """
    theta = torch.tensor(list(matrix), dtype=dtype).reshape(2, 3).t()
    half = torch.tensor([0.5 * size[1], 0.5 * size[0]], dtype=dtype)
    grid = torch.matmul(_homogeneous(*target, True, dtype), theta / half)
    return grid.reshape(1, *target, 2)


def affine(image: torch.Tensor, matrix: Sequence[float], mode: str, fill: Any) -> torch.Tensor:
    _check(image, mode, fill)
    size = (int(image.shape[-2]), int(image.shape[-1]))
    return sampled(image, affine_grid(matrix, size, size, _work_type(image)), mode, fill)


def rotate(
    image: torch.Tensor, matrix: Sequence[float], expand: bool, mode: str, fill: Any
) -> torch.Tensor:
    _check(image, mode, fill)
    size = (int(image.shape[-2]), int(image.shape[-1]))
    target = _extent(matrix, size) if expand else size
    return sampled(image, affine_grid(matrix, size, target, _work_type(image)), mode, fill)


def _extent(matrix: Sequence[float], size: tuple[int, int]) -> tuple[int, int]:
    """The height and width that a turned image covers; a ten-thousandth of a pixel is noise."""
    height, width = size
    # float32, as torchvision counts: it swallows what a right angle's cosine is off zero.
    corners = np.array(
        [[x * width, y * height, 1.0] for x in (-0.5, 0.5) for y in (-0.5, 0.5)], np.float32
    )
    moved = corners @ np.array(matrix, np.float32).reshape(2, 3).T
    half = np.array([width * 0.5, height * 0.5], np.float32)
    step = np.float32(1e-4)
    high = np.ceil(np.trunc((moved.max(0) + half) / step) * step)
    low = np.floor(np.trunc((moved.min(0) + half) / step) * step)
    across, down = (high - low).astype(int).tolist()
    return down, across


def perspective(image: torch.Tensor, coeffs: Sequence[float], mode: str, fill: Any) -> torch.Tensor:
    _check(image, mode, fill)
    height, width = int(image.shape[-2]), int(image.shape[-1])
    dtype = _work_type(image)
    a, b, c, d, e, f, g, h = coeffs
    above = torch.tensor([[a, b, c], [d, e, f]], dtype=dtype).t()
    below = torch.tensor([[g, h, 1.0], [g, h, 1.0]], dtype=dtype).t()
    half = torch.tensor([0.5 * width, 0.5 * height], dtype=dtype)
    points = _homogeneous(height, width, False, dtype)
    grid = torch.matmul(points, above / half) / torch.matmul(points, below) - 1.0
    return sampled(image, grid.reshape(1, height, width, 2), mode, fill)


def displaced(
    image: torch.Tensor, displacement: torch.Tensor, mode: str, fill: Any
) -> torch.Tensor:
    _check(image, mode, fill)
    axes = [
        torch.linspace((1 - size) / size, (size - 1) / size, int(size)) for size in image.shape[-2:]
    ]
    y, x = torch.meshgrid(axes, indexing="ij")
    grid = torch.stack([x, y], -1).unsqueeze(0).to(displacement) + displacement
    return sampled(image, grid, mode, fill)


def sampled(image: torch.Tensor, grid: torch.Tensor, mode: str, fill: Any) -> torch.Tensor:
    """The image (..., H, W) at the places of a grid (1, H', W', 2); outside of it is `fill`."""
    channels = 1 if image.dim() == 2 else int(image.shape[-3])
    work = image.to(grid.dtype).reshape(-1, channels, *image.shape[-2:])
    grid = grid.to(image.device).expand(len(work), -1, -1, -1)
    if fill is not None:
        # One more channel tells how much of each pixel the image covers.
        work = torch.cat((work, torch.ones_like(work[:, :1])), dim=1)
    out = F.grid_sample(work, grid, mode=mode, padding_mode="zeros", align_corners=False)
    if fill is not None:
        cover = out[:, -1:]
        out = out[:, :-1]
        colours = list(fill) if isinstance(fill, (list, tuple)) else [float(fill)]
        colour = torch.tensor(colours, dtype=out.dtype, device=out.device).view(1, -1, 1, 1)
        if mode == "nearest":
            out = torch.where(cover < 0.5, colour, out)
        else:
            # The samples hold the pixels times their coverage; torchvision weighs them again.
            out = out * cover + (1.0 - cover) * colour
    shape = (*image.shape[:-2], *out.shape[-2:])
    return _from_float(out.reshape(shape), image.dtype)


def gaussian_kernel(size: int, sigma: float, dtype: torch.dtype) -> torch.Tensor:
    """The weights (size) of a bell curve of deviation `sigma`, in pixels; they sum to 1."""
    reach = (size - 1) * 0.5
    place = torch.linspace(-reach, reach, steps=size, dtype=dtype)
    weights = torch.exp(-0.5 * (place / sigma).pow(2))
    return weights / weights.sum()


def gaussian_blur(
    image: torch.Tensor, kernel_size: Sequence[int], sigma: Sequence[float]
) -> torch.Tensor:
    check_image(image)
    dtype = _work_type(image)
    across = gaussian_kernel(kernel_size[0], sigma[0], dtype)
    down = gaussian_kernel(kernel_size[1], sigma[1], dtype)
    sides = [kernel_size[0] // 2] * 2 + [kernel_size[1] // 2] * 2
    return _from_float(_convolved(image, torch.outer(down, across), sides), image.dtype)


def _convolved(image: torch.Tensor, kernel: torch.Tensor, sides: list[int]) -> torch.Tensor:
    """Each channel convolved by `kernel`, in its type, the edges mirrored by `sides` pixels."""
    channels = 1 if image.dim() == 2 else int(image.shape[-3])
    work = image.to(kernel.dtype).reshape(-1, channels, *image.shape[-2:])
    if any(sides):
        work = F.pad(work, sides, mode="reflect")
    filters = kernel.to(image.device).expand(channels, 1, *kernel.shape)
    out = F.conv2d(work, filters, groups=channels)
    return out.reshape(*image.shape[:-2], *out.shape[-2:])


def softened(image: torch.Tensor) -> torch.Tensor:
    """The image with every pixel but the edge's averaged with its neighbours, itself five times."""
    weights = np.ones((3, 3), np.float32)
    weights[1, 1] = 5.0
    kernel = torch.from_numpy(weights).to(_work_type(image))
    inner = _convolved(image, kernel / kernel.sum(), [0, 0, 0, 0])
    result = image.clone()
    result[..., 1:-1, 1:-1] = _from_float(inner, image.dtype)
    return result
