"""What the oracle's pointwise operations and reductions compute, one row each.

A row of `POINTWISE` says the value (a NumPy function of the promoted operands), the partial
derivative by each operand (functions of the operands and the result), what PyTorch saves to
compute that derivative, which categories of dtype it takes, and where a rounding error could
change the result by more than itself (`guard`: such values are not compared).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

from tests.random_programs.tape import Undefined

Array = Any
OUT = -1  # in `saves`: the result


class Row(NamedTuple):
    """One pointwise operation."""

    value: Callable[..., Array]
    partials: tuple[Callable[..., Array] | None, ...] = ()
    saves: tuple[tuple[int, ...], ...] = ()
    """For each operand: the operands (or `OUT`) that its derivative needs later."""
    takes: str = "bif"
    """Categories of the promoted dtype: bool, integer, floating."""
    result: Literal["promoted", "floating", "bool"] = "promoted"
    guard: Callable[..., None] | None = None


def _apart(a: Array, b: Array) -> None:
    """No two floating values so near that rounding could decide which is larger."""
    if np.result_type(a, b).kind == "f":
        gap = np.abs(np.asarray(a, dtype=np.float64) - b)
        if np.any((gap > 0) & (gap < 1e-2)):
            raise Undefined("a comparison of nearly equal values")


def _from_zero(a: Array) -> None:
    _apart(a, 0.0)


def _from_integers(a: Array) -> None:
    _apart(a, np.round(a))


def _within(a: Array, low: float | None, high: float | None) -> None:
    for bound in (low, high):
        if bound is not None:
            _apart(a, bound)


def _clamp(a: Array, low: float | None, high: float | None) -> Array:
    if low is not None:
        a = np.maximum(a, np.asarray(low, dtype=a.dtype))
    return a if high is None else np.minimum(a, np.asarray(high, dtype=a.dtype))


def _clamp_partial(a: Array, low: float | None, high: float | None, out: Array) -> Array:
    above = True if low is None else a >= low
    return above & (True if high is None else a <= high)


def _one(*operands: Array) -> Array:
    return 1.0


def _minus_one(*operands: Array) -> Array:
    return -1.0


def _zero(*operands: Array) -> Array:
    return 0.0


def _share(wins: Callable[[Array, Array], Array]) -> tuple[Callable[..., Array], ...]:
    """Partials of maximum and minimum: the winner takes it, equal ones take half each."""
    return (
        lambda a, b, out: np.where(a == b, 0.5, wins(a, b)),
        lambda a, b, out: np.where(a == b, 0.5, wins(b, a)),
    )


def _sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def _compare(value: Callable[..., Array]) -> Row:
    return Row(value, result="bool", guard=_apart)


BOTH = ((0, 1), (0, 1))
POINTWISE: dict[str, Row] = {
    "add": Row(np.add, (_one, _one), ((), ())),
    "sub": Row(np.subtract, (_one, _minus_one), ((), ()), takes="if"),
    "mul": Row(np.multiply, (lambda a, b, out: b, lambda a, b, out: a), ((1,), (0,))),
    "div": Row(
        lambda a, b: a / b,
        (lambda a, b, out: 1 / b, lambda a, b, out: -a / (b * b)),
        ((1,), (0, 1)),
        result="floating",
    ),
    "maximum": Row(np.maximum, _share(np.greater), BOTH, guard=_apart),
    "minimum": Row(np.minimum, _share(np.less), BOTH, guard=_apart),
    "pow": Row(lambda a, n: a**n, (lambda a, n, out: n * a ** (n - 1), None), ((0,), ()), "if"),
    "neg": Row(np.negative, (_minus_one,), ((),), "if"),
    "abs": Row(np.abs, (lambda a, out: np.sign(a),), ((0,),), "if", guard=_from_zero),
    "square": Row(np.square, (lambda a, out: 2.0 * a,), ((0,),), "if"),
    "sqrt": Row(np.sqrt, (lambda a, out: 0.5 / out,), ((OUT,),), result="floating"),
    "exp": Row(np.exp, (lambda a, out: out,), ((OUT,),), result="floating"),
    "log": Row(np.log, (lambda a, out: 1 / a,), ((0,),), result="floating"),
    "sigmoid": Row(_sigmoid, (lambda a, out: out * (1 - out),), ((OUT,),), result="floating"),
    "tanh": Row(np.tanh, (lambda a, out: 1 - out * out,), ((OUT,),), result="floating"),
    "relu": Row(
        lambda a: np.maximum(a, a.dtype.type(0)),
        (lambda a, out: a > 0,),
        ((OUT,),),
        "if",
        guard=_from_zero,
    ),
    "clamp": Row(_clamp, (_clamp_partial, None, None), ((0,), (), ()), "if", guard=_within),
    "floor": Row(np.floor, (_zero,), ((),), "f", guard=_from_integers),
    "sign": Row(np.sign, (_zero,), ((),), "if", guard=_from_zero),
    "where": Row(
        np.where,
        (None, lambda c, a, b, out: c, lambda c, a, b, out: ~c),
        ((), (0,), (0,)),
    ),
    "eq": _compare(np.equal),
    "ne": _compare(np.not_equal),
    "lt": _compare(np.less),
    "le": _compare(np.less_equal),
    "gt": _compare(np.greater),
    "ge": _compare(np.greater_equal),
    "logical_and": Row(np.logical_and, result="bool", guard=lambda a, b: _from_zero([a, b])),
    "logical_or": Row(np.logical_or, result="bool", guard=lambda a, b: _from_zero([a, b])),
    "logical_not": Row(np.logical_not, result="bool", guard=_from_zero),
    "bitwise_and": Row(np.bitwise_and, takes="bi"),
    "bitwise_or": Row(np.bitwise_or, takes="bi"),
    "bitwise_xor": Row(np.bitwise_xor, takes="bi"),
    "bitwise_not": Row(np.invert, takes="bi"),
    "remainder": Row(np.remainder, takes="i"),
    "floor_divide": Row(np.floor_divide, takes="i"),
}

REFUSES_BOOL = {"sub", "neg"}
"""These raise RuntimeError for a bool operand; the others outside `takes` are left alone."""


class Reduction(NamedTuple):
    """One reduction over the last dimension of a two-dimensional array."""

    value: Callable[[Array], Array]
    partial: Callable[[Array, Array], Array] | None = None
    saves: tuple[int, ...] = ()
    takes: str = "bif"
    result: Literal["same", "sum", "bool", "index"] = "same"
    """`sum`: integers and bools become int64."""
    empty: bool = False
    """Whether it has a value over no elements."""
    guard: Callable[[Array], None] | None = None


def _neighbours(rows: Array) -> None:
    ordered = np.sort(rows, axis=1)
    _apart(ordered[:, 1:], ordered[:, :-1])


def _even_share(a: Array, out: Array) -> Array:
    hits = a == out[:, None]
    return hits / hits.sum(1, keepdims=True)


def _product_partial(a: Array, out: Array) -> Array:
    columns = [np.delete(a, i, axis=1).prod(1) for i in range(a.shape[1])]
    return np.stack(columns, 1) if columns else np.ones_like(a)


REDUCTIONS: dict[str, Reduction] = {
    "sum": Reduction(lambda a: a.sum(1), lambda a, out: 1.0, result="sum", empty=True),
    "mean": Reduction(lambda a: a.mean(1), lambda a, out: 1 / a.shape[1], takes="f"),
    "prod": Reduction(lambda a: a.prod(1), _product_partial, (0, OUT), result="sum", empty=True),
    "amax": Reduction(lambda a: a.max(1), _even_share, (0, OUT), guard=_neighbours),
    "amin": Reduction(lambda a: a.min(1), _even_share, (0, OUT), guard=_neighbours),
    "argmax": Reduction(lambda a: a.argmax(1), takes="if", result="index", guard=_neighbours),
    "argmin": Reduction(lambda a: a.argmin(1), takes="if", result="index", guard=_neighbours),
    "any": Reduction(lambda a: a.any(1), takes="b", result="bool", empty=True),
    "all": Reduction(lambda a: a.all(1), takes="b", result="bool", empty=True),
}
