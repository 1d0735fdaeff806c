"""Bringing a factor's tile from global to shared memory.

A tile is `extent` rows (of A; columns of B) by `depth` positions of the sum. Threads go along the
axis that is contiguous in memory in accesses of `vector` elements, so that the lanes of a warp read
neighbours. In shared memory the tile lies

    "k": a line for each position of the sum, or "mn": a line for each row or column

with a pitch that spreads what a warp accesses at a time over the banks. Elements either pass through
registers (`fetch`, then `put`), or are copied without them (`fetch` alone, sm_80).

Rows beyond the matrix are read as the last one: nobody stores what comes of them. Positions beyond
the sum are zeros, in both factors.
"""

from __future__ import annotations

from typing import NamedTuple

from ..ir_values import Val
from .gemm_code import HELD, SIZE, Code, both
from .gemm_index import Place, Reader


class Side(NamedTuple):
    """A factor, as far as code depends on it."""

    dtype: str
    mn: tuple[int, ...]
    k: tuple[int, ...]
    """The keys of its axes (`gemm_index.key_of`)."""
    bounds: int
    """How many coordinates are checked."""
    along: str
    """The axis that is contiguous in memory: "mn" or "k"."""
    vector: int


class Tile(NamedTuple):
    """A tile in shared memory."""

    extent: int
    depth: int
    lines: str
    pitch: int
    """Elements from one line to the next."""
    dtype: str

    @property
    def nbytes(self) -> int:
        count = self.depth if self.lines == "k" else self.extent
        return -(-count * self.pitch * SIZE[self.dtype] // 16) * 16


class Loader:
    """Writes what loads a factor's tiles. Its words are the next of the arguments'."""

    def __init__(self, code: Code, side: Side, tile: Tile, start: int, wide: bool, copies: bool) -> None:
        self.code, self.side, self.tile, self.start, self.copies = code, side, tile, start, copies
        self.base = code.buffer()
        self.mn, self.k = Reader(code, side.mn, wide), Reader(code, side.k, wide)
        self.shift = code.word() if side.bounds else None
        self.bounds = [(code.word("i32"), code.word("i32")) for _ in range(side.bounds)]
        fast, slow = tile.extent, tile.depth
        if side.along == "k":
            fast, slow = slow, fast
        chunks = fast // side.vector
        self.lanes = min(32, chunks)
        self.rows = code.threads // self.lanes
        self.across = chunks // self.lanes
        """Accesses of a thread along the contiguous axis..."""
        self.down = -(-slow // self.rows)
        """...and along the other one."""
        self.idle = self.rows > slow

    def begin(self, first: Val, count: Val, batch: Val) -> None:
        """Once a block: its first row, how many there are, and the batch's offset in elements."""
        c, s = self.code, self.side
        if self.shift is not None:
            batch = batch + self.shift
        thread = c.thread_id()
        lane, row = thread % self.lanes, thread // self.lanes
        fast = lane * s.vector
        self.busy = row < (self.tile.depth if s.along == "mn" else self.tile.extent) if self.idle else None
        size = SIZE[s.dtype]
        self.origin = c.at(self.base, batch, HELD[s.dtype])
        self.size = size
        # What stays the same while the sum goes on: the places along "mn".
        step = self.lanes * s.vector if s.along == "mn" else self.rows
        mine, turns = (fast, self.across) if s.along == "mn" else (row, self.down)
        last = count - (s.vector if s.along == "mn" else 1)
        start = Place(c.const(self.mn.type, 0), {i: b[0] for i, b in enumerate(self.bounds)})
        self.held = [self.mn.at((first + mine + j * step).min(last)) + start for j in range(turns)]
        # What changes: the positions of the sum.
        self.first_k = row if s.along == "mn" else fast
        self.step_k = self.rows if s.along == "mn" else self.lanes * s.vector
        self.turns_k = self.down if s.along == "mn" else self.across
        # Where this thread's elements go.
        mn, k = (fast, row) if s.along == "mn" else (row, fast)
        line, column = (k, mn) if self.tile.lines == "k" else (mn, k)
        self.target = (line * self.tile.pitch + column) * SIZE[self.tile.dtype] + self.start

    def _step(self, i: int, j: int) -> int:
        """Bytes in shared memory to the access at the i-th position and j-th row."""
        mn = j * (self.lanes * self.side.vector if self.side.along == "mn" else self.rows)
        k = i * self.step_k
        line, column = (k, mn) if self.tile.lines == "k" else (mn, k)
        return (line * self.tile.pitch + column) * SIZE[self.tile.dtype]

    def fetch(self, k: Val, end: Val, slot: Val) -> list[list[Val]]:
        """Load the tile at position k of the sum, which ends at `end`; copies go to the shared memory
        that begins at `slot`."""
        c, s, out = self.code, self.side, []
        target = self._copy_target(slot) if self.copies else slot
        for i in range(self.turns_k):
            position = k + self.first_k + i * self.step_k
            there = both(position < end, self.busy)
            place = self.k.at(position)
            for j, held in enumerate(self.held):
                at = held + place
                where = there
                for n, (_, limit) in enumerate(self.bounds):
                    where = both(where, at.coordinates[n].compare("ult", limit))
                address = c.at(self.origin, at.offset, HELD[s.dtype])
                if self.copies:
                    self._copy(target, self._step(i, j), address, where)
                else:
                    out.append(c.load_where(HELD[s.dtype], s.vector, address, where))
        return out

    def _copy_target(self, slot: Val) -> Val:
        c = self.code
        base = c.value("i32", f"ptrtoint {c.dynamic_shared()!r} to i32")
        return base + slot + self.target

    def _copy(self, to: Val, skip: int, address: Val, where: Val | None) -> None:
        nbytes = self.side.vector * self.size
        if self.busy is None:
            self.code.copy_async(to, skip, address, nbytes, where)
            return
        with self.code.when(self.busy):
            self.code.copy_async(to, skip, address, nbytes, where)

    def put(self, fetched: list[list[Val]], slot: Val) -> None:
        """Store what was fetched into the shared memory that begins at `slot`."""
        if self.copies:
            return
        if self.busy is None:
            self._put(fetched, slot)
            return
        with self.code.when(self.busy):
            self._put(fetched, slot)

    def _put(self, fetched: list[list[Val]], slot: Val) -> None:
        c, s, t = self.code, self.side, self.tile
        target = slot + self.target
        contiguous = (t.lines == "k") == (s.along == "mn")
        for n, values in enumerate(fetched):
            i, j = divmod(n, len(self.held))
            if s.dtype != t.dtype:
                values = [c.widened(x, s.dtype) for x in values]
            step = self._step(i, j)
            if contiguous:
                align = SIZE[t.dtype] * s.vector
                c.store(c.vector_of(values), c.shared_at(target + step), align=align)
                continue
            for lane, x in enumerate(values):
                c.store(x, c.shared_at(target + (step + lane * t.pitch * SIZE[t.dtype])))
