"""What the threads of a team have reduced, as one: through shuffles within a warp, and through shared
memory beyond it. Every thread gets the result. The order is that of the threads' numbers."""

from __future__ import annotations

from ..ir_values import Val, Var
from ..kernel import Target
from ..loop import Loop
from ..loop_reduce import Reduction
from ..loop_values import FLOATS, MEMORY, REGISTER
from .ir import WARP
from .loop_code import Statements
from .loop_shape import Shape

Registers = list[Var]
States = dict[int, list[Registers]]
"""For each reduction: for each lane that is a row of its own, the registers."""


class Teams(Statements):
    """Threads together."""

    member: Val
    """The thread's number in its team."""
    place_in_block: Val
    """The number of its row, or vector of rows, in the block."""

    def __init__(self, loop: Loop, shape: Shape, target: Target, symbol: str) -> None:
        super().__init__(loop, shape, target, symbol)
        self.arrays: dict[tuple[str, int], Val] = {}
        self.uses_shared = shape.team > WARP if shape.kind == "rows" else shape.team > 1
        """Whether a team is more than a warp."""

    def narrow(self, x: Val) -> Val:
        """An i32 as an index."""
        return self.c.wider(x) if self.shape.wide else x

    def variables(self, values: list[str], types: list[str]) -> Registers:
        return [self.c.var(Val(self.c, t, x)) for x, t in zip(values, types, strict=True)]

    def keep(self, registers: Registers, values: list[str]) -> None:
        for x, new in zip(registers, values, strict=True):
            x.set(Val(self.c, x.type, new))

    def combine(self, r: Reduction, states: list[list[str]]) -> list[list[str]]:
        """Each lane's closed state, over the team."""
        if self.shape.team == 1:
            return states
        dtypes = [r.value_dtype, "int64"] if r.arg else [r.dtype]
        if self.shape.kind == "columns":
            return self.through_shared(r, states, dtypes)
        state = self.across_lanes(r, states[0], dtypes, min(self.shape.team, WARP))
        if self.shape.team > WARP:
            state = self.across_warps(r, state, dtypes)
        return [state]

    # --- rows: lanes, then warps ------------------------------------------------------------

    def across_lanes(self, r: Reduction, state: list[str], dtypes: list[str], team: int) -> list[str]:
        """Teams of up to a warp, whose threads follow each other."""
        c = self.c
        far = team // 2
        while far:
            other = [
                c.shuffle_xor(Val(c, REGISTER[d], x), far).text
                for x, d in zip(state, dtypes, strict=True)
            ]
            state = r.merge(self.v, state, other)
            far //= 2
        if dtypes[0] in FLOATS and r.kind in ("min", "max") and team > 1:
            # Which zero of two wins may differ between lanes.
            first = c.thread_id() & (WARP - team)
            state = [c.shuffle_from(Val(c, REGISTER[dtypes[0]], state[0]), first).text]
        return state

    def across_warps(self, r: Reduction, state: list[str], dtypes: list[str]) -> list[str]:
        """What the warps of each team have, one place of shared memory for each."""
        c, shape = self.c, self.shape
        warps = shape.team // WARP
        thread = c.thread_id()
        lane = thread & (WARP - 1)
        arrays = [
            c.shared(MEMORY[d], shape.threads // WARP, 8 if d in ("int64", "float64") else 4)
            for d in dtypes
        ]
        with c.when(lane.compare("eq", 0)):
            warp = c.shifted("lshr", thread, 5)
            for array, x, d in zip(arrays, state, dtypes, strict=True):
                c.store(Val(c, MEMORY[d], self.given(x, d)), array, warp)
        c.barrier()
        first = c.shifted("lshr", thread & -shape.team, 5)
        at = first + (lane & (warps - 1))
        state = [
            self.taken(c.load(MEMORY[d], array, at).text, d)
            for array, d in zip(arrays, dtypes, strict=True)
        ]
        return self.across_lanes(r, state, dtypes, warps)

    # --- columns ----------------------------------------------------------------------------

    def through_shared(
        self, r: Reduction, states: list[list[str]], dtypes: list[str]
    ) -> list[list[str]]:
        """Teams whose threads are as far apart as the block is wide: halves onto halves."""
        c, shape = self.c, self.shape
        across, lanes, team = shape.across, len(states), shape.team
        arrays = [self.array(MEMORY[d], k, shape.threads * lanes) for k, d in enumerate(dtypes)]
        registers = [self.variables(s, [REGISTER[d] for d in dtypes]) for s in states]

        def place(member: Val, lane: int) -> Val:
            return member * (across * lanes) + (self.place_in_block + lane * across)

        def put() -> None:
            for j, own in enumerate(registers):
                for array, x, d in zip(arrays, own, dtypes, strict=True):
                    held = Val(c, MEMORY[d], self.given(x.get().text, d))
                    c.store(held, array, place(self.member, j))

        def take(member: Val, lane: int) -> list[str]:
            return [
                self.taken(c.load(MEMORY[d], array, place(member, lane)).text, d)
                for array, d in zip(arrays, dtypes, strict=True)
            ]

        put()
        half = team // 2
        while half:
            c.barrier()
            with c.when(self.member < half):
                for j, own in enumerate(registers):
                    other = take(self.member + half, j)
                    self.keep(own, r.merge(self.v, [x.get().text for x in own], other))
                put()
            half //= 2
        c.barrier()
        out = [take(c.i32(0), j) for j in range(lanes)]
        c.barrier()
        return out

    def array(self, kind: str, which: int, count: int) -> Val:
        """Shared memory that all reductions use in turn."""
        found = self.arrays.get((kind, which))
        if found is None:
            found = self.arrays[kind, which] = self.c.shared(kind, count)
        return found
