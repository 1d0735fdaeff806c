"""Comparisons and selections."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .halves import compared
from .integers import is_integer
from .ptx import Instruction, Pair
from .values import DTYPES, Context, Op, elementwise, instruction, unsupported

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater,
    "ge": np.greater_equal, "lo": np.less, "ls": np.less_equal, "hi": np.greater, "hs": np.greater_equal,
}  # fmt: skip


def comparison(name: str, kind: str) -> Callable[[Any, Any], Any]:
    """A comparison by PTX's name, unordered ones (…u, num, nan) too."""
    floating = not is_integer(kind) and kind != "pred"
    if not floating:
        return _COMPARE[name]
    if name == "num":
        return lambda a, b: ~(np.isnan(a) | np.isnan(b))
    if name == "nan":
        return lambda a, b: np.isnan(a) | np.isnan(b)
    if name == "ne":  # ordered, unlike NumPy's
        return lambda a, b: (a < b) | (a > b)
    if name in _COMPARE:
        return _COMPARE[name]
    inverse = {"equ": "ne", "neu": "eq", "ltu": "ge", "leu": "gt", "gtu": "le", "geu": "lt"}[name]
    if inverse == "ne":
        return lambda a, b: ~((a < b) | (a > b))
    ordered = _COMPARE[inverse]
    return lambda a, b: ~ordered(a, b)


_JOIN: dict[str, Callable[[Any, Any], Any]] = {
    "and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor,
}  # fmt: skip


@instruction("setp")
def _setp(c: Context, i: Instruction) -> Op:
    kind = i.type
    mods = [x for x in i.modifiers[:-1] if x != "ftz"]
    if kind in ("f16x2", "bf16x2"):
        raise unsupported(i)
    widen, as_kind = compared(kind)
    compare = comparison(mods[0], kind)
    a, b = c.source(i.operands[1], as_kind), c.source(i.operands[2], as_kind)
    results = i.operands[0]
    first, second = (
        (results.first, results.second) if isinstance(results, Pair) else (results, None)
    )
    put = c.target(first, "pred")
    if second is None and len(mods) == 1 and widen is None:
        return lambda m, L: put(L, compare(a(L), b(L)))
    put2 = c.target(second, "pred") if second is not None else None
    join = _JOIN[mods[1]] if len(mods) > 1 else None
    other = c.source(i.operands[3], "pred") if join else None

    def op(m: Any, L: list[Any]) -> None:
        x, y = a(L), b(L)
        if widen is not None:
            x, y = widen(x), widen(y)
        t = compare(x, y)
        p, q = t, ~t
        if join is not None and other is not None:
            with_ = other(L)
            p, q = join(p, with_), join(q, with_)
        put(L, p)
        if put2 is not None:
            put2(L, q)

    return op


@instruction("set")
def _set(c: Context, i: Instruction) -> Op:
    result, kind = i.modifiers[-2:]
    compare = comparison(i.modifiers[0], kind)
    if len([x for x in i.modifiers if x != "ftz"]) != 3 or result == "f16":
        raise unsupported(i)

    def f(a: Any, b: Any) -> Any:
        t = compare(a, b)
        if result == "f32":
            return t.astype(np.float32)
        return np.where(t, np.uint32(0xFFFFFFFF), np.uint32(0))

    return elementwise(c, i, f, (kind, kind), result if result == "f32" else "b32")


@instruction("selp")
def _selp(c: Context, i: Instruction) -> Op:
    kind = "b" + str(8 * DTYPES[i.type].itemsize) if i.type != "pred" else "pred"

    def f(a: Any, b: Any, p: Any) -> Any:
        if p.ndim == 0:
            return (a if p else b).copy()
        return np.where(p, a, b)

    return elementwise(c, i, f, (kind, kind, "pred"), kind)


@instruction("slct")
def _slct(c: Context, i: Instruction) -> Op:
    kind, by = i.modifiers[-2:]
    bits = "b" + str(8 * DTYPES[kind].itemsize)
    return elementwise(c, i, lambda a, b, x: np.where(x >= 0, a, b), (bits, bits, by), bits)
