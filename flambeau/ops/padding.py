"""Padding, and pixels and channels put in other places."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.aval import Aval
from .lowering import moves as low
from .table import Spec, call, row

Pairs = tuple[int, ...]
"""How much on both ends of dimensions, from the last one on; negative amounts cut."""


def _padded_shape(x: Aval, pad: Pairs) -> tuple[int, ...]:
    if len(pad) % 2 or len(pad) > 2 * x.ndim:
        raise RuntimeError(
            f"Length of pad should be even and no more than twice the number of dimensions of the "
            f"input: got {list(pad)} for shape {list(x.shape)}"
        )
    shape = list(x.shape)
    for i in range(len(pad) // 2):
        d = x.ndim - 1 - i
        shape[d] += pad[2 * i] + pad[2 * i + 1]
        if shape[d] < 0:
            raise RuntimeError(
                f"The input size {x.shape[d]}, plus negative padding {pad[2 * i]} and "
                f"{pad[2 * i + 1]} resulted in a negative output size, which is invalid. Check "
                f"dimension {d} of your input."
            )
    return tuple(shape)


def _pad(x: np.ndarray, value: Any, pad: Pairs) -> np.ndarray:
    shape, source, target = list(x.shape), [slice(None)] * x.ndim, [slice(None)] * x.ndim
    for i in range(len(pad) // 2):
        d = x.ndim - 1 - i
        low, high = pad[2 * i], pad[2 * i + 1]
        shape[d] += low + high
        source[d] = slice(max(-low, 0), max(x.shape[d] - max(-high, 0), 0))
        target[d] = slice(max(low, 0), max(shape[d] - max(high, 0), 0))
    out = np.full(shape, value, x.dtype)
    part = x[tuple(source)]
    if part.size:
        out[tuple(target)] = part
    return out


row(
    "constant_pad_from(Tensor input, Scalar value, int[] pad) -> Tensor",
    rule=lambda x, value, pad: Spec(x.with_shape(_padded_shape(x, pad))), numpy=_pad, forms="",
    lower=low.constant_pad,
    node="ConstantPadNdBackward0", called="pad",
    grads={"input": lambda grad, pad: call.constant_pad_from(grad, 0, tuple(-p for p in pad))},
    doc="Padded with a number; see F.pad.",
)  # fmt: skip

row("constant_pad_nd(Tensor input, int[] pad, Scalar value=0) -> Tensor", forms="f",
    body=lambda input, pad, value=0: call.constant_pad_from(input, value, tuple(pad)),
    samples=lambda m: [((m(2, 3), (1, 2)), {}), ((m(2, 3), (1, -1, 0, 2), 1.5), {})],
    doc="Padded with a number, pairs from the last dimension on; negative ones cut.")  # fmt: skip


def _sources(n: int, low: int, high: int, mode: str) -> np.ndarray:
    """For each place of a padded dimension, the place of the input that it shows."""
    at = np.arange(-low, n + high)
    if mode == "replicate":
        return at.clip(0, n - 1)
    if mode == "circular":  # what is cut off does not come round
        first, kept = max(-low, 0), n + min(low, 0) + min(high, 0)
        return first + (at - first) % kept
    at = np.abs(at)
    return np.where(at >= n, 2 * (n - 1) - at, at)


def _edge_rule(x: Aval, pad: Pairs, mode: str) -> Spec:
    k = len(pad) // 2
    if not k + 1 <= x.ndim <= k + 2:
        raise NotImplementedError(
            "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: "
            f"{k} padded dimensions of an input of shape {list(x.shape)}"
        )
    shape = _padded_shape(x, pad)
    for i in range(k):
        d = x.ndim - 1 - i
        low, high, n = pad[2 * i], pad[2 * i + 1], x.shape[d]
        if mode == "reflect" and (low >= n or high >= n):
            raise RuntimeError(
                "Argument #4: Padding size should be less than the corresponding input dimension, "
                f"but got: padding ({low}, {high}) at dimension {d} of input {list(x.shape)}"
            )
        if mode == "circular" and (low > n or high > n):
            raise RuntimeError(
                f"Padding value causes wrapping around more than once: padding ({low}, {high}) at "
                f"dimension {d} of input {list(x.shape)}"
            )
        if n == 0 or shape[d] < 1:
            raise RuntimeError(
                f"Expected a non-empty dimension {d} before and after padding ({low}, {high}), got "
                f"input {list(x.shape)}"
            )
    return Spec(x.with_shape(shape))


def _edge_pad(x: np.ndarray, pad: Pairs, mode: str) -> np.ndarray:
    for i in range(len(pad) // 2):
        d = x.ndim - 1 - i
        if pad[2 * i] or pad[2 * i + 1]:
            x = x.take(_sources(x.shape[d], pad[2 * i], pad[2 * i + 1], mode), axis=d)
    return x


def _edge_fold(grad: np.ndarray, shape: Any, pad: Pairs, mode: str) -> np.ndarray:
    """Each element of the input gets the sum over the places that show it."""
    for i in range(len(pad) // 2):
        d, low, high = grad.ndim - 1 - i, pad[2 * i], pad[2 * i + 1]
        n = shape[d]
        if not (low or high):
            continue
        lines = np.moveaxis(grad, d, 0)
        out = np.zeros((n, *lines.shape[1:]), grad.dtype)
        first, end = max(low, 0), len(lines) - max(high, 0)
        out[max(-low, 0) : max(-low, 0) + end - first] = lines[first:end]
        sources = _sources(n, low, high, mode)
        for place in (*range(first), *range(end, len(lines))):
            out[sources[place]] += lines[place]
        grad = np.moveaxis(out, 0, d)
    return grad


def _edge_node(pad: Pairs, mode: str) -> str:
    kind = {"reflect": "Reflection", "replicate": "Replication", "circular": "Circular"}[mode]
    return f"{kind}Pad{len(pad) // 2}DBackward0"


row(
    "edge_pad(Tensor input, int[] pad, str mode) -> Tensor", rule=_edge_rule, numpy=_edge_pad,
    moves=True, forms="", node=_edge_node, called="pad",
    lower=low.edge_pad,
    grads={"input": lambda grad, input_shape, pad, mode:
           call.edge_pad_backward(grad, input_shape, pad, mode)},
    doc="Padded with elements of the input: reflect, replicate or circular; see F.pad.",
)  # fmt: skip

row(
    "edge_pad_backward(Tensor grad, int[] shape, int[] pad, str mode) -> Tensor",
    rule=lambda g, shape, pad, mode: Spec(g.with_shape(shape)), numpy=_edge_fold, forms="",
    lower=low.edge_pad_backward,
    grads={"grad": lambda grad, pad, mode: call.edge_pad(grad, pad, mode)},
    samples=lambda m: [((m(2, 5), (2, 3), (1, 1), "reflect"), {}), ((m(2, 4), (2, 3), (-1, 2), "circular"), {})],
    doc="Gradient of edge_pad.",
)  # fmt: skip


def _pad_body(input: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    """Padded on both ends of the last dimensions, pairs from the last on: by a number, or in modes
    'reflect', 'replicate' and 'circular' by the input's own elements."""
    pairs = tuple(int(p) for p in pad)
    if len(pairs) % 2:
        raise RuntimeError(f"pad(): Padding length must be divisible by 2, got {len(pairs)}")
    if mode == "constant":
        return call.constant_pad_from(input, 0 if value is None else value, pairs)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"pad(): Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise RuntimeError(f'pad(): Padding mode "{mode}" doesn\'t take in value argument')
    return call.edge_pad(input, pairs, mode)


row("pad(Tensor input, int[] pad, str mode='constant', any value=None) -> Tensor", body=_pad_body,
    where="nn", forms="f",
    samples=lambda m: [((m(1, 2, 3), (1, 2)), {}), ((m(1, 2, 3), (2, 1)), {"mode": "reflect"}),
                       ((m(2, 3), (2, 1)), {"mode": "replicate"}), ((m(1, 2, 3), (2, 1)), {"mode": "circular"}),
                       ((m(1, 2, 3, 4), (-1, 2, 2, -1)), {"mode": "reflect"}),
                       ((m(1, 2, 3, 4), (-1, 2, 2, -1)), {"mode": "circular"}),
                       ((m(1, 2, 3, 4), (-1, 2, 2, -1)), {"mode": "replicate"})],
    doc="See body.")  # fmt: skip


def _shuffle_rule(x: Aval, r: int) -> Spec:
    if x.ndim < 3:
        raise RuntimeError(
            f"expects input to have at least 3 dimensions, but got input with {x.ndim} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"expects a positive upscale_factor, but got {r}")
    *lead, c, h, w = x.shape
    if c % (r * r):
        raise RuntimeError(
            "expects its input's 'channel' dimension to be divisible by the square of "
            f"upscale_factor, but input.size(-3)={c} is not divisible by {r * r}"
        )
    return Spec(x.with_shape((*lead, c // (r * r), h * r, w * r)))


def _shuffle(x: np.ndarray, r: int) -> np.ndarray:
    *lead, c, h, w = x.shape
    n = len(lead)
    out = x.reshape((*lead, c // (r * r), r, r, h, w))
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return out.transpose(order).reshape((*lead, c // (r * r), h * r, w * r))


row(
    "pixel_shuffle(Tensor input, int upscale_factor) -> Tensor", rule=_shuffle_rule,
    numpy=_shuffle, moves=True, forms="f",
    lower=low.pixel_shuffle,
    grads={"input": lambda grad, upscale_factor: call.pixel_unshuffle(grad, upscale_factor)},
    samples=lambda m: [((m(1, 4, 2, 2), 2), {}), ((m(4, 1, 3), 2), {})],
    doc="(*, C r^2, H, W) → (*, C, H r, W r) (Shi et al. 2016).",
)  # fmt: skip


def _unshuffle_rule(x: Aval, r: int) -> Spec:
    if x.ndim < 3:
        raise RuntimeError(
            f"expects input to have at least 3 dimensions, but got input with {x.ndim} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"expects a positive downscale_factor, but got {r}")
    *lead, c, h, w = x.shape
    if h % r or w % r:
        raise RuntimeError(
            f"expects height and width to be divisible by downscale_factor, got input of shape "
            f"{list(x.shape)} and downscale_factor {r}"
        )
    return Spec(x.with_shape((*lead, c * r * r, h // r, w // r)))


def _unshuffle(x: np.ndarray, r: int) -> np.ndarray:
    *lead, c, h, w = x.shape
    n = len(lead)
    out = x.reshape((*lead, c, h // r, r, w // r, r))
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return out.transpose(order).reshape((*lead, c * r * r, h // r, w // r))


row(
    "pixel_unshuffle(Tensor input, int downscale_factor) -> Tensor", rule=_unshuffle_rule,
    numpy=_unshuffle, moves=True, forms="f",
    lower=low.pixel_unshuffle,
    grads={"input": lambda grad, downscale_factor: call.pixel_shuffle(grad, downscale_factor)},
    samples=lambda m: [((m(1, 1, 4, 2), 2), {}), ((m(2, 2, 2), 1), {})],
    doc="The reverse of pixel_shuffle.",
)  # fmt: skip


def _channels_rule(x: Aval, groups: int) -> Spec:
    if x.ndim <= 2:
        raise RuntimeError(
            f"expects input with > 2 dims, but got input with sizes {list(x.shape)}"
        )
    if groups <= 0:
        raise RuntimeError(
            f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
        )
    if x.shape[1] % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {x.shape[1]} channels and "
            f"{groups} groups."
        )
    return Spec(x)


def _channel_shuffle(x: np.ndarray, groups: int) -> np.ndarray:
    parts = x.reshape((x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))
    return parts.swapaxes(1, 2).reshape(x.shape)


row(
    "channel_shuffle(Tensor input, int groups) -> Tensor", rule=_channels_rule,
    numpy=_channel_shuffle, moves=True, forms="f",
    lower=low.channel_shuffle,
    grads={"input": lambda grad, groups: call.channel_shuffle(grad, grad.shape[1] // groups)},
    samples=lambda m: [((m(1, 4, 2), 2), {}), ((m(2, 6, 1), 3), {})],
    doc="The channels (dimension 1) of groups interleaved (Zhang et al. 2018).",
)  # fmt: skip
