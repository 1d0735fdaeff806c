"""What the networks for segmentation share: their frame, their backbones and their builders."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import flambeau as torch
from flambeau import nn
from flambeau.nn import functional as F

from .._api import WeightsEnum, choose
from .._utils import IntermediateLayerGetter, _ovewrite_value_param
from ..mobilenetv3 import mobilenet_v3_large
from ..resnet import ResNet


class _SimpleSegmentationModel(nn.Module):
    """Features of a backbone, a class for each of their pixels, enlarged to the picture's size.

    Args:
        backbone: returns features by name: "out", and "aux" for the second classifier.
        classifier: takes the features "out".
        aux_classifier: takes the features "aux"; None is none.

    Input (N, 3, H, W). Output: "out", and "aux" with a second classifier, (N, classes, H, W).
    """

    def __init__(
        self,
        backbone: nn.Module,
        classifier: nn.Module,
        aux_classifier: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier
        self.aux_classifier = aux_classifier

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Returns the scores by name."""
        features = self.backbone(x)
        result = OrderedDict(out=enlarged(self.classifier(features["out"]), x))
        if self.aux_classifier is not None:
            result["aux"] = enlarged(self.aux_classifier(features["aux"]), x)
        return result


def enlarged(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Returns (N, C, h, w) as high and wide as another."""
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def resnet_layers(backbone: ResNet, aux: bool | None) -> IntermediateLayerGetter:
    """The last stage's features as "out", those before as "aux"."""
    layers = {"layer4": "out"}
    if aux:
        layers["layer3"] = "aux"
    return IntermediateLayerGetter(backbone, layers)


def mobilenet_stages(weights: Any) -> tuple[Any, list[int]]:
    """A dilated MobileNet v3's features, and the numbers of the layers where each stage begins."""
    features = mobilenet_v3_large(weights=weights, dilated=True).features
    starts = [index for index, block in enumerate(features) if getattr(block, "_is_cn", False)]
    return features, [0, *starts, len(features) - 1]


def build_segmentation(
    make: Callable[..., nn.Module],
    weights_class: type[WeightsEnum],
    given: tuple[Any, bool, int | None],
    options: dict[str, Any],
    weights_backbone: Any,
) -> Any:
    """Makes a network, with published weights for all of it, or for its backbone, if asked for.

    Args:
        make: makes it of the number of classes, the backbone's weights and options.
        weights_class: the network's weights.
        given: the weights asked for, whether to show a bar, and the number of classes.
        options: for `make`; with weights an `aux_loss` becomes True.
        weights_backbone: of the backbone.
    """
    weights, progress, classes = given
    chosen = choose(weights_class, weights, options)
    if chosen is None:
        return make(21 if classes is None else classes, weights_backbone, **options)
    classes = _ovewrite_value_param("num_classes", classes, len(chosen.meta["categories"]))
    if "aux_loss" in options:
        options["aux_loss"] = _ovewrite_value_param("aux_loss", options["aux_loss"], True)
    model = make(classes, None, **options)
    model.load_state_dict(chosen.get_state_dict(progress=progress, check_hash=True))
    return model
