"""Pooling: the largest, or the mean, of windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes, layout
from ..core.aval import Aval, aval
from .convolution import padded, windows
from .table import Spec, call, row

Ints = tuple[int, ...]


def _pairs(value: Any, n: int, name: str) -> Ints:
    if isinstance(value, int):
        return (value,) * n
    out = tuple(int(v) for v in value)
    if len(out) == 1:
        return out * n
    if len(out) != n:
        raise RuntimeError(f"{name} must either be a single int, or a tuple of {n} ints")
    return out


def pooled_size(
    size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> Ints:
    """Windows along each dimension; in ceil mode one may reach over the end, but not begin there."""
    if len(size) != len(kernel):
        raise RuntimeError(
            f"Expected {len(kernel) + 1}D or {len(kernel) + 2}D (batch mode) tensor for input, but "
            f"got {len(size)} dimensions behind the first two"
        )
    if any(s <= 0 for s in stride):
        raise RuntimeError(f"stride should be greater than zero, but got {list(stride)}")
    out = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        count = -(-room // s) + 1 if ceil_mode else room // s + 1
        if ceil_mode and (count - 1) * s >= n + p:
            count -= 1
        out.append(count)
    return tuple(out)


def _check_window(x: Aval, n: int, kernel: Ints, stride: Ints, padding: Ints, size: Ints) -> None:
    if any(k <= 0 for k in kernel):
        raise RuntimeError(f"kernel size should be greater than zero, but got {list(kernel)}")
    if any(s <= 0 for s in stride):
        raise RuntimeError(f"stride should be greater than zero, but got {list(stride)}")
    if any(p < 0 for p in padding):
        raise RuntimeError(f"pad must be non-negative, but got pad: {list(padding)}")
    if any(p > k // 2 for p, k in zip(padding, kernel, strict=True)):
        raise RuntimeError(
            "pad should be at most half of effective kernel size, but got "
            f"pad={list(padding)}, kernel_size={list(kernel)}"
        )
    if x.ndim != n + 2 or 0 in x.shape[1:]:
        raise RuntimeError(
            f"Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim batch size for "
            f"input, but got: {list(x.shape)}"
        )
    if any(s <= 0 for s in size):
        raise RuntimeError(
            f"Given input size: {list(x.shape[1:])}. Calculated output size: "
            f"{[x.shape[1], *size]}. Output size is too small"
        )


def _max_rule(
    x: Aval, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> Spec:
    n = len(kernel)
    if x.dtype.category in (dtypes.COMPLEX, dtypes.BOOL):
        raise RuntimeError(f'"max_pool{n}d" not implemented for \'{x.dtype.legacy}\'')
    size = pooled_size(tuple(x.shape[2:]), kernel, stride, padding, dilation, ceil_mode)
    _check_window(x, n, kernel, stride, padding, size)
    shape = (*x.shape[:2], *size)
    return Spec((x.with_shape(shape), aval(shape, dtypes.int64, x.device)))


def _lowest(dt: np.dtype[Any]) -> Any:
    return -np.inf if dt.kind == "f" else np.iinfo(dt).min


def _spread(
    x: np.ndarray, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, size: Ints, fill: Any
) -> np.ndarray:
    """The windows of each position as a last dimension: (N, C, *size, prod(kernel))."""
    n = len(kernel)
    # Reading beyond the padded end happens in ceil mode only: pad by what is missing.
    short = [
        max(0, (m - 1) * s + d * (k - 1) + 1 - (w + 2 * p))
        for m, s, d, k, w, p in zip(size, stride, dilation, kernel, x.shape[2:], padding, strict=True)
    ]
    whole = padded(x, padding, fill)
    if any(short):
        whole = np.pad(whole, [(0, 0), (0, 0), *((0, e) for e in short)], constant_values=fill)
    view = windows(whole, kernel, stride, dilation, size)
    order = (0, 1, *range(2 + n, 2 + 2 * n), *range(2, 2 + n))
    return view.transpose(order).reshape(*x.shape[:2], *size, -1)


def _max(
    x: np.ndarray, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints, ceil_mode: bool
) -> tuple[np.ndarray, np.ndarray]:
    size = pooled_size(x.shape[2:], kernel, stride, padding, dilation, ceil_mode)
    if len(kernel) == 2 and kernel == (2, 2) == stride and not any(padding) and dilation == (1, 1):
        return _max_2x2(x, size)
    flat = _spread(x, kernel, stride, padding, dilation, size, _lowest(x.dtype))
    best = flat.argmax(-1)
    values = np.take_along_axis(flat, best[..., None], -1)[..., 0]
    at = np.unravel_index(best, kernel)
    index = np.zeros(best.shape, np.int64)
    n = len(kernel)
    for i in range(n):
        start = np.arange(size[i]) * stride[i] - padding[i]
        where = start.reshape(-1, *[1] * (n - 1 - i)) + at[i] * dilation[i]
        index = index * x.shape[2 + i] + where
    return values, index


def _max_2x2(x: np.ndarray, size: Ints) -> tuple[np.ndarray, np.ndarray]:
    """The usual case, window by window position: four strided reads, no unfolding."""
    h, w = size
    parts = [x[:, :, i : 2 * h : 2, j : 2 * w : 2] for i in (0, 1) for j in (0, 1)]
    best = parts[0]
    row_at, col_at = np.arange(h)[:, None] * 2, np.arange(w) * 2
    base = row_at * x.shape[3] + col_at
    index = np.broadcast_to(base, best.shape).copy()
    for part, step in zip(parts[1:], (1, x.shape[3], x.shape[3] + 1), strict=True):
        larger = ~(part <= best) if x.dtype.kind == "f" else part > best
        if x.dtype.kind == "f":
            larger &= ~np.isnan(best)
        best = np.where(larger, part, best)
        np.copyto(index, base + step, where=larger)
    return best, index


_WINDOW = "int[] kernel_size, int[] stride, int[] padding, int[] dilation, bool ceil_mode"

for _n in (1, 2, 3):
    row(
        f"max_pool{_n}d_indices(Tensor input, {_WINDOW}) -> (values, indices)",
        rule=_max_rule, numpy=_max, forms="", where="nn",
        node=f"MaxPool{_n}DWithIndicesBackward0",
        grads={"input": lambda grad, indices, input_shape:
               call.max_pool_backward(grad, indices, input_shape)},
        samples=(lambda n: lambda m: [
            ((m(2, 2, *(4, 5, 4)[:n]), (2,) * n, (2,) * n, (0,) * n, (1,) * n, False), {}),
            ((m(1, 2, *(5, 6, 5)[:n]), (3,) * n, (1,) * n, (1,) * n, (1,) * n, True), {})])(_n),
        doc="The largest element of each window and where it is.",
    )  # fmt: skip


def _max_backward(g: np.ndarray, indices: np.ndarray, shape: Ints) -> np.ndarray:
    planes = int(np.prod(shape[:2]))
    area = int(np.prod(shape[2:]))
    flat = indices.reshape(planes, -1) + np.arange(planes)[:, None] * area
    if np.iscomplexobj(g) or not g.size:
        out = np.zeros(planes * area, g.dtype)
        np.add.at(out, flat.reshape(-1), g.reshape(-1))
        return out.reshape(shape)
    sums = np.bincount(flat.reshape(-1), g.reshape(-1), planes * area)
    return sums.astype(g.dtype).reshape(shape)


row(
    "max_pool_backward(Tensor outer, Tensor indices, int[] shape) -> Tensor",
    rule=lambda g, i, shape: Spec(g.with_shape(tuple(shape))), numpy=_max_backward, forms="",
    grads={"outer": lambda grad, indices: call.max_pool_gather(grad, indices)},
    doc="Each window's gradient to its largest element.",
)  # fmt: skip

row(
    "max_pool_gather(Tensor input, Tensor indices) -> Tensor",
    rule=lambda x, i: Spec(x.with_shape(i.shape)),
    numpy=lambda x, i: np.take_along_axis(
        x.reshape(*x.shape[:2], -1), i.reshape(*i.shape[:2], -1), -1).reshape(i.shape),
    moves=True, forms="",
    grads={"input": lambda grad, indices, input_shape:
           call.max_pool_backward(grad, indices, input_shape)},
    doc="The elements of each plane at flat indices.",
)  # fmt: skip


def _batched(input: Any, n: int, run: Any) -> Any:
    """Run on (N, C, *), adding and removing N for an input without it."""
    if input.ndim != n + 1:
        return run(input)
    found = run(input.unsqueeze(0))
    if isinstance(found, tuple):
        return tuple(f.squeeze(0) for f in found)
    return found.squeeze(0)


def _max_pool(n: int, indices: bool) -> Any:
    def pool(
        input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> Any:  # fmt: skip
        kernel = _pairs(kernel_size, n, "kernel_size")
        step = kernel if stride is None or stride == [] else _pairs(stride, n, "stride")
        pad, spread = _pairs(padding, n, "padding"), _pairs(dilation, n, "dilation")
        if any(p > k // 2 for p, k in zip(pad, kernel, strict=True)):
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={list(pad)}, "
                f"kernel_size={list(kernel)}"
            )
        primitive = getattr(call, f"max_pool{n}d_indices")
        found = _batched(
            input, n, lambda x: tuple(primitive(x, kernel, step, pad, spread, bool(ceil_mode)))
        )
        return found if indices else found[0]

    pool.__name__ = f"max_pool{n}d"
    pool.__doc__ = f"The largest element of windows over the last {n} dimension(s)."
    return pool


def _avg_rule(
    x: Aval, kernel: Ints, stride: Ints, padding: Ints, ceil_mode: bool, include: bool, divisor: Any
) -> Spec:
    n = len(kernel)
    if x.dtype.category != dtypes.FLOAT:
        raise RuntimeError(f'"avg_pool{n}d" not implemented for \'{x.dtype.legacy}\'')
    if divisor == 0:
        raise RuntimeError("divisor must be not zero")
    size = pooled_size(tuple(x.shape[2:]), kernel, stride, padding, (1,) * n, ceil_mode)
    _check_window(x, n, kernel, stride, padding, size)
    return Spec(x.with_shape((*x.shape[:2], *size)))


def _divisors(
    size: Ints, out: Ints, kernel: Ints, stride: Ints, padding: Ints, include: bool, divisor: Any
) -> Any:
    """By what each window's sum is divided."""
    if divisor is not None:
        return float(divisor)
    total: Any = 1.0
    n = len(kernel)
    for i in range(n):
        start = np.arange(out[i]) * stride[i] - padding[i]
        end = np.minimum(start + kernel[i], size[i] + padding[i])
        if not include:
            start, end = np.maximum(start, 0), np.minimum(end, size[i])
        total = total * (end - start).reshape(-1, *[1] * (n - 1 - i))
    return total


def _avg(
    x: np.ndarray, kernel: Ints, stride: Ints, padding: Ints, ceil_mode: bool, include: bool,
    divisor: Any,
) -> np.ndarray:  # fmt: skip
    ones = (1,) * len(kernel)
    size = pooled_size(x.shape[2:], kernel, stride, padding, ones, ceil_mode)
    sums = _spread(x, kernel, stride, padding, ones, size, 0).sum(-1)
    by = _divisors(x.shape[2:], size, kernel, stride, padding, include, divisor)
    return (sums / by).astype(x.dtype, copy=False)


def _avg_backward(
    g: np.ndarray, shape: Ints, kernel: Ints, stride: Ints, padding: Ints, ceil_mode: bool,
    include: bool, divisor: Any,
) -> np.ndarray:  # fmt: skip
    size = g.shape[2:]
    each = g / _divisors(shape[2:], size, kernel, stride, padding, include, divisor)
    room = [
        max(w + 2 * p, (m - 1) * s + k)
        for w, p, m, s, k in zip(shape[2:], padding, size, stride, kernel, strict=True)
    ]
    out = np.zeros((*shape[:2], *room), g.dtype)
    for at in np.ndindex(*kernel):
        place = tuple(slice(k, k + s * (m - 1) + 1, s) for k, s, m in zip(at, stride, size, strict=True))
        out[(..., *place)] += each
    inside = tuple(slice(p, p + w) for w, p in zip(shape[2:], padding, strict=True))
    return out[(..., *inside)]


_AVG = "int[] kernel_size, int[] stride, int[] padding, bool ceil_mode, bool include, int? divisor"

row(
    f"avg_pool(Tensor input, {_AVG}) -> Tensor",
    rule=_avg_rule, numpy=_avg, forms="", node="AvgPool2DBackward0",
    grads={"input": lambda grad, input_shape, kernel_size, stride, padding, ceil_mode, include, divisor:
           call.avg_pool_backward(grad, input_shape, kernel_size, stride, padding, ceil_mode, include, divisor)},
    samples=lambda m: [((m(2, 2, 5, 4), (2, 2), (2, 1), (0, 0), False, True, None), {}),
                       ((m(1, 2, 5), (3,), (2,), (1,), True, False, None), {})],
    doc="The mean of windows; see F.avg_pool2d.",
)  # fmt: skip

row(
    f"avg_pool_backward(Tensor outer, int[] shape, {_AVG}) -> Tensor",
    rule=lambda g, shape, *tail: Spec(g.with_shape(tuple(shape))), numpy=_avg_backward, forms="",
    grads={"outer": lambda grad, kernel_size, stride, padding, ceil_mode, include, divisor:
           call.avg_pool(grad, kernel_size, stride, padding, ceil_mode, include, divisor)},
    doc="Each window's gradient spread over its elements.",
)  # fmt: skip


def _avg_pool(n: int) -> Any:
    def pool(
        input: Any, kernel_size: Any, stride: Any = None, padding: Any = 0,
        ceil_mode: bool = False, count_include_pad: bool = True, divisor_override: Any = None,
    ) -> Any:  # fmt: skip
        kernel = _pairs(kernel_size, n, "kernel_size")
        step = kernel if stride is None or stride == [] else _pairs(stride, n, "stride")
        pad = _pairs(padding, n, "padding")
        return _batched(
            input, n,
            lambda x: call.avg_pool(x, kernel, step, pad, bool(ceil_mode),
                                    bool(count_include_pad), divisor_override),
        )  # fmt: skip

    pool.__name__ = f"avg_pool{n}d"
    pool.__doc__ = f"The mean of windows over the last {n} dimension(s)."
    return pool


def _bins(size: int, out: int) -> list[tuple[int, int]]:
    """Adaptive pooling's windows: from floor(i * size / out) to ceil((i + 1) * size / out)."""
    return [(i * size // out, -(-(i + 1) * size // out)) for i in range(out)]


def _adaptive_size(input: Any, output_size: Any, n: int) -> Ints:
    given = (output_size,) * n if isinstance(output_size, int) or output_size is None else output_size
    given = tuple(given)
    if len(given) != n:
        raise RuntimeError(
            f"adaptive pooling: output_size must be {n} numbers, but got {list(given)}"
        )
    if input.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"adaptive pooling: Expected {n + 1}D or {n + 2}D tensor, but got {list(input.shape)}"
        )
    sizes = tuple(input.shape[-n + i] if g is None else int(g) for i, g in enumerate(given))
    if any(s < 0 for s in sizes):
        raise RuntimeError(
            f"adaptive pooling: elements of output_size must be greater than or equal to 0, but "
            f"got {list(sizes)}"
        )
    return sizes


def _adaptive_avg(x: np.ndarray, size: Ints) -> np.ndarray:
    out = x
    n = len(size)
    for i, s in enumerate(size):
        axis = x.ndim - n + i
        parts = [out.take(range(a, b), axis).mean(axis) for a, b in _bins(x.shape[axis], s)]
        shape = (*out.shape[:axis], 0, *out.shape[axis + 1 :])
        out = np.stack(parts, axis) if parts else np.zeros(shape, x.dtype)
    return out.astype(x.dtype, copy=False)


def _adaptive_avg_backward(g: np.ndarray, shape: Ints) -> np.ndarray:
    n = len(shape) - 2
    out = g
    for i in reversed(range(n)):
        axis = 2 + i
        spread = np.zeros((*out.shape[:axis], shape[axis], *out.shape[axis + 1 :]), g.dtype)
        for k, (a, b) in enumerate(_bins(shape[axis], g.shape[axis])):
            place = (slice(None),) * axis
            spread[(*place, slice(a, b))] += out[(*place, slice(k, k + 1))] / (b - a)
        out = spread
    return out.astype(g.dtype, copy=False)


row(
    "adaptive_avg_pool(Tensor input, int[] size) -> Tensor",
    rule=lambda x, size: Spec(x.with_shape((*x.shape[: x.ndim - len(size)], *size))),
    numpy=_adaptive_avg, forms="", node="AdaptiveAvgPool2DBackward0",
    grads={"input": lambda grad, input_shape: call.adaptive_avg_pool_backward(grad, input_shape)},
    samples=lambda m: [((m(2, 2, 5, 4), (2, 3)), {}), ((m(1, 2, 5), (3,)), {})],
    doc="Means of windows that tile each dimension into `size` parts.",
)  # fmt: skip

row(
    "adaptive_avg_pool_backward(Tensor outer, int[] shape) -> Tensor",
    rule=lambda g, shape: Spec(g.with_shape(tuple(shape))), numpy=_adaptive_avg_backward, forms="",
    grads={"outer": lambda grad, outer_shape: call.adaptive_avg_pool(grad, tuple(outer_shape)[2:])},
    doc="Each part's gradient spread over its elements.",
)  # fmt: skip


def _adaptive_avg_pool(n: int) -> Any:
    def pool(input: Any, output_size: Any) -> Any:
        size = _adaptive_size(input, output_size, n)
        if all(s == 1 for s in size):
            return input.mean(tuple(range(-n, 0)), keepdim=True)
        return _batched(input, n, lambda x: call.adaptive_avg_pool(x, size))

    pool.__name__ = f"adaptive_avg_pool{n}d"
    pool.__doc__ = f"Means over windows, so that the last {n} dimension(s) get `output_size`."
    return pool


def _adaptive_max_rule(x: Aval, size: Ints) -> Spec:
    shape = (*x.shape[: x.ndim - len(size)], *size)
    return Spec((x.with_shape(shape), aval(shape, dtypes.int64, x.device)))


def _adaptive_max(x: np.ndarray, size: Ints) -> tuple[np.ndarray, np.ndarray]:
    n = len(size)
    shape = (*x.shape[:2], *size)
    values, indices = np.empty(shape, x.dtype), np.empty(shape, np.int64)
    bins = [_bins(w, s) for w, s in zip(x.shape[2:], size, strict=True)]
    numbers = np.arange(int(np.prod(x.shape[2:]))).reshape(x.shape[2:])
    for at in np.ndindex(*size):
        place = tuple(slice(*bins[i][at[i]]) for i in range(n))
        part = x[(..., *place)].reshape(*x.shape[:2], -1)
        best = part.argmax(-1)
        values[(..., *at)] = np.take_along_axis(part, best[..., None], -1)[..., 0]
        indices[(..., *at)] = numbers[place].reshape(-1)[best]
    return values, indices


for _n in (1, 2, 3):
    row(
        f"adaptive_max_pool{_n}d_indices(Tensor input, int[] size) -> (values, indices)",
        rule=_adaptive_max_rule, numpy=_adaptive_max, forms="", where="nn",
        node=f"AdaptiveMaxPool{_n}DBackward0",
        grads={"input": lambda grad, indices, input_shape:
               call.max_pool_backward(grad, indices, input_shape)},
        doc="The largest elements of windows that tile each dimension.",
    )  # fmt: skip


def _adaptive_max_pool(n: int) -> Any:
    def pool(input: Any, output_size: Any) -> Any:
        size = _adaptive_size(input, output_size, n)
        primitive = getattr(call, f"adaptive_max_pool{n}d_indices")
        return _batched(input, n, lambda x: tuple(primitive(x, size)))

    pool.__name__ = f"adaptive_max_pool{n}d"
    pool.__doc__ = f"(values, indices) of the largest elements; see adaptive_avg_pool{n}d."
    return pool


_SIZES = (5, 4, 4)
for _n in (1, 2, 3):
    _main = "" if _n == 1 else "nn"
    _small = (lambda n: lambda m: [((m(2, 2, *_SIZES[:n]), 2), {}), ((m(2, *_SIZES[:n]), 3, 2, 1), {})])(_n)
    _fit = (lambda n: lambda m: [((m(2, 2, *_SIZES[:n]), 2), {}), ((m(2, *_SIZES[:n]), 1), {})])(_n)
    row(f"max_pool{_n}d(Tensor input, any kernel_size) -> Tensor", body=_max_pool(_n, False),
        forms="f", samples=_small, doc="See body.")  # fmt: skip
    row(f"max_pool{_n}d_with_indices(Tensor input, any kernel_size) -> (values, indices)",
        body=_max_pool(_n, True), forms="f", where="nn", doc="See body.")  # fmt: skip
    row(f"avg_pool{_n}d(Tensor input, any kernel_size) -> Tensor", body=_avg_pool(_n), forms="f",
        where=_main, samples=_small, doc="See body.")  # fmt: skip
    row(f"adaptive_avg_pool{_n}d(Tensor input, any output_size) -> Tensor",
        body=_adaptive_avg_pool(_n), forms="f", where=_main, samples=_fit,
        doc="See body.")  # fmt: skip
    row(f"adaptive_max_pool{_n}d(Tensor input, any output_size) -> (values, indices)",
        body=_adaptive_max_pool(_n), forms="f", where="nn", doc="See body.")  # fmt: skip

_ = layout
