"""Data types and PyTorch's promotion between them."""

from __future__ import annotations

from typing import Any

import numpy as np

BOOL, INT, FLOAT, COMPLEX = range(4)
"""Categories, in the order in which promotion climbs."""


class dtype:
    """One element type. `np` is the NumPy dtype of a buffer (bfloat16 is kept as uint16 bits) and
    `compute` the one that arithmetic runs in (16-bit floats are computed in float32)."""

    __slots__ = ("name", "np", "compute", "itemsize", "category", "is_signed", "rank", "legacy")

    def __init__(
        self, name: str, storage: Any, category: int, rank: int, legacy: str, compute: Any = None
    ) -> None:
        self.name = name
        self.np = np.dtype(storage)
        self.compute = np.dtype(compute or storage)
        self.itemsize = self.np.itemsize
        self.category = category
        self.is_signed = name not in ("uint8", "uint16", "uint32", "uint64", "bool")
        self.rank = rank
        self.legacy = legacy

    @property
    def is_floating_point(self) -> bool:
        return self.category == FLOAT

    @property
    def is_complex(self) -> bool:
        return self.category == COMPLEX

    @property
    def is_differentiable(self) -> bool:
        return self.category >= FLOAT

    @property
    def is_narrow(self) -> bool:
        """Stored narrower than it is computed (float16, bfloat16)."""
        return self.np != self.compute

    def to_real(self) -> dtype:
        return {complex64: float32, complex128: float64}.get(self, self)

    def to_complex(self) -> dtype:
        if self.is_complex:
            return self
        return complex128 if self is float64 else complex64

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str | tuple[Any, ...]:
        return (by_name, (self.name,))


float32 = dtype("float32", "f4", FLOAT, 2, "Float")
float64 = dtype("float64", "f8", FLOAT, 3, "Double")
float16 = dtype("float16", "f2", FLOAT, 0, "Half", "f4")
bfloat16 = dtype("bfloat16", "u2", FLOAT, 1, "BFloat16", "f4")
uint8 = dtype("uint8", "u1", INT, 0, "Byte")
int8 = dtype("int8", "i1", INT, 1, "Char")
int16 = dtype("int16", "i2", INT, 2, "Short")
int32 = dtype("int32", "i4", INT, 3, "Int")
int64 = dtype("int64", "i8", INT, 4, "Long")
bool_ = dtype("bool", "?", BOOL, 0, "Bool")
complex64 = dtype("complex64", "c8", COMPLEX, 0, "ComplexFloat")
complex128 = dtype("complex128", "c16", COMPLEX, 1, "ComplexDouble")

ALL: tuple[dtype, ...] = (
    uint8, int8, int16, int32, int64, float16, float32, float64,
    complex64, complex128, bool_, bfloat16,
)  # fmt: skip
_BY_NAME = {d.name: d for d in ALL}
ALIASES = {
    "float": float32, "double": float64, "half": float16, "short": int16, "int": int32,
    "long": int64, "cfloat": complex64, "cdouble": complex128,
}  # fmt: skip
_FROM_NUMPY = {d.np: d for d in ALL if d is not bfloat16}


def by_name(name: str) -> dtype:
    """The dtype called `name` (`"float32"`)."""
    return _BY_NAME[name]


def from_numpy(np_dtype: Any) -> dtype:
    """The dtype of a NumPy dtype; TypeError where PyTorch has none."""
    found = _FROM_NUMPY.get(np.dtype(np_dtype).newbyteorder("="))
    if found is None:
        names = ", ".join(d.name for d in ALL if d is not bfloat16)
        raise TypeError(
            f"can't convert np.ndarray of type {np.dtype(np_dtype)}. "
            f"The only supported types are: {names}."
        )
    return found


class _Default:
    """The process's default floating dtype."""

    dtype: dtype = float32


def get_default() -> dtype:
    return _Default.dtype


def set_default(value: dtype) -> None:
    if not (isinstance(value, dtype) and value.is_floating_point):
        raise TypeError(f"only floating-point types are supported as the default type, got {value}")
    _Default.dtype = value


def promote(a: dtype, b: dtype) -> dtype:
    """The smallest dtype that holds both, as `torch.promote_types`."""
    if a is b:
        return a
    low, high = (a, b) if a.category <= b.category else (b, a)
    if low.category < high.category:
        if high.category == COMPLEX and low is float64:
            return complex128
        return high
    if low.category == INT:
        if uint8 in (a, b):
            other = b if a is uint8 else a
            return int16 if other is int8 else other
        return a if a.rank > b.rank else b
    if {a, b} == {float16, bfloat16}:
        return float32
    return a if a.rank > b.rank else b


def of_scalar(kind: type) -> dtype:
    """The dtype that a Python number of this type stands for."""
    if kind is bool:
        return bool_
    if kind is int:
        return int64
    if kind is float:
        return _Default.dtype
    return _Default.dtype.to_complex()


def _combine(higher: dtype | None, lower: dtype | None) -> dtype | None:
    if higher is None or lower is None:
        return higher or lower
    if higher.category == COMPLEX:
        return higher
    if higher.category == FLOAT:
        return higher.to_complex() if lower.category == COMPLEX else higher
    if higher.category == BOOL or lower.category >= FLOAT:
        return promote(higher, lower)
    return higher


def result_type(dims: list[dtype], zeros: list[dtype], scalars: list[dtype]) -> dtype:
    """PyTorch's rule over three ranks of operand: tensors with dimensions, 0-d tensors, numbers.
    A lower rank decides only where its category is higher."""

    def fold(items: list[dtype]) -> dtype | None:
        out: dtype | None = None
        for item in items:
            out = item if out is None else promote(out, item)
        return out

    found = _combine(fold(dims), _combine(fold(zeros), fold(scalars)))
    return found if found is not None else _Default.dtype


def can_cast(source: dtype, target: dtype) -> bool:
    """Whether a result of dtype `source` may be stored into `target` (`torch.can_cast`)."""
    if source.category == COMPLEX and target.category != COMPLEX:
        return False
    if source.category == FLOAT and target.category < FLOAT:
        return False
    return not (source.category != BOOL and target.category == BOOL)


class finfo:
    """Limits of a floating dtype: `bits, eps, min, max, tiny, smallest_normal, resolution`."""

    def __init__(self, type: dtype | None = None) -> None:
        d = type or get_default()
        if not d.is_differentiable:
            raise TypeError(f"torch.finfo() requires a floating point input type, got {d}")
        d = d.to_real()
        self.dtype = d.name
        self.bits = d.itemsize * 8
        if d is bfloat16:
            self.eps, self.max = 2.0**-7, float(np.uint32(0x7F7F0000).view(np.float32))
            self.tiny, self.resolution = 2.0**-126, 0.01
        else:
            info = np.finfo(d.np)
            self.eps, self.max = float(info.eps), float(info.max)
            self.tiny, self.resolution = float(info.tiny), float(info.resolution)
        self.min = -self.max
        self.smallest_normal = self.tiny

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.tiny:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer dtype: `bits, min, max`."""

    def __init__(self, type: dtype) -> None:
        if type.category != INT:
            raise TypeError(f"torch.iinfo() requires an integer input type, got {type}")
        info = np.iinfo(type.np)
        self.dtype, self.bits, self.min, self.max = type.name, info.bits, info.min, info.max

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


def to_float32(bits: np.ndarray) -> np.ndarray:
    """bfloat16 bits → float32 values."""
    wide = np.array(bits, np.uint32)
    wide <<= np.uint32(16)  # in place, so that 0-d arrays stay arrays
    return wide.view(np.float32)


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """float values → bfloat16 bits, rounded to nearest even; NaN stays NaN."""
    bits = np.atleast_1d(np.asarray(values, np.float32)).view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
    out = np.where(nan, np.uint32(0x7FC0), rounded).astype(np.uint16)
    return out.reshape(np.shape(values))


def widen(array: np.ndarray, d: dtype) -> np.ndarray:
    """A buffer of dtype `d` → values in the dtype's compute type."""
    if d is bfloat16:
        return to_float32(array)
    if d is float16:
        return array.astype(np.float32)
    return array


def narrow(array: Any, d: dtype) -> np.ndarray:
    """Computed values → a buffer of dtype `d`."""
    if d is bfloat16:
        return to_bfloat16(array)
    return np.asarray(array).astype(d.np, copy=False)


def convert(array: np.ndarray, source: dtype, target: dtype) -> np.ndarray:
    """A buffer of one dtype → a buffer of another, as `tensor.to(dtype)` does it."""
    if source is target:
        return array
    values = widen(array, source)
    if source.category == COMPLEX and target.category < COMPLEX:
        values = values.real
    if target is bool_:
        return values != 0
    if target.category == INT and source.category == FLOAT and target.itemsize < 4:
        # C casts by way of a wider integer on x86, so that out-of-range values wrap.
        values = values.astype(np.int64)
    return narrow(values, target)


def check_number(value: Any, d: dtype) -> None:
    """Refuse a number that `d` can't hold: RuntimeError, ValueError beyond 64 bits.

    What fits is PyTorch's: any number is a bool, a negative one down to -255 is a uint8 (it wraps),
    infinities are floats, and a finite float must not become infinite (16-bit floats let it).
    """
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError(f"Overflow when unpacking long long: {value} does not fit in 64 bits")
    if d is bool_ or d.category == FLOAT and isinstance(value, int):
        return
    fits = d.category == COMPLEX or not isinstance(value, complex) or value.imag == 0
    if fits and d.category == INT:
        number = value.real if isinstance(value, complex) else value
        limits = np.iinfo(d.np)
        low = -int(limits.max) if d is uint8 else int(limits.min)
        fits = abs(number) < float("inf") and low <= int(number) <= limits.max
    elif fits and d.itemsize >= 4:
        largest = float(np.finfo(d.to_real().np).max)
        parts = (value.real, value.imag) if isinstance(value, complex) else (value,)
        fits = not any(largest < abs(p) < float("inf") for p in parts)
    if not fits:
        raise RuntimeError(f"value {value} cannot be converted to type {d} without overflow")
