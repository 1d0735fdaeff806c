"""The micro-kernel of dot products: both operands contiguous along the summed dimension.

A tile is some rows of A by some rows of B, each pair with a vector of partial sums. At the end the
vectors are summed up four at a time, by a tree that transposes (two at a time for float64).
"""

from __future__ import annotations

from .kernel import Target
from .llvm_text import Function, Word, vector_attributes
from .microkernel import ELEMENT, SIZES, SUFFIX, Vectors, can_mask, lanes

TILE = "ptr a, i64 sam, ptr b, i64 sbn, i64 k, ptr out"
"""A tile function's parameters; strides in bytes. `out` gets the dot products, row by row, and has
room for some 16 bytes more."""


def heights_and_widths(target: Target) -> tuple[int, list[int]]:
    """The largest height, and the widths, of tiles."""
    return (4, [6, 3, 1]) if target.registers >= 32 else (3, [3, 1])


def emit_nt(target: Target, dtype: str) -> str:
    """`gemm_nt` with its tile functions, in a table by width and height."""
    suffix = SUFFIX[dtype]
    height, widths = heights_and_widths(target)
    text, names = [], []
    for w in widths:
        for h in range(1, height + 1):
            names.append(f"dots_{suffix}_{h}x{w}")
            text.append(_emit_tile(target, dtype, names[-1], h, w))
    table = ", ".join(f"ptr @{x}" for x in names)
    text.append(f"@dots_{suffix} = internal constant [{len(names)} x ptr] [{table}]\n")
    text.append(_driver(target, dtype))
    return "\n".join(text)


def _emit_tile(target: Target, dtype: str, name: str, height: int, width: int) -> str:
    f = Function(name, TILE, vector_attributes(target) + " noinline")
    n, size = lanes(target, dtype), SIZES[dtype]
    v = Vectors(f, n, dtype)
    whole = f.mul(f.div("%k", n), n * size)
    rows = [f.gep("%a", f.mul("%sam", m)) for m in range(height)]
    columns = [f.gep("%b", f.mul("%sbn", i)) for i in range(width)]
    zero = [(v.type, "zeroinitializer")] * (height * width)
    with f.loop(whole, step=n * size, carry=zero) as loop:
        loop.next = _step(f, v, rows, columns, loop.values, loop.index)
    sums = loop.values
    if can_mask(target):
        rest = f.sub("%k", f.div(whole, size))
        with f.when(f.compare("ne", rest, 0)) as branch:
            more = _step(f, v, rows, columns, sums, whole, v.mask(rest))
        sums = f.merge(branch, v.type, more, sums)
    _totals(f, v, sums)
    if not can_mask(target):
        _scalar_rest(f, Vectors(f, 1, dtype), rows, columns, whole)
    return f.finish()


def _scalar_rest(
    f: Function, s: Vectors, rows: list[str], columns: list[str], whole: Word
) -> None:
    """What is less than a vector along k, added to the dot products."""
    zero = [(s.type, "0.0")] * (len(rows) * len(columns))
    with f.loop(f.mul("%k", s.align), whole, s.align, zero) as loop:
        loop.next = _step(f, s, rows, columns, loop.values, loop.index)
    for j, x in enumerate(loop.values):
        at = f.gep("%out", j * s.align)
        s.store(s.add(s.load(at), x), at)


def _step(
    f: Function, v: Vectors, rows: list[str], columns: list[str], sums: list[str], at: Word,
    mask: str | None = None,
) -> list[str]:  # fmt: skip
    """The products at one position along k, added."""
    left = [v.load(f.gep(p, at), mask) for p in rows]
    out = list(sums)
    for i, p in enumerate(columns):
        right = v.load(f.gep(p, at), mask)
        for m, x in enumerate(left):
            j = m * len(columns) + i
            out[j] = v.fma(x, right, out[j])
    return out


def _shuffle(f: Function, kind: str, n: int, a: str, b: str, order: list[int]) -> str:
    picks = ", ".join(f"i32 {i}" for i in order)
    return f.op(
        f"shufflevector <{n} x {kind}> {a}, <{n} x {kind}> {b}, <{len(order)} x i32> <{picks}>"
    )


def _totals(f: Function, v: Vectors, sums: list[str]) -> None:
    """The sum over each vector's lanes, to `out`."""
    kind = ELEMENT[v.dtype]
    group = 16 // v.align  # within 16 bytes, shuffles are cheapest
    for first in range(0, len(sums), group):
        packed = (sums[first : first + group] * group)[:group]
        half = group // 2
        while half:
            pairs = zip(packed[::2], packed[1::2])
            packed = [_pair(f, v, group, half, a, b) for a, b in pairs]
            half //= 2
        x, n = packed[0], v.n
        while n > group:
            low = _shuffle(f, kind, n, x, "poison", list(range(n // 2)))
            high = _shuffle(f, kind, n, x, "poison", list(range(n // 2, n)))
            n //= 2
            x = f.op(f"fadd <{n} x {kind}> {low}, {high}")
        f.store(f"<{group} x {kind}>", x, f.gep("%out", first * v.align), v.align)


def _pair(f: Function, v: Vectors, group: int, half: int, a: str, b: str) -> str:
    """Halve the partial sums of a and b within each 16 bytes: four elements go a0 b0 a1 b1 + a2 b2
    a3 b3 at first, then a0 b0 c0 d0 + a1 b1 c1 d1."""
    kind = ELEMENT[v.dtype]
    low: list[int] = []
    high: list[int] = []
    run = group // 2 // half
    for base in range(0, v.n, group):
        for i in range(0, group, 2 * run):
            for picks, at in ((low, base + i), (high, base + i + run)):
                picks += range(at, at + run)
                picks += range(v.n + at, v.n + at + run)
    return v.add(_shuffle(f, kind, v.n, a, b, low), _shuffle(f, kind, v.n, a, b, high))


def _spread(
    f: Function, s: Vectors, out: str, c: str, extents: tuple[Word, Word], strides: tuple[Word, Word]
) -> None:
    """Dot products to their places in C, added to what is there if asked to."""
    adds = f.compare("ne", "%add", 0)
    with f.loop(extents[0], sure=True) as m, f.loop(extents[1], sure=True) as i:
        from_ = f.add(f.mul(m.index, extents[1]), i.index)
        x = s.load(f.gep(out, f.mul(from_, s.align)))
        at = f.gep(f.gep(c, f.mul(m.index, strides[0])), f.mul(i.index, strides[1]))
        there = f.op(f"select i1 {adds}, {s.type} {s.load(at)}, {s.type} -0.0")
        s.store(s.add(there, x), at)


GEMM = "ptr a, i64 sam, ptr b, i64 sbn, ptr c, i64 scm, i64 scn, i64 m, i64 n, i64 k, i64 add"


def _driver(target: Target, dtype: str) -> str:
    """Some rows of B, and the tiles of A's rows within."""
    suffix, size = SUFFIX[dtype], SIZES[dtype]
    height, widths = heights_and_widths(target)
    f = Function(f"gemm_nt_{suffix}", GEMM, vector_attributes(target) + " noinline")
    sam, sbn, scm, scn = (f.mul(s, size) for s in ("%sam", "%sbn", "%scm", "%scn"))
    out = f.op(f"alloca [{height * widths[0] + 16 // size} x {ELEMENT[dtype]}], align 16")
    with f.when(f.compare("sgt", "%m", 0)):
        tiles = f.ceil_div("%m", height)
        low = f.div("%m", tiles)
        more = f.sub("%m", f.mul(low, tiles))
        with f.steps("%n") as across:
            j = across.index
            left = f.sub("%n", j)
            kind: Word = len(widths) - 1
            width: Word = widths[-1]
            for i in range(len(widths) - 2, -1, -1):
                fits = f.compare("sge", left, widths[i])
                kind, width = f.select(fits, i, kind), f.select(fits, widths[i], width)
            b = f.gep("%b", f.mul(j, sbn))
            functions = f.gep(f"@dots_{suffix}", f.mul(kind, 8 * height))
            first = [("ptr", "%a"), ("ptr", f.gep("%c", f.mul(j, scn)))]
            with f.loop(tiles, carry=first, sure=True) as loop:
                a, c = loop.values
                higher = f.compare("slt", loop.index, more)
                tall = f.add(low, f.op(f"zext i1 {higher} to i64"))
                code = f.load("ptr", f.gep(functions, f.mul(f.sub(tall, 1), 8)), 8)
                f.do(f"call void {code}(ptr {a}, i64 {sam}, ptr {b}, i64 {sbn}, i64 %k, ptr {out})")
                _spread(f, Vectors(f, 1, dtype), out, c, (tall, width), (scm, scn))
                loop.next = [f.gep(a, f.mul(tall, sam)), f.gep(c, f.mul(tall, scm))]
            across.next = [width]
    return f.finish()
