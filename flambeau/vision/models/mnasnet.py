"""MNASNet B1 (Tan et al., "Platform-Aware Neural Architecture Search for Mobile", CVPR 2019)."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import flambeau as torch
from flambeau import nn

from ._api import build, register_model
from ._init import fill
from ._weights import weights_enum

__all__ = [
    "MNASNet",
    "MNASNet0_5_Weights",
    "MNASNet0_75_Weights",
    "MNASNet1_0_Weights",
    "MNASNet1_3_Weights",
    "mnasnet0_5",
    "mnasnet0_75",
    "mnasnet1_0",
    "mnasnet1_3",
]

MNASNet0_5_Weights = weights_enum("MNASNet0_5", __name__)
MNASNet0_75_Weights = weights_enum("MNASNet0_75", __name__)
MNASNet1_0_Weights = weights_enum("MNASNet1_0", __name__)
MNASNet1_3_Weights = weights_enum("MNASNet1_3", __name__)

# The paper's 0.9997 is TensorFlow's way to count.
_BN_MOMENTUM = 1 - 0.9997

_DEPTHS = (32, 16, 24, 40, 80, 96, 192, 320)
# Kernel, stride, factor of expansion and repetitions of each stage.
_STAGES = ((3, 2, 3, 3), (5, 2, 3, 3), (5, 2, 6, 3), (3, 1, 6, 2), (5, 2, 6, 4), (3, 1, 6, 1))


class _InvertedResidual(nn.Module):
    """Expansion, a convolution channel by channel, projection, and a shortcut where one fits."""

    def __init__(
        self,
        in_ch: int,
        out_ch: int,
        kernel_size: int,
        stride: int,
        expansion_factor: int,
        bn_momentum: float = 0.1,
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        if kernel_size not in (3, 5):
            raise ValueError(f"kernel_size should be 3 or 5 instead of {kernel_size}")
        self.apply_residual = in_ch == out_ch and stride == 1
        middle = in_ch * expansion_factor
        norm = partial(nn.BatchNorm2d, momentum=bn_momentum)
        self.layers = nn.Sequential(
            nn.Conv2d(in_ch, middle, 1, bias=False),
            norm(middle),
            nn.ReLU(inplace=True),
            _channelwise(middle, kernel_size, stride),
            norm(middle),
            nn.ReLU(inplace=True),
            nn.Conv2d(middle, out_ch, 1, bias=False),
            norm(out_ch),
        )

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(N, in_ch, H, W) to (N, out_ch, H / stride, W / stride)."""
        return self.layers(input) + input if self.apply_residual else self.layers(input)


def _channelwise(channels: int, kernel: int, stride: int) -> nn.Conv2d:
    padding = kernel // 2
    return nn.Conv2d(
        channels, channels, kernel, padding=padding, stride=stride, groups=channels, bias=False
    )


def _stack(inputs: int, outputs: int, stage: tuple[int, int, int, int]) -> nn.Sequential:
    kernel, stride, expansion, repeats = stage
    blocks = [_InvertedResidual(inputs, outputs, kernel, stride, expansion, _BN_MOMENTUM)]
    for _ in range(1, repeats):
        blocks.append(_InvertedResidual(outputs, outputs, kernel, 1, expansion, _BN_MOMENTUM))
    return nn.Sequential(*blocks)


def _get_depths(alpha: float) -> list[int]:
    """Returns the stages' channels times `alpha`, as multiples of 8, rarely rounded down."""
    depths = []
    for depth in _DEPTHS:
        wanted = depth * alpha
        rounded = max(8, int(wanted + 4) // 8 * 8)
        depths.append(rounded if rounded >= 0.9 * wanted else rounded + 8)
    return depths


def _stem(first: int, second: int) -> list[nn.Module]:
    norm = partial(nn.BatchNorm2d, momentum=_BN_MOMENTUM)
    return [
        nn.Conv2d(3, first, 3, padding=1, stride=2, bias=False),
        norm(first),
        nn.ReLU(inplace=True),
        _channelwise(first, 3, 1),
        norm(first),
        nn.ReLU(inplace=True),
        nn.Conv2d(first, second, 1, padding=0, stride=1, bias=False),
        norm(second),
    ]


class MNASNet(nn.Module):
    """A stem, six stages of inverted residuals, a 1x1 convolution and one linear layer.

    Args:
        alpha: factor for the channels.
        num_classes: outputs.
        dropout: share of the last layer's inputs that is dropped in training.

    Raises:
        ValueError: `alpha` is not positive.
    """

    # Since version 2 the stem's channels are scaled too.
    _version = 2

    def __init__(self, alpha: float, num_classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        if alpha <= 0.0:
            raise ValueError(f"alpha should be greater than 0.0 instead of {alpha}")
        self.alpha = alpha
        self.num_classes = num_classes
        depths = _get_depths(alpha)
        layers = _stem(depths[0], depths[1])
        for stage, inputs, outputs in zip(_STAGES, depths[1:], depths[2:], strict=False):
            layers.append(_stack(inputs, outputs, stage))
        layers += [
            nn.Conv2d(depths[-1], 1280, 1, padding=0, stride=1, bias=False),
            nn.BatchNorm2d(1280, momentum=_BN_MOMENTUM),
            nn.ReLU(inplace=True),
        ]
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout, inplace=True), nn.Linear(1280, num_classes)
        )
        for module in self.modules():
            _initialise(module)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, num_classes) scores of (N, 3, H, W) images."""
        return self.classifier(self.layers(x).mean([2, 3]))

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any
    ) -> None:
        # A plain dictionary of tensors tells no version, and is of the present one.
        version = local_metadata.get("version", 2)
        if version not in (1, 2):
            raise ValueError(f"version should be set to 1 or 2 instead of {version}")
        if version == 1 and self.alpha != 1.0:
            old = _stem(32, 16)
            old.append(_stack(16, _get_depths(self.alpha)[2], _STAGES[0]))
            for index, layer in enumerate(old):
                self.layers[index] = layer
            self._version = 1
            warnings.warn(
                "this state dict was saved from version 1 of MNASNet, whose stem was not scaled: "
                "the model was changed to that version",
                UserWarning,
                stacklevel=2,
            )
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        fill(module.bias, 0)
    elif isinstance(module, nn.BatchNorm2d):
        fill(module.weight, 1)
        fill(module.bias, 0)
    elif isinstance(module, nn.Linear):
        nn.init.kaiming_uniform_(module.weight, mode="fan_out", nonlinearity="sigmoid")
        fill(module.bias, 0)


@register_model(weights=MNASNet0_5_Weights)
def mnasnet0_5(weights: Any = None, progress: bool = True, **options: Any) -> MNASNet:
    """Makes an MNASNet of half the width, with `weights` of `MNASNet0_5_Weights`."""
    return build(partial(MNASNet, 0.5), MNASNet0_5_Weights, weights, progress, options)


@register_model(weights=MNASNet0_75_Weights)
def mnasnet0_75(weights: Any = None, progress: bool = True, **options: Any) -> MNASNet:
    """Makes an MNASNet of width 0.75, with `weights` of `MNASNet0_75_Weights`."""
    return build(partial(MNASNet, 0.75), MNASNet0_75_Weights, weights, progress, options)


@register_model(weights=MNASNet1_0_Weights)
def mnasnet1_0(weights: Any = None, progress: bool = True, **options: Any) -> MNASNet:
    """Makes an MNASNet of the paper's width, with `weights` of `MNASNet1_0_Weights`."""
    return build(partial(MNASNet, 1.0), MNASNet1_0_Weights, weights, progress, options)


@register_model(weights=MNASNet1_3_Weights)
def mnasnet1_3(weights: Any = None, progress: bool = True, **options: Any) -> MNASNet:
    """Makes an MNASNet of width 1.3, with `weights` of `MNASNet1_3_Weights`."""
    return build(partial(MNASNet, 1.3), MNASNet1_3_Weights, weights, progress, options)
