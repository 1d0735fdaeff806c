"""`Array`: a Tensor whose operators and indexing are the array API standard's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flambeau as torch

from . import elementwise, products
from .dtypes import is_scalar

OPERATORS = {
    "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide",
    "floordiv": "floor_divide", "mod": "remainder", "pow": "pow", "and": "bitwise_and",
    "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift", "matmul": "matmul",
}  # fmt: skip
COMPARISONS = {
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
    "ge": "greater_equal",
}  # fmt: skip


class Count(int):
    """How many elements: the standard's attribute `x.size`, which as PyTorch's method `x.size(dim)`
    gives the shape or one size."""

    shape: torch.Size

    def __call__(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]


class Array(torch.Tensor):
    """A tensor in the array API standard's meaning, where PyTorch's differs:

    - operators promote by dtypes alone (PyTorch lets 0-d tensors give way);
    - indices may be of any integer dtype;
    - `size` is a number.

    Everything else is Tensor's, and a Tensor goes wherever an Array does.
    """

    @property
    def size(self) -> Any:  # type: ignore[override]
        """How many elements; callable as PyTorch's `size()`."""
        count = Count(self.numel())
        count.shape = self.shape
        return count

    def __getitem__(self, index: Any) -> Any:
        return as_array(torch.Tensor.__getitem__(self, _index(index)), (self,))

    def __setitem__(self, index: Any, value: Any) -> None:
        torch.Tensor.__setitem__(self, _index(index), value)

    def __iter__(self) -> Any:
        return iter([as_array(x, (self,)) for x in torch.Tensor.__iter__(self)])

    def __neg__(self) -> Any:
        return as_array(torch.neg(self), (self,))

    def __abs__(self) -> Any:
        return as_array(torch.abs(self), (self,))

    def __invert__(self) -> Any:
        return as_array(torch.Tensor.__invert__(self), (self,))

    def __pos__(self) -> Any:
        return self

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        """The array on a device; see Tensor.to_device."""
        return as_array(torch.Tensor.to_device(self, device, stream=stream), (self,))

    @property
    def T(self) -> Any:  # noqa: N802
        """A matrix transposed. ValueError for other numbers of dimensions."""
        if self.ndim != 2:
            raise ValueError(f"x.T needs 2 dimensions, got {self.ndim}; x.mT takes the last two")
        return as_array(torch.transpose(self, 0, 1), (self,))

    @property
    def mT(self) -> Any:  # noqa: N802
        """The last two dimensions exchanged."""
        return as_array(products.matrix_transpose(self), (self,))


def as_array(x: Any, given: tuple[Any, ...] = ()) -> Any:
    """A tensor as an Array: a new one changes its class, one that was given stays as it is."""
    if x.__class__ is Array or not isinstance(x, torch.Tensor):
        return x
    if x.__class__ is not torch.Tensor or any(x is g for g in given):
        x = torch.Tensor.__getitem__(x, ...)
    x.__class__ = Array
    return x


def arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with Arrays for the tensors that it returns."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        found = function(*args, **kwargs)
        given = (*args, *kwargs.values())
        if isinstance(found, tuple):
            flat = [*given, *(x for a in given if isinstance(a, (tuple, list)) for x in a)]
            parts = [as_array(x, tuple(flat)) for x in found]
            return type(found)(*parts) if hasattr(found, "_fields") else tuple(parts)
        return as_array(found, given)

    return wrapped


def _index(index: Any) -> Any:
    """An index with integer arrays in int64, and negative steps that are meant."""
    return tuple(_item(i) for i in index) if isinstance(index, tuple) else _item(index)


def _item(i: Any) -> Any:
    if isinstance(i, torch.Tensor) and i.dtype is not torch.bool and not i.dtype.is_floating_point:
        return i.to(torch.int64)
    if isinstance(i, slice) and i.step is not None and i.step < 0:
        return slice(i.start, i.stop, torch._BackwardStep(i.step))
    return i


def _binary(name: str, function: Callable[[Any, Any], Any], reflected: bool) -> Any:
    def operator(self: Any, other: Any, /) -> Any:
        if not (isinstance(other, torch.Tensor) or is_scalar(other)):
            return NotImplemented
        return as_array(function(other, self) if reflected else function(self, other))

    operator.__name__ = operator.__qualname__ = f"__{'r' if reflected else ''}{name}__"
    return operator


def _in_place(name: str, function: Callable[[Any, Any], Any]) -> Any:
    def operator(self: Any, other: Any, /) -> Any:
        if not (isinstance(other, torch.Tensor) or is_scalar(other)):
            return NotImplemented
        found = function(self, other)
        if found.dtype is not self.dtype or found.shape != self.shape:
            raise TypeError(
                f"__i{name}__: the result is {found.dtype} of shape {list(found.shape)}, it does not "
                f"go into {self.dtype} of shape {list(self.shape)}"
            )
        return self.copy_(found)

    operator.__name__ = operator.__qualname__ = f"__i{name}__"
    return operator


def _install() -> None:
    for name, known in OPERATORS.items():
        function = products.matmul if name == "matmul" else getattr(elementwise, known)
        setattr(Array, f"__{name}__", _binary(name, function, False))
        setattr(Array, f"__r{name}__", _binary(name, function, True))
        setattr(Array, f"__i{name}__", _in_place(name, function))
    for name, known in COMPARISONS.items():
        setattr(Array, f"__{name}__", _binary(name, getattr(elementwise, known), False))
    Array.__hash__ = torch.Tensor.__hash__  # type: ignore[method-assign]


_install()
