"""RegNet (Radosavovic et al., "Designing Network Design Spaces", CVPR 2020)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from typing import Any

import flambeau as torch
from flambeau import nn

from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import WeightsEnum, build, register_model
from ._init import fill
from ._utils import _make_divisible
from ._weights import weights_enum

__all__ = [
    "RegNet",
    "RegNet_X_1_6GF_Weights",
    "RegNet_X_3_2GF_Weights",
    "RegNet_X_8GF_Weights",
    "RegNet_X_16GF_Weights",
    "RegNet_X_32GF_Weights",
    "RegNet_X_400MF_Weights",
    "RegNet_X_800MF_Weights",
    "RegNet_Y_1_6GF_Weights",
    "RegNet_Y_3_2GF_Weights",
    "RegNet_Y_8GF_Weights",
    "RegNet_Y_16GF_Weights",
    "RegNet_Y_32GF_Weights",
    "RegNet_Y_128GF_Weights",
    "RegNet_Y_400MF_Weights",
    "RegNet_Y_800MF_Weights",
    "regnet_x_1_6gf",
    "regnet_x_3_2gf",
    "regnet_x_8gf",
    "regnet_x_16gf",
    "regnet_x_32gf",
    "regnet_x_400mf",
    "regnet_x_800mf",
    "regnet_y_1_6gf",
    "regnet_y_3_2gf",
    "regnet_y_8gf",
    "regnet_y_16gf",
    "regnet_y_32gf",
    "regnet_y_128gf",
    "regnet_y_400mf",
    "regnet_y_800mf",
]

RegNet_Y_400MF_Weights = weights_enum("RegNet_Y_400MF", __name__)
RegNet_Y_800MF_Weights = weights_enum("RegNet_Y_800MF", __name__)
RegNet_Y_1_6GF_Weights = weights_enum("RegNet_Y_1_6GF", __name__)
RegNet_Y_3_2GF_Weights = weights_enum("RegNet_Y_3_2GF", __name__)
RegNet_Y_8GF_Weights = weights_enum("RegNet_Y_8GF", __name__)
RegNet_Y_16GF_Weights = weights_enum("RegNet_Y_16GF", __name__)
RegNet_Y_32GF_Weights = weights_enum("RegNet_Y_32GF", __name__)
RegNet_Y_128GF_Weights = weights_enum("RegNet_Y_128GF", __name__)
RegNet_X_400MF_Weights = weights_enum("RegNet_X_400MF", __name__)
RegNet_X_800MF_Weights = weights_enum("RegNet_X_800MF", __name__)
RegNet_X_1_6GF_Weights = weights_enum("RegNet_X_1_6GF", __name__)
RegNet_X_3_2GF_Weights = weights_enum("RegNet_X_3_2GF", __name__)
RegNet_X_8GF_Weights = weights_enum("RegNet_X_8GF", __name__)
RegNet_X_16GF_Weights = weights_enum("RegNet_X_16GF", __name__)
RegNet_X_32GF_Weights = weights_enum("RegNet_X_32GF", __name__)

_Make = Callable[..., nn.Module]

# Depth, w_0, w_a, w_m and the width of a group, by the work that a picture takes. The Y family
# has excitation besides.
_X: dict[str, tuple[int, int, float, float, int]] = {
    "400mf": (22, 24, 24.48, 2.54, 16),
    "800mf": (16, 56, 35.73, 2.28, 16),
    "1_6gf": (18, 80, 34.01, 2.25, 24),
    "3_2gf": (25, 88, 26.31, 2.25, 48),
    "8gf": (23, 80, 49.56, 2.88, 120),
    "16gf": (22, 216, 55.59, 2.1, 128),
    "32gf": (23, 320, 69.86, 2.0, 168),
}
_Y: dict[str, tuple[int, int, float, float, int]] = {
    "400mf": (16, 48, 27.89, 2.09, 8),
    "800mf": (14, 56, 38.84, 2.4, 16),
    "1_6gf": (27, 48, 20.71, 2.65, 24),
    "3_2gf": (21, 80, 42.63, 2.66, 24),
    "8gf": (17, 192, 76.82, 2.19, 56),
    "16gf": (18, 200, 106.23, 2.48, 112),
    "32gf": (20, 232, 115.89, 2.53, 232),
    "128gf": (27, 456, 160.83, 2.52, 264),
}


class SimpleStemIN(Conv2dNormActivation):
    """A 3x3 convolution of stride 2."""

    def __init__(
        self, width_in: int, width_out: int, norm_layer: _Make, activation_layer: _Make
    ) -> None:
        super().__init__(
            width_in,
            width_out,
            kernel_size=3,
            stride=2,
            norm_layer=norm_layer,
            activation_layer=activation_layer,
        )


class BottleneckTransform(nn.Sequential):
    """Convolutions 1x1, 3x3 in groups and 1x1, with excitation where `se_ratio` is given."""

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        norm_layer: _Make,
        activation_layer: _Make,
        group_width: int,
        bottleneck_multiplier: float,
        se_ratio: float | None,
    ) -> None:
        conv = partial(
            Conv2dNormActivation, norm_layer=norm_layer, activation_layer=activation_layer
        )
        middle = round(width_out * bottleneck_multiplier)
        groups = middle // group_width
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["a"] = conv(width_in, middle, kernel_size=1, stride=1)
        layers["b"] = conv(middle, middle, kernel_size=3, stride=stride, groups=groups)
        if se_ratio:
            squeezed = round(se_ratio * width_in)
            layers["se"] = SqueezeExcitation(middle, squeezed, activation=activation_layer)
        layers["c"] = conv(middle, width_out, kernel_size=1, stride=1, activation_layer=None)
        super().__init__(layers)


class ResBottleneckBlock(nn.Module):
    """A bottleneck beside a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        norm_layer: _Make,
        activation_layer: _Make,
        group_width: int = 1,
        bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
    ) -> None:
        super().__init__()
        self.proj: nn.Module | None = None
        if width_in != width_out or stride != 1:
            self.proj = Conv2dNormActivation(
                width_in,
                width_out,
                kernel_size=1,
                stride=stride,
                norm_layer=norm_layer,
                activation_layer=None,
            )
        layers = (norm_layer, activation_layer)
        shape: Any = (group_width, bottleneck_multiplier, se_ratio)
        self.f = BottleneckTransform(width_in, width_out, stride, *layers, *shape)
        self.activation = activation_layer(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, width_in, H, W) to (N, width_out, H / stride, W / stride)."""
        shortcut = x if self.proj is None else self.proj(x)
        return self.activation(shortcut + self.f(x))


class AnyStage(nn.Sequential):
    """Blocks of one width, the first of which may stride."""

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        depth: int,
        block_constructor: _Make,
        norm_layer: _Make,
        activation_layer: _Make,
        group_width: int,
        bottleneck_multiplier: float,
        se_ratio: float | None = None,
        stage_index: int = 0,
    ) -> None:
        super().__init__()
        layers = (norm_layer, activation_layer)
        shape = (group_width, bottleneck_multiplier, se_ratio)
        for index in range(depth):
            inputs, step = (width_in, stride) if index == 0 else (width_out, 1)
            block = block_constructor(inputs, width_out, step, *layers, *shape)
            self.add_module(f"block{stage_index}-{index}", block)


class BlockParams:
    """The stages: for each its depth, width, width of a group, bottleneck and stride."""

    def __init__(
        self,
        depths: list[int],
        widths: list[int],
        group_widths: list[int],
        bottleneck_multipliers: list[float],
        strides: list[int],
        se_ratio: float | None = None,
    ) -> None:
        self.depths = depths
        self.widths = widths
        self.group_widths = group_widths
        self.bottleneck_multipliers = bottleneck_multipliers
        self.strides = strides
        self.se_ratio = se_ratio

    @classmethod
    def from_init_params(
        cls,
        depth: int,
        w_0: int,
        w_a: float,
        w_m: float,
        group_width: int,
        bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
        **kwargs: Any,
    ) -> BlockParams:
        """Makes the stages of the paper's parameters (section 3.3, equations 2 to 4).

        Block j wants the width u_j = w_0 + w_a * j, and gets the nearest w_0 * w_m ** s to it for a
        whole s, as a multiple of 8. Blocks of one width are a stage.

        Raises:
            ValueError: parameters out of range.
        """
        if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % 8 != 0:
            raise ValueError("Invalid RegNet settings")
        wanted = torch.arange(depth) * w_a + w_0
        steps = torch.round(torch.log(wanted / w_0) / math.log(w_m))
        multiples = torch.round(torch.divide(w_0 * torch.pow(w_m, steps), 8))
        stages = [
            (int(width), len(list(blocks)))
            for width, blocks in groupby((multiples * 8).int().tolist())
        ]
        count = len(stages)
        multipliers = [bottleneck_multiplier] * count
        widths, groups = cls._adjust_widths_groups_compatibilty(
            [width for width, _ in stages], multipliers, [group_width] * count
        )
        depths = [blocks for _, blocks in stages]
        return cls(depths, widths, groups, multipliers, [2] * count, se_ratio)

    def _get_expanded_params(self) -> Iterator[tuple[int, int, int, int, float]]:
        return zip(
            self.widths,
            self.strides,
            self.depths,
            self.group_widths,
            self.bottleneck_multipliers,
            strict=True,
        )

    @staticmethod
    def _adjust_widths_groups_compatibilty(
        stage_widths: list[int], bottleneck_ratios: list[float], group_widths: list[int]
    ) -> tuple[list[int], list[int]]:
        """Returns widths whose bottlenecks are multiples of their groups, and the groups.

        The misspelling is torchvision's.
        """
        widths, groups = [], []
        for width, ratio, group in zip(stage_widths, bottleneck_ratios, group_widths, strict=True):
            bottleneck = int(width * ratio)
            groups.append(min(group, bottleneck))
            widths.append(int(_make_divisible(bottleneck, groups[-1]) / ratio))
        return widths, groups


class RegNet(nn.Module):
    """A 3x3 convolution, stages of blocks, and one linear layer.

    Args:
        block_params: the stages.
        num_classes: outputs.
        stem_width: channels of the first convolution.
        stem_type: makes the first convolution; `SimpleStemIN` by default.
        block_type: makes a block; `ResBottleneckBlock` by default.
        norm_layer: makes a normalisation; BatchNorm2d by default.
        activation: makes an activation; ReLU by default.
    """

    def __init__(
        self,
        block_params: BlockParams,
        num_classes: int = 1000,
        stem_width: int = 32,
        stem_type: _Make | None = None,
        block_type: _Make | None = None,
        norm_layer: _Make | None = None,
        activation: _Make | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        activate = activation or nn.ReLU
        self.stem = (stem_type or SimpleStemIN)(3, stem_width, norm, activate)
        stages: OrderedDict[str, nn.Module] = OrderedDict()
        width = stem_width
        for number, stage in enumerate(block_params._get_expanded_params(), 1):
            output, stride, depth, group, multiplier = stage
            stages[f"block{number}"] = AnyStage(
                width,
                output,
                stride,
                depth,
                block_type or ResBottleneckBlock,
                norm,
                activate,
                group,
                multiplier,
                block_params.se_ratio,
                stage_index=number,
            )
            width = output
        self.trunk_output = nn.Sequential(stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(in_features=width, out_features=num_classes)
        for module in self.modules():
            _initialise(module)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, num_classes) scores of (N, 3, H, W) images."""
        return self.fc(torch.flatten(self.avgpool(self.trunk_output(self.stem(x))), 1))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        # By all outputs of the filter, whatever the groups.
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
        nn.init.normal_(module.weight, mean=0.0, std=math.sqrt(2.0 / fan_out))
    elif isinstance(module, nn.BatchNorm2d):
        fill(module.weight, 1)
        fill(module.bias, 0)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, mean=0.0, std=0.01)
        fill(module.bias, 0)


def _regnet(
    row: tuple[int, int, float, float, int],
    se_ratio: float | None,
    weights_class: type[WeightsEnum],
    given: tuple[Any, bool, dict[str, Any]],
) -> RegNet:
    weights, progress, options = given
    params = BlockParams.from_init_params(*row, se_ratio=se_ratio)
    norm = options.pop("norm_layer", partial(nn.BatchNorm2d, eps=1e-05, momentum=0.1))
    make = partial(RegNet, params, norm_layer=norm)
    return build(make, weights_class, weights, progress, options)


@register_model(weights=RegNet_Y_400MF_Weights)
def regnet_y_400mf(weights: Any = None, progress: bool = True, **options: Any) -> RegNet:
    """Makes a RegNet Y of 400 megaflops, with `weights` of `RegNet_Y_400MF_Weights`."""
    return _regnet(_Y["400mf"], 0.25, RegNet_Y_400MF_Weights, (weights, progress, options))


@register_model(weights=RegNet_Y_800MF_Weights)
def regnet_y_800mf(weights: Any = None, progress: bool = True, **options: Any) -> RegNet:
    """Makes a RegNet Y of 800 megaflops, with `weights` of `RegNet_Y_800MF_Weights`."""
    return _regnet(_Y["800mf"], 0.25, RegNet_Y_800MF_Weights, (weights, progress, options))


@register_model(weights=RegNet_Y_1_6GF_Weights)
def regnet_y_1_6gf(weights: Any = None, progress: bool = True, **options: Any) -> RegNet:
    """Makes a RegNet Y of 1.6 gigaflops, with `weights` of `RegNet_Y_1_6GF_Weights`."""
    return _regnet(_Y["1_6gf"], 0.25, RegNet_Y_1_6GF_Weights, (weights, progress, options))


@register_model(weights=RegNet_Y_3_2GF_Weights)
def regnet_y_3_2gf(weights: Any = None, progress: bool = True, **options: Any) -> RegNet:
    """Makes a RegNet Y of 3.2 gigaflops, with `weights` of `RegNet_Y_3_2GF_Weights`."""
    return _regnet(_Y["3_2gf"], 0.25, RegNet_Y_3_2GF_Weights, (weights, progress, options))


@register_model(weights=RegNet_Y_8GF_Weights)
def regnet_y_8gf(weights: Any = None, progress: bool = True, **options: Any) -> RegNet:
    """Makes a RegNet Y of 8 gigaflops, with `weights` of `RegNet_Y_8GF_Weights`."""
    return _regnet(_Y["8gf"], 0.25, RegNet_Y_8GF_Weights, (weights, progress, options))


@register_model(weights=RegNet_Y_16GF_Weights)
def regnet_y_16gf(weights: Any = None, progress: bool = True, **options: Any) -> RegNet:
    """Makes a RegNet Y of 16 gigaflops, with `weights` of `RegNet_Y_16GF_Weights`."""
    return _regnet(_Y["16gf"], 0.25, RegNet_Y_16GF_Weights, (weights, progress, options))


@register_model(weights=RegNet_Y_32GF_Weights)
def regnet_y_32gf(weights: Any = None, progress: bool = True, **options: Any) -> RegNet:
    """Makes a RegNet Y of 32 gigaflops, with `weights` of `RegNet_Y_32GF_Weights`."""
    return _regnet(_Y["32gf"], 0.25, RegNet_Y_32GF_Weights, (weights, progress, options))


@register_model(weights=RegNet_Y_128GF_Weights)
def regnet_y_128gf(weights: Any = None, progress: bool = True, **options: Any) -> RegNet:
    """Makes a RegNet Y of 128 gigaflops, with `weights` of `RegNet_Y_128GF_Weights`."""
    return _regnet(_Y["128gf"], 0.25, RegNet_Y_128GF_Weights, (weights, progress, options))


@register_model(weights=RegNet_X_400MF_Weights)
def regnet_x_400mf(weights: Any = None, progress: bool = True, **options: Any) -> RegNet:
    """Makes a RegNet X of 400 megaflops, with `weights` of `RegNet_X_400MF_Weights`."""
    return _regnet(_X["400mf"], None, RegNet_X_400MF_Weights, (weights, progress, options))


@register_model(weights=RegNet_X_800MF_Weights)
def regnet_x_800mf(weights: Any = None, progress: bool = True, **options: Any) -> RegNet:
    """Makes a RegNet X of 800 megaflops, with `weights` of `RegNet_X_800MF_Weights`."""
    return _regnet(_X["800mf"], None, RegNet_X_800MF_Weights, (weights, progress, options))


@register_model(weights=RegNet_X_1_6GF_Weights)
def regnet_x_1_6gf(weights: Any = None, progress: bool = True, **options: Any) -> RegNet:
    """Makes a RegNet X of 1.6 gigaflops, with `weights` of `RegNet_X_1_6GF_Weights`."""
    return _regnet(_X["1_6gf"], None, RegNet_X_1_6GF_Weights, (weights, progress, options))


@register_model(weights=RegNet_X_3_2GF_Weights)
def regnet_x_3_2gf(weights: Any = None, progress: bool = True, **options: Any) -> RegNet:
    """Makes a RegNet X of 3.2 gigaflops, with `weights` of `RegNet_X_3_2GF_Weights`."""
    return _regnet(_X["3_2gf"], None, RegNet_X_3_2GF_Weights, (weights, progress, options))


@register_model(weights=RegNet_X_8GF_Weights)
def regnet_x_8gf(weights: Any = None, progress: bool = True, **options: Any) -> RegNet:
    """Makes a RegNet X of 8 gigaflops, with `weights` of `RegNet_X_8GF_Weights`."""
    return _regnet(_X["8gf"], None, RegNet_X_8GF_Weights, (weights, progress, options))


@register_model(weights=RegNet_X_16GF_Weights)
def regnet_x_16gf(weights: Any = None, progress: bool = True, **options: Any) -> RegNet:
    """Makes a RegNet X of 16 gigaflops, with `weights` of `RegNet_X_16GF_Weights`."""
    return _regnet(_X["16gf"], None, RegNet_X_16GF_Weights, (weights, progress, options))


@register_model(weights=RegNet_X_32GF_Weights)
def regnet_x_32gf(weights: Any = None, progress: bool = True, **options: Any) -> RegNet:
    """Makes a RegNet X of 32 gigaflops, with `weights` of `RegNet_X_32GF_Weights`."""
    return _regnet(_X["32gf"], None, RegNet_X_32GF_Weights, (weights, progress, options))
