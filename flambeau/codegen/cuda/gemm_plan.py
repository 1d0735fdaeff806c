"""Planning a product: which kernel, of which tile, and whether the sum is cut into chunks."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ..kernel import Buf
from . import gemm, gemm_fma, gemm_sum, mma
from .gemm_code import SIZE
from .gemm_index import Axis, Bound, Digit, axis, evenness, key_of, reach, size, vector, words_of
from .gemm_load import Side
from .gemm_store import Out
from .ir import divisor_words
from .kernel import GpuLaunch, Room

NARROW = 1 << 31
BLOCKS = (1 << 31) - 1
"""Of a launch, at most."""
LONGEST = 1 << 30
"""Rows, columns, and the sum's length are below it."""


class Operand(NamedTuple):
    """A factor in memory: where each of its rows (of B: columns) and positions of the sum is."""

    slot: int
    dtype: str
    offset: int
    """In elements; where coordinates are, of the place where all of them are 0."""
    mn: Axis
    k: Axis
    batch: Axis = (Digit(1, 0),)
    bounds: tuple[Bound, ...] = ()
    shift: int = 0
    """Elements from the offset to where the coordinates start."""


class Result(NamedTuple):
    """Where the results are."""

    slot: int
    dtype: str
    offset: int
    rows: Axis
    columns: Axis
    batch: Axis = (Digit(1, 0),)


class Bias(NamedTuple):
    """What is added, by row, column, or both; strides in elements."""

    slot: int
    dtype: str
    offset: int
    rows: int
    columns: int
    batch: Axis = (Digit(1, 0),)


class Problem(NamedTuple):
    """out[z, i, j] = activation(sum over k of a[z, i, k] b[z, k, j] + bias + out)."""

    m: int
    n: int
    k: int
    batch: int
    a: Operand
    b: Operand
    out: Result
    bias: Bias | None = None
    accumulate: bool = False
    activation: str = ""
    tf32: bool = False
    label: str = ""

    @property
    def flops(self) -> float:
        return 2.0 * self.batch * self.m * self.n * self.k


# --- tiles --------------------------------------------------------------------------------------

FMA = {
    "float32": {
        gemm_fma.Shape(128, 128, 8, 8, 8, 4, 8): (1.0, 2),
        gemm_fma.Shape(64, 64, 16, 8, 4, 4, 8): (0.8, 3),
        gemm_fma.Shape(32, 32, 16, 4, 2, 4, 8): (0.45, 4),
        gemm_fma.Shape(16, 128, 16, 4, 4, 4, 8): (0.6, 4),
        gemm_fma.Shape(128, 16, 16, 4, 4, 8, 4): (0.6, 4),
    },
    "float64": {
        gemm_fma.Shape(64, 64, 8, 4, 4, 4, 8): (1.0, 2),
        gemm_fma.Shape(32, 32, 16, 4, 2, 4, 8): (0.8, 4),
        gemm_fma.Shape(16, 128, 8, 4, 4, 4, 8): (0.9, 4),
        gemm_fma.Shape(128, 16, 8, 4, 4, 8, 4): (0.9, 4),
    },
}  # fmt: skip
"""Tiles of multiply-adds, with the part of the device's rate that they are thought to reach, and how
many blocks should fit on a multiprocessor."""

MMA = {
    (128, 128, 64, 32): (1.0, 2),
    (64, 64, 32, 32): (0.6, 3),
    (32, 32, 16, 16): (0.3, 4),
    (16, 128, 16, 32): (0.35, 4),
    (128, 16, 32, 16): (0.35, 4),
}
"""The same on tensor cores: (m, n) of a block, (m, n) of a warp."""

DEPTH = {"float16": 32, "bfloat16": 32, "tf32": 16}

RATE = {"float32": 128, "float64": 64, "tf32": 400, "float16": 800, "bfloat16": 800}
"""Multiply-adds of a multiprocessor in a cycle, about."""

LAUNCH = 3000.0
"""Cycles that another launch costs."""
TRAFFIC = 15.0
"""Bytes of memory to a multiprocessor in a cycle."""
SHORTEST = 128
"""The shortest chunk of a sum."""
CHUNKS = 256
"""No sum is cut into more."""


class Choice(NamedTuple):
    """How a product is made."""

    shape: gemm_fma.Shape | mma.Shape
    blocks: int
    splits: int
    chunk: int


def kind_of(p: Problem, capability: int) -> str | None:
    """How the products are made (`gemm.Spec.kind`), None where nothing can."""
    a, b = p.a.dtype, p.b.dtype
    if "float64" in (a, b, p.out.dtype):
        return "float64" if a == b == p.out.dtype else None
    if a == b == "float16" or a == b == "bfloat16" and capability >= 80:
        return a
    if a == b == "float32" and p.tf32 and capability >= 80:
        return "tf32"
    return "float32"


def shapes(kind: str) -> list[tuple[Any, float, int]]:
    """(shape, part of the rate, blocks on a multiprocessor)"""
    if kind in FMA:
        return [(s, *how) for s, how in FMA[kind].items()]
    return [(mma.Shape(m, n, DEPTH[kind], wm, wn), *how) for (m, n, wm, wn), how in MMA.items()]


def choose(p: Problem, kind: str, multiprocessors: int) -> Choice:
    """The tile and the chunks that take least time, by a simple reckoning: blocks come in waves of one
    to a multiprocessor, and chunks are written and read again."""
    best: tuple[float, Choice] | None = None
    for shape, part, resident in shapes(kind):
        blocks = -(-p.m // shape.m) * -(-p.n // shape.n) * p.batch
        most = max(1, min(p.k // SHORTEST, CHUNKS))
        wanted = -(-2 * multiprocessors // blocks)
        for splits in {1, min(wanted, most), min(-(-multiprocessors // blocks), most)}:
            chunk = -(-p.k // (splits * shape.depth)) * shape.depth
            splits = max(1, -(-p.k // max(chunk, 1)))
            waves = -(-blocks * splits // multiprocessors)
            cycles = waves * shape.m * shape.n * (chunk + 4 * shape.depth) / (RATE[kind] * part)
            if splits > 1:
                size = 8 if kind == "float64" else 4
                moved = p.batch * p.m * p.n * size * (2 * splits + 1)
                cycles += LAUNCH + moved / (TRAFFIC * multiprocessors)
            if best is None or cycles < best[0]:
                best = cycles, Choice(shape, resident, splits, max(chunk, shape.depth))
    assert best is not None
    return best[1]


# --- from arrays to sides -----------------------------------------------------------------------


def aligned(room: Room, slot: int) -> bool:
    """Whether a slot's buffer begins at a multiple of 256 bytes."""
    told = getattr(room, "aligned", None)
    return True if told is None else bool(told(slot))


def _along(x: Operand, even: bool) -> tuple[str, int]:
    """The axis that threads go along, and elements of an access: the longest accesses, or else what
    reads more neighbours."""
    found = []
    for name, inner, other in (("mn", x.mn, x.k), ("k", x.k, x.mn)):
        v = 1
        if even and not x.bounds:
            moves = (evenness(inner, True), evenness(other, False), evenness(x.batch, False), x.offset)
            v = vector(x.dtype, math.gcd(*moves))
        last = inner[-1]
        run = last.size / max(abs(last.stride), 1) if last.stride or last.size == 1 else 0.5
        found.append((v, run, name))
    v, _, name = max(found, key=lambda f: f[:2])
    return name, v


def side_of(room: Room, x: Operand) -> Side:
    along, v = _along(x, aligned(room, x.slot))
    return Side(x.dtype, key_of(x.mn), key_of(x.k), len(x.bounds), along, v)


def operand_words(x: Operand) -> list[int | Buf]:
    out: list[int | Buf] = [Buf(x.slot, x.offset * SIZE[x.dtype]), *words_of(x.mn), *words_of(x.k)]
    if x.bounds:
        out.append(x.shift)
    for b in x.bounds:
        out += (b.start, b.limit)
    return out


def out_of(room: Room, p: Problem) -> Out:
    o = p.out
    moves = (evenness(o.columns, True), evenness(o.rows, False), evenness(o.batch, False), o.offset)
    even = math.gcd(*moves) if aligned(room, o.slot) and o.columns[-1].stride == 1 else 1
    bias = p.bias
    by = "" if bias is None else ("m" if bias.rows else "") + ("n" if bias.columns else "")
    return Out(
        o.dtype, key_of(o.rows), key_of(o.columns), vector(o.dtype, even),
        bias.dtype if bias else "", by, p.accumulate, p.activation,
    )  # fmt: skip


def out_words(p: Problem) -> list[int | Buf]:
    o = p.out
    out: list[int | Buf] = [Buf(o.slot, o.offset * SIZE[o.dtype]), *words_of(o.rows), *words_of(o.columns)]
    if p.bias:
        b = p.bias
        out += [Buf(b.slot, b.offset * SIZE[b.dtype]), b.rows, b.columns]
    return out


def far(p: Problem) -> bool:
    """Whether offsets within a matrix need 64 bits."""
    reaches = [reach(x.mn) + reach(x.k) + abs(x.shift) for x in (p.a, p.b)]
    reaches.append(reach(p.out.rows) + reach(p.out.columns))
    if p.bias:
        reaches.append((p.m - 1) * abs(p.bias.rows) + (p.n - 1) * abs(p.bias.columns))
    return max(reaches) >= NARROW


# --- launches -----------------------------------------------------------------------------------


def plan(room: Room, p: Problem) -> list[GpuLaunch] | None:
    """The launches of a product; None where there is no kernel for it."""
    kind = kind_of(p, room.gpu.capability)
    if kind is None or max(p.m, p.n, p.k) >= LONGEST:
        return None
    if not p.m * p.n * p.batch:
        return []
    choice = choose(p, kind, room.gpu.multiprocessors)
    if -(-p.m // choice.shape.m) * -(-p.n // choice.shape.n) * choice.splits * p.batch > BLOCKS:
        return None
    if choice.splits == 1:
        return [product(room, p, kind, choice)]
    dtype = "float64" if kind == "float64" else "float32"
    apart = p.batch * p.m * p.n
    slot = room.temporary(choice.splits * apart * SIZE[dtype])
    parts = Result(
        slot, dtype, 0, axis(Digit(p.m, p.n)), axis(Digit(p.n, 1)), axis(Digit(p.batch, p.m * p.n))
    )
    inner = p._replace(out=parts, bias=None, accumulate=False, activation="")
    return [product(room, inner, kind, choice, apart), total(room, p, slot, dtype, choice.splits)]


def product(room: Room, p: Problem, kind: str, choice: Choice, apart: int = 0) -> GpuLaunch:
    """The launch of a product, or of its chunks, whose results are `apart` elements apart."""
    shape = choice.shape
    a, b = side_of(room, p.a), side_of(room, p.b)
    copies = (False, False)
    stages = 2
    if isinstance(shape, mma.Shape) and room.gpu.capability >= 80:
        copies = tuple(s.vector * SIZE[s.dtype] >= 4 for s in (a, b))  # type: ignore[assignment]
        stages = 4 if all(copies) else 3 if any(copies) else 2
    batches = [p.a.batch, p.b.batch, p.out.batch, *([p.bias.batch] if p.bias else [])]
    keys = tuple(key_of(x) for x in batches) if p.batch > 1 else ()
    resident = choice.blocks
    waiting = isinstance(shape, mma.Shape) and not all(copies)
    if waiting or any(x.bounds or len(x.mn) + len(x.k) > 2 for x in (a, b)):  # all that takes registers
        resident = min(resident, 512 // shape.threads - 1)
    spec = gemm.Spec(kind, shape, a, b, out_of(room, p), keys, far(p), stages, copies, resident)
    while gemm.shared_bytes(spec) > room.gpu.shared and spec.stages > 2:
        spec = spec._replace(stages=spec.stages - 1)
    down, across = -(-p.m // shape.m), -(-p.n // shape.n)
    blocks = down * across * choice.splits * p.batch
    args: list[int | Buf] = [
        p.m, p.n, p.k, choice.chunk, *divisor_words(down * across), *divisor_words(choice.splits),
        *divisor_words(gemm.GROUP * across), down, apart, *operand_words(p.a), *operand_words(p.b),
        *out_words(p),
    ]  # fmt: skip
    if keys:
        args += [w for x in batches for w in words_of(x)]
    nbytes = sum(
        SIZE[x.dtype] * min(size(x.mn) * size(x.k), reach(x.mn) + reach(x.k) + 1) for x in (p.a, p.b)
    )
    nbytes += SIZE[p.out.dtype] * p.m * p.n * choice.splits
    return GpuLaunch(
        gemm.kernel(spec), tuple(args), (blocks, 1, 1), (shape.threads, 1, 1), gemm.shared_bytes(spec),
        p.flops, float(nbytes * p.batch), p.label,
    )  # fmt: skip


def total(room: Room, p: Problem, slot: int, dtype: str, splits: int, offset: int = 0) -> GpuLaunch:
    """The launch that adds the chunks, which begin `offset` elements within the slot's buffer."""
    apart = p.batch * p.m * p.n
    out = out_of(room, p)
    v = min(out.vector, 16 // SIZE[dtype])
    while p.n % v or offset % v:
        v //= 2
    out = out._replace(vector=v)
    batches = [p.out.batch, *([p.bias.batch] if p.bias else [])]
    keys = tuple(key_of(x) for x in batches) if p.batch > 1 else ()
    spec = gemm_sum.Spec(dtype, v, out, keys, far(p))
    threads = apart // v
    args: list[int | Buf] = [
        p.m, p.n, splits, apart, threads, *divisor_words(p.n // v), *divisor_words(p.m), Buf(slot, offset * SIZE[dtype]),
        *out_words(p),
    ]  # fmt: skip
    if keys:
        args += [w for x in batches for w in words_of(x)]
    return GpuLaunch(
        gemm_sum.kernel(spec), tuple(args), (-(-threads // gemm_sum.THREADS), 1, 1),
        (gemm_sum.THREADS, 1, 1), 0, float(splits * apart), float(SIZE[dtype] * splits * apart),
        f"sum of {splits} chunks: {p.label}",
    )  # fmt: skip
