"""DLPack both ways. NumPy makes and reads the capsules, and keeps the memory alive; the dtypes that
it does not know travel as bits, with their own code written into the capsule."""

from __future__ import annotations

import ctypes
import math
import warnings
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.device import CPU, usable
from ..core.dtypes import dtype
from ..core.layout import contiguous_strides as row_major
from .memory import alias, expose, stride, window
from .tensor import Tensor

_CPU = 1
_GPU = 2
_HERE = (_CPU, 3, 11)
"""Kinds of devices whose memory the CPU reads: its own, and what CUDA and ROCm pin."""


class _DataType(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32), ("dtype", _DataType), ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)), ("byte_offset", ctypes.c_uint64),
    ]  # fmt: skip


class _Managed(ctypes.Structure):
    _fields_ = [("tensor", _Tensor), ("manager", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]


class _Versioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32), ("minor", ctypes.c_uint32), ("manager", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p), ("flags", ctypes.c_uint64), ("tensor", _Tensor),
    ]  # fmt: skip


_UINT, _FLOAT, _BFLOAT, _COMPLEX = 1, 2, 4, 5
_CODES: dict[dtype, int] = {
    dtypes.bfloat16: _BFLOAT, dtypes.complex32: _COMPLEX, dtypes.float8_e4m3fn: 10,
    dtypes.float8_e4m3fnuz: 11, dtypes.float8_e5m2: 12, dtypes.float8_e5m2fnuz: 13,
    dtypes.float8_e8m0fnu: 14,
}  # fmt: skip
"""DLPack's type codes of the dtypes that NumPy lacks."""
_BY_CODE = {(code, d.itemsize * 8): d for d, code in _CODES.items()}

_api = ctypes.pythonapi
_api.PyCapsule_IsValid.argtypes = [ctypes.py_object, ctypes.c_char_p]
_api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
_api.PyCapsule_GetPointer.restype = ctypes.c_void_p
_CAPSULE = type(np.zeros(1).__dlpack__())


def _inside(capsule: Any) -> _Tensor | None:
    """The tensor that a capsule holds; None where it holds none (any more). BufferError where its
    form is of a later version, in which nothing but the version may be read."""
    for name, kind in ((b"dltensor", _Tensor), (b"dltensor_versioned", _Versioned)):
        if _api.PyCapsule_IsValid(capsule, name):
            address = _api.PyCapsule_GetPointer(capsule, name)
            found: Any = kind.from_address(address)
            if isinstance(found, _Versioned):
                if found.major != 1:
                    raise BufferError(
                        f"from_dlpack(): the capsule is of DLPack {found.major}.{found.minor}, and "
                        "version 1 is read"
                    )
                return found.tensor  # type: ignore[no-any-return]
            return found  # type: ignore[no-any-return]
    return None


# --- out ----------------------------------------------------------------------------------------


def export(
    t: Any, stream: Any, max_version: Any, dl_device: Any, copy: bool | None
) -> Any:
    """The capsule of a tensor: see Tensor.__dlpack__."""
    if t.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if stream is not None and type(stream) is not int:
        raise TypeError(f"__dlpack__(): stream must be int or None, got {type(stream).__name__}")
    if t.device is not CPU:
        return _export_from_gpu(t, stream, max_version, dl_device, copy)
    if stream not in (None, -1):
        raise AssertionError(f"__dlpack__(): stream should be None on cpu, got {stream}")
    if dl_device is not None and tuple(dl_device) != (_CPU, 0):
        raise BufferError(f"__dlpack__(): the tensor is on the CPU, and can't go to {dl_device}")
    if copy:
        t = t.clone()
    expose(t._storage)
    array = window(t)
    wanted: dict[str, Any] = {} if max_version is None else {"max_version": tuple(max_version)}
    try:
        capsule = array.__dlpack__(**wanted)
    except TypeError:  # NumPy before 2.1 knows no versions
        capsule = array.__dlpack__()
    inside = _inside(capsule)
    code = _CODES.get(t.dtype)
    if inside is not None and code is not None:
        inside.dtype.code = code
    if inside is not None and copy and _api.PyCapsule_IsValid(capsule, b"dltensor_versioned"):
        address = _api.PyCapsule_GetPointer(capsule, b"dltensor_versioned")
        _Versioned.from_address(address).flags |= 2  # the memory is a copy
    return capsule


def _export_from_gpu(
    t: Any, stream: int | None, max_version: Any, dl_device: Any, copy: bool | None
) -> Any:
    from ..runtime import cuda
    from . import cuda_arrays

    if dl_device is not None and tuple(dl_device) == (_CPU, 0):
        if copy is False:
            raise BufferError("__dlpack__(): a tensor on a GPU goes to the CPU as a copy only")
        return export(t.cpu(), None, max_version, dl_device, None)
    if dl_device is not None and tuple(dl_device) != t.__dlpack_device__():
        raise BufferError(f"__dlpack__(): the tensor is on {t.device}, and can't go to {dl_device}")
    if copy:
        t = t.clone()
    code = _CODES.get(t.dtype)
    if code is None:
        code = {"b": 6, "u": _UINT, "i": 0, "f": _FLOAT, "c": _COMPLEX}[t.dtype.np.kind]
    made = cuda_arrays.export(t, _Managed, _Versioned, (code, 8 * t.dtype.itemsize), max_version)
    if stream not in (None, -1):
        cuda.waited_by(stream, t.device.index)
    return made


def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule over a tensor's memory. Whoever reads it does so once."""
    return tensor.__dlpack__()


# --- in -----------------------------------------------------------------------------------------


class _Given:
    """What NumPy reads a capsule from."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (_CPU, 0)


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of anything that speaks DLPack: an object with `__dlpack__`, or a
    capsule, which can be read once.

    `copy`: true for memory of its own. RuntimeError for what is no capsule (any more), memory of
    other devices and dtypes that no tensor has; BufferError where the producer refuses.
    """
    usable(device)
    capsule = ext_tensor if isinstance(ext_tensor, _CAPSULE) else _ask(ext_tensor, copy)
    inside = _inside(capsule)
    if inside is None:
        raise RuntimeError(
            "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed "
            "only once, so you might have already constructed a tensor from it once."
        )
    opaque = _check(inside)
    if inside.device_type == _GPU:
        found = _from_gpu(capsule, inside, opaque)
        return found.clone() if copy else found  # type: ignore[no-any-return]
    code = inside.dtype.code
    if opaque is not None:
        inside.dtype.code = _UINT
    try:
        array = np.from_dlpack(_Given(capsule))
    except (TypeError, BufferError, ValueError) as error:
        inside.dtype.code = code
        raise RuntimeError(f"from_dlpack(): {error}") from None
    t = _over(array, opaque)
    return t.clone() if copy else t  # type: ignore[no-any-return]


def _from_gpu(capsule: Any, inside: _Tensor, opaque: dtype | None) -> Any:
    """A tensor over a capsule's memory on a GPU. The capsule is read now."""
    from . import cuda_arrays

    kind = inside.dtype
    dt = opaque
    if dt is None:
        letter = {0: "i", _UINT: "u", _FLOAT: "f", _COMPLEX: "c", 6: "b"}.get(kind.code)
        if letter is None:
            raise RuntimeError(f"from_dlpack(): Unsupported dtype code {kind.code} of {kind.bits} bits")
        dt = dtypes.from_numpy(np.dtype(f"{letter}{kind.bits // 8}"))
    shape = tuple(inside.shape[i] for i in range(inside.ndim))
    steps = tuple(inside.strides[i] for i in range(inside.ndim)) if inside.strides else row_major(shape)
    for name, form in ((b"dltensor", _Managed), (b"dltensor_versioned", _Versioned)):
        if _api.PyCapsule_IsValid(capsule, name):
            at = _api.PyCapsule_GetPointer(capsule, name)
            used = ctypes.c_char_p(b"used_" + name)
            _used.append(used)
            ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
                ("PyCapsule_SetName", ctypes.pythonapi)
            )(capsule, used)
            owner = cuda_arrays.Held(at, form.from_address(at).deleter)
    address = (inside.data or 0) + inside.byte_offset
    return cuda_arrays.over(address, dt, shape, steps, inside.device_id, owner)


_used: list[Any] = []
"""Names of capsules that were read: they do not copy them."""


def _ask(source: Any, copy: bool | None) -> Any:
    """The capsule of an object."""
    if not hasattr(source, "__dlpack__"):
        raise RuntimeError(
            "from_dlpack received an invalid capsule: expected an object with __dlpack__ or a "
            f"capsule, got {type(source).__name__}"
        )
    if hasattr(source, "__dlpack_device__"):
        kind, index = source.__dlpack_device__()
        if int(kind) not in _HERE and not (int(kind) == _GPU and _has_gpus()):
            raise RuntimeError(f"from_dlpack(): Unsupported device_type: {int(kind)}, not the CPU")
        if int(kind) == _GPU:
            return _ask_gpu(source, int(index), copy)
    try:
        return source.__dlpack__(max_version=(1, 0), **({} if copy is None else {"copy": copy}))
    except TypeError:  # a producer from before version 1
        return source.__dlpack__()


def _has_gpus() -> bool:
    from ..runtime import cuda

    return cuda.available()


def _ask_gpu(source: Any, index: int, copy: bool | None) -> Any:
    """The capsule of an object on a GPU, whose content is there for our stream."""
    from ..runtime import cuda

    usable(f"cuda:{index}")
    stream = int(cuda.current_stream(index).handle or 0) or 1
    more = {} if copy is None else {"copy": copy}
    try:
        return source.__dlpack__(stream=stream, max_version=(1, 0), **more)
    except TypeError:  # a producer from before version 1
        return source.__dlpack__(stream=stream)


def _check(inside: _Tensor) -> dtype | None:
    """Refuse what can't be a tensor. Gives the dtype where NumPy has none."""
    kind = inside.dtype
    if inside.device_type not in _HERE and not (inside.device_type == _GPU and _has_gpus()):
        raise RuntimeError(f"from_dlpack(): Unsupported device_type: {inside.device_type}")
    if kind.lanes != 1:
        raise RuntimeError(f"from_dlpack(): ATen does not support lanes != 1, got {kind.lanes}")
    if not 0 <= inside.ndim <= 64:
        raise RuntimeError(f"from_dlpack(): {inside.ndim} dimensions, from 0 to 64 would fit")
    if inside.ndim and not inside.shape:
        raise RuntimeError("from_dlpack(): the capsule has dimensions but no sizes")
    sizes = [inside.shape[i] for i in range(inside.ndim)]
    steps = [inside.strides[i] for i in range(inside.ndim)] if inside.strides else []
    if any(n < 0 for n in sizes) or any(s < 0 for s in steps):
        raise RuntimeError(f"from_dlpack(): negative sizes or strides: {sizes}, {steps}")
    if not inside.data and 0 not in sizes:
        raise RuntimeError(f"from_dlpack(): the capsule has no memory for its sizes {sizes}")
    _check_extent(inside, sizes, steps)
    opaque = _BY_CODE.get((kind.code, kind.bits))
    if opaque is None and kind.code in (_BFLOAT, *range(7, 18)):
        raise RuntimeError(f"from_dlpack(): Unsupported dtype code {kind.code} of {kind.bits} bits")
    return opaque


def _check_extent(inside: _Tensor, sizes: list[int], steps: list[int]) -> None:
    """Refuse a layout whose bytes no address space holds: its products would wrap around."""
    bytes_each = max(inside.dtype.bits // 8, 1)
    if math.prod(max(n, 1) for n in sizes) * bytes_each >= 1 << 62:
        raise RuntimeError(f"from_dlpack(): no memory holds the sizes {sizes}")
    reach = inside.byte_offset
    if steps:
        reach += bytes_each * sum((max(n, 1) - 1) * s for n, s in zip(sizes, steps, strict=True))
        reach = max(reach, bytes_each * max(steps, default=0))
    if (inside.data or 0) + reach >= 1 << 63:
        raise RuntimeError(
            f"from_dlpack(): sizes {sizes}, strides {steps} and byte offset {inside.byte_offset} lead "
            "out of the address space"
        )


def _over(array: np.ndarray, opaque: dtype | None) -> Any:
    """A tensor over the array that NumPy made."""
    from .creation import from_numpy

    if not array.flags.aligned:
        array = array.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # read-only memory: writes are refused
        t = from_numpy(array)
    if opaque is None:
        return t
    return alias(t, opaque, tuple(t.shape), stride(t), 0)
