"""Where everything of an executable for a GPU lies: the words of its table, the arena, the outputs.

A table is made of the tables of one or more plans, side by side: of a whole program's, or of those of
its operations one by one. Each word is one of the run's *values* (addresses of inputs, numbers,
addresses of outputs, the address of the arena, 0, in this order) plus a fixed offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..codegen.cuda.kernel import AnyLaunch
from ..codegen.cuda.plan import ALIGN, GpuPlan
from ..codegen.plan import Call, Temporary
from ..graph.program import Program
from . import arena


class Store:
    """Memory that lives from one time to another: an input's, an output's, or of the arena."""

    __slots__ = ("nbytes", "first", "last", "input", "output")

    def __init__(self, nbytes: int, first: int, input: int = -1) -> None:
        self.nbytes = nbytes
        self.first = self.last = first
        self.input = input
        """Its number among the inputs, tuples counted by their parts; -1 for none."""
        self.output = -1
        """Its number among the outputs; -1 for none."""


class Where(NamedTuple):
    """A dense array in a run's memory."""

    slot: int
    """Of the whole table."""
    dtype: str
    shape: tuple[int, ...]
    offset: int = 0
    """In elements."""


class Placed(NamedTuple):
    """A launch, and the first word of its plan's table."""

    launch: AnyLaunch
    at: int


class Hosted(NamedTuple):
    """What runs on the host, through NumPy."""

    name: str
    run: Any
    """Gives the results' arrays for the arguments'."""
    args: tuple[Any, ...]
    """A Where, a tuple of them, a Scalar, a number or None each."""
    results: tuple[Where, ...]


Segment = list[Placed] | Hosted


class Derived(NamedTuple):
    """table[slot] = table[base] + sum of table[numbers] * size"""

    slot: int
    base: int
    numbers: tuple[int, ...]
    size: int


class Check(NamedTuple):
    """A word that is the address of a fault's record."""

    slot: int
    size: int
    low: int
    operation: str


class Layout(NamedTuple):
    """What an executable is made from."""

    inputs: int
    numbers: int
    index: Any
    """For each word, which value it is of: an array of intp."""
    offsets: Any
    """And the bytes that are added: an array of int64."""
    derived: tuple[Derived, ...]
    checks: tuple[Check, ...]
    segments: tuple[Segment, ...]
    arena: int
    """Bytes."""
    outputs: tuple[int, ...]
    """Bytes of each block that is made for a result."""
    donors: tuple[int, ...]
    """For each of them the input whose memory it may take over, -1 for none."""
    results: tuple[tuple[int, ...], ...]
    """For each of the program's outputs the blocks of its parts: an output's number, or -1 - the
    number of an input."""
    plans: tuple[GpuPlan, ...]


class Draft:
    """A layout in the making."""

    def __init__(self, program: Program) -> None:
        self.program = program
        counts = [len(a) if isinstance(a, tuple) else 1 for a in program.inputs]
        self.inputs = sum(counts)
        self.words: list[tuple[Any, int]] = []
        """Of each word a Store, or a value's number, and the offset in it."""
        self.derived: list[Derived] = []
        self.checks: list[Check] = []
        self.segments: list[Segment] = []
        self.stores: list[Store] = []
        self.plans: list[GpuPlan] = []
        self.donors: dict[Store, int] = {}
        self.now = 0

    def store(self, nbytes: int) -> Store:
        """Memory that is written next."""
        made = Store(max(nbytes, 1), self.now + 1)
        self.stores.append(made)
        return made

    def number(self, i: int) -> int:
        """The value that is a number of the program."""
        return self.inputs + i

    def add(
        self, plan: GpuPlan, inputs: Sequence[Store], numbers: Sequence[int],
        outputs: dict[int, Store], hosted: Any,
    ) -> None:  # fmt: skip
        """A plan whose inputs are these stores and whose outputs, by slot, those; `numbers` are the
        program's. `hosted(call, at)` makes what is called through NumPy."""
        at, n_in = len(self.words), len(inputs)
        words: list[tuple[Any, int]] = [(0, 0)] * plan.slots
        for slot, store in enumerate(inputs):
            words[slot] = store, 0
            store.last = max(store.last, self.now + plan.time)
        for slot, i in enumerate(numbers, n_in):
            words[slot] = self.number(i), 0
        for slot, store in outputs.items():
            words[slot] = store, 0
            store.last = max(store.last, self.now + plan.time)
        for t in plan.temporaries:
            made = Store(t.nbytes, self.now + t.first)
            made.last = self.now + t.last
            self.stores.append(made)
            words[t.slot] = made, 0
        self.words += words
        for d in plan.derived:
            numbers_at = tuple(at + n for n in d.numbers)
            self.derived.append(Derived(at + d.slot, at + d.base, numbers_at, d.size))
        self.checks += [Check(at + c.slot, c.size, c.low, c.operation) for c in plan.checks]
        for step in plan.steps:
            if step.call is not None:
                self.segments.append(hosted(step.call, at))
            for x in step.launches:
                self.launch(x, at)
        self.plans.append(plan)
        self.now += plan.time + 1

    def launch(self, x: AnyLaunch, at: int) -> None:
        if not self.segments or isinstance(self.segments[-1], Hosted):
            self.segments.append([])
        last = self.segments[-1]
        assert isinstance(last, list)
        last.append(Placed(x, at))

    def word(self, store: Store) -> int:
        """A word of its own for a store."""
        self.words.append((store, 0))
        store.last = max(store.last, self.now + 1)
        return len(self.words) - 1

    def finish(self, results: Sequence[tuple[Store, ...]]) -> Layout:
        """The layout, for these stores of the program's outputs."""
        kept: list[Store] = []
        for parts in results:
            for s in parts:
                if s.input < 0 and s.output < 0:
                    s.output = len(kept)
                    kept.append(s)
        inside = [
            Temporary(i, -(-s.nbytes // ALIGN) * ALIGN, s.first, s.last)
            for i, s in enumerate(self.stores) if s.output < 0
        ]  # fmt: skip
        size, offsets = arena.layout(inside)
        base = self.inputs + len(self.program.scalars)
        placed = {s: offsets[i] for i, s in enumerate(self.stores) if s.output < 0}
        index, added = [], []
        for x, offset in self.words:
            if not isinstance(x, Store):
                index.append(x)
            elif x.input >= 0:
                index.append(x.input)
            elif x.output >= 0:
                index.append(base + x.output)
            else:
                index.append(base + len(kept))
                offset += placed[x]
            added.append(offset)
        zero = base + len(kept) + 1
        for d in self.derived:
            index[d.slot] = zero
        for c in self.checks:
            index[c.slot] = zero
        return Layout(
            self.inputs, len(self.program.scalars), np.array(index, np.intp),
            np.array(added, np.int64), tuple(self.derived), tuple(self.checks),
            tuple(self.segments), size, tuple([s.nbytes for s in kept]),
            tuple([self.donors.get(s, -1) for s in kept]),
            tuple([tuple([s.output if s.input < 0 else -1 - s.input for s in p]) for p in results]),
            tuple(self.plans),
        )  # fmt: skip


def input_stores(program: Program) -> list[tuple[Store, ...]]:
    """A store for each part of each input."""
    found, number = [], 0
    for a in program.inputs:
        parts = a if isinstance(a, tuple) else (a,)
        found.append(tuple([Store(x.nbytes, 0, number + i) for i, x in enumerate(parts)]))
        number += len(parts)
    return found


def whole(program: Program, plan: GpuPlan, hosted: Any) -> Layout:
    """The layout of a program that was planned as one. `hosted` as in `Draft.add`."""
    draft = Draft(program)
    inputs = [parts[0] for parts in input_stores(program)]
    avals = _output_avals(program)
    stores: dict[int, Store] = {}
    results: list[tuple[Store, ...]] = []
    flat = iter(plan.outputs)
    dying = {i for ins in program.instructions for i in ins.dies if i < len(program.inputs)}
    native = all(s.call is None for s in plan.steps)
    for parts in avals:
        made = []
        for a in parts:
            out = next(flat)
            if out.slot not in stores:
                s = stores[out.slot] = draft.store(a.nbytes)
                # A call may fail half-way: nothing may have been overwritten then.
                if out.donor is not None and out.donor in dying and native:
                    draft.donors[s] = out.donor
            made.append(stores[out.slot])
        results.append(tuple(made))
    draft.add(plan, inputs, range(len(program.scalars)), stores, hosted)
    return draft.finish(results)


def _output_avals(program: Program) -> list[tuple[Any, ...]]:
    """The avals of each output's parts."""
    base = len(program.inputs) + len(program.scalars)
    found = []
    for register in program.outputs:
        a = program.instructions[register - base].aval
        found.append(a if isinstance(a, tuple) else (a,))
    return found


def call_of(program: Program, call: Call, at: int, run: Any) -> Hosted:
    """A plan's call: its arguments, one for each of the instruction's, None for those not given."""
    from ..codegen.plan import Scalar
    from ..codegen.planning import Placed as Array

    ins = program.instructions[call.position]
    base = len(program.inputs) + len(program.scalars)

    def where(x: Any) -> Any:
        if isinstance(x, Array):
            return Where(at + x.slot, x.dtype, x.shape, x.offset)
        return x if not isinstance(x, Scalar) else Scalar(x.number)

    queue = iter(call.args)
    args: list[Any] = []
    for register in ins.args:
        if register is None:
            args.append(None)
            continue
        a = program.instructions[register - base].aval if register >= base else None
        if isinstance(a, tuple):
            args.append(tuple([where(next(queue)) for _ in a]))
        else:
            args.append(where(next(queue)))
    return Hosted(ins.op.name, run, tuple(args), tuple([where(x) for x in call.results]))
