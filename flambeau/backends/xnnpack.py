"""`torch.backends.xnnpack`: XNNPACK is not used."""

from __future__ import annotations

from flambeau.errors import refusing

enabled = False

__getattr__ = refusing(__name__)
