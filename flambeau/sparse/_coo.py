"""Sparse tensors as lists of coordinates, in terms of dense ones: indices and values.

Everything here is indexing and `index_add` of ordinary tensors, so gradients reach the values and
the dense operands by ordinary means. What has no entry in `FUNCTIONS` refuses by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flambeau as torch

__all__ = ["FUNCTIONS", "SparseTensor", "coo", "to_sparse"]


FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""What functions and methods of these names do with sparse tensors; see `_functions`."""


class SparseTensor(torch.Tensor):
    """A tensor of which only some elements are there: `indices` (sparse_dim, nnz) and `values`.

    `values` is (nnz, *dense dimensions). Indices that occur more than once add up; `coalesce`
    adds them. Of the elements of the tensor that it is a subclass of there is only a zero.
    """

    _where: torch.Tensor
    _kept: torch.Tensor
    _summed: bool

    def __new__(cls, indices: Any, values: Any, size: Sequence[int], summed: bool = False) -> Any:
        made: Any = torch.zeros((), dtype=values.dtype, device=values.device).expand(tuple(size)).as_subclass(cls)
        made._where, made._kept, made._summed = indices, values, summed
        return made

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name in _OF_ALL:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **(kwargs or {}))
        found = FUNCTIONS.get(name)
        if found is None:
            raise NotImplementedError(
                f"{name}() takes no sparse tensor: call to_dense() on it first, or work on its "
                "indices() and values()"
            )
        return found(*args, **(kwargs or {}))

    # --- what it is ---------------------------------------------------------------------------

    @property
    def is_sparse(self) -> bool:  # type: ignore[override]
        return True

    @property
    def layout(self) -> Any:
        """`torch.sparse_coo`."""
        return torch.sparse_coo

    @property
    def requires_grad(self) -> bool:
        return bool(self._kept.requires_grad)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self._kept.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        self._kept.requires_grad_(requires_grad)
        return self

    @property  # type: ignore[misc]
    def grad(self) -> Any:  # type: ignore[override]
        """The gradient of the values, at their places."""
        found = self._kept.grad
        return None if found is None else self._with(found)

    @property
    def grad_fn(self) -> Any:
        return self._kept.grad_fn

    @property
    def is_leaf(self) -> bool:
        return bool(self._kept.is_leaf)

    def _nnz(self) -> int:
        return int(self._where.size(1))

    def _indices(self) -> Any:
        return self._where

    def _values(self) -> Any:
        return self._kept

    def indices(self) -> Any:
        """The indices (sparse_dim, nnz), each once. Raises `RuntimeError` before `coalesce`."""
        self._needs_summed("indices")
        return self._where

    def values(self) -> Any:
        """The values at `indices`. Raises `RuntimeError` before `coalesce`."""
        self._needs_summed("values")
        return self._kept

    def _needs_summed(self, name: str) -> None:
        if not self._summed:
            raise RuntimeError(
                f"Cannot get {name} on an uncoalesced tensor, please call .coalesce() first"
            )

    def is_coalesced(self) -> bool:
        """Whether the indices are sorted, each once."""
        return self._summed

    def sparse_dim(self) -> int:
        """How many dimensions the indices name."""
        return int(self._where.size(0))

    def dense_dim(self) -> int:
        """How many dimensions each value has."""
        return self.dim() - self.sparse_dim()

    def coalesce(self) -> Any:
        """The same with every index once, in order; values at one index add up."""
        if self._summed:
            return self
        sizes = self.shape[: self.sparse_dim()]
        flat = torch.zeros(self._nnz(), dtype=torch.int64, device=self._where.device)
        for index, size in zip(self._where, sizes, strict=True):
            flat = flat * size + index
        distinct, place = torch.unique(flat, return_inverse=True)
        values = self._kept.new_zeros(len(distinct), *self._kept.shape[1:])
        values = values.index_add(0, place, self._kept)
        rows = []
        for size in reversed(sizes):
            rows.append(distinct % size if size else distinct)
            distinct = torch.div(distinct, max(size, 1), rounding_mode="floor")
        where = torch.stack(rows[::-1]) if rows else self._where[:, :1]
        return SparseTensor(where, values, self.shape, True)

    def to_dense(self, dtype: Any = None, *, masked_grad: bool | None = None) -> Any:
        """The whole tensor, zeros where nothing is."""
        dense = self._kept.new_zeros(tuple(self.shape))
        dense = dense.index_put(tuple(self._where), self._kept, accumulate=True)
        return dense if dtype is None else dense.to(dtype)

    def _with(self, values: Any, size: Sequence[int] | None = None) -> Any:
        return SparseTensor(self._where, values, self.shape if size is None else size, self._summed)

    def __repr__(self, **_options: Any) -> str:  # type: ignore[override]
        def shifted(tensor: Any, by: int) -> str:
            return repr(tensor.detach()).replace("\n", "\n" + " " * by)

        grad = ""
        if self._kept.grad_fn is not None:
            grad = f", grad_fn=<{type(self._kept.grad_fn).__name__}>"
        elif self.requires_grad:
            grad = ", requires_grad=True"
        kind = "" if self.dtype in (torch.float32, torch.int64) else f", dtype={self.dtype}"
        return (
            f"tensor(indices={shifted(self._where, 15)},\n"
            f"       values={shifted(self._kept, 14)},\n"
            f"       size={tuple(self.shape)}, nnz={self._nnz()}{kind}, "
            f"layout=torch.sparse_coo{grad})"
        )

    __str__ = __repr__

    def __deepcopy__(self, memo: Any) -> Any:
        return SparseTensor(self._where.clone(), self._kept.detach().clone(), self.shape, self._summed)

    # --- operators ----------------------------------------------------------------------------

    def __matmul__(self, other: Any) -> Any:
        return FUNCTIONS["mm"](self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return FUNCTIONS["mm"](other, self)

    def __add__(self, other: Any) -> Any:
        return FUNCTIONS["add"](self, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return FUNCTIONS["add"](self, other, alpha=-1)

    def __mul__(self, other: Any) -> Any:
        return FUNCTIONS["mul"](self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, torch.Tensor) and other.dim() > 0:
            raise RuntimeError("Sparse division requires a scalar or zero-dim dense tensor divisor")
        return self._with(self._kept / other)

    def __neg__(self) -> Any:
        return self._with(-self._kept)


# A transposed tensor, a changed dtype and the like are asked of tensors of any kind.
_OF_ALL = frozenset(
    """__get__ __set__ size dim ndimension numel nelement is_floating_point is_complex
    element_size get_device is_tensor as_subclass __len__ is_signed""".split()
)


def coo(
    indices: Any,
    values: Any,
    size: Sequence[int] | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> SparseTensor:
    """`torch.sparse_coo_tensor`: `indices` (sparse_dim, nnz), `values` (nnz, ...).

    `size` is by default as large as the indices ask for.

    Raises:
        RuntimeError: the shapes do not fit together, or an index lies outside of `size`.
    """
    kept = torch.as_tensor(values, dtype=dtype, device=device)
    where = torch.as_tensor(indices, dtype=torch.int64, device=kept.device)
    if where.dim() != 2:
        raise RuntimeError(
            f"indices must be sparse_dim x nnz, but got: {list(where.shape)}"
        )
    if kept.dim() == 0:
        kept = kept.expand(where.size(1))
    if kept.size(0) != where.size(1):
        raise RuntimeError(
            f"number of values {kept.size(0)} does not fit the number of indices {where.size(1)}"
        )
    _check_range(where, size)
    if size is None:
        top = (where.max(1).values + 1).tolist() if where.size(1) else [0] * where.size(0)
        size = (*top, *kept.shape[1:])
    if where.size(0) + kept.dim() - 1 != len(size):
        raise RuntimeError(
            f"number of dimensions must be sparse_dim ({where.size(0)}) + dense_dim "
            f"({kept.dim() - 1}), but got {len(size)}"
        )
    made = SparseTensor(where, kept.detach() if requires_grad else kept, size, bool(is_coalesced))
    return made.requires_grad_() if requires_grad else made  # type: ignore[no-any-return]


def _check_range(where: Any, size: Sequence[int] | None) -> None:
    if where.numel() and int(where.min()) < 0:
        raise RuntimeError(f"found negative index {int(where.min())}")
    if size is None or not where.numel():
        return
    for axis, (top, length) in enumerate(zip(where.max(1).values.tolist(), size)):
        if top >= length:
            raise RuntimeError(
                f"size is inconsistent with indices: for dim {axis}, size is {length} but found "
                f"index {top}"
            )


def to_sparse(self: torch.Tensor, sparse_dim: int | None = None, *, layout: Any = None) -> Any:
    """`Tensor.to_sparse`: what is not zero, in order.

    Raises `NotImplementedError` for another layout than `torch.sparse_coo`.
    """
    if layout not in (None, torch.sparse_coo):
        raise NotImplementedError(f"to_sparse: layout {layout} is lacking, torch.sparse_coo is there")
    if self.is_sparse:
        return self
    axes = self.dim() if sparse_dim is None else sparse_dim
    there = self != 0
    if axes < self.dim():
        there = there.flatten(axes).any(-1)
    places = there.nonzero(as_tuple=True)
    return SparseTensor(torch.stack(places), self[places], self.shape, True)
