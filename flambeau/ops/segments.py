"""Reductions of parts of a dimension: stretches of it (segment_reduce), places that an index names
(index_reduce)."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval
from ..errors import users_line
from .scattering import (
    _reduce_grads,
    _rows_shape,
    check_range,
    size_along,
)
from .table import Spec, call, row, table

# --- index_reduce -----------------------------------------------------------------------------------

_HOW = ("prod", "mean", "amax", "amin")


def _index_reduce_rule(
    x: Aval, i: Aval, src: Aval, dim: int, reduce: str, include_self: bool
) -> Spec:
    if reduce not in _HOW:
        raise RuntimeError(f"Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    if i.ndim > 1:
        raise IndexError(
            f"Index is supposed to be a vector, but got dim: {i.ndim} with type: {i.dtype.legacy} "
            f"and size: {list(i.shape)}"
        )
    if i.dtype not in (dtypes.int32, dtypes.int64):
        raise RuntimeError(f"Expected dtype int32/int64 for index but got: {i.dtype.legacy}")
    d = layout.wrap_dim(dim, x.ndim)
    have = src.shape[d] if src.ndim > d else 1
    if i.numel != have:
        raise RuntimeError(
            f"Number of indices ({i.numel}) should be equal to source.size(dim): ({have}), for "
            f"dim: {dim}"
        )
    _rows_shape(x, i, src, dim)
    return Spec(x)


def _spread(index: Any, shape: Any, dim: int) -> Any:
    """A vector of indices along `dim` for each element of a source of that shape."""
    if not shape:
        return index.reshape(())
    d = dim % len(shape)
    lines = [1] * len(shape)
    lines[d] = shape[d]
    return index.reshape(lines)


def _index_reduce(
    x: np.ndarray, index: np.ndarray, src: np.ndarray, dim: int, reduce: str, include_self: bool
) -> Any:
    """The NumPy reference of scatter_reduce does the work."""
    if not src.ndim:
        src = src.reshape((1,) * x.ndim)
    wide = np.broadcast_to(_spread(index.astype(np.int64), src.shape, dim), src.shape)
    scatter = table["scatter_reduce"].numpy
    assert scatter is not None
    return scatter(x, wide, src, dim, reduce, include_self)


def _index_reduce_grads(
    grad: Any, x: Any, index: Any, src: Any, result: Any, dim: int, reduce: str, own: bool
) -> tuple[Any, Any]:
    flat = src if src.ndim else src.reshape((1,) * x.ndim)
    wide = _spread(index.to(dtypes.int64), tuple(flat.shape), dim).expand(flat.shape).contiguous()
    to_x, to_src = _reduce_grads(grad, x, wide, flat, result, dim, reduce, own)
    return to_x, to_src.reshape(src.shape)


row(
    "index_reduce(Tensor input, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True) -> Tensor",
    rule=_index_reduce_rule, numpy=_index_reduce, forms="fmio", out="exact",
    check=lambda fetch, x, i, src, dim, reduce, include_self:
        check_range(fetch(1), size_along(x, dim), dim),
    grads={("input", "source"): lambda grad, input, index, source, result, dim, reduce, include_self:
           _index_reduce_grads(grad, input, index, source, result, dim, reduce, include_self)},
    samples=lambda m: [((m(3, 2), 0, m.int(4, high=3), m(4, 2), how), {"include_self": own})
                       for how in _HOW for own in (True, False)],
    doc="input with rows of source multiplied, averaged, or the extremes taken at indices of a "
    "dimension; include_self: input's own elements count.",
)  # fmt: skip


# --- segment_reduce ---------------------------------------------------------------------------------

_REDUCTIONS = {"sum": "sum", "prod": "prod", "mean": "mean", "amax": "amax", "amin": "amin",
               "max": "amax", "min": "amin"}  # fmt: skip
_EMPTY = {"sum": 0.0, "prod": 1.0, "amax": -np.inf, "amin": np.inf, "mean": np.nan}


def _segment_reduce(
    data: Any, reduce: str, *, lengths: Any = None, indices: Any = None, offsets: Any = None,
    axis: int = 0, unsafe: bool = False, initial: Any = None,
) -> Any:  # fmt: skip
    """Reductions of consecutive stretches of dimension `axis`, whose `lengths` (or where they begin
    and end, `offsets`) have the dimensions before it too. `initial` takes part in each; without it
    empty stretches give 0, 1, NaN or an infinity."""
    warn_beta("segment_reduce")
    how = _REDUCTIONS.get(reduce)
    if how is None:
        raise RuntimeError(
            f"segment_reduce(): reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    if indices is not None:
        raise RuntimeError("segment_reduce(): indices based reduction is not supported yet.")
    given = lengths if lengths is not None else offsets
    if given is None:
        raise RuntimeError("segment_reduce(): Either lengths or offsets must be defined.")
    if not data.is_floating_point():
        raise NotImplementedError(f"segment_reduce(): not implemented for '{data.dtype.legacy}'")
    if given.dtype.category != dtypes.INT:
        raise NotImplementedError(f"segment_reduce(): lengths not implemented for '{given.dtype.legacy}'")
    axis = layout.wrap_dim(axis, data.ndim)
    if axis != given.ndim - 1 or tuple(given.shape[:-1]) != tuple(data.shape[:axis]):
        raise RuntimeError(
            f"segment_reduce(): Expected axis to be the last dimension of lengths or offsets, whose "
            f"others are data's, but got axis {axis}, shapes {list(given.shape)} and {list(data.shape)}"
        )
    lead = given.shape[:-1]
    if lengths is not None:
        _check_lengths(lengths, data.shape[axis], unsafe)
        first = call.zeros((*lead, 1), dtype=lengths.dtype)
        offsets = call.cat([first, lengths.cumsum(-1)], -1)
    count = offsets.shape[-1] - 1
    place = call.arange(data.shape[axis]).expand((*lead, data.shape[axis])).contiguous()
    segment = call.searchsorted(offsets.to(dtypes.int64).contiguous(), place, right=True) - 1
    inside = (segment >= 0) & (segment < count)
    segment = call.where(inside, segment, count)  # what is in no segment goes to one more
    rest = tuple(data.shape[axis + 1 :])
    index = segment.reshape((*segment.shape, *(1,) * len(rest))).expand(data.shape).contiguous()
    start = _EMPTY[how] if initial is None else float(initial)
    base = call.full((*lead, count + 1, *rest), start, dtype=data.dtype)
    if how == "mean":
        sums = call.scatter_add(call.full_like(base, 0.0 if initial is None else start), axis, index, data)
        lengths = (offsets[..., 1:] - offsets[..., :-1]).to(data.dtype)
        lengths = lengths.reshape((*lengths.shape, *(1,) * len(rest)))
        sums = call.narrow(sums, axis, 0, count)
        if initial is None:
            return sums / lengths
        return call.where(lengths == 0, sums, sums / lengths.clamp(min=1))
    found = call.scatter_reduce(base, axis, index, data, how, include_self=True)
    return call.narrow(found, axis, 0, count)


def _check_lengths(lengths: Any, size: int, unsafe: bool) -> None:
    array = call.observe(lengths, "segment_reduce checks lengths")
    if array.size and array.min() < 0:
        raise RuntimeError("segment_reduce(): lengths contains negative value!")
    if not unsafe and (array.sum(-1) != size).any():
        raise RuntimeError(
            "segment_reduce(): Expected all rows of lengths along axis to sum to "
            f"data.size(lengths.dim()-1) = {size} when !unsafe, got {array.sum(-1).tolist()}."
        )


_warned: set[str] = set()


def warn_beta(name: str) -> None:
    """Say once that an operation's interface may change."""
    if name not in _warned:
        _warned.add(name)
        warnings.warn(
            f"{name}() is in beta and the API may change at any time.", UserWarning,
            stacklevel=users_line(),
        )  # fmt: skip


row(
    "segment_reduce(Tensor data, str reduce, *, Tensor? lengths=None, Tensor? indices=None, Tensor? offsets=None) -> Tensor",
    body=_segment_reduce, forms="f", alias=("_segment_reduce",),
    samples=lambda m: [((m(5, 2), how), {"lengths": call.tensor([2, 0, 3])}) for how in ("sum", "prod")]
    + [((m(5), "mean"), {"offsets": call.tensor([0, 1, 5])}), ((m(2, 3), "max"), {"lengths": call.tensor([[1, 2], [2, 1]]), "axis": 1})],
    doc="See body.",
)  # fmt: skip
