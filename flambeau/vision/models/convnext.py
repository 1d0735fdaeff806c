"""ConvNeXt (Liu et al., "A ConvNet for the 2020s", CVPR 2022)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flambeau as torch
from flambeau import nn
from flambeau.nn import functional as F

from ..ops.misc import Conv2dNormActivation, Permute
from ..ops.stochastic_depth import StochasticDepth
from ._api import WeightsEnum, build, register_model
from ._init import fill
from ._weights import weights_enum

__all__ = [
    "ConvNeXt",
    "ConvNeXt_Base_Weights",
    "ConvNeXt_Large_Weights",
    "ConvNeXt_Small_Weights",
    "ConvNeXt_Tiny_Weights",
    "convnext_base",
    "convnext_large",
    "convnext_small",
    "convnext_tiny",
]

ConvNeXt_Tiny_Weights = weights_enum("ConvNeXt_Tiny", __name__)
ConvNeXt_Small_Weights = weights_enum("ConvNeXt_Small", __name__)
ConvNeXt_Base_Weights = weights_enum("ConvNeXt_Base", __name__)
ConvNeXt_Large_Weights = weights_enum("ConvNeXt_Large", __name__)

_Make = Callable[..., nn.Module]


class LayerNorm2d(nn.LayerNorm):
    """Normalises the channels of (N, C, H, W) at every pixel."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns `x` normalised."""
        last = x.permute(0, 2, 3, 1)
        last = F.layer_norm(last, self.normalized_shape, self.weight, self.bias, self.eps)
        return last.permute(0, 3, 1, 2)


class CNBlock(nn.Module):
    """A 7x7 convolution channel by channel and two linear layers, beside a shortcut.

    Args:
        dim: channels.
        layer_scale: what the branch is first multiplied by.
        stochastic_depth_prob: how often the branch is left out in training.
        norm_layer: makes a normalisation of the last dimension.
    """

    def __init__(
        self,
        dim: int,
        layer_scale: float,
        stochastic_depth_prob: float,
        norm_layer: _Make | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, kernel_size=7, padding=3, groups=dim, bias=True),
            Permute([0, 2, 3, 1]),
            norm(dim),
            nn.Linear(dim, 4 * dim, bias=True),
            nn.GELU(),
            nn.Linear(4 * dim, dim, bias=True),
            Permute([0, 3, 1, 2]),
        )
        self.layer_scale = nn.Parameter(torch.ones(dim, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Takes and returns (N, dim, H, W)."""
        result = self.stochastic_depth(self.layer_scale * self.block(input))
        result += input
        return result


class CNBlockConfig:
    """One stage: its channels, those of the next (None for the last), and its blocks."""

    def __init__(self, input_channels: int, out_channels: int | None, num_layers: int) -> None:
        self.input_channels = input_channels
        self.out_channels = out_channels
        self.num_layers = num_layers

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(input_channels={self.input_channels}, "
            f"out_channels={self.out_channels}, num_layers={self.num_layers})"
        )


class ConvNeXt(nn.Module):
    """A convolution by patches of 4x4, four stages, and one linear layer.

    Args:
        block_setting: the stages.
        stochastic_depth_prob: of the last block; it grows towards it from zero.
        layer_scale: see `CNBlock`.
        num_classes: outputs.
        block: makes a block.
        norm_layer: makes a normalisation of the channels of pictures.

    Raises:
        ValueError: no stages.
        TypeError: the setting is no list of `CNBlockConfig`.
    """

    def __init__(
        self,
        block_setting: list[CNBlockConfig],
        stochastic_depth_prob: float = 0.0,
        layer_scale: float = 1e-6,
        num_classes: int = 1000,
        block: _Make | None = None,
        norm_layer: _Make | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        if not block_setting:
            raise ValueError("The block_setting should not be empty")
        if not isinstance(block_setting, Sequence) or not all(
            isinstance(stage, CNBlockConfig) for stage in block_setting
        ):
            raise TypeError("The block_setting should be List[CNBlockConfig]")
        make_block = block or CNBlock
        norm = norm_layer or partial(LayerNorm2d, eps=1e-6)
        layers: list[nn.Module] = [
            Conv2dNormActivation(
                3,
                block_setting[0].input_channels,
                kernel_size=4,
                stride=4,
                padding=0,
                norm_layer=norm,
                activation_layer=None,
                bias=True,
            )
        ]
        total = sum(stage.num_layers for stage in block_setting)
        done = 0
        for stage in block_setting:
            blocks = []
            for _ in range(stage.num_layers):
                probability = stochastic_depth_prob * done / (total - 1.0)
                blocks.append(make_block(stage.input_channels, layer_scale, probability))
                done += 1
            layers.append(nn.Sequential(*blocks))
            if stage.out_channels is not None:
                halve = nn.Conv2d(stage.input_channels, stage.out_channels, 2, stride=2)
                layers.append(nn.Sequential(norm(stage.input_channels), halve))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        last = block_setting[-1]
        channels = last.input_channels if last.out_channels is None else last.out_channels
        self.classifier = nn.Sequential(
            norm(channels), nn.Flatten(1), nn.Linear(channels, num_classes)
        )
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(module.weight, std=0.02)
                fill(module.bias, 0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, num_classes) scores of (N, 3, H, W) images."""
        return self.classifier(self.avgpool(self.features(x)))


def _convnext(
    weights_class: type[WeightsEnum],
    given: tuple[Any, bool, dict[str, Any]],
    widths: tuple[int, int, int, int],
    deep: int,
    stochastic_depth_prob: float,
) -> ConvNeXt:
    weights, progress, options = given
    stages = [
        CNBlockConfig(width, following, count)
        for width, following, count in zip(
            widths, (*widths[1:], None), (3, 3, deep, 3), strict=True
        )
    ]
    probability = options.pop("stochastic_depth_prob", stochastic_depth_prob)
    make = partial(ConvNeXt, stages, stochastic_depth_prob=probability)
    return build(make, weights_class, weights, progress, options)


@register_model(weights=ConvNeXt_Tiny_Weights)
def convnext_tiny(weights: Any = None, progress: bool = True, **options: Any) -> ConvNeXt:
    """Makes a tiny ConvNeXt, with `weights` of `ConvNeXt_Tiny_Weights`."""
    given = (weights, progress, options)
    return _convnext(ConvNeXt_Tiny_Weights, given, (96, 192, 384, 768), 9, 0.1)


@register_model(weights=ConvNeXt_Small_Weights)
def convnext_small(weights: Any = None, progress: bool = True, **options: Any) -> ConvNeXt:
    """Makes a small ConvNeXt, with `weights` of `ConvNeXt_Small_Weights`."""
    given = (weights, progress, options)
    return _convnext(ConvNeXt_Small_Weights, given, (96, 192, 384, 768), 27, 0.4)


@register_model(weights=ConvNeXt_Base_Weights)
def convnext_base(weights: Any = None, progress: bool = True, **options: Any) -> ConvNeXt:
    """Makes a ConvNeXt, with `weights` of `ConvNeXt_Base_Weights`."""
    given = (weights, progress, options)
    return _convnext(ConvNeXt_Base_Weights, given, (128, 256, 512, 1024), 27, 0.5)


@register_model(weights=ConvNeXt_Large_Weights)
def convnext_large(weights: Any = None, progress: bool = True, **options: Any) -> ConvNeXt:
    """Makes a large ConvNeXt, with `weights` of `ConvNeXt_Large_Weights`."""
    given = (weights, progress, options)
    return _convnext(ConvNeXt_Large_Weights, given, (192, 384, 768, 1536), 27, 0.5)
