"""A kernel as one flat list of instructions: calls are inlined, parameters of calls become registers.

Recursion is refused. A predicate on an instruction that decides where threads go (a return, a
barrier, a shuffle) becomes a branch around it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .errors import Unsupported
from .ptx import (
    SIZES,
    Address,
    Function,
    Immediate,
    Instruction,
    Label,
    Module,
    Negated,
    Operand,
    Pair,
    Register,
    Symbol,
    Variable,
    Vector,
)

WARP_OPCODES = {
    "shfl",
    "vote",
    "match",
    "redux",
    "elect",
    "mma",
    "ldmatrix",
    "stmatrix",
    "movmatrix",
    "wmma",
}
BARRIER_OPCODES = {"bar", "barrier"}
END_OPCODES = {"ret", "exit"}


def is_warp(i: Instruction) -> bool:
    """Whether all lanes that it names must come before any goes on."""
    if i.opcode == "bar" and i.modifiers[:1] == ("warp",):
        return True
    return i.opcode in WARP_OPCODES


def is_control(i: Instruction) -> bool:
    """Whether it ends a stretch of instructions that threads go through together."""
    return (
        i.opcode in ("bra", "brx", "trap")
        or i.opcode in BARRIER_OPCODES | END_OPCODES
        or is_warp(i)
    )


@dataclass
class Flat:
    """A kernel without calls."""

    name: str
    body: list[Instruction | Label]
    registers: dict[str, str]
    """Name → "pred", "b16", "b32", "b64"."""
    parameters: list[Variable]
    variables: dict[str, Variable]
    """Shared and local ones."""
    targets: dict[str, tuple[str, ...]]
    max_threads: int
    parameter_offsets: dict[str, int] = field(default_factory=dict)
    parameter_bytes: int = 0


class _Inliner:
    def __init__(self, module: Module) -> None:
        self.module = module
        self.count = 0
        self.body: list[Instruction | Label] = []
        self.registers: dict[str, str] = {}
        self.variables: dict[str, Variable] = {}
        self.targets: dict[str, tuple[str, ...]] = {}

    def inline(
        self, f: Function, names: dict[str, str], stack: tuple[str, ...], entry: bool
    ) -> None:
        """`names` says what the function's parameters and results are called by its caller."""
        if f.declared:
            raise Unsupported(f"a call of {f.name}, which has no body")
        if f.name in stack:
            raise Unsupported(f"{f.name} calls itself")
        stack += (f.name,)
        mark = "" if entry else f"{f.name}#{self.count}:"
        self.count += 1
        names = dict(names)
        for name, kind in f.registers.items():
            names[name] = mark + name
            self.registers[mark + name] = kind
        for v in f.variables:
            # Shared variables of a function are one for all its calls.
            unique = f"{f.name}:{v.name}" if v.space == "shared" else mark + v.name
            if v.space in ("global", "const"):
                raise Unsupported(f"a {v.space} variable inside of a function: {v.name}")
            names[v.name] = unique
            self.variables[unique] = v._replace(name=unique)
        for item in f.body:
            if isinstance(item, Label):
                names[item.name] = mark + item.name
        end = f"{mark}<end>"
        for label, targets in f.targets.items():
            names[label] = mark + label
            self.targets[mark + label] = tuple(mark + t for t in targets)
        for item in f.body:
            if isinstance(item, Label):
                self.body.append(Label(mark + item.name))
                continue
            i = self.renamed(item, names)
            if i.opcode == "call":
                if i.predicate is not None:
                    skip = self.branch_around(i)
                    self.call(i._replace(predicate=None), stack)
                    self.body.append(Label(skip))
                else:
                    self.call(i, stack)
            elif i.opcode == "ret" and not entry:
                self.body.append(i._replace(opcode="bra", modifiers=(), operands=(Symbol(end),)))
            elif i.predicate is not None and is_control(i) and i.opcode != "bra":
                skip = self.branch_around(i)
                self.body.append(i._replace(predicate=None))
                self.body.append(Label(skip))
            else:
                self.body.append(i)
        if not entry:
            self.body.append(Label(end))

    def branch_around(self, i: Instruction) -> str:
        assert i.predicate is not None
        self.count += 1
        skip = f"<skip {self.count}>"
        name, negated = i.predicate
        self.body.append(
            Instruction(
                "bra", (), (Symbol(skip),), (name, not negated), i.line, f"(around) {i.text}"
            )
        )
        return skip

    def call(self, i: Instruction, stack: tuple[str, ...]) -> None:
        operands = list(i.operands)
        results: tuple[Operand, ...] = ()
        if operands and isinstance(operands[0], Vector):
            results = operands.pop(0).items  # type: ignore[union-attr]
        callee = operands.pop(0)
        if not isinstance(callee, Symbol) or callee.name not in self.module.functions:
            raise Unsupported(f"{i}: only functions of the module are called")
        arguments: tuple[Operand, ...] = ()
        if operands and isinstance(operands[0], Vector):
            arguments = operands[0].items
        f = self.module.functions[callee.name]
        names = {}
        for formal, actual in [*zip(f.results, results), *zip(f.parameters, arguments)]:
            if not isinstance(actual, Symbol):
                raise Unsupported(f"{i}: arguments are variables of the space param")
            names[formal.name] = actual.name
        self.inline(f, names, stack, False)

    def renamed(self, i: Instruction, names: dict[str, str]) -> Instruction:
        predicate = i.predicate
        if predicate is not None:
            predicate = (names.get(predicate[0], predicate[0]), predicate[1])
        return i._replace(
            operands=tuple(_rename(o, names) for o in i.operands), predicate=predicate
        )


def _rename(o: Operand, names: dict[str, str]) -> Operand:
    match o:
        case Register(name):
            return Register(names.get(name, name))
        case Symbol(name, offset):
            return Symbol(names.get(name, name), offset)
        case Address(base, offset):
            return Address(None if base is None else _rename(base, names), offset)
        case Vector(items):
            return Vector(tuple(_rename(x, names) for x in items))
        case Pair(a, b):
            return Pair(_rename(a, names), _rename(b, names))
        case Negated(a):
            return Negated(_rename(a, names))
    return o


def flatten(module: Module, name: str) -> Flat:
    """The kernel of that name."""
    f = module.functions.get(name)
    if f is None or not f.entry:
        raise Unsupported(f"there is no kernel {name!r}; kernels: {kernels(module)}")
    inliner = _Inliner(module)
    inliner.inline(f, {}, (), True)
    flat = Flat(
        name,
        inliner.body,
        inliner.registers,
        f.parameters,
        inliner.variables,
        inliner.targets,
        f.max_threads,
    )
    at = 0
    for p in f.parameters:
        at = (at + p.align - 1) // p.align * p.align
        flat.parameter_offsets[p.name] = at
        at += p.nbytes
    flat.parameter_bytes = at
    _promote(flat)
    return flat


def kernels(module: Module) -> list[str]:
    """The names of the kernels of a module."""
    return [f.name for f in module.functions.values() if f.entry]


def _promote(flat: Flat) -> None:
    """Variables of calls' parameters become registers where every access to one is of the same
    places; others become local memory."""
    candidates = {v.name for v in flat.variables.values() if v.space == "param"}
    places: dict[str, set[tuple[int, int]]] = {name: set() for name in candidates}
    bad: set[str] = set()
    for i in flat.body:
        if isinstance(i, Label):
            continue
        access = _parameter_access(i, candidates)
        if access is not None:
            name, offset, size, count = access
            places[name] |= {(offset + k * size, size) for k in range(count)}
        else:
            bad |= {o.name for o in _symbols(i.operands) if o.name in candidates}
    for name, found in places.items():
        covered: set[int] = set()
        for offset, size in found:
            span = set(range(offset, offset + size))
            if covered & span:
                bad.add(name)
            covered |= span
    for name in candidates - bad:
        for offset, size in places[name]:
            flat.registers[f"{name}@{offset}"] = f"b{max(16, 8 * size)}"
        del flat.variables[name]
    for name in bad:
        flat.variables[name] = flat.variables[name]._replace(space="local")
    body: list[Instruction | Label] = []
    for i in flat.body:
        if isinstance(i, Label):
            body.append(i)
            continue
        access = _parameter_access(i, candidates)
        if access is None:
            body.append(i)
            continue
        name, offset, size, count = access
        kind = i.type
        if name in bad:
            body.append(i._replace(modifiers=("local", *i.modifiers[1:])))
            continue
        value = i.operands[0] if i.opcode == "ld" else i.operands[1]
        values = value.items if isinstance(value, Vector) else (value,)
        for k, one in enumerate(values):
            slot = Register(f"{name}@{offset + k * size}")
            operands = (one, slot) if i.opcode == "ld" else (slot, one)
            body.append(i._replace(opcode="mov", modifiers=(kind,), operands=operands))
    flat.body = body


def _parameter_access(i: Instruction, names: set[str]) -> tuple[str, int, int, int] | None:
    """(variable, offset, bytes of an element, elements) of a load or store of one of the variables."""
    if i.opcode not in ("ld", "st") or i.modifiers[:1] != ("param",):
        return None
    where = i.operands[1] if i.opcode == "ld" else i.operands[0]
    if (
        not isinstance(where, Address)
        or not isinstance(where.base, Symbol)
        or where.base.name not in names
    ):
        return None
    count = next((int(m[1:]) for m in i.modifiers if m in ("v2", "v4")), 1)
    return where.base.name, where.offset, SIZES[i.type], count


def _symbols(operands: tuple[Operand, ...]) -> list[Symbol]:
    found: list[Symbol] = []
    for o in operands:
        match o:
            case Symbol():
                found.append(o)
            case Address(base, _) if base is not None:
                found += _symbols((base,))
            case Vector(items):
                found += _symbols(items)
    return found


def registers_of(operands: tuple[Operand, ...]) -> list[str]:
    """The names of the registers among operands, of addresses and vectors too."""
    found: list[str] = []
    for o in operands:
        match o:
            case Register(name):
                found.append(name)
            case Address(base, _) if base is not None:
                found += registers_of((base,))
            case Vector(items):
                found += registers_of(items)
            case Pair(a, b):
                found += registers_of((a, b))
            case Negated(a):
                found += registers_of((a,))
    return found


__all__ = ["Flat", "Immediate", "flatten", "kernels", "registers_of"]
