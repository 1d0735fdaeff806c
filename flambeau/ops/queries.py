"""Questions about a tensor that no number has to be computed for, and their like."""

from __future__ import annotations

from typing import Any

from .table import call, row


def _same_size(input: Any, other: Any) -> bool:
    """Whether both have the same shape."""
    return bool(input.shape == other.shape)


row("is_same_size(Tensor input, Tensor other) -> bool", body=_same_size, doc="See body.")  # fmt: skip

row("is_nonzero(Tensor input) -> bool", body=lambda input: bool(input), forms="m",
    doc="Whether the one element is not zero.")  # fmt: skip


def _dim_order(input: Any, *, ambiguity_check: Any = False) -> tuple[int, ...]:
    """The dimensions in the order in which they lie in memory, outermost first."""
    strides = input.stride()
    return tuple(sorted(range(input.ndim), key=lambda d: -strides[d]))


row("dim_order(Tensor input) -> any", body=_dim_order, forms="m", doc="See body.")  # fmt: skip
row("dense_dim(Tensor input) -> int", body=lambda input: input.ndim, forms="m",
    doc="How many dimensions are stored densely: all.")  # fmt: skip
row("sparse_dim(Tensor input) -> int", body=lambda input: 0, forms="m",
    doc="How many dimensions are stored sparsely: none.")  # fmt: skip


def _to_dense(input: Any, dtype: Any = None, *, masked_grad: Any = None) -> Any:
    """The tensor itself, which is dense."""
    return input if dtype is None else input.to(dtype)


row("to_dense(Tensor input, dtype? dtype=None) -> Tensor", body=_to_dense, forms="m", doc="See body.")  # fmt: skip


def _new_empty_strided(input: Any, size: Any, stride: Any, *, dtype: Any = None, **rest: Any) -> Any:
    """A tensor of input's dtype over new memory with the given sizes and strides."""
    return call.empty_strided(size, stride, dtype=dtype or input.dtype, **rest)


row("new_empty_strided(Tensor input, int[] size, int[] stride) -> Tensor", body=_new_empty_strided,
    forms="m", doc="See body.")  # fmt: skip
