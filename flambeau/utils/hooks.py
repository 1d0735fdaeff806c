"""`torch.utils.hooks`: the handle that registering a hook gives."""

from __future__ import annotations

from flambeau.nn.modules._hooks import RemovableHandle

__all__ = ["RemovableHandle"]
