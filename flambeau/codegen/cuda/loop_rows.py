"""Loops with reductions on a GPU: a team of threads for each row.

    for the rows of the block, a grid further each time:
        row stage:   every thread for itself; one stores
        full stage:  for i in thread of team, a team further each time: several vectors at once
                     what each thread has reduced is combined: `loop_teams`

Where a row is short its vectors stay in registers from stage to stage (`Shape.held`): each thread has
a fixed number of them, and those beyond the row's end are others' over again, left out of the sums.

Where rows are few and long each is divided into chunks, one for each of the grid's y, and a launch
computes one stage (`Shape.step`): it leaves what its chunks have reduced in memory, where the launches
after it find it and combine it, in the order of the chunks. Row stages are computed anew in each
launch that needs them; what they store is stored by the last launch.

Words after `loop_code`'s in divided rows: vectors of a chunk, chunks, elements from one chunk's and
one row's partial result to the next; then for each reduction that is read or written its buffers.
"""

from __future__ import annotations

from ..ir_values import Val
from ..kernel import Target
from ..loop import Loop
from ..loop_plan import BLOCK
from ..loop_reduce import Reduction, reductions
from ..loop_values import MEMORY, REGISTER
from .ir import WARP
from .loop_code import Place
from .loop_shape import ROWS, WHOLE, Shape, needed
from .loop_teams import States, Teams


class Rows(Teams):
    """A kernel with reductions."""

    def __init__(self, loop: Loop, shape: Shape, target: Target, symbol: str) -> None:
        super().__init__(loop, shape, target, symbol)
        self.wanted = wanted(loop, shape.step)
        if shape.step != WHOLE:
            self.partials()

    def partials(self) -> None:
        """Read the words of divided rows."""
        c = self.c
        self.chunk_size, self.chunks = c.words(2, self.index)
        self.chunk_stride, self.row_stride = c.words(2)
        self.partial: dict[int, list[Val]] = {}
        for r in shared_reductions(self.loop, self.shape.step):
            self.partial[r.number] = [c.buffer() for _ in partial_dtypes(r)]

    # --- rows -------------------------------------------------------------------------------

    def write(self) -> str:
        c, shape = self.c, self.shape
        thread = c.thread_id()
        if shape.kind == "rows":
            member, row = thread & (shape.team - 1), c.shifted("lshr", thread, _log(shape.team))
        else:
            member, row = c.shifted("lshr", thread, _log(shape.across)), thread & (shape.across - 1)
        self.member, self.place_in_block = member, row
        self.t = self.narrow(member)
        first = self.narrow(c.block_id()) * shape.across
        step = self.narrow(c.grid_size()) * shape.across
        with c.loop(first, self.par_count, step) as base:
            self.one_row(base)
            if self.uses_shared:
                c.barrier()
        return c.text()

    def one_row(self, base: Val) -> None:
        """All stages of the launch, for the rows of the block from `base` on."""
        shape = self.shape
        p, live = base, None
        if shape.across > 1:
            own = base + self.narrow(self.place_in_block)
            live = own < self.par_count
            p = own.min(self.par_count - 1)
        self.p, self.live = p, live
        lanes = shape.lanes if shape.kind == "columns" else 1
        par = self.split(p, self.par_sizes)
        self.par = self.scaled(par, lanes)
        self.base_of: dict[int, Val] = {}
        row = Place(self.par, self.base_of, None, lanes)
        for o in range(len(self.operands)):
            self.base(o, row)  # where it holds for all stages
        for n, stage in enumerate(self.loop.stages):
            if stage.level == "row":
                self.row_stage(n, row)
            elif shape.step in (WHOLE, n):
                self.full_stage(n)
                if shape.step == n:
                    return
            else:
                self.fetch(n)

    def row_stage(self, n: int, row: Place) -> None:
        shape = self.shape
        self.evaluate(n, [row], self.wanted)
        stores = [s for _, s in self.numbered(n) if s.op == "store"]
        if not stores or shape.step not in (WHOLE, ROWS):
            return
        self.settle()
        one = self.live
        if shape.team > 1:
            first = self.member.compare("eq", 0)
            one = first if one is None else one & first
        for s in stores:
            self.store(s, 0, row, one)

    def settle(self) -> None:
        """What other threads of the team still load may be stored over after this."""
        if self.shape.team > WARP or self.shape.kind == "columns" and self.shape.team > 1:
            self.c.barrier()
        elif self.shape.team > 1:
            self.c.warp_barrier()

    # --- full stages ------------------------------------------------------------------------

    def full_stage(self, n: int) -> None:
        found = reductions(self.firsts[n], self.loop.stages[n].body, self.all)
        lanes = self.shape.lanes if self.shape.kind == "columns" else 1
        states = {r.number: [self.variables(r.start(self.v), r.types(self.v)) for _ in range(lanes)]
                  for r in found}  # fmt: skip
        if self.shape.held:
            self.held_stage(n, found, states)
        else:
            self.loop_stage(n, found, states)
        for r in found:
            closed = [r.close(self.v, [x.get().text for x in s]) for s in states[r.number]]
            together = self.combine(r, closed)
            if self.shape.step == WHOLE:
                self.values[r.number] = [[r.result(self.v, s) for s in together]]
            else:
                self.leave(r, together)

    def held_stage(self, n: int, found: list[Reduction], states: States) -> None:
        """Every thread's vectors, all in registers."""
        places = []
        for u in range(self.shape.copies):
            i = self.t + u * self.shape.team
            inside = i < self.red_count
            places.append(self.vector(i.min(self.red_count - 1), inside))
        self.body(n, places, found, states)

    def loop_stage(self, n: int, found: list[Reduction], states: States) -> None:
        """The chunk's vectors, or the row's, `copies` at a time."""
        c, shape = self.c, self.shape
        start: Val = self.t
        stop = self.red_count
        if shape.step != WHOLE:
            low = self.narrow(c.block_id("y")) * self.chunk_size
            start = low + self.t
            stop = (low + self.chunk_size).min(self.red_count)
        at = c.var(start)
        turns = c.var(c.i32(0))
        blocked = [r for r in found if r.blocked]
        ahead = (shape.copies - 1) * shape.team
        elements = shape.copies * (shape.lanes if shape.kind == "rows" else 1)
        with c.loop_while(lambda: at.get() + ahead < stop):
            i = at.get()
            self.body(n, [self.vector(i + u * shape.team) for u in range(shape.copies)], found, states)
            at.set(i + shape.copies * shape.team)
            if blocked:
                turns.set(turns.get() + 1)
                with c.when(turns.get().compare("sge", max(BLOCK // elements, 1))):
                    turns.set(c.i32(0))
                    for r in blocked:
                        for s in states[r.number]:
                            self.keep(s, r.flush(self.v, [x.get().text for x in s]))
        if shape.copies > 1:
            with c.loop(at.get(), stop, shape.team) as i:
                self.body(n, [self.vector(i)], found, states)
        if shape.kind == "rows" and shape.lanes > 1 and self.loop.red == 1:
            self.after_vectors(n, found, states)

    def after_vectors(self, n: int, found: list[Reduction], states: States) -> None:
        """The elements that fill no vector."""
        c = self.c
        inside = self.t < self.tail
        if self.shape.step != WHOLE:
            inside = inside & (self.narrow(c.block_id("y")) + 1).compare("eq", self.chunks)
        with c.when(inside):
            element = self.red_count * self.shape.lanes + self.t
            self.body(n, [Place(self.par, self.base_of, [element], 1)], found, states)

    def vector(self, i: Val, inside: Val | None = None) -> Place:
        """A place of the row by its number."""
        lanes = self.shape.lanes
        red = self.split(i, self.red_sizes)
        if self.shape.kind == "rows":
            red = self.scaled(red, lanes)
        return Place(self.par, self.base_of, red, lanes, inside)

    def body(
        self, n: int, places: list[Place], found: list[Reduction], states: States
    ) -> None:
        """A full stage's statements at some places: values, reductions, stores."""
        self.evaluate(n, places)
        for r in found:
            for u, place in enumerate(places):
                mask = place.live.text if place.live is not None else None
                for j in range(place.lanes):
                    s = states[r.number][j if self.shape.kind == "columns" else 0]
                    x = self.value(r.argument, u, j)
                    index = self.index_of(r, place, j)
                    self.keep(s, r.step(self.v, [y.get().text for y in s], x, index, mask))
        for u, place in enumerate(places):
            live = place.live
            if self.live is not None:
                live = self.live if live is None else live & self.live
            for _, statement in self.numbered(n):
                if statement.op == "store":
                    self.store(statement, u, place, live)

    # --- divided rows -----------------------------------------------------------------------

    def partial_at(self, chunk: Val, lane: int) -> Val:
        """Where a chunk's partial result of a lane's row is, in elements."""
        lanes = self.shape.lanes if self.shape.kind == "columns" else 1
        row = self.long(self.p) * lanes + lane
        return self.long(chunk) * self.chunk_stride + row * self.row_stride

    def leave(self, r: Reduction, states: list[list[str]]) -> None:
        """Keep a chunk's partial results."""
        one = self.live
        if self.shape.team > 1:
            first = self.member.compare("eq", 0)
            one = first if one is None else one & first
        chunk = self.narrow(self.c.block_id("y"))
        places = [self.partial_at(chunk, j) for j in range(len(states))]
        for j, state in enumerate(states):
            for buffer, dtype, x in zip(self.partial[r.number], partial_dtypes(r), state, strict=True):
                held = Val(self.c, MEMORY[dtype], self.given(x, dtype))
                self.c.store(held, buffer, places[j], mask=one)

    def fetch(self, n: int) -> None:
        """What the launch of stage n has left, combined."""
        c = self.c
        for r in reductions(self.firsts[n], self.loop.stages[n].body, self.all):
            if r.number not in self.partial:
                continue
            dtypes = partial_dtypes(r)
            lanes = self.shape.lanes if self.shape.kind == "columns" else 1
            kinds = [REGISTER[d] for d in dtypes]
            start = r.close(self.v, r.start(self.v))
            states = [self.variables(start, kinds) for _ in range(lanes)]
            with c.loop(self.t, self.chunks, self.shape.team) as chunk:
                for j, s in enumerate(states):
                    at = self.partial_at(chunk, j)
                    x = [
                        self.taken(c.load(MEMORY[d], b, at, invariant=True).text, d)
                        for b, d in zip(self.partial[r.number], dtypes, strict=True)
                    ]
                    self.keep(s, r.merge(self.v, [y.get().text for y in s], x))
            together = self.combine(r, [[x.get().text for x in s] for s in states])
            self.values[r.number] = [[r.result(self.v, s) for s in together]]


def _log(n: int) -> int:
    return n.bit_length() - 1


def partial_dtypes(r: Reduction) -> list[str]:
    """Of the registers of a closed state."""
    return [r.value_dtype, "int64"] if r.arg else [r.dtype]


def wanted(loop: Loop, step: int) -> set[int] | None:
    """The statements of row stages that a launch has to compute; None for all."""
    if step == WHOLE:
        return None
    out: set[int] = set()
    k = 0
    for n, stage in enumerate(loop.stages):
        for s in stage.body:
            if n == step or step == ROWS and stage.level == "row" and s.op == "store":
                out.add(k)
            k += 1
    return needed(loop, out)


def shared_reductions(loop: Loop, step: int) -> list[Reduction]:
    """The reductions whose partial results a launch reads or writes."""
    all = [s for stage in loop.stages for s in stage.body]
    want = wanted(loop, step) or set()
    out: list[Reduction] = []
    first = 0
    for stage in loop.stages:
        out += [r for r in reductions(first, stage.body, all) if r.number in want]
        first += len(stage.body)
    return out
