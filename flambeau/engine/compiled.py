"""Compiled executables: how a run of a plan's native program fills its table of words.

A run is: gather the inputs' addresses, make blocks for the outputs (or take over the memory of
inputs that die), write one table of words, and hand it to the stream, which runs programs in order
while Python goes on. Whoever looks at a result waits for it (`runtime.pool`).
"""

from __future__ import annotations

import ctypes
import math
import struct
from collections.abc import Sequence
from operator import itemgetter
from sys import getrefcount
from typing import Any

import numpy as np
from numpy import ndarray

from .. import config
from ..codegen.plan import Call, Declined, Plan, Scalar, Step, plan
from ..codegen.planning import Placed
from ..core import dtypes
from ..core.device import CPU
from ..errors import InternalError
from ..graph.lowering import lower
from ..graph.program import Capture, Program
from ..ops.lowering.common import ON_GPUS_ALONE
from ..runtime import blocks, pool
from ..runtime.blocks import address_of
from . import arena
from .interpreter import step_of
from .linking import Segment, link

TABLES = 8
"""Runs of one executable that may be on their way at a time."""

class Guard:
    """Run-time numbers that were taken for constants: their places among the scalars, and their
    values."""

    __slots__ = ("places", "values", "_pick", "_expected")

    def __init__(self, places: tuple[int, ...], values: tuple[int, ...]) -> None:
        self.places, self.values = places, values
        # One C call compares all: there are dozens of offsets in a recurrent network's step.
        self._pick = itemgetter(*places) if places else None
        self._expected = values if len(values) != 1 else values[0]

    def holds(self, scalars: Sequence[Any]) -> bool:
        return self._pick is None or bool(self._pick(scalars) == self._expected)


class _Table:
    """The words of one run."""

    __slots__ = ("words", "address", "ticket", "arena")

    def __init__(self, slots: int) -> None:
        self.words = (ctypes.c_int64 * max(slots, 1))()
        self.address = ctypes.addressof(self.words)
        self.ticket = 0
        self.arena = 0
        """The arena's generation that the fixed words are for."""


class Compiled:
    """An executable of native code, with calls through NumPy between where operations have no
    lowering."""

    tier = "compiled"
    variant = 1
    """How often the program has been compiled, this time included."""

    def __init__(self, program: Program, guard: Guard, fusing: bool = True) -> None:
        self.program = program
        self.guard = guard
        # An address of a GPU's memory would be read as one of the host's.
        away = [a for a in program.inputs if (a[0] if isinstance(a, tuple) else a).device is not CPU]
        if away:
            raise InternalError(f"a program of the CPU reads {away[0]} of {away[0].device}")
        self.threads = pool.get_num_threads()
        banned: set[str] = set(ON_GPUS_ALONE)
        while True:
            self.lowered = lower(program, dict(zip(guard.places, guard.values)), banned)
            try:
                self.plan: Plan = plan(
                    self.lowered.outputs, len(program.inputs), len(program.scalars),
                    self.threads, fusing, banned,
                )
                break
            except Declined as declined:
                banned.add(str(declined))
        self.segments, self.addresses, self._kept = link(self.plan, self.threads)
        self.native = len(self.segments) == 1 and isinstance(self.segments[0], Segment)
        self._prepare()

    # --- making -----------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """What a run needs, in the order in which it needs it."""
        program, p = self.program, self.plan
        types = "".join("d" if kind is float else "q" for kind in program.scalars)
        sizes = []
        for register in program.outputs:
            aval = self._aval(register)
            for a in aval if isinstance(aval, tuple) else (aval,):
                sizes.append(max(a.nbytes, 1))
        dying = {i for ins in program.instructions for i in ins.dies if i < len(program.inputs)}
        self.takers: list[tuple[int, Any]] = []
        """For each output that has no donor: its place among them, and what gives it a block."""
        self.donors: list[tuple[int, int, Any]] = []
        """For each other one: its place, its donor, and what gives it a block where the donor's
        memory is still in use."""
        slots = sorted({o.slot for o in p.outputs})
        self.blank: list[Any] = [None] * len(slots)
        self.part_of = [slots.index(o.slot) for o in p.outputs]
        by_slot = {o.slot: (n, o.donor) for o, n in zip(p.outputs, sizes, strict=True)}
        for place, slot in enumerate(slots):
            n, donor = by_slot[slot]
            take = blocks.bin_for(n).take
            # A call may fail half-way: nothing may have been overwritten then.
            if donor is not None and donor in dying and self.native:
                self.donors.append((place, donor, take))
            else:
                self.takers.append((place, take))
        self.pack = struct.Struct(f"={len(program.inputs)}q{types}{len(slots)}q").pack_into
        self.groups: list[int] = []
        for register in program.outputs:
            aval = self._aval(register)
            self.groups.append(len(aval) if isinstance(aval, tuple) else 0)
        self.single = not any(self.groups) and self.part_of == list(range(len(slots)))
        self.arena_bytes, self.offsets = arena.layout(p.temporaries)
        self.scratch_bytes = self.threads * sum(n for _, n in p.scratch)
        self.tables = [_Table(p.slots) for _ in range(TABLES)]
        self.turn = 0
        self.calls = {
            s.position: step_of(program, program.instructions[s.position])
            for s in self.segments if isinstance(s, Call)
        }  # fmt: skip

    def _aval(self, register: int) -> Any:
        program = self.program
        base = len(program.inputs) + len(program.scalars)
        return program.instructions[register - base].aval

    # --- running ----------------------------------------------------------------------------------

    def run(self, captured: Capture, observed: bool) -> bool:
        """Run with a capture's inputs and give its results their buffers. False where a number is
        not what was taken for granted, or is beyond 64 bits: nothing has been done then."""
        scalars = captured.scalars
        if not self.guard.holds(scalars):
            return False
        leaves = captured.leaves
        held = None
        try:  # each of these lines is a microsecond of a small network's step
            inputs = [leaf.buffer.address for leaf in leaves]
        except AttributeError:  # arrays that were made elsewhere
            held, inputs = _addresses(leaves)
            if pool.held:
                pool.let_go()
        made = self.blank.copy()
        for place, take in self.takers:
            made[place] = take()
        for place, donor, take in self.donors:
            block = leaves[donor].buffer
            if getrefcount(block) > BLOCK_REFS or block.__class__ is ndarray:
                block = take()
            made[place] = block
        block = None
        addresses = [b.address for b in made]
        self.turn = turn = (self.turn + 1) % TABLES
        table = self.tables[turn]
        if table.ticket and not pool.done(table.ticket):
            pool.wait(table.ticket)
        try:
            self.pack(table.words, 0, *inputs, *scalars, *addresses)
        except struct.error:
            return False
        if table.arena != arena.generation or self.arena_bytes > arena.size:
            self._fix(table)
        if self.plan.derived:
            self._derive(table)
        if self.native:
            self._run_native(table, captured.results, made, held, observed)
        else:
            self._run_mixed(table, captured, made)
            self._hand_out(captured.results, made)
        if config.profile:
            self._note_times()
        return True

    def _run_native(
        self, table: _Table, results: list[Any], made: list[Any], held: Any, observed: bool
    ) -> None:
        """Run the one segment, or submit it, and hand out its results. A signal's handler may raise
        anywhere; as soon as the program runs, though, memory of inputs may be overwritten, so that
        only the results are any good."""
        native = self.segments[0].native.address  # type: ignore[union-attr]
        done: list[int] = []
        try:
            if observed or self.threads == 1 or config.profile:
                table.ticket = 0
                pool.run_now(native, table.address, done)
            else:
                table.ticket = pool.submit(native, table.address, done)
                if held is not None:
                    pool.held.append((table.ticket, held))
            self._hand_out(results, made)
        except BaseException:
            while done:
                try:
                    pool.synchronize()  # `held` lives until this frame is left, and the table's turn
                    self._hand_out(results, made)
                    break
                except BaseException:
                    continue  # one error is raised, not two
            raise

    def profile(self, on: bool) -> None:
        """Note the time of each step from now on, or stop it."""
        for s in self.segments:
            if isinstance(s, Segment):
                s.native.profile(on)

    def timings(self) -> list[tuple[Step, float, float]]:
        """The steps of the last timed run, with when they began and ended, in seconds; of calls
        through NumPy no times (0 and 0)."""
        found: list[tuple[Step, float, float]] = []
        for s in self.segments:
            if isinstance(s, Call):
                found.append((Step((), s), 0.0, 0.0))
            else:
                times = zip(s.steps, s.native.times())
                found += [(step, float(start), float(end)) for step, (start, end) in times]
        return found

    def shortest(self) -> list[tuple[Step, float]]:
        """The steps that ran, each with the shortest time that was seen."""
        return [
            (step, seconds)
            for s in self.segments if isinstance(s, Segment)
            for step, seconds in zip(s.steps, s.seconds, strict=True) if math.isfinite(seconds)
        ]  # fmt: skip

    def _note_times(self) -> None:
        pool.synchronize()
        for s in self.segments:
            if isinstance(s, Segment):
                for i, (start, end) in enumerate(s.native.times()):
                    s.seconds[i] = min(s.seconds[i], float(end - start))

    def _hand_out(self, results: list[Any], made: list[Any]) -> None:
        if self.single:
            for value, block in zip(results, made):
                value.buffer = block
            return
        at = 0
        for value, n in zip(results, self.groups, strict=True):
            if n:
                value.buffer = tuple(made[self.part_of[at + i]] for i in range(n))
                at += n
            else:
                value.buffer = made[self.part_of[at]]
                at += 1

    def _fix(self, table: _Table) -> None:
        """Write the words that stay the same from run to run."""
        base, scratch = arena.reserve(self.arena_bytes, self.scratch_bytes)
        words = table.words
        for t in self.plan.temporaries:
            words[t.slot] = base + self.offsets[t.slot]
        for slot, nbytes in self.plan.scratch:
            words[slot] = scratch
            scratch += nbytes * self.threads
        table.arena = arena.generation

    def _derive(self, table: _Table) -> None:
        words = table.words
        for d in self.plan.derived:
            words[d.slot] = words[d.base] + sum(words[n] for n in d.numbers) * d.size

    def _run_mixed(self, table: _Table, captured: Capture, made: list[Any]) -> None:
        """Segments with calls between, on this thread."""
        table.ticket = 0
        for s in self.segments:
            if isinstance(s, Call):
                pool.synchronize()
                self._call(s, table, captured)
            else:
                pool.run_now(s.native.address, table.address)

    def _call(self, call: Call, table: _Table, captured: Capture) -> None:
        """One operation through its NumPy reference: arguments from the table, results into it."""
        ins = self.program.instructions[call.position]
        queue = iter(call.args)
        values: list[Any] = []
        for register in ins.args:
            if register is None:
                values.append(None)
                continue
            aval = self._input_aval(register)
            if isinstance(aval, tuple):
                values.append(tuple(self._array(next(queue), table, captured) for _ in aval))
            else:
                values.append(self._array(next(queue), table, captured))
        found = self.calls[call.position](values)
        parts = found if isinstance(ins.aval, tuple) else (found,)
        for part, where in zip(parts, call.results, strict=True):
            self._array(where, table, captured)[...] = part

    def _input_aval(self, register: int) -> Any:
        base = len(self.program.inputs) + len(self.program.scalars)
        return self._aval(register) if register >= base else None

    def _array(self, x: Any, table: _Table, captured: Capture) -> Any:
        """An argument of a call: an array over the run's memory, or a number."""
        if isinstance(x, Scalar):
            return captured.scalars[x.number]
        if not isinstance(x, Placed):
            return x
        d = dtypes.by_name(x.dtype).np
        size = math.prod(x.shape) * d.itemsize
        if not size:
            return np.empty(x.shape, d)
        address = table.words[x.slot] + x.offset * d.itemsize
        memory = (ctypes.c_char * size).from_address(address)
        return np.ndarray(x.shape, d, memory)


def _addresses(leaves: Sequence[Any]) -> tuple[list[Any], list[int]]:
    """Where inputs are, and the arrays among them, which must live until the run is over: blocks
    need not, what is freed is used again by later programs only."""
    held, addresses = [], []
    for leaf in leaves:
        buffer = leaf.buffer
        if buffer.__class__ is ndarray:
            held.append(buffer)
            addresses.append(address_of(buffer))
        else:
            addresses.append(buffer.address)
    return held, addresses


def _calibrate() -> int:
    """What getrefcount reports in `run` for a block that only its value refers to."""

    class Holder:
        __slots__ = ("buffer",)

        def __init__(self) -> None:
            self.buffer = object()

    leaves = [Holder()]
    block = leaves[0].buffer
    return getrefcount(block)


BLOCK_REFS = _calibrate()

