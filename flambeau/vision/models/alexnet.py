"""AlexNet in the form of Krizhevsky, "One weird trick for parallelizing CNNs" (2014)."""

from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau import nn

from ._api import build, register_model
from ._weights import weights_enum

__all__ = ["AlexNet", "AlexNet_Weights", "alexnet"]

AlexNet_Weights = weights_enum("AlexNet", __name__)


class AlexNet(nn.Module):
    """Five convolutions and three linear layers.

    Args:
        num_classes: outputs.
        dropout: share of the classifier's inputs that is dropped in training.

    Input (N, 3, H, W) with H and W at least 63, output (N, num_classes).
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, num_classes) scores of (N, 3, H, W) images."""
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


@register_model(weights=AlexNet_Weights)
def alexnet(weights: Any = None, progress: bool = True, **options: Any) -> AlexNet:
    """Makes an `AlexNet`.

    Args:
        weights: a member of `AlexNet_Weights`, or its name.
        progress: show a bar while weights are downloaded.
        options: arguments of `AlexNet`.
    """
    return build(AlexNet, AlexNet_Weights, weights, progress, options)
