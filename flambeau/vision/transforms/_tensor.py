"""The picture operations on tensors (..., C, H, W). Callers have checked the arguments' kinds."""

from __future__ import annotations

from typing import Any

import numpy as np

import flambeau as torch

from .interpolation import InterpolationMode, nearest_indices, resize_weights

# Shares of red, green and blue in a grey value, as torchvision rounds those of ITU-R BT.601.
_LUMA = (0.2989, 0.587, 0.114)

_INTEGER_MAX = {
    torch.uint8: 255,
    torch.int8: 127,
    torch.int16: 2**15 - 1,
    torch.int32: 2**31 - 1,
    torch.int64: 2**63 - 1,
}


def _largest(dtype: torch.dtype) -> int:
    """Returns the value that means full brightness in `dtype`."""
    return _INTEGER_MAX.get(dtype, 1)


def check_image(image: torch.Tensor) -> None:
    if image.dim() < 2:
        raise TypeError(
            f"Tensor is not a torch image: it has {image.dim()} dimensions, not 2 or more"
        )


def dimensions(image: torch.Tensor) -> tuple[int, int, int]:
    """Returns (channels, height, width)."""
    check_image(image)
    channels = 1 if image.dim() == 2 else int(image.shape[-3])
    return channels, int(image.shape[-2]), int(image.shape[-1])


def _check_channels(image: torch.Tensor, permitted: tuple[int, ...] = (1, 3)) -> int:
    channels = dimensions(image)[0]
    if channels not in permitted:
        raise TypeError(
            f"Input image tensor permitted channel values are {list(permitted)}, but found "
            f"{channels}"
        )
    return channels


def convert_dtype(image: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Returns `image` in `dtype`, its values scaled from the old type's range to the new one's."""
    source = image.dtype
    if source == dtype:
        return image
    if source.is_floating_point:
        if dtype.is_floating_point:
            return image.to(dtype)
        if (source == torch.float32 and dtype in (torch.int32, torch.int64)) or (
            source == torch.float64 and dtype == torch.int64
        ):
            raise RuntimeError(f"The cast from {source} to {dtype} cannot be performed safely.")
        # Just under one step more than the largest value: 1.0 maps to it, and rounding down
        # gives every value an equal share.
        return image.mul(_largest(dtype) + 1.0 - 1e-3).to(dtype)
    largest = _largest(source)
    if dtype.is_floating_point:
        return image.to(dtype) / largest
    new_largest = _largest(dtype)
    if largest > new_largest:
        step = (largest + 1) // (new_largest + 1)
        return torch.div(image, step, rounding_mode="floor").to(dtype)
    return image.to(dtype) * ((new_largest + 1) // (largest + 1))


def hflip(image: torch.Tensor) -> torch.Tensor:
    check_image(image)
    return image.flip(-1)


def vflip(image: torch.Tensor) -> torch.Tensor:
    check_image(image)
    return image.flip(-2)


def crop(image: torch.Tensor, top: int, left: int, height: int, width: int) -> torch.Tensor:
    """Returns the rectangle; what of it lies outside the image is zero."""
    _, image_height, image_width = dimensions(image)
    bottom, right = top + height, left + width
    part = image[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if left >= 0 and top >= 0 and right <= image_width and bottom <= image_height:
        return part
    sides = (
        max(min(right, 0) - left, 0),
        max(min(bottom, 0) - top, 0),
        max(right - max(image_width, left), 0),
        max(bottom - max(image_height, top), 0),
    )
    return _pad_constant(part, sides, 0)


def pad(
    image: torch.Tensor, sides: tuple[int, int, int, int], fill: Any, mode: str
) -> torch.Tensor:
    check_image(image)
    if mode == "constant":
        return _pad_constant(image, sides, fill)
    left, top, right, bottom = sides
    rows = _mirrored(int(image.shape[-2]), top, bottom, mode)
    columns = _mirrored(int(image.shape[-1]), left, right, mode)
    return image.index_select(-2, _indices(rows, image)).index_select(-1, _indices(columns, image))


def _pad_constant(image: torch.Tensor, sides: tuple[int, int, int, int], fill: Any) -> torch.Tensor:
    left, top, right, bottom = sides
    height, width = int(image.shape[-2]), int(image.shape[-1])
    shape = (*image.shape[:-2], height + top + bottom, width + left + right)
    if isinstance(fill, (list, tuple)):
        if len(fill) not in (1, dimensions(image)[0]):
            raise ValueError(
                f"Invalid fill {fill}: {len(fill)} values for {dimensions(image)[0]} channels"
            )
        colour = torch.tensor(fill, dtype=image.dtype, device=image.device).view(-1, 1, 1)
        result = colour.expand(shape).clone()
    else:
        result = image.new_full(shape, 0 if fill is None else fill)
    inner = image[
        ..., max(-top, 0) : height + min(bottom, 0), max(-left, 0) : width + min(right, 0)
    ]
    top, left = max(top, 0), max(left, 0)
    result[..., top : top + inner.shape[-2], left : left + inner.shape[-1]] = inner
    return result


def _mirrored(size: int, before: int, after: int, mode: str) -> np.ndarray[Any, Any]:
    """Returns the input pixel that each pixel of a padded axis shows."""
    positions = np.arange(-before, size + after)
    if mode == "edge":
        return np.clip(positions, 0, size - 1)
    if mode == "symmetric":
        positions = positions % (2 * size)
        return np.where(positions < size, positions, 2 * size - 1 - positions)
    if max(before, after) >= size:
        raise RuntimeError(
            f"pad: reflecting {max(before, after)} pixels needs an image of more than that, got "
            f"{size}"
        )
    positions = np.abs(positions)
    return np.where(positions < size, positions, 2 * (size - 1) - positions)


def _indices(positions: np.ndarray[Any, Any], image: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(positions.astype(np.int64)).to(image.device)


def resize(
    image: torch.Tensor,
    height: int,
    width: int,
    mode: InterpolationMode,
    antialias: bool,
    rounds_between: bool = False,
) -> torch.Tensor:
    """Resizes by one matrix an axis; integers are rounded, as torchvision does for bytes.

    With `rounds_between` they are rounded after the first axis too, as PyTorch does for bytes.
    """
    _, old_height, old_width = dimensions(image)
    if (height, width) == (old_height, old_width):
        return image
    if mode in (InterpolationMode.NEAREST, InterpolationMode.NEAREST_EXACT):
        exact = mode is InterpolationMode.NEAREST_EXACT
        rows = _indices(nearest_indices(old_height, height, exact), image)
        columns = _indices(nearest_indices(old_width, width, exact), image)
        return image.index_select(-2, rows).index_select(-1, columns)
    if mode not in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC):
        raise ValueError(
            f"Resize: interpolation {mode.value!r} works on PIL images only; tensors take nearest, "
            "nearest-exact, bilinear or bicubic"
        )
    down = torch.from_numpy(resize_weights(old_height, height, mode, antialias).copy())
    across = torch.from_numpy(resize_weights(old_width, width, mode, antialias).T.copy())
    work = image.dtype if image.dtype in (torch.float32, torch.float64) else torch.float32
    down, across = down.to(image.device, work), across.to(image.device, work)
    if rounds_between:
        wide = image if width == old_width else _from_float(image.to(work) @ across, image.dtype)
        return wide if height == old_height else _from_float(down @ wide.to(work), image.dtype)
    return _from_float(torch.matmul(torch.matmul(down, image.to(work)), across), image.dtype)


def _from_float(image: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Returns `image` in `dtype`; integers rounded, and kept in the type's range."""
    if image.dtype == dtype:
        return image
    if not dtype.is_floating_point:
        image = image.round()
        if dtype == torch.uint8:
            image = image.clamp(0, 255)
    return image.to(dtype)


def grayscale(image: torch.Tensor, channels: int) -> torch.Tensor:
    if image.dim() < 3:
        raise TypeError(
            f"Input image tensor should have at least 3 dimensions, but found {image.dim()}"
        )
    if _check_channels(image) == 3:
        red, green, blue = image.unbind(dim=-3)
        grey = red * _LUMA[0] + green * _LUMA[1] + blue * _LUMA[2]
        grey = grey.to(image.dtype).unsqueeze(-3)
    else:
        grey = image.clone()
    return grey.expand(*image.shape[:-3], 3, *image.shape[-2:]) if channels == 3 else grey


def _check_factor(name: str, factor: float) -> None:
    if factor < 0:
        raise ValueError(f"{name} ({factor}) is not non-negative.")


def _blend(image: torch.Tensor, other: Any, ratio: float) -> torch.Tensor:
    mixed = ratio * image + (1.0 - ratio) * other
    return mixed.clamp(0, _largest(image.dtype)).to(image.dtype)


def adjust_brightness(image: torch.Tensor, factor: float) -> torch.Tensor:
    _check_factor("brightness_factor", factor)
    _check_channels(image)
    return _blend(image, 0.0, factor)


def adjust_contrast(image: torch.Tensor, factor: float) -> torch.Tensor:
    _check_factor("contrast_factor", factor)
    grey = grayscale(image, 1) if _check_channels(image) == 3 else image
    work = image.dtype if image.dtype.is_floating_point else torch.float32
    return _blend(image, grey.to(work).mean(dim=(-3, -2, -1), keepdim=True), factor)


def adjust_saturation(image: torch.Tensor, factor: float) -> torch.Tensor:
    _check_factor("saturation_factor", factor)
    if _check_channels(image) == 1:
        return image
    return _blend(image, grayscale(image, 1), factor)


def adjust_hue(image: torch.Tensor, factor: float) -> torch.Tensor:
    if _check_channels(image) == 1:
        return image
    dtype = image.dtype
    hue, saturation, value = _to_hsv(convert_dtype(image, torch.float32))
    turned = _from_hsv((hue + factor) % 1.0, saturation, value)
    return convert_dtype(turned, dtype)


def _to_hsv(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Hue, saturation and value of colours in [0, 1] (A. R. Smith, SIGGRAPH 1978)."""
    red, green, blue = image.unbind(dim=-3)
    high, low = image.amax(dim=-3), image.amin(dim=-3)
    spread = high - low
    ones = torch.ones_like(high)
    grey = spread == 0
    saturation = spread / torch.where(grey, ones, high)
    # The distance of each channel from the largest, in parts of the spread: the colour's place
    # within its sixth of the circle.
    divisor = torch.where(grey, ones, spread)
    from_red, from_green, from_blue = (
        (high - red) / divisor,
        (high - green) / divisor,
        (high - blue) / divisor,
    )
    hue = torch.where(
        high == red,
        from_blue - from_green,
        torch.where(high == green, 2.0 + from_red - from_blue, 4.0 + from_green - from_red),
    )
    return torch.where(grey, torch.zeros_like(hue), (hue / 6.0 + 1.0) % 1.0), saturation, high


def _from_hsv(hue: torch.Tensor, saturation: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Colours of hue, saturation and value: each channel is v - v s max(0, min(k, 4 - k, 1))."""
    channels = []
    for offset in (5.0, 3.0, 1.0):
        k = (hue * 6.0 + offset) % 6.0
        share = torch.minimum(k, 4.0 - k).clamp(0.0, 1.0)
        channels.append((value - value * saturation * share).clamp(0.0, 1.0))
    return torch.stack(channels, dim=-3)


def erase(
    image: torch.Tensor, top: int, left: int, height: int, width: int, value: Any, inplace: bool
) -> torch.Tensor:
    if not inplace:
        image = image.clone()
    image[..., top : top + height, left : left + width] = value
    return image
