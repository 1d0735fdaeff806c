"""How a loop is divided over the threads of a GPU.

A multiprocessor needs some 64 KiB of loads under way to be busy: with four blocks of 256 threads on
it, 64 bytes a thread (`AHEAD`), in accesses of 16 bytes where arrays are aligned to that. Loops that
compute much for each element need less, and registers more.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ..loop import DTYPES, Access, Loop
from ..loop_plan import _cost
from .ir import WARP
from .kernel import Room
from .loop_code import VECTOR_BYTES
from .loop_shape import Shape, bytes_of, moved, varying

THREADS = 256
"""Of most blocks."""
AHEAD = 64
"""Bytes that a thread loads before it computes."""
RESIDENT = 8
"""Blocks of a multiprocessor, where there is work for so many: threads are all that limits it."""
ACCESSES = 8
"""Loads and stores that a thread prepares, at most: each has an address in two registers."""
HEAVY = 60
"""Bodies of this cost compute more than they load."""
BODIES = 1500
"""Cost of all that is written out for one thread, at most."""
HELD = 64
"""Registers of a row's elements that a thread holds, at most."""
TURNS = 8
"""Rows that take fewer turns are not divided: launches take as long as some turns."""
SMALL = 1 << 30
"""Counts below it, and offsets below twice as much, are i32."""


class Choice(NamedTuple):
    """A shape, and the launch's grid."""

    shape: Shape
    blocks: int
    rows: int = 0
    """Rows, or vectors of rows."""
    chunks: int = 1
    """That each row is divided into."""
    chunk: int = 0
    """Vectors of a chunk."""


class _Sizes(NamedTuple):
    """What the arrays of a loop are like."""

    loop: Loop
    extents: tuple[int, ...]
    operands: tuple[Access, ...]
    loose: frozenset[int]
    """Operands whose buffers are aligned to an element only."""
    constant: tuple[bool, ...]
    multiprocessors: int

    @property
    def vector_dim(self) -> int:
        return self.loop.par - 1 if self.loop.vector == "par" else len(self.extents) - 1

    @property
    def cost(self) -> int:
        """Of all full stages, for one element."""
        return sum(_cost(s.body) for s in self.loop.stages if s.level == "full")

    @property
    def heaviest(self) -> int:
        """The cost of the most expensive full stage."""
        return max([_cost(s.body) for s in self.loop.stages if s.level == "full"], default=0)

    def aligned(self, o: int, lanes: int) -> bool:
        """Whether `lanes` elements of an operand, side by side, are aligned to all their bytes."""
        operand = [*self.loop.inputs, *self.loop.outputs][o]
        a = self.operands[o]
        size = min(lanes * DTYPES[operand.dtype], VECTOR_BYTES)
        if operand.inner != 1 or o in self.loose or a.gather % size:
            return False
        others = (s for d, s in enumerate(a.strides) if d != self.vector_dim and self.extents[d] > 1)
        return a.offset % size == 0 and all(s % size == 0 for s in others)

    def vectors(self, lanes: int) -> tuple[bool, ...]:
        return tuple(lanes > 1 and self.aligned(o, lanes) for o in range(len(self.operands)))

    def lanes(self, most: int, rest: bool) -> int:
        """Elements of a vector: as many as most of the loop's bytes are aligned to. `rest`: whether
        the vector dimension may have some more elements than full vectors."""
        n = self.extents[self.vector_dim]
        own = [(o, x) for o, x in moved(self.loop) if x.inner != 0]
        total = sum(bytes_of(x) for _, x in own)
        lanes = most
        while lanes > 1:
            fits = sum(bytes_of(x) for o, x in own if self.aligned(o, lanes))
            if (rest or n % lanes == 0) and n >= lanes and 2 * fits >= total:
                break
            lanes //= 2
        return lanes

    def gapless(self) -> tuple[bool, ...]:
        """The operands that lie without gaps over all dimensions, aligned to a vector."""
        out = []
        for o, (a, x) in enumerate(zip(self.operands, [*self.loop.inputs, *self.loop.outputs])):
            step, fits = DTYPES[x.dtype], a.offset % VECTOR_BYTES == 0
            for n, stride in zip(reversed(self.extents), reversed(a.strides)):
                fits = fits and (stride == step or n == 1)
                step *= n
            out.append(fits and x.inner == 1 and o not in self.loose and o not in self.loop.gathers)
        return tuple(out)

    def widest(self) -> int:
        """Bytes of the largest element that full stages read or write."""
        return max([bytes_of(x) for _, x in moved(self.loop)], default=4)

    def loaded(self, lanes: int) -> list[int]:
        """Bytes that a thread loads of each input for a vector."""
        inputs = {o for o, _ in moved(self.loop) if o < len(self.loop.inputs)}
        return [lanes * bytes_of(self.loop.inputs[o]) for o in inputs if self.loop.inputs[o].inner != 0]

    def ahead(self, lanes: int) -> int:
        """Vectors that a thread has under way."""
        loaded = self.loaded(lanes)
        copies = min(AHEAD // max(sum(loaded), 4), ACCESSES // max(len(moved(self.loop)), 1))
        copies = _below(copies)
        while copies > 1 and copies * lanes * self.cost > BODIES:
            copies //= 2
        while copies * lanes > 4 and copies > 1 and self.heaviest >= HEAVY:
            copies //= 2
        return copies

    def wide(self) -> bool:
        """Whether i32 is not enough."""
        far = max(
            sum((n - 1) * abs(s) for n, s in zip(self.extents, a.strides) if n > 1)
            for a in self.operands
        ) if self.operands else 0  # fmt: skip
        par = math.prod(self.extents[: self.loop.par])
        red = math.prod(self.extents[self.loop.par :])
        return far >= 2 * SMALL - 4096 or par >= SMALL or red >= SMALL


def choose(
    loop: Loop, extents: tuple[int, ...], operands: tuple[Access, ...], room: Room
) -> Choice:
    """The shape and the grid."""
    moves = getattr(room, "owner", {})
    loose = frozenset(o for o, a in enumerate(operands) if a.slot in moves)
    s = _Sizes(loop, extents, operands, loose, _constant(loop, operands, moves), room.gpu.multiprocessors)
    if not loop.red:
        return _map(s)
    return _rows(s) if loop.vector == "red" else _columns(s)


def _constant(loop: Loop, operands: tuple[Access, ...], moves: dict[int, int]) -> tuple[bool, ...]:
    """The inputs that nothing writes: a planner may still decide to put an output where an input is
    that it is alike."""
    def same(a: Access, b: Access, gathered: bool) -> bool:
        if moves.get(a.slot, a.slot) == moves.get(b.slot, b.slot):
            return True
        return not gathered and a.strides == b.strides

    outputs = operands[len(loop.inputs) :]
    return tuple(
        not any(same(a, b, i in loop.gathers) for b in outputs)
        for i, a in enumerate(operands[: len(loop.inputs)])
    )


def _map(s: _Sizes) -> Choice:
    lanes = s.lanes(_below(VECTOR_BYTES // s.widest()), s.loop.par == 1)
    while lanes > 1 and lanes * s.cost > BODIES:
        lanes //= 2
    flat: tuple[bool, ...] = ()
    vectors = s.vectors(lanes)
    if lanes == 1 and s.loop.par > 1:
        gapless = s.gapless()
        own = [(o, bytes_of(x)) for o, x in moved(s.loop) if x.inner != 0]
        most = _below(VECTOR_BYTES // s.widest())
        if 2 * sum(n for o, n in own if gapless[o]) >= sum(n for _, n in own) and most * s.cost <= BODIES:
            flat = vectors = gapless
            lanes = most
    copies = 1 if flat else s.ahead(lanes)
    count = math.prod(s.extents) // lanes
    if count < 2 * THREADS * copies * s.multiprocessors:
        copies = 1
    shape = Shape("map", s.wide(), lanes, copies, vectors, s.constant, THREADS, flat=flat)
    # The elements after the last vector are the first threads' of the grid.
    blocks = max(-(-count // (THREADS * copies)), 1)
    return Choice(shape, min(blocks, 2 * RESIDENT * s.multiprocessors))


def _rows(s: _Sizes) -> Choice:
    """Rows that lie along the vector dimension."""
    loop = s.loop
    rows = math.prod(s.extents[: loop.par])
    most = _below(VECTOR_BYTES // s.widest())
    lanes = s.lanes(most, False)
    held = _held(s, rows, lanes)
    if held is not None:
        team, copies = held
        threads = max(team, _block(rows, team, s.multiprocessors))
        shape = Shape(
            "rows", s.wide(), lanes, copies, s.vectors(lanes), s.constant, threads, team, True
        )
        return Choice(shape, _blocks(s, rows, shape), rows)
    lanes = s.lanes(most, loop.red == 1)
    while lanes > 1 and lanes * s.cost > BODIES:
        lanes //= 2
    count = math.prod(s.extents[loop.par :]) // lanes
    copies = s.ahead(lanes)
    team = min(max(_above(-(-count // copies)), WARP), THREADS)
    shape = Shape("rows", s.wide(), lanes, copies, s.vectors(lanes), s.constant, THREADS, team)
    return _divide(s, shape, rows, count)


def _held(s: _Sizes, rows: int, lanes: int) -> tuple[int, int] | None:
    """(threads of a team, vectors of a thread) where rows are short enough for registers."""
    count = math.prod(s.extents[s.loop.par :]) // lanes
    if not count:
        return None
    inputs = varying(s.loop)
    each = lanes * sum(max(bytes_of(s.loop.inputs[o]), 4) // 4 for o in inputs)
    most = min(8 if lanes > 1 else 16, _below(HELD // max(each, 1)), _below(BODIES // max(s.cost * lanes, 1)))
    if most < 1:
        return None
    team = min(_above(-(-count // min(most, 2))), WARP)
    if count > team * most:
        team = _above(-(-count // most))
    while team < min(count, THREADS) and rows * team < 512 * s.multiprocessors:
        team *= 2
    copies = _above(-(-count // team))
    if team > 512 or team > THREADS and copies * each > HELD // 2:
        return None
    if len([x for x in s.loop.stages if x.level == "full"]) == 1 and team > THREADS:
        return None  # nothing to be held for
    return team, copies


def _block(rows: int, team: int, multiprocessors: int) -> int:
    """Threads of a block: fewer where there would be too few blocks."""
    threads = THREADS
    while threads > 64 and threads > team and rows * team < threads * multiprocessors:
        threads //= 2
    return threads


def _columns(s: _Sizes) -> Choice:
    """Rows that lie across the vector dimension."""
    loop = s.loop
    count = math.prod(s.extents[loop.par :])
    lanes = s.lanes(max(4 // s.widest(), 1), False)
    columns = math.prod(s.extents[: loop.par]) // lanes
    copies = min(s.ahead(lanes), _below(count))
    across = min(_above(columns), WARP)
    team = min(_above(-(-count // copies)), THREADS // across)
    across = min(THREADS // team, max(_above(columns), WARP // team))
    while across > WARP and columns < 2 * across * s.multiprocessors:
        across //= 2
    shape = Shape(
        "columns", s.wide(), lanes, copies, s.vectors(lanes), s.constant, across * team, team
    )
    return _divide(s, shape, columns, count)


def _divide(s: _Sizes, shape: Shape, rows: int, count: int) -> Choice:
    """Each row in chunks, where there are too few rows for the device."""
    blocks = _blocks(s, rows, shape)
    turn = shape.team * shape.copies
    wanted = 4 * s.multiprocessors * THREADS // shape.threads
    chunks = min(-(-wanted // blocks), count // max(2 * turn, 1), 4096)
    if chunks < 2 or 2 * blocks > wanted or count < TURNS * turn:
        return Choice(shape, blocks, rows)
    chunk = -(-count // chunks)
    chunk = -(-chunk // shape.team) * shape.team
    return Choice(shape, blocks, rows, -(-count // chunk), chunk)


def _blocks(s: _Sizes, rows: int, shape: Shape) -> int:
    most = 2 * RESIDENT * s.multiprocessors * THREADS // shape.threads
    return max(min(-(-rows // shape.across), most), 1)


def _below(n: int) -> int:
    """The largest power of two up to n, at least 1."""
    return 1 << max(n, 1).bit_length() - 1


def _above(n: int) -> int:
    """The smallest power of two from n on."""
    return 1 << max(n - 1, 0).bit_length()
