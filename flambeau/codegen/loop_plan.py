"""What the loop language's code generator decides before it writes: what is the same in every
lane, how many lanes, how often a body is repeated, and what needs masks."""

from __future__ import annotations

from typing import NamedTuple

from .kernel import Target
from .loop import DTYPES, Loop, Operand, Stage, Statement

BLOCK = 512
"""Steps of a float sum's chain before it is added to an outer one, so that errors grow with
steps / BLOCK + BLOCK and not with the steps."""

HEAVY = 20
"""Bodies of this cost hide every latency by themselves: they are written once."""

_COSTS = {"div": 4, "sqrt": 4, "rsqrt": 8, "rint": 1, "floordiv": 40, "remainder": 40, "fmod": 40}
_CHEAP = frozenset(
    "neg abs floor ceil trunc rint not isnan add sub mul min max fmin fmax lt le gt ge eq ne and "
    "or xor shl shr copysign select fma cast reduce load store number const index".split()
)


class Piece(NamedTuple):
    """One of the loops that together run over a vector dimension, in order: each takes what the
    one before it has left."""

    lanes: int
    copies: int
    """Vectors a turn."""
    masked: bool
    """The last vector may be partial."""


class Plan(NamedTuple):
    """Decisions about one loop for one target."""

    uniform: tuple[bool, ...]
    """For each statement: equal in all lanes, so computed once, as a scalar."""
    spread: tuple[bool, ...]
    """For each statement: uniform, and used by something that is not."""
    lanes: int
    stages: tuple[tuple[Piece, ...], ...]
    """For each stage the pieces of the vector dimension; where rows are lanes (`vector="par"`) the
    whole kernel has the first stage's."""


def statements(loop: Loop) -> list[Statement]:
    """All statements, in the order of their numbers."""
    return [s for stage in loop.stages for s in stage.body]


def plan(loop: Loop, target: Target) -> Plan:
    uniform = _uniform(loop)
    lanes = _lanes(loop, target)
    if loop.vector == "par":
        sizes = [_cost(stage.body) for stage in loop.stages]
        pieces = _pieces(loop, target, lanes, sum(sizes), loop.red > 0, list(loop.stages))
        stages = tuple(pieces for _ in loop.stages)
    else:
        stages = tuple(
            _pieces(loop, target, lanes, _cost(s.body), _reduces(s), [s]) for s in loop.stages
        )
    return Plan(uniform, _spread(loop, uniform), lanes, stages)


def operand(loop: Loop, statement: Statement) -> tuple[int, Operand]:
    """(number among inputs and outputs, operand) of a load or store."""
    if statement.op == "load":
        return statement.attr, loop.inputs[statement.attr]
    return len(loop.inputs) + statement.attr, loop.outputs[statement.attr]


def _reduces(stage: Stage) -> bool:
    return any(s.op == "reduce" for s in stage.body)


def _uniform(loop: Loop) -> tuple[bool, ...]:
    vector_dim = loop.par - 1 if loop.vector == "par" else loop.par + loop.red - 1
    out: list[bool] = []
    for stage in loop.stages:
        scalar = loop.vector == "red" and stage.level == "row"
        for s in stage.body:
            if s.op == "store":
                same = False
            elif scalar or s.op in ("number", "const"):
                same = True
            elif s.op == "index":
                same = s.attr != vector_dim
            elif s.op == "load":
                same = loop.inputs[s.attr].inner == 0 and all(out[a] for a in s.args)
            elif s.op == "reduce" and loop.vector == "red":
                same = True
            else:
                same = all(out[a] for a in s.args)
            out.append(same)
    return tuple(out)


def _spread(loop: Loop, uniform: tuple[bool, ...]) -> tuple[bool, ...]:
    out = [False] * len(uniform)
    k = 0
    for stage in loop.stages:
        for s in stage.body:
            wide = not uniform[k] or s.op == "reduce" and loop.vector == "red"
            if wide and not (loop.vector == "red" and stage.level == "row") and s.op != "load":
                for a in s.args:
                    out[a] = uniform[a]
            k += 1
    return tuple(out)


def _lanes(loop: Loop, target: Target) -> int:
    """As many as elements of 4 bytes fill a register, unless all are wider or all narrower.
    16-bit floats count as what they are widened to."""
    sizes = {
        4 if s.dtype in ("float16", "bfloat16") else DTYPES[s.dtype]
        for s in statements(loop)
        if s.op != "store" and s.dtype != "bool"
    }
    if not sizes:
        return target.vector_bytes
    return target.vector_bytes // min(max(sizes), max(4, min(sizes)))


def _cost(body: tuple[Statement, ...]) -> int:
    """About how many instructions a vector takes."""
    return sum(1 if s.op in _CHEAP else _COSTS.get(s.op, 25) for s in body)


def _pieces(
    loop: Loop, target: Target, lanes: int, cost: int, reducing: bool, stages: list[Stage]
) -> tuple[Piece, ...]:  # fmt: skip
    accumulators = sum(s.op == "reduce" for stage in stages for s in stage.body)
    copies = _copies(target, cost, reducing, accumulators)
    if target.masks and not _awkward(loop, stages):
        last = Piece(lanes, 1, True)
        return (last,) if copies == 1 and cost >= HEAVY else (Piece(lanes, copies, False), last)
    single = () if copies == 1 else (Piece(lanes, 1, False),)
    return (Piece(lanes, copies, False), *single, Piece(1, 1, False))


def _copies(target: Target, cost: int, reducing: bool, accumulators: int) -> int:
    if cost >= HEAVY:
        return 1
    if not reducing:
        return 2
    # An addition takes 4 cycles, and one can be started every half cycle.
    return 4 if accumulators <= target.registers // 8 else 2


def _awkward(loop: Loop, stages: list[Stage]) -> bool:
    """Whether a masked store would be taken apart into branches."""
    return any(
        s.op == "store"
        and operand(loop, s)[1].inner not in (0, 1)
        and DTYPES[operand(loop, s)[1].dtype] < 4
        for stage in stages
        for s in stage.body
    )
