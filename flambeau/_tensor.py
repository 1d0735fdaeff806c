"""`torch._tensor`: where PyTorch defines its Tensor."""

from __future__ import annotations

from flambeau import Tensor
from flambeau.errors import refusing

__all__ = ["Tensor"]

__getattr__ = refusing(__name__)
