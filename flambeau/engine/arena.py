"""The memory of what lives inside one run: one arena for all executables, since the stream runs
programs in order. It only grows; growing waits for the stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..runtime import blocks, pool

ALIGN = 128

generation = 1
"""Counts the arena's moves: whoever has kept an address looks whether it is still the same."""
size = 0
_scratch_size = 0
_block: Any = None
_scratch: Any = None


def layout(temporaries: Iterable[Any]) -> tuple[int, dict[int, int]]:
    """Offsets of arrays that live from step `first` to step `last`: the largest first, each at the
    lowest place that is free for as long as it lives. Also the total."""
    found = sorted(temporaries, key=lambda t: -t.nbytes)
    # What is placed, in the order of addresses: thousands of arrays are compared at a time.
    starts, ends, firsts, lasts = np.empty((4, len(found)), np.int64)
    offsets: dict[int, int] = {}
    total = 0
    for n, t in enumerate(found):
        nbytes = -(-t.nbytes // ALIGN) * ALIGN
        beside = (lasts[:n] >= t.first) & (firsts[:n] <= t.last)
        # Where the memory that is in use up to each of them ends, and the next one starts.
        used = np.maximum.accumulate(np.append(0, ends[:n][beside]))
        gaps = np.flatnonzero(starts[:n][beside] - used[:-1] >= nbytes)
        at = int(used[gaps[0] if gaps.size else -1])
        place = int(np.searchsorted(starts[:n], at))
        for column, x in ((starts, at), (ends, at + nbytes), (firsts, t.first), (lasts, t.last)):
            column[place + 1 : n + 1] = column[place:n].copy()
            column[place] = x
        offsets[t.slot] = at
        total = max(total, at + nbytes)
    return total, offsets


def reserve(nbytes: int, scratch: int) -> tuple[int, int]:
    """Addresses of the arena and of the threads' scratch memory, with room for so many bytes.
    OutOfMemoryError where there is none: what was there is gone then, and made again at need."""
    global generation, size, _scratch_size, _block, _scratch
    if nbytes > size or scratch > _scratch_size or _block is None or _scratch is None:
        pool.synchronize()
        generation += 1
        if nbytes > size or _block is None:
            _block, size = None, 0  # the old one first: both together may be too much
            _block = blocks.allocate(max(nbytes, 1 << 16))
            size = max(nbytes, 1 << 16)
        if scratch > _scratch_size or _scratch is None:
            _scratch, _scratch_size = None, 0
            _scratch = blocks.allocate(max(scratch, ALIGN))
            _scratch_size = max(scratch, ALIGN)
    return _block.address, _scratch.address


def release() -> None:
    """Give the arena's memory back: the next program that needs some makes it anew."""
    global generation, size, _scratch_size, _block, _scratch
    pool.synchronize()
    generation += 1
    _block = _scratch = None
    size = _scratch_size = 0


def nbytes() -> int:
    """Bytes of arena and scratch memory."""
    return size + _scratch_size
