"""What a matrix product does to its operands besides multiplying: packing B, starting C with a bias."""

from __future__ import annotations

from .kernel import Target
from .llvm_text import Function, Word, vector_attributes
from .microkernel import ELEMENT, SIZES, SUFFIX, Vectors, can_mask, lanes, tile
from .microkernel_nn import divided_rows

PACK = "ptr b, i64 sbk, i64 sbn, ptr out, i64 n, i64 k"


def emit_pack(target: Target, dtype: str) -> str:
    """`@pack_f32(ptr B, i64 sbk, i64 sbn, ptr out, i64 N, i64 K)`: B of any strides (in elements) to
    panels, out[n/NR][k][n%NR]. In the last panel, what lies beyond N may be written.

    Where B's columns are contiguous rows are copied; where its rows are, blocks are transposed in
    registers; else it goes element by element."""
    suffix, size = SUFFIX[dtype], SIZES[dtype]
    f = Function(f"pack_{suffix}", PACK, vector_attributes(target) + " noinline")
    columns = tile(target, dtype)[1]
    sbk, sbn = f.mul("%sbk", size), f.mul("%sbn", size)
    with f.loop("%n", step=columns) as panel:
        j = panel.index
        out = f.gep("%out", f.mul(f.mul(j, "%k"), size))
        b = f.gep("%b", f.mul(j, sbn))
        width = f.min(f.sub("%n", j), columns)
        along_n = f.compare("eq", "%sbn", 1)
        along_k = f.compare("eq", "%sbk", 1)
        with f.when(along_n):
            _copy_rows(f, target, dtype, b, sbk, out, width)
        with f.when(along_n, False):
            with f.when(along_k):
                _transpose(f, target, dtype, b, sbn, out, width)
            with f.when(along_k, False):
                _copy_elements(f, dtype, b, (sbk, sbn), out, (0, "%k"), (0, width), columns)
    return f.finish()


def _copy_elements(
    f: Function, dtype: str, b: str, strides: tuple[Word, Word], out: str,
    rows: tuple[Word, Word], range_n: tuple[Word, Word], columns: int,
) -> None:  # fmt: skip
    """Elements of a panel one by one."""
    size = SIZES[dtype]
    s = Vectors(f, 1, dtype)
    with f.loop(rows[1], rows[0]) as k, f.loop(range_n[1], range_n[0]) as n:
        at = f.gep(f.gep(b, f.mul(k.index, strides[0])), f.mul(n.index, strides[1]))
        to = f.add(f.mul(k.index, columns * size), f.mul(n.index, size))
        s.store(s.load(at), f.gep(out, to))


def _copy_rows(
    f: Function, target: Target, dtype: str, b: str, sbk: Word, out: str, width: Word
) -> None:
    """A panel of which the rows are contiguous."""
    v = Vectors(f, lanes(target, dtype), dtype)
    size, columns = v.align, tile(target, dtype)[1]
    step, count = v.n * size, columns // v.n
    whole = f.compare("eq", width, columns)
    with f.when(whole), f.loop("%k", carry=[("ptr", b), ("ptr", out)]) as loop:
        b_k, out_k = loop.values
        for i in range(count):
            v.store(v.load(f.gep(b_k, i * step)), f.gep(out_k, i * step))
        loop.next = [f.gep(b_k, sbk), f.gep(out_k, columns * size)]
    with f.when(whole, False):
        if not can_mask(target):
            _copy_elements(f, dtype, b, (sbk, size), out, (0, "%k"), (0, width), columns)
            return
        masks = [v.mask(f.sub(width, i * v.n)) for i in range(count)]
        with f.loop("%k", carry=[("ptr", b), ("ptr", out)]) as loop:
            b_k, out_k = loop.values
            for i in range(count):
                v.store(v.load(f.gep(b_k, i * step), masks[i]), f.gep(out_k, i * step))
            loop.next = [f.gep(b_k, sbk), f.gep(out_k, columns * size)]


def _transpose(
    f: Function, target: Target, dtype: str, b: str, sbn: Word, out: str, width: Word
) -> None:
    """A panel of which the columns are contiguous. A vector of columns by 16 bytes along k at a
    time; columns that are not there are copies of the last one."""
    size, columns, n = SIZES[dtype], tile(target, dtype)[1], lanes(target, dtype)
    group = 16 // size
    whole = f.mul(f.div("%k", group), group)
    with f.loop(width, step=n) as part:
        last = f.sub(f.sub(width, part.index), 1)
        start = f.gep(b, f.mul(part.index, sbn))
        rows = [f.gep(start, f.mul(f.min(i, last), sbn)) for i in range(n)]
        to = f.gep(out, f.mul(part.index, size))
        with f.loop(whole, step=group) as k:
            at = f.mul(k.index, size)
            pieces = [f.load(f"<{group} x {ELEMENT[dtype]}>", f.gep(r, at), size) for r in rows]
            place = f.gep(to, f.mul(k.index, columns * size))
            for i, x in enumerate(_transposed(f, dtype, pieces)):
                f.store(f"<{n} x {ELEMENT[dtype]}>", x, f.gep(place, i * columns * size), size)
    _copy_elements(f, dtype, b, (size, sbn), out, (whole, "%k"), (0, width), columns)


def _transposed(f: Function, dtype: str, pieces: list[str]) -> list[str]:
    """`group` vectors from as many pieces of `group` elements as a vector has elements: the i-th
    holds the i-th of each piece. Only shuffles within 16 bytes, once pieces are in their places."""
    group = 16 // SIZES[dtype]
    n = len(pieces)
    # Vector j holds the pieces j, j + group, j + 2 * group, ...
    v = [_joined(f, dtype, pieces[j::group]) for j in range(group)]

    def weave(a: str, b: str, run: int, half: int) -> str:
        """Of each 16 bytes' lower or upper half, runs of a and b in turn."""
        order = []
        for base in range(half * group // 2, n, group):
            for i in range(base, base + group // 2, run):
                order += [*range(i, i + run), *range(n + i, n + i + run)]
        return _shuffled(f, dtype, n, a, b, order)

    if group == 2:
        return [weave(v[0], v[1], 1, half) for half in (0, 1)]
    ab, cd = ([weave(v[i], v[i + 1], 1, half) for half in (0, 1)] for i in (0, 2))
    return [weave(x, y, 2, half) for x, y in zip(ab, cd) for half in (0, 1)]


def _joined(f: Function, dtype: str, parts: list[str]) -> str:
    """Short vectors as one."""
    width = 16 // SIZES[dtype]
    while len(parts) > 1:
        both = list(range(2 * width))
        pairs = zip(parts[::2], parts[1::2])
        parts = [_shuffled(f, dtype, width, x, y, both) for x, y in pairs]
        width *= 2
    return parts[0]


def _shuffled(f: Function, dtype: str, n: int, a: str, b: str, order: list[int]) -> str:
    kind, picks = ELEMENT[dtype], ", ".join(f"i32 {i}" for i in order)
    return f.op(
        f"shufflevector <{n} x {kind}> {a}, <{n} x {kind}> {b}, <{len(order)} x i32> <{picks}>"
    )


PACK_ROWS = "ptr a, i64 sam, i64 sak, ptr out, i64 m, i64 k"


def emit_pack_rows(target: Target, dtype: str) -> str:
    """`@pack_rows_f32(ptr A, i64 sam, i64 sak, ptr out, i64 M, i64 K)`: A of any strides as the tiles
    of `gemm_ahead` read it: tile by tile, out[k][row of the tile]. M > 0."""
    suffix, size = SUFFIX[dtype], SIZES[dtype]
    f = Function(f"pack_rows_{suffix}", PACK_ROWS, vector_attributes(target) + " noinline")
    tiles, low, more = divided_rows(f, "%m", tile(target, dtype)[0])
    sam, sak = f.mul("%sam", size), f.mul("%sak", size)
    along_m, along_k = f.compare("eq", "%sam", 1), f.compare("eq", "%sak", 1)
    with f.loop(tiles, carry=[("ptr", "%a"), ("ptr", "%out"), ("i64", "%m")]) as loop:
        a, out, left = loop.values
        higher = f.compare("slt", loop.index, more)
        height = f.add(low, f.op(f"zext i1 {higher} to i64"))
        with f.when(along_m) as copying:
            copied = _copy_heads(f, target, dtype, (a, sak, out, height, left))
        (done,) = f.merge(copying, "i64", [copied], [0])
        with f.when(along_k) as turning:
            turned = _turn_rows(f, target, dtype, (a, sam, out, height))
        (done,) = f.merge(turning, "i64", [turned], [done])
        s = Vectors(f, 1, dtype)
        with f.loop("%k", done) as k, f.loop(height) as i:
            at = f.gep(f.gep(a, f.mul(k.index, sak)), f.mul(i.index, sam))
            to = f.mul(f.add(f.mul(k.index, height), i.index), size)
            s.store(s.load(at), f.gep(out, to))
        panel = f.mul(f.mul(height, "%k"), size)
        loop.next = [f.gep(a, f.mul(height, sam)), f.gep(out, panel), f.sub(left, height)]
    return f.finish()


def _whole_stores(f: Function, height: Word, n: int) -> Word:
    """How many rows of `height` elements can be stored as n elements each, where what is too much
    is overwritten by the next one and nothing reaches beyond the last."""
    beyond = f.div(f.add(f.sub(n, 1), f.sub(height, 1)), height)  # ceil((n - 1) / height)
    return f.op(f"call i64 @llvm.smax.i64(i64 {f.sub('%k', beyond)}, i64 0)")


def _copy_heads(
    f: Function, target: Target, dtype: str, given: tuple[str, Word, str, Word, Word]
) -> Word:
    """A tile of A with contiguous columns: pieces of some vectors. Gives how many were done: none
    where a piece might reach beyond A, whose rows from here on are `left`."""
    a, sak, out, height, left = given
    v = Vectors(f, lanes(target, dtype), dtype)
    count = -(-tile(target, dtype)[0] // v.n)
    wide = count * v.n
    there = f.select(f.compare("sge", left, wide), _whole_stores(f, height, wide), 0)
    with f.loop(there, carry=[("ptr", a), ("ptr", out)]) as loop:
        at, to = loop.values
        for i in range(count):
            v.store(v.load(f.gep(at, i * v.n * v.align)), f.gep(to, i * v.n * v.align))
        loop.next = [f.gep(at, sak), f.gep(to, f.mul(height, v.align))]
    return there


def _turn_rows(
    f: Function, target: Target, dtype: str, given: tuple[str, Word, str, Word]
) -> Word:
    """A tile of A with contiguous rows, transposed. Gives how many columns were done."""
    a, sam, out, height = given
    size, n = SIZES[dtype], lanes(target, dtype)
    group, count = 16 // size, -(-tile(target, dtype)[0] // n)
    whole = f.mul(f.div(_whole_stores(f, height, count * n), group), group)
    last = f.sub(height, 1)
    rows = [f.gep(a, f.mul(f.min(i, last), sam)) for i in range(count * n)]
    with f.loop(whole, step=group) as k:
        at = f.mul(k.index, size)
        pieces = [f.load(f"<{group} x {ELEMENT[dtype]}>", f.gep(r, at), size) for r in rows]
        parts = [_transposed(f, dtype, pieces[i : i + n]) for i in range(0, count * n, n)]
        place = f.gep(out, f.mul(f.mul(k.index, height), size))
        for i in range(group):
            for j, part in enumerate(parts):
                to = f.gep(place, j * n * size)
                f.store(f"<{n} x {ELEMENT[dtype]}>", part[i], to, size)
            place = f.gep(place, f.mul(height, size))
    return whole


FILL = "ptr c, i64 scm, i64 scn, ptr bias, i64 sm, i64 sn, i64 m, i64 n, i64 add"


def emit_fill(target: Target, dtype: str) -> str:
    """`@fill_f32`: C[m*scm + n*scn] (+)= bias[m*sm + n*sn], strides in elements."""
    suffix, size = SUFFIX[dtype], SIZES[dtype]
    f = Function(f"fill_{suffix}", FILL, vector_attributes(target) + " noinline")
    v, s = Vectors(f, lanes(target, dtype), dtype), Vectors(f, 1, dtype)
    adds = f.compare("ne", "%add", 0)
    rows = f.op(f"and i1 {f.compare('eq', '%scn', 1)}, {f.compare('eq', '%sn', 1)}")
    whole = f.select(rows, f.mul(f.div("%n", v.n), v.n), 0)
    with f.loop("%m") as m:
        c = f.gep("%c", f.mul(f.mul(m.index, "%scm"), size))
        bias = f.gep("%bias", f.mul(f.mul(m.index, "%sm"), size))
        for x, start, stop in ((v, 0, whole), (s, whole, "%n")):
            with f.loop(stop, start, x.n) as n:
                scale = size if x is v else 0
                at = f.mul(n.index, scale) if scale else f.mul(f.mul(n.index, "%scn"), size)
                of = f.mul(n.index, scale) if scale else f.mul(f.mul(n.index, "%sn"), size)
                to = f.gep(c, at)
                none = "-0.0" if x is s else f"splat ({ELEMENT[dtype]} -0.0)"
                there = f.op(f"select i1 {adds}, {x.type} {x.load(to)}, {x.type} {none}")
                x.store(x.add(x.load(f.gep(bias, of)), there), to)
    return f.finish()
