"""`Storage`: one piece of memory that tensors may share."""

from __future__ import annotations

from sys import getrefcount
from typing import Any

import numpy as np

from .blocks import Block


class Storage:
    """Memory that is either lazy or shared.

    Lazy: `value` is the graph value that is the content now; a write gives it a new one.
    Shared: `value` is None and `buffer` is a flat array that the outside can see too; reads copy
    out of it and writes go into it at once. `aval` has the canonical shape, in row-major order, and
    the dtype. `version` counts the in-place operations.
    """

    __slots__ = ("value", "aval", "buffer", "version", "pinned", "__weakref__")

    def __init__(self, value: Any, aval: Any) -> None:
        self.value = value
        self.aval = aval
        self.buffer: np.ndarray | None = None
        self.version = 0
        self.pinned = False
        """Shared for good: the outside holds an address rather than an object."""

    def is_shared(self) -> bool:
        """Whether somebody outside can still see the memory."""
        buffer = self.buffer
        if buffer is None:
            return False
        if self.pinned:
            return True
        base = buffer.base
        if base is None:
            return getrefcount(buffer) > _OWNER_ONLY
        if base.__class__ is not np.ndarray:
            return True
        if base.base is not None and not isinstance(base.base, Block):
            return True
        del buffer
        return getrefcount(base) > _BASE_ONLY

    def share(self, buffer: np.ndarray) -> None:
        """Become shared: `buffer` is the memory from now on, flat, of `aval.numel` elements."""
        self.buffer = buffer
        self.value = None


def _calibrate() -> tuple[int, int]:
    """What getrefcount reports inside `is_shared` when nobody outside refers to the memory."""

    class Probe:
        __slots__ = ("buffer",)

        def __init__(self, buffer: np.ndarray) -> None:
            self.buffer = buffer

        def owner(self) -> int:
            buffer = self.buffer
            return getrefcount(buffer)

        def base(self) -> int:
            buffer = self.buffer
            base = buffer.base
            del buffer
            return getrefcount(base)

    return Probe(np.empty(1)).owner(), Probe(np.empty((2, 2)).reshape(-1)).base()


_OWNER_ONLY, _BASE_ONLY = _calibrate()
