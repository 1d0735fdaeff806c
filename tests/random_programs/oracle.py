"""The oracle: the part of torch's namespace that random programs use, on NumPy alone, eager.

It stands where `torch` stands in a program. It raises PyTorch's exception types, and `Undefined`
where PyTorch's own result depends on chance; such lines are not generated.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.random_programs import (
    indexing,  # noqa: F401  (gives tensors their methods)
)
from tests.random_programs.operations import (
    DEFAULT_FLOAT,
    cat,
    matmul,
    pointwise,
    reduction,
    stack,
)
from tests.random_programs.rows import POINTWISE, REDUCTIONS
from tests.random_programs.tape import Undefined
from tests.random_programs.tensor import Storage, Tensor, fresh, gradients_of, no_grad, reset

__all__ = ["Tensor", "Undefined", "cat", "matmul", "no_grad", "reset", "stack"]

float32, float64 = np.dtype(np.float32), np.dtype(np.float64)
uint8, int32, int64 = np.dtype(np.uint8), np.dtype(np.int32), np.dtype(np.int64)


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """As `torch.tensor`: always a copy; Python floats become the default dtype."""
    values = np.asarray(data)
    if dtype is None and not isinstance(data, np.ndarray) and values.dtype.kind == "f":
        dtype = DEFAULT_FLOAT
    result = fresh(values.astype(dtype or values.dtype))
    result.loose = not values.flags.c_contiguous
    return result.requires_grad_() if requires_grad else result


def full(shape: Sequence[int], value: Any, dtype: Any = None) -> Tensor:
    """As `torch.full`."""
    kinds = {bool: np.dtype(bool), int: int64}
    return fresh(np.full(tuple(shape), value, dtype or kinds.get(type(value), DEFAULT_FLOAT)))


def zeros(
    shape: tuple[int, ...], dtype: Any = DEFAULT_FLOAT, requires_grad: bool = False
) -> Tensor:
    """As `torch.zeros`."""
    return tensor(np.zeros(shape, dtype), requires_grad=requires_grad)


def ones(shape: tuple[int, ...], dtype: Any = DEFAULT_FLOAT, requires_grad: bool = False) -> Tensor:
    """As `torch.ones`."""
    return tensor(np.ones(shape, dtype), requires_grad=requires_grad)


def eye(n: int, m: int) -> Tensor:
    """As `torch.eye`."""
    return fresh(np.eye(n, m, dtype=DEFAULT_FLOAT))


def arange(*bounds: float, dtype: Any = None) -> Tensor:
    """As `torch.arange`."""
    values = np.arange(*bounds)
    kind = DEFAULT_FLOAT if values.dtype.kind == "f" else int64
    return fresh(values.astype(dtype or kind))


def zeros_like(like: Tensor) -> Tensor:
    """As `torch.zeros_like`."""
    return fresh(np.zeros(like.shape, like.dtype), [like])


def ones_like(like: Tensor) -> Tensor:
    """As `torch.ones_like`."""
    return fresh(np.ones(like.shape, like.dtype), [like])


def from_numpy(array: np.ndarray) -> Tensor:
    """As `torch.from_numpy`: a tensor over the array's own memory."""
    if any(stride < 0 for stride in array.strides):
        raise ValueError("oracle: an array with negative strides")
    if array.size == 0:
        raise Undefined("memory of an empty array")
    strides = tuple(stride // array.itemsize for stride in array.strides)
    extent = 1 + sum((n - 1) * s for n, s in zip(array.shape, strides, strict=True))
    memory = np.lib.stride_tricks.as_strided(array, (extent,), (array.itemsize,))
    return Tensor(Storage(memory), array.shape, strides)


as_tensor = from_numpy


def _grad(
    output: Tensor, inputs: Sequence[Tensor], retain_graph: bool = False
) -> tuple[Tensor, ...]:
    grads, _ = gradients_of(output, None, retain_graph, inputs)
    results = tuple(fresh(grads[leaf.slots].astype(leaf.dtype)) for leaf in inputs)
    for result in results:
        result.loose_version = True
    return results


autograd = SimpleNamespace(grad=_grad)


def _function(name: str) -> Any:
    def function(*operands: Any, out: Tensor | None = None) -> Tensor:
        return pointwise(name, *operands, out=out)

    return function


def _reduction(name: str) -> Any:
    def function(t: Tensor, *where: Any, out: Tensor | None = None) -> Tensor:
        return reduction(name, t, *where, **({} if out is None else {"out": out}))

    return function


_ROWS: dict[str, Any] = {
    **{name: _function(name) for name in POINTWISE},
    **{name: _reduction(name) for name in REDUCTIONS},
    "bool": np.dtype(np.bool_),
}


def __getattr__(name: str) -> Any:
    """The rows as functions: `oracle.add`, `oracle.sum`. Their names would hide Python's own."""
    if name in _ROWS:
        return _ROWS[name]
    raise AttributeError(f"the oracle has no {name}")
