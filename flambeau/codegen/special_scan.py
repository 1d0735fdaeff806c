"""Running sums, products and extrema along a dimension, in its order.

Where something lies inside of the dimension, columns run in vectors. Along the last dimension, rows
do: squares of them are transposed in registers. Few rows run one after the other.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from .ir_text import ELEMENT, Code, Val, element_bytes, masks_well, parts, vector
from .kernel import Buf, Kernel, Launch, Target
from .planning import Placed, Room
from .pool_windows import buffers, dense, touched
from .special_copy import transposed
from .special_index import split

_KINDS = {"cumsum": "sum", "cumprod": "prod", "cummax": "max", "cummin": "min"}

_FEW_ROWS = 4
_COPIES = 4
"""Vectors of columns that run side by side."""


def scan(room: Room, inputs: list[Placed], outputs: list[Placed], params: Any) -> Any:
    """x → its scan; params (kind, dim), kind of sum, prod, max, min; also cumsum and so on."""
    (x,), (y,), (kind, dim) = inputs, outputs, params
    how = _KINDS.get(kind, kind)
    if how not in _KINDS.values() or x.dtype != y.dtype or not dense(x, y):
        return None
    if x.dtype not in ("float32", "float64", "int64", "int32"):
        return None
    if 0 in x.shape:
        return []
    outer, n, inner = split(x.shape, dim)
    key: tuple[Any, ...]
    args: tuple[int | Buf, ...]
    if inner > 1:
        wide = min(inner, max(128, -(-inner // max(2 * room.threads // outer, 1))))
        wide = min(inner, -(-wide // 64) * 64)
        blocks = -(-inner // wide)
        key, tasks = ("scan columns", how, x.dtype), outer * blocks
        args = (*buffers([x, y]), n, inner, wide, blocks)
        emit = partial(_emit_columns, how=how, dtype=x.dtype)
    else:
        single = outer < _FEW_ROWS
        wide = 1 if single else 16
        key, tasks = ("scan rows", how, x.dtype, single), -(-outer // wide)
        args = (*buffers([x, y]), outer, n, wide)
        emit = partial(_emit_lines if single else _emit_rows, how=how, dtype=x.dtype)
    grain = max(1, (1 << 14) // max(1, n * wide))
    made = Kernel(f"scan_{how}", key, emit)
    return [Launch(made, args, tasks, float(outer * n * inner), touched([x, y]), grain, "scan")]


PLANNERS = {"scan": scan}


def combined(c: Code, how: str, a: Val, b: Val) -> Val:
    if how == "sum":
        return a + b
    if how == "prod":
        return a * b
    if not a.is_float:
        return c.select(b.compare("sgt" if how == "max" else "slt", a), b, a)
    # A NaN stays, and b's is taken.
    keep = a.compare("oge" if how == "max" else "ole", b) | a.compare("uno", a)
    return c.select(keep, a, b)


def _emit_columns(target: Target, symbol: str, how: str, dtype: str) -> str:
    """for each vector of columns: for each row: total = total + x; y = total"""
    c = Code(target, symbol)
    e = ELEMENT[dtype]
    lanes = target.vector_bytes // element_bytes(e)
    x, y = c.buffer(), c.buffer()
    n, inner, wide, blocks = c.words(4)

    def columns(at: Val, copies: int, lanes: int, mask: Val | None = None) -> None:
        """at: the first row's first element."""
        type = vector(e, lanes)
        totals = []
        for k in range(copies):
            v = c.load(type, x, at + k * lanes, mask)
            c.store(v, y, at + k * lanes, mask)
            totals.append(c.var(v))
        with c.loop(1, n) as j:
            for k, total in enumerate(totals):
                place = at + j * inner + k * lanes
                v = combined(c, how, total.get(), c.load(type, x, place, mask))
                total.set(v)
                c.store(v, y, place, mask)

    with c.loop(c.begin, c.end) as task:
        first = task % blocks * wide
        last = (first + wide).min(inner)
        base = task // blocks * n * inner
        step = lanes * _COPIES
        many = last - (last - first) % step
        whole = last - (last - first) % lanes
        with c.loop(first, many, step) as i:
            columns(base + i, _COPIES, lanes)
        with c.loop(many, whole, lanes) as i:
            columns(base + i, 1, lanes)
        if masks_well(target, e):
            with c.when(whole < last):
                columns(base + whole, 1, lanes, c.below(last - whole, lanes))
        else:
            with c.loop(whole, last) as i:
                columns(base + i, 1, 1)
    return c.text()


def _line(c: Code, x: Val, y: Val, first: Val, last: Val, total: Any, e: str, how: str) -> None:
    """Go on with a row from element `first` on."""
    with c.loop(first, last) as i:
        v = combined(c, how, total.get(), c.load(e, x, i))
        total.set(v)
        c.store(v, y, i)


def _emit_lines(target: Target, symbol: str, how: str, dtype: str) -> str:
    c = Code(target, symbol)
    e = ELEMENT[dtype]
    x, y = c.buffer(), c.buffer()
    _, n, _ = c.words(3)
    with c.loop(c.begin, c.end) as row:
        p, q = c.at(x, row * n, e), c.at(y, row * n, e)
        v = c.load(e, p)
        c.store(v, q)
        _line(c, p, q, c.int(1), n, c.var(v), e, how)
    return c.text()


def _emit_rows(target: Target, symbol: str, how: str, dtype: str) -> str:
    """for each `lanes` rows: for each square of them: transpose, run down, transpose back. Rows
    beyond the last one are that one again, which is stored with the same numbers."""
    c = Code(target, symbol)
    e = ELEMENT[dtype]
    lanes = min(16, target.vector_bytes // element_bytes(e))
    type = vector(e, lanes)
    x, y = c.buffer(), c.buffer()
    rows, n, wide = c.words(3)
    with c.loop(c.begin, c.end) as task, c.loop(0, wide, lanes) as part:
        first = task * wide + part
        with c.when(first < rows):
            starts = [(first + k).min(rows - 1) * n for k in range(lanes)]
            whole = n - n % lanes
            total = c.var(c.const(type, {"sum": 0, "prod": 1}.get(how, 0)))
            with c.loop(0, whole, lanes) as i:
                columns = transposed(c, [c.load(type, x, s + i) for s in starts])
                _run_down(c, columns, total, i, how)
                for s, v in zip(starts, transposed(c, columns), strict=True):
                    c.store(v, y, s + i)
            with c.loop(whole, n) as i:
                column = c.const(type, 0)
                for k, s in enumerate(starts):
                    column = _inserted(c, column, c.load(e, x, s + i), k)
                made = [column]
                _run_down(c, made, total, i, how)
                for k, s in enumerate(starts):
                    c.store(c.lane(made[0], k), y, s + i)
    return c.text()


def _inserted(c: Code, v: Val, one: Val, lane: int) -> Val:
    return c.value(v.type, f"insertelement {v}, {one}, i64 {lane}")


def _run_down(c: Code, columns: list[Val], total: Any, at: Val, how: str) -> None:
    """Each column becomes what there is up to it; `at` is the first one's number."""
    before = total.get()
    for k, v in enumerate(columns):
        made = combined(c, how, before, v)
        if k == 0:  # the very first is itself, also a zero with a sign
            start = c.splat(at.compare("eq", 0), parts(v.type)[1])
            made = c.select(start, v, made)
        before = columns[k] = made
    total.set(before)
