"""Building blocks of the models: convolutions with what follows them, perceptrons, excitation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import flambeau as torch
from flambeau import nn

__all__ = [
    "MLP",
    "Conv2dNormActivation",
    "Conv3dNormActivation",
    "FrozenBatchNorm2d",
    "Permute",
    "SqueezeExcitation",
]

_Make = Callable[..., nn.Module]


class FrozenBatchNorm2d(nn.Module):
    """Batch normalisation by numbers that never change: all four are buffers.

    Args:
        num_features: channels.
        eps: added to the variance.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    running_mean: torch.Tensor
    running_var: torch.Tensor

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        for name, fill in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
            self.register_buffer(name, torch.full((num_features,), float(fill)))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        # A file that was saved from a BatchNorm2d counts its batches.
        state_dict.pop(prefix + "num_batches_tracked", None)
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Takes and returns (N, num_features, H, W)."""
        weight, bias, mean, var = (
            buffer.reshape(1, -1, 1, 1)
            for buffer in (self.weight, self.bias, self.running_mean, self.running_var)
        )
        scale = weight * (var + self.eps).rsqrt()
        return x * scale + (bias - mean * scale)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.weight.shape[0]}, eps={self.eps})"


class ConvNormActivation(nn.Sequential):
    """A convolution, a normalisation and an activation; base of the two- and three-dimensional.

    Args:
        in_channels: channels in.
        out_channels: channels out.
        kernel_size: of the convolution.
        stride: of the convolution.
        padding: of the convolution; None keeps the size at stride 1.
        groups: of the convolution.
        norm_layer: makes a normalisation of `out_channels`; None is none.
        activation_layer: makes an activation; None is none.
        dilation: of the convolution.
        inplace: an argument for the activation; None gives it none.
        bias: of the convolution; None has one where there is no normalisation.
        conv_layer: makes the convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...] = 3,
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] | str | None = None,
        groups: int = 1,
        norm_layer: _Make | None = nn.BatchNorm2d,
        activation_layer: _Make | None = nn.ReLU,
        dilation: int | tuple[int, ...] = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
        conv_layer: _Make = nn.Conv2d,
    ) -> None:
        if padding is None:
            padding = _same_padding(kernel_size, dilation)
        layers = [
            conv_layer(
                in_channels,
                out_channels,
                kernel_size,
                stride,
                padding,
                dilation=dilation,
                groups=groups,
                bias=norm_layer is None if bias is None else bias,
            )
        ]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer(**({} if inplace is None else {"inplace": inplace})))
        super().__init__(*layers)
        self.out_channels = out_channels
        if type(self) is ConvNormActivation:
            warnings.warn(
                "Don't use ConvNormActivation directly, please use Conv2dNormActivation and "
                "Conv3dNormActivation instead.",
                stacklevel=2,
            )


def _same_padding(
    kernel: int | tuple[int, ...], dilation: int | tuple[int, ...]
) -> int | tuple[int, ...]:
    """The padding with which a convolution of stride 1 keeps its size."""
    if isinstance(kernel, int) and isinstance(dilation, int):
        return (kernel - 1) // 2 * dilation
    rank = len(kernel) if isinstance(kernel, Sequence) else len(dilation)  # type: ignore[arg-type]
    kernels = (kernel,) * rank if isinstance(kernel, int) else kernel
    dilations = (dilation,) * rank if isinstance(dilation, int) else dilation
    return tuple((k - 1) // 2 * d for k, d in zip(kernels, dilations, strict=True))


class Conv2dNormActivation(ConvNormActivation):
    """A two-dimensional convolution, then a normalisation, then an activation.

    The arguments are those of `ConvNormActivation`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str | None = None,
        groups: int = 1,
        norm_layer: _Make | None = nn.BatchNorm2d,
        activation_layer: _Make | None = nn.ReLU,
        dilation: int | tuple[int, int] = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            groups,
            norm_layer,
            activation_layer,
            dilation,
            inplace,
            bias,
            nn.Conv2d,
        )


class Conv3dNormActivation(ConvNormActivation):
    """A three-dimensional convolution, then a normalisation, then an activation.

    The arguments are those of `ConvNormActivation`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int, int] = 3,
        stride: int | tuple[int, int, int] = 1,
        padding: int | tuple[int, int, int] | str | None = None,
        groups: int = 1,
        norm_layer: _Make | None = nn.BatchNorm3d,
        activation_layer: _Make | None = nn.ReLU,
        dilation: int | tuple[int, int, int] = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            groups,
            norm_layer,
            activation_layer,
            dilation,
            inplace,
            bias,
            nn.Conv3d,
        )


class SqueezeExcitation(nn.Module):
    """Weighs the channels by what is in all of them (Hu et al., CVPR 2018, figure 1).

    Args:
        input_channels: channels.
        squeeze_channels: channels in the middle.
        activation: makes the activation in the middle.
        scale_activation: makes the one that gives the weights.
    """

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: _Make = nn.ReLU,
        scale_activation: _Make = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def _scale(self, input: torch.Tensor) -> torch.Tensor:
        squeezed = self.activation(self.fc1(self.avgpool(input)))
        return self.scale_activation(self.fc2(squeezed))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Takes and returns (N, input_channels, H, W)."""
        return self._scale(input) * input


class MLP(nn.Sequential):
    """Linear layers, each but the last with normalisation and activation, all with dropout.

    Args:
        in_channels: features in.
        hidden_channels: features after each layer.
        norm_layer: makes a normalisation of so many features; None is none.
        activation_layer: makes an activation.
        inplace: an argument for activation and dropout; None gives them none.
        bias: of the linear layers.
        dropout: share that is dropped.
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: list[int],
        norm_layer: _Make | None = None,
        activation_layer: _Make | None = nn.ReLU,
        inplace: bool | None = None,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        options = {} if inplace is None else {"inplace": inplace}
        layers: list[nn.Module] = []
        last = len(hidden_channels) - 1
        for index, channels in enumerate(hidden_channels):
            layers.append(nn.Linear(in_channels, channels, bias=bias))
            if index < last:
                if norm_layer is not None:
                    layers.append(norm_layer(channels))
                if activation_layer is not None:
                    layers.append(activation_layer(**options))
            layers.append(nn.Dropout(dropout, **options))
            in_channels = channels
        super().__init__(*layers)


class Permute(nn.Module):
    """Puts the dimensions in the order `dims`."""

    def __init__(self, dims: list[int]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns `x` permuted."""
        return torch.permute(x, self.dims)
