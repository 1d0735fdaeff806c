"""`Program`: the canonical form of what a flush captures, and the key it is found by."""

from __future__ import annotations

from sys import getrefcount
from typing import Any, NamedTuple

from .value import Value

Key = tuple[Any, ...]


class Instruction(NamedTuple):
    """One operation of a program. Registers: first the program's inputs, then its scalars, then
    one for each instruction."""

    op: Any
    params: tuple[Any, ...]
    args: tuple[int | None, ...]
    """The register of each input; None for an input that was not given."""
    target: int
    aval: Any
    dies: tuple[int, ...]
    """Registers whose last reader this instruction is."""


class Program:
    """Instructions in order of recording, over `len(inputs)` buffers and `scalars` numbers.

    Grammar: every argument is an input, a scalar, or the target of an earlier instruction;
    `outputs` are targets; a register in `dies` is not read afterwards and is no output.
    """

    __slots__ = ("key", "inputs", "scalars", "instructions", "outputs", "uses", "executable")

    def __init__(
        self,
        key: Key,
        inputs: tuple[Any, ...],
        scalars: tuple[type, ...],
        instructions: tuple[Instruction, ...],
        outputs: tuple[int, ...],
    ) -> None:
        self.key = key
        self.inputs = inputs
        self.scalars = scalars
        self.instructions = instructions
        self.outputs = outputs
        self.uses = 0
        self.executable: Any = None
        """What tiering chose to run the program."""

    def verify(self) -> None:
        """Check the grammar above; AssertionError where it is broken."""
        known = set(range(len(self.inputs) + len(self.scalars)))
        dead: set[int] = set()
        for ins in self.instructions:
            for arg in ins.args:
                assert arg is None or (arg in known and arg not in dead), ins
            assert ins.target not in known, ins
            known.add(ins.target)
            dead.update(ins.dies)
        assert set(self.outputs) <= known - dead

    def __str__(self) -> str:
        lines = []
        n = len(self.inputs)
        heads = [f"%{i}: {a}" for i, a in enumerate(self.inputs)]
        heads += [f"%{n + i}: {kind.__name__}" for i, kind in enumerate(self.scalars)]
        lines.append(f"program({', '.join(heads)}):")
        for ins in self.instructions:
            args = ["-" if a is None else f"%{a}" for a in ins.args]
            args += [repr(tuple(p) if isinstance(p, tuple) else p) for p in ins.params]
            lines.append(f"  %{ins.target}: {ins.aval} = {ins.op.name}({', '.join(args)})")
        lines.append(f"  return {', '.join(f'%{o}' for o in self.outputs)}")
        return "\n".join(lines)


class Capture(NamedTuple):
    """A flush before it runs: the program's key and everything that fills its inputs."""

    key: Key
    leaves: list[Value]
    scalars: list[Any]
    results: list[Value]
    """The values that the program's outputs belong to, in order."""


class Straggler(Exception):
    """A pending input that is not in the captured trace: another thread recorded it."""

    def __init__(self, value: Value) -> None:
        super().__init__()
        self.value = value


def _calibrate() -> int:
    """What getrefcount reports for a value held by a list, a loop variable and nothing else.
    Measured, since Python versions differ in what a call's argument counts."""
    nodes = [Value(None, None, (), ())]
    count = 0
    for node in reversed(nodes):
        count = getrefcount(node)
    return count


_HELD_BY_LIST = _calibrate()


def _live(nodes: list[Value]) -> tuple[list[bool], list[bool]]:
    """Which nodes are needed, and which of them somebody outside the trace still holds.

    A node is held where it has more references than the trace and its readers account for: from
    a storage, or from something saved for backward. A node that is not held and that no live
    node reads is dropped.
    """
    n = len(nodes)
    uses = [0] * n
    position = 0
    for node in nodes:
        node.index = position
        position += 1
        for x in node.inputs:
            if x.__class__ is Value and x.buffer is None:
                i = x.index
                if i >= n or nodes[i] is not x:
                    raise Straggler(x)
                uses[i] += 1
    node = x = None  # type: ignore[assignment]  # or these variables would count as holders
    readers = [0] * n
    live = [False] * n
    held = [False] * n
    for node in reversed(nodes):
        position -= 1
        if getrefcount(node) > _HELD_BY_LIST + uses[position]:
            held[position] = True
        elif not readers[position]:
            continue
        live[position] = True
        for x in node.inputs:
            if x.__class__ is Value and x.buffer is None:
                readers[x.index] += 1
        x = None
    return live, held


def capture(nodes: list[Value]) -> Capture:
    """Number the live part of a trace canonically: instructions in order of recording, inputs in
    order of first use. The key holds everything that the program's meaning depends on, so equal
    keys are equal programs; scalars count by type only, their values are given at each run.
    """
    live, held = _live(nodes)
    entries: list[Any] = []
    leaves: list[Value] = []
    leaf_uses: list[int] = []
    scalars: list[Any] = []
    results: list[Value] = []
    outputs: list[int] = []
    for node, alive, kept in zip(nodes, live, held, strict=True):
        if not alive:
            continue
        refs: list[Any] = []
        for x in node.inputs:
            if x.__class__ is Value:
                i = x.index
                if x.buffer is None:
                    refs.append(i)
                    continue
                if i >= len(leaves) or leaves[i] is not x:
                    i = x.index = len(leaves)
                    leaves.append(x)
                    leaf_uses.append(0)
                leaf_uses[i] += 1
                refs.append(-1 - i)
            elif x is None:
                refs.append(None)
            else:
                refs.append(x.__class__)
                scalars.append(x)
        node.index = len(entries)
        if kept:
            results.append(node)
            outputs.append(len(entries))
        entries.append((node.op, node.aval, node.params, tuple(refs)))
    node = x = None  # type: ignore[assignment]
    dying = []
    i = 0
    for leaf in leaves:  # not enumerate(): its tuple would count too
        if getrefcount(leaf) == _HELD_BY_LIST + leaf_uses[i]:
            dying.append(i)
        i += 1
    key = (
        tuple(entries),
        tuple([leaf.aval for leaf in leaves]),
        tuple(outputs),
        tuple(dying),
    )
    return Capture(key, leaves, scalars, results)


def build(key: Key) -> Program:
    """The program that a key stands for."""
    entries, inputs, outputs, dying = key
    n_in = len(inputs)
    kinds = tuple(r for _, _, _, refs in entries for r in refs if isinstance(r, type))
    base = n_in + len(kinds)
    scalar = n_in
    lines: list[tuple[Any, Any, Any, tuple[int | None, ...]]] = []
    last: dict[int, int] = {}
    for position, (op, aval, params, refs) in enumerate(entries):
        args: list[int | None] = []
        for ref in refs:
            if ref is None:
                args.append(None)
                continue
            if isinstance(ref, type):
                register = scalar
                scalar += 1
            else:
                register = base + ref if ref >= 0 else -1 - ref
            last[register] = position
            args.append(register)
        lines.append((op, params, aval, tuple(args)))
    keep = {base + o for o in outputs} | (set(range(n_in)) - set(dying))
    dies: list[list[int]] = [[] for _ in lines]
    for register, position in last.items():
        if register not in keep:
            dies[position].append(register)
    instructions = tuple(
        Instruction(op, params, args, base + i, aval, tuple(sorted(dies[i])))
        for i, (op, params, aval, args) in enumerate(lines)
    )
    return Program(key, inputs, kinds, instructions, tuple(base + o for o in outputs))
