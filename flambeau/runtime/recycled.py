"""Arrays that Python fills, on memory that is used again.

NumPy's own allocator takes large arrays from fresh pages again and again, and getting a page costs
more than filling it: a mask of 65536 floats takes 40 us on pages that are there, 150 us and more on
new ones. `blocks` are no way out: a free block may still be in use by a program that was submitted.
These arrays are to programs what arrays from elsewhere are, held until the run is over: so their
memory can be written to as soon as it is free.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import shortage
from .blocks import Block, address_of, size_class

SMALL = 64 << 10
"""Up to so many bytes NumPy's allocator does well."""
MOST_FREE = 128 << 20
"""Bytes that may be free; more is given back."""


class Piece(Block):
    """Memory that arrays stand on, and nothing else. `owner` is whose it is when it is free."""

    __slots__ = ()

    def __del__(self) -> None:
        self._home.append(self.owner)


class Bin:
    """The free memory of one size."""

    __slots__ = ("size", "free")

    def __init__(self, size: int) -> None:
        self.size = size
        self.free: list[np.ndarray] = []
        """The most recently freed last."""

    def take(self) -> Piece:
        """A piece of this size."""
        global _free
        try:
            owner = self.free.pop()
            _free -= self.size
        except IndexError:
            owner = _fresh(self.size, np.uint8)
        piece: Piece = Piece.from_address(address_of(owner))
        piece.address, piece.nbytes = address_of(owner), self.size
        piece.owner, piece._home = owner, self
        return piece

    def append(self, owner: np.ndarray) -> None:
        """A piece's last reference has gone."""
        global _free
        if _free + self.size > MOST_FREE:
            release()
        _free += self.size
        self.free.append(owner)


_bins: dict[int, Bin] = {}
_free = 0
"""Bytes that are free. Without a lock: threads may make it wrong by a piece now and then."""


def empty(shape: Any, dtype: Any) -> np.ndarray:
    """A C-contiguous array whose content is whatever was there before."""
    kind = np.dtype(dtype)
    sizes = tuple(shape) if hasattr(shape, "__len__") else (shape,)
    nbytes = math.prod(sizes) * kind.itemsize
    if nbytes <= SMALL or nbytes > MOST_FREE // 4:
        return _fresh(sizes, kind)
    size = size_class(nbytes)
    found = _bins.get(size)
    if found is None:
        found = _bins.setdefault(size, Bin(size))
    return found.take().array(kind, sizes)


def _fresh(shape: Any, dtype: Any) -> np.ndarray:
    """An array of NumPy's; OutOfMemoryError where there is no memory for it even when all that is
    free was given back."""
    nbytes = math.prod(shape) * dtype.itemsize if shape.__class__ is tuple else shape
    if nbytes >= shortage.LARGE:
        shortage.possible(nbytes, "", shape)
        shortage.admit(nbytes)
    try:
        return np.empty(shape, dtype)
    except MemoryError:
        shortage.relieve()
    try:
        return np.empty(shape, dtype)
    except MemoryError as error:
        raise shortage.refused(nbytes) from error


def release() -> None:
    """Give all free memory back."""
    global _free
    for each in list(_bins.values()):
        each.free.clear()
    _free = 0


def free_bytes() -> int:
    """Bytes that are free."""
    return _free


shortage.keeps(lambda: {"in free arrays": _free}, release)
