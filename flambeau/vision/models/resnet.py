"""ResNet (He et al., CVPR 2016), ResNeXt (Xie et al., CVPR 2017), Wide ResNet (Zagoruyko, 2016).

The stride of a bottleneck sits in its 3x3 convolution, not in its first 1x1, as in every PyTorch
model of these names ("ResNet v1.5").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flambeau as torch
from flambeau import nn

from ._api import build, register_model
from ._init import fill, initialise
from ._weights import weights_enum

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "ResNeXt50_32X4D_Weights",
    "ResNeXt101_32X8D_Weights",
    "ResNeXt101_64X4D_Weights",
    "ResNet",
    "ResNet18_Weights",
    "ResNet34_Weights",
    "ResNet50_Weights",
    "ResNet101_Weights",
    "ResNet152_Weights",
    "Wide_ResNet50_2_Weights",
    "Wide_ResNet101_2_Weights",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "resnext101_32x8d",
    "resnext101_64x4d",
    "wide_resnet50_2",
    "wide_resnet101_2",
]

ResNet18_Weights = weights_enum("ResNet18", __name__)
ResNet34_Weights = weights_enum("ResNet34", __name__)
ResNet50_Weights = weights_enum("ResNet50", __name__)
ResNet101_Weights = weights_enum("ResNet101", __name__)
ResNet152_Weights = weights_enum("ResNet152", __name__)
ResNeXt50_32X4D_Weights = weights_enum("ResNeXt50_32X4D", __name__)
ResNeXt101_32X8D_Weights = weights_enum("ResNeXt101_32X8D", __name__)
ResNeXt101_64X4D_Weights = weights_enum("ResNeXt101_64X4D", __name__)
Wide_ResNet50_2_Weights = weights_enum("Wide_ResNet50_2", __name__)
Wide_ResNet101_2_Weights = weights_enum("Wide_ResNet101_2", __name__)

_Norm = Callable[[int], nn.Module]


def conv3x3(
    in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """Returns a 3x3 convolution without bias that keeps the size at stride 1."""
    return nn.Conv2d(
        in_planes,
        out_planes,
        kernel_size=3,
        stride=stride,
        padding=dilation,
        groups=groups,
        bias=False,
        dilation=dilation,
    )


def conv1x1(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    """Returns a 1x1 convolution without bias."""
    return nn.Conv2d(in_planes, out_planes, kernel_size=1, stride=stride, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut: (N, inplanes, H, W) to (N, planes, H', W').

    Raises:
        ValueError: `groups` or `base_width` other than the plain ones.
        NotImplementedError: a `dilation` above 1, which the paper has in bottlenecks only.
    """

    expansion: int = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: _Norm | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        if groups != 1 or base_width != 64:
            raise ValueError(
                "BasicBlock only supports groups=1 and base_width=64, got "
                f"groups={groups} and base_width={base_width}"
            )
        if dilation > 1:
            raise NotImplementedError(f"Dilation > 1 not supported in BasicBlock, got {dilation}")
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns relu(shortcut(x) + convolutions(x))."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 and a 1x1 convolution beside a shortcut, to (N, 4 planes, H', W')."""

    expansion: int = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: _Norm | None = None,
    ) -> None:
        super().__init__()
        norm = norm_layer or nn.BatchNorm2d
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = conv1x1(inplanes, width)
        self.bn1 = norm(width)
        self.conv2 = conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = conv1x1(width, planes * self.expansion)
        self.bn3 = norm(planes * self.expansion)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns relu(shortcut(x) + convolutions(x))."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet(nn.Module):
    """A 7x7 convolution, four stages of blocks, and one linear layer.

    Args:
        block: `BasicBlock` or `Bottleneck`.
        layers: blocks in each of the four stages.
        num_classes: outputs.
        zero_init_residual: start each block as the identity (Goyal et al., 2017).
        groups: of the bottlenecks' 3x3 convolutions (ResNeXt's cardinality).
        width_per_group: channels of one group in the first stage.
        replace_stride_with_dilation: for each of the last three stages, whether its stride becomes
            a dilation.
        norm_layer: makes a normalisation of a number of channels; BatchNorm2d by default.

    Input (N, 3, H, W), output (N, num_classes).

    Raises:
        ValueError: `replace_stride_with_dilation` has not three entries.
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: _Norm | None = None,
    ) -> None:
        super().__init__()
        dilate = replace_stride_with_dilation
        if dilate is None:
            dilate = (False, False, False)
        if len(dilate) != 3:
            raise ValueError(
                "replace_stride_with_dilation should be None or a 3-element tuple, got "
                f"{replace_stride_with_dilation}"
            )
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes = 64
        self.dilation = 1
        self.groups = groups
        self.base_width = width_per_group
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        self.layer2 = self._make_layer(block, 128, layers[1], stride=2, dilate=dilate[0])
        self.layer3 = self._make_layer(block, 256, layers[2], stride=2, dilate=dilate[1])
        self.layer4 = self._make_layer(block, 512, layers[3], stride=2, dilate=dilate[2])
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        self._initialise(zero_init_residual)

    def _make_layer(
        self,
        block: type[BasicBlock | Bottleneck],
        planes: int,
        blocks: int,
        stride: int = 1,
        dilate: bool = False,
    ) -> nn.Sequential:
        first_dilation = self.dilation
        if dilate:
            self.dilation *= stride
            stride = 1
        out_planes = planes * block.expansion
        downsample = None
        if stride != 1 or self.inplanes != out_planes:
            downsample = nn.Sequential(
                conv1x1(self.inplanes, out_planes, stride), self._norm_layer(out_planes)
            )
        shared = (self.groups, self.base_width)
        norm = self._norm_layer
        stage = [block(self.inplanes, planes, stride, downsample, *shared, first_dilation, norm)]
        self.inplanes = out_planes
        for _ in range(1, blocks):
            stage.append(block(out_planes, planes, 1, None, *shared, self.dilation, norm))
        return nn.Sequential(*stage)

    def _initialise(self, zero_init_residual: bool) -> None:
        for module in self.modules():
            initialise(module)
        if zero_init_residual:
            for module in self.modules():
                if isinstance(module, Bottleneck):
                    fill(module.bn3.weight, 0)
                elif isinstance(module, BasicBlock):
                    fill(module.bn2.weight, 0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, num_classes) scores of (N, 3, H, W) images."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(self.avgpool(x), 1))


@register_model(weights=ResNet18_Weights)
def resnet18(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """Makes a ResNet of 18 layers, with `weights` of `ResNet18_Weights`."""
    make = partial(ResNet, BasicBlock, (2, 2, 2, 2))
    return build(make, ResNet18_Weights, weights, progress, options)


@register_model(weights=ResNet34_Weights)
def resnet34(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """Makes a ResNet of 34 layers, with `weights` of `ResNet34_Weights`."""
    make = partial(ResNet, BasicBlock, (3, 4, 6, 3))
    return build(make, ResNet34_Weights, weights, progress, options)


@register_model(weights=ResNet50_Weights)
def resnet50(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """Makes a ResNet of 50 layers, with `weights` of `ResNet50_Weights`."""
    make = partial(ResNet, Bottleneck, (3, 4, 6, 3))
    return build(make, ResNet50_Weights, weights, progress, options)


@register_model(weights=ResNet101_Weights)
def resnet101(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """Makes a ResNet of 101 layers, with `weights` of `ResNet101_Weights`."""
    make = partial(ResNet, Bottleneck, (3, 4, 23, 3))
    return build(make, ResNet101_Weights, weights, progress, options)


@register_model(weights=ResNet152_Weights)
def resnet152(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """Makes a ResNet of 152 layers, with `weights` of `ResNet152_Weights`."""
    make = partial(ResNet, Bottleneck, (3, 8, 36, 3))
    return build(make, ResNet152_Weights, weights, progress, options)


@register_model(weights=ResNeXt50_32X4D_Weights)
def resnext50_32x4d(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """Makes a ResNeXt of 50 layers, 32 groups of 4, with `weights` of `ResNeXt50_32X4D_Weights`."""
    options = {"groups": 32, "width_per_group": 4, **options}
    make = partial(ResNet, Bottleneck, (3, 4, 6, 3))
    return build(make, ResNeXt50_32X4D_Weights, weights, progress, options)


@register_model(weights=ResNeXt101_32X8D_Weights)
def resnext101_32x8d(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """Makes a ResNeXt of 101 layers with 32 groups; `weights` are of `ResNeXt101_32X8D_Weights`."""
    options = {"groups": 32, "width_per_group": 8, **options}
    make = partial(ResNet, Bottleneck, (3, 4, 23, 3))
    return build(make, ResNeXt101_32X8D_Weights, weights, progress, options)


@register_model(weights=ResNeXt101_64X4D_Weights)
def resnext101_64x4d(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """Makes a ResNeXt of 101 layers with 64 groups; `weights` are of `ResNeXt101_64X4D_Weights`."""
    options = {"groups": 64, "width_per_group": 4, **options}
    make = partial(ResNet, Bottleneck, (3, 4, 23, 3))
    return build(make, ResNeXt101_64X4D_Weights, weights, progress, options)


@register_model(weights=Wide_ResNet50_2_Weights)
def wide_resnet50_2(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """Makes a ResNet of 50 layers, twice as wide; `weights` are of `Wide_ResNet50_2_Weights`."""
    options = {"width_per_group": 128, **options}
    make = partial(ResNet, Bottleneck, (3, 4, 6, 3))
    return build(make, Wide_ResNet50_2_Weights, weights, progress, options)


@register_model(weights=Wide_ResNet101_2_Weights)
def wide_resnet101_2(weights: Any = None, progress: bool = True, **options: Any) -> ResNet:
    """Makes a ResNet of 101 layers, twice as wide; `weights` are of `Wide_ResNet101_2_Weights`."""
    options = {"width_per_group": 128, **options}
    make = partial(ResNet, Bottleneck, (3, 4, 23, 3))
    return build(make, Wide_ResNet101_2_Weights, weights, progress, options)
