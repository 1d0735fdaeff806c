"""The contraction micro-kernels: C (+)= A B over tiles of registers, as LLVM IR.

`emit_gemm(target, dtype)` is text with internal functions, to be part of a kernel's module together
with the lines of `declares(target, dtype)`. For float32 (float64: gemm_f64, gemm_nt_f64):

    @gemm_f32(ptr A, i64 sam, i64 sak, ptr B, i64 sbk, i64 sbp, ptr C, i64 scm,
              i64 M, i64 N, i64 K, i64 accumulate)

C[m*scm + n] (+)= sum over k of A[m*sam + k*sak] * B[(n/NR)*sbp + k*sbk + n%NR]. B's columns are
contiguous within panels of NR; an unpacked B has sbp = NR. While one panel of B stays in the
first-level cache, all rows of A pass by, so K should be at most some 384.

    @gemm_nt_f32(ptr A, i64 sam, ptr B, i64 sbn, ptr C, i64 scm, i64 scn,
                 i64 M, i64 N, i64 K, i64 accumulate)

C[m*scm + n*scn] (+)= sum over k of A[m*sam + k] * B[n*sbn + k], in vectors along k.

Strides are in elements; M, N and K may be 0, and nothing outside of the operands is touched.

    @gemm_ahead_f32(... as gemm_f32 ..., i64 packed, ptr next, i64 snext)

If `packed`, A lies as the tiles read it, as `gemm_pack` brings it. While the first tiles of a panel
run, K pieces of a panel's width from `next` on, `snext` bytes apart, are brought to the cache; and
all along the vectors that a panel further on are as far from `next`.

A tile is `height` rows by some vectors of columns, and has a function of its own:

    for k: load the vectors of B; for each row: broadcast A's element, multiply and add

Rows are divided into tiles of nearly equal heights, so that no height is wasted on a remainder. Few
rows take wide tiles, which load more of B for each element of A.
"""

from __future__ import annotations

from typing import NamedTuple

from .kernel import Target
from .llvm_text import Function, Word, vector_attributes

SIZES = {"float32": 4, "float64": 8}
SUFFIX = {"float32": "f32", "float64": "f64"}
ELEMENT = {"float32": "float", "float64": "double"}


def lanes(target: Target, dtype: str) -> int:
    """Elements of a vector."""
    return target.vector_bytes // SIZES[dtype]


def panel_vectors(target: Target) -> int:
    """Vectors of B's panel: short ones need more to be worth a broadcast."""
    return 4 if target.vector_bytes == 16 and target.registers >= 32 else 2


def tile(target: Target, dtype: str) -> tuple[int, int]:
    """(MR, NR): rows and columns of the largest tile of registers."""
    wide = panel_vectors(target)
    rows = (target.registers - wide - 1) // wide
    return min(rows, 14), wide * lanes(target, dtype)


def vector(n: int, dtype: str) -> str:
    """The LLVM type of n elements."""
    return f"<{n} x {ELEMENT[dtype]}>" if n > 1 else ELEMENT[dtype]


def _mangled(n: int, dtype: str) -> str:
    return f"v{n}{SUFFIX[dtype]}" if n > 1 else SUFFIX[dtype]


def declares(target: Target, dtype: str) -> set[str]:
    """The lines that a module needs once, besides `emit_gemm`."""
    out = {"declare void @llvm.prefetch.p0(ptr, i32, i32, i32)"}
    n = lanes(target, dtype)
    while n:
        v = vector(n, dtype)
        out.add(f"declare {v} @llvm.fmuladd.{_mangled(n, dtype)}({v}, {v}, {v})")
        n //= 2
    if target.masks:
        n = lanes(target, dtype)
        v, name = vector(n, dtype), _mangled(n, dtype)
        out.add(f"declare {v} @llvm.masked.load.{name}.p0(ptr, <{n} x i1>, {v})")
        out.add(f"declare void @llvm.masked.store.{name}.p0({v}, ptr, <{n} x i1>)")
    return out


def emit_gemm(target: Target, dtype: str) -> str:
    """`gemm` and `gemm_nt` of one dtype."""
    from .microkernel_nt import emit_nt

    return emit_nn(target, dtype) + emit_nt(target, dtype)


# --- one tile of registers ------------------------------------------------------------------


class Vectors:
    """Loads and stores of vectors of `n` elements, and arithmetic on them."""

    def __init__(self, f: Function, n: int, dtype: str) -> None:
        self.f, self.n, self.dtype = f, n, dtype
        self.type = vector(n, dtype)
        self.align = SIZES[dtype]
        self.name = _mangled(n, dtype)

    def mask(self, count: Word) -> str:
        """Of the first `count` lanes."""
        f, n = self.f, self.n
        ramp = ", ".join(f"i32 {i}" for i in range(n))
        small = f.op(f"trunc i64 {count} to i32")
        return f.op(f"icmp slt <{n} x i32> <{ramp}>, {splat(f, 'i32', small, n)}")

    def load(self, at: str, mask: str | None = None) -> str:
        if mask is None:
            return self.f.load(self.type, at, self.align)
        return self.f.op(
            f"call {self.type} @llvm.masked.load.{self.name}.p0(ptr align {self.align} {at}, "
            f"<{self.n} x i1> {mask}, {self.type} zeroinitializer)"
        )

    def store(self, value: str, at: str, mask: str | None = None) -> None:
        if mask is None:
            self.f.store(self.type, value, at, self.align)
        else:
            self.f.do(
                f"call void @llvm.masked.store.{self.name}.p0({self.type} {value}, "
                f"ptr align {self.align} {at}, <{self.n} x i1> {mask})"
            )

    def broadcast(self, at: str) -> str:
        kind = ELEMENT[self.dtype]
        return splat(self.f, kind, self.f.load(kind, at, self.align), self.n)

    def fma(self, a: str, b: str, c: str) -> str:
        t = self.type
        return self.f.op(f"call {t} @llvm.fmuladd.{self.name}({t} {a}, {t} {b}, {t} {c})")

    def add(self, a: str, b: str) -> str:
        return self.f.op(f"fadd {self.type} {a}, {b}")


def splat(f: Function, kind: str, value: str, n: int) -> str:
    """A vector of one scalar."""
    if n == 1:
        return value
    one = f.op(f"insertelement <{n} x {kind}> poison, {kind} {value}, i32 0")
    return f.op(
        f"shufflevector <{n} x {kind}> {one}, <{n} x {kind}> poison, <{n} x i32> zeroinitializer"
    )


TILE = "ptr a, i64 sam, i64 sak, ptr b, i64 sbk, i64 sbp, ptr c, i64 scm, i64 k, i64 add, i64 n"
"""A tile function's parameters: strides in bytes; n is how many columns are there, if masked."""


class Shape(NamedTuple):
    """A tile of registers: rows by vectors of `lanes` columns each."""

    height: int
    vectors: int
    lanes: int
    masked: bool
    """Whether it does any number of columns up to all, else all."""

    @property
    def columns(self) -> int:
        return self.vectors * self.lanes


GROUP = 3
"""Rows that share a pointer: one, two strides on are addressing modes."""

TILE = (
    "ptr a, i64 sam, i64 sak, ptr b, i64 sbk, i64 sbp, ptr c, i64 scm, i64 k, i64 add, i64 n, "
    "ptr next, i64 snext"
)
"""A tile function's parameters: strides in bytes, k > 0, n columns; `next` is what to prefetch."""


def emit_tile(target: Target, dtype: str, name: str, shape: Shape) -> str:
    """The function of a tile."""
    f = Function(name, TILE, vector_attributes(target) + " noinline")
    v = Vectors(f, shape.lanes, dtype)
    step = shape.lanes * SIZES[dtype]
    masks: list[str | None] = [None] * shape.vectors
    if shape.masked:
        masks = [v.mask(f.sub("%n", i * shape.lanes)) for i in range(shape.vectors)]
    per_panel = tile(target, dtype)[1] // shape.lanes
    # Opaque, or the optimiser makes one chain of additions through all the rows.
    twice = f.opaque("i64", f.mul("%sam", 2))
    heads = [
        f.opaque("ptr", f.gep("%a", f.mul("%sam", m))) for m in range(0, shape.height, GROUP)
    ]
    panels = [f.gep("%b", f.mul("%sbp", p)) for p in range(-(-shape.vectors // per_panel))]
    zero = "zeroinitializer" if shape.lanes > 1 else "0.0"
    sums = [(v.type, zero)] * (shape.height * shape.vectors)
    pointers = [("ptr", p) for p in ("%next", *heads, *panels)]
    with f.loop("%k", carry=[*pointers, *sums], sure=True) as loop:
        ahead, *values = loop.values
        if shape.height > 1 and shape.vectors > 1:  # others have no loads to spare
            _prefetch(f, ahead, 2)
            ahead = f.gep(ahead, "%snext")
        heads, values = values[: len(heads)], values[len(heads) :]
        panels, out = values[: len(panels)], values[len(panels) :]
        right = [
            v.load(f.gep(panels[i // per_panel], i % per_panel * step), masks[i])
            for i in range(shape.vectors)
        ]
        for m in range(shape.height):
            at = f.gep(heads[m // GROUP], (0, "%sam", twice)[m % GROUP])
            left = v.broadcast(at)
            for i in range(shape.vectors):
                j = m * shape.vectors + i
                out[j] = v.fma(left, right[i], out[j])
        heads = [f.gep(p, "%sak") for p in heads]
        loop.next = [ahead, *heads, *(f.gep(p, "%sbk") for p in panels), *out]
    # C is read at the end, all of it before the first store: rows that lie 4 KiB apart would have
    # to wait for each other.
    with f.when(f.compare("ne", "%add", 0)) as branch:
        there = [
            v.load(at, masks[j % shape.vectors]) for j, at in enumerate(_places(f, shape, step))
        ]
        added = [v.add(x, y) for x, y in zip(out, there)]
    out = f.merge(branch, v.type, added, out)
    for j, at in enumerate(_places(f, shape, step)):
        v.store(out[j], at, masks[j % shape.vectors])
    return f.finish()


def _prefetch(f: Function, at: str, level: int) -> None:
    """Bring a line to the first-level cache (3) or the second (2)."""
    f.do(f"call void @llvm.prefetch.p0(ptr {at}, i32 0, i32 {level}, i32 1)")


def _places(f: Function, shape: Shape, step: int) -> list[str]:
    """Where in C the vectors of a tile are."""
    out, row = [], f.opaque("ptr", "%c")  # opaque: not to be kept in registers from use to use
    for m in range(shape.height):
        row = f.gep(row, "%scm") if m else row
        out += [f.gep(row, i * step) for i in range(shape.vectors)]
    return out


# --- the tiles of a whole product -----------------------------------------------------------


def shapes(target: Target, dtype: str, height: int) -> list[Shape]:
    """The tiles of a height, widest first. They differ so that few rows have enough sums under way
    to hide the latency of additions, and that there is little code."""
    n, panel = lanes(target, dtype), panel_vectors(target)
    if target.masks:
        if height == 1:
            return [Shape(1, 8, n, True)]
        if height <= 3:
            return [Shape(height, 4, n, False), Shape(height, 4, n, True)]
        if height <= 6:
            return [Shape(height, 4, n, False), Shape(height, 2, n, True), Shape(height, 1, n, True)]
        return [Shape(height, 2, n, False), Shape(height, 1, n, True)]
    widest = 2 * panel if 2 * panel * (height + 1) < target.registers else panel
    out = [Shape(height, w, n, False) for w in (widest, panel, panel // 2, panel // 4) if w]
    while n > 1:
        n //= 2
        out.append(Shape(height, 1, n, False))
    return out


def emit_nn(target: Target, dtype: str) -> str:
    """`gemm` with its tile functions, which stand in a table by kind of columns and height; two
    more tables say from how many columns on a kind is for, and how many it does."""
    suffix, (rows, _) = SUFFIX[dtype], tile(target, dtype)
    by_height = [shapes(target, dtype, h) for h in range(1, rows + 1)]
    kinds = max(map(len, by_height))
    text, done = [], set()
    table, least, most = [], [], []
    for kind in range(kinds):
        for tiles in by_height:
            shape = tiles[min(kind, len(tiles) - 1)]
            name = f"tile_{suffix}_{shape.height}x{shape.vectors}x{shape.lanes}{'m' * shape.masked}"
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
        tiles, low, more = divided_rows(f, "%m", rows)
        highest = f.add(low, f.op(f"zext i1 {f.compare('ne', more, 0)} to i64"))
        deep = f.compare("sge", "%k", 64)  # worth prefetching C for
        wide = f.select(f.compare("eq", "%snext", 0), 0, columns * size)
        with f.steps("%n") as across:
            j = across.index
            left = f.sub("%n", j)
            kind = _kind(f, suffix, kinds, rows, highest, left)
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
                then = f.select(ends, f.select(packed, after, c, "ptr"), ahead, "ptr")
                snext = f.select(ends, f.select(packed, step, 0), "%snext")
                with f.when(deep), f.loop(height, carry=[("ptr", c)], sure=True) as line:
                    for i in range(0, columns * size, _LINE):
                        _prefetch(f, f.gep(line.values[0], i), 3)
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


def divided_rows(f: Function, m: Word, most: int) -> tuple[Word, Word, Word]:
    """m > 0 rows into tiles of nearly equal heights: (tiles, height, how many are one higher)."""
    tiles = f.ceil_div(m, most)
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
