"""Reading MATLAB's MAT-files of level 5, in which some data sets keep their labels.

The format is that of "MAT-File Format" (The MathWorks, 2019): elements of a tag and data, some of
them compressed, an array being an element of elements.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
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


_GROWTH, _SLACK = 100, 64 << 20
"""Compressed arrays may take this many times the file's size, and these bytes more."""
_ELEMENTS = 1 << 20
"""Elements of a file at most: each takes far more in memory than in the file. ImageNet's development
kit has some 100,000."""
_DEPTH = 32
"""How deep cells and structures are nested at most."""


def read_matlab(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns the arrays of a file by name.

    Numbers are NumPy arrays with MATLAB's dimensions, text is str, cells are lists, and structures
    are lists of dictionaries.

    Raises:
        RuntimeError: the file is of another format, or damaged.
    """
    with open(path, "rb") as file:
        return parse_matlab(file.read(), os.fspath(path))


def parse_matlab(content: bytes, name: str = "the file") -> dict[str, Any]:
    """The same of a file's bytes; errors call it `name`."""
    try:
        form = _Form({b"IM": "<", b"MI": ">"}[content[126:128]])
        room = _GROWTH * len(content) + _SLACK
        found: dict[str, Any] = {}
        for kind, data in _elements(memoryview(content)[128:], form):
            if kind == _COMPRESSED:
                unpacked = _decompressed(data, room)
                room -= len(unpacked)
                ((kind, data),) = _elements(memoryview(unpacked), form)
            if kind == _MATRIX:
                title, value = _array(data, form)
                found[title] = value
        return found
    except (ArithmeticError, LookupError, ValueError, struct.error, zlib.error) as error:
        raise RuntimeError(f"{name} is no MAT-file of level 5, or damaged ({error!r})") from error


class _Form:
    """How a file's numbers are written, and how many elements may still come."""

    def __init__(self, order: str) -> None:
        self.order, self.left = order, _ELEMENTS


def _decompressed(data: memoryview, most: int) -> bytes:
    stream = zlib.decompressobj()
    found = stream.decompress(data, max(most, 1))
    if not stream.eof:
        raise ValueError("a compressed element is cut off, or takes far more than the file")
    return found


def _elements(data: memoryview, form: _Form) -> Iterator[tuple[int, memoryview]]:
    """The elements that stand one after the other, as (type, data)."""
    start = 0
    while start + 8 <= len(data):
        form.left -= 1
        if form.left < 0:
            raise ValueError(f"more than {_ELEMENTS} elements")
        kind, size = struct.unpack_from(form.order + "II", data, start)
        if kind >> 16:
            # Up to four bytes stand in the tag itself.
            if kind >> 16 > 4:
                raise ValueError(f"an element of {kind >> 16} bytes in its tag")
            yield kind & 0xFFFF, data[start + 4 : start + 4 + (kind >> 16)]
            start += 8
            continue
        end = start + 8 + size
        if end > len(data):
            raise ValueError("an element ends behind the file")
        yield kind, data[start + 8 : end]
        # Compressed elements are not padded to eight bytes.
        start = end if kind == _COMPRESSED else -(-end // 8) * 8


def _numbers(element: tuple[int, memoryview], form: _Form) -> np.ndarray[Any, Any]:
    kind, data = element
    return np.frombuffer(data, form.order + _TYPES[kind])


def _shape(element: tuple[int, memoryview], form: _Form) -> tuple[int, ...]:
    sides = _numbers(element, form)
    if sides.dtype.kind not in "iu" or not 1 <= len(sides) <= 32 or (sides < 0).any():
        raise ValueError(f"no dimensions: {sides[:8]}")
    return tuple(sides.tolist())


def _array(data: memoryview, form: _Form, depth: int = 0) -> tuple[str, Any]:
    """The name and the value of an array."""
    if depth > _DEPTH:
        raise ValueError(f"cells and structures are nested more than {_DEPTH} deep")
    if not data:
        return "", np.zeros((0, 0))
    flags, dimensions, name, *rest = _elements(data, form)
    kind = int(_numbers(flags, form)[0]) & 0xFF
    shape = _shape(dimensions, form)
    text = bytes(name[1]).decode("ascii")
    if kind in _NUMBERS:
        numbers = _numbers(rest[0], form)
        with np.errstate(invalid="ignore"):
            return text, numbers.astype(_NUMBERS[kind]).reshape(shape, order="F")
    if kind == _CHAR:
        return text, _text(rest[0] if rest else (2, memoryview(b"")))
    if kind == _CELL:
        return text, [_array(part, form, depth + 1)[1] for _, part in rest]
    if kind == _STRUCT:
        return text, _structures(rest, form, depth + 1)
    raise ValueError(f"arrays of class {kind} are not read")


def _structures(
    rest: list[tuple[int, memoryview]], form: _Form, depth: int
) -> list[dict[str, Any]]:
    """The dictionaries of an array of structures: names of one length, then the values."""
    length = int(_numbers(rest[0], form)[0])
    raw = bytes(rest[1][1])
    names = [
        raw[start : start + length].split(b"\0")[0].decode("ascii")
        for start in range(0, len(raw), length)
    ]
    values = [_array(part, form, depth)[1] for _, part in rest[2:]]
    count = len(names)
    return [
        dict(zip(names, values[start : start + count], strict=True))
        for start in range(0, len(values), count)
    ]


def _text(element: tuple[int, memoryview]) -> str:
    kind, data = element
    encoding = {4: "utf-16-le", 17: "utf-16-le", 18: "utf-32-le"}.get(kind, "utf-8")
    return bytes(data).decode(encoding)
