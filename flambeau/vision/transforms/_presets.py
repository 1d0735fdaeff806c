"""What a pretrained model wants done to its input."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from . import functional as F
from .interpolation import InterpolationMode

__all__ = ["ImageClassification", "SemanticSegmentation"]


class ImageClassification(torch.nn.Module):
    """Resizes, crops the middle, scales to floats and normalises, as for ImageNet's validation set.

    Args:
        crop_size: height and width of the result.
        resize_size: length of the shorter edge before the crop.
        mean: of the three channels.
        std: of the three channels.
        interpolation: of the resize.
        antialias: of the resize.
    """

    def __init__(
        self,
        *,
        crop_size: int,
        resize_size: int = 256,
        mean: tuple[float, ...] = (0.485, 0.456, 0.406),
        std: tuple[float, ...] = (0.229, 0.224, 0.225),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.crop_size = [crop_size]
        self.resize_size = [resize_size]
        self.mean = list(mean)
        self.std = list(std)
        self.interpolation = interpolation
        self.antialias = antialias

    def forward(self, img: Any) -> torch.Tensor:
        """Takes a Pillow image or a tensor (..., 3, H, W); returns (..., 3, crop, crop)."""
        img = F.resize(img, self.resize_size, self.interpolation, antialias=self.antialias)
        img = F.center_crop(img, self.crop_size)
        if not isinstance(img, torch.Tensor):
            img = F.pil_to_tensor(img)
        return F.normalize(F.convert_image_dtype(img, torch.float32), self.mean, self.std)

    def __repr__(self) -> str:
        return _shown(self, ("crop_size", "resize_size", "mean", "std", "interpolation"))


class SemanticSegmentation(torch.nn.Module):
    """Resizes, scales to floats and normalises.

    Args:
        resize_size: length of the shorter edge; None leaves the size.
        mean: of the three channels.
        std: of the three channels.
        interpolation: of the resize.
        antialias: of the resize.
    """

    def __init__(
        self,
        *,
        resize_size: int | None,
        mean: tuple[float, ...] = (0.485, 0.456, 0.406),
        std: tuple[float, ...] = (0.229, 0.224, 0.225),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.resize_size = None if resize_size is None else [resize_size]
        self.mean = list(mean)
        self.std = list(std)
        self.interpolation = interpolation
        self.antialias = antialias

    def forward(self, img: Any) -> torch.Tensor:
        """Takes a Pillow image or a tensor (..., 3, H, W); returns a tensor (..., 3, H', W')."""
        if self.resize_size is not None:
            img = F.resize(img, self.resize_size, self.interpolation, antialias=self.antialias)
        if not isinstance(img, torch.Tensor):
            img = F.pil_to_tensor(img)
        return F.normalize(F.convert_image_dtype(img, torch.float32), self.mean, self.std)

    def __repr__(self) -> str:
        return _shown(self, ("resize_size", "mean", "std", "interpolation"))


def _shown(preset: torch.nn.Module, names: tuple[str, ...]) -> str:
    lines = [f"    {name}={getattr(preset, name)}" for name in names]
    return "\n".join([f"{type(preset).__name__}(", *lines, ")"])
