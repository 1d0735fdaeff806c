"""Which threads touch the same memory with nothing between that orders them.

For every cell of a memory it is kept who wrote last and who read last, as stamps. A stamp says who
(block, warp, lane) and when: how many barriers the block has gone through, and the warp. Two accesses of one
cell by different threads, one of them a write, are a race if they are of different blocks, or of one block with
no barrier between and not of one warp with a barrier of the warp between.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .memory import Memory

Array = Any
I64 = np.dtype(np.int64)

LANE, WARP_TIME, WARP, TIME, BLOCK = 0, 5, 17, 22, 38
"""Where the parts of a stamp begin."""
_BLOCK = I64.type(((1 << 20) - 1) << BLOCK)
_TIME = I64.type(((1 << 16) - 1) << TIME)
_WARP = I64.type(31 << WARP)
_WARP_TIME = I64.type(((1 << 12) - 1) << WARP_TIME)
_WHO = I64.type(_BLOCK | _WARP | 31)
THERE = I64.type(1 << 58)
"""Set in every stamp, so that 0 is nobody."""
ATOMIC = I64.type(1 << 59)
SEVERAL, SEVERAL_WARPS, SEVERAL_BLOCKS = (I64.type(1 << k) for k in (60, 61, 62))
"""Of readers: there are others since, of the same warp, of the same block, of any."""
_FLAGS = SEVERAL | SEVERAL_WARPS | SEVERAL_BLOCKS
_NONE = I64.type(0)


def stamps(block: Array, time: Array, warp: Array, warp_time: Array, lane: Array) -> Array:
    """The stamps of threads; `warp` is the number in the block."""
    made = (block & ((1 << 20) - 1)) << BLOCK | (time & 0xFFFF) << TIME | warp << WARP
    return made | (warp_time & 0xFFF) << WARP_TIME | lane | THERE


def block_of(stamp: int) -> int:
    return stamp >> BLOCK & ((1 << 20) - 1)


def thread_of(stamp: int) -> int:
    """The number in its block."""
    return (stamp >> WARP & 31) * 32 + (stamp & 31)


def unordered(old: Array, new: Array) -> Array:
    """Where an earlier access is not ordered before a later one of another thread."""
    difference = old ^ new
    same_block = (difference & _BLOCK) == 0
    fine = (old == 0) | same_block & ((old & _TIME) < (new & _TIME)) & ((old & SEVERAL_BLOCKS) == 0)
    if fine.all():
        return ~fine
    fine |= ((difference & _WHO) == 0) & ((old & _FLAGS) == 0)
    fine |= (
        same_block
        & ((difference & _WARP) == 0)
        & ((old & _WARP_TIME) < (new & _WARP_TIME))
        & ((old & (SEVERAL_WARPS | SEVERAL_BLOCKS)) == 0)
    )
    return ~fine


class Shadow:
    """The stamps of a memory. `cell` is the bytes that have one."""

    def __init__(self, name: str, cell: int = 1) -> None:
        self.name = name
        self.cell = cell
        self.tables: dict[int, tuple[Array, Array]] = {}

    def table(self, key: int, nbytes: int) -> tuple[Array, Array]:
        found = self.tables.get(key)
        if found is None:
            cells = nbytes // self.cell + 1
            found = self.tables[key] = np.zeros(cells, I64), np.zeros(cells, I64)
        return found

    def touch(
        self, at: Array, size: int, kind: str, stamp: Array, total: int, memory: Memory | None
    ) -> tuple[int, int, str] | None:
        """Note accesses at bytes, of a kind: "read", "write", "atomic", or "constant", a read of what must not
        change as long as the kernel runs. (place, the other's stamp, what it did) where one is a race."""
        if memory is None:
            return self.note(self.table(0, total), at, size, kind, stamp)
        owner = memory.owner(int(at.min()) + memory.base)
        if owner is not None and int(at.max()) + memory.base + size <= owner[1]:
            start, end = owner
            return self.note(
                self.table(start, end - start), at - (start - memory.base), size, kind, stamp
            )
        starts = np.array(memory.starts, I64) - memory.base
        which = np.searchsorted(starts, at, "right") - 1
        for k in np.unique(which):
            chosen = np.flatnonzero(which == k)
            found = self.touch(at[chosen], size, kind, stamp[chosen], total, memory)
            if found is not None:
                return int(chosen[found[0]]), found[1], found[2]
        return None

    def note(
        self, tables: tuple[Array, Array], at: Array, size: int, kind: str, stamp: Array
    ) -> tuple[int, int, str] | None:
        writers, readers = tables
        cells = at // self.cell
        each = max(1, size // self.cell)
        if each > 1:
            cells = (cells[:, None] + np.arange(each)).ravel()
            stamp = np.repeat(stamp, each)
        wrote = writers[cells]
        bad = unordered(wrote & ~ATOMIC, stamp) if kind != "constant" else wrote != 0
        if kind == "atomic":
            bad &= (wrote & ATOMIC) == 0
        if bad.any():
            place = int(np.argmax(bad))
            return place // each, int(wrote[place]), "written"
        if kind == "read":
            self.read(readers, cells, stamp)
            return None
        if kind == "constant":
            readers[cells] = stamp | _FLAGS
            return None
        read = readers[cells]
        if read.any():
            bad = unordered(read, stamp)
            if bad.any():
                place = int(np.argmax(bad))
                constant = (read[place] & _FLAGS) == _FLAGS
                return (
                    place // each,
                    int(read[place]),
                    "read (perhaps as constant, ld.global.nc)" if constant else "read",
                )
            readers[cells] = _NONE
        if kind == "atomic":
            writers[cells] = stamp | ATOMIC
            return None
        writers[cells] = stamp
        lost = writers[cells] != stamp
        if lost.any():
            place = int(np.argmax(lost))
            return place // each, int(writers[cells[place]]), "written at the same time"
        return None

    def read(self, readers: Array, cells: Array, stamp: Array) -> None:
        """Note readers: the last one, and whether there are others that nothing orders before the next write."""
        before = readers[cells]
        new = stamp
        if before.any():
            difference = before ^ stamp
            foreign = (before != 0) & ((difference & _BLOCK) != 0) | (
                (before & SEVERAL_BLOCKS) != 0
            )
            with_ = foreign | (before != 0) & ((difference & _TIME) == 0)
            if with_.any():
                flags = before & _FLAGS
                flags |= np.where((difference & _WHO) != 0, SEVERAL, _NONE)
                flags |= np.where((difference & _WARP) != 0, SEVERAL_WARPS, _NONE)
                flags |= np.where(foreign, SEVERAL_WARPS | SEVERAL_BLOCKS, _NONE)
                new = np.where(with_, stamp | flags, stamp)
        readers[cells] = new
        back = readers[cells]
        difference = (back ^ new) & _WHO
        lost = difference != 0
        if lost.any():  # several threads of one instruction at one place
            flags = np.where(difference != 0, SEVERAL, _NONE)
            flags |= np.where((difference & _WARP) != 0, SEVERAL_WARPS, _NONE)
            flags |= np.where((difference & _BLOCK) != 0, SEVERAL_BLOCKS | SEVERAL_WARPS, _NONE)
            np.bitwise_or.at(readers, cells[lost], flags[lost])
