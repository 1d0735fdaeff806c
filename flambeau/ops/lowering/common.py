"""What lowerings share: numbers beside tensors, one-line lowerings, Python's operators on nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...core.layout import Ints, contiguous_strides

Node = Any
"""A node of the compiler's graph (it lives in a layer above): op, args, attr, shape, dtype."""

Lowering = Callable[..., Any]

_RANK = {"bool": 0, "float32": 2, "float64": 2, "float16": 2, "bfloat16": 2}
_OF_NUMBERS = ("bool", "int64", "float64")


def is_float(x: Node) -> bool:
    """Whether a node holds floats that can be computed with."""
    return x.dtype in ("float32", "float64")


def is_narrow(x: Node) -> bool:
    """Whether a node holds 16-bit floats, which can only be moved and cast."""
    return x.dtype in ("float16", "bfloat16")


def is_int(x: Node) -> bool:
    return _RANK.get(x.dtype, 1) == 1


def is_constant(x: Node, value: Any) -> bool:
    """Whether a number is known to be `value`."""
    return x.op == "const" and x.attr == value and not isinstance(x.attr, bool)


def known(x: Node) -> Any:
    """A number's value where it is known, else None."""
    return x.attr if x.op == "const" else None


def common(*nodes: Node) -> str:
    """The dtype that operands are computed in. All tensors have it already; numbers are 0-d and
    float64, int64 or bool, and never of a higher category."""
    best = nodes[0]
    for x in nodes[1:]:
        if (_weight(x)) > _weight(best):
            best = x
    return str(best.dtype)


def _weight(x: Node) -> tuple[int, bool, bool]:
    # A 0-d tensor of float32 decides over a number, which would be float64.
    return _RANK.get(x.dtype, 1), bool(x.shape), x.dtype not in _OF_NUMBERS


def alike(b: Any, *nodes: Node) -> list[Node]:
    """Operands in the dtype that they are computed in."""
    dtype = common(*nodes)
    return [b.cast(x, dtype) for x in nodes]


def scaled(b: Any, x: Node, factor: Node) -> Node:
    """x times a number, which may be known to be 1."""
    return x if is_constant(factor, 1) else b.mul(x, b.cast(factor, x.dtype))


def fraction_lost(number: Node, x: Node) -> bool:
    """Whether a number would lose its fraction beside the integers of x: its value at run time
    may be infinite, which Python refuses."""
    return is_int(x) and number.dtype.startswith("float") and not number.shape


# --- dimensions ---------------------------------------------------------------------------------


def dims_of(x: Node, dim: Any) -> Ints:
    """The dimensions that a reduction over `dim` means: None and () are all of them."""
    if not x.ndim:
        return ()
    if dim is None or dim == ():
        return tuple(range(x.ndim))
    return tuple(d % x.ndim for d in ((dim,) if isinstance(dim, int) else dim))


def along(b: Any, v: Node, ndim: int, dim: int = 1) -> Node:
    """A vector in a shape that broadcasts along one dimension of `ndim`."""
    return b.reshape(v, (v.numel, *[1] * (ndim - 1 - dim)))


def zeros(b: Any, shape: Sequence[int], dtype: str) -> Node:
    return b.full(shape, False if dtype == "bool" else 0.0 if "float" in dtype else 0, dtype)


def flat(b: Any, x: Node) -> Node:
    return b.reshape(x, (x.numel,))


def of_planes(x: Node, dims: int) -> Ints:
    """The shape with all dimensions but the last `dims` joined into one."""
    lead = 1
    for s in x.shape[: x.ndim - dims]:
        lead *= s
    return (lead, *x.shape[x.ndim - dims :])


def lies_dense(shape: Ints, strides: Ints, numel: int) -> bool:
    """Whether a layout is all of its memory in order."""
    return tuple(strides) == contiguous_strides(shape)


# --- one-line lowerings -------------------------------------------------------------------------


def same(b: Any, x: Node, *params: Any) -> Node:
    """The first input as it is."""
    return x


def primitive(op: str) -> Lowering:
    """The primitive of this name on all inputs."""

    def lower(b: Any, *nodes: Node) -> Node:
        return b.pointwise(op, *alike(b, *nodes))

    return lower


def of_floats(op: str) -> Lowering:
    """The primitive of this name on floats; integers stay what they are."""

    def lower(b: Any, x: Node) -> Node:
        return x if not is_float(x) else b.pointwise(op, x)

    return lower


def for_floats(lowering: Lowering) -> Lowering:
    """For formulas of floats: anything else is declined."""

    def lower(b: Any, x: Node, *rest: Any) -> Any:
        return lowering(b, x, *rest) if is_float(x) else None

    return lower


def widened(lowering: Lowering) -> Lowering:
    """For rows that move: 16-bit floats, which allow no arithmetic, are computed as float32."""

    def lower(b: Any, x: Node, *rest: Any) -> Node:
        if not is_narrow(x):
            return lowering(b, x, *rest)
        parts = [
            b.cast(r, "float32") if getattr(r, "dtype", None) == x.dtype else r for r in rest
        ]
        found = lowering(b, b.cast(x, "float32"), *parts)
        return None if found is None else b.cast(found, x.dtype)

    return lower


# --- operators ----------------------------------------------------------------------------------


class Traced:
    """A node with Python's operators, so that a formula over arrays builds the graph. Numbers take
    the other operand's dtype."""

    __slots__ = ("b", "node")

    def __init__(self, b: Any, node: Node) -> None:
        self.b = b
        self.node = node

    def _with(self, op: str, other: Any, turned: bool = False) -> Traced:
        pair = [self.node, number(self.b, other, self.node)]
        return Traced(self.b, self.b.pointwise(op, *alike(self.b, *(pair[::-1] if turned else pair))))

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
