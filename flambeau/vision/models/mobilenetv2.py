"""MobileNet v2 (Sandler et al., "Inverted Residuals and Linear Bottlenecks", CVPR 2018)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import flambeau as torch
from flambeau import nn

from ..ops.misc import Conv2dNormActivation
from ._api import build, register_model
from ._init import draw_mobile
from ._utils import _make_divisible
from ._weights import weights_enum

__all__ = ["MobileNetV2", "MobileNet_V2_Weights", "mobilenet_v2"]

MobileNet_V2_Weights = weights_enum("MobileNet_V2", __name__)

_Norm = Callable[..., nn.Module]

# Factor of expansion, channels, repetitions and first stride of each stage.
_STAGES = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
]


class InvertedResidual(nn.Module):
    """A 1x1 convolution to more channels, one channel by channel, and a 1x1 back, with a shortcut.

    Args:
        inp: channels in.
        oup: channels out.
        stride: 1 or 2.
        expand_ratio: channels in between, as a multiple of `inp`; 1 leaves the first layer out.
        norm_layer: makes a normalisation; BatchNorm2d by default.

    Raises:
        ValueError: another stride.
    """

    def __init__(
        self, inp: int, oup: int, stride: int, expand_ratio: int, norm_layer: _Norm | None = None
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        self.stride = stride
        norm = norm_layer or nn.BatchNorm2d
        conv = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.ReLU6)
        hidden = round(inp * expand_ratio)
        self.use_res_connect = stride == 1 and inp == oup
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(conv(inp, hidden, kernel_size=1))
        layers.append(conv(hidden, hidden, stride=stride, groups=hidden))
        layers.append(nn.Conv2d(hidden, oup, 1, 1, 0, bias=False))
        layers.append(norm(oup))
        self.conv = nn.Sequential(*layers)
        self.out_channels = oup
        self._is_cn = stride > 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, inp, H, W) to (N, oup, H / stride, W / stride)."""
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """A convolution, seven stages of inverted residuals, a 1x1 convolution and one linear layer.

    Args:
        num_classes: outputs.
        width_mult: factor for the channels of every layer.
        inverted_residual_setting: for each stage the factor of expansion, the channels, the number
            of blocks and the first one's stride.
        round_nearest: channels are multiples of this.
        block: makes a block.
        norm_layer: makes a normalisation; BatchNorm2d by default.
        dropout: share of the last layer's inputs that is dropped in training.

    Raises:
        ValueError: the setting is no list of fours.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: list[list[int]] | None = None,
        round_nearest: int = 8,
        block: Callable[..., nn.Module] | None = None,
        norm_layer: _Norm | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        block = block or InvertedResidual
        norm = norm_layer or nn.BatchNorm2d
        stages = _STAGES if inverted_residual_setting is None else inverted_residual_setting
        if not stages or len(stages[0]) != 4:
            raise ValueError(
                "inverted_residual_setting should be non-empty or a 4-element list, got "
                f"{inverted_residual_setting}"
            )
        conv = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.ReLU6)
        channels = _make_divisible(32 * width_mult, round_nearest)
        self.last_channel = _make_divisible(1280 * max(1.0, width_mult), round_nearest)
        features: list[nn.Module] = [conv(3, channels, stride=2)]
        for expansion, width, count, stride in stages:
            output = _make_divisible(width * width_mult, round_nearest)
            for index in range(count):
                step = stride if index == 0 else 1
                features.append(
                    block(channels, output, step, expand_ratio=expansion, norm_layer=norm)
                )
                channels = output
        features.append(conv(channels, self.last_channel, kernel_size=1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes)
        )
        draw_mobile(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, num_classes) scores of (N, 3, H, W) images."""
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(torch.flatten(x, 1))


@register_model(weights=MobileNet_V2_Weights)
def mobilenet_v2(weights: Any = None, progress: bool = True, **options: Any) -> MobileNetV2:
    """Makes a MobileNet v2, with `weights` of `MobileNet_V2_Weights`."""
    return build(MobileNetV2, MobileNet_V2_Weights, weights, progress, options)
