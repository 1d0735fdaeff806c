"""DenseNet (Huang et al., "Densely Connected Convolutional Networks", CVPR 2017)."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import Any

import flambeau as torch
from flambeau import nn
from flambeau.nn import functional as F
from flambeau.utils.checkpoint import checkpoint

from ._api import build, register_model
from ._init import fill
from ._weights import weights_enum

__all__ = [
    "DenseNet",
    "DenseNet121_Weights",
    "DenseNet161_Weights",
    "DenseNet169_Weights",
    "DenseNet201_Weights",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
]

DenseNet121_Weights = weights_enum("DenseNet121", __name__)
DenseNet161_Weights = weights_enum("DenseNet161", __name__)
DenseNet169_Weights = weights_enum("DenseNet169", __name__)
DenseNet201_Weights = weights_enum("DenseNet201", __name__)

# The published files number the layers of a dense layer: norm.1 is norm1 here.
_OLD_KEY = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")


class _DenseLayer(nn.Module):
    """A 1x1 and a 3x3 convolution of all that came before: (N, num_input_features, H, W) to
    (N, growth_rate, H, W).
    """

    def __init__(
        self,
        num_input_features: int,
        growth_rate: int,
        bn_size: int,
        drop_rate: float,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        middle = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, middle, kernel_size=1, stride=1, bias=False)
        self.norm2 = nn.BatchNorm2d(middle)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(middle, growth_rate, kernel_size=3, stride=1, padding=1, bias=False)
        self.drop_rate = float(drop_rate)
        self.memory_efficient = memory_efficient

    def bn_function(self, *features: torch.Tensor) -> torch.Tensor:
        """The 1x1 convolution of the features side by side."""
        return self.conv1(self.relu1(self.norm1(torch.cat(features, 1))))

    def forward(self, input: Any) -> torch.Tensor:
        """Takes one tensor or a list of them."""
        features = [input] if isinstance(input, torch.Tensor) else input
        if self.memory_efficient and any(one.requires_grad for one in features):
            squeezed: Any = checkpoint(self.bn_function, *features, use_reentrant=False)
        else:
            squeezed = self.bn_function(*features)
        new = self.conv2(self.relu2(self.norm2(squeezed)))
        if self.drop_rate > 0:
            new = F.dropout(new, p=self.drop_rate, training=self.training)
        return new


class _DenseBlock(nn.ModuleDict):
    """Dense layers, each fed with the outputs of all before it."""

    def __init__(
        self,
        num_layers: int,
        num_input_features: int,
        bn_size: int,
        growth_rate: int,
        drop_rate: float,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        for index in range(num_layers):
            channels = num_input_features + index * growth_rate
            self.add_module(
                f"denselayer{index + 1}",
                _DenseLayer(channels, growth_rate, bn_size, drop_rate, memory_efficient),
            )

    def forward(self, init_features: torch.Tensor) -> torch.Tensor:
        """Returns the input and all layers' outputs side by side."""
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return torch.cat(features, 1)


class _Transition(nn.Sequential):
    """Halves height and width, and changes the number of channels."""

    def __init__(self, num_input_features: int, num_output_features: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(
            num_input_features, num_output_features, kernel_size=1, stride=1, bias=False
        )
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


class DenseNet(nn.Module):
    """A 7x7 convolution, four dense blocks with transitions in between, and one linear layer.

    Args:
        growth_rate: channels that each layer adds.
        block_config: layers in each block.
        num_init_features: channels after the first convolution.
        bn_size: channels inside of a layer, as a multiple of `growth_rate`.
        drop_rate: share of each layer's output that is dropped in training.
        num_classes: outputs.
        memory_efficient: compute the 1x1 convolutions again in the backward pass.

    Input (N, 3, H, W), output (N, num_classes).
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: tuple[int, ...] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        stem = nn.Conv2d(3, num_init_features, kernel_size=7, stride=2, padding=3, bias=False)
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=stem,
            norm0=nn.BatchNorm2d(num_init_features),
            relu0=nn.ReLU(inplace=True),
            pool0=nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )
        channels = num_init_features
        for number, count in enumerate(block_config, 1):
            layers[f"denseblock{number}"] = _DenseBlock(
                count, channels, bn_size, growth_rate, drop_rate, memory_efficient
            )
            channels += count * growth_rate
            if number < len(block_config):
                layers[f"transition{number}"] = _Transition(channels, channels // 2)
                channels //= 2
        layers["norm5"] = nn.BatchNorm2d(channels)
        self.features = nn.Sequential(layers)
        self.classifier = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, nn.Linear):
                fill(module.bias, 0)

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """As every module's; takes the published files' numbering of a layer's parts too."""
        state_dict = {_OLD_KEY.sub(r"\1\2", key): value for key, value in state_dict.items()}
        return super().load_state_dict(state_dict, *args, **kwargs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, num_classes) scores of (N, 3, H, W) images."""
        features = F.relu(self.features(x), inplace=True)
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(features, (1, 1)), 1))


@register_model(weights=DenseNet121_Weights)
def densenet121(weights: Any = None, progress: bool = True, **options: Any) -> DenseNet:
    """Makes a DenseNet of 121 layers, with `weights` of `DenseNet121_Weights`."""
    make = partial(DenseNet, 32, (6, 12, 24, 16), 64)
    return build(make, DenseNet121_Weights, weights, progress, options)


@register_model(weights=DenseNet161_Weights)
def densenet161(weights: Any = None, progress: bool = True, **options: Any) -> DenseNet:
    """Makes a DenseNet of 161 layers, with `weights` of `DenseNet161_Weights`."""
    make = partial(DenseNet, 48, (6, 12, 36, 24), 96)
    return build(make, DenseNet161_Weights, weights, progress, options)


@register_model(weights=DenseNet169_Weights)
def densenet169(weights: Any = None, progress: bool = True, **options: Any) -> DenseNet:
    """Makes a DenseNet of 169 layers, with `weights` of `DenseNet169_Weights`."""
    make = partial(DenseNet, 32, (6, 12, 32, 32), 64)
    return build(make, DenseNet169_Weights, weights, progress, options)


@register_model(weights=DenseNet201_Weights)
def densenet201(weights: Any = None, progress: bool = True, **options: Any) -> DenseNet:
    """Makes a DenseNet of 201 layers, with `weights` of `DenseNet201_Weights`."""
    make = partial(DenseNet, 32, (6, 12, 48, 32), 64)
    return build(make, DenseNet201_Weights, weights, progress, options)
