"""Convolutions that look where they are told to (Dai et al., ICCV 2017; Zhu et al., CVPR 2019)."""

from __future__ import annotations

import math
from typing import Any

import flambeau as torch
from flambeau import Tensor, nn

from ._regions import pair

__all__ = ["DeformConv2d", "deform_conv2d"]


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, int] = (1, 1),
    padding: int | tuple[int, int] = (0, 0),
    dilation: int | tuple[int, int] = (1, 1),
    mask: Tensor | None = None,
) -> Tensor:
    """A convolution each of whose taps is moved, and with `mask` weighed, at each output pixel.

    Between pixels the input is interpolated linearly, and outside it is zero.

    Args:
        input: (N, C, H, W).
        offset: (N, 2 * groups * kh * kw, H', W'), pairs of how far down and right.
        weight: (outputs, C / convolution groups, kh, kw).
        bias: (outputs).
        stride: of the convolution.
        padding: of the convolution.
        dilation: of the convolution.
        mask: (N, groups * kh * kw, H', W').

    Returns:
        (N, outputs, H', W').

    Raises:
        RuntimeError: shapes that do not fit.
    """
    steps, pads, spread = pair(stride), pair(padding), pair(dilation)
    outputs, per_group, kh, kw = (int(side) for side in weight.shape)
    batch, channels, height, width = (int(side) for side in input.shape)
    taps = kh * kw
    groups = int(offset.shape[1]) // (2 * taps)
    size = [
        (side + 2 * pad - gap * (kernel - 1) - 1) // step + 1
        for side, pad, gap, kernel, step in zip(
            (height, width), pads, spread, (kh, kw), steps, strict=True
        )
    ]
    _check(input, offset, mask, (groups, taps), size, per_group)
    down, right = offset.reshape(batch, groups, taps, 2, *size).unbind(3)
    tap = torch.arange(taps, device=input.device)
    rows = torch.arange(size[0], device=input.device) * steps[0] - pads[0]
    columns = torch.arange(size[1], device=input.device) * steps[1] - pads[1]
    y = down + (rows[:, None] + (tap // kw * spread[0])[:, None, None])
    x = right + (columns + (tap % kw * spread[1])[:, None, None])
    samples = _sampled(input.reshape(batch, groups, channels // groups, -1), y, x, height, width)
    if mask is not None:
        samples = samples * mask.reshape(batch, groups, 1, taps, *size)
    convolutions = channels // per_group
    samples = samples.reshape(batch, convolutions, per_group * taps, -1)
    filters = weight.reshape(convolutions, outputs // convolutions, per_group * taps)
    out = torch.matmul(filters, samples).reshape(batch, outputs, *size)
    return out if bias is None else out + bias.reshape(1, -1, 1, 1)


def _check(
    input: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    groups_and_taps: tuple[int, int],
    size: list[int],
    per_group: int,
) -> None:
    groups, taps = groups_and_taps
    channels = int(input.shape[1])
    if groups == 0:
        raise RuntimeError(
            "the shape of the offset tensor at dimension 1 is not valid. It should be a multiple "
            f"of 2 * weight.size[2] * weight.size[3].\nGot offset.shape[1]={offset.shape[1]}, "
            f"while 2 * weight.size[2] * weight.size[3]={2 * taps}"
        )
    if channels % groups or channels % per_group:
        raise RuntimeError(
            f"deform_conv2d: {channels} channels can't be divided into {groups} groups of offsets "
            f"and convolutions of {per_group} channels"
        )
    wanted = {"offset": (offset, 2 * groups * taps), "mask": (mask, groups * taps)}
    for name, (tensor, planes) in wanted.items():
        shape = (int(input.shape[0]), planes, *size)
        if tensor is not None and tuple(tensor.shape) != shape:
            raise RuntimeError(f"invalid {name} shape: got {tuple(tensor.shape)}, expected {shape}")


def _sampled(maps: Tensor, y: Tensor, x: Tensor, height: int, width: int) -> Tensor:
    """Values of maps (N, G, C, H * W) at places (N, G, taps, H', W'): (N, G, C, taps, H', W')."""
    top, left = torch.floor(y.detach()), torch.floor(x.detach())
    down, right = y - top, x - left
    total: Any = 0
    for row, vertical in ((top, 1 - down), (top + 1, down)):
        for column, horizontal in ((left, 1 - right), (left + 1, right)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            index = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
            flat = index.to(torch.int64).flatten(2).unsqueeze(2)
            values = maps.gather(3, flat.expand(-1, -1, maps.shape[2], -1))
            values = values.reshape(*maps.shape[:3], *y.shape[2:])
            share = (vertical * horizontal).masked_fill(~inside, 0)
            total = total + values * share.unsqueeze(2)
    return total


class DeformConv2d(nn.Module):
    """See `deform_conv2d`; the offsets, and the mask if any, are inputs.

    Raises:
        ValueError: channels that are no multiple of `groups`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = pair(kernel_size)
        self.stride = pair(stride)
        self.padding = pair(padding)
        self.dilation = pair(dilation)
        self.groups = groups
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters as an ordinary convolution's."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        """Returns (N, out_channels, H', W')."""
        where = (self.stride, self.padding, self.dilation)
        return deform_conv2d(input, offset, self.weight, self.bias, *where, mask=mask)

    def __repr__(self) -> str:
        shown = (
            f"{type(self).__name__}({self.in_channels}, {self.out_channels}, "
            f"kernel_size={self.kernel_size}, stride={self.stride}"
        )
        if self.padding != (0, 0):
            shown += f", padding={self.padding}"
        if self.dilation != (1, 1):
            shown += f", dilation={self.dilation}"
        if self.groups != 1:
            shown += f", groups={self.groups}"
        return shown + (")" if self.bias is not None else ", bias=False)")
