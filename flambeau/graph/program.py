"""`Program`: the canonical form of what a flush captures, and the key it is found by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import count
from operator import gt
from sys import getrefcount
from typing import Any, NamedTuple

from .value import Value, new_token

Parts = tuple[tuple[Any, ...], tuple[Any, ...], tuple[int, ...], tuple[int, ...]]


class Key:
    """What a program is found by: everything that its meaning depends on. Keys of equal parts are
    one object (see `intern`), so that comparing and hashing them costs nothing.

    `entries` are (op, aval, params, refs), where a ref is the number of an entry, -1 - the number
    of an input, the type of a scalar, or None. `inputs` are avals, `outputs` numbers of entries,
    `dying` the inputs that nobody else refers to.
    """

    __slots__ = ("entries", "inputs", "outputs", "dying")

    def __init__(self, parts: Parts) -> None:
        self.entries, self.inputs, self.outputs, self.dying = parts


_keys: dict[Parts, Key] = {}
_LIMIT = 1024
"""How many keys and plans are remembered. Forgetting costs time only: a key that is made anew
is not found among the programs."""
_OUTCOMES = 64
"""How many outcomes are remembered of each structure."""


def intern(parts: Parts) -> Key:
    """The key of these parts."""
    found = _keys.get(parts)
    if found is None:
        if len(_keys) >= _LIMIT:
            _keys.clear()
            _plans.clear()
        found = _keys[parts] = Key(parts)
    return found


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


_numbers = count(1)


class Program:
    """Instructions in order of recording, over `len(inputs)` buffers and `scalars` numbers.

    Grammar: every argument is an input, a scalar, or the target of an earlier instruction;
    `outputs` are targets; a register in `dies` is not read afterwards and is no output.
    """

    __slots__ = (
        "key", "inputs", "scalars", "instructions", "outputs", "uses", "interpreter", "compiled",
        "state", "seen", "number", "history", "job",
    )  # fmt: skip

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
        self.interpreter: Any = None
        self.compiled: Any = None
        """What runs the program in either tier, where it is there already."""
        self.state = ""
        """What tiering knows of compiling it: nothing, or a word for people."""
        self.seen: tuple[Any, ...] | None = None
        """The numbers of its first run."""
        self.number = next(_numbers)
        """Counts the programs of this process, for people."""
        self.history: list[str] = []
        """Why it was compiled again, for people."""
        self.job: Any = None
        """What the compiler was told to make of it, until it is used."""

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

    def told(self, scalar: int, before: Any, now: Any) -> str:
        """In words, that a number has changed."""
        register = len(self.inputs) + scalar
        reader = next((i.op.name for i in self.instructions if register in i.args), "nothing")
        return f"%{register}, which {reader} reads, was taken for {before} and came as {now}"

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
    nodes: Sequence[Value] = ()
    """The trace."""
    places: Sequence[int] = ()
    """Which of its nodes the program's instructions are."""


class Straggler(Exception):
    """A pending input that is not in the captured trace: another thread recorded it."""

    def __init__(self, value: Value) -> None:
        super().__init__()
        self.value = value


class _Outcome(NamedTuple):
    """What becomes of a trace: the program, and where in the trace its parts are."""

    key: Key
    leaves: list[int]
    scalars: list[tuple[int, int]]
    """Of which node they are, and which of its inputs."""
    results: list[int]
    instructions: list[int]


class _Plan:
    """What is known of all traces of one structure.

    `counts` are the reference counts that nodes, then leaves, have where nobody outside the trace
    refers to them. Which of them do have more tells the outcome.
    """

    __slots__ = ("counts", "outcomes")

    def __init__(self, counts: list[int]) -> None:
        self.counts = counts
        self.outcomes: dict[bytes, _Outcome] = {}


_plans: dict[tuple[Any, ...], _Plan] = {}
_tokens: dict[tuple[Any, ...], int] = {}


def token_of(node: Value) -> int:
    """The token of a value that was recorded without one."""
    key = (node.op, node.aval, node.params, len(node.inputs))
    token = _tokens.get(key)
    if token is None:
        if len(_tokens) >= 16 * _LIMIT:
            _tokens.clear()
        token = _tokens[key] = new_token()
    node.token = token
    return token


def capture(nodes: list[Value]) -> Capture:
    """Number the live part of a trace canonically: instructions in order of recording, inputs in
    order of first use. Scalars count by type only, their values are given at each run.

    A node is an output where somebody besides the trace and its readers refers to it: a storage,
    or something saved for backward. A node that is not, and that no live node reads, is dropped.

    Everything here is done once for each structure of a trace and then looked up: what remains is
    a pass over the nodes, over their inputs, and over reference counts, each in one expression.
    """
    n = len(nodes)
    number: Any = defaultdict(count(n).__next__, zip(nodes, range(n)))
    refs = [
        number[x] if x.__class__ is Value else x.__class__ for node in nodes for x in node.inputs
    ]
    tokens = [node.token for node in nodes]
    if 0 in tokens:
        tokens = [node.token or token_of(node) for node in nodes]
    nodes_and_leaves = list(number)
    leaves = nodes_and_leaves[n:]
    structure = (n, *tokens, *refs, *[leaf.aval for leaf in leaves])
    plan = _plans.get(structure)
    if plan is None:
        if len(_plans) >= _LIMIT:
            _plans.clear()
        plan = _plans[structure] = _Plan(_unheld_counts(n, refs, len(nodes_and_leaves)))
    held = bytes(map(gt, map(getrefcount, nodes_and_leaves), plan.counts))
    for leaf in leaves:
        if leaf.buffer is None:
            raise Straggler(leaf)
    outcome = plan.outcomes.get(held)
    if outcome is None:
        if len(plan.outcomes) >= _OUTCOMES:
            plan.outcomes.clear()
        outcome = plan.outcomes[held] = _outcome(nodes, refs, leaves, held)
    return Capture(
        outcome.key,
        [leaves[i] for i in outcome.leaves],
        [nodes[i].inputs[k] for i, k in outcome.scalars],
        [nodes[i] for i in outcome.results],
        nodes,
        outcome.instructions,
    )


def _calibrate() -> tuple[int, int]:
    """What `capture` counts for a node that nothing but the trace refers to, and for a leaf, each
    without its readers. Measured, since Python versions differ in what a call counts."""
    nodes = [Value(None, None, (), ())]
    nodes.append(Value(None, None, (), ()))
    number: Any = defaultdict(count(2).__next__, zip(nodes, range(2)))
    nodes_and_leaves = list(number)
    leaf = nodes_and_leaves[1:]
    del nodes[1]
    found = list(map(getrefcount, nodes_and_leaves))
    del leaf
    return found[0], found[1]


_NODE, _LEAF = _calibrate()


def _unheld_counts(n: int, refs: list[Any], total: int) -> list[int]:
    """The reference counts of nodes and leaves that nobody outside refers to."""
    counts = [_NODE] * n + [_LEAF] * (total - n)
    for ref in refs:
        if ref.__class__ is int:
            counts[ref] += 1
    return counts


def _outcome(
    nodes: list[Value], refs: list[Any], leaves: list[Value], held: bytes
) -> _Outcome:
    """Find out which nodes are needed, and make the key of the program they are."""
    n = len(nodes)
    starts = [0]
    for node in nodes:
        starts.append(starts[-1] + len(node.inputs))
    read = [False] * (n + len(leaves))
    for i in reversed(range(n)):
        if held[i] or read[i]:
            read[i] = True
            for ref in refs[starts[i] : starts[i + 1]]:
                if ref.__class__ is int:
                    read[ref] = True
    entries: list[Any] = []
    places: dict[int, int] = {}
    """Numbers of the capture → refs of the program."""
    used: list[int] = []
    scalars: list[tuple[int, int]] = []
    results: list[int] = []
    outputs: list[int] = []
    for i in range(n):
        if not read[i]:
            continue
        canonical: list[Any] = []
        for k, x in enumerate(nodes[i].inputs):
            ref = refs[starts[i] + k]
            if ref.__class__ is int:
                if ref not in places:
                    places[ref] = -1 - len(used)
                    used.append(ref - n)
                canonical.append(places[ref])
            elif x is None:
                canonical.append(None)
            else:
                canonical.append(ref)
                scalars.append((i, k))
        if held[i]:
            results.append(i)
            outputs.append(len(entries))
        places[i] = len(entries)
        node = nodes[i]
        entries.append((node.op, node.aval, node.params, tuple(canonical)))
    inputs = tuple([leaves[i].aval for i in used])
    dying = tuple([k for k, i in enumerate(used) if not held[n + i]])
    key = intern((tuple(entries), inputs, tuple(outputs), dying))
    return _Outcome(key, used, scalars, results, [i for i in range(n) if read[i]])


def build(key: Key) -> Program:
    """The program that a key stands for."""
    entries, inputs, outputs, dying = key.entries, key.inputs, key.outputs, key.dying
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
