"""Reading and writing pictures as tensors of bytes, by Pillow."""

from __future__ import annotations

import io
import os
from enum import Enum
from typing import Any

import numpy as np

import flambeau as torch
from flambeau import Tensor

from .._extras import check_header, check_pixels, pillow

__all__ = [
    "ImageReadMode",
    "decode_avif",
    "decode_gif",
    "decode_heic",
    "decode_image",
    "decode_jpeg",
    "decode_png",
    "decode_webp",
    "encode_jpeg",
    "encode_png",
    "read_file",
    "read_image",
    "write_file",
    "write_jpeg",
    "write_png",
]


class ImageReadMode(Enum):
    """What a picture becomes as it is read; "RGB" and the like may be given instead."""

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4
    RGBA = RGB_ALPHA


_PILLOW_MODES = {
    ImageReadMode.GRAY: "L",
    ImageReadMode.GRAY_ALPHA: "LA",
    ImageReadMode.RGB: "RGB",
    ImageReadMode.RGB_ALPHA: "RGBA",
}

_Path = str | os.PathLike[str]
_Mode = ImageReadMode | str


def read_file(path: _Path) -> Tensor:
    """Returns a file's bytes, uint8 (N).

    Raises:
        RuntimeError: there is no such file.
    """
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError as error:
        raise RuntimeError(f"[Errno 2] No such file or directory: '{os.fspath(path)}'") from error
    return torch.from_numpy(np.frombuffer(content, np.uint8).copy())


def write_file(filename: _Path, data: Tensor) -> None:
    """Writes bytes, uint8 (N), to a file, which is replaced as a whole.

    Raises:
        RuntimeError: another type or shape.
    """
    from flambeau.serialization.whole_files import atomic_file

    content = _content(data)
    with atomic_file(filename, sync=False) as file:
        file.write(content)


def _content(data: Any) -> bytes:
    if not isinstance(data, Tensor):
        raise TypeError(f"expected a tensor of a file's bytes, got {type(data)}")
    if data.dtype != torch.uint8:
        raise RuntimeError(f"Input tensor data type should be uint8, got {data.dtype}")
    if data.dim() != 1:
        raise RuntimeError(
            f"Input data should be a 1-dimensional tensor, got {data.dim()} dimensions"
        )
    content: bytes = data.cpu().numpy().tobytes()
    return content


def _decoded(
    input: Tensor, formats: tuple[str, ...] | None, mode: _Mode, apply_exif_orientation: bool
) -> Tensor:
    if isinstance(mode, str):
        mode = ImageReadMode[mode.upper()]
    image = pillow()
    content = _content(input)
    try:
        check_header(content[:30], len(content))
        picture: Any = image.open(io.BytesIO(content), formats=formats)
        check_pixels(picture.width, picture.height, len(content))
        if picture.format == "GIF":
            _check_gif(content)
            return _frames(picture)
        picture.load()
        if apply_exif_orientation:
            from PIL import ImageOps

            picture = ImageOps.exif_transpose(picture)
        return _as_tensor(_in_mode(picture, mode))
    except Exception as error:
        kinds = " or ".join(formats or ("PNG", "JPEG", "GIF", "WEBP"))
        raise RuntimeError(
            f"these bytes are no {kinds} picture that can be read: {error}"
        ) from error


def _in_mode(picture: Any, mode: ImageReadMode) -> Any:
    if mode is not ImageReadMode.UNCHANGED:
        if picture.mode == "LA" and mode is ImageReadMode.RGB:
            picture = picture.convert("L")
        return picture.convert(_PILLOW_MODES[mode])
    if picture.mode == "P":
        # A palette is how the file is written; what is in it are colours.
        return picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    return picture.convert("L") if picture.mode == "1" else picture


def _as_tensor(picture: Any) -> Tensor:
    array = np.asarray(picture)
    if array.dtype != np.uint8:
        # 16 bits: Pillow opens them as "I;16" or "I".
        array = array.astype(np.int32).clip(0, 65535).astype(np.uint16)
        return torch.from_numpy(array[None].astype(np.int32)).to(torch.uint16)
    planes = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    return torch.from_numpy(np.array(planes, order="C"))


def _frames(picture: Any) -> Tensor:
    """All frames of a picture."""
    from PIL import ImageSequence

    frames = [_as_tensor(frame.convert("RGB")) for frame in ImageSequence.Iterator(picture)]
    return frames[0] if len(frames) == 1 else torch.stack(frames)


_CANVAS, _CANVAS_EACH = 1 << 21, 3000
"""Pixels of a GIF's canvas, and more for each byte: a code of LZW has 9 bits at least and stands for
4096 pixels at most, reached through as many shorter ones."""


def _check_gif(content: bytes) -> None:
    """Refuses a GIF whose frames have more pixels than its bytes can hold.

    A frame that sticks out makes the canvas larger, and Pillow takes the memory before it can be
    asked. So this walks over the blocks as it does (https://www.w3.org/Graphics/GIF/spec-gif89a.txt).

    Raises:
        ValueError: it has too many pixels.
    """
    word = lambda at: int.from_bytes(content[at : at + 2], "little")  # noqa: E731
    width, height, frames = word(6), word(8), 0
    at = 13 + _colours(content[10:11])
    while at < len(content) and (kind := content[at]) != 0x3B:
        at += 1
        if kind == 0x21:
            at = _after_blocks(content, at + 1)
        elif kind == 0x2C:
            width, height = max(width, word(at) + word(at + 4)), max(height, word(at + 2) + word(at + 6))
            frames += 1
            at = _after_blocks(content, at + 10 + _colours(content[at + 8 : at + 9]))
    if width * height > _CANVAS + _CANVAS_EACH * len(content):
        raise ValueError(f"{len(content)} bytes can't hold {width}x{height} pixels")
    check_pixels(width, height * frames, len(content))


def _colours(flags: bytes) -> int:
    """The bytes of the table of colours that a byte of flags announces."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _after_blocks(content: bytes, at: int) -> int:
    """Where the blocks of data at `at` end, each of which its size precedes."""
    while at < len(content) and content[at]:
        at += content[at] + 1
    return at + 1


def decode_image(
    input: Tensor | _Path,
    mode: _Mode = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """Returns a JPEG, PNG, GIF or WebP picture, uint8 (C, H, W).

    Args:
        input: the file's path, or its bytes, uint8 (N).
        mode: what the picture is converted to.
        apply_exif_orientation: turn it the way the camera was held.

    Raises:
        RuntimeError: there is no such file, or its bytes are no picture.
    """
    content = input if isinstance(input, Tensor) else read_file(input)
    return _decoded(content, ("JPEG", "PNG", "GIF", "WEBP"), mode, apply_exif_orientation)


def read_image(
    path: _Path, mode: _Mode = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False
) -> Tensor:
    """See `decode_image`."""
    return decode_image(path, mode, apply_exif_orientation)


def decode_png(
    input: Tensor, mode: _Mode = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False
) -> Tensor:
    """Returns a PNG picture, uint8 (C, H, W), or uint16 where it has 16 bits; see `decode_image`."""
    return _decoded(input, ("PNG",), mode, apply_exif_orientation)


def decode_jpeg(
    input: Tensor | list[Tensor],
    mode: _Mode = ImageReadMode.UNCHANGED,
    device: Any = "cpu",
    apply_exif_orientation: bool = False,
) -> Any:
    """Returns a JPEG picture, uint8 (C, H, W), or a list of them for a list; see `decode_image`."""
    if isinstance(input, list):
        if not input:
            raise ValueError("Input list must contain at least one element")
        if not all(isinstance(one, Tensor) for one in input):
            raise ValueError("All elements of the input list must be tensors.")
        return [decode_jpeg(one, mode, device, apply_exif_orientation) for one in input]
    return _decoded(input, ("JPEG",), mode, apply_exif_orientation).to(device)


def decode_webp(input: Tensor, mode: _Mode = ImageReadMode.UNCHANGED) -> Tensor:
    """Returns a WebP picture, uint8 (C, H, W); see `decode_image`."""
    return _decoded(input, ("WEBP",), mode, False)


def decode_avif(input: Tensor, mode: _Mode = ImageReadMode.UNCHANGED) -> Tensor:
    """Returns an AVIF picture, uint8 (C, H, W), where Pillow reads AVIF; see `decode_image`."""
    return _decoded(input, ("AVIF",), mode, False)


def decode_heic(input: Tensor, mode: _Mode = ImageReadMode.UNCHANGED) -> Tensor:
    """Refuses: Pillow reads no HEIC."""
    raise RuntimeError(
        "flambeau has no torchvision.io.decode_heic: Pillow reads no HEIC. Convert the picture to "
        "JPEG or PNG"
    )


def decode_gif(input: Tensor) -> Tensor:
    """Returns a GIF picture, uint8 (3, H, W), or (N, 3, H, W) where it has several frames."""
    return _decoded(input, ("GIF",), ImageReadMode.RGB, False)


def _encoded(input: Tensor, kind: str, **options: Any) -> Tensor:
    if input.dtype != torch.uint8:
        raise RuntimeError(f"Input tensor dtype should be uint8, got {input.dtype}")
    image = input[None] if input.dim() == 2 else input
    if image.dim() != 3:
        raise RuntimeError(f"Input data should be a 3-dimensional tensor, got {input.dim()}")
    if image.shape[0] not in (1, 3):
        raise RuntimeError(
            f"The number of channels should be 1 or 3, got: {image.shape[0]} (shape "
            f"{tuple(input.shape)})"
        )
    pixels = image.cpu().numpy()
    array = pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)
    buffer = io.BytesIO()
    pillow().fromarray(np.ascontiguousarray(array)).save(buffer, format=kind, **options)
    return torch.from_numpy(np.frombuffer(buffer.getvalue(), np.uint8).copy())


def encode_png(input: Tensor, compression_level: int = 6) -> Tensor:
    """Returns a PNG file's bytes, uint8 (N), of a picture, uint8 (1 or 3, H, W) or (H, W).

    Raises:
        RuntimeError: another type or shape, or a `compression_level` not from 0 to 9.
    """
    if not 0 <= compression_level <= 9:
        raise RuntimeError("Compression level should be between 0 and 9")
    return _encoded(input, "PNG", compress_level=compression_level)


def write_png(input: Tensor, filename: _Path, compression_level: int = 6) -> None:
    """Writes a PNG file; see `encode_png`."""
    write_file(filename, encode_png(input, compression_level))


def encode_jpeg(input: Tensor | list[Tensor], quality: int = 75) -> Any:
    """Returns a JPEG file's bytes, uint8 (N), of a picture, uint8 (1 or 3, H, W); or of several.

    Raises:
        ValueError: a `quality` not from 1 to 100, or no pictures.
        RuntimeError: another type or shape.
    """
    if quality < 1 or quality > 100:
        raise ValueError("Image quality should be a positive number between 1 and 100")
    if isinstance(input, list):
        if not input:
            raise ValueError("encode_jpeg requires at least one input tensor when a list is passed")
        return [encode_jpeg(one, quality) for one in input]
    return _encoded(input, "JPEG", quality=quality)


def write_jpeg(input: Tensor, filename: _Path, quality: int = 75) -> None:
    """Writes a JPEG file; see `encode_jpeg`."""
    write_file(filename, encode_jpeg(input, quality))
