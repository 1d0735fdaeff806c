"""What lowerings share: numbers beside tensors, dimensions, lowerings of one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...core.layout import Ints

Node = Any
"""A node of the compiler's graph (it lives in a layer above): op, args, attr, shape, dtype."""

Lowering = Callable[..., Any]

ON_GPUS_ALONE = frozenset(
    "sort topk ranked searchsorted logcumsumexp recurrence "
    "conv3_forward conv3_input conv3_weight".split()
)
"""Specials that only GPUs have kernels for."""

GPU_LOWERINGS: set[Lowering] = set()
"""Lowerings that always stand on them."""


def on_gpus(lower: Lowering) -> Lowering:
    """Says that a lowering stands on specials that only GPUs have kernels for."""
    GPU_LOWERINGS.add(lower)
    return lower

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
