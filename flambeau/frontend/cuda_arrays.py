"""Memory of a GPU that others see too: addresses, the CUDA array interface, DLPack.

A storage whose address was given away is *shared* for good, as one on the CPU that NumPy sees:
what others write is there when it is read (a copy is taken), and what is written here goes into that
very memory, in the order of the current stream.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from ..core import device as devices
from ..core import dtypes
from ..core.aval import Aval, aval
from ..core.device import gpu
from ..core.layout import contiguous_strides, is_contiguous
from ..engine import flush
from ..engine.flush import realise
from ..graph.trace import record, state
from ..graph.value import Value, leaf
from ..ops.core import WRITE, WRITE_AS
from ..runtime import cuda, cuda_memory
from ..runtime.storage import Storage
from .memory import alias, bump, stride


class Window:
    """Memory on a device that the outside sees: `owner` keeps it alive."""

    __slots__ = ("address", "nbytes", "index", "owner")

    def __init__(self, address: int, nbytes: int, index: int, owner: Any) -> None:
        self.address, self.nbytes, self.index, self.owner = address, nbytes, index, owner


def shared(storage: Storage) -> Window:
    """Make a storage's memory visible to the outside for good."""
    found: Any = storage.buffer
    if storage.value is None and found.__class__ is Window:
        return found  # type: ignore[no-any-return]
    a = storage.aval
    block = _copied(compute(storage.value), a)  # other values may refer to the block
    storage.share(Window(block.address, a.nbytes, a.device.index or 0, block))  # type: ignore[arg-type]
    storage.pinned = True
    return storage.buffer  # type: ignore[return-value]


def compute(value: Value) -> Any:
    """A value's block on its device, computed now if need be; its content may be on its way."""
    if value.buffer is None:
        flush.flush("memory of a GPU is shown to the outside")
        if value.buffer is None:
            realise(value, "memory of a GPU is shown to the outside")
    return value.buffer


def _copied(block: Any, a: Aval) -> Any:
    """A copy of a block or window, made in stream order."""
    index = a.device.index or 0
    made = cuda_memory.allocate(max(a.nbytes, 1), index)
    if a.nbytes:
        cuda.copy_on_device(made.address, block.address, a.nbytes, cuda.current_stream(index))
    return made


def current(storage: Storage) -> Value:
    """A shared storage's content now, as a value."""
    return leaf(storage.aval, _copied(storage.buffer, storage.aval))


def write(t: Any, value: Value) -> None:
    """Write a value into the part of a shared storage that a tensor shows. Counts a version."""
    storage = t._storage
    whole: Aval = storage.aval
    shape, strides = t._aval.shape, stride(t)
    dense = t._offset == 0 and t._aval.numel == whole.numel and is_contiguous(shape, strides)
    if t._aval.dtype is not whole.dtype:
        inputs = (current(storage), value, t._offset or None)
        value = record(WRITE_AS, whole, inputs, (t._aval.dtype, shape, strides))
    elif not dense:
        value = record(WRITE, whole, (current(storage), value, t._offset or None), (shape, strides))
    block = compute(value)
    window = storage.buffer
    if whole.nbytes:
        stream = cuda.current_stream(window.index)
        cuda.copy_on_device(window.address, block.address, whole.nbytes, stream)
    bump(t)


def address(t: Any) -> int:
    """The address of a tensor's first element. From here on the memory stays where it is."""
    return shared(t._storage).address + t._offset * t._aval.dtype.itemsize


# --- the CUDA array interface -----------------------------------------------------------------------


def interface(t: Any) -> dict[str, Any]:
    """See `Tensor.__cuda_array_interface__`."""
    if t._aval.device is devices.CPU:
        raise AttributeError(
            f"Can't get __cuda_array_interface__ on non-CUDA tensor type: {t.type()} If CUDA data is "
            "required use tensor.cuda() to copy tensor to device memory."
        )
    if t.requires_grad:
        raise RuntimeError(
            "Can't get __cuda_array_interface__ on Variable that requires grad. If gradients aren't "
            "required, use var.detach() to get Variable that doesn't require grad."
        )
    a = t._aval
    size = a.dtype.itemsize
    kind = f"<V{size}" if a.dtype.is_opaque else a.dtype.np.str
    state.looks += 1
    where = address(t) if a.numel else 0
    handle = cuda.current_stream(a.device.index).handle
    return {
        "shape": tuple(a.shape), "typestr": kind, "data": (where, False), "version": 3,
        "strides": None if t.is_contiguous() else tuple(s * size for s in stride(t)),
        "stream": int(handle or 0) or 1,
    }  # fmt: skip


def from_interface(source: Any) -> Any:
    """A tensor over the memory of an object with `__cuda_array_interface__`.

    Raises:
        TypeError: a dtype that no tensor has.
        ValueError: negative strides, or strides that are no multiple of the element.
    """
    found = source.__cuda_array_interface__
    dt = dtypes.from_numpy(np.dtype(found["typestr"]))
    shape = tuple(int(n) for n in found["shape"])
    steps = found.get("strides")
    strides = contiguous_strides(shape)
    if steps is not None:
        if any(s < 0 or s % dt.itemsize for s in steps):
            raise ValueError(f"as_tensor(): strides {tuple(steps)} don't suit elements of {dt.itemsize} bytes")
        strides = tuple(int(s) // dt.itemsize for s in steps)
    stream = found.get("stream")
    if stream not in (None, 0):
        cuda.wait_for(int(stream))
    where = int(found["data"][0] or 0)
    index = cuda.device_of_pointer(where) if where else cuda.current_device()  # without elements
    return over(where, dt, shape, strides, index, source)


def over(
    at: int, dt: Any, shape: tuple[int, ...], strides: tuple[int, ...], index: int, owner: Any
) -> Any:
    """A tensor over memory of a GPU that `owner` keeps alive."""
    devices.used()
    room = 0 if 0 in shape else 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    where = gpu(index)
    dense = strides == contiguous_strides(shape)
    whole = aval(shape if dense else (room,), dt, where)
    storage = Storage(None, whole)
    storage.share(Window(at, whole.nbytes, index, owner))  # type: ignore[arg-type]
    storage.pinned = True
    t = alias(_Over(storage, whole), dt, shape, strides, 0)
    return t


class _Over:
    """What `alias` needs of a tensor."""

    def __init__(self, storage: Storage, a: Aval) -> None:
        self._storage, self._aval = storage, a


# --- DLPack -------------------------------------------------------------------------------------------

CUDA, CUDA_HOST, CUDA_MANAGED = 2, 3, 13
"""DLPack's kinds of devices."""

_kept: dict[int, Any] = {}
"""What capsules refer to, by the address of their structure, until they are deleted."""

_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@_Deleter
def _delete(at: int) -> None:
    _kept.pop(at, None)


def export(t: Any, managed: Any, versioned: Any, code: tuple[int, int], versions: Any) -> Any:
    """A capsule over a tensor's memory. `managed` and `versioned` are the classes of DLPack's
    structures, `code` the type's code and bits, `versions` the newest version that is read."""
    a = t._aval
    where = address(t) if a.numel else 0
    new = versions is not None and tuple(versions) >= (1, 0)
    made = (versioned if new else managed)()
    inside = made.tensor
    shape = (ctypes.c_int64 * max(a.ndim, 1))(*a.shape)
    steps = (ctypes.c_int64 * max(a.ndim, 1))(*stride(t))
    inside.data, inside.device_type, inside.device_id = where, CUDA, a.device.index
    inside.ndim, inside.byte_offset = a.ndim, 0
    inside.dtype.code, inside.dtype.bits, inside.dtype.lanes = (*code, 1)
    inside.shape = ctypes.cast(shape, ctypes.POINTER(ctypes.c_int64))
    inside.strides = ctypes.cast(steps, ctypes.POINTER(ctypes.c_int64))
    if new:
        made.major, made.minor = 1, 0
    made.deleter = ctypes.cast(_delete, ctypes.c_void_p).value
    at = ctypes.addressof(made)
    _kept[at] = (made, shape, steps, t._storage.buffer)
    name = b"dltensor_versioned" if new else b"dltensor"
    return _new_capsule(at, _NAMES[name], ctypes.cast(_unread, ctypes.c_void_p).value)


_NAMES = {name: ctypes.c_char_p(name) for name in (b"dltensor", b"dltensor_versioned")}
"""A capsule does not copy its name."""
_Destructor = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
# Prototypes of our own: others may have set the functions' of `pythonapi` otherwise.
_new_capsule = ctypes.PYFUNCTYPE(
    ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
)(("PyCapsule_New", ctypes.pythonapi))
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_IsValid", ctypes.pythonapi)
)
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


@_Destructor
def _unread(capsule: int) -> None:
    """A capsule that nobody has read goes: its memory too."""
    for name in _NAMES:
        if _is_valid(capsule, name):
            _kept.pop(_pointer(capsule, name) or 0, None)


class Held:
    """A capsule's structure that was read: deleted with the last tensor over its memory."""

    def __init__(self, address: int, deleter: int | None) -> None:
        self.address, self.deleter = address, deleter

    def __del__(self) -> None:
        if self.deleter:
            _Deleter(self.deleter)(self.address)
