"""GoogLeNet (Szegedy et al., "Going Deeper with Convolutions", CVPR 2015)."""

from __future__ import annotations

import warnings
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import flambeau as torch
from flambeau import nn
from flambeau.nn import functional as F

from ._api import register_model
from ._aux import (
    BasicConv2d,
    build_with_heads,
    draw_truncated,
    to_own_scale,
    warn_about_initialisation,
)
from ._weights import weights_enum

__all__ = ["GoogLeNet", "GoogLeNetOutputs", "GoogLeNet_Weights", "_GoogLeNetOutputs", "googlenet"]

GoogLeNet_Weights = weights_enum("GoogLeNet", __name__)

GoogLeNetOutputs = namedtuple("GoogLeNetOutputs", ["logits", "aux_logits2", "aux_logits1"])
_GoogLeNetOutputs = GoogLeNetOutputs

_Make = Callable[..., nn.Module]

# Channels in, then of the 1x1 branch, the two convolutions of the second, those of the third, and
# behind the pooling.
_MODULES = {
    "3a": (192, 64, 96, 128, 16, 32, 32),
    "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64),
    "4b": (512, 160, 112, 224, 24, 64, 64),
    "4c": (512, 128, 128, 256, 24, 64, 64),
    "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 32, 128, 128),
    "5b": (832, 384, 192, 384, 48, 128, 128),
}


class Inception(nn.Module):
    """Four branches side by side: 1x1; 1x1 and 3x3; 1x1 and 3x3; pooling and 1x1.

    The third branch was 5x5 in the paper; the published weights are of 3x3.
    """

    def __init__(
        self,
        in_channels: int,
        ch1x1: int,
        ch3x3red: int,
        ch3x3: int,
        ch5x5red: int,
        ch5x5: int,
        pool_proj: int,
        conv_block: _Make | None = None,
    ) -> None:
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch1 = conv(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(
            conv(in_channels, ch3x3red, kernel_size=1),
            conv(ch3x3red, ch3x3, kernel_size=3, padding=1),
        )
        self.branch3 = nn.Sequential(
            conv(in_channels, ch5x5red, kernel_size=1),
            conv(ch5x5red, ch5x5, kernel_size=3, padding=1),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1, ceil_mode=True),
            conv(in_channels, pool_proj, kernel_size=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) to (N, the branches' channels, H, W)."""
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """Scores from the middle of the network, that its lower half learns from more directly."""

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        conv_block: _Make | None = None,
        dropout: float = 0.7,
    ) -> None:
        super().__init__()
        self.conv = (conv_block or BasicConv2d)(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, in_channels, H, W) to (N, num_classes)."""
        x = torch.flatten(self.conv(F.adaptive_avg_pool2d(x, (4, 4))), 1)
        return self.fc2(self.dropout(F.relu(self.fc1(x), inplace=True)))


class GoogLeNet(nn.Module):
    """Three convolutions, nine Inception modules, and one linear layer.

    Args:
        num_classes: outputs.
        aux_logits: have two auxiliary heads, whose scores are returned in training.
        transform_input: the input is normalised by ImageNet's statistics, and is to be brought to
            the scale that Google's weights were trained on.
        init_weights: draw the weights from a truncated normal distribution.
        blocks: what makes a convolution, an Inception module and an auxiliary head.
        dropout: share of the last layer's inputs that is dropped in training.
        dropout_aux: the same in the auxiliary heads.

    Input (N, 3, H, W). Output (N, num_classes); in training with heads a `GoogLeNetOutputs`.
    """

    aux1: nn.Module | None
    aux2: nn.Module | None

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool | None = None,
        blocks: list[_Make] | None = None,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ) -> None:
        super().__init__()
        if init_weights is None:
            warn_about_initialisation("GoogleNet")
            init_weights = True
        if blocks is None:
            blocks = [BasicConv2d, Inception, InceptionAux]
        if len(blocks) != 3:
            raise ValueError(f"blocks length should be 3 instead of {len(blocks)}")
        conv, inception, head = blocks
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        self.conv1 = conv(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception3a = inception(*_MODULES["3a"])
        self.inception3b = inception(*_MODULES["3b"])
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.inception4a = inception(*_MODULES["4a"])
        self.inception4b = inception(*_MODULES["4b"])
        self.inception4c = inception(*_MODULES["4c"])
        self.inception4d = inception(*_MODULES["4d"])
        self.inception4e = inception(*_MODULES["4e"])
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.inception5a = inception(*_MODULES["5a"])
        self.inception5b = inception(*_MODULES["5b"])
        self.aux1 = head(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2 = head(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights:
            draw_truncated(self, 0.01)

    def _transform_input(self, x: torch.Tensor) -> torch.Tensor:
        return to_own_scale(x) if self.transform_input else x

    def forward(self, x: torch.Tensor) -> Any:
        """Returns scores of (N, 3, H, W) images."""
        scores1 = scores2 = None
        x = self.maxpool1(self.conv1(self._transform_input(x)))
        x = self.maxpool2(self.conv3(self.conv2(x)))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        x = self.inception4a(x)
        if self.aux1 is not None and self.training:
            scores1 = self.aux1(x)
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        if self.aux2 is not None and self.training:
            scores2 = self.aux2(x)
        x = self.maxpool4(self.inception4e(x))
        x = self.inception5b(self.inception5a(x))
        scores = self.fc(self.dropout(torch.flatten(self.avgpool(x), 1)))
        if self.training and self.aux_logits:
            return GoogLeNetOutputs(scores, scores2, scores1)
        return scores


@register_model(weights=GoogLeNet_Weights)
def googlenet(weights: Any = None, progress: bool = True, **options: Any) -> GoogLeNet:
    """Makes a GoogLeNet, with `weights` of `GoogLeNet_Weights`.

    A model with weights has auxiliary heads only where `aux_logits=True` says so; they come
    untrained.
    """
    heads = ("aux1", "aux2")
    model: GoogLeNet = build_with_heads(
        GoogLeNet, GoogLeNet_Weights, weights, progress, options, False, heads
    )
    if isinstance(weights, (str, GoogLeNet_Weights)) and model.aux_logits:
        warnings.warn(
            "auxiliary heads in the pretrained googlenet model are NOT pretrained, so make sure to "
            "train them",
            stacklevel=2,
        )
    return model
