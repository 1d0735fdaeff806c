"""ShuffleNet v2 (Ma et al., "Practical Guidelines for Efficient CNN Design", ECCV 2018)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import flambeau as torch
from flambeau import nn

from ._api import build, register_model
from ._weights import weights_enum

__all__ = [
    "ShuffleNetV2",
    "ShuffleNet_V2_X0_5_Weights",
    "ShuffleNet_V2_X1_0_Weights",
    "ShuffleNet_V2_X1_5_Weights",
    "ShuffleNet_V2_X2_0_Weights",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
]

ShuffleNet_V2_X0_5_Weights = weights_enum("ShuffleNet_V2_X0_5", __name__)
ShuffleNet_V2_X1_0_Weights = weights_enum("ShuffleNet_V2_X1_0", __name__)
ShuffleNet_V2_X1_5_Weights = weights_enum("ShuffleNet_V2_X1_5", __name__)
ShuffleNet_V2_X2_0_Weights = weights_enum("ShuffleNet_V2_X2_0", __name__)


def channel_shuffle(x: torch.Tensor, groups: int) -> torch.Tensor:
    """Deals the channels of (N, C, H, W) out: the first of each group, then the second of each."""
    batch, channels, height, width = x.size()
    dealt = x.view(batch, groups, channels // groups, height, width).transpose(1, 2).contiguous()
    return dealt.view(batch, channels, height, width)


class InvertedResidual(nn.Module):
    """Half of the channels go through convolutions, or all through both branches at stride 2.

    Raises:
        ValueError: a stride other than 1 to 3, or 1 with other channels in than out.
    """

    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        if not 1 <= stride <= 3:
            raise ValueError("illegal stride value")
        self.stride = stride
        half = oup // 2
        if stride == 1 and inp != half << 1:
            raise ValueError(
                f"Invalid combination of stride {stride}, inp {inp} and oup {oup} values. If "
                "stride == 1 then inp should be equal to oup // 2 << 1."
            )
        self.branch1 = nn.Sequential()
        if stride > 1:
            self.branch1 = nn.Sequential(
                self.depthwise_conv(inp, inp, kernel_size=3, stride=stride, padding=1),
                nn.BatchNorm2d(inp),
                *_pointwise(inp, half),
            )
        self.branch2 = nn.Sequential(
            *_pointwise(inp if stride > 1 else half, half),
            self.depthwise_conv(half, half, kernel_size=3, stride=stride, padding=1),
            nn.BatchNorm2d(half),
            *_pointwise(half, half),
        )

    @staticmethod
    def depthwise_conv(
        i: int, o: int, kernel_size: int, stride: int = 1, padding: int = 0, bias: bool = False
    ) -> nn.Conv2d:
        """Returns a convolution of each channel by itself."""
        return nn.Conv2d(i, o, kernel_size, stride, padding, bias=bias, groups=i)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, inp, H, W) to (N, oup, H / stride, W / stride)."""
        if self.stride == 1:
            kept, changed = x.chunk(2, dim=1)
            out = torch.cat((kept, self.branch2(changed)), dim=1)
        else:
            out = torch.cat((self.branch1(x), self.branch2(x)), dim=1)
        return channel_shuffle(out, 2)


def _pointwise(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    conv = nn.Conv2d(inputs, outputs, kernel_size=1, stride=1, padding=0, bias=False)
    return conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)


class ShuffleNetV2(nn.Module):
    """A convolution, three stages, a 1x1 convolution and one linear layer.

    Args:
        stages_repeats: blocks in each of the three stages.
        stages_out_channels: channels after the first convolution, the stages and the last one.
        num_classes: outputs.
        inverted_residual: makes a block.

    Raises:
        ValueError: other numbers of stages.
    """

    def __init__(
        self,
        stages_repeats: list[int],
        stages_out_channels: list[int],
        num_classes: int = 1000,
        inverted_residual: Callable[..., nn.Module] = InvertedResidual,
    ) -> None:
        super().__init__()
        if len(stages_repeats) != 3:
            raise ValueError("expected stages_repeats as list of 3 positive ints")
        if len(stages_out_channels) != 5:
            raise ValueError("expected stages_out_channels as list of 5 positive ints")
        self._stage_out_channels = stages_out_channels
        first, *stages, last = stages_out_channels
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU(inplace=True)
        )
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.stage2: nn.Sequential
        self.stage3: nn.Sequential
        self.stage4: nn.Sequential
        inputs = first
        for number, repeats, outputs in zip((2, 3, 4), stages_repeats, stages, strict=True):
            blocks = [inverted_residual(inputs, outputs, 2)]
            blocks += [inverted_residual(outputs, outputs, 1) for _ in range(repeats - 1)]
            setattr(self, f"stage{number}", nn.Sequential(*blocks))
            inputs = outputs
        self.conv5 = nn.Sequential(
            nn.Conv2d(inputs, last, 1, 1, 0, bias=False),
            nn.BatchNorm2d(last),
            nn.ReLU(inplace=True),
        )
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, num_classes) scores of (N, 3, H, W) images."""
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        return self.fc(x.mean([2, 3]))


@register_model(weights=ShuffleNet_V2_X0_5_Weights)
def shufflenet_v2_x0_5(weights: Any = None, progress: bool = True, **options: Any) -> ShuffleNetV2:
    """Makes a ShuffleNet of half the width, with `weights` of `ShuffleNet_V2_X0_5_Weights`."""
    make = partial(ShuffleNetV2, [4, 8, 4], [24, 48, 96, 192, 1024])
    return build(make, ShuffleNet_V2_X0_5_Weights, weights, progress, options)


@register_model(weights=ShuffleNet_V2_X1_0_Weights)
def shufflenet_v2_x1_0(weights: Any = None, progress: bool = True, **options: Any) -> ShuffleNetV2:
    """Makes a ShuffleNet, with `weights` of `ShuffleNet_V2_X1_0_Weights`."""
    make = partial(ShuffleNetV2, [4, 8, 4], [24, 116, 232, 464, 1024])
    return build(make, ShuffleNet_V2_X1_0_Weights, weights, progress, options)


@register_model(weights=ShuffleNet_V2_X1_5_Weights)
def shufflenet_v2_x1_5(weights: Any = None, progress: bool = True, **options: Any) -> ShuffleNetV2:
    """Makes a ShuffleNet of width 1.5, with `weights` of `ShuffleNet_V2_X1_5_Weights`."""
    make = partial(ShuffleNetV2, [4, 8, 4], [24, 176, 352, 704, 1024])
    return build(make, ShuffleNet_V2_X1_5_Weights, weights, progress, options)


@register_model(weights=ShuffleNet_V2_X2_0_Weights)
def shufflenet_v2_x2_0(weights: Any = None, progress: bool = True, **options: Any) -> ShuffleNetV2:
    """Makes a ShuffleNet of twice the width, with `weights` of `ShuffleNet_V2_X2_0_Weights`."""
    make = partial(ShuffleNetV2, [4, 8, 4], [24, 244, 488, 976, 2048])
    return build(make, ShuffleNet_V2_X2_0_Weights, weights, progress, options)
