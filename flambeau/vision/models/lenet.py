"""LeNet-5 as the usual introduction to deep learning writes it (after LeCun et al., 1998)."""

from __future__ import annotations

from typing import Any

import flambeau as torch
from flambeau import nn

from ._api import register_model

__all__ = ["LeNet", "lenet"]


class LeNet(nn.Module):
    """Two 5x5 convolutions with ReLU and 2x2 maximum pooling, then three linear layers.

    Args:
        in_channels: 1 for digits, 3 for colours.
        num_classes: outputs.

    Input (N, in_channels, 32, 32), output (N, num_classes).
    """

    def __init__(self, in_channels: int = 1, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, num_classes) scores of (N, C, 32, 32) images."""
        functional = nn.functional
        x = functional.max_pool2d(functional.relu(self.conv1(x)), (2, 2))
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = functional.relu(self.fc1(x))
        x = functional.relu(self.fc2(x))
        return self.fc3(x)


@register_model()
def lenet(**options: Any) -> LeNet:
    """Makes a `LeNet`; the options are its arguments. There are no published weights."""
    return LeNet(**options)
