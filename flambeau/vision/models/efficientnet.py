"""EfficientNet (Tan and Le, ICML 2019) and EfficientNet v2 (Tan and Le, ICML 2021)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import flambeau as torch
from flambeau import nn

from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ..ops.stochastic_depth import StochasticDepth
from ._api import WeightsEnum, build, register_model
from ._init import fill
from ._utils import _make_divisible
from ._weights import weights_enum

__all__ = [
    "EfficientNet",
    "EfficientNet_B0_Weights",
    "EfficientNet_B1_Weights",
    "EfficientNet_B2_Weights",
    "EfficientNet_B3_Weights",
    "EfficientNet_B4_Weights",
    "EfficientNet_B5_Weights",
    "EfficientNet_B6_Weights",
    "EfficientNet_B7_Weights",
    "EfficientNet_V2_L_Weights",
    "EfficientNet_V2_M_Weights",
    "EfficientNet_V2_S_Weights",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6",
    "efficientnet_b7",
    "efficientnet_v2_l",
    "efficientnet_v2_m",
    "efficientnet_v2_s",
]

EfficientNet_B0_Weights = weights_enum("EfficientNet_B0", __name__)
EfficientNet_B1_Weights = weights_enum("EfficientNet_B1", __name__)
EfficientNet_B2_Weights = weights_enum("EfficientNet_B2", __name__)
EfficientNet_B3_Weights = weights_enum("EfficientNet_B3", __name__)
EfficientNet_B4_Weights = weights_enum("EfficientNet_B4", __name__)
EfficientNet_B5_Weights = weights_enum("EfficientNet_B5", __name__)
EfficientNet_B6_Weights = weights_enum("EfficientNet_B6", __name__)
EfficientNet_B7_Weights = weights_enum("EfficientNet_B7", __name__)
EfficientNet_V2_S_Weights = weights_enum("EfficientNet_V2_S", __name__)
EfficientNet_V2_M_Weights = weights_enum("EfficientNet_V2_M", __name__)
EfficientNet_V2_L_Weights = weights_enum("EfficientNet_V2_L", __name__)

_Make = Callable[..., nn.Module]


@dataclass
class _MBConvConfig:
    """One stage: its blocks' expansion, kernel, first stride, channels and number."""

    expand_ratio: float
    kernel: int
    stride: int
    input_channels: int
    out_channels: int
    num_layers: int
    block: _Make

    @staticmethod
    def adjust_channels(channels: int, width_mult: float, min_value: int | None = None) -> int:
        """Returns channels times the factor, as a multiple of 8."""
        return _make_divisible(channels * width_mult, 8, min_value)


class MBConvConfig(_MBConvConfig):
    """A stage of `MBConv` blocks, scaled in width and depth (table 1 of the first paper)."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        width_mult: float = 1.0,
        depth_mult: float = 1.0,
        block: _Make | None = None,
    ) -> None:
        super().__init__(
            expand_ratio,
            kernel,
            stride,
            self.adjust_channels(input_channels, width_mult),
            self.adjust_channels(out_channels, width_mult),
            self.adjust_depth(num_layers, depth_mult),
            block or MBConv,
        )

    @staticmethod
    def adjust_depth(num_layers: int, depth_mult: float) -> int:
        """Returns the number of blocks times the factor, rounded up."""
        return math.ceil(num_layers * depth_mult)


class FusedMBConvConfig(_MBConvConfig):
    """A stage of `FusedMBConv` blocks (table 4 of the second paper)."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        block: _Make | None = None,
    ) -> None:
        super().__init__(
            expand_ratio,
            kernel,
            stride,
            input_channels,
            out_channels,
            num_layers,
            block or FusedMBConv,
        )


class _Residual(nn.Module):
    """What both kinds of block share: layers, stochastic depth and a shortcut where one fits."""

    def __init__(
        self, cnf: _MBConvConfig, layers: list[nn.Module], stochastic_depth_prob: float
    ) -> None:
        super().__init__()
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.out_channels

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(N, input_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        result = self.block(input)
        if self.use_res_connect:
            result = self.stochastic_depth(result)
            result += input
        return result


def _check_stride(cnf: _MBConvConfig) -> None:
    if not 1 <= cnf.stride <= 2:
        raise ValueError("illegal stride value")


class MBConv(_Residual):
    """Expansion, a convolution channel by channel, excitation and projection."""

    def __init__(
        self,
        cnf: _MBConvConfig,
        stochastic_depth_prob: float,
        norm_layer: _Make,
        se_layer: _Make = SqueezeExcitation,
    ) -> None:
        _check_stride(cnf)
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        inputs = cnf.input_channels
        expanded = cnf.adjust_channels(inputs, cnf.expand_ratio)
        layers: list[nn.Module] = []
        if expanded != inputs:
            layers.append(conv(inputs, expanded, kernel_size=1))
        layers.append(
            conv(expanded, expanded, kernel_size=cnf.kernel, stride=cnf.stride, groups=expanded)
        )
        squeezed = max(1, inputs // 4)
        layers.append(se_layer(expanded, squeezed, activation=partial(nn.SiLU, inplace=True)))
        layers.append(conv(expanded, cnf.out_channels, kernel_size=1, activation_layer=None))
        super().__init__(cnf, layers, stochastic_depth_prob)


class FusedMBConv(_Residual):
    """Expansion by a full convolution, and projection."""

    def __init__(self, cnf: _MBConvConfig, stochastic_depth_prob: float, norm_layer: _Make) -> None:
        _check_stride(cnf)
        conv = partial(
            Conv2dNormActivation, norm_layer=norm_layer, kernel_size=cnf.kernel, stride=cnf.stride
        )
        inputs, outputs = cnf.input_channels, cnf.out_channels
        expanded = cnf.adjust_channels(inputs, cnf.expand_ratio)
        if expanded == inputs:
            layers: list[nn.Module] = [conv(inputs, outputs, activation_layer=nn.SiLU)]
        else:
            layers = [
                conv(inputs, expanded, activation_layer=nn.SiLU),
                conv(expanded, outputs, kernel_size=1, stride=1, activation_layer=None),
            ]
        super().__init__(cnf, layers, stochastic_depth_prob)


class EfficientNet(nn.Module):
    """A convolution, stages of blocks, a 1x1 convolution and one linear layer.

    Args:
        inverted_residual_setting: the stages.
        dropout: share of the last layer's inputs that is dropped in training.
        stochastic_depth_prob: of the last block; it grows towards it from zero.
        num_classes: outputs.
        norm_layer: makes a normalisation; BatchNorm2d by default.
        last_channel: channels of the last convolution; None is four times the stages' last.

    Raises:
        ValueError: no stages.
        TypeError: the setting is no list of `MBConvConfig` or `FusedMBConvConfig`.
    """

    def __init__(
        self,
        inverted_residual_setting: Sequence[MBConvConfig | FusedMBConvConfig],
        dropout: float,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
        norm_layer: _Make | None = None,
        last_channel: int | None = None,
    ) -> None:
        super().__init__()
        _check_setting(inverted_residual_setting)
        norm = norm_layer or nn.BatchNorm2d
        conv = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.SiLU)
        first = inverted_residual_setting[0].input_channels
        layers: list[nn.Module] = [conv(3, first, kernel_size=3, stride=2)]
        total = sum(config.num_layers for config in inverted_residual_setting)
        done = 0
        for config in inverted_residual_setting:
            stage = []
            for index in range(config.num_layers):
                one = copy.copy(config)
                if index > 0:
                    one.input_channels, one.stride = one.out_channels, 1
                stage.append(one.block(one, stochastic_depth_prob * done / total, norm))
                done += 1
            layers.append(nn.Sequential(*stage))
        channels = inverted_residual_setting[-1].out_channels
        last = 4 * channels if last_channel is None else last_channel
        layers.append(conv(channels, last, kernel_size=1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout, inplace=True), nn.Linear(last, num_classes)
        )
        for module in self.modules():
            _initialise(module)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, num_classes) scores of (N, 3, H, W) images."""
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def _check_setting(setting: Any) -> None:
    if not setting:
        raise ValueError("The inverted_residual_setting should not be empty")
    if not isinstance(setting, Sequence) or not all(
        isinstance(one, _MBConvConfig) for one in setting
    ):
        raise TypeError("The inverted_residual_setting should be List[MBConvConfig]")


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
        fill(module.bias, 0)
    elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
        fill(module.weight, 1)
        fill(module.bias, 0)
    elif isinstance(module, nn.Linear):
        bound = 1.0 / math.sqrt(module.out_features)
        nn.init.uniform_(module.weight, -bound, bound)
        fill(module.bias, 0)


# Of the first version's stages: expansion, kernel, stride, channels in and out, blocks.
_V1 = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)
# Of the second version: the stages of fused blocks, then those of plain ones.
_V2 = {
    "s": (
        ((1, 3, 1, 24, 24, 2), (4, 3, 2, 24, 48, 4), (4, 3, 2, 48, 64, 4)),
        ((4, 3, 2, 64, 128, 6), (6, 3, 1, 128, 160, 9), (6, 3, 2, 160, 256, 15)),
    ),
    "m": (
        ((1, 3, 1, 24, 24, 3), (4, 3, 2, 24, 48, 5), (4, 3, 2, 48, 80, 5)),
        ((4, 3, 2, 80, 160, 7), (6, 3, 1, 160, 176, 14), (6, 3, 2, 176, 304, 18))
        + ((6, 3, 1, 304, 512, 5),),
    ),
    "l": (
        ((1, 3, 1, 32, 32, 4), (4, 3, 2, 32, 64, 7), (4, 3, 2, 64, 96, 7)),
        ((4, 3, 2, 96, 192, 10), (6, 3, 1, 192, 224, 19), (6, 3, 2, 224, 384, 25))
        + ((6, 3, 1, 384, 640, 7),),
    ),
}


def _v1(
    weights_class: type[WeightsEnum],
    given: tuple[Any, bool, dict[str, Any]],
    width: float,
    depth: float,
    dropout: float,
    later_norm: bool = False,
) -> EfficientNet:
    """Makes a model of the first version. `later_norm`: B5 to B7 were ported with another norm."""
    weights, progress, options = given
    stages = [MBConvConfig(*row, width_mult=width, depth_mult=depth) for row in _V1]
    dropout = options.pop("dropout", dropout)
    norm = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01) if later_norm else None
    make = partial(EfficientNet, stages, dropout, norm_layer=norm)
    return build(make, weights_class, weights, progress, options)


def _v2(
    weights_class: type[WeightsEnum],
    given: tuple[Any, bool, dict[str, Any]],
    size: str,
    dropout: float,
) -> EfficientNet:
    """Makes a model of the second version."""
    weights, progress, options = given
    fused, plain = _V2[size]
    stages: list[MBConvConfig | FusedMBConvConfig] = [FusedMBConvConfig(*row) for row in fused]
    stages += [MBConvConfig(*row) for row in plain]
    dropout = options.pop("dropout", dropout)
    norm = partial(nn.BatchNorm2d, eps=1e-03)
    make = partial(EfficientNet, stages, dropout, last_channel=1280, norm_layer=norm)
    return build(make, weights_class, weights, progress, options)


@register_model(weights=EfficientNet_B0_Weights)
def efficientnet_b0(weights: Any = None, progress: bool = True, **options: Any) -> EfficientNet:
    """Makes an EfficientNet B0, with `weights` of `EfficientNet_B0_Weights`."""
    return _v1(EfficientNet_B0_Weights, (weights, progress, options), 1.0, 1.0, 0.2)


@register_model(weights=EfficientNet_B1_Weights)
def efficientnet_b1(weights: Any = None, progress: bool = True, **options: Any) -> EfficientNet:
    """Makes an EfficientNet B1, with `weights` of `EfficientNet_B1_Weights`."""
    return _v1(EfficientNet_B1_Weights, (weights, progress, options), 1.0, 1.1, 0.2)


@register_model(weights=EfficientNet_B2_Weights)
def efficientnet_b2(weights: Any = None, progress: bool = True, **options: Any) -> EfficientNet:
    """Makes an EfficientNet B2, with `weights` of `EfficientNet_B2_Weights`."""
    return _v1(EfficientNet_B2_Weights, (weights, progress, options), 1.1, 1.2, 0.3)


@register_model(weights=EfficientNet_B3_Weights)
def efficientnet_b3(weights: Any = None, progress: bool = True, **options: Any) -> EfficientNet:
    """Makes an EfficientNet B3, with `weights` of `EfficientNet_B3_Weights`."""
    return _v1(EfficientNet_B3_Weights, (weights, progress, options), 1.2, 1.4, 0.3)


@register_model(weights=EfficientNet_B4_Weights)
def efficientnet_b4(weights: Any = None, progress: bool = True, **options: Any) -> EfficientNet:
    """Makes an EfficientNet B4, with `weights` of `EfficientNet_B4_Weights`."""
    return _v1(EfficientNet_B4_Weights, (weights, progress, options), 1.4, 1.8, 0.4)


@register_model(weights=EfficientNet_B5_Weights)
def efficientnet_b5(weights: Any = None, progress: bool = True, **options: Any) -> EfficientNet:
    """Makes an EfficientNet B5, with `weights` of `EfficientNet_B5_Weights`."""
    return _v1(EfficientNet_B5_Weights, (weights, progress, options), 1.6, 2.2, 0.4, True)


@register_model(weights=EfficientNet_B6_Weights)
def efficientnet_b6(weights: Any = None, progress: bool = True, **options: Any) -> EfficientNet:
    """Makes an EfficientNet B6, with `weights` of `EfficientNet_B6_Weights`."""
    return _v1(EfficientNet_B6_Weights, (weights, progress, options), 1.8, 2.6, 0.5, True)


@register_model(weights=EfficientNet_B7_Weights)
def efficientnet_b7(weights: Any = None, progress: bool = True, **options: Any) -> EfficientNet:
    """Makes an EfficientNet B7, with `weights` of `EfficientNet_B7_Weights`."""
    return _v1(EfficientNet_B7_Weights, (weights, progress, options), 2.0, 3.1, 0.5, True)


@register_model(weights=EfficientNet_V2_S_Weights)
def efficientnet_v2_s(weights: Any = None, progress: bool = True, **options: Any) -> EfficientNet:
    """Makes a small EfficientNet v2, with `weights` of `EfficientNet_V2_S_Weights`."""
    return _v2(EfficientNet_V2_S_Weights, (weights, progress, options), "s", 0.2)


@register_model(weights=EfficientNet_V2_M_Weights)
def efficientnet_v2_m(weights: Any = None, progress: bool = True, **options: Any) -> EfficientNet:
    """Makes a medium EfficientNet v2, with `weights` of `EfficientNet_V2_M_Weights`."""
    return _v2(EfficientNet_V2_M_Weights, (weights, progress, options), "m", 0.3)


@register_model(weights=EfficientNet_V2_L_Weights)
def efficientnet_v2_l(weights: Any = None, progress: bool = True, **options: Any) -> EfficientNet:
    """Makes a large EfficientNet v2, with `weights` of `EfficientNet_V2_L_Weights`."""
    return _v2(EfficientNet_V2_L_Weights, (weights, progress, options), "l", 0.4)
