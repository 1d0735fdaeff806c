"""Lowerings of optimizer steps: the rows' formulas with operators that build the graph."""

from __future__ import annotations

from typing import Any

from .common import Lowering, Node, alike, is_float


class Traced:
    """A node with Python's operators, so that a formula over arrays builds the graph. Numbers take
    the other operand's dtype."""

    __slots__ = ("b", "node")

    def __init__(self, b: Any, node: Node) -> None:
        self.b = b
        self.node = node

    def _with(self, op: str, other: Any, turned: bool = False) -> Traced:
        pair = [self.node, number(self.b, other, self.node)]
        x, y = alike(self.b, *(pair[::-1] if turned else pair))
        return Traced(self.b, self.b.pointwise(op, x, y))

    def __add__(self, other: Any) -> Traced:
        return self._with("add", other)

    def __radd__(self, other: Any) -> Traced:
        return self._with("add", other, True)

    def __sub__(self, other: Any) -> Traced:
        return self._with("sub", other)

    def __rsub__(self, other: Any) -> Traced:
        return self._with("sub", other, True)

    def __mul__(self, other: Any) -> Traced:
        return self._with("mul", other)

    def __rmul__(self, other: Any) -> Traced:
        return self._with("mul", other, True)

    def __truediv__(self, other: Any) -> Traced:
        return self._with("div", other)

    def __rtruediv__(self, other: Any) -> Traced:
        return self._with("div", other, True)

    def __lt__(self, other: Any) -> Traced:
        return self._with("lt", other)

    def __le__(self, other: Any) -> Traced:
        return self._with("le", other)

    def __gt__(self, other: Any) -> Traced:
        return self._with("gt", other)

    def __ge__(self, other: Any) -> Traced:
        return self._with("ge", other)

    def __and__(self, other: Any) -> Traced:
        return self._with("and", other)

    def __or__(self, other: Any) -> Traced:
        return self._with("or", other)

    def __neg__(self) -> Traced:
        return Traced(self.b, self.b.pointwise("neg", self.node))


def number(b: Any, x: Any, like: Node) -> Node:
    """The node of a traced value; a Python number becomes one of the dtype of `like`."""
    if isinstance(x, Traced):
        return x.node
    return b.const(x, like.dtype)


class Namespace:
    """The functions that formulas take from NumPy, on traced nodes."""

    def __init__(self, b: Any) -> None:
        self.b = b

    def sqrt(self, x: Traced) -> Traced:
        return Traced(self.b, self.b.pointwise("sqrt", x.node))

    def abs(self, x: Traced) -> Traced:
        return Traced(self.b, self.b.pointwise("abs", x.node))

    def sign(self, x: Traced) -> Traced:
        return Traced(self.b, sign_or_nan(self.b, x.node))

    def maximum(self, x: Traced, y: Any) -> Traced:
        return x._with("max", y)

    def where(self, condition: Traced, x: Any, y: Any) -> Traced:
        like = (x if isinstance(x, Traced) else y).node
        parts = alike(self.b, number(self.b, x, like), number(self.b, y, like))
        return Traced(self.b, self.b.select(condition.node, *parts))


def sign_or_nan(b: Any, x: Node) -> Node:
    """-1, 0, 1 or NaN."""
    sign = b.sub(b.cast(b.gt(x, 0), x.dtype), b.cast(b.lt(x, 0), x.dtype))
    return b.select(b.isnan(x), x, sign) if is_float(x) else sign


def step(formula: Any, scalars: int) -> Lowering:
    """The formula for each parameter; results are ordered as the row's."""

    def lower(b: Any, nodes: list[Node], roles: int, *flags: bool) -> tuple[Node, ...]:
        end = len(nodes) - scalars
        count = end // roles
        traced = [Traced(b, x) for x in nodes]
        numbers = tuple(traced[end:])
        space = Namespace(b)
        found = [
            formula(space, tuple(traced[i:end:count]), numbers, flags) for i in range(count)
        ]
        return tuple(part.node for parts in zip(*found, strict=True) for part in parts)

    return lower
