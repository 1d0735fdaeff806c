"""Weights of convolutions in another order in memory."""

from __future__ import annotations

from typing import Any

from ..modules.conv import Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]


def convert_conv2d_weight_memory_format(module: Any, memory_format: Any) -> Any:
    """Lay the weights of all `Conv2d` and `ConvTranspose2d` in `module` out in `memory_format`, and
    return the module. The values stay; flambeau's convolutions are as fast in either order."""
    return _convert(module, memory_format, (Conv2d, ConvTranspose2d))


def convert_conv3d_weight_memory_format(module: Any, memory_format: Any) -> Any:
    """Lay the weights of all `Conv3d` and `ConvTranspose3d` in `module` out in `memory_format`, and
    return the module."""
    return _convert(module, memory_format, (Conv3d, ConvTranspose3d))


def _convert(module: Any, memory_format: Any, kinds: tuple[type, ...]) -> Any:
    for each in module.modules():
        if isinstance(each, kinds):
            weight = vars(each)["weight"]
            weight.data = weight.detach().clone().contiguous(memory_format=memory_format)
    return module
