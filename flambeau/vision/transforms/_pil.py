"""The picture operations on Pillow images. Callers have checked the arguments' kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._extras import pillow

if TYPE_CHECKING:
    from PIL.Image import Image

# Modes whose pixels are not bytes, and the NumPy types of torchvision for them.
_WIDE_MODES = {"I": np.int32, "I;16": np.int16, "F": np.float32}


def pixels(image: Image) -> np.ndarray[Any, Any]:
    """Returns the pixels as (H, W, C), of a type of their own for wide modes; mode "1" as 0 or 255.

    The array may be read-only: it is memory of Pillow's.
    """
    mode = image.mode
    if mode in _WIDE_MODES:
        array = np.asarray(image).astype(_WIDE_MODES[mode], copy=False)
    elif mode == "1":
        array = np.asarray(image).astype(np.uint8) * np.uint8(255)
    else:
        # As np.asarray(image), in two thirds of the time: no array interface in between.
        array = np.frombuffer(image.tobytes(), np.uint8)
    return array.reshape(image.height, image.width, -1)


def from_pixels(array: np.ndarray[Any, Any], mode: str) -> Image:
    """Returns the image of `mode` whose pixels are `array`, (H, W) or (H, W, C)."""
    height, width = array.shape[:2]
    # A fresh copy: for some modes Pillow keeps the buffer it is given as the image's memory.
    result: Image = pillow().frombuffer(mode, (width, height), array.tobytes(), "raw", mode, 0, 1)
    return result


def resize(image: Image, height: int, width: int, interpolation: int) -> Image:
    return image.resize((width, height), interpolation)


def crop(image: Image, top: int, left: int, height: int, width: int) -> Image:
    return image.crop((left, top, left + width, top + height))


def hflip(image: Image) -> Image:
    return image.transpose(pillow().Transpose.FLIP_LEFT_RIGHT)


def vflip(image: Image) -> Image:
    return image.transpose(pillow().Transpose.FLIP_TOP_BOTTOM)


def pad(image: Image, sides: tuple[int, int, int, int], fill: Any, mode: str) -> Image:
    left, top, right, bottom = sides
    if mode == "constant":
        size = (image.width + left + right, image.height + top + bottom)
        result: Image = pillow().new(image.mode, size, fill_color(fill, image))
        if image.mode == "P":
            palette = image.getpalette()
            if palette is not None:
                result.putpalette(palette)
        # A negative side puts the image partly outside, which crops it.
        result.paste(image, (left, top))
        return result
    cut = tuple(min(side, 0) for side in sides)
    if any(cut):
        image = crop(
            image,
            -cut[1],
            -cut[0],
            image.height + cut[1] + cut[3],
            image.width + cut[0] + cut[2],
        )
    left, top, right, bottom = (max(side, 0) for side in sides)
    array = np.asarray(image)
    widths = ((top, bottom), (left, right)) + ((0, 0),) * (array.ndim - 2)
    result = pillow().fromarray(np.pad(array, widths, mode=mode))  # type: ignore[call-overload]
    if image.mode == "P":
        palette = image.getpalette()
        if palette is not None:
            result.putpalette(palette)
    return result


def fill_color(fill: Any, image: Image) -> Any:
    """Returns `fill` as Pillow wants it: one number a band, whole numbers but for mode "F".

    Raises:
        ValueError: the sequence has neither one entry nor one a band.
    """
    bands = len(image.getbands())
    if fill is None:
        fill = 0
    if isinstance(fill, str):
        return fill
    if isinstance(fill, (list, tuple)):
        if len(fill) == 1:
            fill = fill[0]
        elif len(fill) != bands:
            raise ValueError(
                "The number of elements in 'fill' does not match the number of bands of the image "
                f"({len(fill)} != {bands})"
            )
    if not isinstance(fill, (list, tuple)):
        fill = (fill,) * bands
    if image.mode != "F":
        fill = [int(part) for part in fill]
    return tuple(fill) if bands > 1 else fill[0]


def rotate(
    image: Image,
    angle: float,
    interpolation: Any,
    expand: bool,
    center: Any,
    fill: Any,
) -> Image:
    return image.rotate(
        angle, interpolation, expand, center=center, fillcolor=fill_color(fill, image)
    )


def grayscale(image: Image, channels: int) -> Image:
    grey = image.convert("L")
    if channels == 1:
        return grey
    result: Image = pillow().merge("RGB", (grey, grey, grey))
    return result


def adjust_brightness(image: Image, factor: float) -> Image:
    from PIL import ImageEnhance

    return ImageEnhance.Brightness(image).enhance(factor)


def adjust_contrast(image: Image, factor: float) -> Image:
    from PIL import ImageEnhance

    return ImageEnhance.Contrast(image).enhance(factor)


def adjust_saturation(image: Image, factor: float) -> Image:
    from PIL import ImageEnhance

    return ImageEnhance.Color(image).enhance(factor)


def adjust_hue(image: Image, factor: float) -> Image:
    if image.mode in {"L", "1", "I", "F"}:
        return image
    hue, saturation, value = image.convert("HSV").split()
    # The colour circle has 256 steps: a uint8 goes round by itself.
    turn = np.uint8(int(factor * 255) % 256)
    turned = from_pixels(np.asarray(hue) + turn, "L")
    merged: Image = pillow().merge("HSV", (turned, saturation, value))
    return merged.convert(image.mode)


def affine(image: Image, matrix: Any, interpolation: Any, fill: Any) -> Image:
    kind = pillow().Transform.AFFINE
    return image.transform(
        image.size, kind, matrix, interpolation, fillcolor=fill_color(fill, image)
    )


def perspective(image: Image, coefficients: Any, interpolation: Any, fill: Any) -> Image:
    kind = pillow().Transform.PERSPECTIVE
    return image.transform(
        image.size, kind, coefficients, interpolation, fillcolor=fill_color(fill, image)
    )


def invert(image: Image) -> Image:
    from PIL import ImageOps

    return ImageOps.invert(image)


def posterize(image: Image, bits: int) -> Image:
    from PIL import ImageOps

    return ImageOps.posterize(image, bits)


def solarize(image: Image, threshold: Any) -> Image:
    from PIL import ImageOps

    return ImageOps.solarize(image, threshold)


def autocontrast(image: Image) -> Image:
    from PIL import ImageOps

    return ImageOps.autocontrast(image)


def equalize(image: Image) -> Image:
    from PIL import ImageOps

    return ImageOps.equalize(image)


def adjust_sharpness(image: Image, factor: float) -> Image:
    from PIL import ImageEnhance

    return ImageEnhance.Sharpness(image).enhance(factor)


def adjust_gamma(image: Image, gamma: float, gain: float) -> Image:
    mode = image.mode
    # Just under one more than the largest value, as the conversion from floats to bytes has it.
    table = [int((255 + 1 - 1e-3) * gain * pow(value / 255.0, gamma)) for value in range(256)]
    return image.convert("RGB").point(table * 3).convert(mode)
