"""MobileNet v3 (Howard et al., "Searching for MobileNetV3", ICCV 2019)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flambeau as torch
from flambeau import nn

from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import build, register_model
from ._init import draw_mobile
from ._utils import _make_divisible
from ._weights import weights_enum

__all__ = [
    "MobileNetV3",
    "MobileNet_V3_Large_Weights",
    "MobileNet_V3_Small_Weights",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
]

MobileNet_V3_Large_Weights = weights_enum("MobileNet_V3_Large", __name__)
MobileNet_V3_Small_Weights = weights_enum("MobileNet_V3_Small", __name__)

_Make = Callable[..., nn.Module]

# Each block's channels in, kernel, expanded channels, channels out, squeeze and excitation,
# activation, stride. The last stage, marked "tail", may be narrower and dilated.
_LARGE: tuple[tuple[int, int, int, int, bool, str, int], ...] = (
    (16, 3, 16, 16, False, "RE", 1),
    (16, 3, 64, 24, False, "RE", 2),
    (24, 3, 72, 24, False, "RE", 1),
    (24, 5, 72, 40, True, "RE", 2),
    (40, 5, 120, 40, True, "RE", 1),
    (40, 5, 120, 40, True, "RE", 1),
    (40, 3, 240, 80, False, "HS", 2),
    (80, 3, 200, 80, False, "HS", 1),
    (80, 3, 184, 80, False, "HS", 1),
    (80, 3, 184, 80, False, "HS", 1),
    (80, 3, 480, 112, True, "HS", 1),
    (112, 3, 672, 112, True, "HS", 1),
    (112, 5, 672, 160, True, "HS", 2),
    (160, 5, 960, 160, True, "HS", 1),
    (160, 5, 960, 160, True, "HS", 1),
)
_SMALL: tuple[tuple[int, int, int, int, bool, str, int], ...] = (
    (16, 3, 16, 16, True, "RE", 2),
    (16, 3, 72, 24, False, "RE", 2),
    (24, 3, 88, 24, False, "RE", 1),
    (24, 5, 96, 40, True, "HS", 2),
    (40, 5, 240, 40, True, "HS", 1),
    (40, 5, 240, 40, True, "HS", 1),
    (40, 5, 120, 48, True, "HS", 1),
    (48, 5, 144, 48, True, "HS", 1),
    (48, 5, 288, 96, True, "HS", 2),
    (96, 5, 576, 96, True, "HS", 1),
    (96, 5, 576, 96, True, "HS", 1),
)
# By size: the blocks and the features before the last layer.
_SIZES = {"mobilenet_v3_large": (_LARGE, 1280), "mobilenet_v3_small": (_SMALL, 1024)}
_TAIL = 3


class InvertedResidualConfig:
    """What one block is: see `_LARGE`; channels are scaled by `width_mult`."""

    def __init__(
        self,
        input_channels: int,
        kernel: int,
        expanded_channels: int,
        out_channels: int,
        use_se: bool,
        activation: str,
        stride: int,
        dilation: int,
        width_mult: float,
    ) -> None:
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.kernel = kernel
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.use_se = use_se
        self.use_hs = activation == "HS"
        self.stride = stride
        self.dilation = dilation

    @staticmethod
    def adjust_channels(channels: int, width_mult: float) -> int:
        """Returns channels times the factor, as a multiple of 8."""
        return _make_divisible(channels * width_mult, 8)


class InvertedResidual(nn.Module):
    """Expansion, a convolution channel by channel, excitation, projection, and a shortcut."""

    def __init__(
        self,
        cnf: InvertedResidualConfig,
        norm_layer: _Make,
        se_layer: _Make = partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid),
    ) -> None:
        super().__init__()
        if not 1 <= cnf.stride <= 2:
            raise ValueError("illegal stride value")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        activation = nn.Hardswish if cnf.use_hs else nn.ReLU
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer)
        expanded = cnf.expanded_channels
        layers: list[nn.Module] = []
        if expanded != cnf.input_channels:
            layers.append(
                conv(cnf.input_channels, expanded, kernel_size=1, activation_layer=activation)
            )
        layers.append(
            conv(
                expanded,
                expanded,
                kernel_size=cnf.kernel,
                stride=1 if cnf.dilation > 1 else cnf.stride,
                dilation=cnf.dilation,
                groups=expanded,
                activation_layer=activation,
            )
        )
        if cnf.use_se:
            layers.append(se_layer(expanded, _make_divisible(expanded // 4, 8)))
        layers.append(conv(expanded, cnf.out_channels, kernel_size=1, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.out_channels = cnf.out_channels
        self._is_cn = cnf.stride > 1

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) to (N, out_channels, H / stride, W / stride)."""
        result = self.block(input)
        if self.use_res_connect:
            result += input
        return result


class MobileNetV3(nn.Module):
    """A convolution, inverted residuals, a 1x1 convolution and two linear layers.

    Args:
        inverted_residual_setting: the blocks.
        last_channel: features before the last layer.
        num_classes: outputs.
        block: makes a block.
        norm_layer: makes a normalisation; BatchNorm2d by default.
        dropout: share of the last layer's inputs that is dropped in training.

    Raises:
        ValueError: no blocks.
        TypeError: the setting is no list of `InvertedResidualConfig`.
    """

    def __init__(
        self,
        inverted_residual_setting: list[InvertedResidualConfig],
        last_channel: int,
        num_classes: int = 1000,
        block: _Make | None = None,
        norm_layer: _Make | None = None,
        dropout: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        _check_setting(inverted_residual_setting)
        block = block or InvertedResidual
        norm = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        conv = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.Hardswish)
        first = inverted_residual_setting[0].input_channels
        layers: list[nn.Module] = [conv(3, first, kernel_size=3, stride=2)]
        layers += [block(config, norm) for config in inverted_residual_setting]
        channels = inverted_residual_setting[-1].out_channels
        layers.append(conv(channels, 6 * channels, kernel_size=1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * channels, last_channel),
            nn.Hardswish(inplace=True),
            nn.Dropout(p=dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )
        draw_mobile(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, num_classes) scores of (N, 3, H, W) images."""
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def _check_setting(setting: Any) -> None:
    if not setting:
        raise ValueError("The inverted_residual_setting should not be empty")
    if not isinstance(setting, Sequence) or not all(
        isinstance(one, InvertedResidualConfig) for one in setting
    ):
        raise TypeError("The inverted_residual_setting should be List[InvertedResidualConfig]")


def _mobilenet_v3_conf(
    arch: str,
    width_mult: float = 1.0,
    reduced_tail: bool = False,
    dilated: bool = False,
    **kwargs: Any,
) -> tuple[list[InvertedResidualConfig], int]:
    """Returns the blocks of `arch` and the features before the last layer.

    Args:
        arch: "mobilenet_v3_large" or "mobilenet_v3_small".
        width_mult: factor for all channels.
        reduced_tail: halve the channels of the last stage.
        dilated: dilate the last stage instead of striding.
    """
    if arch not in _SIZES:
        raise ValueError(f"Unsupported model type {arch}")
    blocks, last = _SIZES[arch]
    divider = 2 if reduced_tail else 1
    setting = []
    for index, (inputs, kernel, expanded, outputs, *rest) in enumerate(blocks):
        from_end = len(blocks) - index
        dilation = 1
        if from_end <= _TAIL:
            outputs //= divider
            dilation = 2 if dilated else 1
        if from_end < _TAIL:
            inputs //= divider
            expanded //= divider
        config: Any = (inputs, kernel, expanded, outputs, *rest, dilation, width_mult)
        setting.append(InvertedResidualConfig(*config))
    return setting, InvertedResidualConfig.adjust_channels(last // divider, width_mult)


def _make(arch: str) -> Callable[..., MobileNetV3]:
    def make(**options: Any) -> MobileNetV3:
        return MobileNetV3(*_mobilenet_v3_conf(arch, **options), **options)

    return make


@register_model(weights=MobileNet_V3_Large_Weights)
def mobilenet_v3_large(weights: Any = None, progress: bool = True, **options: Any) -> MobileNetV3:
    """Makes a large MobileNet v3, with `weights` of `MobileNet_V3_Large_Weights`."""
    make = _make("mobilenet_v3_large")
    return build(make, MobileNet_V3_Large_Weights, weights, progress, options)


@register_model(weights=MobileNet_V3_Small_Weights)
def mobilenet_v3_small(weights: Any = None, progress: bool = True, **options: Any) -> MobileNetV3:
    """Makes a small MobileNet v3, with `weights` of `MobileNet_V3_Small_Weights`."""
    make = _make("mobilenet_v3_small")
    return build(make, MobileNet_V3_Small_Weights, weights, progress, options)
