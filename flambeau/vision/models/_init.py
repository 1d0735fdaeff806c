"""How the weights of convolutional networks are drawn."""

from __future__ import annotations

from typing import Any

from flambeau import nn

__all__ = ["draw_mobile", "fill", "initialise"]


def initialise(module: nn.Module) -> None:
    """Draws a convolution as He et al. (ICCV 2015), by its outputs; a normalisation is neutral."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        fill(module.bias, 0)
    elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
        fill(module.weight, 1)
        fill(module.bias, 0)


def fill(parameter: Any, value: float) -> None:
    """Sets every element of a parameter that may be missing."""
    if parameter is not None:
        nn.init.constant_(parameter, value)


def draw_mobile(model: nn.Module) -> None:
    """Draws a MobileNet: convolutions by their outputs, linear layers narrowly, no biases."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
            fill(module.bias, 0)
        elif isinstance(module, (nn.BatchNorm2d, nn.GroupNorm)):
            fill(module.weight, 1)
            fill(module.bias, 0)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
            fill(module.bias, 0)
