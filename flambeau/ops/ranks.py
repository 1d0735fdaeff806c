"""Medians, quantiles and other ranks."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from ..core.layout import wrap_dim
from .lowering import sorting as low
from .reductions import all_grad, need_elements, ordered, place_back, taken
from .rules import reduced_shape
from .table import Spec, call, row


def _pick_rule(x: Aval, dim: int, keepdim: bool) -> Spec:
    shape, dims = reduced_shape(x.shape, dim, keepdim)
    need_elements(x, dims)
    ordered(x)
    return Spec((x.with_shape(shape), aval(shape, dtypes.int64, x.device)))


def _nans(x: np.ndarray) -> Any:
    return np.isnan(x) if x.dtype.kind == "f" else np.zeros(x.shape, bool)


def _middle(x: np.ndarray, dim: int, keepdim: bool, skip: bool) -> tuple[Any, Any]:
    """The lower median along a dimension; NaN where there is one, unless they are to be skipped."""
    if not x.ndim:
        return x, np.zeros((), np.int64)
    order = x.argsort(axis=dim, kind="stable")  # NaN last
    nan = _nans(x)
    there = x.shape[dim] - nan.sum(axis=dim, keepdims=True)
    rank = np.maximum(there - 1, 0) // 2
    if not skip:  # the first NaN is the median where there is one
        rank = np.where(there == x.shape[dim], rank, there)
    return taken(x, np.take_along_axis(order, rank, dim), dim, keepdim)


def _middle_all(x: np.ndarray, skip: bool) -> Any:
    if not x.size:  # what C makes of NaN
        least = np.iinfo(x.dtype).min if x.dtype.kind == "i" and x.itemsize >= 4 else 0
        return np.array(np.nan if x.dtype.kind == "f" else least, x.dtype)
    return _middle(x.reshape(-1), 0, False, skip)[0]


def _all_rule(x: Aval) -> Spec:
    ordered(x)
    if x.dtype is dtypes.bool_:
        raise NotImplementedError("not implemented for 'Bool'")
    return Spec(x.with_shape(()))


for _name, _skip in (("median", False), ("nanmedian", True)):
    row(
        f"{_name}_all(Tensor input) -> Tensor", rule=_all_rule, forms="", called=_name,
        numpy=(lambda skip: lambda x: _middle_all(x, skip))(_skip), lower=low.median_all(_skip),
        node=f"{_name.capitalize()}Backward0",
        grads={"input": lambda grad, input, result: all_grad(grad, input, result)},
        doc="The lower median of all elements.",
    )  # fmt: skip
    row(
        f"{_name}_dim(Tensor input, int dim, bool keepdim) -> (values, indices)",
        rule=_pick_rule, forms="", called=_name, node=f"{_name.capitalize()}Backward1",
        numpy=(lambda skip: lambda x, dim, keepdim: _middle(x, dim, keepdim, skip))(_skip),
        lower=low.median(_skip),
        grads={"input": lambda grad, indices, input_shape, dim, keepdim:
               place_back(grad, indices, input_shape, dim, keepdim)},
        doc="The lower median along a dimension.",
    )  # fmt: skip


def _median_body(name: str) -> Any:
    def median(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
        if dim is None:
            return getattr(call, f"{name}_all")(input)
        return getattr(call, f"{name}_dim")(input, dim, keepdim)

    median.__doc__ = (
        "The lower median of all elements, or values and indices along a dimension"
        + (", NaN left out." if name == "nanmedian" else ".")
    )
    return median


for _name in ("median", "nanmedian"):
    row(f"{_name}(Tensor input, int? dim=None, bool keepdim=False) -> Tensor",
        body=_median_body(_name), forms="fmo",
        samples=lambda m: [((m(5),), {}), ((m(2, 4), 1), {}), ((m(3, 2), 0, True), {})], doc="See body.")  # fmt: skip


def _kth_rule(x: Aval, k: int, dim: int, keepdim: bool) -> Spec:
    d = wrap_dim(dim, x.ndim)
    size = x.shape[d] if x.ndim else 1
    if not 1 <= k <= size:
        if x.ndim:
            need_elements(x, (d,))
        raise RuntimeError(f"selected number k out of range for dimension {dim}: k={k}, size {size}")
    return _pick_rule(x, dim, keepdim)


def _kth(x: np.ndarray, k: int, dim: int, keepdim: bool) -> tuple[Any, Any]:
    if not x.ndim:
        return x, np.zeros((), np.int64)
    at = x.argsort(axis=dim, kind="stable").take([k - 1], axis=dim)
    return taken(x, at, dim, keepdim)


row(
    "kthvalue(Tensor input, int k, int dim=-1, bool keepdim=False) -> (values, indices)",
    rule=_kth_rule, numpy=_kth, lower=low.kthvalue, forms="fmo", out="apart",
    grads={"input": lambda grad, indices, input_shape, dim, keepdim:
           place_back(grad, indices, input_shape, dim, keepdim)},
    samples=lambda m: [((m(4), 2), {}), ((m(2, 3), 1, 0, True), {})],
    doc="The k-th smallest value along a dimension, k from 1.",
)  # fmt: skip


def _mode(x: np.ndarray, dim: int, keepdim: bool) -> tuple[Any, Any]:
    """The smallest of the most frequent values, and the last place where it is."""
    if not x.ndim:
        return x, np.zeros((), np.int64)
    lines = np.moveaxis(x, dim, -1)
    order = lines.argsort(axis=-1, kind="stable")
    values = np.take_along_axis(lines, order, -1)
    n = values.shape[-1]
    new = np.ones(values.shape, bool)
    new[..., 1:] = values[..., 1:] != values[..., :-1]
    numbers = np.arange(n)
    first = np.maximum.accumulate(np.where(new, numbers, 0), axis=-1)
    length = numbers - first  # of the run of equal values so far: its end has the most
    best = length.argmax(axis=-1)[..., None]
    at = np.moveaxis(np.take_along_axis(order, best, -1), -1, dim)
    return taken(x, at, dim, keepdim)


row(
    "mode(Tensor input, int dim=-1, bool keepdim=False) -> (values, indices)",
    rule=_pick_rule, numpy=_mode, lower=low.mode, forms="fmo", out="exact",
    grads={"input": lambda grad, indices, input_shape, dim, keepdim:
           place_back(grad, indices, input_shape, dim, keepdim)},
    samples=lambda m: [((m(4),), {}), ((m(2, 3), 0, True), {})],
    doc="The most frequent value along a dimension.",
)  # fmt: skip


# --- quantiles ------------------------------------------------------------------------------------


def _quantile_input(name: str, input: Any, q: Any, dim: Any) -> tuple[Any, Any, int]:
    """The input with the dimension in question last, the quantiles as a vector, that dimension."""
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(
            f"{name}() input tensor must be either float or double dtype, got {input.dtype}"
        )
    if hasattr(q, "ndim"):
        if q.ndim > 1:
            raise RuntimeError(f"{name}() q must be a scalar or 1D tensor, got {q.ndim}D")
        if q.dtype is not input.dtype:
            raise RuntimeError(
                f"{name}() q tensor must be same dtype as the input tensor, got {q.dtype} and "
                f"{input.dtype}"
            )
        seen = call.observe_batch(q, f"{name} checks its q")
        if not ((seen >= 0) & (seen <= 1)).all():
            raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
        qs = q.reshape(-1)
    else:
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        qs = call.tensor([float(q)], dtype=input.dtype)
    d = 0 if dim is None else wrap_dim(dim, input.ndim)
    x = input.reshape(-1) if dim is None or not input.ndim else input.movedim(d, -1)
    if not x.numel():
        raise RuntimeError(f"{name}() input tensor must be non-empty, got {list(input.shape)}")
    return x, qs, d


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantiles(
    name: str, input: Any, q: Any, dim: Any, keepdim: bool, interpolation: str
) -> Any:
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {interpolation}"
        )
    x, qs, d = _quantile_input(name, input, q, dim)
    values = call.sort_dim(x, -1, False, False)[0]
    n = x.shape[-1]
    nan = call.isnan(values).sum(-1, True)
    if name == "nanquantile":
        last = (n - 1 - nan).clamp(min=0).to(x.dtype)
        at = qs * last
    else:
        at = (qs * (n - 1)).expand((*x.shape[:-1], qs.shape[0]))
        at = call.where(nan > 0, call.full((), n - 1, dtype=x.dtype), at)
    out = _between(values, at, n, interpolation)
    if not input.ndim:
        out = out.reshape(-1)
    else:
        out = out.movedim(-1, 0)
        if keepdim:
            lost = range(input.ndim) if dim is None else (d,)
            for at_dim in lost:
                out = out.unsqueeze(at_dim + 1)
    return out if hasattr(q, "ndim") and q.ndim else out.squeeze(0)


def _between(values: Any, at: Any, n: int, interpolation: str) -> Any:
    """Values at fractional places of the last dimension."""
    if interpolation == "nearest":
        return values.gather(-1, at.round().to(dtypes.int64))
    low = at.detach().floor()
    below = values.gather(-1, low.to(dtypes.int64))
    if interpolation == "lower":
        return below
    high = at.detach().ceil()
    above = values.gather(-1, high.to(dtypes.int64))
    if interpolation == "higher":
        return above
    weight = call.full_like(at, 0.5) if interpolation == "midpoint" else at - low
    return call.lerp(below, above, weight)


def _quantile(
    input: Any, q: Any, dim: Any = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    """Quantiles q in [0, 1] along a dimension (or of all elements), interpolated."""
    return _quantiles("quantile", input, q, dim, keepdim, interpolation)


def _nanquantile(
    input: Any, q: Any, dim: Any = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Any:
    """quantile() of what is not NaN."""
    return _quantiles("nanquantile", input, q, dim, keepdim, interpolation)


for _name, _body in (("quantile", _quantile), ("nanquantile", _nanquantile)):
    row(f"{_name}(Tensor input, Operand q, int? dim=None, bool keepdim=False) -> Tensor",
        body=_body, forms="fmo",
        samples=lambda m: [((m(5), 0.3), {}), ((m(2, 4), 0.5, 1), {}), ((m(3, 2), 0.25, 0, True), {}),
                           ((m(2, 3), call.tensor([0.1, 0.8], dtype=dtypes.float64), 1), {})],
        doc="See body.")  # fmt: skip
