"""The compiler's graph in NumPy, and how far rounding may move each element of each node.

A bound goes along with every value. What a pointwise operation makes of its arguments' bounds is
tried out: it is computed once more with each argument moved up and down by its bound. So an
uncertain comparison counts for as much as what depends on it. To that comes the rounding of the
operation itself: for sums, and what is made of sums, in proportion to the sum of the magnitudes,
since the terms may be added in any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.dtypes import to_bfloat16, to_float32
from .evaluate import ordered, value_of
from .ir import Node

Array = np.ndarray[Any, Any]

EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
SMALL = frozenset(["bool", "uint8", "int8"])
"""Integers that every float holds exactly."""
SUM = 4.0
"""Roundings of a sum, in units of epsilon times the sum of magnitudes: blocks of terms are added in
several rows side by side."""
WINOGRAD = 24.0
"""The same for convolutions, whose terms may be transformed first."""
FUNCTION = 4.0
"""Of elementary functions, on both sides together."""
EXACT = frozenset([
    "input", "number", "const", "iota", "view", "take", "part", "copy", "select", "min", "max", "fmin",
    "fmax", "neg", "abs", "copysign", "floor", "ceil", "trunc", "rint", "not", "and", "or", "xor",
    "shl", "shr", "lt", "le", "gt", "ge", "eq", "ne", "isnan", "fmod",
])  # fmt: skip
ARITHMETIC = frozenset(["add", "sub", "mul", "div", "sqrt", "fma"])
MOVES = frozenset([
    "write", "cat", "pad", "index_copy", "index_fill", "scatter", "max_pool", "max_pool_places",
    "max_pool_gather", "adaptive_max_pool", "fill", "copy",
])  # fmt: skip
"""Specials that compute nothing."""


class Bounded(NamedTuple):
    """A value, and how far it may be off, element by element. For bools: where it is uncertain.
    None: not at all."""

    value: Any
    bound: Any


def evaluate(
    outputs: Sequence[Node], known: Mapping[Node, Array], numbers: Sequence[float] = ()
) -> list[Bounded]:
    """The outputs and their bounds, from what is known exactly. Of what is below a known node
    nothing is needed."""
    values: dict[Node, Bounded] = {n: Bounded(x, None) for n, x in known.items()}
    with np.errstate(all="ignore"):
        for node in ordered(outputs, known):
            if node not in values:
                args = [values[a] for a in node.args]
                value = value_of(node, [a.value for a in args], (), numbers)
                values[node] = Bounded(value, _bound(node, args, value))
    return [values[n] for n in outputs]


def _bound(node: Node, args: list[Bounded], value: Any) -> Any:
    op = node.op
    if op == "special":
        return _special(node, args, value)
    if op == "part":
        return None if args[0].bound is None else args[0].bound[node.attr]
    if op == "reduce":
        return _reduce(node, args[0], value)
    total = _carried(node, args, value)
    if op in EXACT or node.dtype not in EPSILON:
        return total
    if op == "cast":
        source = node.args[0].dtype
        narrower = source not in SMALL and EPSILON[node.dtype] > EPSILON.get(source, 0.0)
        return _sum(total, EPSILON[node.dtype] * _size(node, value)) if narrower else total
    unit = (1.0 if op in ARITHMETIC else FUNCTION) * EPSILON[node.dtype]
    return _sum(total, unit * _size(node, value))


def _sum(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else a + b


def _size(node: Node, value: Any) -> Any:
    """Magnitudes; results that are not finite are not rounded."""
    x = np.abs(_numbers(value, node.dtype))
    return np.where(np.isfinite(x), x, 0.0)


def _numbers(x: Any, dtype: str) -> Array:
    x = np.asarray(x)
    return (to_float32(x) if dtype == "bfloat16" else x).astype(np.float64)


# --- elementwise and layout -----------------------------------------------------------------------


def _carried(node: Node, args: list[Bounded], value: Any) -> Any:
    """What the arguments' bounds make of the result."""
    if all(a.bound is None for a in args):
        return None
    if node.op in ("view", "take"):
        if args[0].bound is None:
            return None
        moved = [args[0].bound, *(a.value for a in args[1:])]
        return value_of(node, moved, (), ())
    total = None
    plain = [a.value for a in args]
    for i, a in enumerate(args):
        if a.bound is None:
            continue
        worst = None
        for side in (1, -1):
            given = list(plain)
            given[i] = _moved(a, node.args[i].dtype, side)
            found = _distance(value_of(node, given, (), ()), value, node.dtype)
            worst = found if worst is None else np.maximum(worst, found)
        total = _sum(total, worst)
    assert total is not None
    return total > 0 if node.dtype == "bool" else total


def _moved(a: Bounded, dtype: str, side: int) -> Any:
    if dtype == "bool":
        return np.logical_xor(a.value, a.bound)
    if dtype == "bfloat16":
        return to_bfloat16(to_float32(a.value) + np.float32(side) * a.bound)
    moved = np.asarray(a.value, np.float64) + side * a.bound
    return moved.astype(np.asarray(a.value).dtype)


def _distance(a: Any, b: Any, dtype: str) -> Any:
    if dtype == "bool":
        return np.logical_xor(a, b).astype(np.float64)
    x, y = _numbers(a, dtype), _numbers(b, dtype)
    found = np.abs(x - y)
    return np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, np.where(np.isnan(found), np.inf, found))


# --- sums -----------------------------------------------------------------------------------------


def _reduce(node: Node, a: Bounded, value: Any) -> Any:
    kind, dims, keepdim = node.attr
    x = np.abs(np.asarray(a.value, np.float64)) if node.args[0].dtype != "bfloat16" else None
    over = {"axis": dims, "keepdims": keepdim}
    if kind == "sum" and node.dtype in EPSILON:
        assert x is not None
        own = SUM * EPSILON[node.dtype] * np.sum(np.where(np.isfinite(x), x, 0.0), **over)
        return own if a.bound is None else own + np.sum(a.bound, **over)
    if kind == "prod" and node.dtype in EPSILON:
        assert x is not None
        count = x.size / max(np.asarray(value).size, 1)
        own = 2 * count * EPSILON[node.dtype] * _size(node, value)
        if a.bound is None:
            return own
        return own + np.abs(np.prod(x + a.bound, **over) - np.prod(x, **over))
    if a.bound is None:
        return None
    if kind in ("any", "all"):
        return np.any(a.bound, **over)
    worst = np.max(a.bound, initial=0.0, **over)
    # Which of several nearly equal elements is the largest can't be told.
    return np.where(worst > 0, np.inf, 0.0) if kind.startswith("arg") else worst


def _special(node: Node, args: list[Bounded], value: Any) -> Any:
    """Specials are sums of products, each of which is in proportion to every floating argument; or
    they only move what they are given."""
    name, params = node.attr
    if isinstance(node.dtype, tuple) or node.dtype not in EPSILON:
        return None
    floats = [i for i, x in enumerate(node.args) if x.dtype in EPSILON]
    carried = [i for i in floats if args[i].bound is not None]
    if name in MOVES or name == "scan" and params[0] in ("max", "min"):
        if not carried:
            return None
        given = [a.value if i not in floats else _bound_of(a) for i, a in enumerate(args)]
        return value_of(node, given, (), ())
    if name.startswith("max_pool_backward"):
        floats = [0]  # the others say where the largest is
    sizes = [np.abs(a.value) if i in floats else a.value for i, a in enumerate(args)]
    reach = np.asarray(value_of(node, sizes, (), ()), np.float64)
    count = value.shape[params[1]] if name == "scan" and params[0] == "prod" else 1
    # In a convolution an infinity may reach further.
    conv = name.startswith("conv")
    reach = np.where(np.isfinite(reach), reach, np.inf if conv else 0.0)
    total = (WINOGRAD if conv else SUM) * count * EPSILON[node.dtype] * reach
    for i in carried:
        given = [*sizes[:i], _bound_of(args[i]), *sizes[i + 1 :]]
        total = total + value_of(node, given, (), ())
    return total


def _bound_of(a: Bounded) -> Any:
    return np.zeros(np.shape(a.value)) if a.bound is None else a.bound
