"""Convolutions of any number of dimensions, by unfolding windows into a matrix product."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.aval import Aval, aval
from .rules import matching
from .table import Spec, call, row

Ints = tuple[int, ...]


def windows(
    x: np.ndarray, kernel: Ints, stride: Ints, dilation: Ints, size: Ints
) -> np.ndarray:
    """View (N, C, *spatial) as (N, C, *kernel, *size): element [.., k, o] is x[.., o*s + k*d]."""
    steps = x.strides[2:]
    return np.lib.stride_tricks.as_strided(
        x,
        (*x.shape[:2], *kernel, *size),
        (
            *x.strides[:2],
            *(s * d for s, d in zip(steps, dilation, strict=True)),
            *(s * t for s, t in zip(steps, stride, strict=True)),
        ),
        writeable=False,
    )


def padded(x: np.ndarray, padding: Ints, value: float = 0.0) -> np.ndarray:
    """Spatial dimensions padded on both sides."""
    if not any(padding):
        return x
    shape = (*x.shape[:2], *(n + 2 * p for n, p in zip(x.shape[2:], padding, strict=True)))
    out = np.full(shape, value, x.dtype)
    out[(..., *(slice(p, p + n) for n, p in zip(x.shape[2:], padding, strict=True)))] = x
    return out


def output_size(size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Ints:
    """floor((n + 2p - d(k - 1) - 1) / s) + 1 for each dimension."""
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def _columns(x: np.ndarray, kernel: Ints, stride: Ints, dilation: Ints, size: Ints, groups: int) -> Any:
    """Windows as matrices (N, groups, C / groups * kernel, positions)."""
    n, c = x.shape[:2]
    positions = int(np.prod(size))
    view = windows(x, kernel, stride, dilation, size)
    return view.reshape(n, groups, c // groups * int(np.prod(kernel)), positions)


def _rule(
    x: Aval, w: Aval, b: Aval | None, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Spec:
    dt = matching(x, w, b)
    n = w.ndim - 2
    if x.ndim != w.ndim:
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to conv{n}d, but got input "
            f"of size: {list(x.shape)}"
        )
    if groups <= 0:
        raise RuntimeError(f"non-positive groups is not supported, got groups={groups}")
    if any(s <= 0 for s in stride):
        raise RuntimeError(f"non-positive stride is not supported, got {list(stride)}")
    if any(d <= 0 for d in dilation):
        raise RuntimeError(f"dilation should be greater than zero, got {list(dilation)}")
    if any(p < 0 for p in padding):
        raise RuntimeError(f"negative padding is not supported, got {list(padding)}")
    if w.shape[0] % groups:
        raise RuntimeError(
            f"expected weight to be divisible by {groups} at dimension 0, but got weight of size "
            f"{list(w.shape)} instead"
        )
    if x.shape[1] != w.shape[1] * groups:
        raise RuntimeError(
            f"Given groups={groups}, weight of size {list(w.shape)}, expected input"
            f"{list(x.shape)} to have {w.shape[1] * groups} channels, but got {x.shape[1]} "
            "channels instead"
        )
    if b is not None and tuple(b.shape) != (w.shape[0],):
        raise RuntimeError(
            f"Given weight of size {list(w.shape)}, expected bias to be 1-dimensional with "
            f"{w.shape[0]} elements, but got bias of size {list(b.shape)} instead"
        )
    reach = tuple(d * (k - 1) + 1 for k, d in zip(w.shape[2:], dilation, strict=True))
    room = tuple(s + 2 * p for s, p in zip(x.shape[2:], padding, strict=True))
    if any(r > a for r, a in zip(reach, room, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({' x '.join(map(str, room))}). Kernel "
            f"size: ({' x '.join(map(str, reach))}). Kernel size can't be greater than actual "
            "input size"
        )
    size = output_size(tuple(x.shape[2:]), tuple(w.shape[2:]), stride, padding, dilation)
    return Spec(aval((x.shape[0], w.shape[0], *size), dt, x.device))


def _forward(
    x: np.ndarray, w: np.ndarray, b: Any, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> np.ndarray:
    kernel = w.shape[2:]
    size = output_size(x.shape[2:], kernel, stride, padding, dilation)
    columns = _columns(padded(x, padding), kernel, stride, dilation, size, groups)
    flat = np.ascontiguousarray(w).reshape(groups, w.shape[0] // groups, -1)
    out = np.matmul(flat, columns).reshape(x.shape[0], w.shape[0], *size)
    if b is not None:
        out += b.reshape(-1, *[1] * len(size))
    return out


def _input_grad(
    g: np.ndarray, w: np.ndarray, shape: Ints, stride: Ints, padding: Ints, dilation: Ints,
    groups: int,
) -> np.ndarray:  # fmt: skip
    kernel, size = w.shape[2:], g.shape[2:]
    n = len(kernel)
    flat = np.ascontiguousarray(w).reshape(groups, w.shape[0] // groups, -1)
    gs = g.reshape(g.shape[0], groups, g.shape[1] // groups, -1)
    columns = np.matmul(flat.transpose(0, 2, 1), gs).reshape(shape[0], shape[1], *kernel, *size)
    out = np.zeros(
        (*shape[:2], *(s + 2 * p for s, p in zip(shape[2:], padding, strict=True))), g.dtype
    )
    for at in np.ndindex(*kernel):
        place = tuple(
            slice(k * d, k * d + s * (m - 1) + 1, s)
            for k, d, s, m in zip(at, dilation, stride, size, strict=True)
        )
        out[(..., *place)] += columns[(slice(None), slice(None), *at)]
    inside = tuple(slice(p, p + s) for s, p in zip(shape[2:], padding, strict=True))
    return out[(..., *inside)] if n and any(padding) else out


def _weight_grad(
    g: np.ndarray, x: np.ndarray, shape: Ints, stride: Ints, padding: Ints, dilation: Ints,
    groups: int,
) -> np.ndarray:  # fmt: skip
    kernel, size = shape[2:], g.shape[2:]
    columns = _columns(padded(x, padding), kernel, stride, dilation, size, groups)
    gs = g.reshape(g.shape[0], groups, g.shape[1] // groups, -1)
    out = np.zeros((groups, shape[0] // groups, columns.shape[2]), g.dtype)
    for n in range(g.shape[0]):
        out += np.matmul(gs[n], columns[n].transpose(0, 2, 1))
    return out.reshape(shape)


_TAIL = "int[] stride, int[] padding, int[] dilation, int groups"

row(
    f"convolution(Tensor input, Tensor weight, Tensor? bias, {_TAIL}) -> Tensor",
    rule=_rule, numpy=_forward, forms="",
    grads={
        "input": lambda grad, weight, input_shape, stride, padding, dilation, groups:
            call.convolution_input(grad, weight, input_shape, stride, padding, dilation, groups),
        "weight": lambda grad, input, weight_shape, stride, padding, dilation, groups:
            call.convolution_weight(grad, input, weight_shape, stride, padding, dilation, groups),
        "bias": lambda grad: grad.sum((0, *range(2, grad.dim()))),
    },
    samples=lambda m: [((m(2, 2, 5, 4), m(3, 2, 2, 3), m(3), (1, 1), (0, 0), (1, 1), 1), {}),
                       ((m(1, 4, 6), m(4, 2, 3), None, (2,), (1,), (1,), 2), {}),
                       ((m(1, 2, 7, 7), m(2, 1, 3, 3), m(2), (2, 1), (2, 1), (2, 1), 2), {})],
    doc="Cross-correlation of (N, C, *) with (O, C / groups, *kernel); see F.conv2d.",
)  # fmt: skip

row(
    f"convolution_input(Tensor outer, Tensor weight, int[] shape, {_TAIL}) -> Tensor",
    rule=lambda g, w, shape, *tail: Spec(aval(tuple(shape), matching(g, w), g.device)),
    numpy=_input_grad, forms="", node="ConvolutionBackward0",
    grads={
        "outer": lambda grad, weight, stride, padding, dilation, groups:
            call.convolution(grad, weight, None, stride, padding, dilation, groups),
        "weight": lambda grad, outer, weight_shape, stride, padding, dilation, groups:
            call.convolution_weight(outer, grad, weight_shape, stride, padding, dilation, groups),
    },
    samples=lambda m: [((m(2, 3, 3, 2), m(3, 2, 2, 3), (2, 2, 4, 4), (1, 1), (0, 0), (1, 1), 1), {})],
    doc="Gradient of a convolution by its input; forwards, a transposed convolution.",
)  # fmt: skip

row(
    f"convolution_weight(Tensor outer, Tensor input, int[] shape, {_TAIL}) -> Tensor",
    rule=lambda g, x, shape, *tail: Spec(aval(tuple(shape), matching(g, x), g.device)),
    numpy=_weight_grad, forms="", node="ConvolutionBackward0",
    grads={
        "outer": lambda grad, input, stride, padding, dilation, groups:
            call.convolution(input, grad, None, stride, padding, dilation, groups),
        "input": lambda grad, outer, input_shape, stride, padding, dilation, groups:
            call.convolution_input(outer, grad, input_shape, stride, padding, dilation, groups),
    },
    samples=lambda m: [((m(2, 3, 3, 2), m(2, 2, 4, 4), (3, 2, 2, 3), (1, 1), (0, 0), (1, 1), 1), {})],
    doc="Gradient of a convolution by its weight.",
)  # fmt: skip


def _tuple(value: Any, n: int, name: str) -> Ints:
    if isinstance(value, int):
        return (value,) * n
    out = tuple(int(v) for v in value)
    if len(out) == 1:
        return out * n
    if len(out) != n:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {n} values to match the "
            f"convolution dimensions, but got {name}={list(out)}"
        )
    return out


def _convolve(n: int) -> Any:
    def conv(
        input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> Any:  # fmt: skip
        strides, dilations = _tuple(stride, n, "stride"), _tuple(dilation, n, "dilation")
        if isinstance(padding, str):
            input, paddings = _named_padding(input, weight, padding, strides, dilations, n)
        else:
            paddings = _tuple(padding, n, "padding")
        single = input.ndim == n + 1 and weight.ndim == n + 2
        x = input.unsqueeze(0) if single else input
        out = call.convolution(x, weight, bias, strides, paddings, dilations, groups)
        return out.squeeze(0) if single else out

    conv.__name__ = f"conv{n}d"
    conv.__doc__ = (
        f"Cross-correlation over {n} dimension(s): input (N, C, *) or (C, *), weight "
        "(O, C / groups, *kernel), bias (O,). padding: numbers, 'valid' or 'same'."
    )
    return conv


def _named_padding(x: Any, weight: Any, name: str, stride: Ints, dilation: Ints, n: int) -> Any:
    if name == "valid":
        return x, (0,) * n
    if name != "same":
        raise RuntimeError(f"Invalid padding string: '{name}'; use 'valid' or 'same'")
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    total = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    if all(t % 2 == 0 for t in total):
        return x, tuple(t // 2 for t in total)
    pad: list[int] = []
    for t in reversed(total):  # the odd one goes behind, as in PyTorch
        pad += [0, t % 2]
    return call.constant_pad_nd(x, tuple(pad)), tuple(t // 2 for t in total)


def _transposed(n: int) -> Any:
    def conv(
        input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
        output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
    ) -> Any:  # fmt: skip
        strides, dilations = _tuple(stride, n, "stride"), _tuple(dilation, n, "dilation")
        paddings = _tuple(padding, n, "padding")
        extra = _tuple(output_padding, n, "output_padding")
        single = input.ndim == n + 1
        x = input.unsqueeze(0) if single else input
        if x.ndim != n + 2 or x.shape[1] != weight.shape[0]:
            raise RuntimeError(
                f"Given transposed=1, weight of size {list(weight.shape)}, expected input"
                f"{list(input.shape)} to have {weight.shape[0]} channels"
            )
        if any(e >= max(s, d) for e, s, d in zip(extra, strides, dilations, strict=True)):
            raise RuntimeError(
                f"output padding must be smaller than either stride or dilation, but got "
                f"output_padding {list(extra)} with stride {list(strides)} and dilation "
                f"{list(dilations)}"
            )
        size = tuple(
            (m - 1) * s - 2 * p + d * (k - 1) + e + 1
            for m, s, p, d, k, e in zip(
                x.shape[2:], strides, paddings, dilations, weight.shape[2:], extra, strict=True
            )
        )
        shape = (x.shape[0], weight.shape[1] * groups, *size)
        out = call.convolution_input(x, weight, shape, strides, paddings, dilations, groups)
        if bias is not None:
            out = out + bias.reshape(-1, *[1] * n)
        return out.squeeze(0) if single else out

    conv.__name__ = f"conv_transpose{n}d"
    conv.__doc__ = (
        f"Transposed convolution over {n} dimension(s): the gradient of conv{n}d by its input, "
        "with weight (C, O / groups, *kernel)."
    )
    return conv


def _conv_samples(n: int) -> Any:
    size, kernel = (5, 4, 4)[:n], (2, 3, 2)[:n]
    return lambda m: [
        ((m(1, 2, *size), m(2, 2, *kernel), m(2)), {}),
        ((m(2, *size), m(2, 1, *kernel)), {"groups": 2, "padding": 1}),
    ]


def _conv_transposed_samples(n: int) -> Any:
    size, kernel = (3, 2, 2)[:n], (2, 3, 2)[:n]
    return lambda m: [
        ((m(1, 2, *size), m(2, 2, *kernel), m(2)), {}),
        ((m(1, 2, *size), m(2, 1, *kernel)), {"groups": 2, "stride": 2, "output_padding": 1}),
    ]


for _n in (1, 2, 3):
    row(f"conv{_n}d(Tensor input, Tensor weight, Tensor? bias=None, any stride=1) -> Tensor",
        body=_convolve(_n), forms="f", samples=_conv_samples(_n), doc="See body.")  # fmt: skip
    row(f"conv_transpose{_n}d(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor",
        body=_transposed(_n), forms="f", samples=_conv_transposed_samples(_n),
        doc="See body.")  # fmt: skip
