"""SqueezeNet (Iandola et al., "AlexNet-level accuracy with 50x fewer parameters", 2016)."""

from __future__ import annotations

from functools import partial
from typing import Any

import flambeau as torch
from flambeau import nn

from ._api import build, register_model
from ._init import fill
from ._weights import weights_enum

__all__ = [
    "SqueezeNet",
    "SqueezeNet1_0_Weights",
    "SqueezeNet1_1_Weights",
    "squeezenet1_0",
    "squeezenet1_1",
]

SqueezeNet1_0_Weights = weights_enum("SqueezeNet1_0", __name__)
SqueezeNet1_1_Weights = weights_enum("SqueezeNet1_1", __name__)

# By version: outputs and size of the first convolution, and after it the squeezed and the expanded
# channels of each Fire module (half of them 1x1, half 3x3); "M" is a maximum pooling.
_LAYERS: dict[str, tuple[tuple[int, int], tuple[Any, ...]]] = {
    "1_0": (
        (96, 7),
        ("M", (16, 128), (16, 128), (32, 256), "M", (32, 256), (48, 384), (48, 384), (64, 512))
        + ("M", (64, 512)),
    ),
    "1_1": (
        (64, 3),
        ("M", (16, 128), (16, 128), "M", (32, 256), (32, 256), "M", (48, 384), (48, 384))
        + ((64, 512), (64, 512)),
    ),
}


class Fire(nn.Module):
    """Squeezes channels by a 1x1 convolution, then expands them by a 1x1 and a 3x3 side by side."""

    def __init__(
        self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int
    ) -> None:
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, kernel_size=1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, kernel_size=1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, inplanes, H, W) to (N, expand1x1_planes + expand3x3_planes, H, W)."""
        x = self.squeeze_activation(self.squeeze(x))
        small = self.expand1x1_activation(self.expand1x1(x))
        large = self.expand3x3_activation(self.expand3x3(x))
        return torch.cat([small, large], 1)


class SqueezeNet(nn.Module):
    """A convolution, eight Fire modules, and a 1x1 convolution that is averaged over the picture.

    Args:
        version: "1_0" or "1_1", which needs less than half the work.
        num_classes: outputs.
        dropout: share of the last convolution's inputs that is dropped in training.

    Raises:
        ValueError: there is no such version.
    """

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        if version not in _LAYERS:
            raise ValueError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        self.num_classes = num_classes
        self.features = _features(*_LAYERS[version])
        final_conv = nn.Conv2d(512, num_classes, kernel_size=1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout),
            final_conv,
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d((1, 1)),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module is final_conv:
                    nn.init.normal_(module.weight, mean=0.0, std=0.01)
                else:
                    nn.init.kaiming_uniform_(module.weight)
                fill(module.bias, 0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, num_classes) scores of (N, 3, H, W) images."""
        return torch.flatten(self.classifier(self.features(x)), 1)


def _features(first: tuple[int, int], rest: tuple[Any, ...]) -> nn.Sequential:
    channels, kernel = first
    layers: list[nn.Module] = [
        nn.Conv2d(3, channels, kernel_size=kernel, stride=2),
        nn.ReLU(inplace=True),
    ]
    for layer in rest:
        if layer == "M":
            layers.append(nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True))
        else:
            squeezed, expanded = layer
            layers.append(Fire(channels, squeezed, expanded // 2, expanded // 2))
            channels = expanded
    return nn.Sequential(*layers)


@register_model(weights=SqueezeNet1_0_Weights)
def squeezenet1_0(weights: Any = None, progress: bool = True, **options: Any) -> SqueezeNet:
    """Makes a SqueezeNet 1.0, with `weights` of `SqueezeNet1_0_Weights`."""
    make = partial(SqueezeNet, "1_0")
    return build(make, SqueezeNet1_0_Weights, weights, progress, options)


@register_model(weights=SqueezeNet1_1_Weights)
def squeezenet1_1(weights: Any = None, progress: bool = True, **options: Any) -> SqueezeNet:
    """Makes a SqueezeNet 1.1, with `weights` of `SqueezeNet1_1_Weights`."""
    make = partial(SqueezeNet, "1_1")
    return build(make, SqueezeNet1_1_Weights, weights, progress, options)
