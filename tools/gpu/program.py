"""A kernel made ready to run: stretches of operations, and what ends each.

Threads go through a segment together. A segment ends at a label, since others may join there, and at
whatever decides where threads go next. Segments are numbered in the order of the text.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import accesses, bits, comparisons, conversions, floats, integers, tensor_cores, warp
from .errors import Unsupported
from .flatten import Flat, flatten, is_warp
from .ptx import (
    SIZES,
    Instruction,
    Module,
    Symbol,
    Vector,
    parse,
)
from .segments import (
    Barrier,
    Segment,
    liveness,
    results_of,
    segments_of,
    sources_of,
    specials_of,
    symbols_of,
)
from .values import BUILDERS, DTYPES, Context, Op

_ = (
    accesses,
    bits,
    comparisons,
    conversions,
    floats,
    integers,
    tensor_cores,
)  # they register builders

_SPECIAL_KINDS = {"%lanemask_eq": "b32", "%clock64": "b64", "%globaltimer": "b64", "%gridid": "b64"}


@dataclass
class Program:
    name: str
    segments: list[Segment]
    numbers: dict[str, int]
    kinds: list[str]
    """Of each register."""
    uninitialised: list[int]
    """Registers that may be read before they are written."""
    parameters: list[tuple[str, int, int]]
    """(name, offset, bytes)."""
    parameter_bytes: int
    static_shared: int
    """Bytes of shared variables, where dynamic shared memory begins."""
    shared_alignment: int
    local_bytes: int
    max_threads: int
    globals: tuple[str, ...]
    """Module variables of the device's memory that it refers to."""
    shared_layout: list[tuple[str, int, int]]
    registers: int = 0
    flat: Flat | None = None

    def listing(self) -> str:
        """The instructions, for people."""
        return "\n".join(
            f"{s.number}:\n"
            + "\n".join(f"    {i.text}" for i in [*s.instructions, *([s.end] if s.end else [])])
            for s in self.segments
        )


@functools.lru_cache(256)
def module(text: str) -> Module:
    """A parsed module, kept by its text."""
    return parse(text)


@functools.lru_cache(512)
def program(text: str, name: str) -> Program:
    """A kernel of a module, ready to run, kept by the text."""
    return compile_kernel(module(text), name)


def _uncontracted(flat: Flat) -> None:
    """ptxas makes one instruction, rounded once, of a product and a sum that don't say how they are rounded."""
    free = {
        (i.opcode, i.type) for i in flat.body if isinstance(i, Instruction) and i.opcode in ("mul", "add", "sub")
        and "f" in i.type and not {"rn", "rz", "rm", "rp"} & set(i.modifiers)
    }  # fmt: skip
    for opcode, kind in free:
        if opcode == "mul" and free & {("add", kind), ("sub", kind)}:
            raise Unsupported(f"mul.{kind} and add.{kind} without a rounding may be contracted")


def compile_kernel(of: Module, name: str) -> Program:
    """A kernel of a parsed module, ready to run."""
    flat = flatten(of, name)
    _uncontracted(flat)
    symbols, static, alignment, layout, local = _layout(of, flat)
    segments, labels = segments_of(flat)
    kinds = dict(flat.registers)
    kinds["%cc"] = "pred"
    module_names = set(of.variables)
    used_globals: list[str] = []
    parameter_names = set(flat.parameter_offsets)
    for s in segments:
        for i in [*s.instructions, *([s.end] if s.end else [])]:
            for special in specials_of(i.operands):
                kinds.setdefault(special.name, _SPECIAL_KINDS.get(special.name, "b32"))
            for symbol in symbols_of(i.operands):
                if symbol.name in symbols or symbol.name in labels or symbol.name in flat.targets:
                    continue
                if symbol.name in parameter_names or symbol.name in module_names:
                    kinds["&" + symbol.name] = "b64"
                    if symbol.name in module_names and symbol.name not in used_globals:
                        used_globals.append(symbol.name)
                else:
                    raise Unsupported(f"{symbol.name} is not declared: {i}")
    numbers = {n: k for k, n in enumerate(kinds)}
    architecture = of.target.removeprefix("sm_").rstrip("af")
    compiler = Context(numbers, kinds, symbols, int(architecture or 90))
    liveness(segments, numbers, labels, flat)
    for s in segments:
        _build(compiler, s, labels, flat)
    first = segments[0].live_in
    return Program(
        name,
        segments,
        numbers,
        list(kinds.values()),
        [k for n, k in numbers.items() if first >> k & 1 and n in flat.registers],
        [(p.name, flat.parameter_offsets[p.name], p.nbytes) for p in flat.parameters],
        flat.parameter_bytes,
        static,
        alignment,
        local,
        flat.max_threads,
        tuple(used_globals),
        layout,
        len(flat.registers),
        flat,
    )


def _layout(
    of: Module, flat: Flat
) -> tuple[dict[str, int], int, int, list[tuple[str, int, int]], int]:
    """Addresses of shared and local variables; dynamic shared memory comes after the static."""
    symbols: dict[str, int] = {}
    layout = []
    at, most, local = 0, 16, 0
    used = {o.name for i in flat.body if isinstance(i, Instruction) for o in symbols_of(i.operands)}
    shared = [
        v
        for v in [*of.variables.values(), *flat.variables.values()]
        if v.space == "shared" and v.name in used
    ]
    for v in shared:
        if v.nbytes:
            at = (at + v.align - 1) // v.align * v.align
            symbols[v.name] = at
            layout.append((v.name, at, at + v.nbytes))
            at += v.nbytes
    for v in shared:
        if not v.nbytes:
            most = max(most, v.align)
    start = (at + most - 1) // most * most
    for v in shared:
        if not v.nbytes:
            symbols[v.name] = start
    for v in flat.variables.values():
        if v.space == "local":
            local = (local + v.align - 1) // v.align * v.align
            symbols[v.name] = local
            local += v.nbytes
    return (
        symbols,
        start if any(not v.nbytes for v in shared) else at,
        most,
        layout,
        (local + 15) // 16 * 16,
    )


def _build(c: Context, s: Segment, labels: dict[str, int], flat: Flat) -> None:
    live = s.live_out
    dead: list[set[str]] = []
    for i in reversed([*s.instructions, *([s.end] if s.end else [])]):
        results = results_of(i)
        dead.append({n for n in results if not live >> c.numbers[n] & 1})
        if i.predicate is None:
            for n in results:
                live &= ~(1 << c.numbers[n])
        for n in sources_of(i):
            if n in c.numbers:
                live |= 1 << c.numbers[n]
    dead.reverse()
    for i, gone in zip(s.instructions, dead):
        c.dead = gone
        s.ops.append(_operation(c, i))
    end = s.end
    if end is None:
        return
    c.dead = set()
    if end.opcode == "bra":
        target = end.operands[0]
        assert isinstance(target, Symbol)
        s.target = labels[target.name]
        s.kind = "jump" if end.predicate is None else "branch"
        if end.predicate is not None:
            s.predicate, s.negated = c.register(end.predicate[0]), end.predicate[1]
    elif end.opcode == "brx":
        names = end.operands[1]
        assert isinstance(names, Symbol)
        s.kind = "switch"
        s.selector = c.source(end.operands[0], "u32")
        s.targets = tuple(labels[t] for t in flat.targets[names.name])
    elif end.opcode in ("ret", "exit"):
        s.kind = "exit"
    elif end.opcode == "trap":
        s.kind = "trap"
    elif is_warp(end):
        s.kind = "warp"
        s.op = _operation(c, end)
        s.members = warp.member_mask(c, end)
    else:
        s.kind = "barrier"
        s.barrier = _barrier(c, end)


def _barrier(c: Context, i: Instruction) -> Barrier:
    mods = [m for m in i.modifiers if m not in ("cta", "aligned")]
    operands = list(i.operands)
    if mods[0] in ("sync", "arrive") and len(operands) in (1, 2):
        count = c.source(operands[1], "u32") if len(operands) > 1 else None
        return Barrier(c.source(operands[0], "u32"), count, mods[0] == "sync")
    if mods[0] == "red":
        put = c.target(operands[0], "u32" if mods[1] == "popc" else "pred")
        value = operands[-1]
        get = c.source(value, "pred")
        count = c.source(operands[2], "u32") if len(operands) > 3 else None
        return Barrier(c.source(operands[1], "u32"), count, True, mods[1], get, put)
    raise Unsupported(f"not simulated: {i}")


def _operation(c: Context, i: Instruction) -> Op:
    if i.opcode in ("ld", "ldu", "st") and i.modifiers[:1] == ("param",):
        return _parameter(c, i)
    builder = BUILDERS.get(i.opcode)
    if builder is None:
        raise Unsupported(f"not simulated: {i}")
    try:
        op = builder(c, i)
    except (KeyError, IndexError, AttributeError, AssertionError, ValueError, TypeError) as error:
        raise Unsupported(f"not simulated: {i} ({type(error).__name__}: {error})") from error
    if i.predicate is None:
        return op
    return _predicated(c, i, op)


def _predicated(c: Context, i: Instruction, op: Op) -> Op:
    """The operation for the threads where the predicate holds."""
    p, negated = c.register(i.predicate[0]), i.predicate[1]  # type: ignore[index]
    reads = tuple({c.numbers[n] for n in sources_of(i) if n in c.numbers})
    writes = tuple({c.numbers[n] for n in results_of(i)})

    def some(m: Any, L: list[Any]) -> None:
        holds = ~L[p] if negated else L[p]
        if holds.ndim == 0:
            if holds:
                op(m, L)
            return
        if holds.all():
            op(m, L)
            return
        chosen = np.flatnonzero(holds)
        if not len(chosen):
            return
        outer = m.active
        m.active = outer.subset(chosen)
        inner: list[Any] = [None] * len(L)
        for k in reads:
            value = L[k]
            inner[k] = value[chosen] if value is not None and value.ndim else value
        op(m, inner)
        m.active = outer
        for k in writes:
            old = L[k]
            if old is None or old.ndim == 0:
                old = np.full(outer.n, 0 if old is None else old, m.dtypes[k])
                L[k] = old
            old[chosen] = inner[k]

    return some


def _parameter(c: Context, i: Instruction) -> Op:
    """ld.param of the kernel's own parameters at a fixed place."""
    where = i.operands[1] if i.opcode != "st" else None
    base = getattr(where, "base", None)
    if i.opcode == "st" or not isinstance(base, Symbol):
        builder = BUILDERS[i.opcode]
        return builder(c, i)
    size = SIZES[i.type]
    items = i.operands[0].items if isinstance(i.operands[0], Vector) else (i.operands[0],)
    puts = [c.target(o, i.type) for o in items]
    name, offset, dtype = base.name, where.offset, DTYPES[i.type]  # type: ignore[union-attr]

    def op(m: Any, L: list[Any]) -> None:
        start = m.parameter_offsets[name] + offset
        for k, put in enumerate(puts):
            at = start + k * size
            put(L, np.frombuffer(m.parameters, dtype, 1, at)[0])

    return op
