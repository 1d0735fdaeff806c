"""Transforms of colours, and the erasing of parts."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import flambeau as torch
from flambeau.errors import shown

from . import _random
from . import functional as F

__all__ = ["ColorJitter", "Grayscale", "RandomErasing", "RandomGrayscale"]

_Range = tuple[float, float]


class Grayscale(torch.nn.Module):
    """Turns an image grey, with 1 channel or with 3 equal ones."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        """Returns the grey image."""
        return F.rgb_to_grayscale(img, num_output_channels=self.num_output_channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


class RandomGrayscale(torch.nn.Module):
    """Turns an image grey with probability `p`, keeping its number of channels."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        """Returns `img`, grey or as it is."""
        channels = F.get_dimensions(img)[0]
        if _random.chance(self.p):
            return F.rgb_to_grayscale(img, num_output_channels=channels)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class ColorJitter(torch.nn.Module):
    """Changes brightness, contrast, saturation and hue at random, in a random order.

    Args:
        brightness: the factor is drawn from [max(0, 1 - brightness), 1 + brightness], or from a
            (lowest, highest) pair.
        contrast: the same.
        saturation: the same.
        hue: the turn is drawn from [-hue, hue], or from a pair, within [-0.5, 0.5].

    Raises:
        TypeError: an argument is neither a number nor a pair.
        ValueError: a negative number, or a pair out of order or of bounds.
    """

    def __init__(
        self,
        brightness: float | Sequence[float] = 0,
        contrast: float | Sequence[float] = 0,
        saturation: float | Sequence[float] = 0,
        hue: float | Sequence[float] = 0,
    ) -> None:
        super().__init__()
        self.brightness = _jitter_range("brightness", brightness)
        self.contrast = _jitter_range("contrast", contrast)
        self.saturation = _jitter_range("saturation", saturation)
        self.hue = _jitter_range("hue", hue, center=0, bound=(-0.5, 0.5))

    @staticmethod
    def get_params(
        brightness: Sequence[float] | None,
        contrast: Sequence[float] | None,
        saturation: Sequence[float] | None,
        hue: Sequence[float] | None,
    ) -> tuple[torch.Tensor, float | None, float | None, float | None, float | None]:
        """Draws the order of the four changes, and the factor of each (None: no change)."""
        order = torch.randperm(4)
        factors = [
            None if bounds is None else _random.uniform(bounds[0], bounds[1])
            for bounds in (brightness, contrast, saturation, hue)
        ]
        return order, factors[0], factors[1], factors[2], factors[3]

    def forward(self, img: Any) -> Any:
        """Returns the changed image."""
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        for index in order.tolist():
            factor = factors[index]
            if factor is not None:
                img = _ADJUSTMENTS[index](img, factor)
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


_ADJUSTMENTS = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


def _jitter_range(
    name: str, value: Any, center: float = 1, bound: _Range = (0, float("inf"))
) -> _Range | None:
    """Returns the (lowest, highest) factor; None where both leave the image as it is."""
    if isinstance(value, (int, float)):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be non negative, got {value}")
        low, high = center - float(value), center + float(value)
        if bound[0] == 0:
            low = max(low, 0.0)
    elif isinstance(value, (tuple, list)) and len(value) == 2:
        low, high = float(value[0]), float(value[1])
    else:
        raise TypeError(
            f"{name} should be a single number or a list/tuple with length 2, got {shown(value)}"
        )
    if not bound[0] <= low <= high <= bound[1]:
        raise ValueError(f"{name} values should be between {bound}, but got {(low, high)}.")
    return None if low == high == center else (low, high)


class RandomErasing(torch.nn.Module):
    """Overwrites a random rectangle of a tensor image (Zhong et al., AAAI 2020).

    Args:
        p: the probability.
        scale: the rectangle's share of the image's area, (lowest, highest).
        ratio: its aspect ratio, (lowest, highest).
        value: a number, one a channel, or "random" for normal noise.
        inplace: erase in the given tensor.

    Raises:
        TypeError: an argument of another kind.
        ValueError: `p` or `scale` outside [0, 1], or another string than "random".
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(value, (int, float, str, tuple, list)):
            raise TypeError(
                f"Argument value should be either a number or str or a sequence, got {shown(value)}"
            )
        if isinstance(value, str) and value != "random":
            raise ValueError(f"If value is str, it should be 'random', got {shown(value)}")
        for name, pair in (("Scale", scale), ("Ratio", ratio)):
            if not isinstance(pair, Sequence):
                raise TypeError(f"{name} should be a sequence, got {type(pair)}")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError(f"Scale should be between 0 and 1, got {shown(scale)}")
        if not 0 <= p <= 1:
            raise ValueError(f"Random erasing probability should be between 0 and 1, got {p}")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: torch.Tensor,
        scale: Sequence[float],
        ratio: Sequence[float],
        value: list[float] | None = None,
    ) -> tuple[int, int, int, int, torch.Tensor]:
        """Draws a rectangle's (top, left, height, width) and what is written there."""
        channels, height, width = F.get_dimensions(img)
        for _ in range(10):
            area = height * width * _random.uniform(scale[0], scale[1])
            aspect = _random.aspect_ratio(ratio[0], ratio[1])
            part_height = round(math.sqrt(area * aspect))
            part_width = round(math.sqrt(area / aspect))
            if not (part_height < height and part_width < width):
                continue
            if value is None:
                fill = torch.empty(
                    [channels, part_height, part_width], dtype=torch.float32
                ).normal_()
            else:
                fill = torch.tensor(value)[:, None, None]
            top = _random.integer(height - part_height)
            left = _random.integer(width - part_width)
            return top, left, part_height, part_width, fill
        return 0, 0, height, width, img

    def forward(self, img: torch.Tensor) -> torch.Tensor:
        """Returns (..., C, H, W), with a rectangle erased or as it is."""
        if not _random.chance(self.p):
            return img
        value: list[float] | None = None
        if isinstance(self.value, (int, float)):
            value = [float(self.value)]
        elif not isinstance(self.value, str):
            value = [float(part) for part in self.value]
        if value is not None and len(value) not in (1, img.shape[-3]):
            raise ValueError(
                "If value is a sequence, it should have either a single value or "
                f"{img.shape[-3]} (number of input channels), got {len(value)}"
            )
        top, left, height, width, fill = self.get_params(img, self.scale, self.ratio, value)
        return F.erase(img, top, left, height, width, fill, self.inplace)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, "
            f"value={self.value}, inplace={self.inplace})"
        )
