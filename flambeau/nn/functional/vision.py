"""Images: padding, and moving channels into space."""

from __future__ import annotations

from typing import Any

import flambeau as torch

__all__ = [
    "channel_shuffle",
    "native_channel_shuffle",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
]

Tensor = torch.Tensor
_nn = torch._nn


def pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """Add (left, right, top, bottom, ...) to the last dimension, the one before it, ...

    Modes: "constant" (with `value`, 0 by default), "reflect", "replicate", "circular". A negative
    number takes away.
    """
    return _nn.pad(input, pad, mode, value)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(..., C * r², H, W) to (..., C, H * r, W * r) (Shi et al., 2016)."""
    return torch.pixel_shuffle(input, upscale_factor)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """The inverse of `pixel_shuffle`."""
    return torch.pixel_unshuffle(input, downscale_factor)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Deal the channels of (N, C, ...) out of `groups` in turn (ShuffleNet, 2018)."""
    return torch.channel_shuffle(input, groups)


def native_channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Another name of `channel_shuffle`."""
    return channel_shuffle(input, groups)
