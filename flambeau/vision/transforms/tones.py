"""Random transforms of the pixels' values, each one of `functional`'s with a probability."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from . import _random
from . import functional as F

__all__ = [
    "RandomAdjustSharpness",
    "RandomAutocontrast",
    "RandomEqualize",
    "RandomInvert",
    "RandomPosterize",
    "RandomSolarize",
]


class _Chance(torch.nn.Module):
    """Base: applies `_apply` with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def _apply_to(self, img: Any) -> Any:
        raise NotImplementedError

    def forward(self, img: Any) -> Any:
        """Returns `img`, changed or as it is."""
        return self._apply_to(img) if _random.chance(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomInvert(_Chance):
    """Makes light dark and dark light with probability `p`."""

    def _apply_to(self, img: Any) -> Any:
        return F.invert(img)


class RandomPosterize(_Chance):
    """Keeps the `bits` highest bits of each channel with probability `p`."""

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def _apply_to(self, img: Any) -> Any:
        return F.posterize(img, self.bits)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(bits={self.bits},p={self.p})"


class RandomSolarize(_Chance):
    """Inverts the values from `threshold` on with probability `p`."""

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def _apply_to(self, img: Any) -> Any:
        return F.solarize(img, self.threshold)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(threshold={self.threshold},p={self.p})"


class RandomAdjustSharpness(_Chance):
    """Sharpens an image by a factor, or softens it below 1, with probability `p`."""

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def _apply_to(self, img: Any) -> Any:
        return F.adjust_sharpness(img, self.sharpness_factor)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(sharpness_factor={self.sharpness_factor},p={self.p})"


class RandomAutocontrast(_Chance):
    """Stretches each channel to its full range with probability `p`."""

    def _apply_to(self, img: Any) -> Any:
        return F.autocontrast(img)


class RandomEqualize(_Chance):
    """Makes all values about as frequent with probability `p`."""

    def _apply_to(self, img: Any) -> Any:
        return F.equalize(img)
