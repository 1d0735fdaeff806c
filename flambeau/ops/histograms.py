"""Counting: how often numbers occur."""

from __future__ import annotations

import builtins
import math
import operator
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.device import CPU
from ..runtime.shortage import room
from .table import call, row


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
    if input._aval.device is not CPU and input.numel():
        return _bincount_there(input, weights, minlength)
    array = call.observe(input, "bincount: the result's size depends on data")
    if array.size and array.min() < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    array = array.astype(np.int64)
    if weights is None:
        return call.tensor_of(np.bincount(array, minlength=minlength).astype(np.int64), dtypes.int64)
    _check_weights(input, weights)
    w = call.observe(weights, "bincount")
    dt = weights.dtype if weights.dtype is dtypes.float32 else dtypes.float64
    if not array.size:
        return call.zeros((minlength,), dtype=dtypes.int64)
    return call.tensor_of(np.bincount(array, w, minlength).astype(dt.np), dt)


def _check_weights(input: Any, weights: Any) -> None:
    if weights.shape != input.shape:
        raise RuntimeError(
            f"bincount(): weights should be 1-d and have the same length as input, got "
            f"{list(weights.shape)} and {list(input.shape)}"
        )


def _bincount_there(input: Any, weights: Any, minlength: int) -> Any:
    """The same on a GPU: of the data only the extremes are looked at."""
    ends = call.stack([input.min(), input.max()])
    low, high = call.observe(ends, "bincount: the result's size depends on data").tolist()
    if low < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    n, places = max(high + 1, minlength), input.to(dtypes.int64)
    if weights is None:
        ones = call.ones((), dtype=dtypes.int64).expand(input.shape)
        return call.zeros((n,), dtype=dtypes.int64).index_add(0, places, ones)
    _check_weights(input, weights)
    dt = weights.dtype if weights.dtype is dtypes.float32 else dtypes.float64
    w = weights.detach().to(dtypes.float64)
    return call.zeros((n,), dtype=dtypes.float64).index_add(0, places, w).to(dt)


row("bincount(Tensor input, Tensor? weights=None, int minlength=0) -> Tensor", body=_bincount,
    forms="fm", samples=lambda m: [((m.int(5),), {}), ((m.int(3), None, 12), {})],
    doc="See body.")  # fmt: skip


def _limits(
    name: str, array: np.ndarray, low: float, high: float, apart: float
) -> tuple[float, float]:
    """The range of a histogram: given, or else the data's; where all is equal, `apart` on both
    sides of it."""
    if low == high and array.size:
        low, high = float(array.min()), float(array.max())
    return _checked_range(name, low, high, apart)


def _checked_range(name: str, low: float, high: float, apart: float) -> tuple[float, float]:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"{name}(): range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"{name}(): max must be larger than min, got [{low}, {high}]")
    return (low - apart, high + apart) if low == high else (low, high)


def _counts(array: np.ndarray, bins: int, low: float, high: float, w: Any = None) -> np.ndarray:
    """Elements of [low, high] counted in equal bins, the last one closed."""
    wide = array.astype(np.float64).reshape(-1)
    inside = (wide >= low) & (wide <= high)
    with np.errstate(all="ignore"):  # far from zero the range may have no width
        place = np.nan_to_num((wide[inside] - low) * np.divide(bins, high - low))
    place = np.clip(place, 0, bins - 1).astype(np.int64)
    weights = None if w is None else w.reshape(-1)[inside]
    return np.bincount(np.minimum(place, bins - 1), weights, bins)


def _histc(input: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """How many elements fall into each of `bins` equal parts of [min, max]."""
    if not input.is_floating_point():
        raise NotImplementedError(f"\"histogram_cpu\" not implemented for '{input.dtype.legacy}'")
    bins = operator.index(bins)
    room(8 * bins, "histc")
    if bins <= 0:
        raise RuntimeError(f"histc(): bins must be > 0, but got {bins}")
    if input._aval.device is not CPU and input.numel():
        return _histc_there(input.detach().reshape(-1).to(dtypes.float64), bins, float(min), float(max)).to(input.dtype)
    array = call.observe(input, "histc: the range depends on data")
    low, high = _limits("histc", array, float(min), float(max), 1.0)
    return call.tensor_of(dtypes.narrow(_counts(array, bins, low, high), input.dtype), input.dtype)


def _histc_there(x: Any, bins: int, low: float, high: float) -> Any:
    """The counts on a GPU, of a vector of float64: of the data at most the extremes are looked at."""
    if low == high:
        low, high = call.observe(call.stack([x.min(), x.max()]), "histc: the range depends on data").tolist()
    low, high = _checked_range("histc", low, high, 1.0)
    inside = (x >= low) & (x <= high)
    scale = bins / (high - low) if high > low else math.inf
    place = call.nan_to_num((x - low) * scale).clamp(0, bins - 1).to(dtypes.int64)
    return call.zeros((bins,), dtype=dtypes.int64).index_add(0, place, inside.to(dtypes.int64))


row("histc(Tensor input, int bins=100, Scalar min=0, Scalar max=0) -> Tensor", body=_histc,
    forms="fmo", out="exact", samples=lambda m: [((m(2, 5), 4), {}), ((m(5), 3, -1, 1), {})],
    doc="See body.")  # fmt: skip


def _histogram(
    input: Any, bins: Any = 100, *, range: Any = None, weight: Any = None, density: bool = False
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
        first, last = range or (0.0, 0.0)
        low, high = _limits("histogram", array, first, last, 0.5)
        edges = np.linspace(low, high, bins + 1)
        counts = _counts(array, bins, low, high, w).astype(np.float64)
    if density:
        counts = counts / (counts.sum() * np.diff(edges))
    return call.named("histogram", ("hist", "bin_edges"), [
        call.tensor_of(dtypes.narrow(values, dt), dt) for values in (counts, edges)
    ])  # fmt: skip


row("histogram(Tensor input, any bins=100) -> Tensors", body=_histogram, forms="fmo", out="exact", samples=lambda m: [((m(2, 5), 4), {})],
    doc="See body.")  # fmt: skip


def _edges_of(x: Any, bins: Any, range: Any, n: int) -> tuple[list[np.ndarray], bool]:
    """The bins' edges in each of the n dimensions, and whether they are equally spaced."""
    if isinstance(bins, int):
        bins = [bins] * n
    bins = list(bins)
    if bins and hasattr(bins[0], "ndim"):
        if len(bins) != n:
            raise RuntimeError(
                f"histogramdd: expected {n} sequences of bin edges for a {n}-dimensional histogram "
                f"but got {len(bins)}"
            )
        for edges in bins:
            if edges.dtype is not x.dtype:
                raise RuntimeError(f"histogramdd: bins have dtype {edges.dtype}, input {x.dtype}")
            if edges.ndim != 1 or not edges.numel():
                raise RuntimeError(
                    f"histogramdd: bins tensor should have one dimension, but got shape {list(edges.shape)}"
                )
        return [np.array(call.observe(edges, "histogramdd"), np.float64) for edges in bins], False
    if len(bins) != n:
        raise RuntimeError(
            f"histogramdd: The size of bins must be equal to the innermost dimension of the input: "
            f"{n}, got {len(bins)}"
        )
    if any(b <= 0 for b in bins):
        raise RuntimeError(f"histogramdd(): bins must be > 0, but got {bins}")
    if range is not None and len(range) != 2 * n:
        raise RuntimeError(
            f"histogramdd: for a {n}-dimensional histogram range should have {2 * n} elements, but "
            f"got {len(range)}"
        )
    array = call.observe(x, "histogramdd: the range depends on data").reshape(-1, n)
    edges = []
    for i, count in enumerate(bins):
        first, last = (0.0, 0.0) if range is None else (range[2 * i], range[2 * i + 1])
        if range is None:
            low, high = _limits("histogramdd", array[:, i], first, last, 0.5)
        else:
            low, high = _limits("histogramdd", array[:0, i], float(first), float(last), 0.5)
        edges.append(np.linspace(low, high, count + 1))
    return edges, True


def _places_in(values: np.ndarray, edges: np.ndarray, equal: bool) -> np.ndarray:
    """The bin of each value, -1 where it is in none; the last one is closed."""
    count = len(edges) - 1
    if equal:
        low, high = edges[0], edges[-1]
        with np.errstate(all="ignore"):  # far from zero the range may have no width
            place = np.nan_to_num((values - low) * (count / (high - low)), nan=-1.0)
        place = np.clip(place, -1, count).astype(np.int64)
        place[(values < low) | (values > high) | np.isnan(values)] = -1
        return np.where(values == high, count - 1, np.minimum(place, count - 1))
    place = np.searchsorted(edges, values, side="right") - 1
    place = np.where(values == edges[-1], count - 1, place)
    return np.where((place < 0) | (place >= count) | np.isnan(values), -1, place)


def _histogramdd(
    input: Any, bins: Any, range: Any = None, weight: Any = None, density: bool = False
) -> Any:
    """Counts of points (*, n) in the cells of an n-dimensional grid, and the edges of its bins.
    `bins` is how many, for each dimension, or a tensor of edges for each."""
    if input.ndim < 2:
        raise RuntimeError(
            f"histogramdd: input tensor should have at least 2 dimensions, got {input.ndim}"
        )
    if not input.is_floating_point():
        raise NotImplementedError(f"\"histogramdd\" not implemented for '{input.dtype.legacy}'")
    n, dt = input.shape[-1], input.dtype
    if weight is not None and tuple(weight.shape) != tuple(input.shape[:-1]):
        raise RuntimeError(
            "histogramdd: if weight tensor is provided it should have the same shape as the input "
            f"tensor excluding its innermost dimension, but got {list(input.shape)} and "
            f"{list(weight.shape)}"
        )
    if weight is not None and weight.dtype is not dt:
        raise TypeError(f"histogramdd(): weight has dtype {weight.dtype}, input {dt}")
    edges, equal = _edges_of(input, bins, range, n)
    array = call.observe(input, "histogramdd").astype(np.float64).reshape(-1, n)
    shape = tuple(len(e) - 1 for e in edges)
    places = [_places_in(array[:, i], e, equal) for i, e in enumerate(edges)]
    inside = np.all([p >= 0 for p in places], 0) if places else np.zeros(len(array), bool)
    flat = np.ravel_multi_index([p[inside] for p in places], shape) if inside.any() else np.zeros(0, np.int64)
    w = None if weight is None else call.observe(weight, "histogramdd").reshape(-1)[inside]
    counts = np.bincount(flat, w, math.prod(shape)).reshape(shape).astype(np.float64)
    if density:
        counts = counts / counts.sum()
        for i, e in enumerate(edges):
            widths = np.diff(e).reshape([-1 if d == i else 1 for d in builtins.range(n)])
            counts = counts / widths
    hist = call.tensor_of(dtypes.narrow(counts, dt), dt)
    tensors = tuple(call.tensor_of(dtypes.narrow(e, dt), dt) for e in edges)
    return call.named("histogramdd", ("hist", "bin_edges"), [hist, tensors])


row("histogramdd(Tensor input, any bins, any range=None, Tensor? weight=None, bool density=False) -> Tensors",
    body=_histogramdd, forms="f", samples=lambda m: [((m(5, 2), [2, 3]), {})], doc="See body.")  # fmt: skip
