"""Runs a kernel: all threads of many blocks at once, an instruction a NumPy call.

Threads that stand at the same place run together, those at the lowest place first, so that threads that
went different ways meet again where the ways do. Where all threads of the blocks run together, registers
are used as they are; else those of the threads concerned are taken out, and put back at the segment's end.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .accesses import PARAM_WINDOW
from .active import Active, Blocks
from .asynchronous import Copies
from .errors import Deadlock, Trap
from .memory import Bytes, Memory, junk
from .program import Program, Segment
from .races import Shadow
from .state import U32, Array
from .statistics import Statistics, gather, narrowest
from .values import DTYPES
from .waiting import Waiting

THREADS = 1 << 15
"""Threads that run at once, some."""
SHARED = 256 << 20
"""Bytes of shared and local memory that are held at once, some."""
STEPS = 20_000_000
"""Segments after which a kernel is taken to run for ever."""
FAIR = 128
"""After so many steps some other threads than those at the lowest place go on: some wait in a loop for others."""


class Machine(Waiting, Copies):
    """One launch of a kernel on one device's memory."""

    def __init__(
        self,
        program: Program,
        memory: Memory,
        grid: tuple[int, int, int],
        block: tuple[int, int, int],
        parameters: bytes,
        shared: int = 0,
        symbols: dict[str, int] | None = None,
        race_check: bool = False,
        seed: int | None = None,
        measure: bool = False,
        peers: tuple[Memory, ...] = (),
    ) -> None:
        self.program = program
        self.memory = memory
        self.peers = peers
        self.grid = grid
        self.block = block
        self.parameters = parameters.ljust(program.parameter_bytes, b"\0") + bytes(16)
        self.parameter_offsets = {name: offset for name, offset, _ in program.parameters}
        self.symbols = symbols or {}
        self.shared_bytes = program.static_shared + shared
        self.dynamic_shared = shared
        self.random = None if seed is None else np.random.default_rng(seed)
        self.measure = measure
        self.limit = STEPS
        self.steps = 0
        self.dtypes = [DTYPES[k] for k in program.kinds]
        self.executed = [0] * len(program.segments)
        self.statistics = Statistics(
            program.name, grid, block, self.shared_bytes, program.registers
        )
        self.race_check = race_check
        self.global_shadow = Shadow("global", narrowest(program, "global")) if race_check else None
        self.shared_shadow = None
        self.valid_shared = self._valid_shared() if race_check else None

    def _valid_shared(self) -> Array:
        valid = np.zeros(self.shared_bytes, bool)
        for _, start, end in self.program.shared_layout:
            valid[start:end] = True
        valid[self.program.static_shared :] = True
        return valid

    def run(self) -> Statistics:
        """All blocks of the grid. Raises a Fault where a real GPU ends the kernel with an error."""
        per_block = self.block[0] * self.block[1] * self.block[2]
        blocks = self.grid[0] * self.grid[1] * self.grid[2]
        stride = (self.shared_bytes + 15) // 16 * 16
        held = stride + per_block * self.program.local_bytes
        at_once = max(1, min(blocks, THREADS // per_block, SHARED // max(held, 1)))
        starts = list(range(0, blocks, at_once))
        if self.random is not None:
            self.random.shuffle(starts)
        with np.errstate(all="ignore"):
            for first in starts:
                count = min(at_once, blocks - first)
                self.run_blocks(Blocks(first, count, per_block, stride, self.program.local_bytes))
        gather(self.program, self.executed, self.statistics)
        self.statistics.steps = self.steps
        return self.statistics

    # A number of blocks.

    def run_blocks(self, blocks: Blocks) -> None:
        self.blocks = blocks
        self.shared = Bytes(np.empty(blocks.count * blocks.shared_stride + 16, np.uint8))
        self.local = Bytes(np.empty(blocks.threads * blocks.local_stride + 16, np.uint8))
        junk(self.shared.data, blocks.first % 1009)
        junk(self.local.data, 31)
        if self.race_check:
            self.shared_shadow = Shadow("shared", narrowest(self.program, "shared"))
        self.everyone = Active(blocks)
        self.R = self.registers()
        self.exited = np.zeros(blocks.threads, bool)
        self.gone = 0
        self.waiting = {}
        self.arrived = {}
        self.votes = np.zeros(blocks.threads, bool)
        self.epoch = np.zeros(blocks.count, np.int64)
        self.warp_epoch = np.zeros(blocks.warps, np.int64)
        self.warp_barriers = 0
        self.async_group = np.zeros(blocks.threads, np.int64)
        self.async_pending = []
        self.groups = {0: self.everyone}
        self.active = self.everyone
        self.parked = {}
        self.loop()
        if self.gone != blocks.threads:
            self.deadlock()

    def registers(self) -> list[Any]:
        blocks = self.blocks
        R: list[Any] = [None] * len(self.dtypes)
        numbers = self.program.numbers
        for k in self.program.uninitialised:
            R[k] = self.poison(k)
        inside = np.arange(blocks.threads, dtype=np.int64) % blocks.per_block
        number = blocks.first + np.arange(blocks.threads, dtype=np.int64) // blocks.per_block
        bx, by, bz = self.block
        gx, gy, gz = self.grid
        lane = (inside & 31).astype(U32)
        one = np.uint32(1)

        def u32(x: Any) -> Any:
            return np.asarray(x).astype(U32)[()]

        values: dict[str, Any] = {
            "%tid.x": lambda: u32(inside % bx), "%tid.y": lambda: u32(inside // bx % by),
            "%tid.z": lambda: u32(inside // (bx * by)),
            "%ntid.x": lambda: u32(bx), "%ntid.y": lambda: u32(by), "%ntid.z": lambda: u32(bz),
            "%ctaid.x": lambda: u32(number % gx if blocks.count > 1 else blocks.first % gx),
            "%ctaid.y": lambda: u32(number // gx % gy if blocks.count > 1 else blocks.first // gx % gy),
            "%ctaid.z": lambda: u32(number // (gx * gy) if blocks.count > 1 else blocks.first // (gx * gy)),
            "%nctaid.x": lambda: u32(gx), "%nctaid.y": lambda: u32(gy), "%nctaid.z": lambda: u32(gz),
            "%laneid": lambda: lane, "%warpid": lambda: u32(inside // 32),
            "%nwarpid": lambda: u32(blocks.warps_per_block), "WARP_SZ": lambda: u32(32),
            "%lanemask_eq": lambda: one << lane, "%lanemask_lt": lambda: (one << lane) - one,
            "%lanemask_le": lambda: (one << lane << one) - one, "%lanemask_gt": lambda: ~((one << lane << one) - one),
            "%lanemask_ge": lambda: ~((one << lane) - one),
            "%smid": lambda: u32(number % 132), "%nsmid": lambda: u32(132), "%gridid": lambda: np.uint64(1),
            "%dynamic_smem_size": lambda: u32(self.dynamic_shared), "%total_smem_size": lambda: u32(self.shared_bytes),
        }  # fmt: skip
        for name, k in numbers.items():
            if name in values:
                R[k] = values[name]()
            elif name.startswith("&"):
                variable = name[1:]
                if variable in self.parameter_offsets:
                    R[k] = np.uint64(PARAM_WINDOW + self.parameter_offsets[variable])
                else:
                    R[k] = np.uint64(self.symbols[variable])
            elif name == "%cc":
                R[k] = np.bool_(False)
        return R

    def poison(self, register: int) -> Array:
        """What a register holds that nobody wrote."""
        dtype = self.dtypes[register]
        n = self.blocks.threads
        if dtype == np.bool_:
            return np.arange(n) % 3 == 1
        data = np.empty(n * dtype.itemsize, np.uint8)
        junk(data, register * 7 % 65521)
        return data.view(dtype)

    def loop(self) -> None:
        segments, groups = self.program.segments, self.groups
        everyone = self.everyone
        while groups:
            self.steps += 1
            if self.steps > self.limit:
                raise Deadlock(
                    f"{self.program.name} runs for ever: {self.steps} steps. {self.where()}"
                )
            if len(groups) == 1:
                ((at, active),) = groups.items()
            else:
                at = min(groups)
                if self.steps % FAIR == 0:
                    at = list(groups)[self.steps // FAIR % len(groups)]
                active = groups[at]
            del groups[at]
            if self.random is not None:
                active = self.some(at, active)
            s = segments[at]
            if s.kind == "warp":
                ready = self.ready(s, active)
                if ready is None:
                    continue
                active = ready
            self.executed[at] += active.n
            self.active = active
            if active is everyone:
                L = self.R
            else:
                L = [None] * len(self.R)
                index = active.index
                R = self.R
                for k in s.reads:
                    value = R[k]
                    L[k] = value[index] if value.ndim else value
            for op in s.ops:
                op(self, L)
            kind = s.kind
            if kind == "warp":
                assert s.op is not None
                s.op(self, L)
            if active is not everyone:
                self.put_back(s, L, active)
            if kind == "branch":
                self.branch(s, L, active)
            elif kind == "fall" or kind == "warp":
                self.go(at + 1, active)
            elif kind == "jump":
                self.go(s.target, active)
            elif kind == "barrier":
                self.barrier(s, L, active)
            elif kind == "exit":
                self.exit(active)
            elif kind == "switch":
                self.switch(s, L, active)
            else:
                raise self.fault(Trap(), s.end, 0)

    def put_back(self, s: Segment, L: list[Any], active: Active) -> None:
        R, index = self.R, active.index
        for k in s.writes:
            value = L[k]
            if value is None:
                continue
            old = R[k]
            if old is None:
                R[k] = old = self.poison(k)
            elif not old.ndim:
                R[k] = old = np.full(self.blocks.threads, old, self.dtypes[k])
            old[index] = value

    def some(self, at: int, active: Active) -> Active:
        """At random, only some of the warps."""
        assert self.random is not None
        if self.random.random() < 0.7:
            return active
        chosen = self.random.random(self.blocks.warps) < 0.5
        mask = chosen[active.warp]
        count = int(mask.sum())
        if count in (0, active.n):
            return active
        self.go(at, active.subset(np.flatnonzero(~mask)))
        return active.subset(np.flatnonzero(mask))

    def go(self, at: int, active: Active) -> None:
        """Threads go on at a segment, together with those that are there."""
        if at >= len(self.program.segments):
            self.exit(active)
            return
        there = self.groups.get(at)
        if there is None:
            self.groups[at] = active
            return
        both = there.n + active.n
        if both == self.blocks.threads:
            self.groups[at] = self.everyone
            return
        self.groups[at] = Active(
            self.blocks, np.sort(np.concatenate((there.threads, active.threads)))
        )

    def branch(self, s: Segment, L: list[Any], active: Active) -> None:
        p = L[s.predicate]
        if s.negated:
            p = ~p
        if p.ndim == 0:
            self.go(s.target if p else s.number + 1, active)
            return
        count = int(np.count_nonzero(p))
        if count == active.n:
            self.go(s.target, active)
        elif count == 0:
            self.go(s.number + 1, active)
        else:
            self.go(s.target, active.subset(np.flatnonzero(p)))
            self.go(s.number + 1, active.subset(np.flatnonzero(~p)))

    def switch(self, s: Segment, L: list[Any], active: Active) -> None:
        assert s.selector is not None
        which = s.selector(L)
        if which.ndim == 0:
            self.go(s.targets[int(which)], active)
            return
        for k in np.unique(which):
            self.go(s.targets[int(k)], active.subset(np.flatnonzero(which == k)))

    def exit(self, active: Active) -> None:
        self.exited[active.threads] = True
        self.gone += active.n
        # Lanes that wait for those that went need wait no more.
        for at in list(self.parked):
            self.go(at, self.parked.pop(at))

    def where(self) -> str:
        """Where threads stand, for people."""
        lines = []
        for number, list_ in self.waiting.items():
            for waiting, _, s in list_:
                lines.append(
                    f"{waiting.n} threads at barrier {number}: {s.end}; first: {self.who(int(waiting.threads[0]))}"
                )
        for at, parked in self.parked.items():
            lines.append(
                f"{parked.n} threads wait for lanes: {self.program.segments[at].end}; first: {self.who(int(parked.threads[0]))}"
            )
        for at, group in self.groups.items():
            s = self.program.segments[at]
            lines.append(
                f"{group.n} threads go on at {s.instructions[0] if s.instructions else s.end}"
            )
        return "; ".join(lines)

    def deadlock(self) -> None:
        raise Deadlock(
            f"{self.program.name}: {int(self.exited.sum())} of {self.blocks.threads} threads have ended; {self.where()}"
        )
