"""Spreads, quantiles, ranks, covariances, histograms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from ..core.layout import wrap_dim
from .reductions import (
    all_grad,
    axes,
    count,
    kept,
    mean_of,
    need_elements,
    ordered,
    place_back,
    restore,
    taken,
)
from .rules import reduced_shape
from .table import Spec, call, row


def _var_rule(x: Aval, dim: Any, correction: float, keepdim: bool) -> Spec:
    if x.dtype.category < dtypes.FLOAT:
        raise RuntimeError("std and var only support floating point and complex dtypes")
    shape, _ = reduced_shape(x.shape, dim, keepdim)
    return Spec(aval(shape, x.dtype.to_real(), x.device))


def _var(x: np.ndarray, dim: Any, correction: float, keepdim: bool) -> Any:
    real = x.real.dtype.type
    n = count(x.shape, dim)
    axis = axes(x, dim)
    if not n:
        return np.full(reduced_shape(x.shape, dim, kept(x, keepdim))[0], np.nan, real)
    d = x - mean_of(x, axis, n, x.ndim > 0)
    squares = np.square(d.real) + np.square(d.imag) if np.iscomplexobj(d) else np.square(d)
    return np.true_divide(squares.sum(axis=axis, keepdims=kept(x, keepdim)), real(max(n - correction, 0)))


def _var_grad(grad: Any, input: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    n = count(input.shape, dim)
    factor = 2.0 / (n - correction) if n != correction else math.inf
    centred = input - (input.mean(dim, True) if input.ndim else input)
    return restore(grad, input.shape, dim, keepdim) * factor * centred


def _std_grad(grad: Any, input: Any, result: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    g = (grad / (result * 2)).masked_fill(result == 0, 0)
    return _var_grad(g, input, dim, correction, keepdim)


def _mean_grad(grad: Any, input: Any, dim: Any, keepdim: bool) -> Any:
    n = max(count(input.shape, dim), 1)
    return restore(grad, input.shape, dim, keepdim).expand(input.shape) / n


def _sum_of(*parts: Any) -> Any:
    there = [p for p in parts if p is not None]
    return there[0] if len(there) == 1 else there[0] + there[1]


def _pair_rule(x: Aval, dim: Any, correction: float, keepdim: bool) -> Spec:
    one = _var_rule(x, dim, correction, keepdim).aval
    return Spec((one, one.with_dtype(x.dtype)))


def _pair(spread: Any) -> Any:
    def both(x: np.ndarray, dim: Any, correction: float, keepdim: bool) -> tuple[Any, Any]:
        mean = mean_of(x, axes(x, dim), count(x.shape, dim), kept(x, keepdim))
        return spread(x, dim, correction, keepdim), mean

    return both


def _std(x: np.ndarray, dim: Any, correction: float, keepdim: bool) -> Any:
    return np.sqrt(_var(x, dim, correction, keepdim))


_DIMS = "(Tensor input, int[]? dim, float correction, bool keepdim)"

row(
    f"var_dims{_DIMS} -> Tensor", rule=_var_rule, numpy=_var, forms="", node="VarBackward0",
    called="var",
    grads={"input": lambda grad, input, dim, correction, keepdim:
           _var_grad(grad, input, dim, correction, keepdim)},
    doc="Variance; see torch.var.",
)  # fmt: skip
row(
    f"std_dims{_DIMS} -> Tensor", rule=_var_rule, numpy=_std, forms="", node="StdBackward0",
    called="std",
    grads={"input": lambda grad, input, result, dim, correction, keepdim:
           _std_grad(grad, input, result, dim, correction, keepdim)},
    doc="Standard deviation; see torch.std.",
)  # fmt: skip
row(
    f"var_mean_dims{_DIMS} -> (_var, _mean)", rule=_pair_rule, numpy=_pair(_var), forms="",
    node="VarMeanBackward0", called="var_mean",
    grads={"input": lambda grads, input, dim, correction, keepdim: _sum_of(
        None if grads[0] is None else _var_grad(grads[0], input, dim, correction, keepdim),
        None if grads[1] is None else _mean_grad(grads[1], input, dim, keepdim))},
    doc="Variance and mean; see torch.var_mean.",
)  # fmt: skip
row(
    f"std_mean_dims{_DIMS} -> (_std, _mean)", rule=_pair_rule, numpy=_pair(_std), forms="",
    node="StdMeanBackward0", called="std_mean",
    grads={"input": lambda grads, input, _std, dim, correction, keepdim: _sum_of(
        None if grads[0] is None else _std_grad(grads[0], input, _std, dim, correction, keepdim),
        None if grads[1] is None else _mean_grad(grads[1], input, dim, keepdim))},
    doc="Standard deviation and mean; see torch.std_mean.",
)  # fmt: skip


def _spread_of(name: str) -> Any:
    def spread(
        input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
        correction: Any = None,
    ) -> Any:  # fmt: skip
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if correction is None:
            correction = 1 if unbiased is None or unbiased else 0
        elif unbiased is not None:
            raise TypeError(f"{name}() takes either unbiased or correction, not both")
        return getattr(call, f"{name}_dims")(input, dim, float(correction), keepdim)

    spread.__name__ = name
    spread.__doc__ = (
        f"{name.replace('_', ' and ')} over all elements or dimensions; squares are divided by "
        "n - correction, where correction is 1, or 0 for unbiased=False."
    )
    return spread


for _name in ("var", "std"):
    row(f"{_name}(Tensor input, any dim=None, any unbiased=None, bool keepdim=False) -> Tensor",
        body=_spread_of(_name), forms="fmo",
        samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1), {}), ((m(2, 3, 2), (0, 2)), {"correction": 0, "keepdim": True}),
                           ((m(3), False), {})],
        doc="See body.")  # fmt: skip
    row(f"{_name}_mean(Tensor input, any dim=None, any unbiased=None, bool keepdim=False) -> Tensors",
        forms="f", body=_spread_of(_name + "_mean"),
        samples=lambda m: [((m(2, 3),), {}), ((m(2, 3), 1), {}), ((m(2, 3), (0, 1), False, True), {})],
        doc="See body.")  # fmt: skip


# --- ranks --------------------------------------------------------------------------------------


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
        numpy=(lambda skip: lambda x: _middle_all(x, skip))(_skip),
        node=f"{_name.capitalize()}Backward0",
        grads={"input": lambda grad, input, result: all_grad(grad, input, result)},
        doc="The lower median of all elements.",
    )  # fmt: skip
    row(
        f"{_name}_dim(Tensor input, int dim, bool keepdim) -> (values, indices)",
        rule=_pick_rule, forms="", called=_name, node=f"{_name.capitalize()}Backward1",
        numpy=(lambda skip: lambda x, dim, keepdim: _middle(x, dim, keepdim, skip))(_skip),
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
    rule=_kth_rule, numpy=_kth, forms="fmo", out="apart",
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
    rule=_pick_rule, numpy=_mode, forms="fmo", out="exact",
    grads={"input": lambda grad, indices, input_shape, dim, keepdim:
           place_back(grad, indices, input_shape, dim, keepdim)},
    samples=lambda m: [((m(4),), {}), ((m(2, 3), 0, True), {})],
    doc="The most frequent value along a dimension.",
)  # fmt: skip


# --- quantiles ----------------------------------------------------------------------------------


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
        seen = call.observe(q, f"{name} checks its q")
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


# --- covariances --------------------------------------------------------------------------------


def _cov_weights(name: str, w: Any, n: int, whole: bool) -> None:
    if w.ndim > 1:
        raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions but got {w.ndim}")
    if (w.dtype.category == dtypes.INT) != whole or w.dtype.category in (dtypes.BOOL, dtypes.COMPLEX):
        kind = "integral" if whole else "floating point"
        raise RuntimeError(f"cov(): expected {name} to have {kind} dtype but got {name} with {w.dtype}")
    if w.numel() != n:
        raise RuntimeError(
            f"cov(): expected {name} to have the same numel as there are observations in the input "
            f"but got {w.numel()} != {n}"
        )
    if (call.observe(w, "cov checks its weights") < 0).any():
        raise RuntimeError(f"cov(): {name} cannot be negative")


def _cov(
    input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None
) -> Any:
    """The covariance matrix of variables (rows) over observations (columns), weighted by how often
    each occurs (fweights) and how much it counts (aweights)."""
    if input.ndim > 2:
        raise RuntimeError(f"cov(): expected input to have two or fewer dimensions but got {input.ndim}")
    if input.dtype is dtypes.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = input.reshape(1, -1) if input.ndim < 2 else input
    n = x.shape[1]
    w = None
    if fweights is not None:
        _cov_weights("fweights", fweights, n, True)
        w = fweights
    if aweights is not None:
        _cov_weights("aweights", aweights, n, False)
        w = aweights if w is None else w * aweights
    if w is None:
        mean = x.sum(1, True) / n if n else x.sum(1, True) * math.nan
        norm: Any = max(n - correction, 0)
    else:
        amount = w.sum()
        if n and float(amount.item()) == 0:
            raise RuntimeError("cov(): weights sum to zero, can't be normalized")
        mean = (x * w).sum(1, True) / amount
        norm = amount - correction
        if aweights is not None and correction:
            norm = amount - correction * (w * aweights).sum() / amount
        norm = norm.clamp(min=0)
    centred = x - mean
    other = call.conj(centred) if centred.is_complex() else centred
    out = (centred if w is None else centred * w).mm(other.t().to(centred.dtype))
    return call.true_divide(out, norm).squeeze()


row("cov(Tensor input) -> Tensor", body=_cov, forms="fm",
    samples=lambda m: [((m(2, 3),), {}), ((m(4),), {}), ((m(2, 3),), {"correction": 0})],
    doc="See body.")  # fmt: skip


def _corrcoef(input: Any) -> Any:
    """Pearson's correlation coefficients of variables (rows) over observations (columns)."""
    if input.ndim > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got {input.ndim}"
        )
    c = _cov(input)
    if c.ndim == 0:
        return c / c
    spread = call.real(c.diagonal()).sqrt() if c.is_complex() else c.diagonal().sqrt()
    out = c / spread.unsqueeze(1) / spread
    if not out.is_complex():
        return out.clamp(-1, 1)
    return call.complex(call.real(out).clamp(-1, 1), call.imag(out).clamp(-1, 1))


row("corrcoef(Tensor input) -> Tensor", body=_corrcoef, forms="fm",
    samples=lambda m: [((m(2, 4),), {})], doc="See body.")  # fmt: skip


# --- counting -----------------------------------------------------------------------------------


def _bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often (or with what weight) each integer from 0 occurs."""
    if input.dtype.category != dtypes.INT:
        raise NotImplementedError(f"bincount(): not implemented for '{input.dtype.legacy}'")
    if input.ndim != 1:
        raise RuntimeError(
            f"bincount only supports 1-d non-negative integral inputs, got shape {list(input.shape)}."
        )
    if minlength < 0:
        raise RuntimeError(f"bincount(): minlength should be >= 0, got {minlength}")
    array = call.observe(input, "bincount: the result's size depends on data")
    if array.size and array.min() < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    array = array.astype(np.int64)
    if weights is None:
        return call.tensor_of(np.bincount(array, minlength=minlength).astype(np.int64), dtypes.int64)
    if weights.shape != input.shape:
        raise RuntimeError(
            f"bincount(): weights should be 1-d and have the same length as input, got "
            f"{list(weights.shape)} and {list(input.shape)}"
        )
    w = call.observe(weights, "bincount")
    dt = weights.dtype if weights.dtype is dtypes.float32 else dtypes.float64
    if not array.size:
        return call.zeros((minlength,), dtype=dtypes.int64)
    return call.tensor_of(np.bincount(array, w, minlength).astype(dt.np), dt)


row("bincount(Tensor input, Tensor? weights=None, int minlength=0) -> Tensor", body=_bincount,
    forms="fm", doc="See body.")  # fmt: skip


def _limits(name: str, array: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """The range of a histogram: given, or else the data's."""
    if low == high and array.size:
        low, high = float(array.min()), float(array.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"{name}(): range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"{name}(): max must be larger than min, got [{low}, {high}]")
    return (low - 1, high + 1) if low == high else (low, high)


def _counts(array: np.ndarray, bins: int, low: float, high: float, w: Any = None) -> np.ndarray:
    """Elements of [low, high] counted in equal bins, the last one closed."""
    wide = array.astype(np.float64).reshape(-1)
    inside = (wide >= low) & (wide <= high)
    place = ((wide[inside] - low) * (bins / (high - low))).astype(np.int64)
    weights = None if w is None else w.reshape(-1)[inside]
    return np.bincount(np.minimum(place, bins - 1), weights, bins)


def _histc(input: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """How many elements fall into each of `bins` equal parts of [min, max]."""
    if not input.is_floating_point():
        raise NotImplementedError(f"\"histogram_cpu\" not implemented for '{input.dtype.legacy}'")
    if bins <= 0:
        raise RuntimeError(f"histc(): bins must be > 0, but got {bins}")
    array = call.observe(input, "histc: the range depends on data")
    low, high = _limits("histc", array, float(min), float(max))
    return call.tensor_of(dtypes.narrow(_counts(array, bins, low, high), input.dtype), input.dtype)


row("histc(Tensor input, int bins=100, Scalar min=0, Scalar max=0) -> Tensor", body=_histc,
    forms="fmo", out="exact", doc="See body.")  # fmt: skip


def _histogram(
    input: Any, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False
) -> Any:
    """Counts in bins (how many, or their edges) and the bins' edges."""
    if not input.is_floating_point():
        raise NotImplementedError(f"\"histogram\" not implemented for '{input.dtype.legacy}'")
    dt = input.dtype
    array = call.observe(input, "histogram: the range depends on data")
    w = None if weight is None else call.observe(weight, "histogram")
    if hasattr(bins, "ndim"):
        if bins.dtype is not dt:
            raise RuntimeError(f"histogram(): bins has dtype {bins.dtype}, input {dt}")
        edges = np.array(call.observe(bins, "histogram"))
        counts = np.histogram(array, edges, weights=w)[0].astype(np.float64)
    else:
        if bins <= 0:
            raise RuntimeError(f"histogram(): bins must be > 0, but got {bins}")
        low, high = _limits("histogram", array, *(range or (0.0, 0.0)))
        edges = np.linspace(low, high, bins + 1)
        counts = _counts(array, bins, low, high, w).astype(np.float64)
    if density:
        counts = counts / (counts.sum() * np.diff(edges))
    return call.named("histogram", ("hist", "bin_edges"), [
        call.tensor_of(dtypes.narrow(values, dt), dt) for values in (counts, edges)
    ])  # fmt: skip


row("histogram(Tensor input, any bins) -> Tensors", body=_histogram, forms="fm", doc="See body.")  # fmt: skip
