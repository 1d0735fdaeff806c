"""`torch.testing`: comparing tensors in tests, and making them."""

from __future__ import annotations

from flambeau.errors import refusing

from .comparison import assert_allclose, assert_close
from .creation import make_tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]

__getattr__ = refusing(__name__)
