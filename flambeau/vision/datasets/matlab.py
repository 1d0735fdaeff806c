"""Reading MATLAB's MAT-files of level 5, in which some data sets keep their labels.

The format is that of "MAT-File Format" (The MathWorks, 2019): elements of a tag and data, some of
them compressed, an array being an element of elements.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import Any

import numpy as np

_MATRIX, _COMPRESSED = 14, 15
_TYPES = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
    16: "u1", 17: "u2", 18: "u4",
}  # fmt: skip
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMBERS = {
    6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"
}  # fmt: skip


def read_matlab(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns the arrays of a file by name.

    Numbers are NumPy arrays with MATLAB's dimensions, text is str, cells are lists, and structures
    are lists of dictionaries.

    Raises:
        RuntimeError: the file is of another format, or damaged.
    """
    with open(path, "rb") as file:
        content = file.read()
    try:
        order = {b"IM": "<", b"MI": ">"}[content[126:128]]
        found: dict[str, Any] = {}
        for kind, data in _elements(content[128:], order):
            if kind == _COMPRESSED:
                ((kind, data),) = _elements(zlib.decompress(data), order)
            if kind == _MATRIX:
                name, value = _array(data, order)
                found[name] = value
        return found
    except (KeyError, ValueError, IndexError, struct.error, zlib.error) as error:
        raise RuntimeError(f"{path} is no MAT-file of level 5, or damaged ({error!r})") from error


def _elements(data: bytes, order: str) -> list[tuple[int, bytes]]:
    """The elements that stand one after the other, as (type, data)."""
    found = []
    start = 0
    while start + 8 <= len(data):
        kind, size = struct.unpack_from(order + "II", data, start)
        if kind >> 16:
            # Up to four bytes stand in the tag itself.
            found.append((kind & 0xFFFF, data[start + 4 : start + 4 + (kind >> 16)]))
            start += 8
            continue
        end = start + 8 + size
        if end > len(data):
            raise ValueError("an element ends behind the file")
        found.append((kind, data[start + 8 : end]))
        # Compressed elements are not padded to eight bytes.
        start = end if kind == _COMPRESSED else -(-end // 8) * 8
    return found


def _numbers(element: tuple[int, bytes], order: str) -> np.ndarray[Any, Any]:
    kind, data = element
    return np.frombuffer(data, order + _TYPES[kind])


def _array(data: bytes, order: str) -> tuple[str, Any]:
    """The name and the value of an array."""
    if not data:
        return "", np.zeros((0, 0))
    flags, dimensions, name, *rest = _elements(data, order)
    kind = int(_numbers(flags, order)[0]) & 0xFF
    shape = tuple(int(side) for side in _numbers(dimensions, order))
    text = name[1].decode("ascii")
    if kind in _NUMBERS:
        numbers = _numbers(rest[0], order).astype(_NUMBERS[kind])
        return text, numbers.reshape(shape, order="F")
    if kind == _CHAR:
        return text, _text(rest[0] if rest else (2, b""))
    if kind == _CELL:
        return text, [_array(part, order)[1] for _, part in rest]
    if kind == _STRUCT:
        length = int(_numbers(rest[0], order)[0])
        raw = rest[1][1]
        names = [
            raw[start : start + length].split(b"\0")[0].decode("ascii")
            for start in range(0, len(raw), length)
        ]
        values = [_array(part, order)[1] for _, part in rest[2:]]
        count = len(names)
        return text, [
            dict(zip(names, values[start : start + count], strict=True))
            for start in range(0, len(values), count)
        ]
    raise ValueError(f"arrays of class {kind} are not read")


def _text(element: tuple[int, bytes]) -> str:
    kind, data = element
    encoding = {4: "utf-16-le", 17: "utf-16-le", 18: "utf-32-le"}.get(kind, "utf-8")
    return data.decode(encoding)
