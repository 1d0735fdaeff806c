"""Fully convolutional networks (Long et al., CVPR 2015), on a dilated ResNet."""

from __future__ import annotations

from functools import partial
from typing import Any

from flambeau import nn

from .._api import register_model
from .._weights import weights_enum
from ..resnet import ResNet50_Weights, ResNet101_Weights, resnet50, resnet101
from ._utils import _SimpleSegmentationModel, build_segmentation, resnet_layers

__all__ = ["FCN", "FCN_ResNet50_Weights", "FCN_ResNet101_Weights", "fcn_resnet50", "fcn_resnet101"]

FCN_ResNet50_Weights = weights_enum("FCN_ResNet50", __name__)
FCN_ResNet101_Weights = weights_enum("FCN_ResNet101", __name__)


class FCN(_SimpleSegmentationModel):
    """See `_SimpleSegmentationModel`."""


class FCNHead(nn.Sequential):
    """A 3x3 convolution to a quarter of the channels, and a 1x1 one to the classes."""

    def __init__(self, in_channels: int, channels: int) -> None:
        middle = in_channels // 4
        super().__init__(
            nn.Conv2d(in_channels, middle, 3, padding=1, bias=False),
            nn.BatchNorm2d(middle),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Conv2d(middle, channels, 1),
        )


def _make(resnet: Any, classes: int, weights_backbone: Any, aux_loss: bool | None = None) -> FCN:
    backbone = resnet(weights=weights_backbone, replace_stride_with_dilation=[False, True, True])
    layers = resnet_layers(backbone, aux_loss)
    aux = FCNHead(1024, classes) if aux_loss else None
    return FCN(layers, FCNHead(2048, classes), aux)


@register_model(weights=FCN_ResNet50_Weights)
def fcn_resnet50(
    weights: Any = None,
    progress: bool = True,
    num_classes: int | None = None,
    aux_loss: bool | None = None,
    weights_backbone: Any = ResNet50_Weights.IMAGENET1K_V1,
    **options: Any,
) -> FCN:
    """Makes an FCN on a ResNet-50.

    Args:
        weights: of `FCN_ResNet50_Weights`.
        progress: show a bar while weights are downloaded.
        num_classes: 21 by default.
        aux_loss: have a second classifier, as the weights have.
        weights_backbone: of `ResNet50_Weights`, where there are no `weights`; downloaded by default.
    """
    options["aux_loss"] = aux_loss
    given = (weights, progress, num_classes)
    make = partial(_make, resnet50)
    return build_segmentation(make, FCN_ResNet50_Weights, given, options, weights_backbone)


@register_model(weights=FCN_ResNet101_Weights)
def fcn_resnet101(
    weights: Any = None,
    progress: bool = True,
    num_classes: int | None = None,
    aux_loss: bool | None = None,
    weights_backbone: Any = ResNet101_Weights.IMAGENET1K_V1,
    **options: Any,
) -> FCN:
    """Makes an FCN on a ResNet-101; the arguments are those of `fcn_resnet50`."""
    options["aux_loss"] = aux_loss
    given = (weights, progress, num_classes)
    make = partial(_make, resnet101)
    return build_segmentation(make, FCN_ResNet101_Weights, given, options, weights_backbone)
