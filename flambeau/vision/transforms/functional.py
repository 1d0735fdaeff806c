"""The operations behind the transform classes, as functions of Pillow images or tensors.

Each checks its arguments and hands over to `_pil` or `_tensor`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import flambeau as torch
from flambeau.errors import shown

from .._extras import is_pil_image
from . import _pil, _tensor
from ._conversion import (
    convert_image_dtype,
    normalize,
    pil_to_tensor,
    to_pil_image,
    to_tensor,
)
from ._kinds import Picture, get_dimensions, module_of
from ._tones import (
    adjust_gamma,
    adjust_sharpness,
    autocontrast,
    equalize,
    invert,
    posterize,
    solarize,
)
from ._warps import affine, elastic_transform, gaussian_blur, perspective, rotate
from .interpolation import PIL_MODES, InterpolationMode, interpolation_mode, warn_antialias

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "affine",
    "autocontrast",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "elastic_transform",
    "equalize",
    "erase",
    "five_crop",
    "gaussian_blur",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "hflip",
    "invert",
    "normalize",
    "pad",
    "perspective",
    "pil_to_tensor",
    "posterize",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "solarize",
    "ten_crop",
    "to_grayscale",
    "to_pil_image",
    "to_tensor",
    "vflip",
]

_PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


def get_image_size(img: Picture) -> list[int]:
    """Returns the image's [width, height]."""
    _, height, width = get_dimensions(img)
    return [width, height]


def get_image_num_channels(img: Picture) -> int:
    """Returns the number of the image's channels."""
    return get_dimensions(img)[0]


def resize(
    img: Picture,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Picture:
    """Resizes an image.

    Args:
        img: a Pillow image or a tensor (..., H, W).
        size: (height, width), or one number: the length of the shorter edge, the other keeping the
            aspect ratio.
        interpolation: tensors take NEAREST, NEAREST_EXACT, BILINEAR and BICUBIC.
        max_size: with a single `size`, the most that the longer edge may become.
        antialias: smooth what is shrunk; Pillow always does.

    Raises:
        TypeError: `size` or `interpolation` of another kind.
        ValueError: a `size` of more than two numbers, or `max_size` where it makes no sense.
    """
    mode = interpolation_mode(interpolation)
    module = module_of(img)
    _, height, width = get_dimensions(img)
    target = _resized(height, width, size, max_size)
    if module is _pil:
        warn_antialias(antialias)
    if target == (height, width):
        return img
    if module is _pil:
        return _pil.resize(img, *target, PIL_MODES[mode])
    return _tensor.resize(img, *target, mode, bool(antialias))


def _resized(
    height: int, width: int, size: int | Sequence[int], max_size: int | None
) -> tuple[int, int]:
    """Returns the (height, width) that `size` and `max_size` ask for."""
    if isinstance(size, (list, tuple)):
        if len(size) not in (1, 2):
            raise ValueError(
                "Size must be an int or a 1 or 2 element tuple/list, not a "
                f"{len(size)} element tuple/list"
            )
        if len(size) == 2:
            if max_size is not None:
                raise ValueError(
                    "max_size should only be passed if size specifies the length of the smaller "
                    "edge, i.e. size should be an int or a sequence of length 1."
                )
            return int(size[0]), int(size[1])
        size = size[0]
    if not isinstance(size, int):
        raise TypeError(f"Size should be int or sequence. Got {type(size)}")
    short, long = min(height, width), max(height, width)
    new_short, new_long = size, int(size * long / short)
    if max_size is not None:
        if max_size <= size:
            raise ValueError(
                f"max_size = {max_size} must be strictly greater than the requested size for the "
                f"smaller edge size = {size}"
            )
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_long, new_short) if width <= height else (new_short, new_long)


def pad(
    img: Picture,
    padding: int | Sequence[int],
    fill: Any = 0,
    padding_mode: str = "constant",
) -> Picture:
    """Adds (or, where negative, cuts) pixels at the image's sides.

    Args:
        img: a Pillow image or a tensor (..., H, W).
        padding: one number for all sides, (left and right, top and bottom), or (left, top, right,
            bottom).
        fill: the new pixels' value for "constant": a number, or one a channel.
        padding_mode: "constant", "edge" (repeat the last pixel), "reflect" (mirror, without the
            last pixel) or "symmetric" (mirror, with it).

    Raises:
        TypeError: an argument of another kind.
        ValueError: a `padding` of a wrong length or an unknown mode.
    """
    module = module_of(img)
    if fill is not None and not isinstance(fill, (int, float, str, list, tuple)):
        raise TypeError(f"Got inappropriate fill arg: {shown(fill)}")
    if not isinstance(padding_mode, str):
        raise TypeError(f"Got inappropriate padding_mode arg: {shown(padding_mode)}")
    if padding_mode not in _PADDING_MODES:
        raise ValueError(
            "Padding mode should be either constant, edge, reflect or symmetric, got "
            f"{shown(padding_mode)}"
        )
    return module.pad(img, _sides(padding), fill, padding_mode)


def _sides(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    if isinstance(padding, int):
        return padding, padding, padding, padding
    if not isinstance(padding, (list, tuple)):
        raise TypeError(f"Got inappropriate padding arg: {shown(padding)}")
    if len(padding) == 1:
        return _sides(padding[0])
    if len(padding) == 2:
        return padding[0], padding[1], padding[0], padding[1]
    if len(padding) == 4:
        return padding[0], padding[1], padding[2], padding[3]
    raise ValueError(
        f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple"
    )


def crop(img: Picture, top: int, left: int, height: int, width: int) -> Picture:
    """Cuts a rectangle out of the image; what of it lies outside is black."""
    return module_of(img).crop(img, top, left, height, width)


def center_crop(img: Picture, output_size: int | Sequence[int]) -> Picture:
    """Cuts the middle (height, width) out of the image, padded with black where it is smaller."""
    crop_height, crop_width = _pair(output_size)
    _, height, width = get_dimensions(img)
    if crop_width > width or crop_height > height:
        wide, high = max(crop_width - width, 0), max(crop_height - height, 0)
        img = pad(img, (wide // 2, high // 2, (wide + 1) // 2, (high + 1) // 2))
        _, height, width = get_dimensions(img)
        if (crop_height, crop_width) == (height, width):
            return img
    top = round((height - crop_height) / 2.0)
    left = round((width - crop_width) / 2.0)
    return crop(img, top, left, crop_height, crop_width)


def _pair(size: int | float | Sequence[int]) -> tuple[int, int]:
    if isinstance(size, (int, float)):
        return int(size), int(size)
    if len(size) == 1:
        return int(size[0]), int(size[0])
    if len(size) != 2:
        raise ValueError(f"Please provide only two dimensions (h, w) for size, got {shown(size)}")
    return int(size[0]), int(size[1])


def resized_crop(
    img: Picture,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Picture:
    """Crops, then resizes what was cropped to `size`."""
    part = crop(img, top, left, height, width)
    return resize(part, size, interpolation, antialias=antialias)


def hflip(img: Picture) -> Picture:
    """Mirrors the image, left to right."""
    return module_of(img).hflip(img)


def vflip(img: Picture) -> Picture:
    """Turns the image upside down, top to bottom."""
    return module_of(img).vflip(img)


def five_crop(img: Picture, size: int | Sequence[int]) -> tuple[Picture, ...]:
    """Returns top left, top right, bottom left and bottom right corner, and the middle.

    Raises:
        ValueError: the crop is larger than the image.
    """
    crop_height, crop_width = _pair(size)
    _, height, width = get_dimensions(img)
    if crop_width > width or crop_height > height:
        raise ValueError(
            f"Requested crop size {(crop_height, crop_width)} is bigger than input size "
            f"{(height, width)}"
        )
    bottom, right = height - crop_height, width - crop_width
    corners = [
        crop(img, top, left, crop_height, crop_width) for top in (0, bottom) for left in (0, right)
    ]
    return (*corners, center_crop(img, (crop_height, crop_width)))


def ten_crop(
    img: Picture, size: int | Sequence[int], vertical_flip: bool = False
) -> tuple[Picture, ...]:
    """Returns `five_crop` of the image, then of the mirrored image."""
    flipped = vflip(img) if vertical_flip else hflip(img)
    return five_crop(img, size) + five_crop(flipped, size)


def to_grayscale(img: Image, num_output_channels: int = 1) -> Image:
    """Turns a Pillow image grey, with 1 channel or with 3 equal ones.

    Raises:
        TypeError: `img` is no Pillow image.
        ValueError: another number of channels.
    """
    if not is_pil_image(img):
        raise TypeError(f"Input should be PIL Image, got {type(img)}")
    _check_grey_channels(num_output_channels)
    return _pil.grayscale(img, num_output_channels)


def rgb_to_grayscale(img: Picture, num_output_channels: int = 1) -> Picture:
    """Turns an image grey, with 1 channel or with 3 equal ones: 0.2989 r + 0.587 g + 0.114 b."""
    module = module_of(img)
    _check_grey_channels(num_output_channels)
    return module.grayscale(img, num_output_channels)


def _check_grey_channels(number: int) -> None:
    if number not in (1, 3):
        raise ValueError(f"num_output_channels should be either 1 or 3, got {number}")


def adjust_brightness(img: Picture, brightness_factor: float) -> Picture:
    """Scales the light: 0 is black, 1 the image itself, 2 twice as bright."""
    return module_of(img).adjust_brightness(img, brightness_factor)


def adjust_contrast(img: Picture, contrast_factor: float) -> Picture:
    """Scales the distance from the mean grey: 0 is plain grey, 1 the image itself."""
    return module_of(img).adjust_contrast(img, contrast_factor)


def adjust_saturation(img: Picture, saturation_factor: float) -> Picture:
    """Scales the distance from the grey image: 0 is grey, 1 the image itself."""
    return module_of(img).adjust_saturation(img, saturation_factor)


def adjust_hue(img: Picture, hue_factor: float) -> Picture:
    """Turns the colours by `hue_factor` of the colour circle, from -0.5 to 0.5.

    Raises:
        ValueError: the factor is outside that range.
    """
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    return module_of(img).adjust_hue(img, hue_factor)


def erase(
    img: torch.Tensor, i: int, j: int, h: int, w: int, v: torch.Tensor, inplace: bool = False
) -> torch.Tensor:
    """Overwrites the rectangle of `h` by `w` pixels at row `i`, column `j` with `v`.

    Raises:
        TypeError: `img` is no tensor.
    """
    if not isinstance(img, torch.Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(img)}")
    return _tensor.erase(img, i, j, h, w, v, inplace)
