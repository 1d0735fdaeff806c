"""Transforms that move pixels: resize, crop, flip, pad, rotate."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import flambeau as torch
from flambeau.errors import shown

from . import _random
from . import functional as F
from .interpolation import InterpolationMode, interpolation_mode

__all__ = [
    "CenterCrop",
    "FiveCrop",
    "Pad",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
    "TenCrop",
]

_BILINEAR = InterpolationMode.BILINEAR


def _two_sizes(size: Any) -> tuple[int, int] | Sequence[int]:
    """Returns `size` as (height, width); a single number stands for both."""
    if isinstance(size, (int, float)):
        return int(size), int(size)
    if isinstance(size, Sequence) and len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(f"Please provide only two dimensions (h, w) for size, got {shown(size)}")
    return size  # type: ignore[no-any-return]


class Resize(torch.nn.Module):
    """Resizes an image. See `functional.resize`.

    Args:
        size: (height, width), or one number: the length of the shorter edge.
        interpolation: how pixels between pixels are made up.
        max_size: with a single `size`, the most that the longer edge may become.
        antialias: smooth what is shrunk; Pillow always does.

    Raises:
        TypeError: `size` is neither a number nor a sequence.
        ValueError: `size` has more than two entries.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        interpolation: InterpolationMode | int = _BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if not isinstance(size, (int, Sequence)):
            raise TypeError(f"Size should be int or sequence. Got {type(size)}")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ValueError(
                f"If size is a sequence, it should have 1 or 2 values, got {shown(size)}"
            )
        self.size = size
        self.max_size = max_size
        self.interpolation = interpolation_mode(interpolation)
        self.antialias = antialias

    def forward(self, img: Any) -> Any:
        """Returns the resized image."""
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, interpolation={self.interpolation.value}, "
            f"max_size={self.max_size}, antialias={self.antialias})"
        )


class CenterCrop(torch.nn.Module):
    """Cuts the middle `size` = (height, width) out of an image, padded with black if smaller."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = _two_sizes(size)

    def forward(self, img: Any) -> Any:
        """Returns the crop."""
        return F.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class Pad(torch.nn.Module):
    """Pads an image. See `functional.pad`.

    Args:
        padding: one number, (left and right, top and bottom), or (left, top, right, bottom).
        fill: the new pixels' value for "constant".
        padding_mode: "constant", "edge", "reflect" or "symmetric".

    Raises:
        TypeError: an argument of another kind.
        ValueError: a `padding` of a wrong length or an unknown mode.
    """

    def __init__(
        self, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant"
    ) -> None:
        super().__init__()
        if not isinstance(padding, (int, float, tuple, list)):
            raise TypeError(f"Got inappropriate padding arg: {shown(padding)}")
        if not isinstance(fill, (int, float, str, tuple, list)):
            raise TypeError(f"Got inappropriate fill arg: {shown(fill)}")
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError(
                "Padding mode should be either constant, edge, reflect or symmetric, got "
                f"{shown(padding_mode)}"
            )
        if isinstance(padding, Sequence) and len(padding) not in (1, 2, 4):
            raise ValueError(
                "Padding must be an int or a 1, 2, or 4 element tuple, not a "
                f"{len(padding)} element tuple"
            )
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Any) -> Any:
        """Returns the padded image."""
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, "
            f"padding_mode={self.padding_mode})"
        )


class RandomCrop(torch.nn.Module):
    """Cuts `size` = (height, width) out of an image at a random place.

    Args:
        size: of the crop.
        padding: added before the crop is made; as in `Pad`.
        pad_if_needed: pad an image that is smaller than the crop.
        fill: the padding's value.
        padding_mode: the padding's mode.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = tuple(_two_sizes(size))
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img: Any, output_size: Sequence[int]) -> tuple[int, int, int, int]:
        """Draws a crop's (top, left, height, width).

        Raises:
            ValueError: the crop is larger than the image.
        """
        _, height, width = F.get_dimensions(img)
        crop_height, crop_width = output_size
        if height < crop_height or width < crop_width:
            raise ValueError(
                f"Required crop size {(crop_height, crop_width)} is larger than input image size "
                f"{(height, width)}"
            )
        if (crop_height, crop_width) == (height, width):
            return 0, 0, height, width
        top = _random.integer(height - crop_height)
        left = _random.integer(width - crop_width)
        return top, left, crop_height, crop_width

    def forward(self, img: Any) -> Any:
        """Returns the crop."""
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, height, width = F.get_dimensions(img)
        if self.pad_if_needed and width < self.size[1]:
            img = F.pad(img, [self.size[1] - width, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and height < self.size[0]:
            img = F.pad(img, [0, self.size[0] - height], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class RandomHorizontalFlip(torch.nn.Module):
    """Mirrors an image, left to right, with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        """Returns `img`, mirrored or as it is."""
        return F.hflip(img) if _random.chance(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomVerticalFlip(torch.nn.Module):
    """Mirrors an image, top to bottom, with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        """Returns `img`, mirrored or as it is."""
        return F.vflip(img) if _random.chance(self.p) else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomResizedCrop(torch.nn.Module):
    """Cuts a random part out of an image and resizes it, as the Inception networks were trained.

    Args:
        size: of the result, (height, width) or one number for both.
        scale: the part's share of the image's area, (lowest, highest).
        ratio: the part's width over height, (lowest, highest).
        interpolation: as in `Resize`.
        antialias: as in `Resize`.

    Raises:
        TypeError: `scale` or `ratio` is no sequence.
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode | int = _BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = _two_sizes(size)
        if not isinstance(scale, Sequence):
            raise TypeError(f"Scale should be a sequence, got {type(scale)}")
        if not isinstance(ratio, Sequence):
            raise TypeError(f"Ratio should be a sequence, got {type(ratio)}")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        self.interpolation = interpolation_mode(interpolation)
        self.antialias = antialias
        self.scale = scale
        self.ratio = ratio

    @staticmethod
    def get_params(
        img: Any, scale: Sequence[float], ratio: Sequence[float]
    ) -> tuple[int, int, int, int]:
        """Draws a part's (top, left, height, width); after ten misfits, the middle."""
        _, height, width = F.get_dimensions(img)
        for _ in range(10):
            area = height * width * _random.uniform(scale[0], scale[1])
            aspect = _random.aspect_ratio(ratio[0], ratio[1])
            part_width = round(math.sqrt(area * aspect))
            part_height = round(math.sqrt(area / aspect))
            if 0 < part_width <= width and 0 < part_height <= height:
                top = _random.integer(height - part_height)
                left = _random.integer(width - part_width)
                return top, left, part_height, part_width
        part_height, part_width = height, width
        if width / height < min(ratio):
            part_height = round(width / min(ratio))
        elif width / height > max(ratio):
            part_width = round(height * max(ratio))
        return (height - part_height) // 2, (width - part_width) // 2, part_height, part_width

    def forward(self, img: Any) -> Any:
        """Returns the resized part."""
        box = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *box, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        scale = tuple(round(bound, 4) for bound in self.scale)
        ratio = tuple(round(bound, 4) for bound in self.ratio)
        return (
            f"{type(self).__name__}(size={self.size}, scale={scale}, ratio={ratio}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


class FiveCrop(torch.nn.Module):
    """Returns an image's four corners and its middle, each of `size` = (height, width)."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = _two_sizes(size)

    def forward(self, img: Any) -> tuple[Any, ...]:
        """Returns five images."""
        return F.five_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class TenCrop(torch.nn.Module):
    """Returns the five crops of an image, and those of the mirrored image."""

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = _two_sizes(size)
        self.vertical_flip = vertical_flip

    def forward(self, img: Any) -> tuple[Any, ...]:
        """Returns ten images."""
        return F.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, vertical_flip={self.vertical_flip})"


class RandomRotation(torch.nn.Module):
    """Turns an image by a random angle. See `functional.rotate`.

    Args:
        degrees: (lowest, highest) angle, or one number for (-degrees, degrees).
        interpolation: how pixels between pixels are made up.
        expand: make the result large enough to hold the whole turned image.
        center: the (x, y) that stays in place; None is the middle.
        fill: the value of the pixels that the image does not reach.

    Raises:
        TypeError: an argument of another kind.
        ValueError: a negative single number, or a sequence of other than two numbers.
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.degrees = _angles(degrees)
        if center is not None:
            _check_two("center", center)
        self.center = center
        self.interpolation = interpolation_mode(interpolation)
        self.expand = expand
        if fill is None:
            fill = 0
        elif not isinstance(fill, (Sequence, int, float)):
            raise TypeError(f"Fill should be either a sequence or a number, got {type(fill)}")
        self.fill = fill

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """Draws an angle."""
        return _random.uniform(float(degrees[0]), float(degrees[1]))

    def forward(self, img: Any) -> Any:
        """Returns the turned image."""
        angle = self.get_params(self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, self.fill)

    def __repr__(self) -> str:
        center = "" if self.center is None else f", center={self.center}"
        return (
            f"{type(self).__name__}(degrees={self.degrees}, "
            f"interpolation={self.interpolation.value}, expand={self.expand}{center}, "
            f"fill={self.fill})"
        )


def _check_two(name: str, value: Any) -> None:
    _check_length(name, value, (2,))


def _check_length(name: str, value: Any, lengths: tuple[int, ...]) -> None:
    wanted = " or ".join(map(str, lengths))
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} should be a sequence of length {wanted}, got {type(value)}")
    if len(value) not in lengths:
        raise ValueError(f"{name} should be a sequence of length {wanted}, got {shown(value)}")


def _angles(degrees: Any, name: str = "degrees", lengths: tuple[int, ...] = (2,)) -> list[float]:
    if isinstance(degrees, (int, float)):
        if degrees < 0:
            raise ValueError(f"If {name} is a single number, it must be positive, got {degrees}")
        return [-float(degrees), float(degrees)]
    _check_length(name, degrees, lengths)
    return [float(angle) for angle in degrees]
