"""The micro-kernel of products by broadcasts: panels of columns, tiles of rows within each.

A table holds the tiles' functions by kind of columns and height; two more tell from how many columns
on a kind is for, and how many it does.
"""

from __future__ import annotations

from .kernel import Target
from .llvm_text import Function, Word, vector_attributes
from .microkernel import ELEMENT, SIZES, SUFFIX, can_mask, lanes, panel_vectors, tile
from .microkernel_tile import Shape, emit_tile, prefetch


def shapes(target: Target, dtype: str, height: int) -> list[Shape]:
    """The tiles of a height, widest first. They differ so that few rows have enough sums under way
    to hide the latency of additions, and that there is little code."""
    n, panel = lanes(target, dtype), panel_vectors(target)

    def whole(vectors: int) -> Shape:
        return Shape(height, vectors, n, vectors)

    def part(vectors: int, sure: int) -> Shape:
        return Shape(height, vectors, n, sure)

    if can_mask(target) and target.registers >= 32:
        if height == 1:
            return [part(8, 0)]
        if height <= 3:
            return [whole(4), part(4, 0)]
        return [*([whole(4), part(2, 1)] if height <= 6 else [whole(2)]), part(1, 0)]
    widest = 2 * panel if 2 * panel * (height + 1) < target.registers else panel
    if can_mask(target):
        return [whole(widest), part(2, 1), part(1, 0)]
    out = [whole(w) for w in (widest, panel, panel // 2, panel // 4) if w]
    while n > 1:
        n //= 2
        out.append(whole(1))
    return out


_THREE = 9
"""Rows of the tile of three vectors, for what is more than two vectors and no more than three."""


def _special(target: Target, dtype: str, height: int) -> Shape | None:
    """The tile of three vectors. Many rows are divided into heights of 6 to 9 for it."""
    fits = can_mask(target) and target.registers >= 32 and 6 <= height <= _THREE
    return Shape(height, 3, lanes(target, dtype), 2) if fits else None


def emit_nn(target: Target, dtype: str) -> str:
    """`gemm` with its tile functions and tables."""
    suffix, (rows, _) = SUFFIX[dtype], tile(target, dtype)
    by_height = [shapes(target, dtype, h) for h in range(1, rows + 1)]
    kinds = max(map(len, by_height))
    text, done = [], set()
    table, least, most = [], [], []
    for kind in range(kinds + 1):
        for height, tiles in enumerate(by_height, 1):
            shape = tiles[min(kind, len(tiles) - 1)]
            if kind == kinds:
                shape = _special(target, dtype, height) or shape
            name = f"tile_{suffix}_{shape.name}"
            if name not in done:
                text.append(emit_tile(target, dtype, name, shape))
                done.add(name)
            table.append(f"ptr @{name}")
            most.append(f"i64 {shape.columns}")
            more = tiles[kind + 1].columns if kind + 1 < len(tiles) else 0
            least.append(f"i64 {more + 1 if shape.masked else shape.columns}")
    for name, cells, kind_of in (("tiles", table, "ptr"), ("least", least, "i64"), ("most", most, "i64")):
        text.append(
            f"@{name}_{suffix} = internal constant [{len(cells)} x {kind_of}] [{', '.join(cells)}]\n"
        )
    text += [_driver(target, dtype, kinds), _plain(target, dtype)]
    return "\n".join(text)


GEMM = "ptr a, i64 sam, i64 sak, ptr b, i64 sbk, i64 sbp, ptr c, i64 scm, i64 m, i64 n, i64 k, i64 add"
AHEAD = f"{GEMM}, i64 packed, ptr next, i64 snext"


def _plain(target: Target, dtype: str) -> str:
    """`gemm`: nothing is packed, nothing prefetched."""
    suffix = SUFFIX[dtype]
    f = Function(f"gemm_{suffix}", GEMM, vector_attributes(target))
    given = ", ".join(" %".join(x.split()) for x in GEMM.split(","))
    f.do(f"call void @gemm_ahead_{suffix}({given}, i64 0, ptr %c, i64 0)")
    return f.finish()


def _driver(target: Target, dtype: str, kinds: int) -> str:
    """Panels of columns, and the tiles of rows within each."""
    suffix, size = SUFFIX[dtype], SIZES[dtype]
    f = Function(f"gemm_ahead_{suffix}", AHEAD, vector_attributes(target) + " noinline")
    sam, sak, sbk, sbp, scm = (
        f.mul(s, size) for s in ("%sam", "%sak", "%sbk", "%sbp", "%scm")
    )  # fmt: skip
    packed = f.compare("ne", "%packed", 0)
    sam = f.select(packed, size, sam)
    some = f.op(f"and i1 {f.compare('sgt', '%m', 0)}, {f.compare('sgt', '%k', 0)}")
    with f.when(some):
        rows, columns = tile(target, dtype)
        deep = f.compare("sge", "%k", 64)  # worth prefetching C for
        wide = f.select(f.compare("eq", "%snext", 0), 0, columns * size)
        rows_meet = f.compare("eq", f.mul("%k", sak), sam)
        by_rows = f.op(f"and i1 {f.compare('eq', sak, size)}, {rows_meet}")
        by_columns = f.compare("eq", sam, size)
        runs = f.op(f"or i1 {by_columns}, {by_rows}")
        with f.steps("%n") as across:
            j = across.index
            left = f.sub("%n", j)
            three = _is_three(f, target, dtype, left, packed)
            tiles, low, more = divided_rows(f, "%m", f.select(three, _THREE, rows))
            highest = f.add(low, f.op(f"zext i1 {f.compare('ne', more, 0)} to i64"))
            usual = _kind(f, suffix, kinds, rows, highest, left)
            kind = f.select(three, kinds, usual)
            width = f.min(left, _entry(f, "most", suffix, rows, kind, highest))
            panel = f.div(j, columns)
            b = f.gep("%b", f.mul(panel, sbp))
            b = f.gep(b, f.mul(f.sub(j, f.mul(panel, columns)), size))
            here = f.mul(j, size)
            first = [("ptr", "%a"), ("ptr", f.gep("%c", here)), ("ptr", f.gep("%next", here))]
            with f.loop(tiles, carry=first, sure=True) as loop:
                a, c, ahead = loop.values
                higher = f.compare("slt", loop.index, more)
                height = f.add(low, f.op(f"zext i1 {higher} to i64"))
                code = _entry(f, "tiles", suffix, rows, kind, height, "ptr")
                step = f.select(packed, f.mul(height, size), sak)
                on = f.select(packed, f.mul(f.mul(height, size), "%k"), f.mul(height, sam))
                after = f.gep(a, on)
                # What comes next: lines of B's next panel, then of A's next tile.
                ends = f.compare("sge", f.mul(loop.index, _LINE), wide)
                last = f.gep(after, f.mul(f.sub(height, 1), sam))
                coming = f.select(by_columns, last, f.select(runs, after, c, "ptr"), "ptr")
                then = f.select(ends, coming, ahead, "ptr")
                along = f.select(by_columns, step, f.select(runs, _LINE, 0))
                snext = f.select(ends, along, "%snext")
                with f.when(deep), f.loop(height, carry=[("ptr", c)], sure=True) as line:
                    for i in range(0, columns * size, _LINE):
                        prefetch(f, f.gep(line.values[0], i), 3)
                    line.next = [f.gep(line.values[0], scm)]
                f.do(
                    f"call void {code}(ptr {a}, i64 {sam}, i64 {step}, ptr {b}, i64 {sbk}, "
                    f"i64 {sbp}, ptr {c}, i64 {scm}, i64 %k, i64 %add, i64 {width}, "
                    f"ptr {then}, i64 {snext})"
                )
                loop.next = [after, f.gep(c, f.mul(height, scm)), f.gep(ahead, _LINE)]
            across.next = [width]
    nothing = f.op("or i64 %k, %add")
    with f.when(f.compare("eq", nothing, 0)), f.loop("%m") as row, f.loop("%n") as column:
        at = f.gep(f.gep("%c", f.mul(row.index, scm)), f.mul(column.index, size))
        f.store(ELEMENT[dtype], "0.0", at, size)
    return f.finish()


_LINE = 64
"""Bytes of a cache line."""


def _is_three(f: Function, target: Target, dtype: str, left: Word, packed: str) -> str:
    """Whether the tile of three vectors is for the columns that are left. Not if A is packed, for
    tiles of the usual heights."""
    n, (rows, _) = lanes(target, dtype), tile(target, dtype)
    if not _special(target, dtype, _THREE):
        return "false"
    some = f.op(f"and i1 {f.compare('sgt', left, 2 * n)}, {f.compare('sle', left, 3 * n)}")
    many = f.op(f"and i1 {f.compare('sgt', '%m', rows)}, {some}")
    return f.select(packed, 0, many, "i1")


def divided_rows(f: Function, m: Word, most: Word) -> tuple[Word, Word, Word]:
    """m > 0 rows into tiles of nearly equal heights: (tiles, height, how many are one higher)."""
    tiles = f.div(f.add(m, f.sub(most, 1)), most)
    low = f.div(m, tiles)
    return tiles, low, f.sub(m, f.mul(low, tiles))


def _entry(
    f: Function, name: str, suffix: str, rows: int, kind: Word, height: Word, of: str = "i64"
) -> str:
    """A table's entry for a kind and a height."""
    place = f.add(f.mul(kind, rows), f.sub(height, 1))
    return f.load(of, f.gep(f"@{name}_{suffix}", f.mul(place, 8)), 8)


def _kind(f: Function, suffix: str, kinds: int, rows: int, height: Word, left: Word) -> Word:
    """The first kind of tile that is for the columns that are left."""
    kind: Word = kinds - 1
    for i in range(kinds - 2, -1, -1):
        fits = f.compare("sge", left, _entry(f, "least", suffix, rows, i, height))
        kind = f.select(fits, i, kind)
    return kind
