"""The micro-kernel of convolutions: a tile of rows of A times columns of B, where k runs over
channels and taps.

    D[m][n] (+)= sum over channels c and taps t of A[m*sam + c*sac + a_t] * B[c*sbc + b_t + n]

The taps' offsets (a_t, b_t) are a table of pairs of i64, in bytes. So B need not be a matrix: one
frame of an image serves all taps, shifted. All strides are in bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from .conv_code import Lanes, Routine, invoke
from .ir_text import Val
from .kernel import Target

TILE = (
    ("ptr", "a"), ("i64", "sam"), ("i64", "rows"), ("ptr", "taps"), ("i64", "tapcount"),
    ("i64", "sac"), ("ptr", "b"), ("i64", "sbc"), ("i64", "channels"), ("ptr", "d"),
    ("i64", "sdm"), ("i64", "add"), ("i64", "columns"), ("ptr", "bias"), ("ptr", "spots"),
)  # fmt: skip
"""`add`: whether D's old value is added, else the bias is. `columns`: of D that are stored, at
least one of the last vector.

With spots, vectors need not lie side by side: `spots` has for each its offset in B, its offset in D,
how many of its columns are stored, and which taps it needs, from the first to before the last: both
must not ascend from spot to spot. `columns` counts vectors then."""

SPOT = 5
"""Words of a spot."""


def shape(target: Target, rows: int) -> tuple[int, int]:
    """(height, vectors) of the tile of registers for products of `rows` rows (8 for more): as many
    accumulators as leave room for B's vectors and one broadcast."""
    height = rows
    if target.registers < 32 and rows > 6:
        height = 4
    widest = (target.registers - 1) // (height + 1)
    return height, min(widest, 8, max(1, 24 // height))


def widths(vectors: int) -> list[int]:
    """Vectors of the tiles there are, ascending: the last one is the full tile's."""
    return list(range(1, vectors + 1)) if vectors <= 4 else sorted({1, 2, 4, vectors})


def emit_tile(
    target: Target, dtype: str, height: int, vectors: int, sure: int, biased: bool, spots: bool
) -> Routine:
    """A tile of `height` rows by some vectors, of which the first `sure` ones are full."""
    name = f"tile{height}x{vectors}" + ("" if sure < vectors else "full")
    f = Routine(target, name, TILE)
    v = Lanes(f, dtype)
    a, sam, rows, taps, count, sac, b, sbc, channels, d, sdm, add, columns, bias, table = f.given()
    whole = [f.int(v.size * v.count * j) for j in range(vectors)]
    if spots:  # what lies beyond a vector's columns may be loaded, but not stored
        words = [[f.load("i64", table, SPOT * j + i) for i in range(3)] for j in range(vectors)]
        right_at, to_at = [w[0] for w in words], [w[1] for w in words]
        masks: list[Val | None] = [v.first(w[2]) for w in words]
        reads: list[Val | None] = [None] * vectors
    else:
        right_at = to_at = whole
        masks = [None] * sure + [v.first(columns - j * v.count) for j in range(sure, vectors)]
        reads = masks
    starts = [f.at(b, at, "i8") for at in right_at] if spots else []
    heads = [f.at(a, sam * (rows - 1).min(m), "i8") for m in range(height)]
    sums = [[f.var(v.zero()) for _ in range(vectors)] for _ in range(height)]
    with f.loop(0, channels) as c:
        along, below = c * sac, c * sbc
        line = f.at(b, below, "i8")
        with f.loop(0, count) as t:
            left = along + f.load("i64", taps, t * 2)
            right = f.load("i64", taps, t * 2 + 1)
            if spots:
                heres = [f.at(p, below + right, "i8") for p in starts]
            else:  # one register will do
                here = f.at(line, right, "i8")
                heres = [f.at(here, j * v.count, v.element) for j in range(vectors)]
            cells = [f.load(v.type, p, 0, mask) for p, mask in zip(heres, reads)]
            for m in range(height):
                x = v.broadcast(f.at(heads[m], left, "i8"))
                for j in range(vectors):
                    sums[m][j].set(v.fma(x, cells[j], sums[m][j].get()))
    for m in range(height):
        with f.when(rows > m):
            to = f.at(d, sdm * m, "i8")
            start = v.broadcast(f.at(bias, m, v.element)) if biased else None
            for j in range(vectors):
                total = f.var(sums[m][j].get())
                if start is not None:
                    with f.when(add.compare("eq", 0)):
                        total.set(total.get() + start)
                at = f.at(to, to_at[j], "i8")
                with f.when(add.compare("ne", 0)):
                    total.set(total.get() + f.load(v.type, at, 0, masks[j]))
                f.store(total.get(), at, 0, masks[j])
    return f


def emit_product(
    target: Target, dtype: str, rows: int, biased: bool, spots: bool = False
) -> list[Routine]:
    """`product`: all tiles of a block, columns outside, so that B's columns stay in the first-level
    cache while the rows of A pass by. With the tiles that it calls. Parameters as TILE."""
    height, vectors = shape(target, rows)
    wides = widths(vectors) if not spots else list(range(1, vectors + 1))
    tiles = [
        emit_tile(target, dtype, height, n, sure, biased, spots)
        for n, sure in zip(wides, [0, *wides], strict=False)
    ]
    if not target.masks and not spots:  # masked loads cost something there
        tiles.append(emit_tile(target, dtype, height, vectors, vectors, biased, False))
    f = Routine(target, "product", TILE)
    v = Lanes(f, dtype)
    a, sam, m, taps, count, sac, b, sbc, channels, d, sdm, add, columns, bias, table = f.given()
    lanes = 1 if spots else v.count
    done = f.var(f.int(0))
    with f.loop_while(lambda: done.get() < columns):
        j = done.get()
        left = (columns - j + (lanes - 1)) // lanes
        blocks = (left + (vectors - 1)) // vectors
        wide = (left + blocks - 1) // blocks  # nearly equal widths
        some = (wide * lanes).min(columns - j)
        at = b if spots else f.at(b, j, v.element)
        here, some_taps = f.at(table, j * SPOT, "i64"), count
        first_tap = taps
        if spots:
            low = f.load("i64", f.at(here, (some - 1) * SPOT, "i64"), 3)
            some_taps = f.load("i64", here, 4).min(count) - low
            first_tap = f.at(taps, low * 2, "i64")
        with f.loop(0, m, height) as i:
            to = f.at(d, i * sdm, "i8")
            args = (
                f.at(a, i * sam, "i8"), sam, (m - i).min(height), first_tap, some_taps, sac, at,
                sbc, channels, to if spots else f.at(to, j, v.element), sdm, add, some,
                f.at(bias, i, v.element) if biased else bias,
                here if spots else table,
            )  # fmt: skip
            pick = partial(_one_of, f, tiles[: len(wides)], wides, wide, args)
            if target.masks or spots:
                pick()
            else:
                full = some.compare("eq", vectors * v.count)
                f.choose(full, partial(invoke, f, tiles[-1].symbol, *args), pick)
        done.set(j + some)
    return [f, *tiles]


def _one_of(
    f: Routine, tiles: list[Routine], wide: list[int], want: Val, args: Sequence[Val]
) -> None:
    """Call the narrowest tile that is wide enough."""
    if len(tiles) == 1:
        invoke(f, tiles[0].symbol, *args)
        return
    f.choose(
        want <= wide[0],
        lambda: invoke(f, tiles[0].symbol, *args),
        lambda: _one_of(f, tiles[1:], wide[1:], want, args),
    )
