"""Executables for a GPU: how a run fills its table of words and submits its launches.

A run is: gather the inputs' addresses, make blocks for the outputs (or take over the memory of inputs
that die) and for what lives inside, write the words into page-locked memory, have them copied to the
device, and submit the launches: one by one, or as a CUDA graph. Nothing is waited for; only where an
operation is called through NumPy is the device, by whoever needs its arguments.
"""

from __future__ import annotations

import struct
import threading
from collections.abc import Sequence
from sys import getrefcount
from typing import Any

import numpy as np

from .. import config
from ..codegen.cuda.kernel import GpuLaunch
from ..codegen.cuda.plan import GpuPlan, GpuStep
from ..codegen.plan import Scalar
from ..core import dtypes
from ..graph.program import Capture, Program
from ..runtime import cuda, cuda_api, cuda_code, cuda_memory, cuda_pinned
from ..runtime.blocks import address_of
from ..runtime.cuda_memory import DeviceBlock
from . import cuda_faults, cuda_planning
from .buffers import GONE
from .compiled import BLOCK_REFS, Guard
from .cuda_graphs import Graphs, Library, Native
from .cuda_layout import Hosted, Layout, Placed, Where

TABLES = 16
"""Runs of an executable on a stream whose words may be on their way at a time (two of what is not
compiled); every half of them an event is recorded."""


_waste: list[tuple[Any, Any]] = []
"""Page-locked memory of tables that are gone, and streams whose copies may still read it."""
_streams: set[Any] = set()
"""The streams that anything has run on."""


def note(stream: Any) -> None:
    """Something runs on a stream, or is copied there."""
    if stream not in _streams:
        _streams.add(stream)


class Table:
    """An executable's words on one stream: page-locked tables in turn, and the device's."""

    def __init__(self, made: Executable, stream: Any) -> None:
        while _waste:
            block, before = _waste.pop()
            block.used_by(before)
        note(stream)
        self.stream = stream
        words = max(made.layout.index.size, 1)
        self.nbytes = 8 * words
        self.device = cuda_memory.allocate(self.nbytes, made.index)
        self.count = TABLES if made.graphs else 2
        self.pinned = cuda_memory.pinned(self.count * self.nbytes)
        whole = self.pinned.array(np.dtype(np.int64), (self.count, words))
        self.waste = _waste
        self.words = [whole[i][: made.layout.index.size] for i in range(self.count)]
        self.addresses = [address_of(x) for x in self.words]
        bins = [cuda_memory.bin_for(n, made.index, stream) for n in made.layout.outputs]
        sized = [(i, d, b, n) for i, (d, b, n) in enumerate(zip(made.layout.donors, bins, made.layout.outputs))]
        self.takers = [(i, b, n) for i, d, b, n in sized if d < 0]
        """For each output that has no donor: its number, the bin of its blocks, its bytes."""
        self.donors = [x for x in sized if x[1] >= 0]
        """For each other one: its number, the input, the bin, its bytes."""
        self.arena = cuda_memory.bin_for(made.layout.arena, made.index, stream)
        self.passed: list[Any] = [None, None]
        """For each half of the tables an event behind its last copy."""
        self.turn = -1
        self.graphs = [
            None if isinstance(s, Hosted) else Graphs([made.submission(x, self) for x in s])
            for s in made.layout.segments
        ]

    def __del__(self) -> None:
        if hasattr(self, "waste"):
            self.waste.append((self.pinned, self.stream))

    def next(self) -> tuple[Any, int]:
        """Words to be filled, whose last copy is over, and their address."""
        half = self.count // 2
        self.turn = turn = (self.turn + 1) % self.count
        if not turn % half:
            event = self.passed[turn // half]
            if event is not None and not event.query():
                event.synchronize()
        return self.words[turn], self.addresses[turn]

    def send(self, address: int) -> None:
        """Have the words copied to the device."""
        cuda.copy_to_device(self.device.address, address, self.nbytes, self.stream)
        half = self.count // 2
        if self.turn % half == half - 1:
            self.passed[self.turn // half] = self.stream.record(self.passed[self.turn // half])


class Executable:
    """A laid out program, loaded on a device."""

    tier = "compiled"
    variant = 1
    """How often the program has been compiled, this time included."""

    def __init__(
        self, program: Program, guard: Guard, layout: Layout, index: int, graphs: bool
    ) -> None:
        self.program, self.guard, self.layout, self.index = program, guard, layout, index
        self.plan: GpuPlan | None = None
        """What was laid out, where that is the whole program's."""
        self.graphs = graphs
        """Whether launches are submitted as CUDA graphs when they come again."""
        self.generation = cuda_planning.generation()
        device = cuda.device(index)
        placed = [x for s in layout.segments if isinstance(s, list) for x in s]
        kernels = {
            repr(x.launch.kernel.key): x.launch.kernel for x in placed
            if isinstance(x.launch, GpuLaunch)
        }  # fmt: skip
        self.functions = cuda_code.functions(list(kernels.values()), device)
        self.tables: dict[int, Table] = {}
        self._lock = threading.RLock()
        self._timings: list[tuple[GpuStep, float, float]] = []
        self._shortest: list[float] = []
        self._prepare()

    def _prepare(self) -> None:
        program, layout = self.program, self.layout
        kinds = "".join("d" if kind is float else "q" for kind in program.scalars)
        n_in, n_out = layout.inputs, len(layout.outputs)
        self.pack = struct.Struct(f"={n_in}q{kinds}{n_out}qqq").pack_into
        self.values = np.zeros(n_in + len(kinds) + n_out + 2, np.int64)
        self.memory = memoryview(self.values).cast("B")  # type: ignore[arg-type]
        self.complex = complex in program.scalars
        self.offsets = layout.offsets.copy()
        if layout.checks:
            faults = cuda_faults.of(self.index)
            for c in layout.checks:
                self.offsets[c.slot] = faults.address(c.operation, c.size, c.low)
        self.flat = not any(isinstance(a, tuple) for a in program.inputs)
        self.single = all(len(parts) == 1 for parts in layout.results) and not any(
            isinstance(ins.aval, tuple) for ins in program.instructions if ins.target in program.outputs
        )
        base = len(program.inputs) + len(program.scalars)
        self.several = [
            isinstance(program.instructions[o - base].aval, tuple) for o in program.outputs
        ]
        self.arena_bytes = layout.arena
        self.blank: list[Any] = [None] * n_out

    def submission(self, x: Placed, table: Table) -> Any:
        """How a launch is submitted on a table's stream."""
        launch = x.launch
        if isinstance(launch, GpuLaunch):
            function = self.functions[repr(launch.kernel.key)]
            words = launch.words()
            prepared = function.prepare(words, table.device.address + 8 * x.at)
            return Native(function, launch.grid, launch.block, launch.shared, prepared)
        from ..runtime import libraries

        found = libraries.prepare(launch.problem, cuda.device(self.index))
        if found is None:
            raise RuntimeError(f"the library has no kernel any more for {launch.problem}")
        return Library(found, tuple([(x.at + a.slot, a.offset) for a in launch.args]))

    # --- running ----------------------------------------------------------------------------------

    def run(self, captured: Capture, observed: bool) -> bool:
        """Run with a capture's inputs and give its results their buffers. False where a number is
        not what was taken for granted, or is beyond 64 bits: nothing has been done then."""
        scalars = captured.scalars
        if not self.guard.holds(scalars):
            return False
        if self.complex:
            scalars = [0 if isinstance(x, complex) else x for x in scalars]
        leaves = captured.leaves
        if self.flat:
            inputs = [leaf.buffer.address for leaf in leaves]
        else:
            inputs = _addresses(leaves)
        layout, index = self.layout, self.index
        with self._lock:
            stream = cuda.current_stream(index)
            table = self.tables.get(stream.handle)
            if table is None or table.stream is not stream:
                table = self.tables[stream.handle] = Table(self, stream)
            if len(_streams) > 1:
                _note_uses(leaves, stream)
            made: list[Any] = self.blank.copy()
            for place, bin, nbytes in table.takers:
                made[place] = bin.take(nbytes)
            for place, donor, bin, nbytes in table.donors:
                block: Any = leaves[donor].buffer
                if (
                    getrefcount(block) > BLOCK_REFS or block.__class__ is not DeviceBlock
                    or block.stream is not stream or block.nbytes < nbytes
                ):  # fmt: skip
                    block = bin.take(nbytes)
                made[place] = block
            block = None
            arena = table.arena.take(layout.arena) if layout.arena else None
            try:
                self.pack(
                    self.memory, 0, *inputs, *scalars, *[b.address for b in made],
                    arena.address if arena is not None else 0, 0,
                )  # fmt: skip
            except struct.error:
                return False
            words, address = table.next()
            np.take(self.values, layout.index, out=words)
            words += self.offsets
            for d in layout.derived:
                words[d.slot] = words[d.base] + sum([words[n] for n in d.numbers]) * d.size
            table.send(address)
            done: list[int] = []
            try:
                self._submit(table, words, captured, done)
                self._hand_out(captured, made)
            except BaseException:
                self._rescue(table, captured, made, done)
                raise
        return True

    def _rescue(self, table: Table, captured: Capture, made: list[Any], done: list[int]) -> None:
        """A launch has failed, or a signal's handler has raised. Where all is submitted the results are
        good, and else the inputs are, but for those whose memory may have been written."""
        while done == [0] * max(len(self.layout.segments), 1):
            try:
                self._hand_out(captured, made)
                return
            except BaseException:
                continue  # one error is raised, not two
        for place, donor, _, _ in table.donors:
            if made[place] is captured.leaves[donor].buffer:
                captured.leaves[donor].buffer = GONE

    def _submit(self, table: Table, words: Any, captured: Capture, done: list[int]) -> None:
        """Submit everything. `done` gets a 0 for each segment that went as a graph."""
        if config.profile:
            self._submit_timed(table, words, captured)
            return
        for segment, graphs in zip(self.layout.segments, table.graphs):
            if graphs is None:
                self._host(segment, words, captured, table.stream)
            elif self.graphs:
                graphs.run(words, table.stream, done)
            else:
                graphs.direct(words, table.stream)

    def _hand_out(self, captured: Capture, made: list[Any]) -> None:
        if self.single:
            for value, (place,) in zip(captured.results, self.layout.results):
                value.buffer = made[place] if place >= 0 else _part(captured.leaves, -1 - place)
            return
        for value, places, several in zip(
            captured.results, self.layout.results, self.several, strict=True
        ):
            found = [made[p] if p >= 0 else _part(captured.leaves, -1 - p) for p in places]
            value.buffer = tuple(found) if several else found[0]

    # --- through NumPy ----------------------------------------------------------------------------

    def _host(self, x: Any, words: Any, captured: Capture, stream: Any) -> None:
        """One operation on the host: its arguments from the device, its results to it."""
        wanted: list[tuple[Where, Any]] = []

        def fetched(arg: Any) -> Any:
            if isinstance(arg, tuple) and not isinstance(arg, (Where, Scalar)):
                return tuple([fetched(a) for a in arg])
            if isinstance(arg, Scalar):
                return captured.scalars[arg.number]
            if not isinstance(arg, Where):
                return arg
            kind = dtypes.by_name(arg.dtype).np
            array = np.empty(arg.shape, kind)
            wanted.append((arg, array))
            return array

        args = [fetched(a) for a in x.args]
        for where, array in wanted:
            source = int(words[where.slot]) + where.offset * array.itemsize
            cuda_pinned.download(source, array, stream)
        for where, result in zip(x.results, x.run(args), strict=True):
            array = np.ascontiguousarray(result, dtypes.by_name(where.dtype).np)
            target = int(words[where.slot]) + where.offset * array.itemsize
            cuda_pinned.upload(array, target, stream, wait=False)

    # --- times ------------------------------------------------------------------------------------

    def profile(self, on: bool) -> None:
        """Nothing to prepare: runs look at `config.profile`."""

    def _submit_timed(self, table: Table, words: Any, captured: Capture) -> None:
        """Submit launch by launch, and note the time of each."""
        stream = table.stream
        marks: list[tuple[Any, Any, Any]] = []
        for segment, graphs in zip(self.layout.segments, table.graphs):
            if graphs is None:
                self._host(segment, words, captured, stream)
                continue
            for placed, submission in zip(segment, graphs.submissions):
                start, end = cuda.Event(), cuda.Event()
                start.record(stream)
                submission.run(words, stream)
                end.record(stream)
                marks.append((placed.launch, start, end))
        stream.synchronize()
        found: list[tuple[GpuStep, float, float]] = []
        for launch, start, end in marks:
            before = found[-1][2] if found else 0.0
            found.append((GpuStep((launch,)), before, before + start.elapsed(end) / 1e3))
        times = [end - begin for _, begin, end in found]
        self._shortest = list(map(min, self._shortest, times)) if self._shortest else times
        self._timings = found

    def timings(self) -> list[tuple[GpuStep, float, float]]:
        """The launches of the last timed run, with when they began and ended, in seconds, as if they
        had come without gaps."""
        return self._timings

    def shortest(self) -> list[tuple[GpuStep, float]]:
        """The launches that ran timed, each with the shortest time that was seen."""
        return [(t[0], seconds) for t, seconds in zip(self._timings, self._shortest)]


def _part(leaves: Sequence[Any], number: int) -> Any:
    """The block of an input, tuples counted by their parts."""
    for leaf in leaves:
        buffer = leaf.buffer
        if buffer.__class__ is tuple:
            if number < len(buffer):
                return buffer[number]
            number -= len(buffer)
        elif not number:
            return buffer
        else:
            number -= 1
    raise IndexError(number)


def _note_uses(leaves: Sequence[Any], stream: Any) -> None:
    """Inputs that were made on other streams are used on this one."""
    for leaf in leaves:
        buffer = leaf.buffer
        for block in buffer if buffer.__class__ is tuple else (buffer,):
            if block.__class__ is DeviceBlock and block.stream is not stream:
                block.used_by(stream)


def _addresses(leaves: Sequence[Any]) -> list[int]:
    found = []
    for leaf in leaves:
        buffer = leaf.buffer
        if buffer.__class__ is tuple:
            found += [b.address for b in buffer]
        else:
            found.append(buffer.address)
    return found


def _forget() -> None:
    global _waste
    _waste = []  # tables that go later leave theirs in the old one
    _streams.clear()


cuda_api.forget_with(_forget)
