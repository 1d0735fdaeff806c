"""Products of tiles for attention, in fragments that one product hands to the next.

A warp has 16 rows. A thread has, of each group of 8 columns, two columns of two rows:

    [row, column(j, 0)], [row, column(j, 1)], [row + 8, column(j, 0)], [row + 8, column(j, 1)]

so that a row of sums is shared by four neighbouring lanes, whatever multiplies:

    half    mma.sync on float16 or bfloat16 (m16n8k16; m16n8k8 before sm_80), sums in float32
    tf32    mma.sync m16n8k8 on float32 that is rounded to TF32
    fma     float32 as it is

`nt` multiplies rows with rows (scores: queries with keys), `nn` a fragment of sums with rows (weights
with values). Of `half` and `tf32` the sums are in registers already as the next product wants them;
`tf32` takes the positions of its sum in another order for that. `fma` goes through shared memory.

Tiles lie in shared memory in rows of d elements and some more, so that eight rows are in different
banks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import vectormath
from ..ir_values import Val, Var
from .ir import WARP
from .mma import product
from .special_code import Code

LOG2E = 1.4426950408889634
LOADS = 4
"""Accesses of a thread that are under way when a tile is loaded."""

Fragment = list[list[Val]]
"""For each group of 8 columns the four elements of a thread."""


def pitch(kind: str, d: int) -> int:
    """Elements from one row of a tile to the next."""
    return d + (8 if kind == "half" else 4)


def element_size(kind: str) -> int:
    return 2 if kind == "half" else 4


class Tiles:
    """Writes products of tiles for one kernel. `source`: the dtype of the arrays in memory."""

    def __init__(self, c: Code, kind: str, source: str, capability: int) -> None:
        self.c, self.kind, self.source, self.capability = c, kind, source, capability
        self.element = "i16" if kind == "half" else "float"
        self.size = element_size(kind)
        lane = c.warp_lane()
        self.lane, self.group, self.place = lane, lane // 4, lane % 4
        self.warp = c.thread_id() // WARP
        self.row = self.warp * 16 + self.group
        self.asynchronous = capability >= 80 and (source == "float32") == (kind != "half")
        if kind == "fma":
            c.define(vectormath.functions(c.target, 1, "float32", ["exp"])[0])

    def column(self, j: int, i: int) -> Val:
        """The column, within the tile, of the two elements i = 0, 1 of a row in group j."""
        if self.kind == "fma":
            return self.place * 4 + (16 * (j // 2) + 2 * (j % 2) + i)
        return self.place * 2 + (8 * j + i)

    # --- memory -----------------------------------------------------------------------------

    def tile(self, offset: int) -> Val:
        """The tile that begins at a byte of the block's shared memory."""
        return self.c.at(self.c.dynamic_shared(), offset, "i8")

    def load(
        self, tile: Val, rows: int, d: int, x: Val, first: Val, limit: Val, step: Val, width: Val, whole: bool
    ) -> None:  # fmt: skip
        """Rows x[first : first + rows], `step` elements apart, `width` of each; zeros beyond `limit`
        and `width`. `whole`: in accesses of 16 bytes. (Asynchronous where that is possible: `commit`,
        `wait`.)"""
        c = self.c
        n = (16 if whole else 0) // (4 if self.source == "float32" else 2) or 1
        across = d // n
        total = rows * across

        def one(i: Val) -> tuple[Val, Val, Val]:
            row, column = i // across, i % across * n
            inside = (first + row < limit) & (column < width) & (i < total)
            at = c.wider(first + row) * step + c.wider(column)
            return inside, c.select(inside, at, 0), row * pitch(self.kind, d) + column

        thread = c.thread_id()
        if whole and self.asynchronous:
            for k in range(-(-total // c.threads)):
                i = thread + k * c.threads
                inside, at, to = one(i)
                with c.when(i < total):
                    self._start(c.at(tile, to, self.element), c.at(x, at, _held(self.source)), inside)
            return
        each = n if whole else 1
        with c.loop(thread, c.i32(total), LOADS * c.threads) as begin:
            found = []
            for k in range(LOADS):
                inside, at, to = one(begin + k * c.threads)
                found.append((begin + k * c.threads, to, self._fetch(x, at, each, inside)))
            for i, to, values in found:
                with c.when(i < total):
                    for k, v in enumerate(values):
                        c.store(v, tile, to + k)

    def _fetch(self, x: Val, at: Val, n: int, inside: Val) -> list[Val]:
        """n elements of memory as those of a tile."""
        c, e = self.c, _held(self.source)
        size = 4 if e == "float" else 2
        v = c.load(e if n == 1 else f"<{n} x {e}>", x, at, mask=inside, align=n * size)
        return [self.widened(c.lane(v, k)) for k in range(n)]

    def widened(self, v: Val) -> Val:
        """An element of memory as one of a tile."""
        if self.kind == "half" or self.source == "float32":
            return v
        return to_float(self.c, v, self.source)

    def _start(self, to: Val, at: Val, inside: Val) -> None:
        c = self.c
        size = c.value("i32", f"select {inside}, i32 16, i32 0")
        address = c.value("i32", f"ptrtoint {to} to i32")
        c.assembly("cp.async.cg.shared.global [$0], [$1], 16, $2;", "r,l,r,~{memory}", "void", address, at, size)

    def commit(self) -> None:
        """What has been loaded so far is one group."""
        if self.asynchronous:
            self.c.assembly("cp.async.commit_group;", "~{memory}", "void")

    def wait(self) -> None:
        """Everything has come, for the whole block."""
        if self.asynchronous:
            self.c.assembly("cp.async.wait_all;", "~{memory}", "void")
        self.c.barrier()

    # --- products ---------------------------------------------------------------------------

    def nt(self, a: Val, b: Val, n: int, d: int) -> Fragment:
        """The warp's 16 rows of a times n rows of b, over d positions."""
        if self.kind == "fma":
            return self._nt_fma(a, b, n, d)
        c = self.c
        sums: Fragment = [[c.const("float", 0)] * 4 for _ in range(n // 8)]
        width = pitch(self.kind, d)
        for k in range(0, d, 16 if self.kind == "half" else 8):
            rows = self._rows(a, width, k)
            for j in range(0, n // 8, 2):
                left, right = self._columns(b, width, j * 8, k)
                sums[j] = self._mma(rows, left, sums[j])
                sums[j + 1] = self._mma(rows, right, sums[j + 1])
        return sums

    def nn(self, a: Fragment, b: Val, d: int, sums: Sequence[Sequence[Var]], scratch: Val | None = None) -> None:
        """sums += a, the warp's 16 rows of some columns, times as many rows of b, d wide."""
        if self.kind == "fma":
            assert scratch is not None
            self._nn_fma(a, b, d, sums, scratch)
            return
        held = [[v.get() for v in s] for s in sums]
        width = pitch(self.kind, d)
        for j in range(0, len(a), 2 if self.kind == "half" else 1):
            rows = self._packed(a[j : j + 2]) if self.kind == "half" else self._rounded(a[j])
            for m in range(0, d // 8, 2):
                left, right = self._turned(b, width, 8 * j, 8 * m)
                held[m] = self._mma(rows, left, held[m])
                held[m + 1] = self._mma(rows, right, held[m + 1])
        for s, h in zip(sums, held, strict=True):
            for var, v in zip(s, h, strict=True):
                var.set(v)

    # half: squares of 8 x 8 by ldmatrix; tf32: word by word

    def _matrices(self, tile: Val, at: Val, turned: bool) -> list[Val]:
        c = self.c
        address = c.value("i32", f"ptrtoint {c.at(tile, at, 'i16')} to i32")
        how = ".trans" if turned else ""
        text = f"ldmatrix.sync.aligned.m8n8.x4{how}.shared.b16 {{$0, $1, $2, $3}}, [$4];"
        made = c.assembly(text, "=r,=r,=r,=r,r,~{memory}", "{ i32, i32, i32, i32 }", address, convergent=True)
        return c.parts_of(made, 4, "i32")

    def _rows(self, tile: Val, width: int, k: int) -> list[Val]:
        """The warp's rows at positions k and on, as the left factor."""
        c = self.c
        if self.kind == "half":
            row = self.warp * 16 + self.lane % 16
            return self._matrices(tile, row * width + self.lane // 16 * 8 + k, False)
        at = self.row * width + self.place + k
        return [self._tf32(c.load("float", tile, at + s)) for s in (0, 8 * width, 4, 8 * width + 4)]

    def _columns(self, tile: Val, width: int, n: int, k: int) -> tuple[list[Val], list[Val]]:
        """Rows n to n + 15 at positions k and on, as two right factors."""
        c = self.c
        if self.kind == "half":
            row = self.lane // 16 * 8 + self.lane % 8 + n
            found = self._matrices(tile, row * width + self.lane // 8 % 2 * 8 + k, False)
        else:
            at = (self.group + n) * width + self.place + k
            found = [self._tf32(c.load("float", tile, at + s)) for s in (0, 4, 8 * width, 8 * width + 4)]
        return found[:2], found[2:]

    def _turned(self, tile: Val, width: int, k: int, n: int) -> tuple[list[Val], list[Val]]:
        """Columns n to n + 15 of rows k and on, as two right factors. Of tf32 the positions are those
        that a thread's sums belong to: place and place + 4 of the factor are columns 2 place and
        2 place + 1."""
        c = self.c
        if self.kind == "half":
            row = self.lane // 8 % 2 * 8 + self.lane % 8 + k
            found = self._matrices(tile, row * width + self.lane // 16 * 8 + n, True)
        else:
            at = (self.place * 2 + k) * width + self.group + n
            found = [self._tf32(c.load("float", tile, at + s)) for s in (0, width, 8, width + 8)]
        return found[:2], found[2:]

    def _packed(self, a: Fragment) -> list[Val]:
        """Two groups of sums, rounded, as a left factor."""
        left, right = a
        return [self.pair(p[i], p[i + 1]) for p in (left, right) for i in (0, 2)]

    def _rounded(self, a: list[Val]) -> list[Val]:
        return [self._tf32(a[i]) for i in (0, 2, 1, 3)]

    def _tf32(self, v: Val) -> Val:
        return self.c.assembly("cvt.rna.tf32.f32 $0, $1;", "=r,f", "i32", v, effects=False)

    def pair(self, low: Val, high: Val) -> Val:
        """Two float32 rounded to the tile's 16-bit floats, in a register."""
        c = self.c
        if self.source == "bfloat16":
            return c.assembly("cvt.rn.bf16x2.f32 $0, $1, $2;", "=r,f,f", "i32", high, low, effects=False)
        both = c.vector_of([c.value("half", f"fptrunc {v} to half") for v in (low, high)])
        return c.bits(both, "i32")

    def _mma(self, a: list[Val], b: list[Val], sums: list[Val]) -> list[Val]:
        kind = "tf32" if self.kind == "tf32" else self.source
        return product(self.c, self.capability, kind, a, b, sums)

    # fma

    def _quad(self, tile: Val, at: Val) -> list[Val]:
        v = self.c.load("<4 x float>", tile, at, align=16)
        return [self.c.lane(v, k) for k in range(4)]

    def _fma(self, a: Val, b: Val, sum: Val) -> Val:
        return self.c.call("llvm.fma.f32", "float", a, b, sum)

    def _nt_fma(self, a: Val, b: Val, n: int, d: int) -> Fragment:
        """Four positions at a time."""
        c, width = self.c, pitch(self.kind, d)
        sums = [[c.var(c.const("float", 0)) for _ in range(4)] for _ in range(n // 8)]
        with c.loop(c.i32(0), c.i32(d), 4) as k:
            rows = [self._quad(a, (self.row + 8 * h) * width + k) for h in (0, 1)]
            for j in range(n // 8):
                for i in (0, 1):
                    other = self._quad(b, self.column(j, i) * width + k)
                    for h in (0, 1):
                        total = sums[j][2 * h + i].get()
                        for x, y in zip(rows[h], other, strict=True):
                            total = self._fma(x, y, total)
                        sums[j][2 * h + i].set(total)
        return [[v.get() for v in s] for s in sums]

    def _nn_fma(self, a: Fragment, b: Val, d: int, sums: Sequence[Sequence[Var]], scratch: Val) -> None:
        """The warp puts its sums into memory of its own, then goes along their columns."""
        c, width = self.c, pitch(self.kind, d)
        n = 8 * len(a)
        own = n + 4
        for j, p in enumerate(a):
            for i, v in enumerate(p):
                c.store(v, scratch, (self.row + 8 * (i // 2)) * own + self.column(j, i % 2))
        c.warp_barrier()
        with c.loop(c.i32(0), c.i32(n), 4) as k:
            lines = [self._quad(scratch, (self.row + 8 * h) * own + k) for h in (0, 1)]
            for m in range(0, d // 8, 2):
                for s in range(4):
                    other = self._quad(b, (k + s) * width + self.place * 4 + 8 * m)
                    for i in range(4):
                        for h in (0, 1):
                            var = sums[m + i // 2][2 * h + i % 2]
                            var.set(self._fma(lines[h][s], other[i], var.get()))
        c.warp_barrier()

    # --- numbers ----------------------------------------------------------------------------

    def exp(self, x: Val) -> Val:
        """e ** x: to 1 ulp of float32 (fma), or by the hardware's approximation (2 ulp)."""
        c = self.c
        if self.kind == "fma":
            return c.value("float", f"call float @{vectormath.symbol('exp', 1, 'float32')}({x})")
        return c.call("llvm.nvvm.ex2.approx.ftz.f", "float", x * LOG2E)

    def across(self, how: str, x: Val) -> Val:
        """The sum ("add"), the largest ("max") or the "and" of a row's four lanes."""
        c = self.c
        for mask in (1, 2):
            other = c.shuffle_xor(x, mask)
            x = maximum(c, x, other) if how == "max" else x + other if how == "add" else x & other
        return x


def maximum(c: Code, a: Val, b: Val) -> Val:
    """The larger; the other one where one is NaN."""
    return c.call("llvm.maxnum.f32", "float", a, b)


def _held(dtype: str) -> str:
    return "float" if dtype == "float32" else "i16"


def to_float(c: Code, v: Val, dtype: str) -> Val:
    """An element as it lies in memory as float32."""
    if dtype == "float32":
        return v
    if dtype == "float16":
        return c.value("float", f"fpext half {c.bits(v, 'half').text} to float")
    return c.bits(c.shifted("shl", c.value("i32", f"zext {v} to i32"), 16), "float")


def from_float(c: Code, v: Val, dtype: str) -> Val:
    """float32 as an element of memory, rounded to the nearest even."""
    if dtype == "float32":
        return v
    if dtype == "float16":
        return c.bits(c.value("half", f"fptrunc {v} to half"), "i16")
    bits = c.bits(v, "i32")
    odd = c.shifted("lshr", bits, 16) & 1
    rounded = c.shifted("lshr", bits + odd + 0x7FFF, 16)
    quiet = c.shifted("lshr", bits, 16) | 0x40
    made = c.select(v.compare("uno", v), quiet, rounded)
    return c.value("i16", f"trunc {made} to i16")


def zeros(c: Code, groups: int) -> list[list[Var]]:
    """Sums of so many groups of 8 columns."""
    return [[c.var(c.const("float", 0)) for _ in range(4)] for _ in range(groups)]


__all__: list[Any] = [
    "Fragment", "Tiles", "element_size", "from_float", "maximum", "pitch", "to_float", "zeros",
]  # fmt: skip
