"""Pickles by hand: each function gives the opcodes that push one value."""

from __future__ import annotations

import struct


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def text(value: str) -> bytes:
    raw = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(raw)) + raw


def raw(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def number(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8b" + struct.pack("<i", len(data)) + data


def numbers(*values: int) -> bytes:
    """A tuple of numbers."""
    return tuple_of(*map(number, values))


def tuple_of(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def call(module: str, attribute: str, *args: bytes) -> bytes:
    return name(module, attribute) + tuple_of(*args) + b"R"


def storage(kind: str, key: str, numel: bytes, location: str = "cpu") -> bytes:
    fields = (text("storage"), name("torch", kind), text(key), text(location), numel)
    return tuple_of(*fields) + b"Q"


FLOATS = storage("FloatStorage", "0", number(4))
"""The storage of four floats that the files have."""


def tensor(
    size: bytes = numbers(2),
    stride: bytes = numbers(1),
    offset: bytes = number(0),
    of: bytes = FLOATS,
    *more: bytes,
) -> bytes:
    args = (of, offset, size, stride, b"\x89", b"}", *more)
    return call("torch._utils", "_rebuild_tensor_v2", *args)


def typed(dtype: str, of: bytes, size: bytes, stride: bytes) -> bytes:
    """A tensor that says its dtype itself."""
    args = (of, number(0), size, stride, b"\x89", b"}", name("torch", dtype))
    return call("torch._utils", "_rebuild_tensor_v3", *args)
