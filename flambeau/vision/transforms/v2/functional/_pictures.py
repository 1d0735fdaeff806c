"""The functionals, by what they do to pictures; masks follow along where they can.

A video is its pictures. What these do to boxes and points is in `_boxes`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import flambeau as torch

from ... import _tensor
from ... import functional as v1
from ..._conversion import pil_to_tensor, to_pil_image
from ..._kinds import channel_fill
from ...interpolation import InterpolationMode
from ...interpolation import interpolation_mode as _v1_mode
from ._registry import for_masks, functional, without_videos

_NEAREST = InterpolationMode.NEAREST
_Mode = InterpolationMode | int | str


def _mode(interpolation: Any) -> InterpolationMode:
    """Takes a mode's name too."""
    if isinstance(interpolation, str):
        return InterpolationMode(interpolation)
    return _v1_mode(interpolation)


def _target(img: Any, size: Any, max_size: int | None) -> tuple[Any, int | None]:
    """The size for v1's resize; None is as large as `max_size` lets the longer edge be."""
    if size is not None:
        return size, max_size
    if not isinstance(max_size, int):
        raise ValueError(f"max_size must be an integer when size is None, but got {max_size}.")
    _, height, width = v1.get_dimensions(img)
    return longest_edge(height, width, max_size), None


def longest_edge(height: int, width: int, size: int) -> list[int]:
    """Height and width with a longer edge of `size`, in the same proportion."""
    ratio = size / max(height, width)
    if height >= width:
        return [size, int(width * ratio)]
    return [int(height * ratio), size]


@functional
def resize(
    inpt: Any,
    size: Any,
    interpolation: _Mode = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """Resizes to height and width, or a shorter edge; to a longer edge with `size` None."""
    size, max_size = _target(inpt, size, max_size)
    mode = _mode(interpolation)
    if isinstance(inpt, torch.Tensor) and inpt.dtype == torch.uint8:
        _, height, width = v1.get_dimensions(inpt)
        height, width = v1._resized(height, width, size, max_size)
        return _tensor.resize(inpt, height, width, mode, bool(antialias), rounds_between=True)
    return v1.resize(inpt, size, mode, max_size, antialias)


@for_masks(resize)
def _resize_mask(mask: Any, size: Any, *args: Any, max_size: int | None = None, **_: Any) -> Any:
    limit = args[1] if len(args) > 1 else max_size
    size, limit = _target(mask, size, limit)
    return v1.resize(mask, size, _NEAREST, limit)


def _both(dispatched: Any) -> Any:
    """Lets a functional do with masks what it does with pictures."""
    for_masks(dispatched)(dispatched.__wrapped__)
    return dispatched


@_both
@functional
def horizontal_flip(inpt: Any) -> Any:
    """Mirrors, left to right."""
    return v1.hflip(inpt)


@_both
@functional
def vertical_flip(inpt: Any) -> Any:
    """Turns upside down, top to bottom."""
    return v1.vflip(inpt)


@_both
@functional
def crop(inpt: Any, top: int, left: int, height: int, width: int) -> Any:
    """Cuts a rectangle out; what of it lies outside is zero."""
    return v1.crop(inpt, top, left, height, width)


@_both
@functional
def center_crop(inpt: Any, output_size: Any) -> Any:
    """Cuts the middle out, padded with zeros where it is smaller."""
    return v1.center_crop(inpt, output_size)


@functional
def resized_crop(
    inpt: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Any,
    interpolation: _Mode = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """Cuts a rectangle out and resizes it."""
    part = v1.crop(inpt, top, left, height, width)
    return resize.__wrapped__(part, size, interpolation, None, antialias)  # type: ignore[attr-defined]


@for_masks(resized_crop)
def _resized_crop_mask(
    mask: Any, top: int, left: int, height: int, width: int, size: Any, *_: Any, **__: Any
) -> Any:
    return v1.resize(v1.crop(mask, top, left, height, width), size, _NEAREST)


@_both
@functional
def pad(inpt: Any, padding: Any, fill: Any = None, padding_mode: str = "constant") -> Any:
    """Adds pixels at the sides."""
    if isinstance(inpt, torch.Tensor) and isinstance(fill, (list, tuple)):
        fill = channel_fill(inpt, fill)
    return v1.pad(inpt, padding, 0 if fill is None else fill, padding_mode)


@functional
def rotate(
    inpt: Any,
    angle: float,
    interpolation: _Mode = _NEAREST,
    expand: bool = False,
    center: Any = None,
    fill: Any = None,
) -> Any:
    """Turns counter-clockwise, by degrees."""
    return v1.rotate(inpt, angle, _mode(interpolation), expand, center, fill)


@for_masks(rotate)
def _rotate_mask(
    mask: Any,
    angle: float,
    interpolation: Any = None,
    expand: bool = False,
    center: Any = None,
    fill: Any = None,
) -> Any:
    return rotate.__wrapped__(mask, angle, _NEAREST, expand, center, fill)  # type: ignore[attr-defined]


@functional
def affine(
    inpt: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Any,
    interpolation: _Mode = _NEAREST,
    fill: Any = None,
    center: Any = None,
) -> Any:
    """Turns, shears, scales and moves."""
    mode = _mode(interpolation)
    return v1.affine(inpt, angle, list(translate), scale, shear, mode, fill, center)


@for_masks(affine)
def _affine_mask(
    mask: Any,
    angle: float,
    translate: Any,
    scale: float,
    shear: Any,
    interpolation: Any = None,
    fill: Any = None,
    center: Any = None,
) -> Any:
    return v1.affine(mask, angle, list(translate), scale, shear, _NEAREST, fill, center)


@functional
def perspective(
    inpt: Any,
    startpoints: Any,
    endpoints: Any,
    interpolation: _Mode = InterpolationMode.BILINEAR,
    fill: Any = None,
    coefficients: Any = None,
) -> Any:
    """Moves four corners, given by where they go or by the eight coefficients of the map."""
    from ... import _grid, _pil
    from ...interpolation import PIL_MODES

    mode = _mode(interpolation)
    numbers = perspective_coefficients(startpoints, endpoints, coefficients)
    if isinstance(inpt, torch.Tensor):
        return _grid.perspective(inpt, numbers, mode.value, fill)
    return _pil.perspective(inpt, numbers, PIL_MODES[mode], fill)


def perspective_coefficients(startpoints: Any, endpoints: Any, coefficients: Any) -> list[float]:
    """The coefficients that are given one way or the other.

    Raises:
        ValueError: both, neither, or other than eight.
    """
    from ..._warps import _get_perspective_coeffs

    if coefficients is not None:
        if startpoints is not None or endpoints is not None:
            raise ValueError(
                "The startpoints/endpoints and the coefficients shouldn't be defined concurrently."
            )
        if len(coefficients) != 8:
            raise ValueError("Argument coefficients should have 8 float values")
        return list(coefficients)
    if startpoints is None or endpoints is None:
        raise ValueError(
            "Either the startpoints/endpoints or the coefficients must have non `None` values."
        )
    return _get_perspective_coeffs(startpoints, endpoints)


@for_masks(perspective)
def _perspective_mask(
    mask: Any,
    startpoints: Any,
    endpoints: Any,
    interpolation: Any = None,
    fill: Any = None,
    coefficients: Any = None,
) -> Any:
    from ... import _grid

    numbers = perspective_coefficients(startpoints, endpoints, coefficients)
    return _grid.perspective(mask, numbers, "nearest", fill)


@functional
def elastic(
    inpt: Any,
    displacement: torch.Tensor,
    interpolation: _Mode = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:
    """Takes each pixel from elsewhere."""
    return v1.elastic_transform(inpt, displacement, _mode(interpolation), fill)


@for_masks(elastic)
def _elastic_mask(mask: Any, displacement: Any, interpolation: Any = None, fill: Any = None) -> Any:
    return v1.elastic_transform(mask, displacement, _NEAREST, fill)


@functional
def five_crop(inpt: Any, size: Any) -> tuple[Any, ...]:
    """Cuts out four corners and the middle."""
    return v1.five_crop(inpt, size)


@functional
def ten_crop(inpt: Any, size: Any, vertical_flip: bool = False) -> tuple[Any, ...]:
    """The five of the picture, then those of the mirrored picture."""
    return v1.ten_crop(inpt, size, vertical_flip)


@functional
def adjust_brightness(inpt: Any, brightness_factor: float) -> Any:
    """Scales the light."""
    return v1.adjust_brightness(inpt, brightness_factor)


@functional
def adjust_contrast(inpt: Any, contrast_factor: float) -> Any:
    """Scales the distance from the mean grey."""
    return v1.adjust_contrast(inpt, contrast_factor)


@functional
def adjust_saturation(inpt: Any, saturation_factor: float) -> Any:
    """Scales the distance from the grey picture."""
    return v1.adjust_saturation(inpt, saturation_factor)


@functional
def adjust_hue(inpt: Any, hue_factor: float) -> Any:
    """Turns the colours around the circle, from -0.5 to 0.5."""
    return v1.adjust_hue(inpt, hue_factor)


@functional
def adjust_gamma(inpt: Any, gamma: float, gain: float = 1) -> Any:
    """Makes a value v of [0, 1] gain * v ** gamma."""
    return v1.adjust_gamma(inpt, gamma, gain)


@functional
def adjust_sharpness(inpt: Any, sharpness_factor: float) -> Any:
    """Scales the distance from the softened picture."""
    return v1.adjust_sharpness(inpt, sharpness_factor)


@functional
def autocontrast(inpt: Any) -> Any:
    """Stretches each channel to its full range."""
    if not isinstance(inpt, torch.Tensor):
        return v1.autocontrast(inpt)
    # As the first generation's but for the order of the roundings.
    bound = 1.0 if inpt.is_floating_point() else float(torch.iinfo(inpt.dtype).max)
    floats = inpt if inpt.is_floating_point() else inpt.to(torch.float32)
    low, high = floats.amin(dim=(-2, -1), keepdim=True), floats.amax(dim=(-2, -1), keepdim=True)
    plain = high == low
    step = ((high - low) * (1.0 / bound)).masked_fill(plain, 1.0)
    stretched = (floats - low.masked_fill(plain, 0.0)) / step
    return stretched.clamp(0, bound).to(inpt.dtype)


@functional
def equalize(inpt: Any) -> Any:
    """Makes all values about as frequent; floats go by way of bytes."""
    if isinstance(inpt, torch.Tensor) and inpt.is_floating_point():
        whole = v1.convert_image_dtype(inpt, torch.uint8)
        return v1.convert_image_dtype(v1.equalize(whole), inpt.dtype)
    return v1.equalize(inpt)


@functional
def invert(inpt: Any) -> Any:
    """Makes light dark and dark light."""
    return v1.invert(inpt)


@functional
def posterize(inpt: Any, bits: int) -> Any:
    """Keeps the highest bits of bytes; floats are rounded down to as many levels."""
    if isinstance(inpt, torch.Tensor) and inpt.is_floating_point():
        levels = 1 << bits
        return inpt.mul(levels).floor().clamp(0, levels - 1).mul(1.0 / levels)
    return v1.posterize(inpt, bits)


@functional
def solarize(inpt: Any, threshold: float) -> Any:
    """Inverts the values from a threshold on."""
    return v1.solarize(inpt, threshold)


@without_videos
@functional
def rgb_to_grayscale(inpt: Any, num_output_channels: int = 1) -> Any:
    """Turns grey, with 1 channel or 3 equal ones."""
    if isinstance(inpt, torch.Tensor) and inpt.shape[-3] == 1 and num_output_channels == 1:
        return inpt.clone()
    return v1.rgb_to_grayscale(inpt, num_output_channels)


@without_videos
@functional
def grayscale_to_rgb(inpt: Any) -> Any:
    """Gives a grey picture three channels; one that has them stays."""
    if not isinstance(inpt, torch.Tensor):
        return inpt.convert("RGB")
    if inpt.shape[-3] >= 3:
        return inpt
    return v1.rgb_to_grayscale(inpt, 3)


@functional
def permute_channels(inpt: Any, permutation: list[int]) -> Any:
    """Puts the channels in another order."""
    if not isinstance(inpt, torch.Tensor):
        return to_pil_image(permute_channels(pil_to_tensor(inpt), permutation), inpt.mode)
    if len(permutation) != inpt.shape[-3]:
        raise ValueError(
            f"Length of permutation does not match number of channels: {len(permutation)} != "
            f"{inpt.shape[-3]}"
        )
    return inpt[..., permutation, :, :]


@functional
def gaussian_blur(inpt: Any, kernel_size: Any, sigma: Any = None) -> Any:
    """Averages each pixel with its neighbours, weighed by a bell curve."""
    size = list(kernel_size) if isinstance(kernel_size, (list, tuple)) else kernel_size
    if isinstance(size, list) and len(size) == 1:
        size = size * 2
    return v1.gaussian_blur(inpt, size, sigma)


@functional
def gaussian_noise(inpt: Any, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Any:
    """Adds normal noise, in terms of a range of values from 0 to 1; `clip` keeps to that range.

    Raises:
        ValueError: a negative `sigma`, a Pillow image, or another type than floats and bytes.
    """
    if not isinstance(inpt, torch.Tensor):
        raise ValueError("Gaussian Noise is not implemented for PIL images.")
    if sigma < 0:
        raise ValueError(f"sigma shouldn't be negative. Got {sigma}")
    if inpt.is_floating_point():
        noisy = inpt + (mean + torch.randn_like(inpt) * sigma)
        return noisy.clamp(0, 1) if clip else noisy
    if inpt.dtype != torch.uint8:
        raise ValueError(
            f"Input tensor is expected to be in uint8 or float dtype, got dtype={inpt.dtype}"
        )
    noise = mean * 255 + torch.randn_like(inpt, dtype=torch.float32) * (sigma * 255)
    noisy = inpt + noise.to(torch.int16)
    return (noisy.clamp(0, 255) if clip else noisy).to(torch.uint8)


@functional
def normalize(inpt: Any, mean: Any, std: Any, inplace: bool = False) -> Any:
    """Returns (inpt - mean) / std, channel by channel."""
    return v1.normalize(inpt, mean, std, inplace)


@functional
def erase(inpt: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """Overwrites `h` by `w` pixels at row `i`, column `j` with `v`."""
    if not isinstance(inpt, torch.Tensor):
        return to_pil_image(v1.erase(pil_to_tensor(inpt), i, j, h, w, v), inpt.mode)
    return v1.erase(inpt, i, j, h, w, v, inplace)


@functional
def jpeg(inpt: Any, quality: int) -> Any:
    """What JPEG of a quality from 1 to 100 makes of bytes."""
    if not isinstance(inpt, torch.Tensor):
        from ...._extras import pillow

        file = io.BytesIO()
        inpt.save(file, format="JPEG", quality=quality)
        return pillow().open(file).copy()
    from ....io import decode_jpeg, encode_jpeg

    pictures = inpt.reshape(-1, *inpt.shape[-3:])
    read = [decode_jpeg(encode_jpeg(one, quality)) for one in pictures]
    return torch.stack(read).reshape(inpt.shape) if read else inpt.clone()


@functional
def uniform_temporal_subsample(inpt: Any, num_samples: int) -> Any:
    """Takes so many pictures of a video, evenly spaced."""
    frames = torch.linspace(0, inpt.shape[-4] - 1, num_samples, device=inpt.device).long()
    return torch.index_select(inpt, -4, frames)
