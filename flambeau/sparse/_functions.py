"""Products, sums and softmax of sparse tensors, and what else is defined for them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import flambeau as torch
from flambeau.errors import shown

from ._coo import FUNCTIONS, SparseTensor, to_sparse

__all__ = ["addmm", "product", "softmax_of", "sum_of"]


def product(a: Any, b: Any, *, out: None = None) -> Any:
    """Products with one or two sparse matrices; dense unless both are sparse."""
    _tensors("mm", a, b)
    if not a.is_sparse and not b.is_sparse:
        return torch.mm(a, b)
    if not a.is_sparse:
        return product(_transposed(b), a.t() if a.dim() == 2 else a).t()
    if a.dim() != 2 or a.dense_dim() or b.dim() not in (1, 2) or a.shape[1] != b.shape[0]:
        raise RuntimeError(
            f"mm: a sparse matrix {tuple(a.shape)} and {tuple(b.shape)} cannot be multiplied: "
            f"the second needs {a.shape[-1]} rows"
        )
    if b.is_sparse:
        return to_sparse(product(a, b.to_dense()))
    row, column = a._where
    picked = b[column]
    values = a._kept if b.dim() == 1 else a._kept.unsqueeze(1)
    result = picked.new_zeros(a.shape[0], *b.shape[1:])
    return result.index_add(0, row, values * picked)


def _tensors(name: str, *given: Any) -> None:
    for x in given:
        if not isinstance(x, torch.Tensor):
            raise TypeError(f"sparse.{name}(): expected a Tensor, not {type(x).__name__}")


def _sparse(name: str, x: Any) -> None:
    _tensors(name, x)
    if not x.is_sparse:
        raise RuntimeError(f"sparse.{name}(): expected a sparse tensor, got a dense one")


def addmm(input: Any, a: Any, b: Any, *, beta: float = 1, alpha: float = 1, out: None = None) -> Any:
    """`beta * input + alpha * (a @ b)`."""
    return input * beta + product(a, b) * alpha


def _add(a: Any, b: Any, *, alpha: float = 1, out: None = None) -> Any:
    if not isinstance(b, torch.Tensor):
        raise RuntimeError(
            "add(sparse, number): every element would be there; call to_dense() first"
        )
    if a.shape != b.shape:
        raise RuntimeError(
            f"add: expected 'self' and 'other' to have same size, but {tuple(a.shape)} != "
            f"{tuple(b.shape)}"
        )
    if a.is_sparse and b.is_sparse:
        where = torch.cat([a._where, b._where], 1)
        return SparseTensor(where, torch.cat([a._kept, b._kept * alpha]), a.shape)
    dense = [x.to_dense() if x.is_sparse else x for x in (a, b)]
    return dense[0] + dense[1] * alpha


def _mul(a: Any, b: Any, *, out: None = None) -> Any:
    if not isinstance(a, SparseTensor):
        a, b = b, a
    if not isinstance(b, torch.Tensor) or b.dim() == 0:
        return a._with(a._kept * b)
    if b.is_sparse:
        a, b = a.coalesce(), b.to_dense()
    b = b.expand(a.shape)
    return a._with(a._kept * b[tuple(a._where)])


def _axis(name: str, dim: Any, x: Any) -> int:
    """A dimension of x, counted from the front. TypeError for what is no number, IndexError
    outside."""
    try:
        found = operator.index(None if isinstance(dim, bool) else dim)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name}(): argument 'dim' must be int, not {shown(dim)}") from None
    bound = max(x.dim(), 1)
    if not -bound <= found < bound:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-bound}, {bound - 1}], "
            f"but got {shown(found)})"
        )
    return found % bound


def _transposed(x: Any, dim0: int = 0, dim1: int = 1) -> Any:
    if x.dim() < 2:
        return x
    axes = [_axis("transpose", dim, x) for dim in (dim0, dim1)]
    if max(axes) >= x.sparse_dim():
        raise RuntimeError("transpose: a dense dimension of a sparse tensor stays where it is")
    order, size = list(range(x.sparse_dim())), list(x.shape)
    order[axes[0]], order[axes[1]] = axes[1], axes[0]
    size[axes[0]], size[axes[1]] = x.shape[axes[1]], x.shape[axes[0]]
    return SparseTensor(x._where[order], x._kept, size)


def sum_of(x: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """The sum of all, a dense number; over some dimensions a sparse tensor."""
    _sparse("sum", x)
    values = x._kept if dtype is None else x._kept.to(dtype)
    if dim is None:
        return values.sum()
    several = isinstance(dim, (list, tuple))
    gone = {_axis("sum", d, x) for d in (dim if several else [dim])}
    if not gone:
        return x._with(values)
    if keepdim or max(gone) >= x.sparse_dim():
        dense = x.to_dense().sum(sorted(gone), keepdim)
        return to_sparse(dense) if keepdim else dense
    left = [axis for axis in range(x.sparse_dim()) if axis not in gone]
    if not left:
        return values.sum(0)
    size = [length for axis, length in enumerate(x.shape) if axis not in gone]
    return SparseTensor(x._where[left], values, size).coalesce()


def softmax_of(x: Any, dim: int, *, log: bool = False, dtype: Any = None) -> Any:
    """Softmax over the elements that are there, along a dimension of a matrix."""
    name = "log_softmax" if log else "softmax"
    _sparse(name, x)
    x = x.coalesce()
    if x.dim() != 2 or x.dense_dim():
        raise RuntimeError(f"softmax of a sparse tensor of shape {tuple(x.shape)}: only of matrices")
    along = _axis(name, dim, x)
    line = x._where[1 - along]
    values = x._kept if dtype is None else x._kept.to(dtype)
    count = x.shape[1 - along]
    top = values.new_full((count,), float("-inf")).scatter_reduce(0, line, values.detach(), "amax")
    shifted = values - top[line]
    total = values.new_zeros(count).index_add(0, line, shifted.exp())[line]
    return x._with(shifted - total.log() if log else shifted.exp() / total)


def _copy_(x: Any, source: Any, non_blocking: bool = False) -> Any:
    """Take over another sparse tensor's elements."""
    if not source.is_sparse or source.shape != x.shape:
        raise RuntimeError(
            f"copy_() into a sparse tensor of shape {tuple(x.shape)} takes a sparse one of that "
            f"shape, not {tuple(source.shape)} of layout {source.layout}"
        )
    x._where, x._summed = source._where.clone(), source._summed
    x._kept = source._kept.detach().to(x.dtype).clone()
    return x


def _moved(x: Any, *args: Any, **kwargs: Any) -> Any:
    return x._with(x._kept.to(*args, **kwargs))


def _of_values(name: str, evenly: bool) -> Callable[..., Any]:
    """A function that leaves 0 as it is, and so works on the values alone.

    Where it is not linear (`evenly` False), values at one index are added first.
    """

    def apply(x: Any, *args: Any, **kwargs: Any) -> Any:
        _sparse(name, x)
        x = x if evenly else x.coalesce()
        return x._with(getattr(x._kept, name)(*args, **kwargs))

    return apply


_LINEAR = """clone detach neg float double half bfloat16 long int cpu cuda contiguous type""".split()
_OTHERS = "abs sqrt sin tanh relu sign pow square expm1 log1p round floor ceil".split()

FUNCTIONS |= {
    **{name: _of_values(name, True) for name in _LINEAR},
    **{name: _of_values(name, False) for name in _OTHERS},
    **dict.fromkeys(("mm", "matmul", "spmm", "mv", "dsmm", "hspmm", "smm"), product),
    **dict.fromkeys(("addmm", "sspaddmm"), addmm),
    **dict.fromkeys(("mul", "multiply"), _mul),
    "add": _add,
    "sub": lambda a, b, *, alpha=1: _add(a, b, alpha=-alpha),
    "div": SparseTensor.__truediv__,
    "sum": sum_of,
    "to": _moved,
    "copy_": _copy_,
    "t": _transposed,
    "transpose": _transposed,
    "softmax": softmax_of,
    "log_softmax": lambda x, dim, dtype=None: softmax_of(x, dim, log=True, dtype=dtype),
    "to_sparse": to_sparse,
    "zeros_like": lambda x: SparseTensor(x._where[:, :0], x._kept[:0], x.shape, True),
}
