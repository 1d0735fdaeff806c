"""Planning for a GPU: a fused graph → launches in order, and a place for every array.

As `codegen.plan`, whose planner this is, with other kernels: groups become loops of `loops`,
contractions those of `contractions`, all else `specials`. What a GPU does in addition to the graph
that is given, or in other words, is in `rewrite`.

Slots of a run's table, in order: inputs, numbers, outputs, then what is fixed for a plan: arrays in
between (at offsets of one arena, reused by lifetime), addresses derived from others by a run-time
offset, and where faults are noted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from ... import config
from ...graph.fusion import Fusion, Group, again, fuse
from ...graph.ir import Node
from ...graph.simplify import simplify
from .. import group_loop
from ..kernel import Buf
from ..plan import Call, Declined, Derived, Output, Planner, Temporary
from ..planning import Placed
from ..schedule import Schedule
from . import rewrite
from .kernel import AnyLaunch, Gpu, GpuLaunch

ALIGN = 256
"""Bytes at whose multiples the buffers of slots begin."""


class Check(NamedTuple):
    """A slot with the address of a fault's record, two int64: 0 until an index is out of range, then 1
    and that index, less `low`."""

    slot: int
    size: int
    low: int
    """Indices are to be from `low` on and below `size`."""
    operation: str
    """For people: who indexes."""


class GpuStep(NamedTuple):
    """Launches, one after the other, or one call through NumPy."""

    launches: tuple[AnyLaunch, ...]
    call: Call | None = None


class GpuUnit(NamedTuple):
    """What is planned as one (see `codegen.plan.Unit`)."""

    nodes: tuple[Node, ...]
    results: tuple[Node, ...]
    launches: tuple[AnyLaunch, ...]
    call: Call | None
    places: dict[Node, Placed]


class GpuPlan(NamedTuple):
    """Everything that an executable needs, as plain data. The fields are those of
    `codegen.plan.Plan`."""

    slots: int
    inputs: int
    numbers: int
    outputs: tuple[Output, ...]
    temporaries: tuple[Temporary, ...]
    derived: tuple[Derived, ...]
    checks: tuple[Check, ...]
    steps: tuple[GpuStep, ...]
    refused: tuple[str, ...]
    """Why neighbours were not fused."""
    time: int
    """Lifetimes of temporaries are within 1 and this."""
    units: tuple[GpuUnit, ...] = ()
    """Where programs are verified."""


class CudaPlanner(Planner):
    """Plans one graph for a GPU; what its kernels' planners see of it is a `kernel.Room`."""

    def __init__(
        self, outputs: list[Node], inputs: int, numbers: int, gpu: Gpu, fusing: bool,
        banned: Collection[str], noted: Sequence[Node], operations: Mapping[Node, str],
        device: int | None = None,
    ) -> None:  # fmt: skip
        self.gpu, self.device = gpu, device
        self.checks: list[Check] = []
        self._noted, self._operations = noted, operations
        super().__init__(outputs, inputs, numbers, 1, fusing, banned)

    def simplified(self, outputs: list[Node], banned: Collection[str]) -> list[Node]:
        found = rewrite.before(outputs, self._noted, self._operations)
        found = simplify(found, banned)
        found = rewrite.after(found, self.gpu, banned)
        self.kept = found[len(outputs) :]
        return found[: len(outputs)]

    def partition(self, outputs: list[Node], fusing: bool) -> Fusion:
        found = fuse(outputs, fusing)
        again(found)
        return found

    # --- Room -----------------------------------------------------------------------------------

    def aligned(self, slot: int) -> bool:
        """Whether a slot's buffer begins at a multiple of `ALIGN` bytes."""
        return slot not in self.owner

    def copies(self, source: Placed, target: Placed) -> list[Any]:
        from . import specials

        return specials.copy(self, source, target) or []

    # --- units ----------------------------------------------------------------------------------

    def run(self) -> GpuPlan:  # type: ignore[override]
        schedule = Schedule(self.fusion)
        while (unit := schedule.next()) is not None:
            self.now += 1
            start = len(self.launched)
            if isinstance(unit, Group):
                self._group(unit)
            elif unit.op == "call":
                self._call(unit)
            else:
                self._special(unit)
            if config.verify:
                self.units.append(self._unit(unit, tuple(self.launched[start:])))
        donors = {o: i for o, (i, t) in self.donors.items() if self.last_read.get(i, t) <= t}
        outputs = [Output(self.placed[x].slot, donors.get(self.placed[x].slot)) for x in self.graph]
        planned: Any = self.steps, self.units
        steps = [GpuStep(*s) for s in planned[0]]
        return GpuPlan(
            self.slots, self.inputs, self.numbers, tuple(outputs), tuple(self.temporaries.values()),
            tuple(self.derived.values()), tuple(self.checks), tuple(steps),
            tuple(f"{p.op} → {c.op}: {why}" for p, c, why in self.fusion.refused),
            self.now, tuple([GpuUnit(*u) for u in planned[1]]),
        )  # fmt: skip

    def launch(self, launches: list[Any], samples: int = 0) -> bool:
        for x in launches:
            if isinstance(x, GpuLaunch) and 0 in x.grid:
                continue
            self.launched.append(x)
            for a in x.args:
                if isinstance(a, Buf):
                    self._touch(a.slot)
            self.steps.append(GpuStep((x,)))  # type: ignore[arg-type]
        return False

    def _group(self, group: Group) -> None:
        from . import loops

        if len(group.nodes) == 1 and group.nodes[0].op == "copy" and self._copied(group.nodes[0]):
            return
        writer = group_loop.Writer(self.fusion, group, self.place, self.pointer, self.number)
        made = group_loop.build(writer)
        if 0 in made.extents[: made.loop.par]:
            return
        names = [n.op for n in group.nodes if n.op != "cast"]
        label = "+".join(names[:6]) + ("…" if len(names) > 6 else "")
        self.launch(loops.plan_group(made, self, label))
        # With a reduction, blocks that share a row may read it while one has written it.
        if not group.red:
            self._donate(writer, group)

    def _special(self, node: Node) -> None:
        from . import contractions, specials

        name, params = node.attr
        if name == "write":
            self.launch(self._write(node))
            return
        inputs = [self.view(x) for x in node.args]
        if name == rewrite.CHECK:
            self._check(inputs[0], *params)
            return
        outputs = self._results(node)
        planner = contractions.PLANNERS.get(name) or specials.PLANNERS.get(name)
        found = None if planner is None else planner(self, inputs, outputs, params)
        if found is None:
            raise Declined(name)
        self.launch(found)

    def _check(self, index: Placed, size: int, low: int, operation: str) -> None:
        from . import specials

        if 0 in index.shape:
            return
        slot = self._slot()
        self.checks.append(Check(slot, size, low, operation))
        self.launch(specials.check_index(self, index, size - low, slot))


def plan(
    outputs: list[Node], inputs: int, numbers: int, gpu: Gpu = Gpu(), fusing: bool = True,
    banned: Collection[str] = (), noted: Sequence[Node] = (),
    operations: Mapping[Node, str] | None = None, device: int | None = None,
) -> GpuPlan:  # fmt: skip
    """Plan a graph with so many inputs and numbers; no device is needed, but libraries want to know the
    index of the one that is meant. `noted` are the checks of
    indices (see `rewrite_indices.Checking`), `operations` tells which of the program's operations
    nodes are of, for messages. Declined where a special has no kernel; it is
    `banned` from then on."""
    planner = CudaPlanner(outputs, inputs, numbers, gpu, fusing, banned, noted, operations or {}, device)
    return planner.run()
