"""Pooling: the largest element, or the mean, of windows over the last dimensions."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval, aval
from ..errors import shape_text, shown
from . import pool_kernels
from .conv_kernels import Windows, windows_of
from .lowering import indexing
from .lowering import pooling as low
from .table import Spec, call, row

Ints = tuple[int, ...]


def pooled_size(
    size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> Ints:
    """Windows along each dimension; in ceil mode one may reach over the end, but not begin there."""
    out = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        count = -(-room // s) + 1 if ceil_mode else room // s + 1
        if ceil_mode and (count - 1) * s >= n + p:
            count -= 1
        out.append(count)
    return tuple(out)


def _check(
    x: Aval, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> Ints:
    """The result's shape. RuntimeError for windows that make no sense."""
    n = len(kernel)
    if any(k <= 0 for k in kernel):
        raise RuntimeError(f"kernel size should be greater than zero, but got {list(kernel)}")
    if any(s <= 0 for s in stride):
        raise RuntimeError(f"stride should be greater than zero, but got {list(stride)}")
    if any(d <= 0 for d in dilation):
        raise RuntimeError(f"dilation should be greater than zero, but got {list(dilation)}")
    if any(p < 0 for p in padding):
        raise RuntimeError(f"pad must be non-negative, but got pad: {list(padding)}")
    if any(p > ((k - 1) * d + 1) // 2 for p, k, d in zip(padding, kernel, dilation, strict=True)):
        raise RuntimeError(
            "pad should be at most half of effective kernel size, but got "
            f"pad={list(padding)}, kernel_size={list(kernel)} and dilation={list(dilation)}"
        )
    empty = 0 in x.shape[1:] if x.ndim == n + 2 else 0 in x.shape
    if x.ndim not in (n + 1, n + 2) or empty:
        raise RuntimeError(
            f"Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim batch size for "
            f"input, but got: {shape_text(x.shape)}"
        )
    image = tuple(x.shape[x.ndim - n :])
    size = pooled_size(image, kernel, stride, padding, dilation, ceil_mode)
    if any(s <= 0 for s in size):
        raise RuntimeError(
            f"Given input size: {shape_text(x.shape)}. Calculated output size: "
            f"{shape_text((*x.shape[: x.ndim - n], *size))}. Output size is too small"
        )
    return (*x.shape[: x.ndim - n], *size)


def _windows(
    shape: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> Windows:
    image = tuple(shape[len(shape) - len(kernel) :])
    size = pooled_size(image, kernel, stride, padding, dilation, ceil_mode)
    return windows_of(image, kernel, stride, padding, dilation, size)


# --- the largest --------------------------------------------------------------------------------

_WINDOW = "int[] kernel_size, int[] stride, int[] padding, int[] dilation, bool ceil_mode"


def _max_rule(x: Aval, *window: Any) -> Spec:
    shape = _check(x, *window)
    if x.dtype.category in (dtypes.COMPLEX, dtypes.BOOL):
        name = f"max_pool{len(window[0])}d"
        raise NotImplementedError(f'"{name}" not implemented for \'{x.dtype.legacy}\'')
    return Spec(x.with_shape(shape))


def _max_gather(source: np.ndarray, x: np.ndarray, *window: Any) -> np.ndarray:
    w = _windows(x.shape, *window)
    return pool_kernels.gather(source, pool_kernels.places_of_largest(x, w), len(w.size))


def _max_samples(n: int) -> Any:
    small, large = (4, 5, 4)[:n], (5, 6, 5)[:n]
    return lambda m: [
        ((m(2, 2, *small), (2,) * n, (2,) * n, (0,) * n, (1,) * n, False), {}),
        ((m(1, *large), (3,) * n, (1,) * n, (1,) * n, (1,) * n, True), {}),
        ((m(1, 1, *large), (2,) * n, (1,) * n, (1,) * n, (2,) * n, False), {}),
    ]


for _n in (2, 3):
    # What was largest is found anew for the derivative: that takes less time than keeping it.
    row(
        f"max_pool{_n}d_windows(Tensor input, {_WINDOW}) -> Tensor",
        rule=_max_rule, forms="", node=f"MaxPool{_n}DWithIndicesBackward0", called=f"max_pool{_n}d",
        numpy=lambda x, *window: pool_kernels.largest(x, _windows(x.shape, *window)),
        lower=low.max_pool,
        grads={"input": lambda grad, input, kernel_size, stride, padding, dilation, ceil_mode:
               call.max_pool_backward(grad, input.detach(), kernel_size, stride, padding, dilation, ceil_mode)},
        samples=_max_samples(_n),
        doc="The largest element of each window.",
    )  # fmt: skip

row(
    f"max_pool_places(Tensor input, {_WINDOW}) -> Tensor",
    rule=lambda x, *window: Spec(aval(_check(x, *window), dtypes.int64, x.device)), forms="",
    numpy=lambda x, *window: pool_kernels.places_of_largest(x, _windows(x.shape, *window)),
    lower=low.max_pool_places,
    doc="Where in its flattened plane each window's largest element is.",
)  # fmt: skip

row(
    f"max_pool_backward(Tensor outer, Tensor input, {_WINDOW}) -> Tensor",
    rule=lambda g, x, *window: Spec(g.with_shape(tuple(x.shape))), forms="",
    numpy=lambda g, x, *window: pool_kernels.largest_backward(g, x, _windows(x.shape, *window)),
    lower=low.max_pool_backward,
    node="MaxPool2DWithIndicesBackwardBackward0",
    grads={"outer": lambda grad, input, kernel_size, stride, padding, dilation, ceil_mode:
           call.max_pool_gather(grad, input, kernel_size, stride, padding, dilation, ceil_mode)},
    doc="Each window's gradient to its largest element.",
)  # fmt: skip

row(
    f"max_pool_gather(Tensor source, Tensor input, {_WINDOW}) -> Tensor",
    rule=lambda g, x, *window: Spec(g.with_shape(_check(x, *window))), numpy=_max_gather, forms="",
    lower=low.max_pool_gather,
    grads={"source": lambda grad, input, kernel_size, stride, padding, dilation, ceil_mode:
           call.max_pool_backward(grad, input, kernel_size, stride, padding, dilation, ceil_mode)},
    doc="The source's elements where each window of input is largest.",
)  # fmt: skip


# --- the mean -----------------------------------------------------------------------------------

_AVG = "int[] kernel_size, int[] stride, int[] padding, bool ceil_mode, bool include_pad, int? divisor"


def _avg_rule(
    x: Aval, kernel: Ints, stride: Ints, padding: Ints, ceil_mode: bool, include_pad: bool,
    divisor: Any,
) -> Spec:  # fmt: skip
    n = len(kernel)
    if divisor == 0:
        raise RuntimeError("divisor must be not zero")
    shape = _check(x, kernel, stride, padding, (1,) * n, ceil_mode)
    if x.dtype.category != dtypes.FLOAT and x.dtype is not dtypes.int64:
        raise NotImplementedError(f'"avg_pool{n}d" not implemented for \'{x.dtype.legacy}\'')
    return Spec(x.with_shape(shape))


def _avg_windows(
    shape: Ints, kernel: Ints, stride: Ints, padding: Ints, ceil_mode: bool, include_pad: bool,
    divisor: Any,
) -> tuple[Windows, Any]:  # fmt: skip
    w = _windows(shape, kernel, stride, padding, (1,) * len(kernel), ceil_mode)
    image = tuple(shape[len(shape) - len(kernel) :])
    by = pool_kernels.divisors(image, w.size, kernel, stride, padding, include_pad, divisor)
    return w, by


def _avg_backward(g: np.ndarray, shape: Ints, *settings: Any) -> np.ndarray:
    w, by = _avg_windows(shape, *settings)
    return pool_kernels.mean_backward(g, tuple(shape[len(shape) - len(w.size) :]), w, by)


for _n in (2, 3):
    row(
        f"avg_pool{_n}d_windows(Tensor input, {_AVG}) -> Tensor",
        rule=_avg_rule, forms="", node=f"AvgPool{_n}DBackward0", called=f"avg_pool{_n}d",
        numpy=lambda x, *settings: pool_kernels.mean(x, *_avg_windows(x.shape, *settings)),
        lower=low.avg_pool,
        grads={"input": lambda grad, input_shape, kernel_size, stride, padding, ceil_mode, include_pad, divisor:
               call.avg_pool_backward(grad, input_shape, kernel_size, stride, padding, ceil_mode, include_pad, divisor)},
        samples=(lambda n: lambda m: [
            ((m(2, 2, *(5, 4, 4)[:n]), (2,) * n, (2, 1, 2)[:n], (0,) * n, False, True, None), {}),
            ((m(1, *(5, 4, 4)[:n]), (3, 2, 3)[:n], (2,) * n, (1,) * n, True, False, None), {})])(_n),
        doc="The mean of windows; see F.avg_pool2d.",
    )  # fmt: skip

row(
    f"avg_pool_backward(Tensor outer, int[] shape, {_AVG}) -> Tensor",
    rule=lambda g, shape, *tail: Spec(g.with_shape(tuple(shape))), numpy=_avg_backward, forms="",
    lower=low.avg_pool_backward,
    node="AvgPool2DBackwardBackward0",
    grads={"outer": lambda grad, kernel_size, stride, padding, ceil_mode, include_pad, divisor:
           (call.avg_pool2d_windows if len(kernel_size) == 2 else call.avg_pool3d_windows)(
               grad, kernel_size, stride, padding, ceil_mode, include_pad, divisor)},
    doc="Each window's gradient spread over its elements.",
)  # fmt: skip


# --- windows that tile --------------------------------------------------------------------------


def _tiled_shape(x: Aval, size: Ints) -> Ints:
    n = len(size)
    name = f"adaptive pooling in {n} dimensions"
    if x.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"{name}: Expected {n + 1}D or {n + 2}D tensor, but got {shape_text(x.shape)}"
        )
    if any(s < 0 for s in size):
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0, but got "
            f"{list(size)}"
        )
    if 0 in x.shape[x.ndim - n :]:
        raise RuntimeError(
            f"{name}: Expected input to have non-zero size for non-batch dimensions, but got "
            f"{shape_text(x.shape)}"
        )
    return (*x.shape[: x.ndim - n], *size)


def _tiled_mean_rule(x: Aval, size: Ints) -> Spec:
    shape = _tiled_shape(x, size)
    if x.dtype.category != dtypes.FLOAT:
        raise NotImplementedError(
            f'"adaptive_avg_pool{len(size)}d" not implemented for \'{x.dtype.legacy}\''
        )
    return Spec(x.with_shape(shape))


def _tiled_max_rule(x: Aval, size: Ints) -> Spec:
    shape = _tiled_shape(x, size)
    if x.dtype.category in (dtypes.COMPLEX, dtypes.BOOL):
        raise NotImplementedError(
            f'"adaptive_max_pool{len(size)}d" not implemented for \'{x.dtype.legacy}\''
        )
    return Spec((x.with_shape(shape), aval(shape, dtypes.int64, x.device)))


for _n in (2, 3):
    _sizes = (lambda n: lambda m: [((m(2, 2, *(5, 4, 4)[:n]), (2, 3, 2)[:n]), {}), ((m(1, *(4, 6, 3)[:n]), (2, 3, 3)[:n]), {})])(_n)  # type: ignore[var-annotated]
    row(
        f"adaptive_avg_pool{_n}d_tiles(Tensor input, int[] size) -> Tensor",
        rule=_tiled_mean_rule, numpy=pool_kernels.tiled_mean, forms="",
        lower=low.adaptive_avg_pool,
        node=f"AdaptiveAvgPool{_n}DBackward0", called=f"adaptive_avg_pool{_n}d",
        grads={"input": lambda grad, input_shape, size:
               call.adaptive_avg_pool_backward(grad, input_shape, len(size))},
        samples=_sizes, doc="Means of windows that tile each of the last dimensions into `size` parts.",
    )  # fmt: skip
    row(
        f"adaptive_max_pool{_n}d_tiles(Tensor input, int[] size) -> (values, indices)",
        rule=_tiled_max_rule, numpy=pool_kernels.tiled_largest, forms="",
        lower=low.adaptive_max_pool,
        node=f"AdaptiveMaxPool{_n}DBackward0", called=f"adaptive_max_pool{_n}d",
        grads={"input": lambda grad, indices, input_shape, size:
               call.pool_scatter(grad, indices, input_shape, len(size))},
        samples=_sizes, doc="The largest elements of windows that tile each of the last dimensions.",
    )  # fmt: skip

row(
    "adaptive_avg_pool_backward(Tensor outer, int[] shape, int dims) -> Tensor",
    rule=lambda g, shape, dims: Spec(g.with_shape(tuple(shape))), forms="",
    numpy=pool_kernels.tiled_mean_backward, node="AdaptiveAvgPool2DBackwardBackward0",
    lower=low.adaptive_avg_pool_backward,
    grads={"outer": lambda grad, outer_shape, dims:
           (call.adaptive_avg_pool2d_tiles if dims == 2 else call.adaptive_avg_pool3d_tiles)(
               grad, tuple(outer_shape)[len(outer_shape) - dims:])},
    doc="Each part's gradient spread over its elements.",
)  # fmt: skip

row(
    "pool_scatter(Tensor outer, Tensor indices, int[] shape, int dims) -> Tensor",
    rule=lambda g, i, shape, dims: Spec(g.with_shape(tuple(shape))), forms="",
    numpy=pool_kernels.scatter, node="AdaptiveMaxPool2DBackwardBackward0",
    lower=indexing.pool_scatter,
    grads={"outer": lambda grad, indices, dims: call.pool_gather(grad, indices, dims)},
    doc="Gradients added to places in planes of the last dimensions.",
)  # fmt: skip

row(
    "pool_gather(Tensor input, Tensor indices, int dims) -> Tensor",
    rule=lambda x, i, dims: Spec(x.with_shape(tuple(i.shape))), forms="",
    numpy=pool_kernels.gather, moves=True,
    lower=indexing.pool_gather,
    grads={"input": lambda grad, indices, input_shape, dims:
           call.pool_scatter(grad, indices, input_shape, dims)},
    doc="The elements at places in planes of the last dimensions.",
)  # fmt: skip


# --- the functions ------------------------------------------------------------------------------


def _numbers(value: Any, n: int, name: str, operation: str) -> Ints:
    if value.__class__ is int:
        return (value,) * n
    if value.__class__ is tuple and [v.__class__ for v in value] == [int] * n:
        return value  # type: ignore[no-any-return]
    try:
        out = (
            tuple(operator.index(v) for v in value) if hasattr(value, "__iter__")
            else (operator.index(value),)
        )  # fmt: skip
    except TypeError:
        raise TypeError(
            f"{operation}(): argument '{name}' must be tuple of ints, not {shown(value)}"
        ) from None
    if len(out) not in (1, n):
        raise RuntimeError(
            f"{operation}: {name} must either be a single int, or a tuple of {n} ints, but got "
            f"{list(out)}"
        )
    return out * n if len(out) == 1 else out


def _step(stride: Any, kernel: Ints, operation: str) -> Ints:
    if stride is None or (hasattr(stride, "__len__") and not len(stride)):
        return kernel
    return _numbers(stride, len(kernel), "stride", operation)


def _max_window(
    n: int, operation: str, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: Any,
) -> tuple[Any, ...]:  # fmt: skip
    kernel = _numbers(kernel_size, n, "kernel_size", operation)
    return (
        kernel, _step(stride, kernel, operation), _numbers(padding, n, "padding", operation),
        _numbers(dilation, n, "dilation", operation), bool(ceil_mode),
    )  # fmt: skip


def _max_pool(n: int, indices: bool) -> Any:
    name = f"max_pool{n}d"

    def pool(
        input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> Any:  # fmt: skip
        window = _max_window(n, name, kernel_size, stride, padding, dilation, ceil_mode)
        rows = call.max_pool2d_windows if n < 3 else call.max_pool3d_windows
        x, window = (_raised(input, name), _flat_window(window)) if n == 1 else (input, window)
        found = rows(x, *window)
        values = found.squeeze(-2) if n == 1 else found
        if not indices:
            return values
        places = call.max_pool_places(x.detach(), *window)
        return values, places.squeeze(-2) if n == 1 else places

    pool.__name__ = name
    pool.__doc__ = f"The largest element of windows over the last {n} dimension(s)."
    return pool


def _raised(x: Any, name: str) -> Any:
    """A tensor of (N, C, L) or (C, L) with a dimension before the last."""
    if x.ndim not in (2, 3):
        raise RuntimeError(f"{name}() Expected 2D or 3D input tensor, but got {shape_text(x.shape)}")
    return x.unsqueeze(-2)


def _flat_window(window: tuple[Any, ...]) -> tuple[Any, ...]:
    """A window along one dimension as one in two."""
    kernel, stride, padding, *rest = window
    first: list[Any] = [(1, *kernel), (1, *stride), (0, *padding)]
    return (*first, (1, *rest[0]), *rest[1:]) if isinstance(rest[0], tuple) else (*first, *rest)


def _avg_pool(n: int) -> Any:
    name = f"avg_pool{n}d"

    def pool(
        input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0,
        ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: Any = None,
    ) -> Any:  # fmt: skip
        kernel = _numbers(kernel_size, n, "kernel_size", name)
        settings: tuple[Any, ...] = (
            kernel, _step(stride, kernel, name), _numbers(padding, n, "padding", name),
            bool(ceil_mode), bool(count_include_pad), divisor_override,
        )  # fmt: skip
        if n == 1:
            x = _raised(input, name)
            return call.avg_pool2d_windows(x, *_flat_window(settings)).squeeze(-2)
        return (call.avg_pool2d_windows if n == 2 else call.avg_pool3d_windows)(input, *settings)

    pool.__name__ = name
    pool.__doc__ = f"The mean of windows over the last {n} dimension(s)."
    return pool


def _tiles(input: Any, output_size: Any, n: int, name: str) -> Ints:
    given = output_size if hasattr(output_size, "__iter__") else (output_size,) * n
    if len(given) != n:
        raise RuntimeError(f"{name}: output_size must be {n} numbers, but got {list(given)}")
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"{name}: Expected {n + 1}D or {n + 2}D tensor, but got {shape_text(input.shape)}"
        )
    kept = [input.shape[i - n] if g is None else g for i, g in enumerate(given)]
    return _numbers(kept, n, "output_size", name)


def _adaptive_avg_pool(n: int) -> Any:
    name = f"adaptive_avg_pool{n}d"

    def pool(input: Any, output_size: Any) -> Any:
        size = _tiles(input, output_size, n, name)
        x, size = (input.unsqueeze(-2), (1, *size)) if n == 1 else (input, size)
        if all(s == 1 for s in size) and 0 not in x.shape[x.ndim - len(size) :]:
            out = x.mean(tuple(range(-len(size), 0)), keepdim=True)
        else:
            tiles = call.adaptive_avg_pool2d_tiles if n < 3 else call.adaptive_avg_pool3d_tiles
            out = tiles(x, size)
        return out.squeeze(-2) if n == 1 else out

    pool.__name__ = name
    pool.__doc__ = f"Means over windows, so that the last {n} dimension(s) get `output_size`."
    return pool


def _adaptive_max_pool(n: int) -> Any:
    name = f"adaptive_max_pool{n}d"

    def pool(input: Any, output_size: Any) -> Any:
        size = _tiles(input, output_size, n, name)
        if n == 1:
            values, places = call.adaptive_max_pool2d_tiles(input.unsqueeze(-2), (1, *size))
            return values.squeeze(-2), places.squeeze(-2)
        tiles = call.adaptive_max_pool2d_tiles if n == 2 else call.adaptive_max_pool3d_tiles
        return tuple(tiles(input, size))

    pool.__name__ = name
    pool.__doc__ = f"(values, indices) of the largest elements; see adaptive_avg_pool{n}d."
    return pool


_SIZES = (5, 4, 4)
for _n in (1, 2, 3):
    _main = "" if _n == 1 else "nn"
    _small = (lambda n: lambda m: [((m(2, 2, *_SIZES[:n]), 2), {}), ((m(2, *_SIZES[:n]), 3, 2, 1), {})])(_n)  # type: ignore[var-annotated]
    _fit = (lambda n: lambda m: [((m(2, 2, *_SIZES[:n]), 2), {}), ((m(2, *_SIZES[:n]), 1), {})])(_n)  # type: ignore[var-annotated]
    row(f"max_pool{_n}d(Tensor input, any kernel_size) -> Tensor", body=_max_pool(_n, False),
        forms="f", samples=_small, doc="See body.")  # fmt: skip
    row(f"max_pool{_n}d_with_indices(Tensor input, any kernel_size) -> (values, indices)",
        body=_max_pool(_n, True), forms="f", where="nn", samples=_small, doc="See body.")  # fmt: skip
    row(f"avg_pool{_n}d(Tensor input, any kernel_size) -> Tensor", body=_avg_pool(_n), forms="fo" if _n > 1 else "f", out="exact",
        where=_main, samples=_small, doc="See body.")  # fmt: skip
    row(f"adaptive_avg_pool{_n}d(Tensor input, any output_size) -> Tensor",
        body=_adaptive_avg_pool(_n), forms="f", where=_main, samples=_fit,
        doc="See body.")  # fmt: skip
    row(f"adaptive_max_pool{_n}d(Tensor input, any output_size) -> (values, indices)",
        body=_adaptive_max_pool(_n), forms="f", where="nn", samples=_fit, doc="See body.")  # fmt: skip
