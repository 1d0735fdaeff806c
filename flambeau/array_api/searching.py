"""Searching, sorting and sets of the array API standard."""

from __future__ import annotations

from typing import Any, NamedTuple

import flambeau as torch
from flambeau.errors import shown

from .dtypes import promoted

__all__ = [
    "argmax", "argmin", "argsort", "nonzero", "searchsorted", "sort", "unique_all", "unique_counts",
    "unique_inverse", "unique_values", "where",
]  # fmt: skip


def argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> torch.Tensor:
    """Where the largest element is, along an axis or in the flattened array."""
    return torch.argmax(x, axis, keepdims)


def argmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> torch.Tensor:
    """Where the smallest element is, along an axis or in the flattened array."""
    return torch.argmin(x, axis, keepdims)


def argsort(
    x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> torch.Tensor:
    """The indices that sort along an axis."""
    return torch.sort(x, dim=axis, descending=descending, stable=stable)[1]


def sort(
    x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True
) -> torch.Tensor:
    """The elements in order along an axis."""
    return torch.sort(x, dim=axis, descending=descending, stable=stable)[0]


def nonzero(x: Any, /) -> tuple[torch.Tensor, ...]:
    """The indices of the elements that are not zero, for each axis. ValueError for 0-d arrays."""
    if x.ndim == 0:
        raise ValueError("nonzero(): expected at least one dimension")
    return tuple(torch.nonzero(x, as_tuple=True))


def searchsorted(
    x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None
) -> torch.Tensor:
    """Where the elements of x2 would go in the sorted vector x1, before equal ones ("left") or
    behind them ("right"). `sorter` are indices that sort x1."""
    if side not in ("left", "right"):
        raise ValueError(f"searchsorted(): side must be 'left' or 'right', got {shown(side)}")
    table, values = promoted((x1, x2))
    if sorter is not None:
        table = torch.index_select(table, 0, sorter.to(torch.int64))
    return torch.searchsorted(table, values.contiguous(), side=side)


def where(condition: Any, x1: Any, x2: Any, /) -> torch.Tensor:
    """Elements of x1 where the condition is true, of x2 elsewhere."""
    return torch.where(condition, *promoted((x1, x2)))


class unique_all_result(NamedTuple):
    values: torch.Tensor
    indices: torch.Tensor
    inverse_indices: torch.Tensor
    counts: torch.Tensor


class unique_counts_result(NamedTuple):
    values: torch.Tensor
    counts: torch.Tensor


class unique_inverse_result(NamedTuple):
    values: torch.Tensor
    inverse_indices: torch.Tensor


def _order(x: Any) -> Any:
    """The indices that sort a vector, equal elements staying in order; complex numbers by their
    real parts, then by their imaginary ones."""
    if not x.is_complex():
        return torch.sort(x, stable=True)[1]
    by_imag = torch.sort(torch.imag(x), stable=True)[1]
    return by_imag[torch.sort(torch.real(x)[by_imag], stable=True)[1]]


def unique_all(x: Any, /) -> unique_all_result:
    """The distinct elements in order, where each is first, which one each element of x is, and how
    often each is there. Each NaN is distinct."""
    flat = torch.reshape(x, (-1,))
    flat = torch.Tensor.detach(flat)
    order = _order(flat)
    ordered = flat[order]
    n = flat.numel()
    first = torch.ones((n,), dtype=torch.bool)
    if n > 1:
        first[1:] = torch.ne(ordered[1:], ordered[:-1])
    starts = torch.nonzero(first)[:, 0]
    inverse = torch.empty((n,), dtype=torch.int64)
    inverse[order] = torch.cumsum(first.to(torch.int64), 0) - 1
    counts = torch.diff(starts, append=torch.full((1,), n, dtype=torch.int64))
    return unique_all_result(ordered[starts], order[starts], inverse.reshape(x.shape), counts)


def unique_counts(x: Any, /) -> unique_counts_result:
    """The distinct elements, and how often each is there."""
    found = unique_all(x)
    return unique_counts_result(found.values, found.counts)


def unique_inverse(x: Any, /) -> unique_inverse_result:
    """The distinct elements, and which one each element of x is."""
    found = unique_all(x)
    return unique_inverse_result(found.values, found.inverse_indices)


def unique_values(x: Any, /) -> torch.Tensor:
    """The distinct elements."""
    return unique_all(x).values
