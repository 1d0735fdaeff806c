"""Products with a side of at most 8: all that matters is to read the other factor once, at full speed.

One factor has `few` rows (1, 2, 4 or 8; beyond those that there are the last one is read), the other
one many columns. A block of 256 threads makes some columns:

    many along "k": a warp goes along the sum of `columns` columns, 32 * vector elements at a time;
        `parts` warps share a sum
    many along "mn": `lanes` threads go along the columns, in accesses of `vector`; the other
        256 / lanes share their sums

What threads have summed is added through shuffles and shared memory in a fixed order. For each element
of the large factor there is one access of memory and `few` multiply-adds.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from ..ir_values import Val
from ..kernel import Buf, Target
from .gemm_code import HELD, SIZE, Code
from .gemm_index import Place, Reader, key_of, words_of
from .gemm_load import Side
from .gemm_plan import (
    BLOCKS,
    LONGEST,
    Problem,
    far,
    kind_of,
    operand_words,
    out_of,
    out_words,
    side_of,
)  # fmt: skip
from .gemm_store import Out, Writer
from .ir import divisor_words
from .kernel import GpuKernel, GpuLaunch, Room

THREADS = 256
MOST = 8
UNROLL = 4
"""Accesses of the large factor that a thread has on their way, at least."""


class Spec(NamedTuple):
    """A kernel, as far as its code depends on it."""

    dtype: str
    """In which is summed: "float32" or "float64"."""
    few: Side
    many: Side
    height: int
    """How many rows are made: 1, 2, 4, 8."""
    columns: int
    """Of a warp ("k")."""
    parts: int
    """Warps that share a sum ("k")."""
    lanes: int
    """Threads along the columns ("mn")."""
    turned: bool
    """Whether the few are columns of the result."""
    out: Out
    batch: tuple[tuple[int, ...], ...]
    wide: bool


class Factor:
    """A factor in a kernel."""

    def __init__(self, code: Code, side: Side, wide: bool) -> None:
        self.code, self.side = code, side
        self.base = code.buffer()
        self.mn, self.k = Reader(code, side.mn, wide), Reader(code, side.k, wide)

    def load(self, mn: Place, k: Place, count: int, where: Val | None) -> list[Val]:
        c, dtype = self.code, self.side.dtype
        at = c.at(self.base, mn.offset + k.offset, HELD[dtype])
        return [c.widened(x, dtype) for x in c.load_where(HELD[dtype], count, at, where)]


def kernel(spec: Spec) -> GpuKernel:
    """Its words: how many few, many, and the sum's length; a divisor: blocks of a matrix; few, many, out;
    the batch's axes."""
    return GpuKernel(f"gemm_vector_{spec.many.along}", ("gemm_vector", spec), partial(_emit, spec))


def across(spec: Spec) -> int:
    """Columns of a block."""
    if spec.many.along == "k":
        return 8 // spec.parts * spec.columns
    return spec.lanes * spec.many.vector


def shared_bytes(spec: Spec) -> int:
    if spec.many.along == "k":
        return 8 * spec.height * spec.columns * SIZE[spec.dtype]
    return THREADS * spec.height * spec.many.vector * SIZE[spec.dtype]


def _emit(spec: Spec, target: Target, symbol: str) -> str:
    c = Code(target, symbol, THREADS, 2)
    few_count, many_count, end = c.words(3, "i32")
    per_matrix = c.divisor()
    few, many = Factor(c, spec.few, spec.wide), Factor(c, spec.many, spec.wide)
    out = Writer(c, spec.out, spec.wide)
    batch = [Reader(c, key, True) for key in spec.batch]
    z, block = per_matrix.split(c.block_id())
    zero = c.const("i64", 0)
    offsets = [r.at(z).offset for r in batch] or [zero] * 4
    for factor, offset in zip((few, many), offsets):
        factor.base = c.at(factor.base, offset, HELD[factor.side.dtype])
    m, n = (many_count, few_count) if spec.turned else (few_count, many_count)
    out.begin(offsets[2], offsets[3] if len(offsets) > 3 else None, m, n)
    last = few_count - 1
    rows = [few.mn.at(c.const("i32", i).min(last)) for i in range(spec.height)]
    how = _along_sum if spec.many.along == "k" else _along_columns
    how(c, spec, few, many, out, rows, block * across(spec), many_count, end)
    out.finish()
    return c.text()


def _multiplied(c: Code, sums: list[list[Val]], i: int, j: int, x: Val, y: Val) -> None:
    size = 8 * SIZE["float64" if x.type == "double" else "float32"]
    sums[i][j] = c.call(f"llvm.fma.f{size}", x.type, x, y, sums[i][j])


def _along_sum(
    c: Code, spec: Spec, few: Factor, many: Factor, out: Writer, rows: list[Place], first: Val, count: Val,
    end: Val,
) -> None:  # fmt: skip
    """Warps go along sums."""
    v, size, element = spec.many.vector, SIZE[spec.dtype], HELD[spec.dtype]
    lane, warp = c.thread_id() % 32, c.thread_id() // 32
    mine = first + warp // spec.parts * spec.columns
    columns = [many.mn.at((mine + j).min(count - 1)) for j in range(spec.columns)]
    wanted = spec.height * spec.columns
    total = [c.var(c.const(element, 0)) for _ in range(wanted)]
    step = 32 * v * spec.parts
    turns = max(1, UNROLL // spec.columns // max(1, spec.height // 4))
    with c.loop((warp % spec.parts * 32 + lane) * v, end, turns * step) as k:
        sums = [[total[i * spec.columns + j].get() for j in range(spec.columns)] for i in range(spec.height)]
        read = []
        for t in range(turns):
            at = k + t * step
            there = None if t == 0 else at < end
            place = many.k.at(at)
            ys = [many.load(x, place, v, there) for x in columns]
            read.append((at, there, ys))
        for at, there, ys in read:
            place = few.k.at(at)
            for i, row in enumerate(rows):
                xs = _row_values(c, few, row, place, at, v, there)
                for j, y in enumerate(ys):
                    for a, b in zip(xs, y):
                        _multiplied(c, sums, i, j, a, b)
        for i in range(spec.height):
            for j in range(spec.columns):
                total[i * spec.columns + j].set(sums[i][j])
    found = [x.get() for x in total]
    for d in (16, 8, 4, 2, 1):
        found = [x + c.shuffle_xor(x, d) for x in found]
    with c.when(lane.compare("eq", 0)):
        for n, x in enumerate(found):
            c.store(x, c.shared_at((warp * wanted + n) * size))
    c.barrier()
    thread = c.thread_id()
    with c.when(thread < 8 // spec.parts * wanted):
        group, number = thread // wanted, thread % wanted
        at = (group * (spec.parts * wanted) + number) * size
        x = c.load(element, c.shared_at(at))
        for part in range(1, spec.parts):
            x = x + c.load(element, c.shared_at(at + part * wanted * size))
        _store(spec, out, number // spec.columns, first + group * spec.columns + number % spec.columns, x)


def _row_values(
    c: Code, few: Factor, row: Place, place: Place, k: Val, count: int, where: Val | None
) -> list[Val]:
    """A row's elements at `count` positions from k on."""
    if few.side.along == "k" and few.side.vector >= count:
        return few.load(row, place, count, where)
    out = few.load(row, place, 1, where)
    for i in range(1, count):
        out += few.load(row, few.k.at(k + i), 1, where)
    return out


def _along_columns(
    c: Code, spec: Spec, few: Factor, many: Factor, out: Writer, rows: list[Place], first: Val, count: Val,
    end: Val,
) -> None:  # fmt: skip
    """Threads go along columns."""
    v, size, element, lanes = spec.many.vector, SIZE[spec.dtype], HELD[spec.dtype], spec.lanes
    groups = THREADS // lanes
    lane, group = c.thread_id() % lanes, c.thread_id() // lanes
    column = many.mn.at((first + lane * v).min(count - v))
    total = [[c.var(c.const(element, 0)) for _ in range(v)] for _ in range(spec.height)]
    with c.loop(group, end, UNROLL * groups) as k:
        sums = [[x.get() for x in line] for line in total]
        read = []
        for t in range(UNROLL):
            at = k + t * groups
            there = None if t == 0 else at < end
            read.append((at, there, many.load(column, many.k.at(at), v, there)))
        for at, there, ys in read:
            place = few.k.at(at)
            for i, row in enumerate(rows):
                (x,) = few.load(row, place, 1, there)
                for j, y in enumerate(ys):
                    _multiplied(c, sums, i, j, x, y)
        for i, line in enumerate(total):
            for j, var in enumerate(line):
                var.set(sums[i][j])
    wanted = spec.height * v * lanes
    for i, line in enumerate(total):
        for j, var in enumerate(line):
            c.store(var.get(), c.shared_at((group * wanted + lane + (i * v + j) * lanes) * size))
    c.barrier()
    for skip in range(0, wanted, THREADS):
        n = c.thread_id() + skip

        def one(n: Val = n) -> None:
            x = c.load(element, c.shared_at(n * size))
            for g in range(1, groups):
                x = x + c.load(element, c.shared_at((n + g * wanted) * size))
            place = n // lanes
            _store(spec, out, place // v, first + n % lanes * v + place % v, x)

        if skip + THREADS <= wanted:
            one()
        else:
            with c.when(n < wanted):
                one()


def _store(spec: Spec, out: Writer, few: Val, many: Val, x: Val) -> None:
    out.kept.clear()
    row, column = (many, few) if spec.turned else (few, many)
    out.store(row, column, [(0, 0, [x])])


# --- planning -----------------------------------------------------------------------------------


def plan(room: Room, p: Problem) -> list[GpuLaunch] | None:
    """The launch of a product with a short side; None where tiles do better."""
    if min(p.m, p.n) > MOST or max(p.m, p.n, p.k) >= LONGEST or not p.m * p.n * p.batch:
        return None
    kind = kind_of(p._replace(tf32=False), 75)
    if kind is None or p.k < 16 or p.a.bounds or p.b.bounds:
        return None
    dtype = "float64" if kind == "float64" else "float32"
    turned = p.n < p.m
    few, many = (p.b, p.a) if turned else (p.a, p.b)
    few_count, many_count = sorted((p.m, p.n))
    count = next(n for n in (1, 2, 4, 8) if n >= few_count)
    fs, ms = side_of(room, few), side_of(room, many)
    whole = fs.along == "k" and fs.vector >= ms.vector
    ms = ms._replace(vector=min(ms.vector, 8 if ms.along == "k" and (whole or count == 1) else 4))
    batches = [few.batch, many.batch, p.out.batch, *([p.bias.batch] if p.bias else [])]
    keys = tuple([key_of(x) for x in batches]) if p.batch > 1 else ()
    out = out_of(room, p)._replace(vector=1)
    enough = 4 * room.gpu.multiprocessors
    warps = many_count * p.batch
    columns = 4 if warps >= 16 * enough and count <= 4 else 1
    parts = next((n for n in (1, 2, 4) if warps * n >= 8 * enough or p.k <= 256 * n), 8)
    lanes = 32 if warps >= 128 * ms.vector * enough // 4 else 8
    spec = Spec(dtype, fs, ms, count, columns, parts, lanes, turned, out, keys, far(p))
    blocks = -(-many_count // across(spec)) * p.batch
    if 2 * blocks < room.gpu.multiprocessors and p.k > 1024 or blocks > BLOCKS:
        return None  # better cut into chunks
    args: list[int | Buf] = [
        few_count, many_count, p.k, *divisor_words(blocks // p.batch), *operand_words(few),
        *operand_words(many), *out_words(p),
    ]  # fmt: skip
    if keys:
        args += [w for x in batches for w in words_of(x)]
    nbytes = p.batch * (SIZE[many.dtype] * many_count * p.k + SIZE[few.dtype] * few_count * p.k)
    return [
        GpuLaunch(
            kernel(spec), tuple(args), (blocks, 1, 1), (THREADS, 1, 1), shared_bytes(spec), p.flops,
            float(nbytes), p.label,
        )
    ]  # fmt: skip
