"""Convolutions, and the sliding blocks that they are made of."""

from __future__ import annotations

from typing import Any

import flambeau as torch

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "fold",
    "unfold",
]

Tensor = torch.Tensor
Ints = Any  # int or tuple of ints


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Any = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of (N, C, L) with weight (out, C / groups, k): (N, out, L')."""
    return torch.conv1d(input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Any = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of (N, C, H, W) with weight (out, C / groups, kh, kw): (N, out, H', W')."""
    return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Any = 0,
    dilation: Ints = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation of (N, C, D, H, W) with weight (out, C / groups, kd, kh, kw)."""
    return torch.conv3d(input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """The transpose of `conv1d`: (N, C, L) with weight (C, out / groups, k)."""
    return torch.conv_transpose1d(
        input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """The transpose of `conv2d`: (N, C, H, W) with weight (C, out / groups, kh, kw)."""
    return torch.conv_transpose2d(
        input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Ints = 1,
    padding: Ints = 0,
    output_padding: Ints = 0,
    groups: int = 1,
    dilation: Ints = 1,
) -> Tensor:
    """The transpose of `conv3d`: (N, C, D, H, W) with weight (C, out / groups, kd, kh, kw)."""
    return torch.conv_transpose3d(
        input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def _two(value: Ints) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _block_indices(
    size: int, kernel: int, dilation: int, padding: int, stride: int
) -> tuple[list[list[int]], int]:
    """For each kernel position and block the index into the padded dimension, and the blocks."""
    blocks = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    return [[k * dilation + b * stride for b in range(blocks)] for k in range(kernel)], blocks


def unfold(
    input: Tensor, kernel_size: Ints, dilation: Ints = 1, padding: Ints = 0, stride: Ints = 1
) -> Tensor:
    """The sliding blocks of (N, C, H, W) as columns: (N, C * kh * kw, blocks)."""
    if input.dim() == 3:
        return unfold(input.unsqueeze(0), kernel_size, dilation, padding, stride).squeeze(0)
    if input.dim() != 4:
        raise RuntimeError(
            f"unfold: expected 3D or 4D (batch mode) tensor, got {list(input.shape)}"
        )
    kernel, (ph, pw) = _two(kernel_size), _two(padding)
    rows, columns = _indices_of_blocks(input.shape[2:], kernel, dilation, padding, stride)
    padded = torch._nn.pad(input, (pw, pw, ph, ph), "constant", 0)
    blocks = padded[:, :, rows, columns]
    count = rows.size(2) * columns.size(3)
    return blocks.reshape(input.size(0), input.size(1) * kernel[0] * kernel[1], count)


def fold(
    input: Tensor,
    output_size: Ints,
    kernel_size: Ints,
    dilation: Ints = 1,
    padding: Ints = 0,
    stride: Ints = 1,
) -> Tensor:
    """The sum of columns (N, C * kh * kw, blocks) at their places: (N, C, H, W)."""
    if input.dim() == 2:
        folded = fold(input.unsqueeze(0), output_size, kernel_size, dilation, padding, stride)
        return folded.squeeze(0)
    (height, width), (kh, kw) = _two(output_size), _two(kernel_size)
    ph, pw = _two(padding)
    rows, columns = _indices_of_blocks((height, width), (kh, kw), dilation, padding, stride)
    blocks = rows.size(2) * columns.size(3)
    if input.dim() != 3 or input.size(1) % (kh * kw) or input.size(2) != blocks:
        raise RuntimeError(
            f"fold: output_size {(height, width)} with kernel {(kh, kw)} needs an input "
            f"(N, C * {kh * kw}, {blocks}), got {list(input.shape)}"
        )
    count, channels = input.size(0), input.size(1) // (kh * kw)
    flat_width = width + 2 * pw
    places = (rows * flat_width + columns).reshape(-1)
    whole = torch.zeros(
        count, channels, (height + 2 * ph) * flat_width, dtype=input.dtype, device=input.device
    ).index_add(2, places, input.reshape(count, channels, -1))
    whole = whole.reshape(count, channels, height + 2 * ph, flat_width)
    return whole[:, :, ph : ph + height, pw : pw + width]


def _indices_of_blocks(
    size: Any, kernel: tuple[int, int], dilation: Ints, padding: Ints, stride: Ints
) -> tuple[Tensor, Tensor]:
    """Row and column indices into the padded image, that broadcast to (kh, kw, bh, bw)."""
    found = []
    for axis in range(2):
        indices, blocks = _block_indices(
            size[axis], kernel[axis], _two(dilation)[axis], _two(padding)[axis], _two(stride)[axis]
        )
        if blocks < 1:
            raise RuntimeError(
                f"sliding blocks: size {tuple(size)} with kernel {kernel} and padding "
                f"{_two(padding)} leaves no block"
            )
        found.append(torch.tensor(indices))
    rows, columns = found
    return rows[:, None, :, None], columns[None, :, None, :]
