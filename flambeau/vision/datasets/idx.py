"""The IDX file format of MNIST and its kin.

A file is four bytes (0, 0, type, number of dimensions), then each dimension as a big-endian uint32,
then the values, big-endian in C order (http://yann.lecun.com/exdb/mnist/).
"""

from __future__ import annotations

import gzip
import math
import os
import struct
from typing import Any, BinaryIO

import numpy as np

__all__ = ["read_idx"]

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

# Deflate makes at most 1032 bytes of one.
_MAX_EXPANSION = 1032


def read_idx(path: str | os.PathLike[str]) -> np.ndarray[Any, Any]:
    """Reads an IDX file, plain or compressed (`.gz`), into an array in this machine's byte order.

    The file's size has to be what its header says, and is checked before memory is taken.

    Raises:
        RuntimeError: the file is no IDX file, is cut off, or is too long.
        OSError: it can't be read.
    """
    path = os.fspath(path)
    size = os.path.getsize(path)
    compressed = path.endswith(".gz")
    try:
        with gzip.open(path, "rb") if compressed else open(path, "rb") as file:
            dtype, shape = _read_header(file, path)
            length = math.prod(shape) * dtype.itemsize
            header = 4 + 4 * len(shape)
            fits = length <= size * _MAX_EXPANSION if compressed else size == header + length
            if not fits:
                raise _damaged(
                    path, f"its header announces {shape} values, its size is {size} bytes"
                )
            return _read_values(file, path, dtype, shape, length)
    except (EOFError, gzip.BadGzipFile) as error:
        raise _damaged(path, str(error)) from error


def _read_header(file: Any, path: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = file.read(4)
    if len(magic) != 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not 1 <= magic[3] <= 8:
        raise _damaged(path, f"it begins with {magic!r}, which is no IDX header")
    raw = file.read(4 * magic[3])
    if len(raw) != 4 * magic[3]:
        raise _damaged(path, "it ends in its header")
    return np.dtype(_TYPES[magic[2]]), struct.unpack(f">{magic[3]}I", raw)


def _read_values(
    file: BinaryIO | gzip.GzipFile,
    path: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    length: int,
) -> np.ndarray[Any, Any]:
    values = np.empty(shape, dtype)
    buffer = values.reshape(-1).view(np.uint8).data
    done = 0
    while done < length:
        count = file.readinto(buffer[done:])  # type: ignore[union-attr]
        if not count:
            raise _damaged(path, f"it ends after {done} of {length} bytes of values")
        done += count
    if file.read(1):
        raise _damaged(path, f"it goes on after the {length} bytes that its header announces")
    return values.astype(dtype.newbyteorder("="), copy=False)


def _damaged(path: str, why: str) -> RuntimeError:
    return RuntimeError(f"{path} is damaged: {why}. Delete it and get it anew")
