"""The compiler's graph: a program's operations taken apart into primitives.

A row's `lower(b, *inputs, *params)` is written against `Builder`; arrays are `Node`s, numbers of
the program are 0-d nodes. Shapes broadcast as in NumPy. Building simplifies: equal nodes are one
node, and numbers are folded. `graph.evaluate` runs the same nodes in NumPy.

Dtypes are names ("float32"). 16-bit floats never reach a lowering: they are widened before it and
rounded after it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..core.layout import broadcast, contiguous_strides

Ints = tuple[int, ...]

COMPARISONS = frozenset(["lt", "le", "gt", "ge", "eq", "ne", "isnan"])


class Node:
    """One primitive: `op`, arguments, `attr`; the result's shape and dtype.

    op            args            attr
    input                         number of the program's input
    number                        number of the program's scalar ("float64" or "int64", 0-d)
    const                         a Python number (0-d)
    iota                          dimension: the position along it, int64, of the node's shape
    pointwise ops  see codegen.loop: UNARY, BINARY, TERNARY; arguments broadcast
    cast          x               None
    reduce        x               (kind, dims, keepdim); kinds see codegen.loop.REDUCTIONS; for sum and
                                  prod the dtype is the accumulator's
    view          x[, offset]     (shape, strides, offset): elements of x's row-major memory. The
                                  second argument is a run-time offset that is added
    take          x, index        dim: x with dimension `dim` replaced by the index's dimensions; the
                                  index (int64) has been checked to lie inside
    special       any             (name, params): a planner of `codegen.specials` or `contractions`;
                                  `several` results have a tuple of shapes and dtypes
    part          x               which of several results
    """

    __slots__ = ("op", "args", "attr", "shape", "dtype", "number", "uses")

    def __init__(self, op: str, args: tuple[Node, ...], attr: Any, shape: Any, dtype: Any) -> None:
        self.op = op
        self.args = args
        self.attr = attr
        self.shape: Any = shape
        self.dtype: Any = dtype
        self.number = 0
        self.uses = 0

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    def __repr__(self) -> str:
        return f"%{self.number}: {self.dtype}{list(self.shape)} = {self.op}({', '.join(f'%{a.number}' for a in self.args)}; {self.attr})"


Number = int | float | bool
Given = Node | Number


class Builder:
    """Makes nodes. Every method returns a node; `x`, `y` may be Python numbers, which take the
    other operand's dtype."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._known: dict[Any, Node] = {}

    def make(self, op: str, args: tuple[Node, ...], attr: Any, shape: Any, dtype: Any) -> Node:
        """A node, or the equal one that is there."""
        # 0.0 == -0.0 and 1 == True: numbers are told apart by their text.
        key = (op, tuple(map(id, args)), repr(attr), shape, dtype)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Node(op, args, attr, shape, dtype)
            found.number = len(self.nodes)
            self.nodes.append(found)
        return found

    # --- leaves -----------------------------------------------------------------------------

    def const(self, value: Number, dtype: str) -> Node:
        """A 0-d constant, kept as the dtype's type in Python: 0 and 0.0 of a dtype are one node."""
        kind = bool if dtype == "bool" else float if "float" in dtype else int
        return self.make("const", (), kind(value), (), dtype)

    def full(self, shape: Sequence[int], value: Given, dtype: str) -> Node:
        """A constant (or 0-d node) spread over a shape."""
        x = value if isinstance(value, Node) else self.const(value, dtype)
        return self.expand(self.cast(x, dtype), tuple(shape))

    def iota(self, shape: Sequence[int], dim: int) -> Node:
        """The int64 position along a dimension."""
        return self.make("iota", (), dim, tuple(shape), "int64")

    # --- elementwise ------------------------------------------------------------------------

    def pointwise(self, op: str, *given: Given, dtype: str | None = None) -> Node:
        """An elementwise operation. All operands but a select's condition must have one dtype
        (cast them first); the result has it too, comparisons give bool."""
        nodes = [g for g in given if isinstance(g, Node)]
        values = nodes[1:] if op == "select" and isinstance(given[0], Node) else nodes
        kind = values[0].dtype if values else (dtype or "float32")
        args = tuple(g if isinstance(g, Node) else self.const(g, kind) for g in given)
        shape = broadcast(*[tuple(a.shape) for a in args])
        out = dtype or ("bool" if op in COMPARISONS else kind)
        return self.make(op, args, None, shape, out)

    def cast(self, x: Given, dtype: str) -> Node:
        """The numbers of x in another dtype: to integers truncated, to bool != 0."""
        if not isinstance(x, Node):
            return self.const(x, dtype)
        if x.dtype == dtype:
            return x
        return self.make("cast", (x,), None, x.shape, dtype)

    def select(self, condition: Node, a: Given, b: Given) -> Node:
        """a where the bool condition holds, else b."""
        return self.pointwise("select", condition, a, b)

    def __getattr__(self, op: str) -> Any:
        """`b.add(x, y)`, `b.exp(x)`: every pointwise operation by its name."""
        if op.startswith("__"):
            raise AttributeError(op)
        name = op.rstrip("_")  # and_, or_, not_, abs_

        def call(*given: Given) -> Node:
            return self.pointwise(name, *given)

        self.__dict__[op] = call
        return call

    # --- reductions -------------------------------------------------------------------------

    def reduce(
        self, kind: str, x: Node, dims: Sequence[int] | None = None, keepdim: bool = False
    ) -> Node:
        """Reduce over dimensions (None for all, wrapped from the end if negative)."""
        n = x.ndim
        over = tuple(range(n)) if dims is None else tuple(sorted(d % n for d in dims)) if n else ()
        dtype = {"any": "bool", "all": "bool", "argmax": "int64", "argmin": "int64"}.get(kind, x.dtype)
        if not over:
            if kind in ("argmax", "argmin"):
                return self.full(x.shape, 0, "int64")
            return self.cast(x, dtype)
        shape = tuple(
            1 if i in over else s for i, s in enumerate(x.shape) if keepdim or i not in over
        )
        if all(x.shape[i] == 1 for i in over):
            if kind in ("argmax", "argmin"):
                return self.full(shape, 0, "int64")
            return self.reshape(self.cast(x, dtype), shape)
        return self.make("reduce", (x,), (kind, over, keepdim), shape, dtype)

    def sum(self, x: Node, dims: Sequence[int] | None = None, keepdim: bool = False) -> Node:
        return self.reduce("sum", x, dims, keepdim)

    def amax(self, x: Node, dims: Sequence[int] | None = None, keepdim: bool = False) -> Node:
        return self.reduce("max", x, dims, keepdim)

    def mean(self, x: Node, dims: Sequence[int] | None = None, keepdim: bool = False) -> Node:
        """The mean; NaN over no elements."""
        total = self.reduce("sum", x, dims, keepdim)
        count = x.numel // max(total.numel, 1) if total.numel else 0
        return self.pointwise("div", total, float(count))

    # --- layout -----------------------------------------------------------------------------

    def view(
        self, x: Node, shape: Sequence[int], strides: Sequence[int], offset: int = 0,
        run_time: Node | None = None,
    ) -> Node:  # fmt: skip
        """Elements of x's row-major memory (x of any op: it is computed whole first)."""
        if run_time is not None and run_time.op == "const":
            offset, run_time = offset + int(run_time.attr), None
        args = (x,) if run_time is None else (x, run_time)
        shape, strides = tuple(shape), tuple(strides)
        if len(args) == 1 and not offset and shape == x.shape and strides == contiguous_strides(shape):
            return x
        return self.make("view", args, (shape, strides, offset), shape, x.dtype)

    def reshape(self, x: Node, shape: Sequence[int]) -> Node:
        """The same elements in row-major order under another shape of equal size."""
        return self.view(x, shape, contiguous_strides(tuple(shape)))

    def permute(self, x: Node, order: Sequence[int]) -> Node:
        """Dimensions in another order."""
        strides = contiguous_strides(x.shape)
        return self.view(x, [x.shape[i] for i in order], [strides[i] for i in order])

    def expand(self, x: Node, shape: Sequence[int]) -> Node:
        """x broadcast to a shape. (Pointwise operations broadcast by themselves.)"""
        shape = tuple(shape)
        if x.shape == shape:
            return x
        lead = len(shape) - x.ndim
        own = contiguous_strides(x.shape)
        strides = (0,) * lead + tuple(
            0 if s == 1 and shape[lead + i] != 1 else own[i] for i, s in enumerate(x.shape)
        )
        return self.view(x, shape, strides)

    def keep(self, x: Node, like: Sequence[int], dims: Sequence[int]) -> Node:
        """A reduced node with its dimensions back at size one: `like` is the full shape."""
        gone = {d % len(like) for d in dims}
        return self.reshape(x, [1 if i in gone else s for i, s in enumerate(like)])

    def take(self, x: Node, index: Node, dim: int) -> Node:
        """x[:, index, :]: dimension `dim` replaced by the index's dimensions."""
        d = dim % x.ndim
        shape = (*x.shape[:d], *index.shape, *x.shape[d + 1 :])
        return self.make("take", (x, index), d, shape, x.dtype)

    def inside(self, index: Node, size: int, low: int = 0) -> Node:
        """The index, which is said to be within `low` and `size` - 1. A builder for a device on which
        nobody has looked at it notes that it is to be looked at."""
        return index

    # --- the rest ---------------------------------------------------------------------------

    def special(self, name: str, params: tuple[Any, ...], args: Sequence[Node], shape: Any, dtype: Any) -> Node:
        """A result of a planner; `shape` and `dtype` are tuples of them where `several`, which is
        told by dtype being a tuple."""
        return self.make("special", tuple(args), (name, params), shape, dtype)

    def part(self, x: Node, position: int) -> Node:
        """One of several results."""
        return self.make("part", (x,), position, x.shape[position], x.dtype[position])

    def matmul(self, a: Node, b: Node) -> Node:
        """(batch..., M, K) by (batch..., K, N), the batches equal."""
        shape = (*a.shape[:-1], b.shape[-1])
        return self.special("matmul", (), (a, b), shape, a.dtype)
