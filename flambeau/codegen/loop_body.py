"""What is inside of a loop kernel's loops: a stage's statements, written for some lanes."""

from __future__ import annotations

from .kernel import Target
from .llvm_text import Word
from .loop import DTYPES, Loop, Operand, Stage, Statement
from .loop_function import LoopFunction
from .loop_memory import Memory
from .loop_plan import operand, plan, statements
from .loop_reduce import Reduction, State, reductions
from .loop_values import REGISTER, Lanes

Pointers = dict[int, str]
"""Where the operands' current elements are."""


class Place:
    """Where a body is written: on how many lanes, under which mask, at which position."""

    def __init__(
        self, v: Lanes, copies: int, mask: str | None, pointers: Pointers, position: Word | None
    ) -> None:
        self.v = v
        self.copies = copies
        self.memory = Memory(v, mask)
        self.mask = mask
        self.pointers = pointers
        """Addresses: of position 0 of the vector dimension if `position` is given, else of the
        position itself."""
        self.position = position
        self.known: dict[tuple[str, int | None, int, int], str] = {}
        """Addresses that were computed already."""


class Bodies:
    """One kernel's values and addresses."""

    def __init__(self, loop: Loop, target: Target, symbol: str) -> None:
        self.loop = loop
        self.target = target
        self.plan = plan(loop, target)
        self.all = statements(loop)
        self.operands: list[Operand] = [*loop.inputs, *loop.outputs]
        self.functions: set[tuple[str, int, str]] = set()
        self.f = LoopFunction(target, symbol)
        self.scalar = Lanes(self.f, target, 1, self.functions)
        self.wide = Lanes(self.f, target, self.plan.lanes, self.functions)
        self.vector_dim = loop.par - 1 if loop.vector == "par" else loop.par + loop.red - 1
        self.firsts = [0]
        for stage in loop.stages:
            self.firsts.append(self.firsts[-1] + len(stage.body))
        # What statements are worth: uniform ones as a scalar and spread, others for each copy.
        self.one: dict[int, str] = {}
        self.spread: dict[int, str] = {}
        self.copies: dict[int, list[str]] = {}
        self.bases: dict[int, str] = {}
        """Addresses of gathered operands under an index that is the same in all lanes."""
        self.extent: list[str] = []
        self.base: Pointers = {}
        self.stride: list[list[str]] = []
        """Bytes: of each operand along each dimension."""
        self.gather: dict[int, str] = {}
        self.position: dict[int, Word] = {}
        """Of the dimensions' loops."""

    # --- values -----------------------------------------------------------------------------

    def define(self, k: int, x: str) -> None:
        """A uniform value."""
        self.one[k] = x
        if self.plan.spread[k]:
            self.spread[k] = self.wide.splat(x, REGISTER[self.all[k].dtype])

    def value(self, k: int, u: int, v: Lanes) -> str:
        """What statement k is worth in a copy."""
        s = self.all[k]
        if s.op == "const":
            return v.const(s.attr, s.dtype)
        if self.plan.uniform[k]:
            return self.one[k] if v.lanes == 1 else self.spread[k]
        return self.copies[k][u]

    # --- statements -----------------------------------------------------------------------------

    def used(self, stage: Stage, pointers: Pointers) -> Pointers:
        """The operands that a stage loads or stores."""
        numbers = {operand(self.loop, s)[0] for s in stage.body if s.op in ("load", "store")}
        return {k: pointers[k] for k in pointers if k in numbers}

    def hoist(self, n: int, place: Place) -> None:
        """A stage's uniform values and addresses, before its vector dimension is run through."""
        for k, s in self.numbered(n):
            if self.plan.uniform[k]:
                self.uniform(k, s, place)
            elif s.op == "load" and s.args and self.plan.uniform[s.args[0]]:
                self.bases[k] = self.indexed(k, s, place)

    def numbered(self, n: int) -> list[tuple[int, Statement]]:
        return list(enumerate(self.loop.stages[n].body, self.firsts[n]))

    def body(self, n: int, stage: Stage, place: Place, running: list[list[State]]) -> list[Word]:
        """A stage's statements on all copies, one copy after the other, so that few registers are
        live. Returns the reductions' new states, flat."""
        if place.position is None:
            self.hoist(n, place)
        states = iter(running)
        after: dict[int, list[State]] = {}
        for k, s in self.numbered(n):
            if s.op == "reduce":
                after[k] = [list(x) for x in next(states)]
            elif not self.plan.uniform[k]:
                self.copies[k] = []
        rules = dict(zip(after, reductions(self.firsts[n], stage.body, self.all)))
        for u in range(place.copies):
            for k, s in self.numbered(n):
                if s.op == "reduce":
                    if u < len(after[k]):
                        after[k][u] = self.step(rules[k], after[k][u], u, place)
                elif s.op == "store":
                    self.store(s, u, place)
                elif not self.plan.uniform[k]:
                    self.copies[k].append(self.compute(k, s, u, place))
        return [x for new in after.values() for state in new for x in state]

    def uniform(self, k: int, s: Statement, place: Place) -> None:
        """A statement that is the same in all lanes."""
        if s.op in ("number", "const", "reduce"):
            return
        if s.op == "index":
            self.define(k, str(self.position[s.attr]))
        elif s.op == "load":
            at = self.indexed(k, s, place)
            self.define(k, Memory(self.scalar, None).load(s.dtype, at, 0, ""))
        else:
            self.define(k, self.operate(s, 0, self.scalar))

    def indexed(self, k: int, s: Statement, place: Place) -> str:
        """An operand's address, moved by an index that is the same in all lanes."""
        at = place.pointers[s.attr]
        if not s.args:
            return at
        index = self.value(s.args[0], 0, self.scalar)
        return self.f.gep(at, self.f.mul(index, self.gather[s.attr]))

    def operate(self, s: Statement, u: int, v: Lanes) -> str:
        args = [self.value(a, u, v) for a in s.args]
        source = self.all[s.args[-1]].dtype
        if s.op == "cast":
            return v.cast(args[0], source, s.dtype)
        given = [self.all[a] for a in s.args]
        consts = tuple(t.attr if t.op == "const" else None for t in given)
        return v.apply(s.op, source, args, consts)

    def compute(self, k: int, s: Statement, u: int, place: Place) -> str:
        """A value that differs between lanes, for one copy."""
        v = place.v
        if s.op == "index":
            return self.lane_positions(u, place)
        if s.op != "load":
            return self.operate(s, u, v)
        o, inner = s.attr, self.loop.inputs[s.attr].inner
        uniform_index = bool(s.args) and self.plan.uniform[s.args[0]]
        base = self.bases[k] if uniform_index else place.pointers[o]
        at = self.address(o, base, u, place)
        stride = self.stride[o][self.vector_dim]
        if not s.args or uniform_index:
            return place.memory.load(s.dtype, at, inner, stride)
        offsets = v.do("mul", "int64", self.value(s.args[0], u, v), v.splat(self.gather[o], "i64"))
        if v.lanes == 1:
            return place.memory.load(s.dtype, self.f.gep(at, offsets), 1, stride)
        if inner != 0:
            offsets = v.do("add", "int64", offsets, place.memory.steps(s.dtype, inner, stride))
        return place.memory.gather(s.dtype, at, offsets)

    def lane_positions(self, u: int, place: Place) -> str:
        """The positions along the vector dimension."""
        v = place.v
        first = self.position[self.vector_dim] if place.position is None else place.position
        at = v.splat(str(self.f.add(first, u * v.lanes)), "i64")
        return at if v.lanes == 1 else v.do("add", "int64", v.iota("i64"), at)

    def store(self, s: Statement, u: int, place: Place) -> None:
        number, o = operand(self.loop, s)
        x = self.value(s.args[0], u, place.v)
        at = self.address(number, place.pointers[number], u, place)
        x = place.v.cast(x, self.all[s.args[0]].dtype, o.dtype)
        place.memory.store(o.dtype, x, at, o.inner, self.stride[number][self.vector_dim])

    def step(self, r: Reduction, state: State, u: int, place: Place) -> State:
        """An accumulator with one more vector."""
        v, mask = place.v, place.mask
        if self.loop.vector == "par" and self.plan.uniform[r.argument]:
            v, mask = self.scalar, None
        x = self.value(r.argument, u, v)
        index = ""
        if r.arg and self.loop.vector == "red":
            index = self.lane_positions(u, place)
        elif r.arg:
            index = v.splat(str(self.position[self.loop.par + self.loop.red - 1]), "i64")
        return r.step(v, state, x, index, mask)

    # --- addresses --------------------------------------------------------------------------

    def offset(self, o: int, position: Word) -> Word:
        """Bytes from position 0 of the vector dimension."""
        return self.f.mul(position, self.offset_step(o))

    def address(self, o: int, base: str, u: int, place: Place) -> str:
        """Of a copy's lane 0."""
        inner, size = self.operands[o].inner, DTYPES[self.operands[o].dtype]
        if self.loop.vector == "red" and place.position is None or inner == 0:
            return base  # A row stage of a row by itself.
        key = (base, inner, size, u)
        if key in place.known:
            return place.known[key]
        shift: Word = self.f.mul(u * place.v.lanes, self.offset_step(o))
        at = base
        if u:
            at = self.f.gep(self.address(o, base, 0, place), shift)
        elif place.position is not None:
            at = self.f.gep(base, self.offset(o, place.position))
        if inner is not None:
            place.known[key] = at
        return at

    def offset_step(self, o: int) -> Word:
        """Bytes from one lane to the next."""
        inner = self.operands[o].inner
        if inner is None:
            return self.stride[o][self.vector_dim]
        return inner * DTYPES[self.operands[o].dtype]
