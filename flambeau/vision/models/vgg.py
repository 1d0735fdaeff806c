"""VGG (Simonyan and Zisserman, "Very Deep Convolutional Networks", ICLR 2015)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flambeau as torch
from flambeau import nn

from ._api import build, register_model
from ._init import fill, initialise
from ._weights import weights_enum

__all__ = [
    "VGG",
    "VGG11_BN_Weights",
    "VGG11_Weights",
    "VGG13_BN_Weights",
    "VGG13_Weights",
    "VGG16_BN_Weights",
    "VGG16_Weights",
    "VGG19_BN_Weights",
    "VGG19_Weights",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]

VGG11_Weights = weights_enum("VGG11", __name__)
VGG11_BN_Weights = weights_enum("VGG11_BN", __name__)
VGG13_Weights = weights_enum("VGG13", __name__)
VGG13_BN_Weights = weights_enum("VGG13_BN", __name__)
VGG16_Weights = weights_enum("VGG16", __name__)
VGG16_BN_Weights = weights_enum("VGG16_BN", __name__)
VGG19_Weights = weights_enum("VGG19", __name__)
VGG19_BN_Weights = weights_enum("VGG19_BN", __name__)

# Convolutions in each of the five stages, by the number of layers with weights in the whole.
_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """Stages of 3x3 convolutions, each ended by a maximum pooling, and three linear layers.

    Args:
        features: what turns (N, 3, H, W) into (N, 512, H / 32, W / 32).
        num_classes: outputs.
        init_weights: draw the weights as the paper's authors later recommended.
        dropout: share of the classifier's inputs that is dropped in training.
    """

    def __init__(
        self,
        features: nn.Module,
        num_classes: int = 1000,
        init_weights: bool = True,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            for module in self.modules():
                _initialise(module)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, num_classes) scores of (N, 3, H, W) images, H and W at least 32."""
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def _initialise(module: nn.Module) -> None:
    initialise(module)
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
        fill(module.bias, 0)


# The letters of the paper's Table 1, and plans as torchvision writes them, which programs build
# on: a width, or "M" for a pooling.
_PLANS = {11: "A", 13: "B", 16: "D", 19: "E"}


def _plan(stages: Sequence[int]) -> list[str | int]:
    steps: list[str | int] = []
    for convolutions, width in zip(stages, _WIDTHS, strict=True):
        steps += [width] * convolutions
        steps.append("M")
    return steps


cfgs = {letter: _plan(_STAGES[layers]) for layers, letter in _PLANS.items()}


def make_layers(cfg: Sequence[str | int], batch_norm: bool = False) -> nn.Sequential:
    """The layers of a plan: 3x3 convolutions of the widths, a maximum pooling for each "M"."""
    layers: list[nn.Module] = []
    channels = 3
    for step in cfg:
        if isinstance(step, str):
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers.append(nn.Conv2d(channels, step, kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(step))
        layers.append(nn.ReLU(inplace=True))
        channels = step
    return nn.Sequential(*layers)


def _maker(layers: int, batch_norm: bool = False) -> Callable[..., VGG]:
    return lambda **options: VGG(make_layers(cfgs[_PLANS[layers]], batch_norm), **options)


# Weights that are about to be loaded need no drawing.
_LOADED = {"init_weights": False}


@register_model(weights=VGG11_Weights)
def vgg11(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """Makes a VGG of 11 layers, with `weights` of `VGG11_Weights`."""
    make = _maker(11)
    return build(make, VGG11_Weights, weights, progress, options, _LOADED)


@register_model(weights=VGG11_BN_Weights)
def vgg11_bn(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """Makes a VGG of 11 layers with batch normalisation, with `weights` of `VGG11_BN_Weights`."""
    make = _maker(11, batch_norm=True)
    return build(make, VGG11_BN_Weights, weights, progress, options, _LOADED)


@register_model(weights=VGG13_Weights)
def vgg13(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """Makes a VGG of 13 layers, with `weights` of `VGG13_Weights`."""
    make = _maker(13)
    return build(make, VGG13_Weights, weights, progress, options, _LOADED)


@register_model(weights=VGG13_BN_Weights)
def vgg13_bn(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """Makes a VGG of 13 layers with batch normalisation, with `weights` of `VGG13_BN_Weights`."""
    make = _maker(13, batch_norm=True)
    return build(make, VGG13_BN_Weights, weights, progress, options, _LOADED)


@register_model(weights=VGG16_Weights)
def vgg16(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """Makes a VGG of 16 layers, with `weights` of `VGG16_Weights`."""
    make = _maker(16)
    return build(make, VGG16_Weights, weights, progress, options, _LOADED)


@register_model(weights=VGG16_BN_Weights)
def vgg16_bn(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """Makes a VGG of 16 layers with batch normalisation, with `weights` of `VGG16_BN_Weights`."""
    make = _maker(16, batch_norm=True)
    return build(make, VGG16_BN_Weights, weights, progress, options, _LOADED)


@register_model(weights=VGG19_Weights)
def vgg19(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """Makes a VGG of 19 layers, with `weights` of `VGG19_Weights`."""
    make = _maker(19)
    return build(make, VGG19_Weights, weights, progress, options, _LOADED)


@register_model(weights=VGG19_BN_Weights)
def vgg19_bn(weights: Any = None, progress: bool = True, **options: Any) -> VGG:
    """Makes a VGG of 19 layers with batch normalisation, with `weights` of `VGG19_BN_Weights`."""
    make = _maker(19, batch_norm=True)
    return build(make, VGG19_BN_Weights, weights, progress, options, _LOADED)
