"""Functions of the array API standard that make arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import flambeau as torch
from flambeau.errors import shown

from .dtypes import result_type

__all__ = [
    "arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like",
    "linspace", "meshgrid", "ones", "ones_like", "tril", "triu", "zeros", "zeros_like",
]  # fmt: skip

Shape = int | tuple[int, ...]


def _shape(shape: Shape) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)


def asarray(
    obj: Any, /, *, dtype: torch.dtype | None = None, device: Any = None, copy: bool | None = None
) -> torch.Tensor:
    """`obj` (numbers, nested sequences of them, arrays, buffers) as an array; see torch.asarray.
    What a memoryview holds is what its format says (torch.asarray goes by `dtype`)."""
    if isinstance(obj, memoryview):
        obj = torch.from_numpy(np.asarray(obj))
    return torch.asarray(obj, dtype=dtype, device=device, copy=copy)


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> torch.Tensor:
    """An array over the memory of anything that speaks DLPack; see torch.from_dlpack."""
    return torch.from_dlpack(x, device=device, copy=copy)


def arange(
    start: Any, /, stop: Any = None, step: Any = 1, *,
    dtype: torch.dtype | None = None, device: Any = None,
) -> torch.Tensor:  # fmt: skip
    """Numbers from start (0) to stop, without stop, by step (1); none where the range is empty."""
    low, high = (0, start) if stop is None else (start, stop)
    if step == 0:
        raise ValueError("arange(): step must be nonzero")
    whole = all(isinstance(x, int) for x in (low, high, step))
    dt = dtype or (torch.int64 if whole else torch.get_default_dtype())
    count = -((low - high) // step) if whole else math.ceil((high - low) / step)
    places = torch.arange(max(count, 0), dtype=torch.int64 if whole else torch.float64, device=device)
    if whole and not (dt.is_floating_point or dt.is_complex):
        return places.to(dt) * step + torch.full((), low, dtype=dt)
    return (places * step + low).to(dt)


def linspace(
    start: Any, stop: Any, /, num: int, *,
    dtype: torch.dtype | None = None, device: Any = None, endpoint: bool = True,
) -> torch.Tensor:  # fmt: skip
    """`num` numbers evenly from start to stop, which `endpoint=False` leaves out."""
    if isinstance(start, complex) or isinstance(stop, complex) or (dtype and dtype.is_complex):
        dt = dtype or torch.get_default_dtype().to_complex()
        parts = [
            linspace(a, b, num, dtype=dt.to_real(), device=device, endpoint=endpoint)
            for a, b in zip(_parts(start), _parts(stop), strict=True)
        ]
        return torch.complex(*parts)
    dt = dtype or torch.get_default_dtype()
    count = num if endpoint or num == 0 else num + 1
    return torch.linspace(start, stop, count, dtype=dt, device=device)[:num]


def _parts(x: complex) -> tuple[float, float]:
    return x.real, x.imag


def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0,
    dtype: torch.dtype | None = None, device: Any = None,
) -> torch.Tensor:  # fmt: skip
    """Ones on the diagonal number k (above the main one where it is positive), zeros elsewhere."""
    cols = n_rows if n_cols is None else n_cols
    rows = torch.arange(n_rows, device=device).reshape(-1, 1)
    return (rows + k == torch.arange(cols)).to(dtype or torch.get_default_dtype())  # type: ignore[no-any-return]


def zeros(shape: Shape, *, dtype: torch.dtype | None = None, device: Any = None) -> torch.Tensor:
    return torch.zeros(_shape(shape), dtype=dtype, device=device)


def ones(shape: Shape, *, dtype: torch.dtype | None = None, device: Any = None) -> torch.Tensor:
    return torch.ones(_shape(shape), dtype=dtype, device=device)


def empty(shape: Shape, *, dtype: torch.dtype | None = None, device: Any = None) -> torch.Tensor:
    return torch.empty(_shape(shape), dtype=dtype, device=device)


def full(
    shape: Shape, fill_value: Any, *, dtype: torch.dtype | None = None, device: Any = None
) -> torch.Tensor:
    """An array of one number, whose type decides the dtype."""
    return torch.full(_shape(shape), fill_value, dtype=dtype, device=device)


def zeros_like(
    x: Any, /, *, dtype: torch.dtype | None = None, device: Any = None
) -> torch.Tensor:
    return torch.zeros_like(x, dtype=dtype, device=device)


def ones_like(x: Any, /, *, dtype: torch.dtype | None = None, device: Any = None) -> torch.Tensor:
    return torch.ones_like(x, dtype=dtype, device=device)


def empty_like(
    x: Any, /, *, dtype: torch.dtype | None = None, device: Any = None
) -> torch.Tensor:
    return torch.empty_like(x, dtype=dtype, device=device)


def full_like(
    x: Any, /, fill_value: Any, *, dtype: torch.dtype | None = None, device: Any = None
) -> torch.Tensor:
    """An array of x's shape and dtype, of one number."""
    return torch.full(tuple(x.shape), fill_value, dtype=dtype or x.dtype, device=device)


def meshgrid(*arrays: Any, indexing: str = "xy") -> tuple[torch.Tensor, ...]:
    """Coordinates of a grid: the first two axes are exchanged for "xy", as they are for "ij"."""
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid(): indexing must be 'xy' or 'ij', got {shown(indexing)}")
    dt = result_type(*arrays) if arrays else None
    if any(x.dtype is not dt for x in arrays):
        raise ValueError("meshgrid(): the arrays must have the same dtype")
    if not arrays:
        return ()
    return tuple(torch.meshgrid(*[x.reshape(-1) for x in arrays], indexing=indexing))


def _need_matrix(name: str, x: Any) -> None:
    if x.ndim < 2:
        raise ValueError(f"{name}(): expected at least 2 dimensions, got {x.ndim}")


def tril(x: Any, /, *, k: int = 0) -> torch.Tensor:
    """The elements on and below the diagonal number k, zeros above it."""
    _need_matrix("tril", x)
    return torch.tril(x, diagonal=k)


def triu(x: Any, /, *, k: int = 0) -> torch.Tensor:
    """The elements on and above the diagonal number k, zeros below it."""
    _need_matrix("triu", x)
    return torch.triu(x, diagonal=k)
