"""Resizing of images and signals, as products with a matrix of weights for each dimension.

Every mode is linear and separable, so that a dimension of size n becomes one of size m by an
(m, n) matrix; its transpose is the derivative.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..core.aval import Aval
from .table import Spec, call, row

MODES = ("nearest", "nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area")


def _sources(n: int, m: int, scale: float, align: bool) -> np.ndarray:
    """Where output positions lie in the input (Keys 1981's half-pixel or corner-aligned grid)."""
    at = np.arange(m, dtype=np.float64)
    if align:
        return at * ((n - 1) / (m - 1) if m > 1 else 0.0)
    return (at + 0.5) * scale - 0.5


def _cubic(t: np.ndarray, a: float) -> np.ndarray:
    """Keys' kernel with free parameter a."""
    t = np.abs(t)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


@lru_cache(maxsize=64)
def weights(mode: str, n: int, m: int, scale: float, align: bool, antialias: bool) -> np.ndarray:
    """The (m, n) matrix that resizes one dimension; `scale` is input over output size."""
    out = np.zeros((m, n))
    rows = np.arange(m)
    if mode in ("nearest", "nearest-exact"):
        at = rows * scale if mode == "nearest" else (rows + 0.5) * scale
        out[rows, np.minimum(np.floor(at).astype(int), n - 1)] = 1
    elif mode == "area":
        for i in rows:
            a, b = i * n // m, -(-(i + 1) * n // m)
            out[i, a:b] = 1 / (b - a)
    elif antialias:
        out[:] = _antialiased(mode, n, m, scale)
    elif mode == "bicubic":
        at = _sources(n, m, scale, align)
        base = np.floor(at).astype(int)
        for k in range(-1, 3):
            np.add.at(out, (rows, (base + k).clip(0, n - 1)), _cubic(at - (base + k), -0.75))
    else:
        at = np.maximum(_sources(n, m, scale, align), 0)
        low = np.minimum(np.floor(at).astype(int), n - 1)
        part = at - low
        np.add.at(out, (rows, low), 1 - part)
        np.add.at(out, (rows, np.minimum(low + 1, n - 1)), part)
    return out


def _antialiased(mode: str, n: int, m: int, scale: float) -> np.ndarray:
    """Pillow's way: the kernel is widened by the factor of reduction, and normalised."""
    stretch = max(scale, 1.0)
    reach = (2.0 if mode == "bicubic" else 1.0) * stretch
    out = np.zeros((m, n))
    for i in range(m):
        centre = scale * (i + 0.5)
        a, b = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), n)
        t = (np.arange(a, b) - centre + 0.5) / stretch
        w = _cubic(t, -0.5) if mode == "bicubic" else np.maximum(1 - np.abs(t), 0)
        out[i, a:b] = w / w.sum()
    return out


def _rule(x: Aval, size: Any, *rest: Any) -> Spec:
    return Spec(x.with_shape((*x.shape[: x.ndim - len(size)], *size)))


def _apply(x: np.ndarray, size: Any, scales: Any, mode: str, align: bool,
           antialias: bool, backward: bool) -> np.ndarray:  # fmt: skip
    n = len(size)
    for i in range(n):
        axis = x.ndim - n + i
        source, target = (size[i], x.shape[axis]) if backward else (x.shape[axis], size[i])
        w = weights(mode, source, target, scales[i], align, antialias).astype(x.dtype)
        x = np.moveaxis(np.tensordot(w.T if backward else w, x, (1, axis)), 0, axis)
    return x


_TAIL = "int[] size, any scales, str mode, bool align_corners, bool antialias, bool backward"

row(
    f"resample(Tensor input, {_TAIL}) -> Tensor", rule=_rule, forms="",
    numpy=_apply, node="UpsampleBackward0",
    grads={"input": lambda grad, input_shape, size, scales, mode, align_corners, antialias, backward:
           call.resample(grad, tuple(input_shape)[-len(size):], scales, mode, align_corners, antialias, not backward)},
    doc="The last dimensions resized, or with `backward` its transpose; see F.interpolate.",
)  # fmt: skip


def _interpolate(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: Any = None, antialias: bool = False,
) -> Any:  # fmt: skip
    """(N, C, *) resized to `size`, or by `scale_factor`, over the spatial dimensions."""
    n = input.ndim - 2
    wanted = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}.get(mode, n)
    if mode not in MODES or wanted != n or not 1 <= n <= 3:
        raise NotImplementedError(
            "Input Error: Only 3D, 4D and 5D input Tensors supported (got "
            f"{input.ndim}D) for the modes: nearest | linear | bilinear | bicubic | trilinear | "
            f"area | nearest-exact (got {mode})"
        )
    if size is not None:
        given = (size,) * n if isinstance(size, int) else tuple(int(s) for s in size)
        scales = [a / b if b else 0.0 for a, b in zip(input.shape[2:], given, strict=True)]
    else:
        factors = (
            (float(scale_factor),) * n
            if isinstance(scale_factor, (int, float))
            else tuple(float(f) for f in scale_factor)
        )
        given = tuple(math.floor(s * f) for s, f in zip(input.shape[2:], factors, strict=True))
        scales = [1 / f for f in factors]
    if any(s <= 0 for s in given) or 0 in input.shape[1:]:
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input {list(input.shape)} "
            f"output {list(given)}"
        )
    if not input.is_floating_point() and mode not in ("nearest", "nearest-exact"):
        raise NotImplementedError(f'"upsample" not implemented for \'{input.dtype.legacy}\'')
    return call.resample(input, given, tuple(scales), mode, bool(align_corners), antialias, False)


row("interpolate(Tensor input, any size=None) -> Tensor", body=_interpolate, where="nn", forms="f",
    samples=lambda m: [((m(1, 2, 4), 6), {"mode": "linear"}), ((m(1, 1, 3, 4), (5, 2)), {"mode": "bilinear", "align_corners": True}),
                       ((m(1, 1, 3, 3), None, 2.0), {}), ((m(1, 1, 4, 4), (6, 5)), {"mode": "bicubic"})],
    doc="See body.")  # fmt: skip
