"""`ChannelShuffle` under the name of PyTorch's module for it."""

from __future__ import annotations

from .pixelshuffle import ChannelShuffle

__all__ = ["ChannelShuffle"]
