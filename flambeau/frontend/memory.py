"""How tensors meet memory: reading and writing storages, sharing them with the outside."""

from __future__ import annotations

import math
from sys import getrefcount
from typing import Any

import numpy as np

from ..autograd.wrapped import Intercept
from ..core.aval import Aval, aval
from ..core.device import CPU
from ..core.dtypes import dtype, from_numpy
from ..core.layout import contiguous_strides, is_contiguous
from ..engine import flush
from ..engine.buffers import as_array
from ..engine.flush import realise
from ..graph.trace import note_bytes, record, state
from ..graph.value import Value, leaf
from ..ops.core import CONVERT, REINTERPRET, VIEW, WRITE, WRITE_AS, as_elements, strided
from ..runtime import truncation
from ..runtime.blocks import Block
from ..runtime.shortage import refused
from ..runtime.storage import Storage
from ..runtime.truncation import hit as too_short

UNREADABLE = 1 << 42
"""Bytes of an expanded view that nobody reads to its end."""


def read(t: Any) -> Value:
    """The value of a tensor's content, in the tensor's shape."""
    storage = t._storage
    value = storage.value
    if value is None and storage.aval.device is not CPU:
        from . import cuda_arrays

        value = cuda_arrays.current(storage)
    elif value is None:
        with flush.lock():  # other threads may see that it can be lazy again
            if storage.is_shared():
                value = leaf(t._aval, window(t).copy())
                if t._aval.big:
                    note_bytes(t._aval)
                return value
            value = unshare(storage)
    if t._plain:
        return value  # type: ignore[no-any-return]
    if t._aval.nbytes >= UNREADABLE:
        raise refused(t._aval.nbytes, "", f"a view of shape {list(t._aval.shape)} is read")
    if t._aval.dtype is not storage.aval.dtype:
        flat = aval((room(t),), t._aval.dtype, t._aval.device)
        value = record(REINTERPRET, flat, (value,), (t._aval.dtype,))
    return record(VIEW, t._aval, (value, t._offset or None), (t._aval.shape, t._strides))


def room(t: Any) -> int:
    """How many elements of a tensor's dtype its storage holds."""
    return int(t._storage.aval.nbytes // t._aval.dtype.itemsize)


def array_of(t: Any, reason: str) -> np.ndarray:
    """The content as an array that must not be written or kept: observed now. Nothing that is
    pending runs for it where the content is there."""
    if too_short:
        truncation.tell()
    storage = t._storage
    try:
        value = storage.value
    except Intercept:
        return storage.level.array_of(t, reason)  # type: ignore[no-any-return]
    if value is None and storage.aval.device is CPU:
        return window(t)
    if value is not None and value.buffer is not None and not t._plain and t._aval.dtype is storage.aval.dtype:
        state.looks += 1
        return strided(as_array(value).reshape(-1), t._aval.shape, stride(t), t._offset)
    found: np.ndarray = realise(read(t), reason)
    if too_short:  # a mapped file, for what was computed just now
        truncation.tell()
    return found


def bump(t: Any) -> None:
    """Count a write to a tensor."""
    if t._count:
        t._count[0] += 1
    else:
        t._storage.version += 1


def write(t: Any, value: Value) -> None:
    """Replace a tensor's content by a value of its very aval. Counts a version."""
    storage = t._storage
    if storage.value is None and storage.aval.device is not CPU:
        from . import cuda_arrays

        cuda_arrays.write(t, value)
        return
    if storage.value is None:
        with flush.lock():
            if storage.is_shared():
                buffer = realise(value, "memory that is shared with the outside is written")
                check_writable(storage)
                window(t)[...] = buffer
                bump(t)
                return
            unshare(storage)
    if t._plain:
        bump(t)
        storage.value = value
        return
    whole: Aval = storage.aval
    shape, strides = t._aval.shape, t._strides
    if t._aval.dtype is not whole.dtype:
        inputs = (storage.value, value, t._offset or None)
        storage.value = record(WRITE_AS, whole, inputs, (t._aval.dtype, shape, strides))
    elif t._offset == 0 and t._aval.numel == whole.numel and is_contiguous(shape, strides):
        layout = (whole.shape, contiguous_strides(whole.shape))
        storage.value = record(VIEW, whole, (value, None), layout)
    else:
        inputs = (storage.value, value, t._offset or None)
        storage.value = record(WRITE, whole, inputs, (shape, strides))
    bump(t)  # only now: recording may have run what was pending, and failed


def check_writable(storage: Storage) -> None:
    """Refuse to write memory that NumPy sees and that must not be written."""
    buffer = storage.buffer
    if buffer is not None and not buffer.flags.writeable:
        raise RuntimeError(
            "the tensor shares memory with a NumPy array that is read-only; clone() it to write"
        )


def convert(value: Value, target: Any) -> Value:
    """A value in another dtype, or (see `placing.Placed`) on another device too."""
    if target.__class__ is not dtype:
        value, target = target.placed(value)
    source = value.aval.dtype
    if source is target:
        return value
    made = record(CONVERT, value.aval.with_dtype(target), (value,), (source, target))
    if made.aval.big:
        note_bytes(made.aval)
    return made


def window(t: Any) -> np.ndarray:
    """The array over a shared storage's memory that is a tensor's content."""
    a = t._aval
    buffer = t._storage.buffer
    if buffer is None:  # another thread has made it lazy meanwhile
        buffer = as_array(t._storage.value).reshape(-1)
    if a.dtype is not t._storage.aval.dtype:
        buffer = as_elements(buffer, a.dtype)
    return strided(buffer, a.shape, stride(t), t._offset)


def stride(t: Any) -> tuple[int, ...]:
    """A tensor's strides in elements."""
    if t._strides is not None:
        return t._strides  # type: ignore[no-any-return]
    return contiguous_strides(t._aval.shape)


def unshare(storage: Storage) -> Value:
    """Nobody outside sees the memory any more: it becomes a lazy value again."""
    with flush.lock():  # two threads may find at once that nobody is outside
        if storage.buffer is None:
            assert storage.value is not None
            return storage.value  # type: ignore[no-any-return]
        return _unshared(storage, storage.buffer)


def _unshared(storage: Storage, buffer: np.ndarray) -> Value:
    base = buffer.base
    whole = storage.aval
    if base is not None and base.shape == tuple(whole.shape) and base.dtype == buffer.dtype:
        if base.flags.c_contiguous:
            buffer = base
    value = leaf(whole, buffer.reshape(whole.shape))
    if buffer.base.__class__ is Block:  # programs may write there again
        value.buffer = buffer.base
    storage.value = value
    storage.buffer = None
    return value


def expose(storage: Storage) -> np.ndarray:
    """Make a storage's memory visible to the outside, and give it flat.

    The buffer of a value may be referred to by other values and arrays, which must not see later
    writes: then the storage gets a copy of its own.
    """
    if storage.aval.device is not CPU:
        raise TypeError(f"memory on {storage.aval.device} can't be seen from the CPU: copy it by cpu()")
    if storage.value is not None:
        value = storage.value
        array = realise(value, "memory is shown to the outside")
        own = getrefcount(value) <= _VALUE_REFS
        buffer = value.buffer
        if buffer.__class__ is Block:
            alone = getrefcount(buffer) <= _BUFFER_REFS + 1  # the array's
            buffer = array if own and alone else array.copy()
            del array
        else:
            del array
            if not (
                own
                and buffer.base is None
                and buffer.flags.c_contiguous
                and buffer.flags.writeable
                and getrefcount(buffer) <= _BUFFER_REFS
            ):
                buffer = buffer.copy()
        storage.share(buffer.reshape(-1))
    assert storage.buffer is not None
    return storage.buffer


def _calibrate() -> tuple[int, int]:
    """What getrefcount reports in `expose` when only the storage refers to value and buffer."""
    storage = Storage(leaf(None, np.empty(1)), None)
    value = storage.value
    values = getrefcount(value)
    buffer = value.buffer
    return values, getrefcount(buffer)


_VALUE_REFS, _BUFFER_REFS = _calibrate()


def pin(storage: Storage) -> np.ndarray:
    """Expose for good: the outside will hold an address, or a view in another dtype."""
    buffer = expose(storage)
    storage.pinned = True
    return buffer


def adopt(array: np.ndarray) -> Storage:
    """A lazy storage over a fresh C-contiguous array that nobody else holds."""
    a = aval(array.shape, from_numpy(array.dtype))
    return Storage(leaf(a, array), a)


def share_array(array: np.ndarray) -> tuple[Storage, tuple[int, ...]]:
    """A storage over an outside array's memory, and the array's strides in elements."""
    size = array.itemsize
    if any(s < 0 for s in array.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative "
            f"strides are not currently supported (strides {array.strides}). "
            "(You can probably work around this by making a copy of your array with "
            "array.copy().)"
        )
    if any(s % size for s in array.strides):
        raise ValueError(
            f"given numpy array strides {array.strides} are not a multiple of the element byte "
            f"size {size}. Copy the numpy array to reallocate the memory."
        )
    strides = tuple(s // size for s in array.strides)
    if array.flags.c_contiguous:
        flat = array.reshape(-1)
        strides = contiguous_strides(array.shape)
    else:
        last = sum((n - 1) * s for n, s in zip(array.shape, strides, strict=True))
        flat = np.lib.stride_tricks.as_strided(
            array, (last + 1,) if array.size else (0,), (size,), writeable=array.flags.writeable
        )
    dt = from_numpy(array.dtype)
    shape = array.shape if array.flags.c_contiguous else flat.shape
    storage = Storage(None, aval(shape, dt))
    storage.share(flat)
    return storage, strides


# --- whole storages, for checkpoints ----------------------------------------------------------


def storage_id(t: Any) -> int:
    """Equal for two tensors exactly when they share a storage."""
    return id(t._storage)


def storage_bytes(t: Any) -> np.ndarray:
    """The whole storage of a tensor as bytes, which must not be written or kept."""
    storage = t._storage
    if storage.value is None and storage.aval.device is not CPU:
        from . import cuda_arrays

        buffer = realise(cuda_arrays.current(storage), "a storage is saved")
    elif storage.value is None:
        buffer = storage.buffer
    else:
        buffer = realise(storage.value, "a storage is saved")
    return np.ascontiguousarray(buffer).reshape(-1).view(np.uint8)


def from_buffer(
    data: np.ndarray, dt: dtype, size: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> Any:
    """A tensor over a new storage that takes over the bytes `data`. The layout lies inside."""
    typed = data.view(dt.np)
    # A storage has the shape of the tensor that fills it, so that this one needs no view.
    fills = offset == 0 and is_contiguous(size, stride) and math.prod(size) == typed.size
    whole = aval(size if fills else (typed.size,), dt)
    return _over(Storage(leaf(whole, typed.reshape(whole.shape)), whole), dt, size, stride, offset)


def alias(t: Any, dt: dtype, size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> Any:
    """A tensor that shares the storage of `t`, out of the graph. The layout lies inside."""
    return _over(t._storage, dt, size, stride, offset)


def _over(
    storage: Storage, dt: dtype, size: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> Any:
    from .tensor import Tensor

    t: Any = object.__new__(Tensor)
    t._storage, t._aval = storage, aval(size, dt, storage.aval.device)
    whole = storage.aval
    if (size, stride, offset, dt) != (whole.shape, contiguous_strides(whole.shape), 0, whole.dtype):
        t._strides, t._offset, t._plain = stride, offset, False
    return t
