"""Operations on the values of a picture's pixels, on Pillow images and tensors."""

from __future__ import annotations

import flambeau as torch

from . import _grid, _pil
from ._conversion import convert_image_dtype
from ._kinds import Picture, module_of
from ._tensor import _blend, _check_channels, _check_factor, _largest

__all__ = [
    "adjust_gamma",
    "adjust_sharpness",
    "autocontrast",
    "equalize",
    "invert",
    "posterize",
    "solarize",
]


def _check_planes(image: torch.Tensor) -> None:
    if image.dim() < 3:
        raise TypeError(
            f"Input image tensor should have at least 3 dimensions, but found {image.dim()}"
        )
    _check_channels(image)


def _check_bytes(image: torch.Tensor) -> None:
    if image.dtype != torch.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {image.dtype}")


def invert(img: Picture) -> Picture:
    """Makes light dark and dark light."""
    if module_of(img) is _pil:
        return _pil.invert(img)
    _check_planes(img)
    return _largest(img.dtype) - img


def posterize(img: Picture, bits: int) -> Picture:
    """Keeps the `bits` highest bits, 0 to 8, of each channel of bytes.

    Raises:
        ValueError: another number of bits.
        TypeError: a tensor of another type.
    """
    if not 0 <= bits <= 8:
        raise ValueError(f"The number if bits should be between 0 and 8. Got {bits}")
    if module_of(img) is _pil:
        return _pil.posterize(img, bits)
    _check_planes(img)
    _check_bytes(img)
    return img & (256 - 2 ** (8 - bits))


def solarize(img: Picture, threshold: float) -> Picture:
    """Inverts the values from `threshold` on.

    Raises:
        TypeError: a `threshold` above the largest value of a tensor's type.
    """
    if module_of(img) is _pil:
        return _pil.solarize(img, threshold)
    _check_planes(img)
    if threshold > _largest(img.dtype):
        raise TypeError(
            f"Threshold should be less than bound of img, {_largest(img.dtype)}; got {threshold}"
        )
    return torch.where(img >= threshold, invert(img), img)


def adjust_sharpness(img: Picture, sharpness_factor: float) -> Picture:
    """Scales the distance from the softened image: 0 is softened, 1 the image itself.

    Raises:
        ValueError: a negative factor.
    """
    if module_of(img) is _pil:
        return _pil.adjust_sharpness(img, sharpness_factor)
    _check_factor("sharpness_factor", sharpness_factor)
    _check_channels(img)
    if img.shape[-1] <= 2 or img.shape[-2] <= 2:
        return img
    return _blend(img, _grid.softened(img), sharpness_factor)


def adjust_gamma(img: Picture, gamma: float, gain: float = 1) -> Picture:
    """Makes a value v of [0, 1] gain * v ** gamma: above 1 darkens shadows, below 1 lights them.

    Raises:
        ValueError: a negative `gamma`.
    """
    if gamma < 0:
        raise ValueError(f"Gamma should be a non-negative real number, got {gamma}")
    if module_of(img) is _pil:
        return _pil.adjust_gamma(img, gamma, gain)
    _check_channels(img)
    values = img if img.is_floating_point() else convert_image_dtype(img, torch.float32)
    return convert_image_dtype((gain * values**gamma).clamp(0, 1), img.dtype)


def autocontrast(img: Picture) -> Picture:
    """Stretches each channel so that its darkest is black and its lightest is full."""
    if module_of(img) is _pil:
        return _pil.autocontrast(img)
    _check_planes(img)
    bound = _largest(img.dtype)
    work = img if img.is_floating_point() else img.to(torch.float32)
    low = work.amin(dim=(-2, -1), keepdim=True)
    spread = work.amax(dim=(-2, -1), keepdim=True) - low
    scale = bound / spread
    # A channel of one value stays as it is.
    plain = torch.isfinite(scale).logical_not()
    low, scale = low.masked_fill(plain, 0), scale.masked_fill(plain, 1)
    return ((work - low) * scale).clamp(0, bound).to(img.dtype)


def equalize(img: Picture) -> Picture:
    """Maps each channel of bytes so that all values are about as frequent.

    Raises:
        TypeError: a tensor of another type.
    """
    if module_of(img) is _pil:
        return _pil.equalize(img)
    _check_planes(img)
    _check_bytes(img)
    planes = img.reshape(-1, *img.shape[-2:])
    return torch.stack([_equalized(plane) for plane in planes]).reshape(img.shape)


def _equalized(plane: torch.Tensor) -> torch.Tensor:
    counts = torch.bincount(plane.reshape(-1).to(torch.int64), minlength=256)
    present = counts[counts != 0]
    step = int(present[:-1].sum()) // 255
    if step == 0:
        return plane
    table = (torch.cumsum(counts, 0) + step // 2) // step
    table = torch.nn.functional.pad(table, [1, 0])[:-1].clamp(0, 255)
    return table[plane.to(torch.int64)].to(torch.uint8)
