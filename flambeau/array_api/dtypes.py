"""Data types by the array API standard: kinds, promotion, limits, and what the namespace offers."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from typing import Any, NamedTuple

import flambeau as torch
from flambeau.errors import shown

__all__ = [
    "__array_namespace_info__", "astype", "can_cast", "finfo", "iinfo", "isdtype", "result_type",
]  # fmt: skip

SIGNED = (torch.int8, torch.int16, torch.int32, torch.int64)
UNSIGNED = (torch.uint8, torch.uint16, torch.uint32, torch.uint64)
_KINDS: dict[str, tuple[torch.dtype, ...]] = {
    "bool": (torch.bool,),
    "signed integer": SIGNED,
    "unsigned integer": UNSIGNED,
    "integral": SIGNED + UNSIGNED,
    "real floating": (torch.float32, torch.float64),
    "complex floating": (torch.complex64, torch.complex128),
}
_KINDS["numeric"] = _KINDS["integral"] + _KINDS["real floating"] + _KINDS["complex floating"]
_ALL = _KINDS["bool"] + _KINDS["numeric"]
_SCALARS = (bool, int, float, complex)


def is_scalar(x: Any) -> bool:
    return isinstance(x, _SCALARS)


def isdtype(dtype: torch.dtype, kind: Any) -> bool:
    """Whether a dtype is of a kind: a dtype, one of "bool", "signed integer", "unsigned integer",
    "integral", "real floating", "complex floating", "numeric", or a tuple of kinds."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    if isinstance(kind, torch.dtype):
        return dtype is kind
    if kind not in _KINDS:
        raise ValueError(f"isdtype(): unknown kind {shown(kind)}; known are {', '.join(_KINDS)}")
    if dtype.is_floating_point:
        return kind in ("real floating", "numeric")
    if dtype.is_complex:
        return kind in ("complex floating", "numeric")
    return dtype in _KINDS[kind]


def _with_scalar(dt: torch.dtype, scalar: Any) -> torch.dtype:
    """A scalar takes the array's dtype, unless its kind is higher."""
    if isinstance(scalar, bool) or dt.is_complex:
        return dt
    if isinstance(scalar, int):
        return torch.int64 if dt is torch.bool else dt
    if isinstance(scalar, float):
        return dt if dt.is_floating_point else torch.get_default_dtype()
    return (dt if dt.is_floating_point else torch.get_default_dtype()).to_complex()


def result_type(*arrays_and_dtypes: Any) -> torch.dtype:
    """The dtype that operations on these arrays, dtypes and Python numbers give.

    A 0-d array counts as any other, unlike in `torch.result_type`. RuntimeError where no dtype holds
    all.
    """
    found: torch.dtype | None = None
    for x in arrays_and_dtypes:
        if is_scalar(x):
            continue
        dt = x if isinstance(x, torch.dtype) else getattr(x, "dtype", None)
        if not isinstance(dt, torch.dtype):
            raise TypeError(
                f"result_type(): expected arrays, dtypes and numbers, got {type(x).__name__}"
            )
        found = dt if found is None else torch.promote_types(found, dt)
    scalars = [x for x in arrays_and_dtypes if is_scalar(x)]
    if found is None:
        if not scalars:
            raise ValueError("result_type(): at least one array or dtype is required")
        return torch.as_tensor(sum(scalars) if len(scalars) > 1 else scalars[0]).dtype
    for scalar in scalars:
        found = _with_scalar(found, scalar)
    return found


def can_cast(from_: Any, to: torch.dtype, /) -> bool:
    """Whether a dtype (or an array's) goes into another one by promotion: nothing is lost."""
    source = from_ if isinstance(from_, torch.dtype) else from_.dtype
    try:
        return torch.promote_types(source, to) is to
    except RuntimeError:
        return False


def astype(
    x: Any, dtype: torch.dtype, /, *, copy: bool = True, device: Any = None
) -> torch.Tensor:
    """`x` in another dtype; `copy=False` gives `x` itself where it has the dtype already."""
    if not isinstance(dtype, torch.dtype):
        raise TypeError(f"astype(): expected a dtype, got {type(dtype).__name__}")
    if device is not None:
        x = x.to(device)
    return torch.clone(x) if copy and x.dtype is dtype else x.to(dtype)  # type: ignore[no-any-return]


class finfo_object(NamedTuple):
    """Limits of a floating dtype."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: torch.dtype


class iinfo_object(NamedTuple):
    """Limits of an integer dtype."""

    bits: int
    max: int
    min: int
    dtype: torch.dtype


def finfo(type: Any, /) -> finfo_object:
    """Limits of a floating dtype, of a complex one's parts, or of an array's."""
    dt = type if isinstance(type, torch.dtype) else type.dtype
    i = torch.finfo(dt)
    return finfo_object(i.bits, i.eps, i.max, i.min, i.smallest_normal, getattr(torch, i.dtype))


def iinfo(type: Any, /) -> iinfo_object:
    """Limits of an integer dtype, or of an array's."""
    dt = type if isinstance(type, torch.dtype) else type.dtype
    i = torch.iinfo(dt)
    return iinfo_object(i.bits, i.max, i.min, dt)


class __array_namespace_info__:  # noqa: N801
    """What this namespace offers, as the standard's inspection interface asks for it."""

    def capabilities(self) -> dict[str, Any]:
        """Optional features, and the largest number of dimensions."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> torch.device:
        return torch.device("cpu")

    def default_dtypes(self, *, device: Any = None) -> dict[str, torch.dtype]:
        """The dtypes of new arrays by kind."""
        real = torch.get_default_dtype()
        return {"real floating": real, "complex floating": real.to_complex(),
                "integral": torch.int64, "indexing": torch.int64}  # fmt: skip

    def devices(self) -> list[torch.device]:
        return [torch.device("cpu")]

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, torch.dtype]:
        """The standard's dtypes by name, of a kind or a tuple of kinds (all)."""
        return {dt.name: dt for dt in _ALL if kind is None or isdtype(dt, kind)}


def promoted(arrays: Iterable[Any]) -> list[Any]:
    """Arrays and numbers as tensors of their common dtype."""
    given = list(arrays)
    dt = result_type(*given)
    return [torch.full((), x, dtype=dt) if is_scalar(x) else x.to(dt) for x in given]


def accumulator(x: Any, dtype: torch.dtype | None) -> torch.dtype:
    """The dtype that sums and products are taken in: at least 64 bits for integers."""
    if dtype is not None:
        return dtype
    if x.dtype in UNSIGNED:
        return torch.uint64
    return torch.int64 if x.dtype in SIGNED or x.dtype is torch.bool else x.dtype


def axes_of(x: Any, axis: Any) -> tuple[int, ...]:
    """Axes as a tuple of distinct non-negative numbers; None is all of them."""
    n = x.ndim
    if axis is None:
        return tuple(builtins.range(n))
    out = tuple(_one_axis(a, n) for a in (axis if isinstance(axis, tuple) else (axis,)))
    if len(set(out)) != len(out):
        raise ValueError(f"an axis is given twice: {axis}")
    return out


def _one_axis(axis: int, n: int) -> int:
    if not -n <= axis < n:
        raise IndexError(f"axis {axis} is out of bounds for an array of dimension {n}")
    return axis % n
