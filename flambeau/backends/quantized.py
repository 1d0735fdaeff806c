"""`torch.backends.quantized`: there are no quantized tensors."""

from __future__ import annotations

from flambeau.errors import refusing

engine = "none"
supported_engines = ["none"]

__getattr__ = refusing(__name__)
