"""The IDX file format of MNIST and its kin.

A file is four bytes (0, 0, type, number of dimensions), then each dimension as a big-endian uint32,
then the values, big-endian in C order (http://yann.lecun.com/exdb/mnist/).
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from typing import Any, BinaryIO

import numpy as np

from .utils import damaged

__all__ = ["parse_idx", "read_idx"]

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

_GROWTH, _SLACK = 100, 16 << 20
"""The values of a compressed file may take this many times its size, and these bytes more. Pictures
of digits shrink to a fifth."""


def read_idx(path: str | os.PathLike[str]) -> np.ndarray[Any, Any]:
    """Reads an IDX file, plain or compressed (`.gz`), into an array in this machine's byte order.

    The file's size has to be what its header says, and is checked before memory is taken.

    Raises:
        RuntimeError: the file is no IDX file, is cut off, or is too long.
        OSError: it can't be read.
    """
    path = os.fspath(path)
    with open(path, "rb") as file:
        return parse_idx(file, path, os.path.getsize(path), path.endswith(".gz"))


def parse_idx(
    file: BinaryIO, name: str, size: int, compressed: bool = False
) -> np.ndarray[Any, Any]:
    """The same of a file object with `size` bytes; errors call it `name`."""
    try:
        source: Any = gzip.GzipFile(fileobj=file) if compressed else file
        dtype, shape = _read_header(source, name)
        length = math.prod(shape) * dtype.itemsize
        header = 4 + 4 * len(shape)
        fits = length <= size * _GROWTH + _SLACK if compressed else size == header + length
        if not fits:
            raise damaged(name, f"its header announces {shape} values, its size is {size} bytes")
        return _read_values(source, name, dtype, shape, length)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise damaged(name, error) from error


def _read_header(file: Any, name: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = file.read(4)
    if len(magic) != 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not 1 <= magic[3] <= 8:
        raise damaged(name, f"it begins with {magic!r}, which is no IDX header")
    raw = file.read(4 * magic[3])
    if len(raw) != 4 * magic[3]:
        raise damaged(name, "it ends in its header")
    shape = struct.unpack(f">{magic[3]}I", raw)
    if math.prod(max(n, 1) for n in shape) >= 1 << 48:
        raise damaged(name, f"no array has the shape {shape}")
    return np.dtype(_TYPES[magic[2]]), shape


def _read_values(
    file: Any, name: str, dtype: np.dtype[Any], shape: tuple[int, ...], length: int
) -> np.ndarray[Any, Any]:
    values = np.empty(shape, dtype)
    buffer = values.reshape(-1).view(np.uint8).data
    done = 0
    while done < length:
        count = file.readinto(buffer[done:])
        if not count:
            raise damaged(name, f"it ends after {done} of {length} bytes of values")
        done += count
    if file.read(1):
        raise damaged(name, f"it goes on after the {length} bytes that its header announces")
    return values.astype(dtype.newbyteorder("="), copy=False)
