"""A fused group → a loop kernel and where its operands are.

The group's nodes become statements. Those that run along the reduced dimensions are written into
"full" stages, anew in each that needs them; the others into the "row" stages between these. A node's
depth is how many reductions, one after another, it depends on: it is the number of the stage.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ..graph.access import resolve
from ..graph.fusion import Fusion, Group, is_compute
from ..graph.ir import Node
from .loop import DTYPES, Access, Loop, Operand, Stage, Statement
from .planning import Placed

DENSE_BLOCK = 4096
"""Elements of a task of a loop over one dimension: a few pages of each operand."""


class Draft:
    """A statement before it has its number."""

    __slots__ = ("op", "args", "dtype", "attr", "number")

    def __init__(self, op: str, args: tuple[Draft, ...], dtype: str, attr: Any = None) -> None:
        self.op, self.args, self.dtype, self.attr = op, args, dtype, attr
        self.number = -1


class Spot(NamedTuple):
    """One operand before the dimensions are ordered: elements a step along each dimension."""

    placed: Placed
    steps: dict[int, int]
    gather: int


class Made(NamedTuple):
    """What a group became."""

    loop: Loop
    extents: tuple[int, ...]
    operands: tuple[Access, ...]
    numbers: tuple[int, ...]
    block: int
    tasks: int
    operations: int
    """Arithmetic statements, for the work estimate."""
    elements: int
    nbytes: int


class Writer:
    """Makes the statements of one group."""

    def __init__(
        self, fusion: Fusion, group: Group, place: Callable[[Node], Placed],
        pointer: Callable[[Node, int, tuple[Node, ...]], tuple[int, int]],
        number: Callable[[Node], int],
    ) -> None:  # fmt: skip
        self.fusion, self.group = fusion, group
        self.place, self.pointer, self.number_slot = place, pointer, number
        self.inputs: list[Spot] = []
        self.outputs: list[Spot] = []
        self.numbers: list[tuple[str, int]] = []
        self._input_at: dict[Any, int] = {}
        self.rows: dict[int, list[Draft]] = {}
        self.fulls: dict[int, list[Draft]] = {}
        self._row_memo: dict[Any, Draft] = {}
        self._full_memo: dict[Any, Draft] = {}
        self._depth: dict[Node, int] = {}
        self._reduced: dict[Node, Draft] = {}

    # --- what stage ---------------------------------------------------------------------------

    def inside(self, node: Node) -> bool:
        return self.fusion.group_of.get(node) is self.group

    def depth(self, node: Node) -> int:
        """How many reductions a node of the group comes after."""
        found = self._depth.get(node)
        if found is None:
            found = 0
            for x in node.args:
                base = resolve(x).base
                if is_compute(base) and self.inside(base):
                    found = max(found, self.depth(base))
            found += node.op == "reduce"
            self._depth[node] = found
        return found

    def is_full(self, node: Node) -> bool:
        """Whether a node's result runs along reduced dimensions (always, where there are none)."""
        red = self.group.red
        return not red or any(d in red for d in self.group.maps[node])

    def write(self) -> None:
        for node in self.group.nodes:  # so that the recursion stays shallow
            self.depth(node)
        for node in self.group.nodes:
            if node.op == "reduce":
                self._reduce(node)
            if self.fusion.escapes(node, (self.group,)):
                self._store(node)

    def _reduce(self, node: Node) -> None:
        stage = self.depth(node) - 1
        x = self._argument(node.args[0], self.fusion.domain[node], stage, True)
        d = Draft("reduce", (x,), node.dtype, node.attr[0])
        self.fulls.setdefault(stage, []).append(d)
        self._reduced[node] = d

    def _store(self, node: Node) -> None:
        full, stage = self.is_full(node), self.depth(node)
        x = self.value(node, stage, full)
        steps = dict(self._steps(self.group.maps[node], self.place(node).strides))
        out = len(self.outputs)
        self.outputs.append(Spot(self.place(node), steps, 0))
        d = Draft("store", (x,), node.dtype, out)
        self._body(stage, full).append(d)

    def _body(self, stage: int, full: bool) -> list[Draft]:
        return (self.fulls if full else self.rows).setdefault(stage, [])

    def _emit(self, key: Any, stage: int, full: bool, draft: Callable[[], Draft]) -> Draft:
        """The draft of a key in a stage's body (rows' values serve all later stages)."""
        memo = self._full_memo if full else self._row_memo
        key = (key, stage) if full else key
        found = memo.get(key)
        if found is None:
            found = draft()
            memo[key] = found
            if not full and not found.args:  # an earlier stage may ask for it later
                stage = 0
            self._body(stage, full).append(found)
        return found

    # --- values -------------------------------------------------------------------------------

    def value(self, node: Node, stage: int, full: bool) -> Draft:
        """The draft of a node of this group, for use in a stage."""
        if node.op == "reduce":
            return self._reduced[node]
        if full and not self.is_full(node):
            return self.value(node, self.depth(node), False)
        stage = stage if full else self.depth(node)
        memo = self._full_memo if full else self._row_memo
        found = memo.get((node, stage) if full else node)
        if found is not None:
            return found
        if node.op == "take":
            return self._take(node, stage, full)
        if node.op == "iota":
            return self._iota(node, self.group.maps[node], stage, full)
        domain = self.group.maps[node]
        args = tuple(
            self._argument(x, domain[len(domain) - len(x.shape):], stage, full) for x in node.args
        )
        if node.op == "copy":
            return args[0]
        return self._emit(node, stage, full, lambda: Draft(node.op, args, node.dtype, node.attr))

    def _argument(self, x: Node, dims: tuple[int | None, ...], stage: int, full: bool) -> Draft:
        """The draft of an argument whose dimensions run along the group's `dims`."""
        dims = tuple(None if n == 1 else d for d, n in zip(dims, x.shape, strict=True))
        access = resolve(x)
        base = access.base
        if base.op == "const":
            return self._emit(("const", base), stage, full, lambda: Draft("const", (), base.dtype, base.attr))
        if base.op == "number":
            return self._number(base, stage, full)
        if is_compute(base) and self.inside(base):
            return self.value(base, stage, full)
        return self._load(access, dims, stage, full)

    def _number(self, x: Node, stage: int, full: bool) -> Draft:
        slot = self.number_slot(x)
        entry = (x.dtype, slot)
        if entry not in self.numbers:
            self.numbers.append(entry)
        at = self.numbers.index(entry)
        return self._emit(("number", slot), stage, full, lambda: Draft("number", (), x.dtype, at))

    def _iota(self, x: Node, dims: tuple[int | None, ...], stage: int, full: bool) -> Draft:
        dim = dims[x.attr]
        if dim is None:
            return self._emit(("const", 0), stage, full, lambda: Draft("const", (), "int64", 0))
        return self._emit(("index", dim), stage, full, lambda: Draft("index", (), "int64", dim))

    def _steps(self, dims: tuple[int | None, ...], strides: tuple[int, ...]) -> Any:
        return ((d, s) for d, s in zip(dims, strides, strict=True) if d is not None)

    def _operand(self, access: Any, dims: tuple[int | None, ...], gather: int) -> int:
        placed = self.place(access.base)
        slot, offset = self.pointer(access.base, access.offset, access.run_time)
        steps = tuple(sorted(self._steps(dims, access.strides)))
        key = (slot, offset, steps, gather, placed.dtype)
        at = self._input_at.get(key)
        if at is None:
            at = self._input_at[key] = len(self.inputs)
            self.inputs.append(
                Spot(placed._replace(slot=slot, offset=offset), dict(steps), gather)
            )
        return at

    def _load(self, access: Any, dims: tuple[int | None, ...], stage: int, full: bool) -> Draft:
        at = self._operand(access, dims, 0)
        steps = self.inputs[at].steps
        if full and self.group.red and not any(d in self.group.red for d in steps):
            stage, full = 0, False
        if not full:
            stage = 0
        dtype = access.base.dtype
        return self._emit(("load", at), stage, full, lambda: Draft("load", (), dtype, at))

    def _take(self, node: Node, stage: int, full: bool) -> Draft:
        x, index = node.args
        d, n = node.attr, len(index.shape)
        domain = self.group.maps[node]
        access = resolve(x)
        dims = (*domain[:d], None, *domain[d + n :])
        if not access.strides[d]:  # whatever the index, it is the same element
            return self._load(access, dims, stage, full)
        i = self._argument(index, domain[d : d + n], stage, full)
        at = self._operand(access, dims, access.strides[d])
        return self._emit(node, stage, full, lambda: Draft("load", (i,), node.dtype, at))


def build(writer: Writer) -> Made:
    """Order the dimensions, choose which runs in vectors, and number everything."""
    writer.write()
    group = writer.group
    spots = writer.inputs + writer.outputs
    indexed = {d.attr for body in (*writer.rows.values(), *writer.fulls.values()) for d in body if d.op == "index"}
    arg_reduce = any(
        d.op == "reduce" and d.attr in ("argmax", "argmin") for b in writer.fulls.values() for d in b
    )
    extents = dict(group.extents)
    par = _collapse(_ordered(group.extents.keys() - group.red, writer), extents, spots, indexed)
    red = _ordered(group.red, writer)
    if not arg_reduce:
        red = _collapse(red, extents, spots, indexed)
    par, red, vector = _choose_vector(par, red, extents, spots)
    if not par:
        par = [0]
        extents[0] = 1
        if not red:
            vector = "par"
    par = _task_dim(par, extents, vector)
    return _finish(writer, par, red, extents, vector)


def _ordered(dims: Iterable[int], writer: Writer) -> list[int]:
    """Outer dimensions first: by the steps of the results, then of what is read."""
    def weight(d: int) -> tuple[int, ...]:
        outs = max((s.steps.get(d, 0) for s in writer.outputs), default=0)
        ins = max((s.steps.get(d, 0) for s in writer.inputs), default=0)
        return (-outs, -ins, d) if outs else (-ins, 0, d)

    return sorted(dims, key=weight)


def _choose_vector(
    par: list[int], red: list[int], extents: dict[int, int], spots: list[Spot]
) -> tuple[list[int], list[int], str]:
    """Put the dimension along which most elements lie side by side last."""
    def score(d: int) -> float:
        total = 0.0
        for s in spots:
            step = s.steps.get(d, 0)
            size = math.prod(extents[e] for e in s.steps) if s.steps else 1
            total += size * (1.0 if step == 1 else 0.5 if step == 0 else 0.3 if step == 2 else 0.0)
        return total * min(extents[d], 16)

    candidates = par + red
    if not candidates:
        return par, red, "par"
    best = max(candidates, key=score)
    if best in par:
        return [d for d in par if d != best] + [best], red, "par"
    return par, [d for d in red if d != best] + [best], "red"


def _collapse(dims: list[int], extents: dict[int, int], spots: list[Spot], indexed: set[Any]) -> list[int]:
    """Join dimensions that follow each other in every operand."""
    out: list[int] = []
    for d in dims:
        if out and out[-1] not in indexed and d not in indexed:
            o = out[-1]
            n = extents[d]
            if all(s.steps.get(o, 0) == s.steps.get(d, 0) * n for s in spots):
                for s in spots:
                    if d in s.steps or o in s.steps:
                        s.steps[o] = s.steps.get(d, 0)
                extents[o] *= n
                continue
        out.append(d)
    return out


def _task_dim(par: list[int], extents: dict[int, int], vector: str) -> list[int]:
    """A dimension with enough tasks goes first."""
    free = par[:-1] if vector == "par" else par
    if len(free) > 1 and extents[free[0]] < 8:
        best = max(free, key=lambda d: extents[d])
        if extents[best] >= 2 * extents[free[0]]:
            return [best] + [d for d in par if d != best]
    return par


def _finish(writer: Writer, par: list[int], red: list[int], extents: dict[int, int], vector: str) -> Made:
    dims = par + red
    inner = dims[len(par) - 1] if vector == "par" else dims[-1]
    dense = len(par) == 1 and vector == "par"
    where = {d: i for i, d in enumerate(dims)}
    stages: list[Stage] = []
    count = 0
    operations = 0
    for depth in range(max([*writer.rows, *writer.fulls], default=0) + 1):
        for level, bodies in (("row", writer.rows), ("full", writer.fulls)):
            body = bodies.get(depth)
            if not body:
                continue
            done: list[Statement] = []
            # Stores come last: a result may lie in the memory of something that is read.
            for d in sorted(body, key=lambda d: d.op == "store"):
                d.number = count
                count += 1
                attr = where[d.attr] if d.op == "index" else d.attr
                done.append(Statement(d.op, tuple(a.number for a in d.args), d.dtype, attr))
                operations += level == "full" and d.op not in ("load", "store", "const", "number")
            stages.append(Stage(level, tuple(done)))
    accesses: list[Access] = []
    kinds: tuple[list[Operand], list[Operand]] = ([], [])
    nbytes = 0
    for side, spots in enumerate((writer.inputs, writer.outputs)):
        for s in spots:
            size = DTYPES[s.placed.dtype]
            strides = tuple(s.steps.get(d, 0) * size for d in dims)
            accesses.append(Access(s.placed.slot, s.placed.offset * size, strides, s.gather * size))
            step = s.steps.get(inner, 0)
            kinds[side].append(Operand(s.placed.dtype, step if step in (0, 1, 2) else None))
            nbytes += size * math.prod(extents[d] for d, n in s.steps.items() if n and d in where)
    gathers = tuple(i for i, s in enumerate(writer.inputs) if s.gather)
    loop = Loop(
        len(par), len(red), vector, tuple(kinds[0]), tuple(kinds[1]),
        tuple(k for k, _ in writer.numbers), tuple(stages), gathers, dense,
    )  # fmt: skip
    sizes = tuple(extents[d] for d in dims)
    elements = math.prod(sizes)
    block, tasks = 0, sizes[0]
    if dense:
        each = max(math.prod(sizes[1:]), 1)
        block = max(64, DENSE_BLOCK // each // 64 * 64) if red else DENSE_BLOCK
        tasks = -(-sizes[0] // block)
    return Made(
        loop, sizes, tuple(accesses), tuple(s for _, s in writer.numbers), block, tasks, operations,
        elements, nbytes,
    )  # fmt: skip
