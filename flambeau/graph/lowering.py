"""Program → the compiler's graph: each instruction taken apart by its row's `lower`.

An instruction without a lowering becomes a `call`: its NumPy reference is called in the middle of
the compiled program.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from ..core.dtypes import ALL
from .ir import Builder, Node
from .program import Instruction, Program

NUMBER_TYPES = {float: "float64", int: "int64", bool: "int64"}
"""How a program's scalars lie in a run's table."""

FOREIGN = frozenset(["complex", *(d.name for d in ALL if not d.native)])
"""Dtypes that the compiler does not know."""


class Lowered(NamedTuple):
    """A program in primitives."""

    outputs: list[Node]
    builder: Builder
    declined: list[str]
    """Names of the operations that are called through NumPy."""
    starts: list[int]
    """How many nodes the builder had before each instruction."""


def lower(
    program: Program, known: Mapping[int, int], banned: Collection[str] = (),
    builder: Builder | None = None,
) -> Lowered:  # fmt: skip
    """Take a program apart. `known` gives scalars (by position) that are constants of the result:
    whoever runs it checks them. `banned` are names of specials that have no kernel here. `builder`: a
    fresh one, where it is not to be an ordinary one."""
    b = Builder() if builder is None else builder
    declined: list[str] = []
    starts: list[int] = []
    refused: set[Node] = set()
    fine: set[Node] = set()
    registers: dict[int, Any] = {}
    for i, a in enumerate(program.inputs):
        registers[i] = b.make("input", (), i, tuple(a.shape), a.dtype.name)
    base = len(program.inputs)
    for i, kind in enumerate(program.scalars):
        registers[base + i] = _number(b, i, kind, known)
    for position, ins in enumerate(program.instructions):
        starts.append(start := len(b.nodes))
        found = _instruction(b, ins, registers)
        if banned:
            refused.update(x for x in b.nodes[start:] if x.op == "special" and x.attr[0] in banned)
        if found is not None and refused and _made_of(found, refused, fine):
            found = None
        if found is None:
            declined.append(ins.op.name)
            found = _call(b, position, ins, registers)
        registers[ins.target] = found
    outputs: list[Node] = []
    for register in program.outputs:
        found = registers[register]
        outputs.extend(found if isinstance(found, tuple) else [found])
    return Lowered(outputs, b, declined, starts)


def _made_of(found: Any, refused: set[Node], fine: set[Node]) -> bool:
    """Whether a node (one of a tuple) is made of a refused one, possibly one that an instruction
    before has left: equal nodes are one. `fine` are nodes that are not, and gets more."""
    todo = list(found) if isinstance(found, tuple) else [found]
    seen: set[Node] = set()
    while todo:
        node = todo.pop()
        if node in fine or node in seen:
            continue
        if node in refused:
            return True
        seen.add(node)
        todo += node.args
    fine |= seen
    return False


def _number(b: Builder, i: int, kind: type, known: Mapping[int, int]) -> Node:
    if i in known:
        return b.const(known[i], "bool" if kind is bool else "int64")
    if kind not in NUMBER_TYPES:
        return b.make("number", (), i, (), "complex")
    x = b.make("number", (), i, (), NUMBER_TYPES[kind])
    return b.cast(x, "bool") if kind is bool else x


def _is_foreign(aval: Any) -> bool:
    """Whether a result has a dtype that the compiler does not know: complex, uint16, ..."""
    avals = aval if isinstance(aval, tuple) else (aval,)
    return any(not a.dtype.native for a in avals)


def _instruction(b: Builder, ins: Instruction, registers: Mapping[int, Any]) -> Any:
    """The node (tuple of them) of an instruction, None where its row declines."""
    row = ins.op
    if row.lower is None or _is_foreign(ins.aval):
        return None
    args = [None if r is None else registers[r] for r in ins.args]
    flat = [x for a in args for x in (a if isinstance(a, tuple) else (a,)) if x is not None]
    if any(x.dtype in FOREIGN for x in flat):
        return None
    if not row.moves:
        if row.rounds:
            args = _rounded(b, args)
        args = [_widened(b, a) for a in args]
    found = row.lower(b, args, *ins.params) if row.takes_list else row.lower(b, *args, *ins.params)
    if found is None or found is NotImplemented:
        return None
    return _finished(b, ins, found)


def _widened(b: Builder, x: Any) -> Any:
    if isinstance(x, Node) and x.dtype in ("float16", "bfloat16"):
        return b.cast(x, "float32")
    return x


def _rounded(b: Builder, args: list[Any]) -> list[Any]:
    """Numbers beside 16-bit floats as they would be in that dtype."""
    nodes = [a for a in args if isinstance(a, Node)]
    narrow = next((a.dtype for a in nodes if a.dtype in ("float16", "bfloat16")), None)
    if narrow is None:
        return args
    first = "float32" if narrow == "bfloat16" else "float64"
    return [
        b.cast(b.cast(a, first), narrow)
        if isinstance(a, Node) and a.shape == () and a.dtype in ("int64", "float64") else a
        for a in args
    ]  # fmt: skip


def _finished(b: Builder, ins: Instruction, found: Any) -> Any:
    """A lowering's result in the instruction's shape and dtype."""
    if isinstance(ins.aval, tuple):
        if not isinstance(found, (tuple, list)) or len(found) != len(ins.aval):
            return None
        parts = tuple(_fit(b, x, a) for x, a in zip(found, ins.aval))
        return None if any(p is None for p in parts) else parts
    return _fit(b, found, ins.aval)


def _fit(b: Builder, x: Any, aval: Any) -> Node | None:
    if not isinstance(x, Node):
        x = b.const(x, aval.dtype.name)
    want, shape = aval.dtype.name, tuple(aval.shape)
    if x.dtype != want:
        if x.dtype in FOREIGN:
            return None
        x = b.cast(x, want)
    if tuple(x.shape) != shape:
        if x.shape != ():
            return None
        x = b.expand(x, shape)
    return x


def _call(b: Builder, position: int, ins: Instruction, registers: Mapping[int, Any]) -> Any:
    """The node of an instruction that is called through NumPy."""
    args: list[Node] = []
    for r in ins.args:
        if r is None:
            continue
        a = registers[r]
        args.extend(a if isinstance(a, tuple) else [a])
    several = isinstance(ins.aval, tuple)
    avals = ins.aval if several else (ins.aval,)
    shapes = tuple(tuple(a.shape) for a in avals)
    names = tuple(a.dtype.name for a in avals)
    if not several:
        return b.make("call", tuple(args), position, shapes[0], names[0])
    whole = b.make("call", tuple(args), position, shapes, names)
    return tuple(b.part(whole, i) for i in range(len(avals)))
