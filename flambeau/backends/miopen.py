"""`torch.backends.miopen`: MIOpen is not used."""

from __future__ import annotations

from flambeau.errors import refusing

immediate = False

__getattr__ = refusing(__name__)
