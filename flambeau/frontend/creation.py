"""Functions that make tensors: from data, from sizes, from NumPy."""

from __future__ import annotations

import math
import operator
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autograd.levels import running, underneath
from ..core import device as devices
from ..core import dtypes
from ..core.aval import aval
from ..core.device import CPU, usable
from ..core.dtypes import dtype
from ..core.layout import contiguous_strides, span
from ..errors import shown
from ..graph.trace import note_bytes, record, state
from ..graph.value import leaf
from ..ops.table import call, table
from ..runtime.shortage import named, naming, possible, room
from ..runtime.storage import Storage
from .dispatch import fresh, function, uncount
from .from_data import read_data
from .linear import linear
from .memory import alias, share_array
from .placing import uploaded
from .results import result_type
from .tensor import Tensor


def wrap(
    array: np.ndarray, dt: dtype, requires_grad: bool = False, device: Any = None
) -> Tensor:
    """A tensor over a fresh C-contiguous buffer of dtype `dt` that nobody else holds; on a device
    that is not the CPU, of a copy of it."""
    where = devices.current.device if device is None else device
    a = aval(array.shape, dt, where)
    value = leaf(a, array) if where is CPU else uploaded(array, a)
    t: Tensor = fresh(value, a)
    if a.big:
        note_bytes(a)
    if state.inference:
        uncount((t,))
    if requires_grad:
        t.requires_grad = True
    return t


def lasting(array: np.ndarray, dt: dtype, device: Any = CPU) -> Tensor:
    """A tensor with a copy of `array` for tables that are kept: no inference tensor."""
    t = wrap(dtypes.narrow(np.array(array), dt), dt, device=device)
    t._inference, t._count = False, None
    return t


_BEYOND = 1 << 63


def sizes(name: str, given: Sequence[Any], keyword: Any = None) -> tuple[int, ...]:
    """Checked sizes from `zeros(2, 3)`, `zeros((2, 3))` or `zeros(size=(2, 3))`."""
    if keyword is None and not given:
        raise TypeError(f"{name}() missing 1 required positional argument: 'size'")
    items: Any = given if keyword is None else keyword
    if keyword is None and len(given) == 1 and not isinstance(given[0], int):
        items = given[0] if hasattr(given[0], "__iter__") and given[0].__class__ is not Tensor else given
    if isinstance(items, int):
        items = (items,)
    try:
        shape = tuple(operator.index(i) for i in items)
    except TypeError:
        kinds = ", ".join(type(i).__name__ for i in items) if hasattr(items, "__iter__") else items
        raise TypeError(f"{name}(): argument 'size' must be tuple of ints, not ({kinds})") from None
    for at, s in enumerate(shape):
        if not -_BEYOND <= s < _BEYOND:
            raise TypeError(
                f"{name}(): argument 'size' failed to unpack the object at pos {at + 1}: "
                f"Overflow when unpacking long long: {s}"
            )
        if s < 0:
            raise RuntimeError(
                f"{name}(): Trying to create tensor with negative dimension {s}: {list(shape)}"
            )
    count = math.prod(shape)
    if count >= 1 << 30:
        possible(count, name, shape)
    return shape


def constant(
    shape: tuple[int, ...], value: Any, dt: dtype | None, device: Any, requires_grad: bool
) -> Tensor:
    """A tensor of one number."""
    t: Tensor = call.constant(value, shape, dt or dtypes.get_default(), usable(device))
    if state.inference:
        uncount((t,))
    if requires_grad:
        t.requires_grad = True
    return t


def check_dtype(name: str, dt: Any) -> Any:
    """A dtype that was given, or Python's type for one; TypeError for anything else."""
    if dt is None or isinstance(dt, dtype):
        return dt
    if dt in (float, int, bool):
        return dtypes.of_scalar(dt)
    raise TypeError(f"{name}(): argument 'dtype' must be torch.dtype, not {type(dt).__name__}")


def wanted(name: str, dt: Any, out: Any) -> Any:
    """The dtype asked for: `dt` itself, else that of `out`. RuntimeError where the two differ."""
    dt = check_dtype(name, dt)
    if out is None:
        return dt
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if dt is not None and dt is not out.dtype:
        raise RuntimeError(
            f"{name}(): dtype {dt.legacy} does not match dtype of out parameter "
            f"({out.dtype.legacy})"
        )
    return out.dtype


def _sized(name: str, value: Any) -> Any:
    def make(
        *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False,
        out: Any = None, layout: Any = None, pin_memory: bool = False, memory_format: Any = None,
        **keywords: Any,
    ) -> Tensor:  # fmt: skip
        keyword = keywords.pop("size", keywords.pop("shape", None))
        if keywords:
            raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(keywords))}'")
        shape = sizes(name, size, keyword)
        dtype = wanted(name, dtype, out)
        if out is not None:
            out.resize_(shape)
            return out.fill_(value)  # type: ignore[no-any-return]
        return constant(shape, value, dtype, device, requires_grad)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"{name}(*size, dtype=None, requires_grad=False): a tensor filled with {value}."
    return make


zeros = _sized("zeros", 0)
ones = _sized("ones", 1)
empty = _sized("empty", 0)


def _like(name: str, value: Any) -> Any:
    def make(
        input: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
        layout: Any = None, memory_format: Any = None, pin_memory: bool = False,
    ) -> Tensor:  # fmt: skip
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{name}(): argument 'input' (position 1) must be Tensor, "
                f"not {type(input).__name__}"
            )
        dt = check_dtype(name, dtype) or input._aval.dtype
        where = input._aval.device if device is None else device
        return constant(input._aval.shape, value, dt, where, requires_grad)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"{name}(input): a tensor of input's shape and dtype filled with {value}."
    return make


zeros_like = _like("zeros_like", 0)
ones_like = _like("ones_like", 1)
empty_like = _like("empty_like", 0)


def full(
    size: Any = None, fill_value: Any = None, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, out: Any = None, layout: Any = None, shape: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor of shape `size` filled with a number, whose type decides the dtype. `shape` is
    the array API standard's name of `size`."""
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    if isinstance(fill_value, np.generic):
        fill_value = fill_value.item()
    if not isinstance(fill_value, (bool, int, float, complex)):
        raise TypeError(
            "full(): argument 'fill_value' (position 2) must be Number, "
            f"not {type(fill_value).__name__}"
        )
    dt = wanted("full", dtype, out) or dtypes.of_scalar(type(fill_value))
    lengths = sizes("full", (), shape if size is None else size)
    dtypes.check_number(fill_value, dt)
    if dt.category < dtypes.COMPLEX and isinstance(fill_value, complex):
        fill_value = fill_value.real
    if dt.category == dtypes.INT and dt.np.kind == "u":  # check_number lets small negative numbers through: they wrap around
        fill_value = int(fill_value) % (1 << 8 * dt.itemsize)
    if out is not None:
        out.resize_(lengths)
        return out.fill_(fill_value)  # type: ignore[no-any-return]
    return constant(lengths, fill_value, dt, device, requires_grad)


def full_like(input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None,
              requires_grad: bool = False, memory_format: Any = None) -> Tensor:  # fmt: skip
    """A tensor of input's shape and dtype filled with a number."""
    if not isinstance(input, Tensor):
        raise TypeError(
            f"full_like(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    return full(input.shape, fill_value, dtype=dtype or input.dtype, device=device or input.device,
                requires_grad=requires_grad)  # fmt: skip


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A new tensor with a copy of the data: numbers, nested sequences, arrays, tensors.

    Without `dtype`, Python floats take the default dtype and ints int64. ValueError for ragged
    sequences, TypeError for what is no number.
    """
    where = usable(device)
    dt = check_dtype("tensor", dtype)
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach()."
            "clone() or sourceTensor.detach().clone().requires_grad_(True), rather than "
            "torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
        t = data.detach().clone() if dt is None else call.to_dtype(data.detach(), dt)
        t = t if t._storage is not data._storage else t.clone()
        if device is not None:
            t = t.to(where)
        if requires_grad:
            t.requires_grad = True
        return t  # type: ignore[no-any-return]
    try:
        array, found = read_data(data, dt)
        t = converted(array, found, dt or found, requires_grad, where)
    except MemoryError as error:
        raise named(error, "tensor") from None
    return t.pin_memory() if pin_memory and where is CPU else t


def converted(
    array: np.ndarray, found: dtype, dt: dtype, requires_grad: bool, device: Any = None
) -> Tensor:
    """A tensor of a copy of an array, whose elements are `found`'s, as `dt`. RuntimeError where complex
    numbers were to become real."""
    source = found if array.dtype == found.np else dtypes.from_numpy(array.dtype)
    if source.category == dtypes.COMPLEX and dt.category < dtypes.COMPLEX:
        raise RuntimeError("value cannot be converted to type float without overflow")
    fresh_array = np.array(dtypes.convert(array, source, dt), dt.np, order="C", copy=True)
    return wrap(fresh_array, dt, requires_grad, device)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor, sharing memory where it can (arrays and tensors of the dtype)."""
    where = usable(device)
    dt = check_dtype("as_tensor", dtype)
    if isinstance(data, Tensor):
        return data.to(data.device if device is None else where, dt)  # type: ignore[no-any-return]
    if isinstance(data, np.ndarray):
        return from_numpy(data).to(where, dt)  # type: ignore[no-any-return]
    if hasattr(data, "__cuda_array_interface__"):
        from .cuda_arrays import from_interface

        return from_interface(data).to(usable("cuda") if device is None else where, dt)  # type: ignore[no-any-return]
    return tensor(data, dtype=dt, device=where)


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """`obj` as a tensor: tensors, arrays and buffers share memory unless `copy` is true or the dtype
    differs. ValueError where `copy` is false and there is no way but to copy."""
    where = usable(device)
    dt = check_dtype("asarray", dtype)
    if isinstance(obj, Tensor):
        t: Any = obj
    elif isinstance(obj, (np.ndarray, np.generic)):
        t = from_numpy(np.asarray(obj) if isinstance(obj, np.ndarray) else np.array(obj))
    elif isinstance(obj, (bytes, bytearray, memoryview)):
        t = frombuffer(obj, dtype=dt or dtypes.get_default())
    elif hasattr(obj, "__dlpack__"):
        from .dlpack import from_dlpack

        t = from_dlpack(obj)
    else:
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        t, copy = tensor(obj, dtype=dt, device=where), False
    if t.device is not where and (device is not None or not isinstance(obj, Tensor)):
        if copy is False:
            raise ValueError(f"can't alias tensor from device '{t.device}' to '{where}'.")
        t, copy = t.to(where), False
    if dt is not None and t.dtype is not dt:
        if copy is False:
            raise ValueError(
                f"can't alias tensor with dtype '{t.dtype.legacy}' into dtype '{dt.legacy}'."
            )
        t = t.to(dt)
    elif copy:
        t = t.clone()
    if requires_grad and not t.requires_grad:
        t = t.detach().requires_grad_()
    return t  # type: ignore[no-any-return]


def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False,
                  layout: Any = None, pin_memory: bool = False) -> Tensor:  # fmt: skip
    """A 0-d tensor of a number, of the default dtype."""
    dt = check_dtype("scalar_tensor", dtype) or dtypes.get_default()
    return full((), s, dtype=dt, device=device, requires_grad=requires_grad)


def empty_strided(
    size: Any, stride: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor over new memory with the given sizes and strides."""
    shape, strides = sizes("empty_strided", (size,)), tuple(map(operator.index, stride))
    if len(shape) != len(strides):
        raise RuntimeError(
            f"empty_strided(): dimensionality of sizes ({len(shape)}) must match dimensionality of "
            f"strides ({len(strides)})"
        )
    if any(s < 0 for s in strides):
        raise RuntimeError(
            f"empty_strided(): negative strides are not supported, got {list(strides)}"
        )
    dt = check_dtype("empty_strided", dtype) or dtypes.get_default()
    room = constant((span(shape, strides, 0)[1],), 0, dt, device, False)
    t: Tensor = alias(room, dt, shape, strides, 0)
    if requires_grad:
        t.requires_grad = True
    return t


def empty_permuted(
    size: Any, physical_layout: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor over new dense memory, its dimensions there in the given order, outermost first."""
    shape, order = sizes("empty_permuted", (size,)), tuple(map(operator.index, physical_layout))
    if len(shape) != len(order):
        raise RuntimeError(
            "empty_permuted(): Number of dimensions in size does not match the length of the "
            f"physical_layout; i.e. len(size) = {len(shape)} is not equal to "
            f"len(physical_layout) = {len(order)}"
        )
    if sorted(order) != list(range(len(shape))):
        raise RuntimeError(
            "empty_permuted(): Duplicate dim not allowed: physical_layout must have each dimension "
            f"once, got {list(order)}"
        )
    strides = [0] * len(shape)
    for d, stride in zip(order, contiguous_strides([shape[d] for d in order]), strict=True):
        strides[d] = stride
    return empty_strided(shape, strides, dtype=dtype, device=device, requires_grad=requires_grad)


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor over the array's memory: each side sees the other's writes."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    if ndarray.dtype.byteorder not in "=|" and not ndarray.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion "
            "between byte orders is currently not supported."
        )
    dt = dtypes.from_numpy(ndarray.dtype)
    if not ndarray.flags.writeable:
        warnings.warn(
            "The given NumPy array is not writable. Writing to the tensor will be refused; copy "
            "the array to protect its data or make it writable before converting it to a tensor.",
            UserWarning,
            stacklevel=2,
        )
    shape = ndarray.shape
    if ndarray.flags.c_contiguous and shape and min(ndarray.strides) >= 0:
        whole = aval(shape, dt)
        storage, strides = Storage(None, whole), None
        storage.share(ndarray.reshape(-1))
    else:
        storage, strides = share_array(ndarray)
    t: Tensor = object.__new__(Tensor)
    t._storage = storage
    t._aval = aval(shape, dt)
    if storage.aval.shape != t._aval.shape:
        t._strides, t._plain = strides, False
    return t


_DTYPE = dtype  # where a parameter has its name


def _index(name: str, argument: str, value: Any) -> int:
    """A whole number that was given."""
    try:
        return operator.index(value)
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"{name}(): argument '{argument}' must be int, not {kind}") from None


@naming
def frombuffer(
    buffer: Any, *, dtype: dtype, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A one-dimensional tensor over a buffer's memory: `count` elements (all) from byte `offset`."""
    if dtype.__class__ is not _DTYPE:
        raise TypeError(
            f"frombuffer(): argument 'dtype' must be torch.dtype, not {shown(dtype):.60}"
        )
    count, offset = _index("frombuffer", "count", count), _index("frombuffer", "offset", offset)
    try:
        room = len(memoryview(buffer).cast("B"))
    except TypeError:
        raise ValueError(
            f"frombuffer(): object of type {type(buffer).__name__} does not implement Python "
            "buffer protocol."
        ) from None
    if not room or not count:
        raise ValueError(f"both buffer length ({room}) and count ({count}) must not be 0")
    if not 0 <= offset < room:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length "
            f"({room} bytes) minus 1"
        )
    if count > (room - offset) // dtype.itemsize:
        raise ValueError(
            f"requested buffer length ({count} elements of {dtype}) after offset ({offset} bytes) must "
            f"not be greater than actual buffer length ({room} bytes)"
        )
    array = np.frombuffer(buffer, dtype.np, max(count, -1), offset)
    with warnings.catch_warnings():
        if array.flags.writeable is False:
            warnings.simplefilter("ignore")
        t = from_numpy(array)
    t = alias(t, dtype, tuple(array.shape), (1,), 0) if dtype.is_opaque else t
    if requires_grad:
        t.requires_grad = True
    return t


def arange(
    *args: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False,
    out: Any = None, layout: Any = None, start: Any = None, end: Any = None, step: Any = None,
    stop: Any = None,
) -> Tensor:  # fmt: skip
    """Numbers from start (0) to end, without end, by step (1). Integers give int64. `stop` is
    the array API standard's name of `end`, up to which there may be no numbers at all."""
    given = [a.item() if isinstance(a, (Tensor, np.generic)) else a for a in args]
    if None in given[1:]:  # the standard's arange(n, None, step)
        given = [0, given[0], *given[2:]]
    if end is None:
        end = stop
    if end is not None:
        given = [*given, end] if start is None else [start, end]
    if step is not None:
        given = [*([0] if len(given) == 1 else []), *given, step]
    if not 1 <= len(given) <= 3:
        raise TypeError(f"arange(): expected 1 to 3 numbers (start, end, step), got {len(given)}")
    for g in given:
        if not isinstance(g, (int, float)):
            raise TypeError(f"arange(): expected numbers, got {type(g).__name__}")
    where = usable(device)
    low, high, by = (0, given[0], 1) if len(given) == 1 else (*given, 1)[:3]
    if by == 0:
        raise RuntimeError("arange(): step must be nonzero")
    if any(isinstance(g, float) and not math.isfinite(g) for g in (low, high)):
        raise RuntimeError(f"arange(): unsupported range: {low} -> {high}")
    if stop is not None and (high - low) * by < 0:
        high = low
    if (high - low) * by < 0:
        raise RuntimeError(
            f"arange(): upper bound and lower bound inconsistent with step sign: {low} to {high} "
            f"by {by}"
        )
    integral = all(isinstance(g, int) for g in (low, high, by))
    dt = wanted("arange", dtype, out) or (dtypes.int64 if integral else dtypes.get_default())
    count = max(0, math.ceil((high - low) / by))
    if dt.category <= dtypes.INT and not integral:
        low, high, by, integral = int(low), int(high), int(by), True
        if by == 0:
            raise ValueError(f"arange(): step must be nonzero, but it is 0 as {dt}")
        if dt is dtypes.int64:  # of which alone PyTorch counts with the numbers cut off
            count = max(0, math.ceil((high - low) / by))
    if where is not CPU and not dt.is_complex:
        found: Any = call.sequence(low, by, count, dt, where)
        return _given(found, requires_grad, out)
    room(8 * count, "arange")
    try:
        if dt.category <= dtypes.INT and integral:
            values = np.arange(count, dtype=np.int64) * by + low
            array = values.astype(dt.np)
        else:
            wide = np.arange(count, dtype=np.float64) * by + low
            array = dtypes.narrow(wide, dt)
    except MemoryError as error:
        raise named(error, "arange") from None
    return _given(wrap(array, dt, requires_grad, where), requires_grad, out)


def _given(t: Any, requires_grad: bool, out: Any) -> Any:
    """A new tensor, as it was asked for: in the graph, or written to another."""
    if out is not None:
        out.resize_(tuple(t.shape))
        return out.copy_(t)
    if requires_grad:
        t.requires_grad = True
    return t


def _ends(name: str, start: Any, end: Any, steps: Any) -> tuple[float, float, int]:
    """Checked arguments of linspace() and logspace()."""
    for known, x in (("start", start), ("end", end)):
        if isinstance(x, Tensor) and x.ndim:
            raise RuntimeError(
                f"{name}(): only 0-dimensional start and end tensors are supported, but {known} has "
                f"shape {list(x.shape)}"
            )
    try:
        n = operator.index(steps)
    except TypeError:
        raise TypeError(
            f"{name}(): argument 'steps' must be int, not {type(steps).__name__}"
        ) from None
    if n < 0:
        raise RuntimeError(f"{name}(): number of steps must be non-negative, got {n}")
    return float(start), float(end), n


def inclusive_range(
    start: Any = 0, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, out: Any = None, layout: Any = None,
) -> Tensor:  # fmt: skip
    """torch.range: numbers from start to end, with end, by step. PyTorch has given it up for
    arange()."""
    low, high = (0, start) if end is None else (start, end)
    if step and (high - low) * step < 0:
        raise RuntimeError(
            f"range(): upper bound and lower bound inconsistent with step sign: {low} to {high} by "
            f"{step}"
        )
    dt = wanted("range", dtype, out) or dtypes.get_default()
    return arange(low, high + step / 2, step, dtype=dt, device=device,
                  requires_grad=requires_grad, out=out)  # fmt: skip


@naming
def linspace(
    start: Any, end: Any, steps: Any = None, *, num: Any = None, endpoint: bool = True,
    dtype: Any = None, device: Any = None, requires_grad: bool = False, out: Any = None, layout: Any = None,
) -> Tensor:  # fmt: skip
    """`steps` numbers evenly from start to end, both included; without the end where `endpoint`
    is false. `num` is the array API standard's name of `steps`."""
    steps = num if steps is None else steps
    if not endpoint:
        t = linspace(start, end, operator.index(steps) + 1, dtype=dtype, device=device,
                     requires_grad=requires_grad)[:-1]  # fmt: skip
        return t if out is None else out.resize_(tuple(t.shape)).copy_(t)  # type: ignore[no-any-return]
    dt = wanted("linspace", dtype, out)
    if _complex_end(start) or _complex_end(end) or (dt is not None and dt.is_complex):
        t = _complex_linspace(start, end, steps, dt or dtypes.get_default().to_complex())
        return t.requires_grad_(requires_grad) if out is None else out.resize_(t.shape).copy_(t)  # type: ignore[no-any-return]
    low, high, n = _ends("linspace", start, end, steps)
    where = usable(device)
    dt = dt or dtypes.get_default()
    kind = dt.compute if dt.is_floating_point else np.dtype("f8")
    if dt.category <= dtypes.INT:  # the ends are numbers of the dtype too
        low, high = int(low), int(high)
    room(n * kind.itemsize, "linspace")
    with np.errstate(all="ignore"):
        array = _steps(low, high, n, kind)
    array = dtypes.convert(array, dtypes.from_numpy(kind), dt) if dt.np != kind else array
    return _given(wrap(array, dt, False, where), requires_grad, out)


def _steps(low: Any, high: Any, n: int, kind: np.dtype[Any]) -> np.ndarray:
    """PyTorch's linspace: from both ends towards the middle, in the dtype itself."""
    array = np.empty(n, kind)
    if n == 1:
        array[0] = low
    elif n:
        step = kind.type((kind.type(high) - kind.type(low)) / kind.type(n - 1))
        i = np.arange(n)
        half = n // 2
        array[:half] = kind.type(low) + step * i[:half].astype(kind)
        array[half:] = kind.type(high) - step * (n - 1 - i[half:]).astype(kind)
    return array


def _complex_end(x: Any) -> bool:
    return x.is_complex() if isinstance(x, Tensor) else isinstance(x, complex)


def _complex_linspace(start: Any, end: Any, steps: Any, dt: dtype) -> Any:
    """linspace() of complex numbers: of both parts by itself."""
    if not dt.is_complex:
        raise RuntimeError(f"linspace(): complex ends don't go into {dt}: leave dtype out, or take a complex one")
    ends = [complex(x) for x in (start, end)]
    parts = [linspace(a, b, steps, dtype=dt.to_real())
             for a, b in (([e.real for e in ends]), ([e.imag for e in ends]))]  # fmt: skip
    return call.complex(*parts)


@naming
def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, out: Any = None, layout: Any = None,
) -> Tensor:  # fmt: skip
    """`steps` powers of base with exponents evenly from start to end."""
    low, high, n = _ends("logspace", start, end, steps)
    where = usable(device)
    dt = wanted("logspace", dtype, out) or dtypes.get_default()
    exponents = linspace(low, high, n, dtype=dtypes.float64, device=CPU).numpy()
    with np.errstate(all="ignore"):
        values = np.power(float(base), exponents)
    return _given(converted(values, dtypes.float64, dt, False, where), requires_grad, out)


@naming
def eye(
    n: int, m: int | None = None, *, k: int = 0, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, out: Any = None, layout: Any = None,
) -> Tensor:  # fmt: skip
    """Ones on the diagonal of an n x m matrix, zeros elsewhere; `k` is the array API
    standard's number of the diagonal."""
    rows, cols = operator.index(n), operator.index(n if m is None else m)
    if rows < 0 or cols < 0:
        raise RuntimeError(f"eye(): n and m must be greater or equal to 0, got {rows} and {cols}")
    where = usable(device)
    dt = wanted("eye", dtype, out) or dtypes.get_default()
    if where is not CPU:
        down, across = (call.sequence(0, 1, length, dtypes.int64, where) for length in (rows, cols))
        return _given((down.unsqueeze(1) + k == across).to(dt), requires_grad, out)
    room(8 * rows * cols, "eye", (rows, cols))
    return _given(wrap(dtypes.narrow(np.eye(rows, cols, k), dt), dt, False, where), requires_grad, out)


def rebuild(cls: Any, bits: np.ndarray, name: str, requires_grad: bool, extra: dict[str, Any]) -> Any:
    """Unpickle a tensor."""
    t = wrap(bits, dtypes.by_name(name), device=CPU)
    where = extra.pop("device", None)
    if where is not None:
        t = t.to(where)
    t.__class__ = cls
    t._rg = requires_grad
    t.__dict__.update(extra)
    return t


def at_device(row: Any, a: Any, scalars: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """The result of a row without tensors among its operands, on a device that is not the CPU."""
    devices.used()
    value = record(row, a, scalars, params)
    if a.big:
        note_bytes(a)
    return fresh(value, a)


def _anywhere(name: str, described: Callable[..., Any]) -> Callable[..., Any]:
    """The function of such a row for any device, the last argument. `described` gives shape, dtype,
    scalars and parameters of its arguments."""
    row = table[name]

    def made(*args: Any) -> Any:
        *given, where = args
        if where is CPU:
            return function(name)(*given)
        shape, dt, scalars, params = described(*given)
        shape = tuple(shape)
        a = aval(shape, dt, where)
        possible(a.nbytes, name, shape)
        return at_device(row, a, scalars, params)

    return made


_constant_anywhere = _anywhere(
    "constant", lambda value, shape, dt: (shape, dt, (value,), (tuple(shape), dt))
)


def constant_row(value: Any, shape: Any, dt: dtype, where: Any = None) -> Any:
    """The row `constant` on a device: where new tensors are made, if none is given."""
    if where is CPU or (where is None and not devices.others):
        return function("constant")(value, shape, dt)
    return _constant_anywhere(value, shape, dt, devices.current.device if where is None else where)


call.define(
    linear_at_once=linear, constant=constant_row,
    sequence=_anywhere(
        "sequence", lambda start, step, count, dt: ((count,), dt, (start, step), (count, dt))
    ),
    zeros=zeros, ones=ones, empty=empty, zeros_like=zeros_like, full=full, ones_like=ones_like,
    full_like=full_like, arange=arange, tensor=tensor, as_tensor=as_tensor, eye=eye,
    empty_strided=empty_strided, tensor_of=wrap, lasting=lasting,
    # Whether what is computed now may be differentiated, backwards or forwards.
    grad_enabled=lambda: state.grad or any([x.differentiates for x in running.levels]),
    observe=lambda t, reason: dtypes.widen(t._array(reason), t._aval.dtype),
    # With all samples of a batch inside of vmap, for checks that any of them may fail.
    observe_batch=lambda t, reason: dtypes.widen(underneath(t)._array(reason), t._aval.dtype),
    named=lambda name, fields, parts: result_type(name, fields)(parts),
)  # fmt: skip
