"""Sorting, searching, and operations whose result's size depends on the data."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval, aval
from .reductions import place_back
from .rules import common_dtype, reduced_shape
from .table import Spec, call, row


def _descending_key(x: np.ndarray) -> np.ndarray:
    """A key whose ascending stable order is x's descending one, NaN first."""
    if x.dtype.kind == "b":
        return ~x
    if x.dtype.kind in "iu":
        return ~x
    return -x


def _order(x: np.ndarray, dim: int, descending: bool) -> np.ndarray:
    if not x.ndim:
        return np.zeros((), np.int64)
    if not descending:
        return x.argsort(axis=dim, kind="stable")
    key = _descending_key(x)
    if x.dtype.kind == "f":
        nan = np.isnan(x)
        if nan.any():  # NaN counts as larger than all else
            return np.lexsort((key, ~nan), axis=dim)
    return key.argsort(axis=dim, kind="stable")


def _sort(x: np.ndarray, dim: int, descending: bool, stable: bool) -> tuple[Any, Any]:
    at = _order(x, dim, descending)
    return (np.take_along_axis(x, at, dim) if x.ndim else x), at


def _sort_rule(x: Aval, dim: int, descending: bool, stable: bool) -> Spec:
    if x.dtype.category == dtypes.COMPLEX:
        raise RuntimeError(f"Sort currently does not support complex dtypes on CPU ({x.dtype})")
    layout.wrap_dim(dim, x.ndim)
    return Spec((x, x.with_dtype(dtypes.int64)))


row(
    "sort_dim(Tensor input, int dim, bool descending, bool stable) -> (values, indices)",
    rule=_sort_rule, numpy=_sort, forms="", node="SortBackward0",
    grads={"input": lambda grad, indices, input_shape, dim:
           place_back(grad, indices, input_shape, dim, True)},
    doc="Values in order along a dimension and where they were.",
)  # fmt: skip


def _sorted(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """Values in ascending (or descending) order along a dimension, and where they were."""
    return call.sort_dim(input, dim, bool(descending), bool(stable))


row("sort(Tensor input, int dim=-1, bool descending=False, bool stable=False) -> (values, indices)",
    body=_sorted, forms="fmo",
    samples=lambda m: [((m(4),), {}), ((m(2, 3), 0), {}), ((m(2, 3),), {"descending": True}), ((m(),), {})],
    doc="See body.")  # fmt: skip

row("argsort(Tensor input, int dim=-1, bool descending=False, bool stable=False) -> Tensor",
    body=lambda input, dim=-1, descending=False, stable=False:
        _sorted(input, dim, descending, stable)[1],
    forms="fm", samples=lambda m: [((m(4),), {}), ((m(2, 3), 0), {})],
    doc="Where the elements in ascending order are.")  # fmt: skip

row("msort(Tensor input) -> Tensor", body=lambda input: _sorted(input, 0)[0], forms="fm",
    samples=lambda m: [((m(4, 2),), {})], doc="Sorted along the first dimension.")  # fmt: skip


def _topk_rule(x: Aval, k: int, dim: int, largest: bool, ordered: bool) -> Spec:
    d = layout.wrap_dim(dim, x.ndim)
    size = x.shape[d] if x.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError(f"selected index k out of range: k={k} for dimension {d} of size {size}")
    shape = (*x.shape[:d], k, *x.shape[d + 1 :]) if x.ndim else ()
    return Spec((x.with_shape(shape), aval(shape, dtypes.int64, x.device)))


def _topk(x: np.ndarray, k: int, dim: int, largest: bool, ordered: bool) -> tuple[Any, Any]:
    if not x.ndim:
        return x, np.zeros((), np.int64)
    at = _order(x, dim, largest).take(range(k), axis=dim)
    return np.take_along_axis(x, at, dim), at


row(
    "topk(Tensor input, int k, int dim=-1, bool largest=True, bool sorted=True) -> (values, indices)",
    rule=_topk_rule, numpy=_topk, forms="fmo",
    grads={"input": lambda grad, indices, input_shape, dim:
           place_back(grad, indices, input_shape, dim, True)},
    samples=lambda m: [((m(4), 2), {}), ((m(2, 3), 1, 0), {"largest": False}), ((m(), 1), {})],
    doc="The k largest (or smallest) values along a dimension and where they are.",
)  # fmt: skip


def _pick_rule(x: Aval, dim: int, keepdim: bool) -> Spec:
    shape, dims = reduced_shape(x.shape, dim, keepdim)
    if x.ndim and x.shape[dims[0]] == 0:
        raise IndexError(f"Expected reduction dim {dim} to have non-zero size for {list(x.shape)}")
    return Spec((x.with_shape(shape), aval(shape, dtypes.int64, x.device)))


def _ranked(x: np.ndarray, rank: int, dim: int, keepdim: bool) -> tuple[Any, Any]:
    """The element of a rank (from 0) along a dimension, and where it is."""
    if not x.ndim:
        return x, np.zeros((), np.int64)
    at = _order(x, dim, False).take([rank], axis=dim)
    values = np.take_along_axis(x, at, dim)
    return (values, at) if keepdim else (values.squeeze(dim), at.squeeze(dim))


def _median_dim(x: np.ndarray, dim: int, keepdim: bool) -> tuple[Any, Any]:
    values, at = _ranked(x, (x.shape[dim] - 1) // 2 if x.ndim else 0, dim, True)
    if x.ndim and x.dtype.kind == "f" and np.isnan(x).any():
        first = np.isnan(x).argmax(axis=dim)
        first = np.expand_dims(first, dim)
        has = np.isnan(x).any(axis=dim, keepdims=True)
        at = np.where(has, first, at)
        values = np.take_along_axis(x, at, dim)
    return (values, at) if keepdim or not x.ndim else (values.squeeze(dim), at.squeeze(dim))


row(
    "median_dim(Tensor input, int dim, bool keepdim) -> (values, indices)",
    rule=_pick_rule, numpy=_median_dim, forms="", node="MedianBackward1",
    grads={"input": lambda grad, indices, input_shape, dim, keepdim:
           place_back(grad, indices, input_shape, dim, keepdim)},
    doc="The lower median along a dimension.",
)  # fmt: skip


def _median(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """The lower median of all elements, or values and indices along a dimension."""
    if dim is not None:
        return call.median_dim(input, dim, keepdim)
    return call.median_dim(input.reshape(-1), 0, False)[0]


row("median(Tensor input, int? dim=None, bool keepdim=False) -> Tensor", body=_median, forms="fm",
    samples=lambda m: [((m(5),), {}), ((m(2, 4), 1), {})], doc="See body.")  # fmt: skip


def _kth_rule(x: Aval, k: int, dim: int, keepdim: bool) -> Spec:
    spec = _pick_rule(x, dim, keepdim)
    size = x.shape[dim] if x.ndim else 1
    if not 1 <= k <= size:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}: k={k}")
    return spec


row(
    "kthvalue(Tensor input, int k, int dim=-1, bool keepdim=False) -> (values, indices)",
    rule=_kth_rule, numpy=lambda x, k, dim, keepdim: _ranked(x, k - 1, dim, keepdim), forms="fmo",
    grads={"input": lambda grad, indices, input_shape, dim, keepdim:
           place_back(grad, indices, input_shape, dim, keepdim)},
    samples=lambda m: [((m(4), 2), {}), ((m(2, 3), 1, 0, True), {})],
    doc="The k-th smallest value along a dimension, k from 1.",
)  # fmt: skip


def _mode(x: np.ndarray, dim: int, keepdim: bool) -> tuple[Any, Any]:
    if not x.ndim:
        return x, np.zeros((), np.int64)
    lines = np.moveaxis(x, dim, -1)
    flat = lines.reshape(-1, lines.shape[-1])
    values = np.empty(len(flat), x.dtype)
    at = np.empty(len(flat), np.int64)
    for n, line in enumerate(flat):
        found, counts = np.unique(line, return_counts=True)
        values[n] = found[counts.argmax()]
        at[n] = np.flatnonzero(line == values[n])[-1]
    shape = lines.shape[:-1]
    v, i = values.reshape(shape), at.reshape(shape)
    return (np.expand_dims(v, dim), np.expand_dims(i, dim)) if keepdim else (v, i)


row(
    "mode(Tensor input, int dim=-1, bool keepdim=False) -> (values, indices)",
    rule=_pick_rule, numpy=_mode, forms="fm",
    grads={"input": lambda grad, indices, input_shape, dim, keepdim:
           place_back(grad, indices, input_shape, dim, keepdim)},
    samples=lambda m: [((m(4),), {})], doc="The most frequent value along a dimension.",
)  # fmt: skip


def _observed(values: np.ndarray, dt: Any) -> Any:
    """A tensor of data that was computed at the call, since its size depends on data."""
    return call.tensor_of(np.ascontiguousarray(values), dt)


def _nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """Where input is not zero: (n, ndim) indices, or a tuple with a vector for each dimension."""
    array = call.observe(input, "nonzero: the result's size depends on data")
    found = np.stack(np.nonzero(array) if array.ndim else [np.zeros(int(array != 0), np.int64)], 1)
    if not array.ndim:
        found = found[:, :0] if not as_tuple else found
    out = _observed(found.astype(np.int64), dtypes.int64)
    return tuple(out.unbind(1)) if as_tuple else out


row("nonzero(Tensor input, *, bool as_tuple=False) -> Tensor", body=_nonzero, forms="fm",
    doc="See body.")  # fmt: skip

row("argwhere(Tensor input) -> Tensor", body=lambda input: _nonzero(input), forms="fm",
    doc="Where input is not zero, as (n, ndim) indices.")  # fmt: skip


def _unique(
    input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
    dim: Any = None,
) -> Any:  # fmt: skip
    """The different values in ascending order; with the index of each element's value, and how
    often each occurs."""
    array = call.observe(input, "unique: the result's size depends on data")
    values, inverse, counts = np.unique(
        array, return_inverse=True, return_counts=True, axis=dim, equal_nan=False
    )
    shape = array.shape if dim is None else (array.shape[dim],)
    out = [_observed(values, input.dtype)]
    if return_inverse:
        out.append(_observed(inverse.reshape(shape).astype(np.int64), dtypes.int64))
    if return_counts:
        out.append(_observed(counts.astype(np.int64), dtypes.int64))
    return tuple(out) if len(out) > 1 else out[0]


row("unique(Tensor input, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> Tensor",
    body=_unique, forms="fm", doc="See body.")  # fmt: skip


def _unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: Any = None
) -> Any:
    """The first of each run of equal values."""
    array = call.observe(input, "unique_consecutive: the result's size depends on data")
    lines = array.reshape(-1) if dim is None else np.moveaxis(array, dim, 0)
    same = np.ones(len(lines), bool)
    if len(lines) > 1:
        changed = lines[1:] != lines[:-1]
        same[1:] = changed.reshape(len(lines) - 1, -1).any(1)
    starts = np.flatnonzero(same)
    kept = lines[starts]
    values = kept if dim is None else np.moveaxis(kept, 0, dim)
    out = [_observed(values, input.dtype)]
    if return_inverse:
        inverse = np.cumsum(same) - 1
        out.append(_observed(inverse.reshape(array.shape if dim is None else (-1,)), dtypes.int64))
    if return_counts:
        out.append(_observed(np.diff(np.append(starts, len(lines))), dtypes.int64))
    return tuple(out) if len(out) > 1 else out[0]


row("unique_consecutive(Tensor input, bool return_inverse=False, bool return_counts=False, int? dim=None) -> Tensor",
    body=_unique_consecutive, forms="fm", doc="See body.")  # fmt: skip


def _bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often (or with what weight) each integer from 0 occurs."""
    if input.ndim != 1 or input.dtype.category != dtypes.INT:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    array = call.observe(input, "bincount: the result's size depends on data")
    if array.size and array.min() < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is None:
        return _observed(np.bincount(array, minlength=minlength).astype(np.int64), dtypes.int64)
    if weights.shape != input.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    w = call.observe(weights, "bincount")
    dt = weights.dtype if weights.dtype is dtypes.float32 else dtypes.float64
    return _observed(np.bincount(array, w, minlength).astype(dt.np), dt)


row("bincount(Tensor input, Tensor? weights=None, int minlength=0) -> Tensor", body=_bincount,
    forms="fm", doc="See body.")  # fmt: skip


def _histc(input: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """How many elements fall into each of `bins` equal parts of [min, max]."""
    array = call.observe(input, "histc: the range depends on data")
    low, high = float(min), float(max)
    if low == high == 0 and array.size:
        low, high = float(array.min()), float(array.max())
    if low == high:
        low, high = low - 1, high + 1
    if low > high:
        raise RuntimeError("max must be larger than min")
    counts, _ = np.histogram(array.astype(np.float64), bins, (low, high))
    return _observed(counts.astype(input.dtype.np), input.dtype)


row("histc(Tensor input, int bins=100, Scalar min=0, Scalar max=0) -> Tensor", body=_histc,
    forms="fmo", doc="See body.")  # fmt: skip


def _search_rule(seq: Aval, v: Any, right: bool, out_int32: bool) -> Spec:
    shape = v.shape if isinstance(v, Aval) else ()
    if seq.ndim > 1 and tuple(seq.shape[:-1]) != tuple(shape[:-1]):
        raise RuntimeError(
            "boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries "
            f"tensor and input value tensor must match, but we got boundaries tensor "
            f"{list(seq.shape)} and input value tensor {list(shape)}"
        )
    dt = dtypes.int32 if out_int32 else dtypes.int64
    return Spec(aval(tuple(shape), dt, seq.device), common_dtype((seq, v)))


def _search(seq: np.ndarray, v: Any, right: bool, out_int32: bool) -> Any:
    side = "right" if right else "left"
    if seq.ndim == 1:
        return np.searchsorted(seq, v, side)  # type: ignore[call-overload]
    rows = seq.reshape(-1, seq.shape[-1])
    values = v.reshape(len(rows), -1)
    found = [np.searchsorted(r, x, side) for r, x in zip(rows, values, strict=True)]  # type: ignore[call-overload]
    return np.array(found).reshape(v.shape)


row(
    "search_in(Tensor sorted_sequence, Operand input, bool right, bool out_int32) -> Tensor",
    rule=_search_rule, numpy=_search, forms="", doc="See torch.searchsorted.",
)  # fmt: skip

row("searchsorted(Tensor sorted_sequence, Operand input) -> Tensor", forms="fo",
    body=lambda sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None:
        call.search_in(
            sorted_sequence if sorter is None else sorted_sequence.gather(-1, sorter), input,
            right or side == "right", out_int32),
    doc="Where input would be put into each sorted sequence of the last dimension.")  # fmt: skip

row("bucketize(Operand input, Tensor boundaries) -> Tensor", forms="fo",
    body=lambda input, boundaries, *, out_int32=False, right=False:
        call.search_in(boundaries, input, right, out_int32),
    doc="The bucket between boundaries that each element falls into.")  # fmt: skip


def _isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Any:
    """Whether each element is among test_elements."""
    found = (elements.unsqueeze(-1) == test_elements.reshape(-1)).any(-1)
    return ~found if invert else found


row("isin(Tensor elements, Tensor test_elements) -> Tensor", body=_isin, forms="f",
    doc="See body.")  # fmt: skip


def _count_nonzero(input: Any, dim: Any = None) -> Any:
    """How many elements are not zero, over all or some dimensions."""
    return (input != 0).sum(dim)


row("count_nonzero(Tensor input, any dim=None) -> Tensor", body=_count_nonzero, forms="fm",
    samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1), {})], doc="See body.")  # fmt: skip


def _quantile(
    input: Any, q: Any, dim: Any = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    """Quantiles q in [0, 1] along a dimension (or of all elements), interpolated."""
    shape = input.shape
    x = input.reshape(-1) if dim is None else input.transpose(dim, -1)
    n = x.shape[-1]
    if not n:
        raise RuntimeError("quantile() input tensor must be non-empty")
    single = not hasattr(q, "ndim") or q.ndim == 0
    qs = q if hasattr(q, "ndim") else call.tensor(float(q), dtype=input.dtype)
    qs = qs.reshape(-1).to(input.dtype)
    values = call.sort_dim(x, -1, False, False)[0]
    at = qs * (n - 1)
    low = at.floor()
    modes = {"linear": at - low, "lower": at * 0, "higher": (at > low).to(x.dtype),
             "nearest": (at.round() > low).to(x.dtype), "midpoint": ((at > low).to(x.dtype)) * 0.5}  # fmt: skip
    if interpolation not in modes:
        raise RuntimeError(
            "quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {interpolation}"
        )
    first = low.to(dtypes.int64)
    second = (first + 1).clamp(max=n - 1)
    a, b = values.index_select(-1, first), values.index_select(-1, second)
    out = a + (b - a) * modes[interpolation]
    if dim is None:
        out = out.reshape(-1, *([1] * len(shape) if keepdim else []))
    else:
        out = out.movedim(-1, 0)
        at_dim = dim % len(shape)
        kept = _kept(out, at_dim, len(shape))
        out = kept if keepdim else kept.squeeze(at_dim + 1)
    return out[0] if single else out


def _kept(out: Any, d: int, n: int) -> Any:
    """(q, *rest with the last dimension at d) → (q, *shape with one at d)."""
    full = out.unsqueeze(-1)  # dimensions: q, shape without last swapped into d, 1
    return full.transpose(d + 1, n)


row("quantile(Tensor input, Operand q, int? dim=None, bool keepdim=False) -> Tensor",
    body=_quantile, forms="fmo",
    samples=lambda m: [((m(5), 0.3), {}), ((m(2, 4), 0.5, 1), {}), ((m(3, 2), 0.25, 0, True), {})],
    doc="See body.")  # fmt: skip
