"""From a program to a plan for a GPU. No device is needed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

from .. import config
from ..codegen.cuda.kernel import Gpu
from ..codegen.cuda.plan import GpuPlan
from ..codegen.cuda.plan import plan as plan_graph
from ..codegen.cuda.rewrite_indices import CHECK, Checking
from ..codegen.plan import Declined
from ..graph.ir import Node
from ..graph.lowering import Lowered, lower
from ..graph.program import Program


def known(program: Program) -> bool:
    """Whether the compiler knows everything that a program is made of."""
    avals = list(program.inputs) + [ins.aval for ins in program.instructions]
    if any(isinstance(a, tuple) for a in program.inputs) or complex in program.scalars:
        return False
    parts = [x for a in avals for x in (a if isinstance(a, tuple) else (a,))]
    return all(x.dtype.native for x in parts)


_epoch = 0


def forget() -> None:
    """The devices are others from now on: nothing that was loaded is there any more."""
    global _epoch
    _epoch += 1


def generation() -> tuple[int, int]:
    """Counts the changes of what plans depend on: of switches, and of the devices."""
    return _epoch, int(getattr(config, "cuda_generation", 0))


def plan(
    program: Program, constants: Mapping[int, int] | None = None, gpu: Gpu = Gpu(),
    fusing: bool = True, device: int | None = None,
) -> GpuPlan:  # fmt: skip
    """Plan a program whole, for a device if libraries are to be asked. `constants` are scalars, by position, that are taken for granted."""
    banned: set[str] = set()
    while True:
        builder = Checking()
        lowered = lower(program, constants or {}, banned, builder)
        try:
            return plan_graph(
                lowered.outputs, len(program.inputs), len(program.scalars), gpu, fusing, banned,
                list(builder.checks), _operations(program, lowered), device,
            )  # fmt: skip
        except Declined as declined:
            banned.add(str(declined))


def _operations(program: Program, lowered: Lowered) -> dict[Node, str]:
    """Which operation each node that takes, or looks at, an index is of."""
    found: dict[Node, str] = {}
    for i, node in enumerate(lowered.builder.nodes):
        if node.op == "take" or node.op == "special" and node.attr[0] == CHECK:
            ins = program.instructions[bisect_right(lowered.starts, i) - 1]
            found[node] = str(ins.op.called or ins.op.name)
    return found
