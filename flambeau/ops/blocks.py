"""Sliding blocks of images as columns, and columns added up to images: `unfold` and `fold` of
torch.nn.functional; each is the other's derivative. Maxima put back where they came from."""

from __future__ import annotations

import math
import operator
from itertools import islice
from typing import Any

import numpy as np

from ..errors import shown
from ..runtime.shortage import room
from .table import call, row


def _two(name: str, value: Any) -> tuple[int, int]:
    """One number for rows and columns, or one for each. TypeError for what is no number,
    RuntimeError where there are more or fewer."""
    both = (value, value) if isinstance(value, (int, np.integer)) else value
    try:
        found = [
            operator.index(None if isinstance(item, bool) else item)  # type: ignore[arg-type]
            for item in islice(both, 3)
        ]
    except TypeError:
        raise TypeError(
            f"sliding blocks: argument '{name}' must be tuple of ints, not {shown(value)}"
        ) from None
    if len(found) != 2:
        raise RuntimeError(f"It is expected {name} equals to 2, but got {shown(value)}")
    return found[0], found[1]


def _blocks(size: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> list[int]:
    """How many blocks there are along rows and along columns. RuntimeError where none is."""
    found = []
    if min(*kernel, *dilation, *stride) < 1 or min(padding) < 0:
        raise RuntimeError(
            f"sliding blocks: kernel {tuple(kernel)}, dilation {tuple(dilation)} and stride "
            f"{tuple(stride)} must be greater than zero, padding {tuple(padding)} not below"
        )
    for n, k, d, p, s in zip(size, kernel, dilation, padding, stride, strict=True):
        blocks = (n + 2 * p - d * (k - 1) - 1) // s + 1
        if blocks < 1:
            raise RuntimeError(
                f"sliding blocks: size {tuple(size)} with kernel {tuple(kernel)} and padding "
                f"{tuple(padding)} leaves no block"
            )
        found.append(blocks)
    return found


def _places(
    size: Any, kernel: Any, dilation: Any, padding: Any, stride: Any
) -> tuple[list[list[int]], list[list[int]]]:
    """For rows and for columns: the index into the padded image of each kernel position and block."""
    blocks = _blocks(size, kernel, dilation, padding, stride)
    found = []
    for k, d, s, count in zip(kernel, dilation, stride, blocks, strict=True):
        room(16 * k * count, "sliding blocks")
        found.append([[i * d + b * s for b in range(count)] for i in range(k)])
    return found[0], found[1]


def _im2col(input: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    """The sliding blocks of (N, C, H, W) as columns: (N, C * kh * kw, blocks); N may be left out."""
    if input.ndim == 3:
        return _im2col(input.unsqueeze(0), kernel_size, dilation, padding, stride).squeeze(0)
    if input.ndim != 4:
        raise RuntimeError(f"unfold: expected 3D or 4D (batch mode) tensor, got {list(input.shape)}")
    kernel, (ph, pw) = _two("kernel_size", kernel_size), _two("padding", padding)
    asked = (input.shape[2:], kernel, _two("dilation", dilation), (ph, pw), _two("stride", stride))
    room(math.prod((*input.shape[:2], *kernel, *_blocks(*asked))) * input.dtype.itemsize, "unfold")
    rows, columns = _places(*asked)
    padded = call.pad(input, (pw, pw, ph, ph), "constant", 0)
    at_row = call.tensor(rows)[:, None, :, None]
    at_column = call.tensor(columns)[None, :, None, :]
    count = len(rows[0]) * len(columns[0])
    found = padded[:, :, at_row, at_column]
    return found.reshape((input.shape[0], input.shape[1] * kernel[0] * kernel[1], count))


def _col2im(
    input: Any, output_size: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> Any:
    """The sum of columns (N, C * kh * kw, blocks) at their places: (N, C, H, W); N may be left out."""
    if input.ndim == 2:
        one = input.unsqueeze(0)
        return _col2im(one, output_size, kernel_size, dilation, padding, stride).squeeze(0)
    (height, width), (kh, kw) = _two("output_size", output_size), _two("kernel_size", kernel_size)
    ph, pw = _two("padding", padding)
    steps = _two("dilation", dilation), (ph, pw), _two("stride", stride)
    asked = ((height, width), (kh, kw), *steps)
    blocks = math.prod(_blocks(*asked))
    if input.ndim != 3 or input.shape[1] % (kh * kw) or input.shape[2] != blocks:
        raise RuntimeError(
            f"fold: output_size {(height, width)} with kernel {(kh, kw)} needs an input "
            f"(N, C * {kh * kw}, {blocks}), got {list(input.shape)}"
        )
    rows, columns = _places(*asked)
    count, channels = input.shape[0], input.shape[1] // (kh * kw)
    tall, wide = height + 2 * ph, width + 2 * pw
    at_row = call.tensor(rows)[:, None, :, None]
    at_column = call.tensor(columns)[None, :, None, :]
    places = (at_row * wide + at_column).reshape((-1,))
    whole = call.zeros((count, channels, tall * wide), dtype=input.dtype)
    whole = call.index_add(whole, 2, places, input.reshape((count, channels, places.numel())))
    whole = whole.reshape((count, channels, tall, wide))
    return whole[:, :, ph : ph + height, pw : pw + width].contiguous()


row(
    "im2col(Tensor input, any kernel_size, any dilation, any padding, any stride) -> Tensor",
    body=_im2col, where="nn", forms="fo", node="Im2ColBackward0",
    grads={"input": lambda grad, input_shape, kernel_size, dilation, padding, stride:
           call.col2im(grad, tuple(input_shape)[-2:], kernel_size, dilation, padding, stride)},
    samples=lambda m: [((m(1, 2, 3, 4), (2, 2), (1, 1), (0, 0), (1, 1)), {}),
                       ((m(1, 3, 3), 2, 1, (1, 0), (2, 1)), {})],
    doc="See body.",
)  # fmt: skip

row(
    "col2im(Tensor input, any output_size, any kernel_size, any dilation, any padding, any stride) -> Tensor",
    body=_col2im, where="nn", forms="fo", node="Col2ImBackward0",
    grads={"input": lambda grad, kernel_size, dilation, padding, stride:
           call.im2col(grad, kernel_size, dilation, padding, stride)},
    samples=lambda m: [((m(1, 4, 4), (3, 3), (2, 2), (1, 1), (0, 0), (1, 1)), {}),
                       ((m(4, 2), (3, 2), 2, 1, 0, 1), {})],
    doc="See body.",
)  # fmt: skip


# --- unpooling ----------------------------------------------------------------------------------


def _put_back(input: Any, indices: Any, output_size: Any) -> Any:
    """(*, spatial) among zeros of `output_size`, each at the place in the flat volume that
    `indices` names. RuntimeError for a place outside."""
    size = tuple(output_size)
    n = len(size)
    if indices.shape != input.shape:
        raise RuntimeError(
            f"max_unpool{n}d(): Expected shape of indices to be same as that of the input "
            f"tensor ({list(input.shape)}) but got indices tensor with shape {list(indices.shape)}"
        )
    total = math.prod(size)
    if indices.numel() and not 0 <= int(indices.min()) <= int(indices.max()) < total:
        raise RuntimeError(
            f"Found an invalid max index: {int(indices.max())} (output volumes are of size "
            f"{'x'.join(map(str, size))})"
        )
    outer = tuple(input.shape[: input.ndim - n])
    empty = call.zeros((*outer, total), dtype=input.dtype)
    filled = empty.scatter(-1, indices.flatten(-n), input.flatten(-n))
    return filled.reshape((*outer, *size))


def _taken(grad: Any, indices: Any, output_size: Any) -> Any:
    n = len(output_size)
    return grad.flatten(-n).gather(-1, indices.flatten(-n)).reshape(tuple(indices.shape))


def _body(input: Any, indices: Any, output_size: Any, stride: Any = None, padding: Any = None) -> Any:
    return _put_back(input, indices, output_size)


def _samples(n: int) -> Any:
    """Each of a volume's elements at a place of its own."""

    def made(m: Any) -> Any:
        shape = (1, 2, *[2] * n)
        places = m(*shape).detach().flatten(2).argsort(2).reshape(shape)
        return [((m(*shape), places, (3,) * n), {})]

    return made


for _n in (2, 3):
    row(
        f"max_unpool{_n}d(Tensor input, Tensor indices, any output_size, any stride=None, any padding=None) -> Tensor",
        body=_body, where="nn", forms="f", node=f"MaxUnpool{_n}DBackward0", samples=_samples(_n),
        grads={"input": lambda grad, indices, output_size: _taken(grad, indices, output_size)},
        doc="Maxima of a pooling at their places among zeros.",
    )  # fmt: skip
