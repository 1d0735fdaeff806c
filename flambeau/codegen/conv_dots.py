"""The gradient of a convolution by its weight for few output channels: vectors run along positions.

A tile is some rows of g times some rows of the frame; its accumulators' lanes are added up at the
end of a block of positions. g is copied so that loads of it are aligned: the frame's can't be, and
loads that cross cache lines are what bounds the tile.
"""

from __future__ import annotations

from .conv_code import Lanes, Routine, invoke, module
from .conv_weight import Shape, Walk
from .ir_text import Code, Val
from .kernel import Target


def dots_shape(target: Target, rows: int) -> tuple[int, int]:
    """(rows of g, rows of the frame) of a tile of accumulators."""
    height = rows if target.registers >= 32 else min(rows, 4)
    best = 1
    for n in range(1, 9):
        if height * n + min(height, n) + 1 <= target.registers and height * n <= 25:
            best = n
    return height, best


DOTS = (
    ("ptr", "g"), ("i64", "gc"), ("i64", "rows"), ("ptr", "frame"), ("ptr", "at"),
    ("i64", "across"), ("ptr", "spots"), ("i64", "full"), ("i64", "partial"), ("i64", "count"),
    ("ptr", "d"), ("i64", "sdm"), ("i64", "add"),
)  # fmt: skip
"""`at`: offsets in bytes of the frame's `across` rows. g has its vectors of positions one after the
other; `spots` are their offsets in the frame; `full` whole vectors come first, then `partial` ones
of `count` lanes, beyond which g is zero."""


def emit_dots_tile(target: Target, dtype: str, rows: int) -> Routine:
    """d[m][j] (+)= sum over positions p of g[m][p] * frame[j][p]."""
    height, width = dots_shape(target, rows)
    f = Routine(target, "dots", DOTS)
    v = Lanes(f, dtype)
    g, gc, rows_, frame, at, across, spots, full, partial, count, d, sdm, add = f.given()
    heads = [f.at(g, gc * (rows_ - 1).min(m), "i8") for m in range(height)]
    lines = [f.at(frame, f.load("i64", at, (across - 1).min(j)), "i8") for j in range(width)]
    sums = [[f.var(v.zero()) for _ in range(width)] for _ in range(height)]
    def step(left: Val, right: Val, mask: Val | None) -> None:
        a = [lambda i=i: f.load(v.type, f.at(heads[i], left, "i8")) for i in range(height)]
        b = [lambda j=j: f.load(v.type, f.at(lines[j], right, "i8"), 0, mask) for j in range(width)]
        if height >= width:
            cells = [load() for load in b]
            for m in range(height):
                x = a[m]()
                for j in range(width):
                    sums[m][j].set(v.fma(x, cells[j], sums[m][j].get()))
        else:
            cells = [load() for load in a]
            for j in range(width):
                x = b[j]()
                for m in range(height):
                    sums[m][j].set(v.fma(cells[m], x, sums[m][j].get()))

    bytes_ = v.size * v.count
    with f.loop(0, full) as i:
        step(i * bytes_, f.load("i64", spots, i), None)
    mask = v.first(count)
    with f.loop(full, full + partial) as i:
        step(i * bytes_, f.load("i64", spots, i), mask)
    found = added_lanes(f, v, [s.get() for row in sums for s in row])
    room = f.var(f.const(f"<{v.count * (len(found) + 1)} x {v.element}>", 0.0))
    stack = Val(f, "ptr", room.slot)
    for packed, x in enumerate(found):
        f.store(x, stack, packed * v.count)
    for m in range(height):
        with f.when(rows_ > m):
            to = f.at(d, sdm * m, "i8")
            for lane in range(0, width, v.count):
                keep = v.first(across - lane)
                total = f.var(f.load(v.type, stack, m * width + lane))
                with f.when(add.compare("ne", 0)):
                    total.set(total.get() + f.load(v.type, to, lane, keep))
                f.store(total.get(), to, lane, keep)
    return f


def added_lanes(f: Code, v: Lanes, vectors: list[Val]) -> list[Val]:
    """The sums of each vector's lanes, packed into vectors in order. Of two vectors, halves of
    every run of lanes are laid side by side and added, log2(lanes) times."""
    n = v.count
    out = []
    for at in range(0, len(vectors), n):
        part = vectors[at : at + n]
        part += [v.zero()] * (n - len(part))
        owner = [[i] * n for i in range(n)]  # whose partial sum each lane is
        half = n // 2
        while half:
            k, run = len(part) // 2, range(half)
            low = [j + i + way for j in range(0, n, 2 * half) for way in (0, n) for i in run]
            high = [j + half for j in low]
            pairs = list(zip(part[:k], part[k:]))
            part = [f.shuffle(a, b, low) + f.shuffle(a, b, high) for a, b in pairs]
            owner = [[(owner[i] + owner[i + k])[j] for j in low] for i in range(k)]
            half //= 2
        out.append(f.shuffle(part[0], part[0], [owner[0].index(i) for i in range(n)]))
    return out


def emit_dots(target: Target, symbol: str, shape: Shape) -> str:
    """The kernel for few output channels. Arguments: g, source, output, scratch, WORDS, shifts (as
    conv_correlate), then for each row (c, t) of a task's frame its offset in bytes."""
    t = Walk(target, symbol, shape)
    c, w = t.c, t.w
    height, width = dots_shape(target, shape.rows)
    with c.loop(c.begin, c.end) as task:
        t.begin(task)
        with c.loop(t.from_block, t.to_block) as number:
            t.block(number)
            t.unfold(0, t.count)
            across = t.count * w.taps
            spots, g = c.at(t.own, w.result, "i8"), c.at(t.own, w.left, "i8")
            full, partial, count, pitch = _gather_g(t, spots, g)
            with c.loop(0, w.rows, height) as m, c.loop(0, across, width) as j:
                invoke(
                    c, "dots", c.at(g, m * pitch, "i8"), pitch, (w.rows - m).min(height), t.own,
                    c.at(t.taps, j, "i64"), (across - j).min(width), spots, full, partial, count,
                    c.at(c.at(t.to, m * w.result_pitch, "i8"), j, t.v.element), w.result_pitch,
                    number - t.from_block,
                )  # fmt: skip
    return module(c, [emit_dots_tile(target, shape.dtype, shape.rows)])


def _gather_g(t: Walk, spots: Val, to: Val) -> tuple[Val, Val, Val, Val]:
    """Copy a block of g, vector by vector, so that loads are aligned; list where each vector's
    positions are in the frame. (whole vectors, partial ones, lanes of those, bytes of a row)"""
    c, w, v = t.c, t.w, t.v
    bytes_ = v.size * v.count
    # Without gaps between its lines, a frame has one line for each image.
    gaps = (w.line > w.width * v.size).to("i64")
    down = (t.rows - 1) * gaps + 1
    count = t.positions // down
    whole, tail = count // v.count, count % v.count
    full, partial = t.images * down * whole, t.images * down * (tail > 0).to("i64")
    pitch = ((full + partial) | 1) * bytes_
    mask = v.first(tail)
    with c.loop(0, t.images) as n, c.loop(0, down) as r:
        g = c.at(c.at(t.g_at, n * w.gn, "i8"), r * w.width, v.element)
        frame = (n * (t.rows + w.extra) + r) * w.line
        line = n * down + r

        def put(at: Val, x: Val, mask: Val | None, g: Val = g, frame: Val = frame) -> None:
            c.store(frame + x * v.size, spots, at)
            with c.loop(0, w.rows) as m:
                row = c.at(c.at(g, m * w.gc, "i8"), x, v.element)
                c.store(c.load(v.type, row, 0, mask), c.at(to, m * pitch + at * bytes_, "i8"))

        with c.loop(0, whole) as k:
            put(line * whole + k, k * v.count, None)
        with c.when(tail > 0):
            put(full + line, whole * v.count, mask)
    return full, partial, tail, pitch
