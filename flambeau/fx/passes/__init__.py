"""`torch.fx.passes`: what is done with graphs. `shape_prop` is here."""

from __future__ import annotations

from flambeau.errors import refusing

from . import shape_prop

__all__ = ["shape_prop"]

__getattr__ = refusing(__name__)
