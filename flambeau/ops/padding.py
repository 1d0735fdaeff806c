"""Padding, and pixels and channels put in other places."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.aval import Aval
from .table import Spec, call, row


def _pad_rule(x: Aval, value: type, pad: Any) -> Spec:
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
    return Spec(x.with_shape(tuple(shape)))


def _pad(x: np.ndarray, value: Any, pad: Any) -> np.ndarray:
    shape, source, target = list(x.shape), [slice(None)] * x.ndim, [slice(None)] * x.ndim
    for i in range(len(pad) // 2):
        d = x.ndim - 1 - i
        low, high = pad[2 * i], pad[2 * i + 1]
        shape[d] += low + high
        source[d] = slice(max(-low, 0), x.shape[d] - max(-high, 0))
        target[d] = slice(max(low, 0), shape[d] - max(high, 0))
    out = np.full(shape, value, x.dtype)
    out[tuple(target)] = x[tuple(source)]
    return out


row(
    "constant_pad_from(Tensor input, Scalar value, int[] pad) -> Tensor",
    rule=_pad_rule, numpy=_pad, forms="", node="ConstantPadNdBackward0",
    grads={"input": lambda grad, pad: call.constant_pad_from(grad, 0, tuple(-p for p in pad))},
    doc="Padded with a number; see F.pad.",
)  # fmt: skip

row("constant_pad_nd(Tensor input, int[] pad, Scalar value=0) -> Tensor", forms="f",
    body=lambda input, pad, value=0: call.constant_pad_from(input, value, tuple(pad)),
    samples=lambda m: [((m(2, 3), (1, 2)), {}), ((m(2, 3), (1, -1, 0, 2), 1.5), {})],
    doc="Padded with a number, pairs from the last dimension on; negative ones cut.")  # fmt: skip


def _edge_index(n: int, low: int, high: int, mode: str) -> np.ndarray:
    at = np.arange(-low, n + high)
    if mode == "replicate":
        return at.clip(0, n - 1)
    if mode == "circular":
        return at % n
    period = 2 * (n - 1) or 1
    at = np.abs(at) % period
    return np.where(at >= n, period - at, at)


def _pad_body(input: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    """Padded on both ends of the last dimensions, pairs from the last on: by a number, or in modes
    'reflect', 'replicate' and 'circular' by the input's own elements."""
    pairs = tuple(int(p) for p in pad)
    if len(pairs) % 2:
        raise RuntimeError(f"Padding length must be divisible by 2, got {len(pairs)}")
    if mode == "constant":
        return call.constant_pad_from(input, 0 if value is None else value, pairs)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if not (len(pairs) // 2 + 1 <= input.ndim <= len(pairs) // 2 + 2):
        raise NotImplementedError(
            f"Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: "
            f"{len(pairs) // 2} padded dimensions of an input of shape {list(input.shape)}"
        )
    out = input
    for i in range(len(pairs) // 2):
        d = input.ndim - 1 - i
        low, high, n = pairs[2 * i], pairs[2 * i + 1], out.shape[d]
        if mode == "reflect" and (low >= n or high >= n):
            raise RuntimeError(
                "Argument #4: Padding size should be less than the corresponding input dimension, "
                f"but got: padding ({low}, {high}) at dimension {d} of input {list(input.shape)}"
            )
        if mode == "circular" and (low > n or high > n):
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if mode == "circular" and (low < 0 or high < 0):  # what is cut off does not come round
            out = out.narrow(d, max(-low, 0), n + min(low, 0) + min(high, 0))
            low, high, n = max(low, 0), max(high, 0), out.shape[d]
        if low or high:
            index = _edge_index(n, low, high, mode).astype(np.int64)
            out = out.index_select(d, call.tensor_of(index, dtypes.int64))
    return out


row("pad(Tensor input, int[] pad, str mode='constant', any value=None) -> Tensor", body=_pad_body,
    where="nn", forms="f",
    samples=lambda m: [((m(1, 2, 3), (1, 2)), {}), ((m(1, 2, 3), (2, 1)), {"mode": "reflect"}),
                       ((m(1, 2, 3), (2, 1)), {"mode": "replicate"}), ((m(1, 2, 3), (2, 1)), {"mode": "circular"})],
    doc="See body.")  # fmt: skip


def _pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """(*, C r^2, H, W) → (*, C, H r, W r) (Shi et al. 2016)."""
    r = upscale_factor
    if input.ndim < 3:
        raise RuntimeError(
            f"pixel_shuffle expects input to have at least 3 dimensions, but got input with "
            f"{input.ndim} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *lead, c, h, w = input.shape
    if c % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={c} is not divisible by {r * r}"
        )
    n = len(lead)
    out = input.reshape((*lead, c // (r * r), r, r, h, w))
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return out.permute(order).reshape((*lead, c // (r * r), h * r, w * r))


def _pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """The reverse of pixel_shuffle."""
    r = downscale_factor
    *lead, c, h, w = input.shape
    if r <= 0 or h % r or w % r:
        raise RuntimeError(
            f"pixel_unshuffle expects height and width to be divisible by downscale_factor, got "
            f"{list(input.shape)} and {r}"
        )
    n = len(lead)
    out = input.reshape((*lead, c, h // r, r, w // r, r))
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return out.permute(order).reshape((*lead, c * r * r, h // r, w // r))


row("pixel_shuffle(Tensor input, int upscale_factor) -> Tensor", body=_pixel_shuffle, forms="f",
    samples=lambda m: [((m(1, 4, 2, 2), 2), {})], doc="See body.")  # fmt: skip
row("pixel_unshuffle(Tensor input, int downscale_factor) -> Tensor", body=_pixel_unshuffle,
    forms="f", samples=lambda m: [((m(1, 1, 4, 2), 2), {})], doc="See body.")  # fmt: skip

def _channel_shuffle(input: Any, groups: int) -> Any:
    """The channels (dimension 1) of `groups` groups interleaved (Zhang et al. 2018)."""
    shape = tuple(input.shape)
    if len(shape) <= 2:
        raise RuntimeError(
            f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(shape)}"
        )
    if groups <= 0:
        raise RuntimeError(
            "Number of groups to divide channels in must be positive. Value of groups:"
            f"{groups}"
        )
    if shape[1] % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {shape[1]} channels and "
            f"{groups} groups."
        )
    parts = input.reshape((shape[0], groups, shape[1] // groups, *shape[2:]))
    return parts.transpose(1, 2).reshape(shape)


row("channel_shuffle(Tensor input, int groups) -> Tensor", forms="f", body=_channel_shuffle,
    samples=lambda m: [((m(1, 4, 2), 2), {})], doc="See body.")  # fmt: skip
