"""Protocol buffers' wire format: what messages of numbered fields look like as bytes.

A message is written as a list of fields made by the functions here:

    message(text(1, "loss"), float32(2, 0.5))

(https://protobuf.dev/programming-guides/encoding). Fields that hold nothing, `None`, are left out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

_VARINT, _DOUBLE, _BYTES, _FLOAT = 0, 1, 2, 5


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; negative numbers in two's complement of 64 bits."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _key(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def message(*fields: bytes | Iterable[bytes]) -> bytes:
    """Fields, and lists of fields, in order."""
    return b"".join(f if isinstance(f, bytes) else b"".join(f) for f in fields)


def integer(field: int, value: int | None) -> bytes:
    """A whole number's field: nothing for None."""
    return b"" if value is None else _key(field, _VARINT) + _varint(int(value))


def double(field: int, value: float | None) -> bytes:
    return b"" if value is None else _key(field, _DOUBLE) + struct.pack("<d", value)


def float32(field: int, value: float | None) -> bytes:
    return b"" if value is None else _key(field, _FLOAT) + struct.pack("<f", value)


def data(field: int, value: bytes | None) -> bytes:
    """Bytes, or a message within a message."""
    return b"" if value is None else _key(field, _BYTES) + _varint(len(value)) + value


def text(field: int, value: str | None) -> bytes:
    return b"" if value is None else data(field, value.encode())


def texts(field: int, values: Iterable[str]) -> bytes:
    return b"".join(text(field, value) for value in values)


def doubles(field: int, values: Sequence[float]) -> bytes:
    return data(field, struct.pack(f"<{len(values)}d", *values))


def floats(field: int, values: Sequence[float]) -> bytes:
    return data(field, struct.pack(f"<{len(values)}f", *values))


def integers(field: int, values: Iterable[int]) -> bytes:
    return data(field, b"".join(map(_varint, values)))
