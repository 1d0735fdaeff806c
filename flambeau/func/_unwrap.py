"""`debug_unwrap`: what a tensor inside of a transform stands for."""

from __future__ import annotations

from typing import Any

from flambeau.autograd import levels


def debug_unwrap(tensor: Any, *, recurse: bool = True) -> Any:
    """What is underneath a tensor of vmap or jvp, for looking at it while debugging: a batched tensor
    whole, a dual tensor's primal. recurse: down to an ordinary tensor."""
    storage = levels.storage_of(tensor)
    if storage is None:
        return tensor
    return debug_unwrap(storage.inner) if recurse else storage.inner
