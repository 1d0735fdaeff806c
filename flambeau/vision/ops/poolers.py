"""Cutting each region out of the feature map that fits its size."""

from __future__ import annotations

import math

import flambeau as torch
from flambeau import Tensor, nn

from ._regions import as_rois
from .boxes import box_area
from .roi import roi_align

__all__ = ["MultiScaleRoIAlign"]


class LevelMapper:
    """Chooses a level of a pyramid for each box (Lin et al., CVPR 2017, equation 1).

    Args:
        k_min: the lowest level.
        k_max: the highest level.
        canonical_scale: a box as wide and high as this
        canonical_level: is on this level.
        eps: keeps a box at a border on one side of it.
    """

    def __init__(
        self,
        k_min: int,
        k_max: int,
        canonical_scale: int = 224,
        canonical_level: int = 4,
        eps: float = 1e-6,
    ) -> None:
        self.k_min = k_min
        self.k_max = k_max
        self.s0 = canonical_scale
        self.lvl0 = canonical_level
        self.eps = eps

    def __call__(self, boxlists: list[Tensor]) -> Tensor:
        """Returns the levels, int64 from 0, of all boxes of the lists (L, 4)."""
        side = torch.sqrt(torch.cat([box_area(boxes) for boxes in boxlists]))
        levels = torch.floor(self.lvl0 + torch.log2(side / self.s0) + self.eps)
        return levels.clamp(min=self.k_min, max=self.k_max).to(torch.int64) - self.k_min


class MultiScaleRoIAlign(nn.Module):
    """`roi_align` with several feature maps, each region from the one that fits its size.

    Args:
        featmap_names: the maps that are used.
        output_size: bins along height and width.
        sampling_ratio: see `roi_align`.
        canonical_scale: see `LevelMapper`.
        canonical_level: see `LevelMapper`.
    """

    def __init__(
        self,
        featmap_names: list[str],
        output_size: int | tuple[int, int] | list[int],
        sampling_ratio: int,
        *,
        canonical_scale: int = 224,
        canonical_level: int = 4,
    ) -> None:
        super().__init__()
        if isinstance(output_size, int):
            output_size = (output_size, output_size)
        self.featmap_names = featmap_names
        self.sampling_ratio = sampling_ratio
        self.output_size = tuple(output_size)
        self.scales: list[float] | None = None
        self.map_levels: LevelMapper | None = None
        self.canonical_scale = canonical_scale
        self.canonical_level = canonical_level

    def forward(
        self, x: dict[str, Tensor], boxes: list[Tensor], image_shapes: list[tuple[int, int]]
    ) -> Tensor:
        """Returns (K, C, *output_size).

        Args:
            x: feature maps (N, C, H, W) by name, the largest first.
            boxes: for each picture (L, 4), in pixels of the picture.
            image_shapes: height and width of each picture.

        Raises:
            ValueError: no pictures.
        """
        maps = [one for name, one in x.items() if name in self.featmap_names]
        if self.scales is None or self.map_levels is None:
            self._measure(maps, image_shapes)
        scales, mapper = self.scales, self.map_levels
        assert scales is not None and mapper is not None
        rois = as_rois(boxes)
        size = (self.output_size[0], self.output_size[1])
        if len(maps) == 1:
            return roi_align(maps[0], rois, size, scales[0], self.sampling_ratio)
        levels = mapper(boxes)
        result = maps[0].new_zeros((len(rois), maps[0].shape[1], *size))
        for level, (one, scale) in enumerate(zip(maps, scales, strict=True)):
            own = torch.where(levels == level)[0]
            if len(own):
                result[own] = roi_align(one, rois[own], size, scale, self.sampling_ratio)
        return result

    def _measure(self, maps: list[Tensor], image_shapes: list[tuple[int, int]]) -> None:
        """Finds each map's scale, the power of two that is nearest to its share of the pictures."""
        if not image_shapes:
            raise ValueError("images list should not be empty")
        height = max(shape[0] for shape in image_shapes)
        exponents = [round(math.log2(float(one.shape[-2]) / height)) for one in maps]
        self.scales = [2.0**exponent for exponent in exponents]
        canonical = (self.canonical_scale, self.canonical_level)
        self.map_levels = LevelMapper(-exponents[0], -exponents[-1], *canonical)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(featmap_names={self.featmap_names}, "
            f"output_size={self.output_size}, sampling_ratio={self.sampling_ratio})"
        )
