"""Threads that wait for others: lanes of a warp, threads of a block."""

from __future__ import annotations

from typing import Any

import numpy as np

from .active import Active
from .errors import SimulationError
from .program import Segment
from .state import U32, State


class Waiting(State):
    """Warp instructions and barriers of a machine."""

    def ready(self, s: Segment, active: Active) -> Active | None:
        """Those of the threads at a warp instruction whose lanes have all come; others are parked."""
        parked = self.parked.pop(s.number, None)
        if parked is not None:
            index = np.sort(np.concatenate((parked.threads, active.threads)))
            active = (
                self.everyone if len(index) == self.blocks.threads else Active(self.blocks, index)
            )
        if s.members is None and active.whole_warps:
            return active
        named: Any = np.uint32(0xFFFFFFFF)
        if s.members is not None:
            L: list[Any] = [None] * len(self.R)
            for k in s.reads:
                value = self.R[k]
                L[k] = value[active.threads] if value.ndim else value
            named = s.members(L)
        if self.gone:
            alive = Active(self.blocks, np.flatnonzero(~self.exited)).warp_masks
        else:
            alive = self.everyone.warp_masks
        self_bit = np.uint32(1) << active.lane.astype(U32)
        outside = (named & self_bit) == 0
        if np.any(outside):
            raise self.fault(
                SimulationError("a thread is not among the lanes that it names"),
                s.end,
                int(np.argmax(np.broadcast_to(outside, (active.n,)))),
            )
        needed = named & alive[active.warp]
        if (
            s.end is not None
            and s.end.opcode in ("mma", "ldmatrix", "stmatrix", "movmatrix")
            and self.gone
        ):
            needed = np.full(active.n, 0xFFFFFFFF, U32)
        here = active.masks()
        complete = (needed & ~here) == 0
        if complete.all():
            return active
        if not complete.any():
            self.parked[s.number] = active
            return None
        self.parked[s.number] = active.subset(np.flatnonzero(~complete))
        return active.subset(np.flatnonzero(complete))

    def warp_barrier(self) -> None:
        """Memory is in order among the lanes."""
        self.warp_epoch[np.unique(self.active.warp)] += 1
        self.warp_barriers += 1

    def barrier(self, s: Segment, L: list[Any], active: Active) -> None:
        b = s.barrier
        which = b.which(L)
        if which.ndim:
            if (which != which[0]).any():
                raise self.fault(
                    SimulationError("threads wait at barriers of different numbers"), s.end, 0
                )
            which = which[0]
        number = int(which)
        if number >= 16:
            raise self.fault(SimulationError(f"there is no barrier {number}"), s.end, 0)
        whole = self.blocks.per_block
        expected: Any = whole
        if b.count is not None:
            count = np.unique(b.count(L))
            if len(count) > 1:
                raise self.fault(
                    SimulationError("threads expect different numbers at a barrier"), s.end, 0
                )
            expected = int(count[0])
            if expected % 32 and expected != whole:
                raise self.fault(
                    SimulationError(f"a barrier of {expected} threads is no number of warps"),
                    s.end,
                    0,
                )
        if number not in self.waiting and active is self.everyone and expected == whole and b.waits:
            self.epoch += 1
            self.statistics.barriers += self.blocks.count
            self.reduce(b, L, active)
            self.go(s.number + 1, active)
            return
        if b.reduce:
            self.remember(b, L, active)
        counts = self.arrived.setdefault(number, np.zeros(self.blocks.count, np.int64))
        counts += np.bincount(active.block, minlength=self.blocks.count)
        if b.waits:
            self.waiting.setdefault(number, []).append((active, s.number + 1, s))
        else:
            self.go(s.number + 1, active)
        if (counts > expected).any():
            raise self.fault(
                SimulationError(f"more threads than expected at barrier {number}"), s.end, 0
            )
        full = counts == expected
        if not full.any():
            return
        counts[full] = 0
        self.epoch[full] += 1
        self.statistics.barriers += int(full.sum())
        rest, released = [], []
        for waiting, resume, where in self.waiting.pop(number, []):
            go = full[waiting.block]
            if go.any():
                released.append((waiting.subset(np.flatnonzero(go)), resume, where))
            if where.barrier.reduce:
                self.reduce_late(
                    where.barrier, waiting if go.all() else waiting.subset(np.flatnonzero(go))
                )
            if go.all():
                self.go(resume, waiting)
                continue
            if go.any():
                self.go(resume, waiting.subset(np.flatnonzero(go)))
            rest.append((waiting.subset(np.flatnonzero(~go)), resume, where))
        if rest:
            self.waiting[number] = rest
        self.check_warps(released)

    def check_warps(self, released: list[tuple[Active, int, Segment]]) -> None:
        """The lanes of a warp wait at one barrier instruction together, unless it says that they need not."""
        for s in {id(s): s for _, _, s in released}.values():
            if s.end is not None and s.end.opcode == "barrier" and "aligned" not in s.end.modifiers:
                continue
            here = np.sort(np.concatenate([w.threads for w, _, t in released if t is s]))
            masks = Active(self.blocks, here).warp_masks
            wrong = (masks != 0) & (masks != self.everyone.warp_masks)
            if wrong.any():
                thread = int(
                    here[np.argmax(np.isin(Active(self.blocks, here).warp, np.flatnonzero(wrong)))]
                )
                raise SimulationError(
                    f"{self.program.name}: lanes of a warp wait at different places: {s.end}; {self.who(thread)}"
                )

    def reduce(self, b: Any, L: list[Any], active: Active) -> None:
        if b.reduce:
            self.remember(b, L, active)
            self.reduce_late(b, active, L)

    def remember(self, b: Any, L: list[Any], active: Active) -> None:
        self.votes[active.threads] = b.value(L)

    def reduce_late(self, b: Any, active: Active, L: list[Any] | None = None) -> None:
        """The result of bar.red, into the registers of threads that go on."""
        blocks = self.blocks
        votes = self.votes.reshape(blocks.count, blocks.per_block).sum(1)
        per_thread = votes[active.block]
        value: Any
        if b.reduce == "popc":
            value = per_thread.astype(U32)
        else:
            value = per_thread == blocks.per_block if b.reduce == "and" else per_thread > 0
        scratch: list[Any] = [None] * len(self.R)
        b.put(scratch, value)
        for k, v in enumerate(scratch):
            if v is None:
                continue
            if active is self.everyone:
                self.R[k] = v
                continue
            old = self.R[k]
            if old is None or not old.ndim:
                old = (
                    self.poison(k) if old is None else np.full(blocks.threads, old, self.dtypes[k])
                )
                self.R[k] = old
            old[active.threads] = v
