"""Statistics, truth and running sums of the array API standard."""

from __future__ import annotations

import math
from typing import Any

import flambeau as torch

from .dtypes import accumulator, axes_of

__all__ = [
    "all", "any", "count_nonzero", "cumulative_prod", "cumulative_sum", "diff", "max", "mean", "min",
    "prod", "std", "sum", "var",
]  # fmt: skip

Axis = int | tuple[int, ...] | None


def _kept(out: Any, x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    """A result without its axes, or with them at size one."""
    if not keepdims:
        return out
    return out.reshape(tuple(1 if i in axes else n for i, n in enumerate(x.shape)))


def _over(name: str, x: Any, axis: Axis, keepdims: bool) -> Any:
    """A reduction of torch's over axes; no axis at all leaves the elements."""
    axes = axes_of(x, axis)
    if not x.ndim:
        return getattr(torch, name)(x)
    return getattr(torch, name)(x, axes, keepdims) if axes else torch.clone(x)


def sum(
    x: Any, /, *, axis: Axis = None, dtype: torch.dtype | None = None, keepdims: bool = False
) -> torch.Tensor:
    """Sums over axes (all); integers in 64 bits, unless `dtype` says otherwise."""
    return _over("sum", x.to(accumulator(x, dtype)), axis, keepdims).to(accumulator(x, dtype))  # type: ignore[no-any-return]


def prod(
    x: Any, /, *, axis: Axis = None, dtype: torch.dtype | None = None, keepdims: bool = False
) -> torch.Tensor:
    """Products over axes (all); integers in 64 bits, unless `dtype` says otherwise."""
    dt = accumulator(x, dtype)
    axes = axes_of(x, axis)
    out = x.to(dt)
    for a in sorted(axes, reverse=True):
        out = torch.prod(out, a, dtype=dt)
    return _kept(out if axes else torch.clone(out), x, axes, keepdims)  # type: ignore[no-any-return]


def mean(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """Means over axes (all)."""
    return _over("mean", x, axis, keepdims)  # type: ignore[no-any-return]


def var(
    x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False
) -> torch.Tensor:
    """Variances over axes (all): squared distances from the mean over N - correction."""
    axes = axes_of(x, axis)
    freedom = math.prod(x.shape[a] for a in axes) - correction
    distance = torch.abs(torch.sub(x, _over("mean", x, axes, True) if x.ndim and axes else x))
    total = _over("sum", torch.square(distance), axes, keepdims)
    return torch.divide(total, freedom if freedom > 0 else 0.0)


def std(
    x: Any, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False
) -> torch.Tensor:
    """Standard deviations over axes (all), over N - correction."""
    return torch.sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def max(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """The largest elements over axes (all); NaN where one is."""
    return _over("amax", x, axis, keepdims)  # type: ignore[no-any-return]


def min(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """The smallest elements over axes (all); NaN where one is."""
    return _over("amin", x, axis, keepdims)  # type: ignore[no-any-return]


def all(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """Whether all elements over axes (all) are nonzero."""
    return _over("all", x.to(torch.bool), axis, keepdims)  # type: ignore[no-any-return]


def any(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """Whether some element over axes (all) is nonzero."""
    return _over("any", x.to(torch.bool), axis, keepdims)  # type: ignore[no-any-return]


def count_nonzero(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> torch.Tensor:
    """How many elements over axes (all) are nonzero, in int64."""
    return _over("sum", x.to(torch.bool).to(torch.int64), axis, keepdims)  # type: ignore[no-any-return]


def _cumulative(
    name: str, x: Any, axis: int | None, dtype: torch.dtype | None, first: int | None
) -> torch.Tensor:
    if x.ndim == 0:
        raise ValueError(f"cumulative_{name}(): expected at least one dimension")
    if axis is None and x.ndim > 1:
        raise ValueError(f"cumulative_{name}(): axis is required for {x.ndim} dimensions")
    (at,) = axes_of(x, 0 if axis is None else axis)
    dt = accumulator(x, dtype)
    out = getattr(torch, f"cum{name}")(x.to(dt), at, dtype=dt)
    if first is None:
        return out  # type: ignore[no-any-return]
    start = torch.full((*x.shape[:at], 1, *x.shape[at + 1 :]), first, dtype=dt)
    return torch.cat([start, out], at)


def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: torch.dtype | None = None,
    include_initial: bool = False,
) -> torch.Tensor:  # fmt: skip
    """Sums of the elements up to each one along an axis; `include_initial` puts a 0 in front."""
    return _cumulative("sum", x, axis, dtype, 0 if include_initial else None)


def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: torch.dtype | None = None,
    include_initial: bool = False,
) -> torch.Tensor:  # fmt: skip
    """Products of the elements up to each one along an axis; `include_initial` puts a 1 in
    front."""
    return _cumulative("prod", x, axis, dtype, 1 if include_initial else None)


def diff(
    x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None
) -> torch.Tensor:
    """Differences of neighbours along an axis, taken n times."""
    (at,) = axes_of(x, axis)
    out = torch.cat([p for p in (prepend, x, append) if p is not None], at)
    for _ in range(n):
        size = out.shape[at]
        if size < 2:
            return torch.narrow(out, at, 0, 0)
        step = torch.ne if out.dtype is torch.bool else torch.sub
        out = step(torch.narrow(out, at, 1, size - 1), torch.narrow(out, at, 0, size - 1))
    return out
