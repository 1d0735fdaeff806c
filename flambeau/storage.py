"""`torch.storage`: the memory of tensors as objects."""

from __future__ import annotations

from flambeau import TypedStorage, UntypedStorage
from flambeau.errors import refusing

__all__ = ["TypedStorage", "UntypedStorage"]

__getattr__ = refusing(__name__)
