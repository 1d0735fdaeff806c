"""Planning: a fused graph → launches in order, and a place for every array.

Slots of a run's table, in order: inputs, numbers, outputs, then what is fixed for a plan: arrays in
between (at offsets of one arena, reused by lifetime), thread-local scratch, and addresses derived
from others by a run-time offset.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from .. import config
from ..graph.access import resolve
from ..graph.fusion import Fusion, Group, fuse
from ..graph.ir import Node
from ..graph.simplify import simplify
from . import group_loop, loop_llvm
from .kernel import Buf, Launch
from .loop import DTYPES, words
from .planning import Placed, row_major
from .schedule import Schedule

ALIGN = 64


class Call(NamedTuple):
    """An operation that is called through NumPy."""

    position: int
    """Of the program's instruction."""
    args: tuple[Any, ...]
    """A Placed each (row-major), a number, or the number of one of the program's scalars (`Scalar`)."""
    results: tuple[Placed, ...]


class Scalar(NamedTuple):
    """An argument of a call: one of the program's scalars."""

    number: int


class Temporary(NamedTuple):
    """An array that lives from one step to another."""

    slot: int
    nbytes: int
    first: int
    last: int


class Derived(NamedTuple):
    """table[slot] = table[base] + table[number] * size"""

    slot: int
    base: int
    numbers: tuple[int, ...]
    size: int


class Output(NamedTuple):
    """An output's slot, and the input whose memory it may take over (None: none)."""

    slot: int
    donor: int | None


class Step(NamedTuple):
    """What runs between two barriers: launches that share a task range, or one call."""

    launches: tuple[Launch, ...]
    call: Call | None = None


class Unit(NamedTuple):
    """What is planned as one: a group of nodes in one loop, a special or a call. For verification."""

    nodes: tuple[Node, ...]
    results: tuple[Node, ...]
    """Nodes that it leaves in memory."""
    launches: tuple[Launch, ...]
    call: Call | None
    places: dict[Node, Placed]
    """Where everything is that has memory; the same for all units."""


class Plan(NamedTuple):
    """Everything that an executable needs, as plain data."""

    slots: int
    inputs: int
    numbers: int
    outputs: tuple[Output, ...]
    temporaries: tuple[Temporary, ...]
    scratch: tuple[tuple[int, int], ...]
    """(slot, bytes for each thread)"""
    derived: tuple[Derived, ...]
    steps: tuple[Step, ...]
    refused: tuple[str, ...]
    """Why neighbours were not fused."""
    units: tuple[Unit, ...] = ()
    """Where programs are verified."""


class Planner:
    """Plans one graph. `threads` is for kernels that divide work by hand; see planning.Room."""

    def __init__(
        self, outputs: list[Node], inputs: int, numbers: int, threads: int, fusing: bool,
        banned: Collection[str],
    ) -> None:  # fmt: skip
        self.threads = threads
        self.kept: list[Node] = []
        """What runs though it is no output. `simplified` may fill it."""
        self.graph = self.simplified(outputs, banned)
        self.fusion = self.partition([*self.graph, *self.kept], fusing)
        self.inputs, self.numbers = inputs, numbers
        self.slots = inputs + numbers
        self.now = 0
        self.placed: dict[Node, Placed] = {}
        self.temporaries: dict[int, Temporary] = {}
        self.scratches: dict[int, int] = {}
        self.derived: dict[Any, Derived] = {}
        self.steps: list[Step] = []
        self.output_slots: list[int] = []
        self.owner: dict[int, int] = {}
        """The temporary that a derived slot points into."""
        self.last_read: dict[int, int] = {}
        """The last unit that reads each input."""
        for x in dict.fromkeys(self.graph):
            slot = self._slot()
            self.output_slots.append(slot)
            self.placed[x] = Placed(slot, x.dtype, tuple(x.shape), row_major(tuple(x.shape)))
        for x in reversed(self.fusion.live):  # a running sum is in one place
            if x in self.placed and x.op == "special" and x.attr[0] == "matmul_add":
                self.placed.setdefault(x.args[2], self.placed[x])
        self.launched: list[Launch] = []
        """All launches, in order of planning."""
        self.units: list[Unit] = []
        self.chain: tuple[int, set[int]] | None = None
        """While the last step goes through samples: how many, and the arrays that it computes."""
        self.donors: dict[int, tuple[int, int]] = {}
        """Output slot → input whose memory it may take over, and the unit that writes it."""

    def _slot(self) -> int:
        self.slots += 1
        return self.slots - 1

    def partition(self, outputs: list[Node], fusing: bool) -> Fusion:
        """What is computed together."""
        return fuse(outputs, fusing)

    def simplified(self, outputs: list[Node], banned: Collection[str]) -> list[Node]:
        """The graph that is planned. `banned` are specials that may not be made."""
        return simplify(outputs, banned)

    def copies(self, source: Placed, target: Placed) -> list[Any]:
        """The launches that copy strided memory; none where there is no kernel for it."""
        return _copy(self, source, target)

    # --- Room -----------------------------------------------------------------------------------

    def temporary(self, nbytes: int) -> int:
        slot = self._slot()
        self.temporaries[slot] = Temporary(slot, max(nbytes, 1), self.now, self.now)
        return slot

    def scratch(self, nbytes: int) -> int:
        for slot, size in self.scratches.items():
            if size == nbytes:
                return slot
        slot = self._slot()
        self.scratches[slot] = nbytes
        return slot

    # --- where things are -----------------------------------------------------------------------

    def place(self, node: Node) -> Placed:
        """Where a node with memory of its own is."""
        found = self.placed.get(node)
        if found is None:
            found = self.placed[node] = self._new_place(node)
        self._touch(found.slot)
        return found

    def _new_place(self, node: Node) -> Placed:
        shape = tuple(node.shape)
        if node.op == "input":
            return Placed(node.attr, node.dtype, shape, row_major(shape))
        if node.op == "special" and node.attr[0] == "matmul_add":
            return self.placed[node.args[2]]
        slot = self.temporary(math.prod(shape) * DTYPES[node.dtype])
        return Placed(slot, node.dtype, shape, row_major(shape))

    def _touch(self, slot: int) -> None:
        slot = self.owner.get(slot, slot)
        t = self.temporaries.get(slot)
        if t is not None:
            self.temporaries[slot] = t._replace(last=max(t.last, self.now))
        self.last_read[slot] = self.now

    def pointer(self, base: Node, offset: int, run_time: tuple[Node, ...]) -> tuple[int, int]:
        """Slot and offset (in elements) of a place in a node's memory."""
        placed = self.place(base)
        if not run_time:
            return placed.slot, placed.offset + offset
        return self._moved(placed, run_time, placed.offset + offset)

    def _moved(self, placed: Placed, run_time: tuple[Node, ...], offset: int) -> tuple[int, int]:
        """The same with run-time numbers added to the offset."""
        size = DTYPES[placed.dtype]
        numbers = tuple(self.number(x) for x in run_time)
        key = (placed.slot, numbers, size)
        found = self.derived.get(key)
        if found is None:
            found = self.derived[key] = Derived(self._slot(), placed.slot, numbers, size)
            self.owner[found.slot] = placed.slot
        return found.slot, offset

    def number(self, x: Node) -> int:
        """The slot of a run-time number."""
        return self.inputs + int(x.attr)

    def view(self, x: Node) -> Placed:
        """Any node's elements, strided."""
        access = resolve(x)
        slot, offset = self.pointer(access.base, access.offset, access.run_time)
        return Placed(slot, x.dtype, tuple(x.shape), access.strides, offset)

    # --- units ----------------------------------------------------------------------------------

    def run(self) -> Plan:
        schedule = Schedule(self.fusion)
        unit: Any = None
        while (unit := schedule.next(unit if self.chain else None)) is not None:
            self.now += 1
            start = len(self.launched)
            if isinstance(unit, Group):
                self.chain = None
                self._group(unit)
            elif unit.op == "call":
                self.chain = None
                self._call(unit)
            else:
                self._special(unit)
            if config.verify:
                self.units.append(self._unit(unit, tuple(self.launched[start:])))
        donors = {o: i for o, (i, unit) in self.donors.items() if self.last_read.get(i, unit) <= unit}
        outputs = [Output(self.placed[x].slot, donors.get(self.placed[x].slot)) for x in self.graph]
        return Plan(
            self.slots, self.inputs, self.numbers, tuple(outputs), tuple(self.temporaries.values()),
            tuple(self.scratches.items()), tuple(self.derived.values()), tuple(self.steps),
            tuple(f"{p.op} → {c.op}: {why}" for p, c, why in self.fusion.refused),
            tuple(self.units),
        )  # fmt: skip

    def _unit(self, unit: Any, launches: tuple[Launch, ...]) -> Unit:
        if isinstance(unit, Group):
            found = [n for n in unit.nodes if self.fusion.escapes(n, (unit,))]
            return Unit(tuple(unit.nodes), tuple(found), launches, None, self.placed)
        parts = [n for n in self.fusion.live if n.op == "part" and n.args[0] is unit]
        call = self.steps[-1].call if unit.op == "call" else None
        results = parts if isinstance(unit.dtype, tuple) else [unit]
        return Unit((unit, *parts), tuple(results), launches, call, self.placed)

    def launch(self, launches: list[Launch], samples: int = 0) -> bool:
        """Add launches. The last of several is the kernel itself; with `samples` its tasks, if
        they are as many, are the samples, each for itself. It then joins the step before, whose
        kernels go through the samples too: what one leaves is in cache for the next. Whether it
        has done so."""
        launches = [x for x in launches if x.tasks > 0]
        if not launches:
            return False
        self.launched += launches
        for x in launches:
            for slot in _slots(x):
                self._touch(slot)
        *first, main = launches
        by_sample = samples > 1 and main.tasks == samples
        own = {s for x in first for s in _slots(x)}
        joins = (
            by_sample and self.chain is not None and self.chain[0] == samples
            and not self.chain[1].isdisjoint(_slots(main)) and self.chain[1].isdisjoint(own)
        )  # fmt: skip
        if joins:
            assert self.chain is not None
            last = self.steps.pop()
            self.steps += [Step((x,)) for x in first]
            self.steps.append(Step((*last.launches, main)))
            self.chain[1].update(self._computed(main))
        else:
            self.steps += [Step((x,)) for x in launches]
            self.chain = (samples, self._computed(main)) if by_sample else None
        return joins

    def _computed(self, x: Launch) -> set[int]:
        """The slots of a launch that are no inputs of the program."""
        return {s for s in _slots(x) if s >= self.inputs}

    def _group(self, group: Group) -> None:
        if len(group.nodes) == 1 and group.nodes[0].op == "copy" and self._copied(group.nodes[0]):
            return
        writer = group_loop.Writer(self.fusion, group, self.place, self.pointer, self.number)
        made = group_loop.build(writer)
        if 0 in made.extents[: made.loop.par]:
            return
        names = [n.op for n in group.nodes if n.op != "cast"]
        label = "+".join(names[:6]) + ("…" if len(names) > 6 else "")
        args = words(made.loop, made.extents, made.operands, made.numbers, made.block)
        grain = max(1, 2048 * made.tasks // max(made.elements, 1)) if made.tasks > 1 else 1
        self.launched.append(Launch(
            loop_llvm.kernel(made.loop), tuple(args), made.tasks,
            float(made.operations * made.elements), float(made.nbytes), grain, label))  # fmt: skip
        self.steps.append(Step((self.launched[-1],)))
        self._donate(writer, group)

    def _copied(self, node: Node) -> bool:
        """Copy strided memory by the kernel for that; False where it is no memory."""
        source = resolve(node.args[0])
        if source.base.op in ("const", "number") or 0 in node.shape:
            return False
        launches = self.copies(self.view(node.args[0]), self.place(node))
        self.launch(launches)
        return bool(launches)

    def _donate(self, writer: group_loop.Writer, group: Group) -> None:
        """Outputs that may be written into an input that dies here: read only at the same places,
        before anything is stored there."""
        for out in writer.outputs:
            if out.placed.slot not in self.output_slots or not group.red.isdisjoint(out.steps):
                continue
            size = math.prod(out.placed.shape)
            for spot in writer.inputs:
                i = spot.placed.slot
                same = (
                    i < self.inputs and spot.placed.dtype == out.placed.dtype and spot.placed.offset == 0
                    and spot.steps == out.steps and not spot.gather
                )  # fmt: skip
                if same and math.prod(spot.placed.shape) == size:
                    alike = [s for s in writer.inputs if s.placed.slot == i]
                    if len(alike) == 1 and self._may_take_over(out.placed.slot, i):
                        break

    def _may_take_over(self, out: int, i: int) -> bool:
        """The output may lie in the input's memory, if nothing reads the input later. False where
        one of them has been promised already."""
        if out not in self.output_slots or out in self.donors:
            return False
        if any(i == d for d, _ in self.donors.values()):
            return False
        self.donors[out] = (i, self.now)
        return True

    def _call(self, node: Node) -> None:
        args: list[Any] = []
        for x in node.args:
            if x.op == "const":
                args.append(x.attr)
            elif x.op == "number":
                args.append(Scalar(x.attr))
            else:
                args.append(self.view(x))
        self.steps.append(Step((), Call(node.attr, tuple(args), tuple(self._results(node)))))

    def _results(self, node: Node) -> list[Placed]:
        if not isinstance(node.dtype, tuple):
            return [self.place(node)]
        out = []
        parts = {p.attr: p for p in self.fusion.live if p.op == "part" and p.args[0] is node}
        for i, (shape, dtype) in enumerate(zip(node.shape, node.dtype, strict=True)):
            if i in parts:
                out.append(self.place(parts[i]))
            else:
                slot = self.temporary(math.prod(shape) * DTYPES[dtype])
                out.append(Placed(slot, dtype, tuple(shape), row_major(tuple(shape))))
        return out

    def _special(self, node: Node) -> None:
        name, params = node.attr
        if name == "write":
            self.launch(self._write(node))
            return
        inputs = [self.view(x) for x in node.args]
        outputs = self._results(node)
        planner = PLANNERS.get(name)
        if planner is None:
            from . import specials

            found = specials.plan(name, self, inputs, outputs, params)
        else:
            found = planner(self, inputs, outputs, params)
        if found is None:
            raise Declined(name)
        by_sample = name in BY_SAMPLE and outputs[0].shape and params[-1] in (1, False, True)
        if self.launch(found, outputs[0].shape[0] if by_sample else 0):
            # Its arrays are in use together with those of the kernel that it has joined.
            self.now -= 1
            for slot, t in self.temporaries.items():
                if t.first > self.now:
                    self.temporaries[slot] = t._replace(first=self.now)

    def _write(self, node: Node) -> list[Any]:
        """The base, in the result's memory, then the elements of the layout in it."""
        shape, strides = node.attr[1]
        base, value = self.view(node.args[0]), self.view(node.args[1])
        out = self.place(node)
        launches = self.copies(base, out)
        if not math.prod(shape):
            return launches
        slot, offset = out.slot, out.offset
        for x in node.args[2:]:
            if x.op == "const":
                offset += int(x.attr)
            else:
                slot, offset = self._moved(out, (x,), offset)
        apart = self.owner.get(value.slot, value.slot) != base.slot
        if base.slot < self.inputs and base.dense and base.offset == 0 and apart:
            self._may_take_over(out.slot, base.slot)
        source, target = _last(value, Placed(slot, out.dtype, tuple(shape), tuple(strides), offset))
        return launches + self.copies(source, target)


BY_SAMPLE = frozenset(
    "conv_forward conv_input max_pool relu_max_pool max_pool_backward max_pool_backward_relu".split()
)
"""Specials whose task, where there are as many as samples, is a sample. (The last parameter of a
convolution is its groups, which must be one.)"""


def _last(source: Placed, target: Placed) -> tuple[Placed, Placed]:
    """Of elements of the target that lie on each other the last one is written alone."""
    over = [i for i, s in enumerate(target.strides) if not s and target.shape[i] > 1]
    shape = tuple(1 if i in over else n for i, n in enumerate(target.shape))
    skip = sum((source.shape[i] - 1) * source.strides[i] for i in over)
    return source._replace(shape=shape, offset=source.offset + skip), target._replace(shape=shape)


def _slots(x: Launch) -> set[int]:
    return {a.slot for a in x.args if isinstance(a, Buf)}


class Declined(Exception):
    """A special has no kernel for these arrays: its operation must be called through NumPy."""


def _matmul(room: Planner, inputs: list[Placed], outputs: list[Placed], params: Any) -> Any:
    from . import gemm

    bias = inputs[2] if len(inputs) > 2 else None
    return gemm.plan_matmul(room, inputs[0], inputs[1], outputs[0], bias=bias)


def _matmul_add(room: Planner, inputs: list[Placed], outputs: list[Placed], params: Any) -> Any:
    from . import gemm

    assert inputs[2].slot == outputs[0].slot
    return gemm.plan_matmul(room, inputs[0], inputs[1], outputs[0], accumulate=True)


def _conv(kind: str) -> Callable[..., Any]:
    def plan(room: Planner, inputs: list[Placed], outputs: list[Placed], params: Any) -> Any:
        from . import conv

        x, w = inputs[:2]
        stride, padding, dilation, groups = params[-4:]
        if kind == "forward":
            bias = inputs[2] if len(inputs) > 2 else None
            return conv.plan_forward(room, x, w, bias, outputs[0], stride, padding, dilation, groups)
        if kind == "input":
            return conv.plan_input(room, x, w, outputs[0], stride, padding, dilation, groups)
        return conv.plan_weight(room, x, w, outputs[0], stride, padding, dilation, groups)

    return plan


def _copy(room: Planner, source: Placed, target: Placed) -> list[Launch]:
    from . import specials

    return specials.plan("copy", room, [source], [target], ()) or []


def _cat(room: Planner, inputs: list[Placed], outputs: list[Placed], params: Any) -> Any:
    (dim,) = params
    out = outputs[0]
    at, launches = 0, []
    for x in inputs:
        n = x.shape[dim]
        if n and math.prod(x.shape):
            part = out._replace(shape=x.shape, offset=out.offset + at * out.strides[dim])
            launches += _copy(room, x, part)
        at += n
    return launches


PLANNERS: dict[str, Callable[..., Any]] = {
    "matmul": _matmul, "matmul_bias": _matmul, "matmul_add": _matmul_add, "cat": _cat,
    "conv_forward": _conv("forward"), "conv_input": _conv("input"), "conv_weight": _conv("weight"),
}  # fmt: skip


def plan(
    outputs: list[Node], inputs: int, numbers: int, threads: int = 1, fusing: bool = True,
    banned: Collection[str] = (),
) -> Plan:  # fmt: skip
    """Plan a graph with so many inputs and numbers. Declined where a special has no kernel; it is
    `banned` from then on."""
    return Planner(outputs, inputs, numbers, threads, fusing, banned).run()
