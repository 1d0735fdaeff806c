"""What the compiler's special nodes mean, in NumPy: functions of the arrays and the params."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ops import conv_kernels
from ..ops.convolution import output_size
from ..ops.table import table

Array = np.ndarray[Any, Any]
Special = Callable[[list[Array], tuple[Any, ...]], Any]

SPECIALS: dict[str, Special] = {}
"""By name: (arrays, params) → the result, or a tuple of them."""


def special(name: str) -> Callable[[Special], Special]:
    """Says what a special means."""

    def add(f: Special) -> Special:
        SPECIALS[name] = f
        return f

    return add


@special("matmul")
def _matmul(arrays: list[Array], params: tuple[Any, ...]) -> Array:
    return np.matmul(*arrays)


@special("matmul_add")
def _matmul_add(arrays: list[Array], params: tuple[Any, ...]) -> Array:
    return np.matmul(arrays[0], arrays[1]) + arrays[2]


@special("matmul_bias")
def _matmul_bias(arrays: list[Array], params: tuple[Any, ...]) -> Array:
    a, b, bias = arrays
    return np.matmul(a, b) + bias


# --- elements in other places -------------------------------------------------------------------


def window(flat: Array, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> Array:
    """Elements of row-major memory, as a view; AssertionError where some would lie outside."""
    if 0 not in shape:
        reach = [(n - 1) * s for n, s in zip(shape, strides, strict=True)]
        low = offset + sum(r for r in reach if r < 0)
        high = offset + sum(r for r in reach if r > 0)
        assert 0 <= low and high < flat.size, (shape, strides, offset, flat.size)
    else:
        offset = 0
    steps = [s * flat.itemsize for s in strides]
    return np.lib.stride_tricks.as_strided(flat[offset:], shape, steps)


@special("write")
def _write(arrays: list[Array], params: tuple[Any, ...]) -> Array:
    base, value, *offset = arrays
    shape, strides = params
    out = np.array(base, order="C")
    at = int(offset[0]) if offset else 0
    window(out.reshape(-1), shape, strides, at)[...] = value
    return out


@special("cat")
def _cat(arrays: list[Array], params: tuple[Any, ...]) -> Array:
    return np.concatenate(arrays, axis=params[0])


@special("pad")
def _pad(arrays: list[Array], params: tuple[Any, ...]) -> Array:
    x, number = arrays
    return np.pad(x, params, constant_values=number[()])


@special("index_add")
def _index_add(arrays: list[Array], params: tuple[Any, ...]) -> Array:
    base, index, source = arrays
    out = np.array(base, order="C")
    np.add.at(np.moveaxis(out, params[0], 0), index, np.moveaxis(source, params[0], 0))
    return out


@special("index_copy")
@special("index_fill")
def _index_copy(arrays: list[Array], params: tuple[Any, ...]) -> Array:
    base, index, source = arrays
    out = np.array(base, order="C")
    rows = np.moveaxis(source, params[0], 0) if source.ndim else source
    np.moveaxis(out, params[0], 0)[index] = rows
    return out


@special("scatter")
def _scatter(arrays: list[Array], params: tuple[Any, ...]) -> Array:
    base, index, source = arrays
    out = np.array(base, order="C")
    np.put_along_axis(out, index, source, params[0])
    return out


@special("scatter_add")
def _scatter_add(arrays: list[Array], params: tuple[Any, ...]) -> Array:
    base, index, source = arrays
    reference = table["scatter_add"].numpy
    assert reference is not None
    return reference(base, index, source, *params)  # type: ignore[no-any-return]


@special("scan")
def _scan(arrays: list[Array], params: tuple[Any, ...]) -> Array:
    kind, dim = params
    x = arrays[0]
    if kind in ("max", "min"):
        return (np.maximum if kind == "max" else np.minimum).accumulate(x, axis=dim)
    return (np.cumsum if kind == "sum" else np.cumprod)(x, axis=dim, dtype=x.dtype)


@special("logcumsumexp")
def _logcumsumexp(arrays: list[Array], params: tuple[Any, ...]) -> Array:
    """x → logarithms of running sums of exponentials."""
    return np.asarray(_of_row("logcumsumexp", *arrays, *params))


@special("recurrence")
def _recurrence(arrays: list[Array], params: tuple[Any, ...]) -> Array:
    """factor, term → y[i] = term[i] + factor[i] * y[i - 1]; y[0] = term[0]."""
    return np.asarray(_of_row("recurrence", *arrays, *params))


# --- order, along the last dimension ------------------------------------------------------------


@special("sort")
def _sort(arrays: list[Array], params: tuple[Any, ...]) -> tuple[Array, Array]:
    """x → its rows in order, and where each element was: stable, NaN last (first if descending)."""
    (descending,) = params
    return _of_row("sort_dim", *arrays, -1, descending, True)


@special("topk")
def _topk(arrays: list[Array], params: tuple[Any, ...]) -> tuple[Array, Array]:
    """The first k of that."""
    k, largest = params
    return _of_row("topk", *arrays, k, -1, largest, True)


@special("ranked")
def _ranked(arrays: list[Array], params: tuple[Any, ...]) -> tuple[Array, Array]:
    """x, rank of each row → what stands there in ascending order, and where it was."""
    x, rank = arrays
    at = np.take_along_axis(x.argsort(axis=-1, kind="stable"), rank[..., None], -1)
    return np.take_along_axis(x, at, -1)[..., 0], at[..., 0]


@special("searchsorted")
def _searchsorted(arrays: list[Array], params: tuple[Any, ...]) -> Array:
    """sequences in order, values → the first place whose number is not less; more, if `right`."""
    (right,) = params
    return np.asarray(_of_row("searchsorted_in", *arrays, right, False), np.int64)


def _of_row(name: str, *args: Any) -> Any:
    reference = table[name].numpy
    assert reference is not None
    return reference(*args)


# --- convolutions and pooling -------------------------------------------------------------------


@special("conv3_forward")
@special("conv_forward")
def _conv_forward(arrays: list[Array], params: tuple[Any, ...]) -> Array:
    x, w, *bias = arrays
    size = output_size(x.shape[2:], w.shape[2:], *params[:3])
    return conv_kernels.forward(x, w, bias[0] if bias else None, size, *params)


@special("conv3_input")
@special("conv_input")
def _conv_input(arrays: list[Array], params: tuple[Any, ...]) -> Array:
    g, w = arrays
    return conv_kernels.by_input(g, w, *params)


@special("conv3_weight")
@special("conv_weight")
def _conv_weight(arrays: list[Array], params: tuple[Any, ...]) -> Array:
    g, x = arrays
    return conv_kernels.by_weight(g, x, *params)


def _as_row(name: str) -> Special:
    """The reference of the row that has the same inputs and parameters."""

    def run(arrays: list[Array], params: tuple[Any, ...]) -> Any:
        reference = table[name].numpy
        assert reference is not None
        return reference(*arrays, *params)

    return run


SPECIALS |= {
    "max_pool": _as_row("max_pool2d_windows"),
    "max_pool_backward": _as_row("max_pool_backward"),
    "max_pool_places": _as_row("max_pool_places"),
    "max_pool_gather": _as_row("max_pool_gather"),
    "adaptive_max_pool": _as_row("adaptive_max_pool2d_tiles"),
    "avg_pool": _as_row("avg_pool2d_windows"),
    "avg_pool_backward": _as_row("avg_pool_backward"),
    "adaptive_avg_pool": _as_row("adaptive_avg_pool2d_tiles"),
    "adaptive_avg_pool_backward": _as_row("adaptive_avg_pool_backward"),
}


@special("max_pool_backward_relu")
def _max_pool_backward_relu(arrays: list[Array], params: tuple[Any, ...]) -> Array:
    g = SPECIALS["max_pool_backward"](arrays, params)
    return np.where(arrays[1] > 0, g, g.dtype.type(0))


@special("relu_max_pool")
def _relu_max_pool(arrays: list[Array], params: tuple[Any, ...]) -> tuple[Array, Array]:
    rectified = np.maximum(arrays[0], arrays[0].dtype.type(0))
    return rectified, SPECIALS["max_pool"]([rectified], params)
