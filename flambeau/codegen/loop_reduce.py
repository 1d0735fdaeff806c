"""Accumulators of the loop language's reductions.

A reduction's state is a list of registers for each copy (vectors that are kept side by side):

    sum of floats   the running sum, the total of the blocks before it, and what rounding took from
                    the total: however many blocks there are, its error is that of a few additions
    argmax, argmin  the extreme, and its index
    others          the running value

Every order is fixed by the loop's extents alone.
"""

from __future__ import annotations

from typing import NamedTuple

from .loop import Statement
from .loop_values import FLOATS, REGISTER, UNSIGNED, Lanes, extreme, suffix, vector

State = list[str]
NONE = 2**63 - 1
"""The index before anything was seen: larger than any, so that earlier ones win."""


class Reduction(NamedTuple):
    """One reduce statement: what it reduces, and how."""

    number: int
    """The statement's."""
    argument: int
    kind: str
    source: str
    """The argument's dtype."""
    dtype: str
    """The accumulator's."""

    @property
    def arg(self) -> bool:
        return self.kind in ("argmax", "argmin")

    @property
    def blocked(self) -> bool:
        return self.kind == "sum" and self.dtype in FLOATS

    @property
    def value_dtype(self) -> str:
        """What is compared by argmax and argmin."""
        return "uint8" if self.source == "bool" else self.source

    def types(self, v: Lanes) -> list[str]:
        """The registers of one copy."""
        if self.arg:
            return [v.kind(self.value_dtype), v.kind("int64")]
        return [v.kind(self.dtype)] * (3 if self.blocked else 1)

    def start(self, v: Lanes) -> State:
        """Before the first element."""
        if self.arg:
            worst = extreme(self.value_dtype, self.kind == "argmin")
            return [v.const(worst, self.value_dtype), v.const(NONE, "int64")]
        if self.kind in ("min", "max"):
            return [v.const(extreme(self.dtype, self.kind == "min"), self.dtype)]
        one = self.kind in ("prod", "all")
        return [v.const(one, self.dtype)] * (3 if self.blocked else 1)

    # --- one more element -------------------------------------------------------------------

    def step(self, v: Lanes, state: State, x: str, index: str, mask: str | None) -> State:
        """The state with x (of the argument's dtype) taken in; lanes outside the mask stay."""
        if self.arg:
            x = v.cast(x, self.source, self.value_dtype)
            better = self._better(v, x, state[0])
            if mask is not None:
                better = v.do("and", "bool", better, mask)
            return [
                v.select(better, self.value_dtype, x, state[0]),
                v.select(better, "int64", index, state[1]),
            ]
        x = v.cast(x, self.source, self.dtype)
        # An extreme's first argument is looked at for NaN, which needs not wait for the last turn.
        new = self.join(v, x, state[0])
        if mask is not None:
            new = v.select(mask, self.dtype, new, state[0])
        return [new, *state[1:]]

    def join(self, v: Lanes, a: str, b: str) -> str:
        """Two partial results as one (not of argmax and argmin)."""
        if self.kind in ("min", "max"):
            return v.extreme(self.kind, self.dtype, a, b)
        op = {"sum": "add", "prod": "mul", "any": "or", "all": "and"}[self.kind]
        return v.apply(op, self.dtype, [a, b])

    def _better(self, v: Lanes, x: str, best: str) -> str:
        """Whether x is the more extreme, NaN being the most."""
        how = "gt" if self.kind == "argmax" else "lt"
        if self.value_dtype not in FLOATS:
            return v.compare(how, self.value_dtype, x, best)
        beyond = v.do(f"fcmp u{how}", self.value_dtype, x, best)
        number = v.do("fcmp ord", self.value_dtype, best, best)
        return v.do("and", "bool", beyond, number)

    # --- the end ----------------------------------------------------------------------------

    def flush(self, v: Lanes, state: State) -> State:
        """A block's sum into the total (Knuth's exact addition of two numbers)."""
        block, total, lost = state

        def do(op: str, a: str, b: str) -> str:
            return v.do(op, self.dtype, a, b)

        new = do("fadd", total, block)
        added = do("fsub", new, total)
        kept = do("fsub", new, added)
        error = do("fadd", do("fsub", total, kept), do("fsub", block, added))
        return [v.const(0, self.dtype), new, do("fadd", lost, error)]

    def close(self, v: Lanes, state: State) -> State:
        """One copy's state without blocks."""
        if self.blocked:
            block, total, lost = state
            # A total that is not finite has lost NaN.
            number = v.do("fcmp ord", self.dtype, lost, lost)
            lost = v.select(number, self.dtype, lost, v.const(0, self.dtype))
            return [v.do("fadd", self.dtype, total, v.do("fadd", self.dtype, block, lost))]
        return state

    def merge(self, v: Lanes, a: State, b: State) -> State:
        """Two closed states as one."""
        if not self.arg:
            return [self.join(v, a[0], b[0])]
        t = self.value_dtype
        same = v.compare("eq", t, a[0], b[0])
        if t in FLOATS:
            both = v.do("and", "bool", v.unordered(t, a[0]), v.unordered(t, b[0]))
            same = v.do("or", "bool", same, both)
        earlier = v.do("and", "bool", same, v.compare("lt", "int64", b[1], a[1]))
        take = v.do("or", "bool", self._better(v, b[0], a[0]), earlier)
        return [v.select(take, t, b[0], a[0]), v.select(take, "int64", b[1], a[1])]

    def tree(self, v: Lanes, states: list[State]) -> State:
        """All copies as one, neighbours first."""
        closed = [self.close(v, s) for s in states]
        while len(closed) > 1:
            pairs = zip(closed[::2], closed[1::2])
            odd = closed[len(closed) & ~1 :]
            closed = [self.merge(v, a, b) for a, b in pairs] + odd
        return closed[0]

    def across(self, v: Lanes, state: State) -> State:
        """A closed state's lanes as one."""
        if v.lanes == 1:
            return state
        if not self.arg and self.dtype not in FLOATS:
            return [self._whole(v, state[0])]
        half = Lanes(v.f, v.target, v.lanes // 2, v.functions)
        dtypes = [self.value_dtype, "int64"] if self.arg else [self.dtype]
        low = [_half(v, x, d, 0) for x, d in zip(state, dtypes)]
        high = [_half(v, x, d, 1) for x, d in zip(state, dtypes)]
        return self.across(half, self.merge(half, low, high))

    def _whole(self, v: Lanes, x: str) -> str:
        """Integers and bools: any order gives the same."""
        e = REGISTER[self.dtype]
        if self.kind in ("min", "max") and self.dtype != "bool":
            op = ("u" if self.dtype in UNSIGNED else "s") + self.kind
        else:
            op = {
                "sum": "add",
                "prod": "mul",
                "any": "or",
                "all": "and",
                "max": "or",
                "min": "and",
            }[self.kind]
            if self.dtype == "bool":
                op = {"add": "or", "mul": "and"}.get(op, op)
        t = vector(e, v.lanes)
        return v.f.op(f"call {e} @llvm.vector.reduce.{op}.{suffix(e, v.lanes)}({t} {x})")

    def result(self, v: Lanes, state: State) -> str:
        """The value that later statements read."""
        if not self.arg:
            return state[0]
        # Nothing was more extreme than the worst: all are equal, and the first is the first.
        none = v.compare("eq", "int64", state[1], v.const(NONE, "int64"))
        return v.select(none, "int64", v.const(0, "int64"), state[1])


def reductions(first: int, body: tuple[Statement, ...], all: list[Statement]) -> list[Reduction]:
    """Those of a stage whose first statement has the number `first`."""
    return [
        Reduction(first + k, s.args[0], s.attr, all[s.args[0]].dtype, s.dtype)
        for k, s in enumerate(body)
        if s.op == "reduce"
    ]


def _half(v: Lanes, x: str, dtype: str, which: int) -> str:
    n = v.lanes // 2
    t = v.kind(dtype)
    if n == 1:
        return v.f.op(f"extractelement {t} {x}, i64 {which}")
    order = ", ".join(f"i32 {k}" for k in range(which * n, which * n + n))
    return v.f.op(f"shufflevector {t} {x}, {t} poison, <{n} x i32> <{order}>")
