"""Cutting regions out of feature maps, each to the same size (Girshick; He et al.; Dai et al.)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import flambeau as torch
from flambeau import Tensor, nn

from ._regions import as_rois, numbers, pair, rounded, sampling_weights, whole_bins

__all__ = [
    "PSRoIAlign",
    "PSRoIPool",
    "RoIAlign",
    "RoIPool",
    "ps_roi_align",
    "ps_roi_pool",
    "roi_align",
    "roi_pool",
]


def _weights(
    input: Tensor,
    rois: Tensor,
    size: tuple[int, int],
    spatial_scale: float,
    sampling_ratio: int,
    offset: float,
    least: float,
) -> tuple[Any, Tensor, Tensor]:
    """The pictures' indices, and what rows and columns count: (K, bins, H), (K, bins, W)."""
    indices, corners = numbers(rois, input)
    kind = corners.dtype.type
    corners = corners * kind(spatial_scale) - kind(offset)
    sides = []
    for axis, bins, pixels in ((1, size[0], input.shape[2]), (0, size[1], input.shape[3])):
        start = corners[:, axis]
        extent = np.maximum(corners[:, axis + 2] - start, kind(least))
        weights = sampling_weights(start, extent, bins, sampling_ratio, int(pixels))
        sides.append(torch.from_numpy(weights).to(input.device, input.dtype))
    return indices, sides[0], sides[1]


def _per_picture(
    indices: Any, input: Tensor, cut: Callable[[Tensor, Any], Tensor], shape: tuple[int, ...]
) -> Tensor:
    """Runs `cut` for each picture and its regions' numbers, and puts the results in order."""
    parts, order = [], []
    for picture in np.unique(indices):
        own = np.flatnonzero(indices == picture)
        parts.append(cut(input[int(picture)], torch.from_numpy(own)))
        order.append(own)
    if not parts:
        # Nothing is cut out, and yet a gradient may be asked for.
        return input.new_zeros((0, *shape)) + 0 * input.sum()
    back = np.argsort(np.concatenate(order), kind="stable")
    return torch.cat(parts)[torch.from_numpy(back)]


def roi_align(
    input: Tensor,
    boxes: Tensor | list[Tensor],
    output_size: int | tuple[int, int] | list[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """Averages samples in each bin of each region (He et al., "Mask R-CNN", ICCV 2017).

    The samples' weights are products of one for the row and one for the column, so that a region
    is two matrix products.

    Args:
        input: feature maps (N, C, H, W).
        boxes: regions (K, 5) of a map's index and the corners x1, y1, x2, y2, or a list with the
            corners (L, 4) for each map.
        output_size: bins along height and width.
        spatial_scale: from the boxes' coordinates to the maps'.
        sampling_ratio: samples along each side of a bin; not positive for as many as fit.
        aligned: pixels' middles are at half numbers, as elsewhere.

    Returns:
        (K, C, *output_size).
    """
    size = pair(output_size)
    rois = as_rois(boxes)
    offset, least = (0.5, -np.inf) if aligned else (0.0, 1.0)
    options = (spatial_scale, sampling_ratio, offset, least)
    indices, rows, columns = _weights(input, rois, size, *options)

    def cut(picture: Tensor, own: Tensor) -> Tensor:
        tall = torch.matmul(rows[own].unsqueeze(1), picture.unsqueeze(0))
        return torch.matmul(tall, columns[own].transpose(1, 2).unsqueeze(1))

    return _per_picture(indices, input, cut, (int(input.shape[1]), *size))


def ps_roi_align(
    input: Tensor,
    boxes: Tensor | list[Tensor],
    output_size: int | tuple[int, int] | list[int],
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
) -> Tensor:
    """As `roi_align`, with channels of their own for each bin (Li et al., "Light-Head R-CNN").

    Returns (K, C / bins, *output_size).

    Raises:
        RuntimeError: the channels are no multiple of the bins.
    """
    size = pair(output_size)
    outputs = _check_bins("ps_roi_align", input, size)
    options = (spatial_scale, sampling_ratio, 0.5, -np.inf)
    indices, rows, columns = _weights(input, as_rois(boxes), size, *options)

    def cut(picture: Tensor, own: Tensor) -> Tensor:
        maps = picture.reshape(outputs, *size, *picture.shape[1:])
        return torch.einsum("kih,cijhw,kjw->kcij", rows[own], maps, columns[own])

    return _per_picture(indices, input, cut, (outputs, *size))


def _check_bins(name: str, input: Tensor, size: tuple[int, int]) -> int:
    channels, bins = int(input.shape[1]), size[0] * size[1]
    if channels % bins:
        raise RuntimeError(
            f"{name}: input channels must be a multiple of pooling height * pooling width, got "
            f"{channels} channels for {size[0]} * {size[1]} bins"
        )
    return channels // bins


def _bins(
    input: Tensor, boxes: Any, size: tuple[int, int], scale: float, inclusive: bool
) -> tuple[Any, Any]:
    """The pictures' indices, and each axis' first and last pixels of the bins."""
    indices, corners = numbers(as_rois(boxes), input)
    corners = rounded(corners * corners.dtype.type(scale))
    axes = []
    for axis, bins, pixels in ((1, size[0], input.shape[2]), (0, size[1], input.shape[3])):
        first, last = corners[:, axis], corners[:, axis + 2]
        axes.append(whole_bins(first, last, bins, int(pixels), inclusive))
    return indices, axes


def roi_pool(
    input: Tensor,
    boxes: Tensor | list[Tensor],
    output_size: int | tuple[int, int] | list[int],
    spatial_scale: float = 1.0,
) -> Tensor:
    """Takes the largest value in each bin of each region (Girshick, "Fast R-CNN", ICCV 2015).

    The arguments are those of `roi_align`. An empty bin gives 0. Returns (K, C, *output_size).
    """
    size = pair(output_size)
    indices, ((tops, bottoms), (lefts, rights)) = _bins(input, boxes, size, spatial_scale, True)
    values = input.detach().cpu().numpy()
    channels, width = int(input.shape[1]), int(input.shape[3])
    chosen = np.zeros((len(indices), channels, *size), np.int64)
    empty = np.zeros((len(indices), 1, *size), bool)
    for region, row, column in np.ndindex(len(indices), *size):
        top, left = tops[region, row], lefts[region, column]
        part = values[indices[region], :, top : bottoms[region, row], left : rights[region, column]]
        if part.size == 0:
            empty[region, 0, row, column] = True
            continue
        y, x = np.divmod(part.reshape(channels, -1).argmax(1), part.shape[2])
        chosen[region, :, row, column] = (top + y) * width + left + x
    if not len(indices):
        return input.new_zeros((0, channels, *size)) + 0 * input.sum()
    maps = input.flatten(2)[torch.from_numpy(indices).to(input.device)]
    where = torch.from_numpy(chosen.reshape(len(indices), channels, -1)).to(input.device)
    pooled = maps.gather(2, where).reshape(len(indices), channels, *size)
    return pooled.masked_fill(torch.from_numpy(empty).to(input.device), 0)


def ps_roi_pool(
    input: Tensor,
    boxes: Tensor | list[Tensor],
    output_size: int | tuple[int, int] | list[int],
    spatial_scale: float = 1.0,
) -> Tensor:
    """Averages each bin of each region, with channels of their own for each (Dai et al., "R-FCN").

    The arguments are those of `roi_align`. Returns (K, C / bins, *output_size).

    Raises:
        RuntimeError: the channels are no multiple of the bins.
    """
    size = pair(output_size)
    outputs = _check_bins("ps_roi_pool", input, size)
    indices, axes = _bins(input, boxes, size, spatial_scale, False)
    sides = []
    for (first, last), pixels in zip(axes, input.shape[2:], strict=True):
        place = np.arange(int(pixels))
        inside = (place >= first[..., None]) & (place < last[..., None])
        share = inside / np.maximum(last - first, 1)[..., None]
        sides.append(torch.from_numpy(share).to(input.device, input.dtype))
    rows, columns = sides

    def cut(picture: Tensor, own: Tensor) -> Tensor:
        maps = picture.reshape(outputs, *size, *picture.shape[1:])
        return torch.einsum("kih,cijhw,kjw->kcij", rows[own], maps, columns[own])

    return _per_picture(indices, input, cut, (outputs, *size))


class RoIPool(nn.Module):
    """See `roi_pool`."""

    def __init__(self, output_size: int | tuple[int, int], spatial_scale: float) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale

    def forward(self, input: Tensor, rois: Tensor | list[Tensor]) -> Tensor:
        """Returns (K, C, *output_size)."""
        return roi_pool(input, rois, self.output_size, self.spatial_scale)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(output_size={self.output_size}, "
            f"spatial_scale={self.spatial_scale})"
        )


class PSRoIPool(RoIPool):
    """See `ps_roi_pool`."""

    def forward(self, input: Tensor, rois: Tensor | list[Tensor]) -> Tensor:
        """Returns (K, C / bins, *output_size)."""
        return ps_roi_pool(input, rois, self.output_size, self.spatial_scale)


class PSRoIAlign(nn.Module):
    """See `ps_roi_align`."""

    def __init__(
        self, output_size: int | tuple[int, int], spatial_scale: float, sampling_ratio: int
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio

    def forward(self, input: Tensor, rois: Tensor | list[Tensor]) -> Tensor:
        """Returns (K, C / bins, *output_size)."""
        options = (self.output_size, self.spatial_scale, self.sampling_ratio)
        return ps_roi_align(input, rois, *options)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(output_size={self.output_size}, "
            f"spatial_scale={self.spatial_scale}, sampling_ratio={self.sampling_ratio})"
        )


class RoIAlign(nn.Module):
    """See `roi_align`."""

    def __init__(
        self,
        output_size: int | tuple[int, int],
        spatial_scale: float,
        sampling_ratio: int,
        aligned: bool = False,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def forward(self, input: Tensor, rois: Tensor | list[Tensor]) -> Tensor:
        """Returns (K, C, *output_size)."""
        options = (self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)
        return roi_align(input, rois, *options)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(output_size={self.output_size}, "
            f"spatial_scale={self.spatial_scale}, sampling_ratio={self.sampling_ratio}, "
            f"aligned={self.aligned})"
        )
