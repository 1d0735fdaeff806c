"""Instructions in stretches that threads go through together, and which registers live between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .errors import Unsupported
from .flatten import Flat, is_control, is_warp, registers_of
from .ptx import Address, Instruction, Label, Negated, Operand, Pair, Special, Symbol, Vector
from .values import Get, Op

NO_RESULT = {"st", "red", "bra", "brx", "bar", "barrier", "ret", "exit", "trap", "brkpt", "cp", "membar", "fence",
             "prefetch", "prefetchu", "nanosleep", "griddepcontrol", "stmatrix", "discard", "applypriority",
             "pmevent", "setmaxnreg"}  # fmt: skip


@dataclass
class Segment:
    """Instructions that threads go through together."""

    number: int
    instructions: list[Instruction] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)
    end: Instruction | None = None
    """A control instruction, or None where the next segment follows."""
    kind: str = "fall"
    """ "fall", "jump", "branch", "switch", "exit", "trap", "barrier", "warp"."""
    predicate: int = -1
    negated: bool = False
    target: int = -1
    targets: tuple[int, ...] = ()
    selector: Get | None = None
    op: Op | None = None
    """Of a warp instruction."""
    members: Get | None = None
    """The lanes that a warp instruction waits for; None is all."""
    barrier: Any = None
    reads: tuple[int, ...] = ()
    writes: tuple[int, ...] = ()
    """Registers that someone reads later."""
    summary: Any = None
    """What `statistics` counts of it."""
    live_in: int = 0
    live_out: int = 0


@dataclass
class Barrier:
    """What a barrier instruction is: bar.sync, bar.arrive or bar.red."""

    which: Get
    count: Get | None
    waits: bool
    reduce: str = ""
    value: Get | None = None
    put: Any = None


def results_of(i: Instruction) -> list[str]:
    """The names of the registers that an instruction writes."""
    names = []
    if i.opcode not in NO_RESULT and i.operands:
        names = registers_of(i.operands[:1])
    elif i.opcode in ("bar", "barrier") and "red" in i.modifiers:
        names = registers_of(i.operands[:1])
    if "cc" in i.modifiers:
        names.append("%cc")
    return names


def sources_of(i: Instruction) -> list[str]:
    """The names of the registers that an instruction reads (the old values of predicated results too)."""
    has_result = i.opcode not in NO_RESULT or "red" in i.modifiers
    names = registers_of(i.operands[1:] if has_result else i.operands)
    names += [o.name for o in specials_of(i.operands)]
    names += ["&" + o.name for o in symbols_of(i.operands)]
    if i.opcode in ("addc", "subc"):
        names.append("%cc")
    if i.predicate is not None:
        names.append(i.predicate[0])
        names += results_of(i)
    return names


def _gather(operands: tuple[Operand, ...], kind: type, into: list[Any]) -> list[Any]:
    for o in operands:
        of = type(o)
        if of is kind:
            into.append(o)
        elif of is Address:
            if o.base is not None:  # type: ignore[union-attr]
                _gather((o.base,), kind, into)  # type: ignore[union-attr]
        elif of is Vector:
            _gather(o.items, kind, into)  # type: ignore[union-attr]
        elif of is Pair or of is Negated:
            _gather(tuple(o), kind, into)  # type: ignore[arg-type]
    return into


def specials_of(operands: tuple[Operand, ...]) -> list[Special]:
    """The machine's registers among operands, of addresses and vectors too."""
    return _gather(operands, Special, [])


def symbols_of(operands: tuple[Operand, ...]) -> list[Symbol]:
    """The names of variables and labels among operands."""
    return _gather(operands, Symbol, [])


def segments_of(flat: Flat) -> tuple[list[Segment], dict[str, int]]:
    segments = [Segment(0)]
    labels: dict[str, int] = {}

    def fresh() -> Segment:
        last = segments[-1]
        if last.instructions or last.end is not None:
            segments.append(Segment(len(segments)))
        return segments[-1]

    for item in flat.body:
        if isinstance(item, Label):
            labels[item.name] = fresh().number
            continue
        if is_warp(item):
            fresh()
        segments[-1].instructions.append(item)
        if is_control(item):
            segments[-1].instructions.pop()
            segments[-1].end = item
            segments.append(Segment(len(segments)))
    return segments, labels


def _successors(s: Segment, labels: dict[str, int], flat: Flat, count: int) -> list[int]:
    end = s.end
    after = [s.number + 1] if s.number + 1 < count else []
    if end is None or end.opcode in ("bar", "barrier") or is_warp(end):
        return after
    if end.opcode == "bra":
        target = end.operands[0]
        assert isinstance(target, Symbol)
        if target.name not in labels:
            raise Unsupported(f"no label for {end}")
        return [labels[target.name], *(after if end.predicate else [])]
    if end.opcode == "brx":
        names = end.operands[1]
        assert isinstance(names, Symbol)
        return [labels[t] for t in flat.targets[names.name]]
    return []


def liveness(
    segments: list[Segment], numbers: dict[str, int], labels: dict[str, int], flat: Flat
) -> None:
    uses, defs = [], []
    for s in segments:
        used = defined = 0
        written: list[int] = []
        reads: list[int] = []
        for i in [*s.instructions, *([s.end] if s.end else [])]:
            for name in sources_of(i):
                k = numbers.get(name)
                if k is not None and not defined >> k & 1:
                    if not used >> k & 1:
                        reads.append(k)
                    used |= 1 << k
            for name in results_of(i):
                k = numbers[name]
                if i.predicate is None or i.opcode == "bra":
                    defined |= 1 << k
                if k not in written:
                    written.append(k)
        uses.append(used)
        defs.append(defined)
        s.reads, s.writes = tuple(reads), tuple(written)
    follows = [_successors(s, labels, flat, len(segments)) for s in segments]
    changed = True
    while changed:
        changed = False
        for s in reversed(segments):
            out = 0
            for t in follows[s.number]:
                out |= segments[t].live_in
            into = uses[s.number] | (out & ~defs[s.number])
            if out != s.live_out or into != s.live_in:
                s.live_out, s.live_in = out, into
                changed = True
    for s in segments:
        s.writes = tuple(k for k in s.writes if s.live_out >> k & 1)
