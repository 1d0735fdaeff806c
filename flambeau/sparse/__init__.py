"""`torch.sparse`: what programs on graphs use of it, sparse matrices as lists of coordinates.

There is one layout, COO. Products, sums and softmax are computed from indices and values; the rest
asks for `to_dense()`.
"""

from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau.errors import refusing, shown

from ._coo import SparseTensor, coo, to_sparse
from ._functions import addmm, product, softmax_of, sum_of

__all__ = ["SparseTensor", "addmm", "log_softmax", "mm", "softmax", "sum", "to_sparse"]


def mm(mat1: Any, mat2: Any, reduce: str = "sum") -> Any:
    """The product of a sparse matrix and a dense or sparse one."""
    if reduce != "sum":
        raise NotImplementedError(
            f"torch.sparse.mm: reduce={shown(reduce)} is lacking, 'sum' is there"
        )
    return product(mat1, mat2)


def sum(input: Any, dim: Any = None, dtype: Any = None) -> Any:
    """The sum of all values, or a sparse tensor of the sums over some dimensions."""
    return sum_of(input, dim, dtype=dtype)


def softmax(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Softmax over the elements that are there: the others count as minus infinity."""
    return softmax_of(input, dim, dtype=dtype)


def log_softmax(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """The logarithm of `softmax`."""
    return softmax_of(input, dim, log=True, dtype=dtype)


class _Old:
    """`torch.sparse.FloatTensor` and its like: made from indices, values and a size."""

    def __init__(self, name: str, dtype: Any) -> None:
        self.__name__, self._dtype = name, dtype

    def __call__(self, *args: Any) -> Any:
        if len(args) >= 2 and isinstance(args[0], torch.Tensor):
            return coo(args[0], args[1].to(self._dtype), *args[2:])
        size = args[0] if len(args) == 1 else args
        empty = torch.zeros(0, dtype=self._dtype)
        return coo(torch.zeros(len(size), 0, dtype=torch.int64), empty, size)


FloatTensor = _Old("FloatTensor", torch.float32)
DoubleTensor = _Old("DoubleTensor", torch.float64)
LongTensor = _Old("LongTensor", torch.int64)
IntTensor = _Old("IntTensor", torch.int32)

# torch.sparse_coo_tensor, torch.spmm and the rest of the main namespace come from here too.
sparse_coo_tensor = coo
spmm = dsmm = hspmm = smm = product

__getattr__ = refusing(__name__)
