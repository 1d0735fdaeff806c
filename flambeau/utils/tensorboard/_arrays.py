"""What users log as NumPy arrays, and pictures as PNG."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np

import flambeau as torch


def as_array(value: Any) -> np.ndarray:
    """A tensor, an array, a number or a list as an array."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    if isinstance(value, (np.ndarray, int, float, np.generic, list, tuple)):
        return np.asarray(value)
    raise NotImplementedError(
        f"Got {type(value)}, but a tensor, a NumPy array or a number is expected"
    )


def as_number(value: Any) -> float:
    """A scalar of any of these kinds."""
    found = as_array(value)
    if found.size != 1:
        raise AssertionError(f"scalar should be 0D, but its shape is {list(found.shape)}")
    return float(found.reshape(()))


def as_picture(value: Any, dataformats: str) -> np.ndarray:
    """Pixels as bytes, height x width x channels (1, 3 or 4).

    `dataformats` says what the dimensions are; a picture of floats is in 0 to 1. Several pictures
    (with N) are put side by side in rows of up to eight.
    """
    array = as_array(value)
    letters = dataformats.upper()
    if len(letters) != array.ndim or len(set(letters)) != len(letters):
        raise AssertionError(
            f"size of input tensor and input format are different. tensor shape: {array.shape}, "
            f"input_format: {dataformats}"
        )
    if "C" not in letters:
        array, letters = array[..., None], letters + "C"
    if "N" in letters:
        array = _grid(array.transpose([letters.index(x) for x in "NHWC"]))
    else:
        array = array.transpose([letters.index(x) for x in "HWC"])
    if array.dtype != np.uint8:
        array = np.clip(array * 255.0, 0, 255)
    array = array.astype(np.uint8)
    return np.repeat(array, 3, 2) if array.shape[2] == 1 else array


def _grid(pictures: np.ndarray, columns: int = 8) -> np.ndarray:
    """Pictures (N x H x W x C) as one, in rows."""
    count, height, width, channels = pictures.shape
    columns = min(count, columns)
    rows = -(-count // columns)
    blank = np.zeros((rows * columns - count, height, width, channels), pictures.dtype)
    cells = np.concatenate([pictures, blank]).reshape(rows, columns, height, width, channels)
    return cells.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)


def png(pixels: np.ndarray) -> bytes:
    """Bytes of height x width x channels as a PNG file (W3C, Portable Network Graphics)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    height, width, channels = pixels.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    lines = np.zeros((height, 1 + width * channels), np.uint8)  # each begins with its filter, none
    lines[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines.tobytes(), 6))
        + chunk(b"IEND", b"")
    )


def wav(samples: np.ndarray, sample_rate: int) -> bytes:
    """Samples (frames x channels, in -1 to 1) as a WAV file of 16 bits."""
    import io
    import wave

    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()
