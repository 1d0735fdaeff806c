"""Fractional max pooling: windows of one size whose starts are drawn (Graham, "Fractional
Max-Pooling", 2014)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from ..errors import shape_text
from .table import Spec, call, row

Array = np.ndarray[Any, Any]
Ints = tuple[int, ...]


def _rule(x: Aval, samples: Aval, kernel: Ints, size: Ints) -> Spec:
    n = len(kernel)
    if x.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"Expected {n + 1}D or {n + 2}D tensor, but got: {shape_text(x.shape)}"
        )
    lead, image = x.shape[: x.ndim - n], x.shape[x.ndim - n :]
    if any(d == 0 for d in x.shape[-n - 1 :]):
        raise RuntimeError(
            "Expected input to have non-zero size for non-batch dimensions, but got "
            f"{shape_text(x.shape)}"
        )
    for width, k, s in zip(image, kernel, size, strict=True):
        # PyTorch leaves an element over in three dimensions.
        if k < 1 or s < 1 or s + k - 1 > width - (n == 3):
            raise RuntimeError(
                f"output size {list(size)} is too large or below 1: windows of {list(kernel)} in "
                f"an input of {shape_text(image)} allow at most "
                f"{[w - k + (n == 2) for w, k in zip(image, kernel, strict=True)]}"
            )
    if x.dtype.category != dtypes.FLOAT:
        raise NotImplementedError(
            f'"fractional_max_pool{n}d" not implemented for \'{x.dtype.legacy}\''
        )
    _check_samples(x, samples, n)
    shape = (*lead, *size)
    return Spec((x.with_shape(shape), aval(shape, dtypes.int64, x.device)))


def _check_samples(x: Aval, samples: Aval, n: int) -> None:
    planes = (x.shape[0] if x.ndim == n + 2 else 1, x.shape[-n - 1], n)
    fits = samples.ndim == 3 and samples.shape[0] >= planes[0] and samples.shape[1:] == planes[1:]
    if not fits:
        raise RuntimeError(
            f"random samples must be of shape {list(planes)}, one for each plane and dimension, "
            f"but got {shape_text(samples.shape)}"
        )
    if samples.dtype is not x.dtype:
        raise RuntimeError(
            f"expected random samples of dtype {x.dtype}, the input's, but got {samples.dtype}"
        )


def starts(samples: Array, width: int, size: int, kernel: int) -> Array:
    """Where the windows along one dimension begin: (planes, size), for a sample u a plane.

    Window i begins at trunc((i + u) a) - trunc(u a), with a = (width - kernel) / (size - 1); the
    last one ends where the input does.
    """
    begins = np.full((len(samples), size), width - kernel, np.int64)
    if size > 1:
        step = samples.dtype.type(width - kernel) / samples.dtype.type(size - 1)
        counted = (np.arange(size - 1, dtype=samples.dtype) + samples[:, None]) * step
        begins[:, :-1] = counted.astype(np.int64) - (samples * step).astype(np.int64)[:, None]
    return begins


def _pool(x: Array, samples: Array, kernel: Ints, size: Ints) -> tuple[Array, Array]:
    n = len(kernel)
    image = x.shape[x.ndim - n :]
    planes = math.prod(x.shape[: x.ndim - n])
    # In two dimensions PyTorch takes the width's sample first, in three the depth's.
    order = (1, 0) if n == 2 else (0, 1, 2)
    drawn = samples.reshape(-1, n)[:planes]
    places = np.zeros((planes, *(1,) * (2 * n)), np.int64)
    for d in range(n):
        along = starts(drawn[:, order[d]], image[d], size[d], kernel[d])
        along = along[:, :, None] + np.arange(kernel[d])
        spread = [planes, *(1,) * (2 * n)]
        spread[1 + d], spread[1 + n + d] = size[d], kernel[d]
        places = places * image[d] + along.reshape(spread)
    places = places.reshape(planes, math.prod(size), math.prod(kernel))
    windows = np.take_along_axis(
        x.reshape(planes, math.prod(image)), places.reshape(planes, -1), 1
    ).reshape(places.shape)
    chosen = _last_nan_or_first_largest(windows)[..., None]
    shape = (*x.shape[: x.ndim - n], *size)
    values = np.take_along_axis(windows, chosen, -1).reshape(shape)
    return values, np.take_along_axis(places, chosen, -1).reshape(shape)


def _last_nan_or_first_largest(windows: Array) -> Array:
    nan = np.isnan(windows)
    last = windows.shape[-1] - 1 - nan[..., ::-1].argmax(-1)
    return np.where(nan.any(-1), last, windows.argmax(-1))


for _n in (2, 3):
    _samples = (lambda n: lambda m: [  # type: ignore[var-annotated]
        ((m(2, 2, *(5, 4, 6)[:n]), (2,) * n, (3, 2, 4)[:n], m(2, 2, n, low=0.0, high=0.99)), {}),
        ((m(2, *(4, 5, 4)[:n]), (2, 3, 2)[:n], (1,) * n, m(1, 2, n, low=0.0, high=0.99)), {})])(_n)
    row(
        f"fractional_max_pool{_n}d(Tensor input, int[] kernel_size, int[] output_size, Tensor random_samples) -> (output, indices)",
        rule=_rule, numpy=_pool, forms="f", where="nn", keeps=("random_samples",),
        node=f"FractionalMaxPool{_n}DBackward0",
        grads={"input": lambda grad, indices, input_shape, kernel_size:
               call.pool_scatter(grad, indices, input_shape, len(kernel_size))},
        samples=_samples,
        doc="The largest element of windows whose starts the samples in [0, 1) give.",
    )  # fmt: skip
