"""Counting: how often numbers occur."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes
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
    forms="fm", samples=lambda m: [((m.int(5),), {}), ((m.int(3), None, 12), {})],
    doc="See body.")  # fmt: skip


def _limits(
    name: str, array: np.ndarray, low: float, high: float, apart: float
) -> tuple[float, float]:
    """The range of a histogram: given, or else the data's; where all is equal, `apart` on both
    sides of it."""
    if low == high and array.size:
        low, high = float(array.min()), float(array.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"{name}(): range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"{name}(): max must be larger than min, got [{low}, {high}]")
    return (low - apart, high + apart) if low == high else (low, high)


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
    low, high = _limits("histc", array, float(min), float(max), 1.0)
    return call.tensor_of(dtypes.narrow(_counts(array, bins, low, high), input.dtype), input.dtype)


row("histc(Tensor input, int bins=100, Scalar min=0, Scalar max=0) -> Tensor", body=_histc,
    forms="fmo", out="exact", samples=lambda m: [((m(2, 5), 4), {}), ((m(5), 3, -1, 1), {})],
    doc="See body.")  # fmt: skip


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
        first, last = range or (0.0, 0.0)
        low, high = _limits("histogram", array, first, last, 0.5)
        edges = np.linspace(low, high, bins + 1)
        counts = _counts(array, bins, low, high, w).astype(np.float64)
    if density:
        counts = counts / (counts.sum() * np.diff(edges))
    return call.named("histogram", ("hist", "bin_edges"), [
        call.tensor_of(dtypes.narrow(values, dt), dt) for values in (counts, edges)
    ])  # fmt: skip


row("histogram(Tensor input, any bins) -> Tensors", body=_histogram, forms="fmo", out="exact", samples=lambda m: [((m(2, 5), 4), {})],
    doc="See body.")  # fmt: skip
