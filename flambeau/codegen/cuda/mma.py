"""The inner product of two tiles on tensor cores: `mma.sync`, sums in float32.

    float16   m16n8k16 (sm_80), m16n8k8 (sm_75)
    bfloat16  m16n8k16 (sm_80)
    tf32      m16n8k8 (sm_80): float32, each factor rounded to 11 significant bits, half away from 0

A warp has a tile of wm x wn of the block's. For 16 positions of the sum it reads wm / 16 + wn / 16
fragments of 16 x 16 (`ldmatrix`, of 512 bytes) and does (wm / 16) * (wn / 8) products of 16 x 8 x 16:
with 64 x 32 of 16-bit floats 6 reads to 16 products. Tiles of 16-bit floats lie as memory has them;
`ldmatrix.trans` turns what has a line for each position. Of TF32, which it can't turn, such tiles are
read word by word. Fragments are laid out as the PTX ISA says (9.7.14, "Matrix fragments for mma").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..ir_values import Val
from . import ir
from .gemm_code import Code
from .gemm_fma import Cell
from .gemm_load import Tile


class Shape(NamedTuple):
    """How a block divides its tile of m x n by depth among warps."""

    m: int
    n: int
    depth: int
    wm: int
    wn: int

    @property
    def warps(self) -> tuple[int, int]:
        return self.m // self.wm, self.n // self.wn

    @property
    def threads(self) -> int:
        return 32 * self.warps[0] * self.warps[1]


def tile(extent: int, depth: int, along: str, kind: str) -> Tile:
    """A factor's tile. Lines are 16 bytes longer than an even number of banks, so that eight of them
    are read at a time."""
    if kind == "tf32":
        pad = 8 if along == "mn" else 4
    else:
        pad = 8
    dtype = "float32" if kind == "tf32" else kind
    lines = "k" if along == "mn" else "mn"
    return Tile(extent, depth, lines, (extent if along == "mn" else depth) + pad, dtype)


class Core:
    """Writes the inner product; `row` and `column` are a thread's first within the block's tile."""

    def __init__(self, code: Code, shape: Shape, kind: str, a: Tile, b: Tile) -> None:
        self.code, self.shape, self.kind, self.a, self.b = code, shape, kind, a, b
        self.size = 4 if kind == "tf32" else 2
        self.k = 8 if kind == "tf32" else 16
        self.element = "float"
        thread = code.thread_id()
        self.lane = thread % 32
        warp = thread // 32
        across = shape.warps[1]
        self.first_row = (warp // across) * shape.wm
        self.first_column = (warp % across) * shape.wn
        self.row = self.first_row + self.lane // 4
        self.column = self.first_column + self.lane % 4 * 2
        self.at_a = self._start(a, self.first_row, True)
        self.at_b = self._start(b, self.first_column, False) + a.nbytes

    def _start(self, t: Tile, first: Val, rows: bool) -> Val:
        """Where a lane reads its part of the first fragment: for `ldmatrix` a line of one of four
        squares of 16 bytes a line, which are numbered down the rows of A, and along k of B."""
        lane, size = self.lane, self.size
        if t.lines == "k" and self.kind == "tf32":
            return ((lane % 4) * t.pitch + first + lane // 4) * size
        inner, outer = lane % 8, lane // 8
        low, high = outer % 2, outer // 2
        unit = 16 // size  # elements along k of a square; across it they are 8
        mn, k = (low * 8, high * unit) if rows else (high * 8, low * unit)
        if t.lines == "mn":
            mn = mn + inner
        else:
            k = k + inner
        line, column = (mn + first, k) if t.lines == "mn" else (k, mn + first)
        return (line * t.pitch + column) * size

    def zero(self) -> list[Val]:
        s = self.shape
        return [self.code.const("float", 0)] * (s.wm // 16 * (s.wn // 8) * 4)

    def step(self, sums: list[Val], slot: Val) -> list[Val]:
        """The sums and the products of the tiles that begin at `slot`."""
        s, sums = self.shape, list(sums)
        base = self.code.value("i32", f"ptrtoint {self.code.dynamic_shared()!r} to i32")
        places = slot + self.at_a, slot + self.at_b
        (at_a, raw_a), (at_b, raw_b) = [(x, base + x) for x in places]
        for k in range(0, s.depth, self.k):
            a = [self._fragment(self.a, raw_a, at_a, i * 16, k, True) for i in range(s.wm // 16)]
            b: list[list[Val]] = []
            for j in range(s.wn // 16):
                both = self._fragment(self.b, raw_b, at_b, j * 16, k, False)
                b += [both[:2], both[2:]]
            for i, x in enumerate(a):
                for j, y in enumerate(b):
                    n = 4 * (i * len(b) + j)
                    sums[n : n + 4] = self._product(x, y, sums[n : n + 4])
        return sums

    def _fragment(self, t: Tile, raw: Val, at: Val, mn: int, k: int, rows: bool) -> list[Val]:
        """16 rows (columns) by 8 (TF32) or 16 positions, from a place on; `raw` is its address."""
        c, size = self.code, self.size
        if t.lines == "k" and self.kind == "tf32":
            order = [(0, 0), (8, 0), (0, 4), (8, 4)] if rows else [(0, 0), (0, 4), (8, 0), (8, 4)]
            offsets = [((k + dk) * t.pitch + mn + d) * size for d, dk in order]
            found = [c.load("i32", c.shared_at(at + o)) for o in offsets]
        else:
            line, column = (mn, k) if t.lines == "mn" else (k, mn)
            skip = (line * t.pitch + column) * size
            turned = ".trans" if t.lines == "k" else ""
            text = f"ldmatrix.sync.aligned.m8n8.x4{turned}.shared.b16 {{$0, $1, $2, $3}}, [$4+{skip}];"
            found = c.ptx(["i32"] * 4, text, [raw])
        if self.kind != "tf32":
            return found
        return [c.assembly("cvt.rna.tf32.f32 $0, $1;", "=r,r", "i32", x, effects=False) for x in found]

    def _product(self, a: list[Val], b: list[Val], sums: list[Val]) -> list[Val]:
        return product(self.code, self.code.capability, self.kind, a, b, sums)

    def cells(self, sums: list[Val]) -> Iterator[Cell]:
        """Neighbouring sums of a row: rows and columns beyond the thread's first, and the sums."""
        s = self.shape
        wide = s.wn // 8
        for i in range(s.wm // 16):
            for half in (0, 1):
                for j in range(wide):
                    n = 4 * (i * wide + j) + 2 * half
                    yield i * 16 + half * 8, j * 8, sums[n : n + 2]


def product(
    c: ir.Code, capability: int, kind: str, a: list[Val], b: list[Val], sums: list[Val]
) -> list[Val]:
    """`sums` and the product of a warp's fragments of a (16 x 16, "tf32": 16 x 8) and b (16 x 8, "tf32":
    8 x 8), of "float16", "bfloat16" or "tf32"."""
    if kind == "tf32":
        return _multiply(c, "m16n8k8", "tf32", a, b, sums)
    name = "f16" if kind == "float16" else "bf16"
    if capability >= 80:
        return _multiply(c, "m16n8k16", name, a, b, sums)
    sums = _multiply(c, "m16n8k8", name, a[:2], b[:1], sums)
    return _multiply(c, "m16n8k8", name, a[2:], b[1:], sums)


def _multiply(
    c: ir.Code, shape: str, kind: str, a: list[Val], b: list[Val], sums: list[Val]
) -> list[Val]:
    names = [f"${i}" for i in range(8 + len(a) + len(b))]
    d, rest = names[:4], names[4:]
    groups = [d, rest[: len(a)], rest[len(a) : len(a) + len(b)], rest[len(a) + len(b) :]]
    places = ", ".join(f"{{{', '.join(g)}}}" for g in groups)
    text = f"mma.sync.aligned.{shape}.row.col.f32.{kind}.{kind}.f32 {places};"
    constraints = ",".join(["=f"] * 4 + ["r"] * (len(a) + len(b)) + ["f"] * 4)
    result = "{ float, float, float, float }"
    made = c.assembly(text, constraints, result, *a, *b, *sums, effects=False, convergent=True)
    return c.parts_of(made, 4, "float")
