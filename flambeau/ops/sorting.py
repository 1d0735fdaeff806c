"""Sorting, searching, and operations whose result's size depends on the data."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval, aval
from ..core.device import CPU
from .lowering import sorting as low
from .reductions import place_back
from .rules import common_dtype
from .table import Spec, call, row


def _order(x: np.ndarray, dim: int, descending: bool) -> np.ndarray:
    """Places in stable order. NaN counts as larger than all else."""
    if not x.ndim:
        return np.zeros((), np.int64)
    if not descending:
        return x.argsort(axis=dim, kind="stable")
    key = ~x if x.dtype.kind in "biu" else -x
    if x.dtype.kind == "f":
        nan = np.isnan(x)
        if nan.any():
            return np.lexsort((key, ~nan), axis=dim)
    return key.argsort(axis=dim, kind="stable")


def _sort(x: np.ndarray, dim: int, descending: bool, stable: bool) -> tuple[Any, Any]:
    at = _order(x, dim, descending)
    return (np.take_along_axis(x, at, dim) if x.ndim else x), at


def _sort_rule(x: Aval, dim: int, descending: bool, stable: bool) -> Spec:
    layout.wrap_dim(dim, x.ndim)
    if x.dtype.category == dtypes.COMPLEX:
        raise RuntimeError(f"Sort currently does not support complex dtypes on CPU, got {x.dtype}")
    return Spec((x, x.with_dtype(dtypes.int64)))


row(
    "sort_dim(Tensor input, int dim, bool descending, bool stable) -> (values, indices)",
    rule=_sort_rule, numpy=_sort, lower=low.sort, forms="", called="sort",
    node=lambda dim, descending, stable: f"SortBackward{int(stable)}",
    grads={"input": lambda grad, indices, input_shape, dim:
           place_back(grad, indices, input_shape, dim, True)},
    doc="Values in order along a dimension and where they were.",
)  # fmt: skip


def _sorted(input: Any, dim: int = -1, descending: bool = False, stable: Any = False) -> Any:
    """Values in ascending (or descending) order along a dimension, and where they were. Equal ones
    keep their order, whatever `stable` says."""
    return call.sort_dim(input, dim, bool(descending), bool(stable))


row("sort(Tensor input, int dim=-1, bool descending=False, bool stable=False) -> (values, indices)",
    body=_sorted, forms="fmo", out="exact",
    samples=lambda m: [((m(4),), {}), ((m(2, 3), 0), {}), ((m(2, 3),), {"descending": True}), ((m(),), {})],
    doc="See body.")  # fmt: skip

row("argsort(Tensor input, int dim=-1, bool descending=False, bool stable=False) -> Tensor",
    body=lambda input, dim=-1, descending=False, stable=False:
        _sorted(input, dim, descending, stable)[1],
    forms="fm", samples=lambda m: [((m(4),), {}), ((m(2, 3), 0), {})],
    doc="Where the elements in ascending order are.")  # fmt: skip

row("msort(Tensor input) -> Tensor", body=lambda input: _sorted(input, 0)[0], forms="fmo", out="exact",
    samples=lambda m: [((m(4, 2),), {})], doc="Sorted along the first dimension.")  # fmt: skip


def _topk_rule(x: Aval, k: int, dim: int, largest: bool, ordered: bool) -> Spec:
    d = layout.wrap_dim(dim, x.ndim)
    size = x.shape[d] if x.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError(f"selected index k out of range: k={k} for dimension {d} of size {size}")
    if x.dtype.category in (dtypes.BOOL, dtypes.COMPLEX):
        raise RuntimeError(f"topk does not support {x.dtype} on CPU")
    shape = (*x.shape[:d], k, *x.shape[d + 1 :]) if x.ndim else ()
    return Spec((x.with_shape(shape), aval(shape, dtypes.int64, x.device)))


def _topk(x: np.ndarray, k: int, dim: int, largest: bool, ordered: bool) -> tuple[Any, Any]:
    if not x.ndim:
        return x, np.zeros((), np.int64)
    if k == 1:  # the most frequent call: the best class of each row
        at = np.expand_dims((np.argmax if largest else _argmin)(x, axis=dim), dim)
    else:
        at = _order(x, dim, largest).take(range(k), axis=dim)
    return np.take_along_axis(x, at, dim), at


def _argmin(x: np.ndarray, axis: int) -> np.ndarray:
    """np.argmin, but NaN is the largest."""
    if x.dtype.kind == "f":
        nan = np.isnan(x)
        if nan.any():
            return x.argsort(axis=axis, kind="stable").take(0, axis=axis)  # type: ignore[return-value]
    return x.argmin(axis=axis)


row(
    "topk(Tensor input, int k, int dim=-1, bool largest=True, bool sorted=True) -> (values, indices)",
    rule=_topk_rule, numpy=_topk, lower=low.topk, forms="fmo", out="exact",
    grads={"input": lambda grad, indices, input_shape, dim:
           place_back(grad, indices, input_shape, dim, True)},
    samples=lambda m: [((m(4), 2), {}), ((m(2, 3), 1, 0), {"largest": False}), ((m(), 1), {}), ((m(3, 4), 2, 0), {})],
    doc="The k largest (or smallest) values along a dimension and where they are.",
)  # fmt: skip


# --- sizes that depend on data ------------------------------------------------------------------


def _found(values: np.ndarray, dt: Any = dtypes.int64) -> Any:
    """A tensor of data that was computed at the call, since its size depends on data."""
    return call.tensor_of(np.array(dtypes.narrow(values, dt), order="C"), dt)


def _nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """Where input is not zero: (n, ndim) indices, or a tuple with a vector for each dimension."""
    if input._aval.device is not CPU and input.numel() and input.ndim:
        count = call.observe((input != 0).sum(), "nonzero: the result's size depends on data")
        found = call.nonzero_static(input.detach(), size=int(count))
        return tuple(found.unbind(1)) if as_tuple else found
    array = call.observe(input, "nonzero: the result's size depends on data")
    if as_tuple:
        return tuple(_found(part) for part in np.nonzero(np.atleast_1d(array)))
    if not array.ndim:
        return call.empty((int(array != 0), 0), dtype=dtypes.int64)
    return _found(np.stack(np.nonzero(array), 1))


row("nonzero(Tensor input, *, bool as_tuple=False) -> Tensor", body=_nonzero, forms="fmo", out="exact",
    samples=lambda m: [((m.int(2, 3, high=2),), {}), ((m.bool(4),), {"as_tuple": True})],
    doc="See body.")  # fmt: skip

row("argwhere(Tensor input) -> Tensor", body=lambda input: _nonzero(input), forms="fm",
    samples=lambda m: [((m.int(2, 3, high=2),), {})],
    doc="Where input is not zero, as (n, ndim) indices.")  # fmt: skip


def _static_rule(x: Aval, size: int, fill_value: int) -> Spec:
    if size < 0:
        raise RuntimeError(f"'size' must be an non-negative integer, got {size}")
    return Spec(aval((size, x.ndim), dtypes.int64, x.device))


def _nonzero_static(x: np.ndarray, size: int, fill_value: int) -> np.ndarray:
    out = np.full((size, x.ndim), fill_value, np.int64)
    if x.ndim:
        found = np.argwhere(x)[:size]
        out[: len(found)] = found
    return out


row(
    "nonzero_static(Tensor input, *, int size, int fill_value=-1) -> Tensor", rule=_static_rule,
    numpy=_nonzero_static, lower=low.nonzero_static, forms="fmo", out="exact",
    samples=lambda m: [((m.int(2, 3, high=2),), {"size": 2}), ((m.bool(4),), {"size": 6, "fill_value": 0})],
    doc="The first `size` indices that nonzero() finds, filled up with `fill_value`: the result's "
    "size does not depend on data.",
)  # fmt: skip


def _lines(array: np.ndarray, dim: Any) -> np.ndarray:
    """What is compared: elements, or the indices of a dimension."""
    if dim is None:
        return array.reshape(-1)
    return np.moveaxis(array, layout.wrap_dim(dim, array.ndim), 0)


def _unique_rule(name: str, input: Any, dim: Any) -> None:
    if input.is_complex():
        raise NotImplementedError(f"{name}() not implemented for '{input.dtype.legacy}'")
    if dim is None:
        return
    if not input.ndim:
        raise IndexError(f"{name}(): Dimension specified as {dim} but tensor has no dimensions")
    d = layout.wrap_dim(dim, input.ndim)
    shape = list(input.shape)
    if shape.count(0) > (1 if shape and shape[d] == 0 else 0):
        raise RuntimeError(
            f"{name}(): There are 0 sized dimensions, and they aren't selected by dim={dim}, so "
            f"unique cannot be applied: {shape}"
        )


def _parts(
    input: Any, dim: Any, first: np.ndarray, inverse: Any, counts: Any, wants: tuple[bool, bool]
) -> Any:
    """The elements (or sub-tensors) of input at the places `first`, so that gradients find their
    way, and what else was asked for."""
    source = input.reshape(-1) if dim is None else input
    out = [source.index_select(0 if dim is None else dim, _found(first))]
    if wants[0]:
        out.append(_found(inverse))
    if wants[1]:
        out.append(_found(counts))
    return tuple(out) if len(out) > 1 else out[0]


def _unique(
    input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
    dim: Any = None,
) -> Any:  # fmt: skip
    """The different values in ascending order; with the index of each element's value, and how
    often each occurs. `dim`: the different sub-tensors along a dimension."""
    _unique_rule("unique", input, dim)
    if input._aval.device is not CPU and dim is None and input.numel():
        return _unique_by_sorting(input, (return_inverse, return_counts))
    array = call.observe(input, "unique: the result's size depends on data")
    lines = _lines(array, dim)
    axis = None if dim is None else 0
    if lines.ndim > 1 and not lines.size:
        first, inverse, counts = (np.zeros(n, np.int64) for n in (0, len(lines), 0))
    else:
        _, first, inverse, counts = np.unique(
            lines, return_index=True, return_inverse=True, return_counts=True, axis=axis,
            equal_nan=False,
        )  # fmt: skip
    shape = array.shape if dim is None else (len(lines),)
    return _parts(input, dim, first, inverse.reshape(shape), counts, (return_inverse, return_counts))


row("unique(Tensor input, bool sorted=True, bool return_inverse=False, bool return_counts=False, int? dim=None) -> Tensor",
    body=_unique, forms="fm", samples=lambda m: [((m.int(2, 3, high=3),), {}), ((m.int(4, 2, high=2), True, True, True, 0), {}), ((m(4),), {})],
    doc="See body.")  # fmt: skip


def _unique_by_sorting(input: Any, wants: tuple[bool, bool]) -> Any:
    """The same on a GPU: of the data only how many values there are is looked at."""
    values, order = call.sort_dim(input.detach().reshape(-1), 0, False, True)
    number, starts = _runs("unique", values)
    out = [input.reshape(-1).index_select(0, order[starts])]
    if wants[0]:
        out.append(call.zeros_like(order).scatter(0, order, number).reshape(input.shape))
    if wants[1]:
        out.append(_lengths(starts, len(order)))
    return tuple(out) if len(out) > 1 else out[0]


def _runs(name: str, values: Any) -> tuple[Any, Any]:
    """Of runs of equal elements of a vector: the number of each element's, and where each starts."""
    new = call.cat([call.ones((1,), dtype=dtypes.bool_), values[1:] != values[:-1]])
    number = new.cumsum(0) - 1
    count = int(call.observe(number[-1], f"{name}: the result's size depends on data")) + 1
    return number, call.searchsorted(number, call.arange(count))


def _lengths(starts: Any, total: int) -> Any:
    return call.cat([starts[1:], call.full((1,), total, dtype=dtypes.int64)]) - starts


def _unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: Any = None
) -> Any:
    """The first of each run of equal values."""
    _unique_rule("unique_consecutive", input, dim)
    if input._aval.device is not CPU and dim is None and input.numel():
        number, starts = _runs("unique_consecutive", input.detach().reshape(-1))
        out = [input.reshape(-1).index_select(0, starts)]
        out += [number.reshape(input.shape)] if return_inverse else []
        out += [_lengths(starts, input.numel())] if return_counts else []
        return tuple(out) if len(out) > 1 else out[0]
    array = call.observe(input, "unique_consecutive: the result's size depends on data")
    lines = _lines(array, dim)
    new = np.ones(len(lines), bool)
    if len(lines) > 1:
        new[1:] = (lines[1:] != lines[:-1]).reshape(len(lines) - 1, -1).any(1)
    starts = np.flatnonzero(new)
    inverse = (np.cumsum(new) - 1).reshape(array.shape if dim is None else (-1,))
    counts = np.diff(np.append(starts, len(lines)))
    return _parts(input, dim, starts, inverse, counts, (return_inverse, return_counts))


row("unique_consecutive(Tensor input, bool return_inverse=False, bool return_counts=False, int? dim=None) -> Tensor",
    body=_unique_consecutive, forms="fm", samples=lambda m: [((m.int(6, high=2), True, True), {}), ((m(4),), {})],
    doc="See body.")  # fmt: skip


# --- searching ----------------------------------------------------------------------------------


def _search_rule(seq: Aval, v: Any, right: bool, out_int32: bool) -> Spec:
    shape = v.shape if isinstance(v, Aval) else ()
    if not seq.ndim:
        raise RuntimeError("boundaries tensor should have positive dimension: got a 0-d tensor")
    if seq.ndim > 1 and tuple(seq.shape[:-1]) != tuple(shape[:-1]):
        raise RuntimeError(
            "boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries "
            f"tensor and input value tensor must match, but we got boundaries tensor "
            f"{list(seq.shape)} and input value tensor {list(shape)}"
        )
    dt = common_dtype((seq, v))
    if dt.category == dtypes.COMPLEX or dt is dtypes.bool_:
        raise NotImplementedError(f"not implemented for '{dt.legacy}'")
    out = dtypes.int32 if out_int32 else dtypes.int64
    return Spec(aval(tuple(shape), out, seq.device), dt)


def _search(seq: np.ndarray, v: Any, right: bool, out_int32: bool) -> Any:
    side: Any = "right" if right else "left"
    if seq.ndim == 1:
        return np.searchsorted(seq, v, side)
    rows = seq.reshape(-1, seq.shape[-1])
    values = v.reshape(len(rows), -1)
    found = [np.searchsorted(r, x, side) for r, x in zip(rows, values, strict=True)]
    return np.array(found, np.int64).reshape(v.shape)


for _name in ("searchsorted", "bucketize"):
    row(
        f"{_name}_in(Tensor sorted_sequence, Operand input, bool right, bool out_int32) -> Tensor",
        rule=_search_rule, numpy=_search, lower=low.searchsorted, forms="", called=_name,
        doc=f"See torch.{_name}.",
    )  # fmt: skip


def _searchsorted(
    sorted_sequence: Any, input: Any, *, out_int32: bool = False, right: bool = False,
    side: Any = None, sorter: Any = None,
) -> Any:  # fmt: skip
    """Where input would be put into each sorted sequence of the last dimension: before equal values,
    or behind them for `right`. `sorter` has the places of an unsorted sequence in order."""
    if side not in (None, "left", "right"):
        raise RuntimeError(
            f"searchsorted(): side can only be 'left' or 'right' but got {side}"
        )
    if side == "left" and right:
        raise RuntimeError("searchsorted(): side and right can't be set to opposites")
    if sorter is not None:
        if sorter.shape != sorted_sequence.shape:
            raise RuntimeError(
                "searchsorted(): boundary and sorter must have the same size, but got boundary "
                f"{list(sorted_sequence.shape)} and sorter {list(sorter.shape)}"
            )
        if sorter.dtype is not dtypes.int64:
            raise RuntimeError(f"searchsorted(): sorter must be a tensor of long dtype, got {sorter.dtype}")
        sorted_sequence = sorted_sequence.gather(-1, sorter)
    return call.searchsorted_in(sorted_sequence, input, right or side == "right", out_int32)


row("searchsorted(Tensor sorted_sequence, Operand input) -> Tensor", forms="fo", out="exact",
    body=_searchsorted, samples=lambda m: [((m.int(5), m.int(2, 2)), {}), ((m.int(5), 3), {"right": True})],
    doc="See body.")  # fmt: skip


def _bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False) -> Any:
    """The bucket between boundaries that each element falls into."""
    if boundaries.ndim != 1:
        raise RuntimeError(
            f"bucketize(): boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})"
        )
    return call.bucketize_in(boundaries, input, right, out_int32)


row("bucketize(Operand input, Tensor boundaries) -> Tensor", forms="fo", out="exact", body=_bucketize,
    samples=lambda m: [((m.int(2, 2), m.int(5)), {})], doc="See body.")  # fmt: skip


def _isin_rule(elements: Any, test: Any, unique: bool, invert: bool) -> Spec:
    dt = common_dtype((elements, test))
    if dt.category in (dtypes.BOOL, dtypes.COMPLEX):
        raise RuntimeError(f"Unsupported input type encountered for isin(): {dt.legacy}")
    shape = elements.shape if isinstance(elements, Aval) else ()
    return Spec(aval(tuple(shape), dtypes.bool_), dt)


row(
    "isin(Operand elements, Operand test_elements, *, bool assume_unique=False, bool invert=False) -> Tensor",
    rule=_isin_rule, lower=low.isin, forms="fo", out="exact",
    numpy=lambda elements, test, unique, invert: np.isin(elements, test, unique and np.ndim(test) > 0, invert),
    samples=lambda m: [((m.int(2, 3), m.int(4)), {}), ((m.int(3), 2), {"invert": True})],
    doc="Whether each element is among test_elements.",
)  # fmt: skip
