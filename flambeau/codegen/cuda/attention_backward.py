"""The gradients of attention: weights are made again from scores, the largest of them and the sums.

With g the result's gradient and delta the sum of g * out over a query's elements,

    weights = exp(score - largest) * inverse
    of weights: g @ values^T;  of scores: weights * (of weights - delta)
    of queries: of scores @ keys;  of keys: of scores^T @ queries;  of values: weights^T @ g

One kernel has a tile of queries and goes through the keys, another one has a tile of keys and goes
through the queries. So nothing is summed by several blocks, and every sum has its order.
"""

from __future__ import annotations

from ..ir_values import Val, Var
from .attention_frame import Frame, Key, Scores, store_row
from .attention_tiles import zeros
from .kernel import capability
from .special_code import Target


def shared_bytes(k: Key) -> int:
    both = k.tile_bytes(k.rows + k.columns, k.d) + k.tile_bytes(k.rows + k.columns, k.e)
    return both + k.scratch_bytes + (0 if k.what == "queries" else 3 * 4 * k.columns)


class _Places:
    """Where the four tiles, the scratch and the columns' numbers are in shared memory."""

    def __init__(self, f: Frame) -> None:
        k, t = f.k, f.t
        at = [0, k.tile_bytes(k.rows, k.d)]
        at.append(at[1] + k.tile_bytes(k.rows, k.e))
        at.append(at[2] + k.tile_bytes(k.columns, k.d))
        at.append(at[3] + k.tile_bytes(k.columns, k.e))
        self.row_d, self.row_e, self.column_d, self.column_e, self.scratch = map(t.tile, at)
        self.numbers = t.tile(at[4] + k.scratch_bytes)


def emit(target: Target, symbol: str, k: Key) -> str:
    """Arguments: see `attention`."""
    f = Frame(target, symbol, k, capability(target))
    return (_queries if k.what == "queries" else _keys)(f)


def _queries(f: Frame) -> str:
    c, t, k = f.c, f.t, f.k
    q, key, value, g = (f.operand(k.source) for _ in range(4))
    score = Scores(f)
    stats, delta, factor, out = c.buffer(), c.buffer(), c.load("float", c.buffer()), c.buffer()
    noted = f.rows_of(stats, f.queries, c.number(2), "float")
    deltas = f.rows_of(delta, f.queries, c.number(1), "float")
    p = _Places(f)
    rows = [f.first + t.row + 8 * h for h in (0, 1)]
    last = f.queries - 1
    here = [c.wider(r.min(last)) for r in rows]
    largest = [c.load("float", noted, r * 2) for r in here]
    inverse = [c.load("float", noted, r * 2 + 1) for r in here]
    less = [c.load("float", deltas, r) for r in here]
    end = f.keys
    if k.masking.kind == "causal":
        end = c.select(score.skips, end.min(f.first + k.rows), end)
    sums = zeros(c, k.d // 8)

    def load_keys(first: Val) -> None:
        t.load(p.column_d, k.columns, k.d, key.base, first, f.keys, key.step, f.d, k.whole[1])

    def load_values(first: Val) -> None:
        t.load(p.column_e, k.columns, k.e, value.base, first, f.keys, value.step, f.e, k.whole[2])

    t.load(p.row_d, k.rows, k.d, q.base, f.first, f.queries, q.step, f.d, k.whole[0])
    t.load(p.row_e, k.rows, k.e, g.base, f.first, f.queries, g.step, f.e, k.whole[3])
    load_keys(c.i32(0))
    load_values(c.i32(0))
    t.commit()
    with c.loop(c.i32(0), end, k.columns) as first:
        following = first + k.columns
        t.wait()
        made = t.nt(p.row_d, p.column_d, k.columns, k.d)
        of_weights = t.nt(p.row_e, p.column_e, k.columns, k.e)
        c.barrier()
        with c.when(following < end):
            load_values(following)
            t.commit()
        for j, (s, d) in enumerate(zip(made, of_weights, strict=True)):
            for i, x in enumerate(s):
                h, column = i // 2, first + t.column(j, i % 2)
                given, filled = score.one(x, rows[h], column)
                weight = t.exp(given - largest[h]) * inverse[h]
                weight = c.select(column < f.keys, weight, c.const("float", 0))
                d[i] = score.gradient(weight * (d[i] - less[h]), filled)
        t.nn(of_weights, p.column_d, k.d, sums, p.scratch)
        c.barrier()
        with c.when(following < end):
            load_keys(following)
            t.commit()
    _store(f, rows, sums, factor, out, f.queries, f.d, k.out[0])
    return c.text()


def _keys(f: Frame) -> str:
    c, t, k = f.c, f.t, f.k
    q, key, value, g = (f.operand(k.source) for _ in range(4))
    score = Scores(f)
    stats, delta, factor = c.buffer(), c.buffer(), c.load("float", c.buffer())
    of_keys, of_values = c.buffer(), c.buffer()
    noted = f.rows_of(stats, f.queries, c.number(2), "float")
    deltas = f.rows_of(delta, f.queries, c.number(1), "float")
    p = _Places(f)
    rows = [f.first + t.row + 8 * h for h in (0, 1)]
    begin = c.i32(0)
    if k.masking.kind == "causal":
        begin = c.select(score.skips, f.first - f.first % k.columns, begin)
    sums_d, sums_e = zeros(c, k.d // 8), zeros(c, k.e // 8)
    one = c.const("float", 1)

    def load_queries(first: Val) -> None:
        t.load(p.column_d, k.columns, k.d, q.base, first, f.queries, q.step, f.d, k.whole[0])

    def load_gradients(first: Val) -> None:
        t.load(p.column_e, k.columns, k.e, g.base, first, f.queries, g.step, f.e, k.whole[3])
        thread = c.thread_id()
        with c.when(thread < k.columns):
            row = c.wider((first + thread).min(f.queries - 1))
            found = [c.load("float", noted, row * 2 + n) for n in (0, 1)]
            for n, v in enumerate([*found, c.load("float", deltas, row)]):
                c.store(v, p.numbers, thread + n * k.columns)

    t.load(p.row_d, k.rows, k.d, key.base, f.first, f.keys, key.step, f.d, k.whole[1])
    t.load(p.row_e, k.rows, k.e, value.base, f.first, f.keys, value.step, f.e, k.whole[2])
    load_queries(begin)
    load_gradients(begin)
    t.commit()
    with c.loop(begin, f.queries, k.columns) as first:
        following = first + k.columns
        t.wait()
        made = t.nt(p.row_d, p.column_d, k.columns, k.d)
        of_weights = t.nt(p.row_e, p.column_e, k.columns, k.e)
        for j, (s, d) in enumerate(zip(made, of_weights, strict=True)):
            for i, x in enumerate(s):
                here = t.column(j, i % 2)
                largest, inverse, less = (c.load("float", p.numbers, here + n * k.columns) for n in range(3))
                given, filled = score.one(x, first + here, rows[i // 2])
                weight = t.exp(given - largest) * inverse
                s[i] = c.select(first + here < f.queries, weight, c.const("float", 0))
                d[i] = score.gradient(s[i] * (d[i] - less), filled)
        t.nn(made, p.column_e, k.e, sums_e, p.scratch)
        c.barrier()
        with c.when(following < f.queries):
            load_gradients(following)
            t.commit()
        t.nn(of_weights, p.column_d, k.d, sums_d, p.scratch)
        c.barrier()
        with c.when(following < f.queries):
            load_queries(following)
            t.commit()
    _store(f, rows, sums_d, factor, of_keys, f.keys, f.d, k.out[0])
    _store(f, rows, sums_e, one, of_values, f.keys, f.e, k.out[1])
    return c.text()


def _store(
    f: Frame, rows: list[Val], sums: list[list[Var]], factor: Val, out: Val, count: Val, width: Val, dtype: str
) -> None:  # fmt: skip
    c = f.c
    to = f.rows_of(out, count, width, "float" if dtype == "float32" else "i16")
    for h in (0, 1):
        with c.when(rows[h] < count):
            values = [[v.get() * factor for v in s[2 * h : 2 * h + 2]] for s in sums]
            store_row(f, values, to, rows[h], width, dtype)


