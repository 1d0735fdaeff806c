"""Lite R-ASPP (Howard et al., "Searching for MobileNetV3", ICCV 2019, section 6.4)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import flambeau as torch
from flambeau import nn

from .._api import register_model
from .._utils import IntermediateLayerGetter
from .._weights import weights_enum
from ..mobilenetv3 import MobileNet_V3_Large_Weights
from ._utils import build_segmentation, enlarged, mobilenet_stages

__all__ = ["LRASPP", "LRASPP_MobileNet_V3_Large_Weights", "lraspp_mobilenet_v3_large"]

LRASPP_MobileNet_V3_Large_Weights = weights_enum("LRASPP_MobileNet_V3_Large", __name__)


class LRASPP(nn.Module):
    """Classes of fine features and of coarse ones that the whole picture weighs.

    Args:
        backbone: returns features by name: "low", the larger ones, and "high".
        low_channels: channels of the former.
        high_channels: channels of the latter.
        num_classes: classes.
        inter_channels: channels in between.

    Input (N, 3, H, W). Output "out", (N, num_classes, H, W).
    """

    def __init__(
        self,
        backbone: nn.Module,
        low_channels: int,
        high_channels: int,
        num_classes: int,
        inter_channels: int = 128,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = LRASPPHead(low_channels, high_channels, num_classes, inter_channels)

    def forward(self, input: torch.Tensor) -> dict[str, torch.Tensor]:
        """Returns the scores."""
        return OrderedDict(out=enlarged(self.classifier(self.backbone(input)), input))


class LRASPPHead(nn.Module):
    """What makes classes of the two features."""

    def __init__(
        self, low_channels: int, high_channels: int, num_classes: int, inter_channels: int
    ) -> None:
        super().__init__()
        self.cbr = nn.Sequential(
            nn.Conv2d(high_channels, inter_channels, 1, bias=False),
            nn.BatchNorm2d(inter_channels),
            nn.ReLU(inplace=True),
        )
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(high_channels, inter_channels, 1, bias=False),
            nn.Sigmoid(),
        )
        self.low_classifier = nn.Conv2d(low_channels, num_classes, 1)
        self.high_classifier = nn.Conv2d(inter_channels, num_classes, 1)

    def forward(self, input: dict[str, torch.Tensor]) -> torch.Tensor:
        """Returns (N, num_classes, h, w), as high and wide as the features "low"."""
        low, high = input["low"], input["high"]
        weighed = enlarged(self.cbr(high) * self.scale(high), low)
        return self.low_classifier(low) + self.high_classifier(weighed)


def _make(classes: int, weights_backbone: Any) -> LRASPP:
    features, stages = mobilenet_stages(weights_backbone)
    low, high = stages[-4], stages[-1]
    channels = (features[low].out_channels, features[high].out_channels)
    layers = IntermediateLayerGetter(features, {str(low): "low", str(high): "high"})
    return LRASPP(layers, *channels, classes)


@register_model(weights=LRASPP_MobileNet_V3_Large_Weights)
def lraspp_mobilenet_v3_large(
    weights: Any = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: Any = MobileNet_V3_Large_Weights.IMAGENET1K_V1,
    **options: Any,
) -> LRASPP:
    """Makes a Lite R-ASPP on a MobileNet v3; the arguments are those of `fcn_resnet50`."""
    given = (weights, progress, num_classes)
    kind = LRASPP_MobileNet_V3_Large_Weights
    return build_segmentation(_make, kind, given, options, weights_backbone)
