"""Attention forward: softmax(scores) @ values, the scores never in memory (Dao et al. 2022, 2023).

For each tile of keys: the scores; the largest so far of each query; weights; and what has been summed
is scaled to the new largest. At the end there are the sums, and for each query the largest score and
the inverse of the sum of weights, from which the gradients make the same weights again.
"""

from __future__ import annotations

from ..ir_values import Val, Var
from .attention_frame import Frame, Key, Scores, store_row
from .attention_tiles import Fragment, maximum, zeros
from .kernel import capability
from .special_code import Code, Target


def shared_bytes(k: Key) -> int:
    return k.tile_bytes(k.rows + k.columns, k.d) + k.tile_bytes(k.columns, k.e) + k.scratch_bytes


def emit(target: Target, symbol: str, k: Key) -> str:
    """Arguments: see `attention`."""
    f = Frame(target, symbol, k, capability(target))
    c, t = f.c, f.t
    q, key, value = (f.operand(k.source) for _ in range(3))
    score = Scores(f)
    out, stats = c.buffer(), c.buffer()
    q_tile, k_tile = t.tile(0), t.tile(k.tile_bytes(k.rows, k.d))
    v_at = k.tile_bytes(k.rows + k.columns, k.d)
    v_tile, scratch = t.tile(v_at), t.tile(v_at + k.tile_bytes(k.columns, k.e))
    end = f.keys
    if k.masking.kind == "causal":
        end = c.select(score.skips, end.min(f.first + k.rows), end)
    sums = zeros(c, k.e // 8)
    largest = [c.var(score.lowest) for _ in (0, 1)]
    total = [c.var(c.const("float", 0)) for _ in (0, 1)]
    shut = [c.var(c.const("i1", 1)) for _ in (0, 1)]
    rows = [f.first + t.row + 8 * h for h in (0, 1)]

    def load_keys(first: Val) -> None:
        t.load(k_tile, k.columns, k.d, key.base, first, f.keys, key.step, f.d, k.whole[1])
        t.commit()

    t.load(q_tile, k.rows, k.d, q.base, f.first, f.queries, q.step, f.d, k.whole[0])
    load_keys(c.i32(0))
    with c.loop(c.i32(0), end, k.columns) as first:
        t.wait()
        t.load(v_tile, k.columns, k.e, value.base, first, f.keys, value.step, f.e, k.whole[2])
        t.commit()
        made = t.nt(q_tile, k_tile, k.columns, k.d)
        top = [score.lowest, score.lowest]
        for j, p in enumerate(made):
            for i, x in enumerate(p):
                column = first + t.column(j, i % 2)
                beyond = column.compare("sge", f.keys)
                s, filled = score.one(x, rows[i // 2], column)
                p[i] = c.select(beyond, score.lowest, s)
                top[i // 2] = maximum(c, top[i // 2], p[i])
                if k.masking.nowhere:
                    shut[i // 2].set(shut[i // 2].get() & (filled | beyond))
        for h in (0, 1):
            _weigh(f, made, h, t.across("max", top[h]), largest[h], total[h], sums)
        t.wait()
        with c.when(first + k.columns < end):
            load_keys(first + k.columns)
        t.nn(made, v_tile, k.e, sums, scratch)
    _store(f, rows, sums, largest, total, shut, out, stats)
    return c.text()


def safe(c: Code, m: Val) -> Val:
    """The largest score, or 0 where it is -inf: what is subtracted from scores."""
    return c.select(m.compare("oeq", float("-inf")), c.const("float", 0), m)


def _weigh(
    f: Frame, made: Fragment, h: int, top: Val, largest: Var, total: Var, sums: list[list[Var]]
) -> None:  # fmt: skip
    """Scores of a row become weights, and what was summed is scaled to them."""
    c, t = f.c, f.t
    before = largest.get()
    now = maximum(c, before, top)
    by = safe(c, now)
    scale = t.exp(before - by)
    sum = total.get() * scale
    for p in made:
        for i in (2 * h, 2 * h + 1):
            p[i] = t.exp(p[i] - by)
            sum = sum + p[i]
    for s in sums:
        for i in (2 * h, 2 * h + 1):
            s[i].set(s[i].get() * scale)
    largest.set(now)
    total.set(sum)


def _store(
    f: Frame, rows: list[Val], sums: list[list[Var]], largest: list[Var], total: list[Var], shut: list[Var],
    out: Val, stats: Val,
) -> None:  # fmt: skip
    c, t, k = f.c, f.t, f.k
    dtype = k.out[0]
    to = f.rows_of(out, f.queries, f.e, "float" if dtype == "float32" else "i16")
    noted = f.rows_of(stats, f.queries, c.number(2), "float")
    for h in (0, 1):
        inverse = c.const("float", 1) / t.across("add", total[h].get())
        if k.masking.nowhere:
            inverse = c.select(t.across("and", shut[h].get()), c.const("float", 0), inverse)
        with c.when(rows[h] < f.queries):
            with c.when(t.place.compare("eq", 0)):
                at = c.wider(rows[h]) * 2
                c.store(safe(c, largest[h].get()), noted, at)
                c.store(inverse, noted, at + 1)
            values = [[v.get() * inverse for v in s[2 * h : 2 * h + 2]] for s in sums]
            store_row(f, values, to, rows[h], f.e, dtype)
