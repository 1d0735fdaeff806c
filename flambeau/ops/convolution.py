"""Convolutions of any number of dimensions, and transposed ones."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..core.aval import Aval
from ..errors import shape_text, shown
from . import conv_kernels
from .formulas import conj
from .lowering import contractions as low
from .rules import matching
from .table import Spec, call, row

Ints = tuple[int, ...]


def output_size(size: Ints, kernel: Ints, stride: Ints, padding: Ints, dilation: Ints) -> Ints:
    """floor((n + 2p - d(k - 1) - 1) / s) + 1 for each dimension."""
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def _check_settings(w: Aval, stride: Ints, padding: Ints, dilation: Ints, groups: int) -> None:
    if groups <= 0:
        raise RuntimeError(f"non-positive groups is not supported, got groups={groups}")
    if any(p < 0 for p in padding):
        raise RuntimeError(f"negative padding is not supported, got padding={list(padding)}")
    if any(s <= 0 for s in stride):
        raise RuntimeError(f"non-positive stride is not supported, got stride={list(stride)}")
    if any(d <= 0 for d in dilation):
        raise RuntimeError(f"dilation should be greater than zero, got {list(dilation)}")
    if 0 in w.shape[2:]:
        raise RuntimeError(
            f"kernel size should be greater than zero, got weight of size {shape_text(w.shape)}"
        )
    if w.shape[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but "
            f"got weight of size {shape_text(w.shape)} instead"
        )
    if w.shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size {shape_text(w.shape)} instead"
        )


def _check_bias(w: Aval, b: Aval | None, channels: int) -> None:
    if b is not None and tuple(b.shape) != (channels,):
        raise RuntimeError(
            f"Given weight of size {shape_text(w.shape)}, expected bias to be 1-dimensional with "
            f"{channels} elements, but got bias of size {shape_text(b.shape)} instead"
        )


def _rule(
    x: Aval, w: Aval, b: Aval | None, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> Spec:
    matching(x, w, b)
    _check_settings(w, stride, padding, dilation, groups)
    if x.shape[1] != w.shape[1] * groups:
        raise RuntimeError(
            f"Given groups={groups}, weight of size {shape_text(w.shape)}, expected input"
            f"{shape_text(x.shape)} to have {w.shape[1] * groups} channels, but got {x.shape[1]} "
            "channels instead"
        )
    _check_bias(w, b, w.shape[0])
    reach = tuple(d * (k - 1) + 1 for k, d in zip(w.shape[2:], dilation, strict=True))
    room = tuple(s + 2 * p for s, p in zip(x.shape[2:], padding, strict=True))
    if any(r > a for r, a in zip(reach, room, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({' x '.join(map(str, room))}). Kernel "
            f"size: ({' x '.join(map(str, reach))}). Kernel size can't be greater than actual "
            "input size"
        )
    size = output_size(tuple(x.shape[2:]), tuple(w.shape[2:]), stride, padding, dilation)
    return Spec(x.with_shape((x.shape[0], w.shape[0], *size)))


def _forward(
    x: np.ndarray, w: np.ndarray, b: Any, stride: Ints, padding: Ints, dilation: Ints, groups: int
) -> np.ndarray:
    size = output_size(x.shape[2:], w.shape[2:], stride, padding, dilation)
    return conv_kernels.forward(x, w, b, size, stride, padding, dilation, groups)


def _transposed_size(
    x: Aval, w: Aval, stride: Ints, padding: Ints, extra: Ints, dilation: Ints
) -> Ints:
    return tuple(
        (m - 1) * s - 2 * p + d * (k - 1) + e + 1
        for m, s, p, d, k, e in zip(
            x.shape[2:], stride, padding, dilation, w.shape[2:], extra, strict=True
        )
    )


def _transposed_rule(
    x: Aval, w: Aval, b: Aval | None, stride: Ints, padding: Ints, extra: Ints, dilation: Ints,
    groups: int,
) -> Spec:  # fmt: skip
    matching(x, w, b)
    _check_settings(w, stride, padding, dilation, groups)
    if any(e < 0 for e in extra):
        raise RuntimeError(f"negative output_padding is not supported, got {list(extra)}")
    if x.shape[1] != w.shape[0]:
        raise RuntimeError(
            f"Given transposed=1, weight of size {shape_text(w.shape)}, expected input"
            f"{shape_text(x.shape)} to have {w.shape[0]} channels, but got {x.shape[1]} channels "
            "instead"
        )
    _check_bias(w, b, w.shape[1] * groups)
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise RuntimeError(
            f"output padding must be smaller than either stride or dilation, but got "
            f"output_padding {list(extra)} with stride {list(stride)} and dilation "
            f"{list(dilation)}"
        )
    size = _transposed_size(x, w, stride, padding, extra, dilation)
    if any(s <= 0 for s in size):
        raise RuntimeError(
            f"Given input size per channel: {shape_text(x.shape[2:])}. Calculated output size per "
            f"channel: {shape_text(size)}. Output size is too small"
        )
    return Spec(x.with_shape((x.shape[0], w.shape[1] * groups, *size)))


def _transposed(
    x: np.ndarray, w: np.ndarray, b: Any, stride: Ints, padding: Ints, extra: Ints, dilation: Ints,
    groups: int,
) -> np.ndarray:  # fmt: skip
    size = _transposed_size(x, w, stride, padding, extra, dilation)  # type: ignore[arg-type]
    shape = (x.shape[0], w.shape[1] * groups, *size)
    out = conv_kernels.by_input(x, w, shape, stride, padding, dilation, groups)
    return out if b is None else out + b.reshape(-1, *[1] * len(size))


def _cut(x: Any, shape: Any) -> Any:
    """Without what a transposed convolution's output padding has added behind."""
    for dim in range(2, x.ndim):
        if x.shape[dim] > shape[dim]:
            x = x.narrow(dim, 0, shape[dim])
    return x


_TAIL = "int[] stride, int[] padding, int[] dilation, int groups"
_BIAS = lambda grad: grad.sum((0, *range(2, grad.ndim)))  # noqa: E731

row(
    f"convolution(Tensor input, Tensor weight, Tensor? bias, {_TAIL}) -> Tensor",
    rule=_rule, numpy=_forward, forms="",
    lower=low.convolution,
    grads={
        "input": lambda grad, weight, input_shape, stride, padding, dilation, groups:
            call.convolution_input(grad, conj(weight), input_shape, stride, padding, dilation, groups),
        "weight": lambda grad, input, weight_shape, stride, padding, dilation, groups:
            call.convolution_weight(grad, conj(input), weight_shape, stride, padding, dilation, groups),
        "bias": _BIAS,
    },
    samples=lambda m: [((m(2, 2, 5, 4), m(3, 2, 2, 3), m(3), (1, 1), (0, 0), (1, 1), 1), {}),
                       ((m(1, 4, 6), m(4, 2, 3), None, (2,), (1,), (1,), 2), {}),
                       ((m(1, 2, 7, 7), m(2, 1, 3, 3), m(2), (2, 1), (2, 1), (1, 2), 2), {}),
                       ((m(1, 16, 2, 3), m(2, 16, 2, 2), m(2), (1, 1), (1, 0), (1, 1), 1), {}),
                       ((m(3, 2, 1, 2), m(2, 2, 3, 3), None, (1, 1), (1, 1), (1, 1), 1), {})],
    doc="Cross-correlation of (N, C, *) with (O, C / groups, *kernel); see F.conv2d.",
)  # fmt: skip

row(
    "convolution_transposed(Tensor input, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] output_padding, int[] dilation, int groups) -> Tensor",
    rule=_transposed_rule, numpy=_transposed, forms="", node="ConvolutionBackward0",
    lower=low.convolution_transposed,
    grads={
        "input": lambda grad, weight, input_shape, stride, padding, dilation, groups:
            _cut(call.convolution(grad, conj(weight), None, stride, padding, dilation, groups), input_shape),
        "weight": lambda grad, input, weight_shape, stride, padding, dilation, groups:
            call.convolution_weight(conj(input), grad, weight_shape, stride, padding, dilation, groups),
        "bias": _BIAS,
    },
    samples=lambda m: [((m(2, 3, 2, 3), m(3, 2, 2, 3), m(2), (1, 1), (0, 0), (0, 0), (1, 1), 1), {}),
                       ((m(1, 2, 3), m(2, 1, 3), m(2), (2,), (1,), (1,), (1,), 2), {}),
                       ((m(1, 1, 3), m(1, 2, 2), None, (1,), (0,), (1,), (2,), 1), {})],
    doc="The gradient of a convolution by its input, with a bias; see F.conv_transpose2d.",
)  # fmt: skip

row(
    f"convolution_input(Tensor outer, Tensor weight, int[] shape, {_TAIL}) -> Tensor",
    rule=lambda g, w, shape, *tail: (matching(g, w), Spec(g.with_shape(tuple(shape))))[1],
    numpy=conv_kernels.by_input, forms="", node="ConvolutionBackwardBackward0",
    lower=low.convolution_input,
    grads={
        "outer": lambda grad, weight, outer_shape, stride, padding, dilation, groups:
            _cut(call.convolution(grad, conj(weight), None, stride, padding, dilation, groups), outer_shape),
        "weight": lambda grad, outer, weight_shape, stride, padding, dilation, groups:
            call.convolution_weight(conj(outer), grad, weight_shape, stride, padding, dilation, groups),
    },
    samples=lambda m: [((m(2, 3, 3, 2), m(3, 2, 2, 3), (2, 2, 4, 4), (1, 1), (0, 0), (1, 1), 1), {}),
                       ((m(1, 2, 2), m(2, 2, 2), (1, 2, 4), (2,), (0,), (1,), 1), {})],
    doc="Gradient of a convolution by its input; forwards, a transposed convolution.",
)  # fmt: skip

row(
    f"convolution_weight(Tensor outer, Tensor input, int[] shape, {_TAIL}) -> Tensor",
    rule=lambda g, x, shape, *tail: (matching(g, x), Spec(g.with_shape(tuple(shape))))[1],
    numpy=conv_kernels.by_weight, forms="", node="ConvolutionBackwardBackward0",
    lower=low.convolution_weight,
    grads={
        "outer": lambda grad, input, outer_shape, stride, padding, dilation, groups:
            _cut(call.convolution(conj(input), grad, None, stride, padding, dilation, groups), outer_shape),
        "input": lambda grad, outer, input_shape, stride, padding, dilation, groups:
            call.convolution_input(conj(outer), grad, input_shape, stride, padding, dilation, groups),
    },
    samples=lambda m: [((m(2, 3, 3, 2), m(2, 2, 4, 4), (3, 2, 2, 3), (1, 1), (0, 0), (1, 1), 1), {}),
                       ((m(2, 2, 2), m(2, 4, 4), (2, 4, 2), (2,), (0,), (1,), 1), {})],
    doc="Gradient of a convolution by its weight.",
)  # fmt: skip


# --- the functions ------------------------------------------------------------------------------


def _tuple(value: Any, n: int, name: str, operation: str) -> Ints:
    if value.__class__ is int:
        return (value,) * n
    if value.__class__ is tuple and [v.__class__ for v in value] == [int] * n:
        return value  # type: ignore[no-any-return]
    try:
        if isinstance(value, str):
            raise TypeError
        out = (
            (operator.index(value),) if not hasattr(value, "__iter__")
            else tuple(operator.index(v) for v in value)
        )  # fmt: skip
    except TypeError:
        raise TypeError(
            f"{operation}(): argument '{name}' must be tuple of ints, not {shown(value)}"
        ) from None
    if len(out) == 1:
        return out * n
    if len(out) != n:
        raise RuntimeError(
            f"{operation}(): expected {name} to be a single integer value or a list of {n} values "
            f"to match the convolution dimensions, but got {name}={list(out)}"
        )
    return out


def _groups(value: Any, operation: str) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{operation}(): argument 'groups' must be int, not {type(value).__name__}") from None


def _batched(x: Any, weight: Any, n: int, name: str) -> Any:
    """The input with a batch dimension. RuntimeError for another number of dimensions."""
    if weight.ndim != n + 2:
        raise RuntimeError(
            f"{name}(): expected weight to have {n + 2} dimensions (channels, channels and "
            f"{n} of the kernel), but got {shape_text(weight.shape)}"
        )
    if x.ndim == n + 2:
        return x
    if x.ndim == n + 1:
        return x.unsqueeze(0)
    raise RuntimeError(
        f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input of "
        f"size: {shape_text(x.shape)}"
    )


def _convolve(n: int) -> Any:
    name = f"conv{n}d"

    def conv(
        input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> Any:  # fmt: skip
        x = _batched(input, weight, n, name)
        strides = _tuple(stride, n, "stride", name)
        dilations = _tuple(dilation, n, "dilation", name)
        if isinstance(padding, str):
            x, paddings = _named_padding(x, weight, padding, strides, dilations, n)
        else:
            paddings = _tuple(padding, n, "padding", name)
        out = call.convolution(
            x, weight, bias, strides, paddings, dilations, _groups(groups, name)
        )
        return out.squeeze(0) if input.ndim == n + 1 else out

    conv.__name__ = name
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


def _transpose(n: int) -> Any:
    name = f"conv_transpose{n}d"

    def conv(
        input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0,
        output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
    ) -> Any:  # fmt: skip
        x = _batched(input, weight, n, name)
        out = call.convolution_transposed(
            x, weight, bias, _tuple(stride, n, "stride", name), _tuple(padding, n, "padding", name),
            _tuple(output_padding, n, "output_padding", name),
            _tuple(dilation, n, "dilation", name), _groups(groups, name),
        )  # fmt: skip
        return out.squeeze(0) if input.ndim == n + 1 else out

    conv.__name__ = name
    conv.__doc__ = (
        f"Transposed convolution over {n} dimension(s): the gradient of conv{n}d by its input, "
        "with weight (C, O / groups, *kernel)."
    )
    return conv


def _samples(n: int, transposed: bool) -> Any:
    if transposed:
        size, kernel = (3, 2, 2)[:n], (2, 3, 2)[:n]
        second: dict[str, Any] = {"groups": 2, "stride": 2, "output_padding": 1}
    else:
        size, kernel = (5, 4, 4)[:n], (2, 3, 2)[:n]
        second = {"groups": 2, "padding": 1}
    return lambda m: [
        ((m(1, 2, *size), m(2, 2, *kernel), m(2)), {}), ((m(2, *size), m(2, 1, *kernel)), second),
    ]  # fmt: skip


for _n in (1, 2, 3):
    row(f"conv{_n}d(Tensor input, Tensor weight, Tensor? bias=None, any stride=1) -> Tensor",
        body=_convolve(_n), forms="f", samples=_samples(_n, False), doc="See body.")  # fmt: skip
    row(f"conv_transpose{_n}d(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor",
        body=_transpose(_n), forms="f", samples=_samples(_n, True), doc="See body.")  # fmt: skip
