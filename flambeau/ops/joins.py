"""Tensors put together: stacks of all kinds, grids, products, blocks."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from ..errors import users_line
from ..runtime.shortage import room
from .lowering import moves as low
from .rules import common_dtype
from .table import Spec, call, row


def several(name: str, given: tuple[Any, ...]) -> list[Any]:
    """The tensors of `f(a, b)` or `f([a, b])`; TypeError for what is none."""
    lists = len(given) == 1 and isinstance(given[0], (list, tuple))
    items = list(given[0]) if lists else list(given)
    for i, t in enumerate(items):
        if not hasattr(t, "ndim") or not hasattr(t, "requires_grad"):
            raise TypeError(
                f"{name}(): expected Tensor as element {i} in argument 0, but got "
                f"{type(t).__name__}"
            )
    return items


def _meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Any, ...]:
    """Coordinates of a grid: each vector expanded over the others' dimensions. `indexing` "xy"
    exchanges the first two dimensions of the grid; none given is "ij", with PyTorch's warning."""
    given = several("meshgrid", tensors)
    if not given:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if indexing is None:
        indexing = "ij"
        warnings.warn(
            "torch.meshgrid: in an upcoming release, it will be required to pass the indexing "
            'argument. Write indexing="ij" to keep what this call does.',
            UserWarning, stacklevel=users_line(),
        )  # fmt: skip
    if indexing not in ("ij", "xy"):
        raise RuntimeError(
            f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    for t in given:
        if t.ndim > 1:
            raise RuntimeError(
                "torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got shape "
                f"{list(t.shape)}"
            )
        if t.dtype != given[0].dtype:
            raise RuntimeError(
                f"meshgrid expects all tensors to have the same dtype, got {given[0].dtype} and "
                f"{t.dtype}"
            )
    swap = indexing == "xy" and len(given) > 1
    if swap:
        given[0], given[1] = given[1], given[0]
    shape = tuple(t.numel() for t in given)
    n = len(shape)
    out = [
        t.reshape(tuple(-1 if k == i else 1 for k in range(n))).expand(shape)
        for i, t in enumerate(given)
    ]
    if swap:
        out[0], out[1] = out[1], out[0]
    return tuple(out)


row("meshgrid(any tensors) -> Tensors", body=_meshgrid, forms="f",
    samples=lambda m: [((m(2), m(3)), {}), ((m(2), m(3)), {"indexing": "xy"})], doc="See body.")  # fmt: skip


def _cartesian_prod(*tensors: Any) -> Any:
    """All combinations of the vectors' elements, one a row."""
    given = several("cartesian_prod", tensors)
    for t in given:
        if t.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(t.shape)}")
    if len(given) == 1:
        return given[0]
    return call.stack([g.flatten() for g in _meshgrid(*given, indexing="ij")], 1)


row("cartesian_prod(any tensors) -> Tensor", body=_cartesian_prod, forms="f",
    samples=lambda m: [((m(2), m(3)), {})], doc="See body.")  # fmt: skip


def _combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """All ways to choose r elements of a vector, one a row, in the order of their places."""
    if input.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return call.empty((0,), dtype=input.dtype)
    n = input.shape[0]
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    count = r * (math.comb(n + r - 1, r) if with_replacement and n else math.comb(n, r))
    room(8 * count, "combinations")
    places = itertools.chain.from_iterable(choose(range(n), r))
    found = np.fromiter(places, np.int64, count).reshape(-1, r)
    columns = [call.tensor_of(np.ascontiguousarray(c), dtypes.int64) for c in found.T]
    return call.stack([input.index_select(0, c) for c in columns], 1)


row("combinations(Tensor input, int r=2, bool with_replacement=False) -> Tensor",
    body=_combinations, forms="f", samples=lambda m: [((m(3),), {}), ((m(3), 2, True), {})],
    doc="See body.")  # fmt: skip


def _at_least(t: Any, n: int) -> Any:
    if t.ndim == 0:
        return t.reshape((1,) * n)
    if t.ndim == 1 and n > 1:
        t = t.unsqueeze(0)
    return t.unsqueeze(-1) if t.ndim == 2 and n == 3 else t


def _at_least_of(n: int) -> Any:
    def at_least(*tensors: Any) -> Any:
        out = [_at_least(t, n) for t in several(f"atleast_{n}d", tensors)]
        single = len(tensors) == 1 and not isinstance(tensors[0], (list, tuple))
        return out[0] if single else tuple(out)

    at_least.__doc__ = f"The tensors with at least {n} dimension(s)."
    return at_least


for _n in (1, 2, 3):
    row(f"atleast_{_n}d(any tensors) -> Tensors", body=_at_least_of(_n), forms="f",
        samples=lambda m: [((m(),), {}), ((m(2), m(2, 3)), {})], doc="See body.")  # fmt: skip


def _stacked(name: str, n: int, axis: int) -> Any:
    def stacked(tensors: Any) -> Any:
        items = [_at_least(t, n) for t in several(name, (tensors,))]
        if not items:
            raise RuntimeError(f"{name} expects a non-empty TensorList")
        return call.cat(items, 0 if name == "hstack" and items[0].ndim == 1 else axis)

    stacked.__doc__ = f"Joined along dimension {axis} after making them at least {n}-dimensional."
    return stacked


for _name, _n, _axis in (("hstack", 1, 1), ("vstack", 2, 0), ("dstack", 3, 2)):
    row(f"{_name}(Tensor[] tensors) -> Tensor", body=_stacked(_name, _n, _axis), forms="fo",
        alias=("row_stack",) if _name == "vstack" else (),
        samples=lambda m: [(([m(2, 2), m(2, 2)],), {}), (([m(2), m(2)],), {}), (([m(), m()],), {})],
        doc="See body.")  # fmt: skip


def _column_stack(tensors: Any) -> Any:
    """Vectors as columns, joined with each other and with matrices."""
    items = several("column_stack", (tensors,))
    if not items:
        raise RuntimeError("column_stack expects a non-empty TensorList")
    return call.cat([t.reshape(-1, 1) if t.ndim <= 1 else t for t in items], 1)


row("column_stack(Tensor[] tensors) -> Tensor", forms="fo", body=_column_stack,
    samples=lambda m: [(([m(2), m(2, 2)],), {}), (([m(), m()],), {})], doc="See body.")  # fmt: skip


def _block_rule(avals: tuple[Aval, ...]) -> Spec:
    shape = (sum(a.shape[0] for a in avals), sum(a.shape[1] for a in avals))
    dt = common_dtype(avals)
    return Spec(aval(shape, dt, avals[0].device), dt)


def _blocks(arrays: list[np.ndarray]) -> np.ndarray:
    shape = (sum(a.shape[0] for a in arrays), sum(a.shape[1] for a in arrays))
    out = np.zeros(shape, arrays[0].dtype)
    i = j = 0
    for a in arrays:
        out[i : i + a.shape[0], j : j + a.shape[1]] = a
        i, j = i + a.shape[0], j + a.shape[1]
    return out


def _block_grads(grad: Any, shapes: Any) -> list[Any]:
    out = []
    i = j = 0
    for n, k in shapes:
        out.append(grad.narrow(0, i, n).narrow(1, j, k))
        i, j = i + n, j + k
    return out


row(
    "block_diag_of(Tensor[] tensors) -> Tensor", rule=_block_rule, numpy=_blocks, moves=True,
    forms="", node="BlockDiagBackward0", called="block_diag",
    lower=low.block_diag,
    grads={"tensors": lambda grad, shapes: _block_grads(grad, shapes)},
    samples=lambda m: [(([m(2, 1), m(1, 2)],), {})],
    doc="Matrices along the diagonal of a larger one; see block_diag.",
)  # fmt: skip


def _block_diag(*tensors: Any) -> Any:
    """Matrices along the diagonal of a larger one; vectors are rows, numbers 1 x 1."""
    given = several("block_diag", tensors)
    for i, t in enumerate(given):
        if t.ndim > 2:
            raise RuntimeError(
                "torch.block_diag: Input tensors must have 2 or fewer dimensions. Input "
                f"{i} has {t.ndim} dimensions"
            )
    if not given:
        return call.empty((1, 0))
    return call.block_diag_of([_at_least(t, 2) for t in given])


row("block_diag(any tensors) -> Tensor", body=_block_diag, forms="f",
    samples=lambda m: [((m(2, 3), m(2), m()), {})], doc="See body.")  # fmt: skip
