"""Transforms between pictures and tensors, and of a tensor's values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flambeau as torch

from . import functional as F

__all__ = ["ConvertImageDtype", "Normalize", "PILToTensor", "ToPILImage", "ToTensor"]


class ToTensor:
    """Turns a Pillow image or an array (H, W, C) of bytes into floats (C, H, W) from 0.0 to 1.0.

    Images and arrays of other types keep their type and values. See `functional.to_tensor`.
    """

    def __call__(self, pic: Any) -> torch.Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class PILToTensor:
    """Turns a Pillow image into a tensor (C, H, W) of the same type and values."""

    def __call__(self, pic: Any) -> torch.Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ToPILImage:
    """Turns a tensor (C, H, W) or an array (H, W, C) into a Pillow image of `mode`.

    See `functional.to_pil_image`.
    """

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        mode = "" if self.mode is None else f"mode={self.mode}"
        return f"{type(self).__name__}({mode})"


class ConvertImageDtype(torch.nn.Module):
    """Turns a tensor image into `dtype`, its values scaled to that type's range.

    See `functional.convert_image_dtype`.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns (..., C, H, W) in the new type."""
        return F.convert_image_dtype(image, self.dtype)


class Normalize(torch.nn.Module):
    """Returns (image - mean) / std, channel by channel. See `functional.normalize`.

    Args:
        mean: one number a channel.
        std: one number a channel.
        inplace: write the result into the given tensor.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        """Returns the normalised tensor, (..., C, H, W)."""
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"
