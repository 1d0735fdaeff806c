"""Data types and PyTorch's promotion between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .narrow import codec
from .narrow import to_bfloat16 as to_bfloat16  # noqa: PLC0414
from .narrow import to_float32 as to_float32  # noqa: PLC0414

BOOL, INT, FLOAT, COMPLEX = range(4)
"""Categories, in the order in which promotion climbs."""


class dtype:
    """One element type. `np` is the NumPy dtype of a buffer (formats that NumPy lacks are kept as
    their bits) and `compute` the one that arithmetic runs in (16-bit floats are computed in
    float32)."""

    __slots__ = (
        "name", "np", "compute", "itemsize", "category", "is_signed", "rank", "legacy", "native",
        "read", "write",
    )  # fmt: skip

    def __init__(
        self, name: str, storage: Any, category: int, rank: int, legacy: str, compute: Any = None,
        native: bool = True,
    ) -> None:  # fmt: skip
        self.name = name
        self.np = np.dtype(storage)
        self.compute = np.dtype(compute or storage)
        self.itemsize = self.np.itemsize
        self.category = category
        self.is_signed = not (name.startswith("uint") or name in ("bool", "float8_e8m0fnu"))
        self.rank = rank
        """The higher one of two dtypes of a category wins."""
        self.legacy = legacy
        self.native = native
        """Whether the compiler knows it: programs with others stay with the interpreter."""
        self.read, self.write = (None, None)
        """Functions bits → values and values → bits, of formats that NumPy lacks."""
        if self.is_opaque:
            self.read, self.write = codec(name)

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
        """Stored narrower than it is computed (float16, bfloat16 and smaller)."""
        return self.np != self.compute

    @property
    def is_opaque(self) -> bool:
        """NumPy has no such dtype: a buffer holds bits."""
        return self.np.kind == "u" and self.category >= FLOAT

    def to_real(self) -> dtype:
        return {complex32: float16, complex64: float32, complex128: float64}.get(self, self)

    def to_complex(self) -> dtype:
        if self.is_complex:
            return self
        return {float64: complex128, float16: complex32}.get(self, complex64)

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str | tuple[Any, ...]:
        return (by_name, (self.name,))


float32 = dtype("float32", "f4", FLOAT, 2, "Float")
float64 = dtype("float64", "f8", FLOAT, 3, "Double")
float16 = dtype("float16", "f2", FLOAT, 0, "Half", "f4")
bfloat16 = dtype("bfloat16", "u2", FLOAT, 1, "BFloat16", "f4")
uint8 = dtype("uint8", "u1", INT, 0, "Byte")
int8 = dtype("int8", "i1", INT, 0, "Char")
int16 = dtype("int16", "i2", INT, 1, "Short")
int32 = dtype("int32", "i4", INT, 2, "Int")
int64 = dtype("int64", "i8", INT, 3, "Long")
bool_ = dtype("bool", "?", BOOL, 0, "Bool")
complex64 = dtype("complex64", "c8", COMPLEX, 1, "ComplexFloat", native=False)
complex128 = dtype("complex128", "c16", COMPLEX, 2, "ComplexDouble", native=False)
uint16 = dtype("uint16", "u2", INT, 1, "UInt16", native=False)
uint32 = dtype("uint32", "u4", INT, 2, "UInt32", native=False)
uint64 = dtype("uint64", "u8", INT, 3, "UInt64", native=False)
complex32 = dtype("complex32", "u4", COMPLEX, 0, "ComplexHalf", "c8", native=False)
float8_e4m3fn, float8_e5m2, float8_e4m3fnuz, float8_e5m2fnuz, float8_e8m0fnu = (
    dtype(f"float8_{kind}", "u1", FLOAT, -1, f"Float8_{kind}", "f4", native=False)
    for kind in ("e4m3fn", "e5m2", "e4m3fnuz", "e5m2fnuz", "e8m0fnu")
)

ALL: tuple[dtype, ...] = (
    uint8, int8, int16, int32, int64, float16, float32, float64,
    complex32, complex64, complex128, bool_, bfloat16, uint16, uint32, uint64,
    float8_e4m3fn, float8_e5m2, float8_e4m3fnuz, float8_e5m2fnuz, float8_e8m0fnu,
)  # fmt: skip
FLOAT8 = ALL[-5:]
_BY_NAME = {d.name: d for d in ALL}
ALIASES = {
    "float": float32, "double": float64, "half": float16, "short": int16, "int": int32,
    "long": int64, "cfloat": complex64, "cdouble": complex128, "chalf": complex32,
}  # fmt: skip
_FROM_NUMPY = {d.np: d for d in ALL if not d.is_opaque}


def by_name(name: str) -> dtype:
    """The dtype called `name` (`"float32"`)."""
    return _BY_NAME[name]


def from_numpy(np_dtype: Any) -> dtype:
    """The dtype of a NumPy dtype; TypeError where PyTorch has none."""
    found = _FROM_NUMPY.get(np.dtype(np_dtype).newbyteorder("="))
    if found is None:
        names = ", ".join(d.name for d in _FROM_NUMPY.values())
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
    """The smallest dtype that holds both, as `torch.promote_types`.

    RuntimeError where none does: 8-bit floats beside others, uint64 beside signed integers. Of
    uint16, uint32 and uint64 PyTorch promotes only what meets floats; here they go by the array API
    standard's table.
    """
    if a is b:
        return a
    low, high = (a, b) if a.category <= b.category else (b, a)
    if a in FLOAT8 or b in FLOAT8:
        raise RuntimeError(
            "Promotion for Float8 Types is not supported, attempted to promote "
            f"{a.legacy} and {b.legacy}"
        )
    if low.category < high.category:
        if high.category == COMPLEX and low.category == FLOAT:
            return promote(low, high.to_real()).to_complex()
        return high
    if low.category == INT and a.is_signed != b.is_signed:
        return _mixed_signs(*((a, b) if a.is_signed else (b, a)))
    if {a, b} == {float16, bfloat16}:
        return float32
    return a if a.rank > b.rank else b


def _mixed_signs(signed: dtype, unsigned: dtype) -> dtype:
    """The smallest signed integer dtype that holds both."""
    if signed.rank > unsigned.rank:
        return signed
    if unsigned is uint64:
        raise RuntimeError(
            "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote "
            f"{signed.legacy} and {unsigned.legacy}: no integer dtype holds both"
        )
    return (int16, int32, int64)[unsigned.rank]


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


_SMALL_LIMITS = {
    # eps, min, max, tiny, resolution
    "bfloat16": (2.0**-7, -(2.0**128 - 2.0**120), 2.0**128 - 2.0**120, 2.0**-126, 0.01),
    "float8_e4m3fn": (0.125, -448.0, 448.0, 2.0**-6, 1.0),
    "float8_e5m2": (0.25, -57344.0, 57344.0, 2.0**-14, 1.0),
    "float8_e4m3fnuz": (0.125, -240.0, 240.0, 2.0**-7, 1.0),
    "float8_e5m2fnuz": (0.125, -57344.0, 57344.0, 2.0**-15, 1.0),  # eps is PyTorch's
    "float8_e8m0fnu": (1.0, 2.0**-127, 2.0**127, 2.0**-127, 1.0),
}


class _Name(str):
    """A dtype's name, as PyTorch's finfo and iinfo give it. It equals the dtype too, which the
    array API standard wants there."""

    def __eq__(self, other: object) -> bool:
        return str.__eq__(self, other.name if isinstance(other, dtype) else other)  # type: ignore[arg-type]

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


class finfo:
    """Limits of a floating dtype: `bits, eps, min, max, tiny, smallest_normal, resolution`."""

    def __init__(self, type: Any = None) -> None:
        d = get_default() if type is None else getattr(type, "dtype", type)
        if not isinstance(d, dtype):
            raise TypeError(
                "finfo(): argument 'type' (position 1) must be torch.dtype, "
                f"not {d.__class__.__name__}"
            )
        if not d.is_differentiable:
            raise TypeError(f"torch.finfo() requires a floating point input type, got {d}")
        d = d.to_real()
        self.dtype = _Name(d.name)
        self.bits = d.itemsize * 8
        if d.name in _SMALL_LIMITS:
            self.eps, self.min, self.max, self.tiny, self.resolution = _SMALL_LIMITS[d.name]
        else:
            info = np.finfo(d.np)
            self.eps, self.max = float(info.eps), float(info.max)
            self.tiny, self.resolution = float(info.tiny), float(str(info.resolution))
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

    def __init__(self, type: Any) -> None:
        type = getattr(type, "dtype", type)
        if not isinstance(type, dtype):
            raise TypeError(
                "iinfo(): argument 'type' (position 1) must be torch.dtype, "
                f"not {type.__class__.__name__}"
            )
        if type.category != INT:
            raise TypeError(f"torch.iinfo() requires an integer input type, got {type}")
        info = np.iinfo(type.np)
        self.dtype, self.bits = _Name(type.name), int(info.bits)
        self.min, self.max = int(info.min), int(info.max)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"


def widen(array: np.ndarray, d: dtype) -> np.ndarray:
    """A buffer of dtype `d` → values in the dtype's compute type."""
    if d.read is not None:
        return d.read(array)  # type: ignore[no-any-return]
    if d is float16:
        return array.astype(np.float32)
    return array


def narrow(array: Any, d: dtype) -> np.ndarray:
    """Computed values → a buffer of dtype `d`."""
    if d.write is not None:
        return d.write(array)  # type: ignore[no-any-return]
    made = np.asarray(array)
    if made.dtype == d.np:
        return made
    with np.errstate(all="ignore"):  # what is out of range becomes infinite, or wraps around
        return made.astype(d.np)


def convert(array: np.ndarray, source: dtype, target: dtype) -> np.ndarray:
    """A buffer of one dtype → a buffer of another, as `tensor.to(dtype)` does it."""
    if source is target:
        return array
    values = widen(array, source)
    if target is bool_:
        return values != 0
    with np.errstate(all="ignore"):
        return _converted(values, source, target)


def _converted(values: np.ndarray, source: dtype, target: dtype) -> np.ndarray:
    if source.category == COMPLEX and target.category < COMPLEX:
        values = values.real
    if target.category == INT and source.category == FLOAT:
        if target.itemsize < 4 or target is uint32:
            # C casts by way of a wider integer on x86, so that out-of-range values wrap.
            values = values.astype(np.int64)
        elif target is uint64:
            low, high = values.astype(np.int64), values.astype(np.uint64)
            return np.where(values < 2.0**63, low.astype(np.uint64), high)
    return narrow(values, target)


def check_number(value: Any, d: dtype) -> None:
    """Refuse a number that `d` can't hold: RuntimeError, ValueError beyond 64 bits.

    What fits is PyTorch's: any number is a bool, a negative one down to -255 is a uint8 (it wraps,
    as other unsigned ones), infinities are floats, and a finite float must not become infinite (16-bit floats let it).
    """
    top = 2**64 if d is uint64 else 2**63
    if isinstance(value, int) and not -(2**63) <= value < top:
        raise ValueError(f"Overflow when unpacking long long: {value} does not fit in 64 bits")
    if d is bool_ or d.category == FLOAT and isinstance(value, int):
        return
    fits = d.category == COMPLEX or not isinstance(value, complex) or value.imag == 0
    if fits and d.category == INT:
        number = value.real if isinstance(value, complex) else value
        limits = np.iinfo(d.np)
        low = int(limits.min) if d.is_signed else -int(limits.max)
        fits = abs(number) < float("inf") and low <= int(number) <= limits.max
    elif fits and d.itemsize >= 4:
        largest = finfo(d).max
        parts = (value.real, value.imag) if isinstance(value, complex) else (value,)
        fits = not any(largest < abs(p) < float("inf") for p in parts)
    if not fits:
        raise RuntimeError(f"value {value} cannot be converted to type {d} without overflow")
