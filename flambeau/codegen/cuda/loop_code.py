"""A loop kernel's arguments, positions, and statements, for one thread of a GPU.

The words of a launch, in order: how many vectors there are along the parallel dimensions, then for
each of these but the first its divisor; the same for the reduction dimensions; how many elements
are left when the vector dimension is cut into vectors; for each operand its slot, offset, bytes a
step along each dimension and, if it is gathered, its gather stride; the slots of the numbers. Then
what `loop_rows` adds for divided rows. `loops.words` writes them.
"""

from __future__ import annotations

from typing import Any, cast

from ..ir_values import Val
from ..kernel import Target
from ..llvm_text import Function
from ..loop import DTYPES, Loop, Operand, Statement
from ..loop_plan import plan, statements
from ..loop_reduce import Reduction
from ..loop_values import MEMORY, Lanes
from .ir import Code, Divisor, Writes
from .loop_shape import Shape

VECTOR_BYTES = 16
"""Of the widest access."""

RESIDENT = 1024
"""Threads of a multiprocessor that loops of light bodies run on: 64 registers each."""


def resident(loop: Loop, shape: Shape) -> int:
    """Blocks that registers must leave room for, 0 for no such bound."""
    light = all(s.op in LIGHT and DTYPES[s.dtype] <= 4 for s in statements(loop) if s.op != "const")
    return RESIDENT // shape.threads if light and shape.threads <= 256 and not shape.held else 0


def flat_uniform(all: list[Statement]) -> tuple[bool, ...]:
    """For each statement whether it is the same everywhere."""
    out: list[bool] = []
    for s in all:
        if s.op in ("load", "index", "store"):
            out.append(False)
        else:
            out.append(all_of(out, s.args))
    return tuple(out)


def all_of(flags: list[bool], which: tuple[int, ...]) -> bool:
    return all(flags[k] for k in which)


LIGHT = frozenset(
    "load store number reduce cast select neg abs add sub mul fma min max lt le gt ge eq ne not and "
    "or".split()
)
"""Operations of few registers."""


class Arithmetic(Lanes):
    """`loop_values.Lanes` of one lane, as LLVM's code for GPUs has it right."""

    def apply(self, op: str, dtype: str, args: list[str], consts: tuple[Any, ...] = ()) -> str:
        if op == "shl" and dtype == "int64":
            # Of a shift that is 0 by 64 or more LLVM 22 makes one instruction, and looks at the low
            # 32 bits of the amount only. So it must not see that it is such a shift.
            by = self.do("and", dtype, args[1], self.const(63, dtype))
            small = self.do("icmp ult", dtype, args[1], self.const(64, dtype))
            return self.select(small, dtype, self.do("shl", dtype, args[0], by), self.const(0, dtype))
        return super().apply(op, dtype, args, consts)


class Place:
    """Where a thread is: a vector (or one element) of the loop."""

    def __init__(
        self, par: list[Val], base: dict[int, Val], red: list[Val] | None, lanes: int,
        live: Val | None = None,
    ) -> None:  # fmt: skip
        self.par = par
        """Positions along the parallel dimensions, of lane 0."""
        self.base = base
        """Bytes that they move each operand, as far as it was asked for."""
        self.red = red
        """Positions along the reduction dimensions; None in a row stage."""
        self.lanes = lanes
        self.live = live
        """Whether it is in the loop at all, if that is not sure: else it is a copy of a place that
        is, to be read but not stored or reduced."""
        self.offsets: dict[int, Val] = {}
        self.each: list[Place] = []
        """The lanes by themselves, where a vector may go on in the next row (`Shape.flat`)."""


class Statements:
    """One kernel's arguments and values."""

    def __init__(self, loop: Loop, shape: Shape, target: Target, symbol: str) -> None:
        self.loop, self.shape, self.target = loop, shape, target
        self.c = Code(target, symbol, shape.threads, resident(loop, shape))
        self.functions: set[tuple[str, int, str]] = set()
        self.v = Arithmetic(cast(Function, Writes(self.c)), target, 1, self.functions)
        self.all = statements(loop)
        self.uniform = flat_uniform(self.all) if shape.flat else plan(loop, target).uniform
        self.operands: list[Operand] = [*loop.inputs, *loop.outputs]
        self.vector_dim = loop.par - 1 if loop.vector == "par" else loop.par + loop.red - 1
        self.index = "i64" if shape.wide else "i32"
        self.firsts = [0]
        for stage in loop.stages:
            self.firsts.append(self.firsts[-1] + len(stage.body))
        self.values: dict[int, list[list[str]]] = {}
        """For each statement, copy and lane; one copy or lane where all are the same."""
        self.held: dict[tuple[int, int], list[str]] = {}
        """What was loaded of an operand for each copy."""
        self.arguments()

    # --- arguments --------------------------------------------------------------------------

    def arguments(self) -> None:
        """Read the launch's words."""
        c, loop = self.c, self.loop
        dims = loop.par + loop.red
        self.par_count = c.word(self.index)
        self.par_sizes = [c.divisor(self.index) for _ in range(1, loop.par)]
        self.red_count = c.word(self.index)
        self.red_sizes = [c.divisor(self.index) for _ in range(1, loop.red)]
        self.tail = c.word(self.index)
        self.bases: list[Val] = []
        self.strides: list[list[Val]] = []
        self.gathers: dict[int, Val] = {}
        for k in range(len(self.operands)):
            self.bases.append(c.buffer())
            self.strides.append(c.words(dims, self.index))
            if k in loop.gathers:
                self.gathers[k] = c.word()
        numbers = [
            c.slot("double" if t == "float64" else "i64") for t in loop.numbers
        ]  # fmt: skip
        for k, s in enumerate(self.all):
            if s.op == "number":
                x = self.v.cast(numbers[s.attr].text, loop.numbers[s.attr], s.dtype)
                self.values[k] = [[x]]

    # --- positions --------------------------------------------------------------------------

    def known(self, number: int) -> Val:
        """An index that is known."""
        return Val(self.c, self.index, str(number), number if self.index == "i64" else None)

    def split(self, i: Val, sizes: list[Divisor]) -> list[Val]:
        """Positions along dimensions that follow each other; `sizes` are those of all but the
        first."""
        out: list[Val] = []
        for d in reversed(sizes):
            i, rest = d.split(i)
            out.append(rest)
        return [i, *reversed(out)]

    def scaled(self, positions: list[Val], lanes: int) -> list[Val]:
        """With the last in elements, not vectors."""
        return [*positions[:-1], positions[-1] * lanes] if lanes > 1 else positions

    def move(self, o: int, d: int, position: Val) -> Val | None:
        """Bytes that a position along dimension d moves an operand; None for 0."""
        if d == self.vector_dim and self.operands[o].inner is not None:
            by = self.operands[o].inner * DTYPES[self.operands[o].dtype]  # type: ignore[operator]
            return None if by == 0 else position * by
        return position * self.strides[o][d]

    def sum(self, parts: list[Val | None]) -> Val:
        out = self.known(0)
        first = True
        for x in parts:
            if x is not None:
                out, first = (x, False) if first else (out + x, False)
        return out

    def base(self, o: int, place: Place) -> Val:
        """Bytes of an operand at the first positions of the reduction dimensions."""
        if o not in place.base:
            place.base[o] = self.sum([self.move(o, d, p) for d, p in enumerate(place.par)])
        return place.base[o]

    def offset(self, o: int, place: Place) -> Val:
        """Bytes of an operand from its buffer's begin to lane 0."""
        if place.each:
            return place.par[0] * DTYPES[self.operands[o].dtype]
        if place.red is None:
            return self.base(o, place)
        if o not in place.offsets:
            parts = [self.move(o, self.loop.par + d, p) for d, p in enumerate(place.red)]
            known = [x for x in parts if x is not None]
            own = self.base(o, place)
            place.offsets[o] = own + self.sum(parts) if known else own
        return place.offsets[o]

    def position(self, d: int, place: Place, lane: int) -> Val:
        """Along a dimension, of a lane."""
        at = place.par[d] if d < self.loop.par else (place.red or [])[d - self.loop.par]
        return at + lane if d == self.vector_dim and lane else at

    def long(self, x: Val) -> Val:
        """An index as i64."""
        return x if x.type == "i64" else self.c.value("i64", f"sext i32 {x.text} to i64")

    # --- values -----------------------------------------------------------------------------

    def value(self, k: int, u: int, j: int) -> str:
        """What statement k is worth for a copy's lane."""
        s = self.all[k]
        if s.op == "const":
            return self.v.const(s.attr, s.dtype)
        copies = self.values[k]
        lanes = copies[u] if len(copies) > 1 else copies[0]
        return lanes[j] if len(lanes) > 1 else lanes[0]

    def compute(self, k: int, u: int, place: Place) -> list[str]:
        """A statement that is no reduction and no store, for all lanes of a copy."""
        s = self.all[k]
        lanes = 1 if self.uniform[k] else place.lanes
        if s.op == "load":
            return self.load(s, u, place, lanes)
        if s.op == "index":
            if place.each:
                return [self.long(self.position(s.attr, x, 0)).text for x in place.each]
            return [self.long(self.position(s.attr, place, j)).text for j in range(lanes)]
        given = [self.all[a] for a in s.args]
        source = given[-1].dtype
        consts = tuple(t.attr if t.op == "const" else None for t in given)
        out = []
        for j in range(lanes):
            args = [self.value(a, u, j) for a in s.args]
            if s.op == "cast":
                out.append(self.v.cast(args[0], source, s.dtype))
            else:
                out.append(self.v.apply(s.op, source, args, consts))
        return out

    # --- memory -----------------------------------------------------------------------------

    def pointer(self, o: int, offset: Val) -> Val:
        return self.c.at(self.bases[o], offset, "i8")

    def load(self, s: Statement, u: int, place: Place, lanes: int) -> list[str]:
        o = s.attr
        if s.args:
            return self.gathered(s, u, place, lanes)
        kept = self.shape.held and place.red is not None
        if kept and (o, u) in self.held:
            return self.held[o, u]
        if place.each and not self.shape.flat[o]:
            found = [self.row(o, self.offset(o, x), 1)[0] for x in place.each]
        else:
            found = self.row(o, self.offset(o, place), lanes)
        if kept:
            self.held[o, u] = found
        return found

    def row(self, o: int, offset: Val, lanes: int) -> list[str]:
        """Lanes' elements of an input, from an offset on."""
        return self.read(o, self.pointer(o, offset), lanes)

    def read(self, o: int, at: Val, lanes: int) -> list[str]:
        c, dtype = self.c, self.operands[o].dtype
        kind, size = MEMORY[dtype], DTYPES[dtype]
        constant = self.shape.constant[o]
        if lanes > 1 and self.shape.vectors[o]:
            out: list[str] = []
            each = min(lanes, VECTOR_BYTES // size)
            for first in range(0, lanes, each):
                x = c.load(
                    f"<{each} x {kind}>", c.at(at, first * size, "i8"), invariant=constant,
                    align=each * size,
                )  # fmt: skip
                out += [c.lane(x, j).text for j in range(each)]
            return [self.taken(x, dtype) for x in out]
        return [
            self.taken(c.load(kind, self.lane_at(o, at, j), invariant=constant).text, dtype)
            for j in range(lanes)
        ]

    def lane_at(self, o: int, at: Val, lane: int) -> Val:
        """A lane's address, from lane 0's."""
        step = self.move(o, self.vector_dim, self.known(lane)) if lane else None
        return at if step is None else self.c.at(at, step, "i8")

    def taken(self, x: str, dtype: str) -> str:
        """From memory's to the register's type."""
        return self.c.op(f"icmp ne i8 {x}, 0") if dtype == "bool" else x

    def given(self, x: str, dtype: str) -> str:
        """From the register's to memory's type."""
        return self.c.op(f"zext i1 {x} to i8") if dtype == "bool" else x

    def gathered(self, s: Statement, u: int, place: Place, lanes: int) -> list[str]:
        """Elements at an index: one for each lane, or one for all."""
        o = s.attr
        if self.uniform[s.args[0]] and not place.each:
            return self.read(o, self.indexed(s, u, 0, self.pointer(o, self.offset(o, place))), lanes)
        out = []
        for j in range(lanes):
            if place.each:
                at = self.pointer(o, self.offset(o, place.each[j]))
            else:
                at = self.lane_at(o, self.pointer(o, self.offset(o, place)), j)
            out += self.read(o, self.indexed(s, u, j, at), 1)
        return out

    def indexed(self, s: Statement, u: int, lane: int, at: Val) -> Val:
        """An address moved by a lane's index."""
        index = Val(self.c, "i64", self.value(s.args[0], u, lane))
        return self.c.at(at, index * self.gathers[s.attr], "i8")

    def store(self, s: Statement, u: int, place: Place, live: Val | None) -> None:
        """All lanes of a copy, if it is live."""
        c, o = self.c, len(self.loop.inputs) + s.attr
        self.offset(o, place)  # where it holds for all that follows
        if live is not None:
            with c.when(live):
                self.store(s, u, place, None)
            return
        operand = self.operands[o]
        kind, size = MEMORY[operand.dtype], DTYPES[operand.dtype]
        if place.each and not self.shape.flat[o]:
            for j, own in enumerate(place.each):
                x = self.given(self.value(s.args[0], u, j), operand.dtype)
                c.store(Val(c, kind, x), self.pointer(o, self.offset(o, own)))
            return
        at = self.pointer(o, self.offset(o, place))
        # What a vector stores at one place is its first lane.
        lanes = 1 if operand.inner == 0 else place.lanes
        values = [
            Val(c, kind, self.given(self.value(s.args[0], u, j), operand.dtype))
            for j in range(lanes)
        ]  # fmt: skip
        if lanes > 1 and self.shape.vectors[o]:
            each = min(lanes, VECTOR_BYTES // size)
            for first in range(0, lanes, each):
                part = c.vector_of(values[first : first + each])
                c.store(part, c.at(at, first * size, "i8"), align=each * size)
            return
        for j, one in enumerate(values):
            c.store(one, self.lane_at(o, at, j))

    # --- a stage for some places ------------------------------------------------------------

    def numbered(self, n: int) -> list[tuple[int, Statement]]:
        return list(enumerate(self.loop.stages[n].body, self.firsts[n]))

    def evaluate(self, n: int, places: list[Place], wanted: set[int] | None = None) -> None:
        """All values of a stage but its reductions, statement by statement, so that the loads of
        all copies are under way together."""
        for k, s in self.numbered(n):
            skip = s.op in ("number", "const", "reduce", "store")
            if not skip and (wanted is None or k in wanted):
                self.values[k] = [self.compute(k, u, place) for u, place in enumerate(places)]

    def index_of(self, r: Reduction, place: Place, lane: int) -> str:
        """What argmax and argmin take down."""
        if not r.arg:
            return ""
        return self.long(self.position(self.loop.par + self.loop.red - 1, place, lane)).text
