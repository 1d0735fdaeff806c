"""Convolutions and their transposes, over one to three dimensions."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import flambeau as torch
from flambeau.errors import shown

from .. import init
from ..common_types import _size_1_t, _size_2_t, _size_3_t  # noqa: F401  copies of layers import them
from ..parameter import Parameter
from .module import Module
from .utils import _pair, _reverse_repeat_tuple, _single, _triple

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
]

Tensor = torch.Tensor
Ints = Any  # int or tuple of ints

_PARSERS = {1: _single, 2: _pair, 3: _triple}
_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all convolutions share: their parameters, checks and text."""

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: Any,
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check_channels(in_channels, out_channels, groups)
        _check_padding(padding, padding_mode, stride)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = self._padding_of_all_sides()
        first, second = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        shape = (first, second // groups, *kernel_size)
        self.weight = Parameter(torch.empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(torch.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _padding_of_all_sides(self) -> list[int]:
        """The padding as `F.pad` wants it: both sides of the last dimension first."""
        if not isinstance(self.padding, str):
            return list(_reverse_repeat_tuple(self.padding, 2))
        sides = []
        for dilation, size in zip(reversed(self.dilation), reversed(self.kernel_size), strict=True):
            total = dilation * (size - 1) if self.padding == "same" else 0
            sides += [total // 2, total - total // 2]
        return sides

    def reset_parameters(self) -> None:
        """Draw new values: uniform over +-1 / sqrt(fan_in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        )
        if self.padding != (0,) * len(self.kernel_size):
            text += f", padding={self.padding}"
        if self.dilation != (1,) * len(self.dilation):
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * len(self.output_padding):
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("padding_mode", "zeros")

    def _padded(self, input: Tensor) -> Tensor:
        sides = self._reversed_padding_repeated_twice
        return torch._nn.pad(input, sides, self.padding_mode, None)


def _check_channels(in_channels: int, out_channels: int, groups: int) -> None:
    for n in (in_channels, out_channels, groups):
        operator.index(n)
    if groups <= 0:
        raise ValueError(f"groups must be a positive integer, got {groups}")
    if in_channels % groups:
        raise ValueError(
            f"in_channels must be divisible by groups, got {in_channels} channels and {groups} "
            "groups"
        )
    if out_channels % groups:
        raise ValueError(
            f"out_channels must be divisible by groups, got {out_channels} channels and {groups} "
            "groups"
        )


def _check_padding(padding: Any, mode: str, stride: tuple[int, ...]) -> None:
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(
                f"Invalid padding string {shown(padding)}, should be one of 'same', 'valid'"
            )
        if padding == "same" and any(step != 1 for step in stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
    if mode not in _PADDING_MODES:
        raise ValueError(
            f"padding_mode must be one of {', '.join(map(repr, _PADDING_MODES))}, but got "
            f"padding_mode='{mode}'"
        )


class _PlainConvNd(_ConvNd):
    """A convolution; a subclass says over how many dimensions, and calls the operation."""

    _spatial: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Any = 0,
        dilation: Ints = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        each = _PARSERS[self._spatial]
        super().__init__(
            in_channels,
            out_channels,
            each(kernel_size),
            each(stride),
            padding if isinstance(padding, str) else each(padding),
            each(dilation),
            False,
            each(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        raise NotImplementedError

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_PlainConvNd):
    """Cross-correlation of (N, C, L) or (C, L).

    The output's length is (L + 2 * padding - dilation * (kernel_size - 1) - 1) // stride + 1.
    `padding` may be "same" or "valid". Weight and bias begin uniform over +-1 / sqrt(fan_in).
    """

    _spatial = 1

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = self._padded(input), 0
        return torch.conv1d(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class Conv2d(_PlainConvNd):
    """Cross-correlation of (N, C, H, W) or (C, H, W); sizes follow `Conv1d`'s formula."""

    _spatial = 2

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = self._padded(input), 0
        return torch.conv2d(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class Conv3d(_PlainConvNd):
    """Cross-correlation of (N, C, D, H, W) or (C, D, H, W); sizes follow `Conv1d`'s formula."""

    _spatial = 3

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = self._padded(input), 0
        return torch.conv3d(input, weight, bias, self.stride, padding, self.dilation, self.groups)


class _ConvTransposeNd(_ConvNd):
    """What the transposes share: the choice among the sizes that a stride makes possible."""

    _spatial: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Ints,
        stride: Ints = 1,
        padding: Ints = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Ints = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(
                f'Only "zeros" padding mode is supported for {type(self).__name__}, got '
                f'"{padding_mode}"'
            )
        each = _PARSERS[self._spatial]
        super().__init__(
            in_channels,
            out_channels,
            each(kernel_size),
            each(stride),
            each(padding),
            each(dilation),
            True,
            each(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _output_padding_for(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """How much to add on one side, for `output_size` to come out."""
        if output_size is None:
            return tuple(self.output_padding)
        spatial = len(self.kernel_size)
        wanted = list(output_size)
        if len(wanted) == input.dim():
            wanted = wanted[-spatial:]
        if len(wanted) != spatial:
            raise ValueError(
                f"{type(self).__name__}: for {input.dim()}D input, output_size must have "
                f"{spatial} or {input.dim()} elements (got {len(output_size)})"
            )
        added = []
        for axis, want in enumerate(wanted):
            least = (
                (input.size(axis - spatial) - 1) * self.stride[axis]
                - 2 * self.padding[axis]
                + self.dilation[axis] * (self.kernel_size[axis] - 1)
                + 1
            )
            most = least + self.stride[axis] - 1
            if not least <= want <= most:
                raise ValueError(
                    f"requested an output size of {tuple(wanted)}, but size {axis} has to be from "
                    f"{least} to {most} (for an input of {input.size()})"
                )
            added.append(want - least)
        return tuple(added)

    def _transposed(self, convolve: Callable[..., Tensor], input: Tensor, size: Any) -> Tensor:
        return convolve(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._output_padding_for(input, size),
            self.groups,
            self.dilation,
        )


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose of `Conv1d`: (N, C, L) to a length of
    (L - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + output_padding + 1."""

    _spatial = 1

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return self._transposed(torch.conv_transpose1d, input, output_size)


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose of `Conv2d`; sizes follow `ConvTranspose1d`'s formula."""

    _spatial = 2

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return self._transposed(torch.conv_transpose2d, input, output_size)


class ConvTranspose3d(_ConvTransposeNd):
    """The transpose of `Conv3d`; sizes follow `ConvTranspose1d`'s formula."""

    _spatial = 3

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return self._transposed(torch.conv_transpose3d, input, output_size)
