"""DeepLab v3 (Chen et al., "Rethinking Atrous Convolution", 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import flambeau as torch
from flambeau import nn

from .._api import register_model
from .._utils import IntermediateLayerGetter
from .._weights import weights_enum
from ..mobilenetv3 import MobileNet_V3_Large_Weights
from ..resnet import ResNet50_Weights, ResNet101_Weights, resnet50, resnet101
from ._utils import (
    _SimpleSegmentationModel,
    build_segmentation,
    enlarged,
    mobilenet_stages,
    resnet_layers,
)
from .fcn import FCNHead

__all__ = [
    "DeepLabV3",
    "DeepLabV3_MobileNet_V3_Large_Weights",
    "DeepLabV3_ResNet50_Weights",
    "DeepLabV3_ResNet101_Weights",
    "deeplabv3_mobilenet_v3_large",
    "deeplabv3_resnet50",
    "deeplabv3_resnet101",
]

DeepLabV3_ResNet50_Weights = weights_enum("DeepLabV3_ResNet50", __name__)
DeepLabV3_ResNet101_Weights = weights_enum("DeepLabV3_ResNet101", __name__)
DeepLabV3_MobileNet_V3_Large_Weights = weights_enum("DeepLabV3_MobileNet_V3_Large", __name__)


class DeepLabV3(_SimpleSegmentationModel):
    """See `_SimpleSegmentationModel`."""


class DeepLabHead(nn.Sequential):
    """A pyramid of dilated convolutions, a 3x3 convolution, and a 1x1 one to the classes."""

    def __init__(
        self, in_channels: int, num_classes: int, atrous_rates: Sequence[int] = (12, 24, 36)
    ) -> None:
        super().__init__(
            ASPP(in_channels, atrous_rates),
            nn.Conv2d(256, 256, 3, padding=1, bias=False),
            nn.BatchNorm2d(256),
            nn.ReLU(),
            nn.Conv2d(256, num_classes, 1),
        )


class ASPPConv(nn.Sequential):
    """A dilated 3x3 convolution that keeps the size."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int) -> None:
        super().__init__(
            nn.Conv2d(
                in_channels, out_channels, 3, padding=dilation, dilation=dilation, bias=False
            ),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )


class ASPPPooling(nn.Sequential):
    """The mean of the whole picture, at every pixel."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        return enlarged(super().forward(x), x)


class ASPP(nn.Module):
    """1x1, dilated 3x3 and pooled features side by side, and a 1x1 convolution of them."""

    def __init__(
        self, in_channels: int, atrous_rates: Sequence[int], out_channels: int = 256
    ) -> None:
        super().__init__()
        plain = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        )
        dilated = [ASPPConv(in_channels, out_channels, rate) for rate in atrous_rates]
        pooled = ASPPPooling(in_channels, out_channels)
        self.convs = nn.ModuleList([plain, *dilated, pooled])
        self.project = nn.Sequential(
            nn.Conv2d(len(self.convs) * out_channels, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Dropout(0.5),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H, W)."""
        return self.project(torch.cat([conv(x) for conv in self.convs], dim=1))


def _on_resnet(
    resnet: Any, classes: int, weights_backbone: Any, aux_loss: bool | None = None
) -> DeepLabV3:
    backbone = resnet(weights=weights_backbone, replace_stride_with_dilation=[False, True, True])
    layers = resnet_layers(backbone, aux_loss)
    aux = FCNHead(1024, classes) if aux_loss else None
    return DeepLabV3(layers, DeepLabHead(2048, classes), aux)


def _on_mobilenet(classes: int, weights_backbone: Any, aux_loss: bool | None = None) -> DeepLabV3:
    features, stages = mobilenet_stages(weights_backbone)
    last, earlier = stages[-1], stages[-4]
    names = {str(last): "out"}
    if aux_loss:
        names[str(earlier)] = "aux"
    layers = IntermediateLayerGetter(features, names)
    aux = FCNHead(features[earlier].out_channels, classes) if aux_loss else None
    return DeepLabV3(layers, DeepLabHead(features[last].out_channels, classes), aux)


@register_model(weights=DeepLabV3_ResNet50_Weights)
def deeplabv3_resnet50(
    weights: Any = None,
    progress: bool = True,
    num_classes: int | None = None,
    aux_loss: bool | None = None,
    weights_backbone: Any = ResNet50_Weights.IMAGENET1K_V1,
    **options: Any,
) -> DeepLabV3:
    """Makes a DeepLab v3 on a ResNet-50; the arguments are those of `fcn_resnet50`."""
    options["aux_loss"] = aux_loss
    given = (weights, progress, num_classes)
    make = partial(_on_resnet, resnet50)
    return build_segmentation(make, DeepLabV3_ResNet50_Weights, given, options, weights_backbone)


@register_model(weights=DeepLabV3_ResNet101_Weights)
def deeplabv3_resnet101(
    weights: Any = None,
    progress: bool = True,
    num_classes: int | None = None,
    aux_loss: bool | None = None,
    weights_backbone: Any = ResNet101_Weights.IMAGENET1K_V1,
    **options: Any,
) -> DeepLabV3:
    """Makes a DeepLab v3 on a ResNet-101; the arguments are those of `fcn_resnet50`."""
    options["aux_loss"] = aux_loss
    given = (weights, progress, num_classes)
    make = partial(_on_resnet, resnet101)
    return build_segmentation(make, DeepLabV3_ResNet101_Weights, given, options, weights_backbone)


@register_model(weights=DeepLabV3_MobileNet_V3_Large_Weights)
def deeplabv3_mobilenet_v3_large(
    weights: Any = None,
    progress: bool = True,
    num_classes: int | None = None,
    aux_loss: bool | None = None,
    weights_backbone: Any = MobileNet_V3_Large_Weights.IMAGENET1K_V1,
    **options: Any,
) -> DeepLabV3:
    """Makes a DeepLab v3 on a MobileNet v3; the arguments are those of `fcn_resnet50`."""
    options["aux_loss"] = aux_loss
    given = (weights, progress, num_classes)
    kind = DeepLabV3_MobileNet_V3_Large_Weights
    return build_segmentation(_on_mobilenet, kind, given, options, weights_backbone)
