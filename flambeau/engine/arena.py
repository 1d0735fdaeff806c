"""The memory of what lives inside one run: one arena for all executables, since the stream runs
programs in order. It only grows; growing waits for the stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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
    placed: list[tuple[int, int, int, int]] = []
    offsets: dict[int, int] = {}
    total = 0
    for t in sorted(temporaries, key=lambda t: -t.nbytes):
        nbytes = -(-t.nbytes // ALIGN) * ALIGN
        at = 0
        for start, end, first, last in sorted(placed):
            if last < t.first or first > t.last:
                continue
            if start - at >= nbytes:
                break
            at = max(at, end)
        offsets[t.slot] = at
        placed.append((at, at + nbytes, t.first, t.last))
        total = max(total, at + nbytes)
    return total, offsets


def reserve(nbytes: int, scratch: int) -> tuple[int, int]:
    """Addresses of the arena and of the threads' scratch memory, with room for so many bytes."""
    global generation, size, _scratch_size, _block, _scratch
    if nbytes > size or scratch > _scratch_size or _block is None:
        pool.synchronize()
        if nbytes > size or _block is None:
            size = max(nbytes, 1 << 16)
            _block = blocks.allocate(size)
        if scratch > _scratch_size or _scratch is None:
            _scratch_size = max(scratch, ALIGN)
            _scratch = blocks.allocate(_scratch_size)
        generation += 1
    return _block.address, _scratch.address
