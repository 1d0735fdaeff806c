"""DLPack's structures. Pointers are valid, so that what is at fault is in the fields.

The bytes are a `DLManagedTensor` (or versioned) without its pointers: numbers of dimensions, dtype,
device, offset, sizes and strides; the memory is a fixed piece.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterator
from typing import Any

import flambeau as torch
from flambeau.frontend import dlpack

ALLOWED = (RuntimeError, BufferError)
INSTRUMENT = ("flambeau.frontend.dlpack",)
MAX_LENGTH = 200
DICTIONARY = (b"\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x00\x00\x00\x00\x00\x00\x00\x80", b"\x02\x20\x01\x00",
              b"\x01\x00\x00\x00\x00\x00\x00\x00", b"\x04\x10\x01\x00")  # fmt: skip
_HEAD = struct.Struct("<BBIIiiiBBHQ")  # form, pointers, major, minor, device, id, ndim, dtype, offset
_MEMORY = (ctypes.c_char * 4096)()


class _Old(ctypes.Structure):
    _fields_ = [
        ("tensor", dlpack._Tensor), ("manager", ctypes.c_void_p), ("deleter", ctypes.c_void_p)
    ]  # fmt: skip


_new = ctypes.pythonapi.PyCapsule_New
_new.restype, _new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_NAMES = (b"dltensor", b"dltensor_versioned", b"used_dltensor", b"other")


def run(data: bytes) -> None:
    form, pointers, major, minor, device, number, ndim, code, bits, lanes, offset = _HEAD.unpack(
        data[: _HEAD.size].ljust(_HEAD.size, b"\0")
    )
    versioned = form & 3 == 1
    made: Any = (dlpack._Versioned if versioned else _Old)()
    if versioned:
        made.major, made.minor, made.flags = major, minor, form >> 2
    tensor = made.tensor
    rest = data[_HEAD.size :]
    ints = [*struct.unpack(f"<{len(rest) // 8}q", rest[: len(rest) // 8 * 8]), *[0] * 128]
    sizes = (ctypes.c_int64 * 64)(*ints[:64])
    split = max(min(ndim, 64), 0)
    steps = (ctypes.c_int64 * 64)(*ints[split : split + 64])
    tensor.data = ctypes.addressof(_MEMORY) if pointers & 1 else None
    tensor.device_type, tensor.device_id, tensor.ndim = device, number, ndim
    tensor.dtype.code, tensor.dtype.bits, tensor.dtype.lanes = code, bits, lanes
    tensor.shape = ctypes.cast(sizes if pointers & 2 else None, ctypes.POINTER(ctypes.c_int64))
    tensor.strides = ctypes.cast(steps if pointers & 4 else None, ctypes.POINTER(ctypes.c_int64))
    # Memory that is not aligned is copied at once, which only an honest producer can be asked for.
    tensor.byte_offset = offset & ~15
    name = _NAMES[form & 3]
    capsule = _new(ctypes.addressof(made), name, None)
    t = torch.from_dlpack(capsule)
    _look(t, made)
    del t, capsule


def _look(t: Any, made: Any) -> None:
    """Read it where the fixed memory holds all of it, as an honest producer's would."""
    last = sum((n - 1) * s for n, s in zip(t.shape, t.stride(), strict=True))
    if t.numel() and t.numel() < 1000 and 0 <= made.tensor.byte_offset + last * t.itemsize < 4000:
        t.clone().tolist()


def seeds() -> Iterator[bytes]:
    for form in range(4):
        for code, bits in ((2, 32), (4, 16), (0, 64), (6, 8), (10, 8), (5, 64)):
            yield _HEAD.pack(form, 7, 1, 0, 1, 0, 2, code, bits, 1, 0) + struct.pack("<4q", 2, 3, 3, 1)
    yield _HEAD.pack(0, 3, 1, 0, 1, 0, 0, 2, 32, 1, 64)
    yield _HEAD.pack(0, 3, 1, 0, 1, 0, 1, 2, 32, 1, 0) + struct.pack("<q", 2**62)
