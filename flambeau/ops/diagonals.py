"""Triangles and diagonals of matrices."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from ..core.layout import contiguous_strides, wrap_dim
from ..runtime.shortage import room
from .core import strided
from .lowering import moves as low
from .lowering import reductions
from .table import Spec, call, row
from .views import diagonal_layout, put_back


def _matrix_rule(x: Aval, diagonal: int) -> Spec:
    if x.ndim < 2:
        raise RuntimeError(f"input tensor must have at least 2 dimensions, got {list(x.shape)}")
    return Spec(x)


def _triangle(find: Any) -> Any:
    """Of empty matrices NumPy would make a mask first, however long they are."""
    return lambda x, diagonal: find(x, _near(diagonal, *x.shape[-2:])) if x.size else x


def _near(diagonal: int, rows: int, columns: int) -> int:
    """The same triangle's diagonal, without a number that NumPy can't count with."""
    return max(-rows - 1, min(diagonal, columns + 1))


for _name, _np in (("triu", np.triu), ("tril", np.tril)):
    row(
        f"{_name}(Tensor input, int diagonal=0) -> Tensor", rule=_matrix_rule, moves=True,
        numpy=_triangle(_np), forms="fmio", out="exact",
        lower=low.triangle(_name == "triu"),
        grads={"input": (lambda n: lambda grad, diagonal: getattr(grad, n)(diagonal))(_name)},
        samples=lambda m: [((m(3, 3),), {}), ((m(2, 3, 4), 1), {}), ((m(3, 2), -1), {}), ((m(0, 2),), {})],
        doc=f"The {'upper' if _name == 'triu' else 'lower'} triangle of matrices, zeros elsewhere.",
    )  # fmt: skip


def _indices_of(name: str) -> Any:
    find = np.triu_indices if name == "triu" else np.tril_indices

    def indices(
        row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None,
        layout: Any = None, pin_memory: bool = False,
    ) -> Any:  # fmt: skip
        dt = dtypes.int64 if dtype is None else dtype
        for size, what in ((row, "row"), (col, "col")):
            if size < 0:
                raise RuntimeError(f"{name}_indices(): {what} must be non-negative, got {size}")
        if dt not in (dtypes.int64, dtypes.int32):
            raise RuntimeError(f'"{name}_indices" not implemented for {dt}')
        # NumPy's unsigned numbers would wrap around
        row, col, offset = map(operator.index, (row, col, offset))
        room(row * col, f"{name}_indices")
        made = call.tensor_of(np.array(find(row, _near(offset, row, col), col)).astype(dt.np), dt)
        return made if device is None else made.to(device)

    indices.__doc__ = f"(2, n) row and column indices of a {name[2:]} triangle, row by row."
    return indices


row("triu_indices(int row, int col, int offset=0) -> Tensor", forms="f", body=_indices_of("triu"),
    samples=lambda m: [((3, 4), {}), ((2, 3, 1), {})],
    doc="See body.")  # fmt: skip
row("tril_indices(int row, int col, int offset=0) -> Tensor", forms="f", body=_indices_of("tril"),
    samples=lambda m: [((3, 4), {}), ((2, 3, -1), {})],
    doc="See body.")  # fmt: skip


def _embed_rule(x: Aval, offset: int, dim1: int, dim2: int) -> Spec:
    n = x.ndim + 1
    a, b = wrap_dim(dim1, n), wrap_dim(dim2, n)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    if not x.ndim:
        raise RuntimeError("expected a tensor with at least one dimension, got a 0-d tensor")
    size = x.shape[-1] + abs(offset)
    shape = list(x.shape[:-1])
    for d in sorted((a, b)):
        shape.insert(d, size)
    return Spec(x.with_shape(tuple(shape)))


def _embed(x: np.ndarray, offset: int, dim1: int, dim2: int) -> np.ndarray:
    shape = tuple(_embed_rule(aval(x.shape, dtypes.bool_), offset, dim1, dim2).aval.shape)
    out = np.zeros(shape, x.dtype)
    found = diagonal_layout(shape, contiguous_strides(shape), 0, offset, dim1, dim2)
    if 0 not in found.shape:
        strided(out, *found)[...] = x
    return out


row(
    "diag_embed(Tensor input, int offset=0, int dim1=-2, int dim2=-1) -> Tensor",
    rule=_embed_rule, numpy=_embed, moves=True,
    lower=low.diag_embed,
    grads={"input": lambda grad, offset, dim1, dim2: grad.diagonal(offset, dim1, dim2)},
    samples=lambda m: [((m(3),), {}), ((m(2, 3), 1), {}), ((m(2, 2), 0, 0, 2), {}), ((m(2, 3), -1, 2, 0), {})],
    doc="The last dimension as the diagonal of a new matrix in dimensions dim1 and dim2.",
)  # fmt: skip


def _diag(input: Any, diagonal: int = 0) -> Any:
    """A vector as the diagonal of a matrix, or the diagonal of a matrix as a vector."""
    if input.ndim == 1:
        return call.diag_embed(input, diagonal)
    if input.ndim == 2:
        return input.diagonal(diagonal).clone()
    raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")


row("diag(Tensor input, int diagonal=0) -> Tensor", body=_diag, forms="fmo", out="exact",
    samples=lambda m: [((m(3),), {}), ((m(2, 3), 1), {})], doc="See body.")  # fmt: skip

row("diagflat(Tensor input, int offset=0) -> Tensor",
    body=lambda input, offset=0: call.diag_embed(input.reshape(-1), offset),
    samples=lambda m: [((m(2, 2),), {}), ((m(), 1), {})],
    doc="All elements as the diagonal of a matrix.")  # fmt: skip


def _trace_rule(x: Aval) -> Spec:
    if x.ndim != 2:
        raise RuntimeError(f"expected a matrix, but got tensor with dim {x.ndim}")
    dt = dtypes.int64 if x.dtype.category < dtypes.FLOAT else x.dtype
    return Spec(aval((), dt, x.device), dt)


def _trace_grad(grad: Any, shape: Any) -> Any:
    return put_back(grad.expand((min(shape),)), shape, diagonal_layout, 0, 0, 1)


row(
    "trace(Tensor input) -> Tensor", rule=_trace_rule, numpy=np.trace,
    lower=reductions.trace,
    grads={"input": lambda grad, input_shape: _trace_grad(grad, tuple(input_shape))},
    samples=lambda m: [((m(3, 3),), {}), ((m(2, 3),), {}), ((m(0, 2),), {})],
    doc="The sum of a matrix's diagonal.",
)  # fmt: skip


def _fill_diagonal_rule(x: Aval, value: type, wrap: bool) -> Spec:
    if x.ndim < 2:
        raise RuntimeError("dimensions must larger than 1")
    if x.ndim > 2 and len(set(x.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    if value is complex and not x.dtype.is_complex:
        raise RuntimeError(f"value cannot be converted to type {x.dtype} without overflow")
    return Spec(x, x.dtype)


def _fill_diagonal(x: np.ndarray, value: Any, wrap: bool) -> np.ndarray:
    out = x.copy(order="C")
    if out.size:
        np.fill_diagonal(out, value, wrap)
    return out


row(
    "fill_diagonal(Tensor input, Scalar fill_value, bool wrap=False) -> Tensor",
    rule=_fill_diagonal_rule, numpy=_fill_diagonal, forms="i",
    lower=low.fill_diagonal,
    grads={"input": lambda grad, wrap: call.fill_diagonal(grad, 0, wrap)},
    samples=lambda m: [((m(3, 3), 2.5), {}), ((m(5, 2), 1), {"wrap": True}), ((m(2, 2, 2), 0), {})],
    doc="input with a number on its main diagonal; `wrap` starts it again in tall matrices.",
)  # fmt: skip
