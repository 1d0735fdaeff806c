"""Depthwise convolutions on a GPU: each group has one channel, and few outputs (`multiple`).

    forward   y[n, o, p]  = sum over t of w[o, t] x[n, o // multiple, at(p, t)]
    input     dx[n, c, q] = sum over o of c, and t, of w[o, t] g[n, o, p]   where at(p, t) = q
    weight    dw[o, t]    = sum over n and p of g[n, o, p] x[n, o // multiple, at(p, t)]

with at(p, t) = p * stride - padding + t * dilation in each of three dimensions (one and two are the
last of them). A thread makes one element of y or dx; neighbours find what they read in the first-level
cache. Small kernels (`UNROLLED` taps) are part of the code. For the weight a block of 256 threads makes
up to `TAPS` taps of one o from a part of the images; what its threads have summed is added in a fixed
order, and the parts by `gemm_sum`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from ..ir_values import Val
from ..kernel import Buf, Target
from ..planning import Placed
from . import conv, gemm_plan
from .gemm_code import HELD, SIZE, Code, both
from .gemm_index import Digit, axis
from .gemm_plan import Bias, Operand, Problem, Result
from .gemm_store import Out, Writer
from .ir import Divisor, divisor_words
from .kernel import GpuKernel, GpuLaunch, Room

THREADS = 256
MULTIPLE = 4
"""Outputs of a channel, at most; with more of them a product of matrices is better."""
UNROLLED = 25
TAPS = 9

Three = tuple[Val, Val, Val]


class Spec(NamedTuple):
    """A kernel, as far as its code depends on it."""

    kind: str
    first: str
    second: str
    """Dtypes of x and w, g and w, or g and x."""
    out: Out
    kernel: tuple[int, ...]
    """Its size, if it is part of the code; for the weight one number: the taps of a block."""
    wide: bool


def plan(
    room: Room, kind: str, x: Placed, w: Placed, y: Placed, bias: Placed | None, settings: Any,
    activation: str,
) -> list[GpuLaunch] | None:  # fmt: skip
    """The launches, None where it is no such convolution. x, w and y are in the places of data, weight
    and output, of which `kind` says which is made."""
    stride, padding, dilation, groups = settings
    multiple = w.shape[0] // max(groups, 1)
    if groups < 2 or groups != x.shape[1] or w.shape[1] != 1 or multiple > MULTIPLE:
        return None
    if not conv.able(x, w, y, bias):
        return None
    if 0 in x.shape + w.shape + y.shape:
        return None
    if max(a.shape[0] * math.prod(a.shape[2:]) for a in (x, y)) >= gemm_plan.LONGEST:
        return None
    dtypes = {a.dtype for a in (x, w, y)}
    if "float64" in dtypes and len(dtypes) > 1:
        return None
    three = [_three(a.shape[2:], 1) for a in (x, w, y)]
    steps = [_three(s, fill) for s, fill in ((stride, 1), (padding, 0), (dilation, 1))]
    sizes: list[int | Buf] = []
    for of in zip(*three, *steps, strict=True):
        size, taps, out, s, pad, d = of
        sizes += [size, taps, *divisor_words(out), *divisor_words(size), *divisor_words(s), pad, d]
    make = _weight if kind == "weight" else _elements
    return make(room, kind, x, w, y, bias, multiple, sizes, activation, conv.label(x, w, stride, kind))


def _three(sizes: Any, fill: int) -> tuple[int, ...]:
    return (fill,) * (3 - len(sizes)) + tuple(sizes)


def _problem(m: int, n: int, out: Result, bias: Bias | None, activation: str, name: str) -> Problem:
    none = Operand(0, "float32", 0, axis(Digit(1, 0)), axis(Digit(1, 0)))
    return Problem(m, n, 1, 1, none, none, out, bias, activation=activation, label=name)


def _buffer(x: Placed) -> Buf:
    return Buf(x.slot, x.offset * SIZE[x.dtype])


def _elements(
    room: Room, kind: str, x: Placed, w: Placed, y: Placed, bias: Placed | None, multiple: int,
    sizes: list[int | Buf], activation: str, name: str,
) -> list[GpuLaunch]:  # fmt: skip
    """One thread to an element of y or dx. Rows of the result are channels, columns (image, position)."""
    made, read = (y, x) if kind == "forward" else (x, y)
    images, channels, positions = made.shape[0], made.shape[1], math.prod(made.shape[2:])
    result = Result(
        made.slot, made.dtype, made.offset, axis(Digit(channels, positions)),
        axis(Digit(images, channels * positions), Digit(positions, 1)),
    )  # fmt: skip
    added = None
    if bias is not None:
        added = Bias(bias.slot, bias.dtype, bias.offset, bias.strides[0] if channels > 1 else 0, 0)
    p = _problem(channels, images * positions, result, added, activation, name)
    taps = w.shape[2:]
    spec = Spec(
        kind, read.dtype, w.dtype, gemm_plan.out_of(room, p)._replace(vector=1),
        _three(taps, 1) if math.prod(taps) <= UNROLLED else (),
        max(math.prod(a.shape) for a in (x, y)) >= gemm_plan.NARROW,
    )  # fmt: skip
    count = images * channels * positions
    per_block = -(-positions // THREADS)
    blocks = per_block * channels * images
    args = (
        channels, images * positions, multiple, positions, math.prod(read.shape[2:]), math.prod(taps),
        *divisor_words(per_block), *divisor_words(channels), *sizes, _buffer(read), _buffer(w),
        *gemm_plan.out_words(p),
    )  # fmt: skip
    flops = 2.0 * math.prod(y.shape) * math.prod(taps)
    nbytes = float(SIZE[read.dtype] * math.prod(read.shape) + SIZE[made.dtype] * count)
    return [
        GpuLaunch(
            GpuKernel(f"depthwise_{kind}", ("depthwise", spec), partial(_emit_elements, spec)), args,
            (blocks, 1, 1), (THREADS, 1, 1), 0, flops, nbytes, name,
        )
    ]  # fmt: skip


class _Way(NamedTuple):
    """One dimension in a kernel."""

    size: Val
    taps: Val
    out: Divisor
    inner: Divisor
    """The data's size."""
    stride: Divisor
    padding: Val
    dilation: Val


def _ways(c: Code) -> list[_Way]:
    out = []
    for _ in range(3):
        size, taps = c.words(2, "i32")
        out.append(_Way(size, taps, c.divisor(), c.divisor(), c.divisor(), *c.words(2, "i32")))
    return out


def _position(ways: list[_Way], i: Val, inner: bool) -> list[Val]:
    """A position's three coordinates."""
    z, x = (ways[2].inner if inner else ways[2].out).split(i)
    z, y = (ways[1].inner if inner else ways[1].out).split(z)
    return [z, y, x]


def _through(c: Code, ways: list[_Way], kernel: tuple[int, ...], body: Callable[[list[Val]], None]) -> None:
    """For each tap."""
    if kernel:
        for i in range(math.prod(kernel)):
            at = (i // (kernel[1] * kernel[2]), i // kernel[2] % kernel[1], i % kernel[2])
            body([c.const("i32", n) for n in at])
        return
    zero = c.i32(0)
    with (
        c.loop(zero, ways[0].taps) as z, c.loop(zero, ways[1].taps) as y, c.loop(zero, ways[2].taps) as x
    ):  # fmt: skip
        body([z, y, x])


def _emit_elements(spec: Spec, target: Target, symbol: str) -> str:
    c = Code(target, symbol, THREADS)
    channels, columns, multiple, positions, far, taps = c.words(6, "i32")
    per_block, per_image = c.divisor(), c.divisor()
    ways = _ways(c)
    data, weights = c.buffer(), c.buffer()
    out = Writer(c, spec.out, spec.wide)
    rest, part = per_block.split(c.block_id())
    image, channel = per_image.split(rest)
    i = part * THREADS + c.thread_id()
    with c.when(i >= positions):
        c.leave()
    forward = spec.kind == "forward"
    at = _position(ways, i, not forward)
    offset = "i64" if spec.wide else "i32"
    element = "double" if spec.first == "float64" else "float"
    total = c.var(c.const(element, 0))
    zero = c.i32(0)

    def of_channel(place: Val, o: Val) -> None:
        """Add the taps of output o; the data that is read lies at channel `place` of all images."""
        base = place.to(offset) * far.to(offset)

        def of_tap(tap: list[Val]) -> None:
            where: Val | None = None
            inside: Val | None = None
            for way, p, t in zip(ways, at, tap, strict=True):
                if forward:
                    q = p * way.stride.size - way.padding + t * way.dilation
                    limit = way.size
                else:
                    q = p + way.padding - t * way.dilation
                    where = both(where, q >= 0)
                    q, over = way.stride.split(q)
                    where = both(where, over.compare("eq", 0))
                    limit = way.out.size
                where = both(where, q.compare("ult", limit))
                inside = q if inside is None else inside * limit + q
            assert inside is not None
            number = (tap[0] * ways[1].taps + tap[1]) * ways[2].taps + tap[2]
            address = c.at(data, base + inside.to(offset), HELD[spec.first])
            (x,) = c.load_where(HELD[spec.first], 1, address, where)
            (w,) = c.load_where(HELD[spec.second], 1, c.at(weights, o * taps + number, HELD[spec.second]), None)
            x, w = c.widened(x, spec.first), c.widened(w, spec.second)
            total.set(c.call(f"llvm.fma.{'f64' if element == 'double' else 'f32'}", element, x, w, total.get()))

        _through(c, ways, spec.kernel, of_tap)

    if forward:
        of_channel(image * (channels // multiple) + channel // multiple, channel)
    else:
        with c.loop(zero, multiple) as m:
            o = channel * multiple + m
            of_channel(image * (channels * multiple) + o, o)
    out.begin(c.const("i64", 0), c.const("i64", 0), channels, columns)
    out.store(channel, image * positions + i, [(0, 0, [total.get()])])
    out.finish()
    return c.text()


def _weight(
    room: Room, kind: str, x: Placed, w: Placed, y: Placed, bias: Placed | None, multiple: int,
    sizes: list[int | Buf], activation: str, name: str,
) -> list[GpuLaunch]:  # fmt: skip
    """A block to some taps of an output and a part of the images."""
    images, outputs, positions = y.shape[0], y.shape[1], math.prod(y.shape[2:])
    taps = math.prod(w.shape[2:])
    each = min(taps, TAPS)
    per_output = -(-taps // each)
    blocks = outputs * per_output
    wanted = -(-2 * room.gpu.multiprocessors // blocks)
    splits = max(1, min(wanted, images, gemm_plan.CHUNKS))
    share = -(-images // splits)
    splits = -(-images // share)
    dtype = "float64" if x.dtype == "float64" else "float32"
    slot = room.temporary(splits * outputs * taps * SIZE[dtype])
    spec = Spec(
        kind, y.dtype, x.dtype, Out(dtype, (-1,), (-1,), 1), (each,),
        max(math.prod(a.shape) for a in (x, y)) >= gemm_plan.NARROW,
    )  # fmt: skip
    args = (
        outputs, multiple, images, share, positions, math.prod(x.shape[2:]), taps, outputs * taps,
        *divisor_words(per_output), *divisor_words(outputs), *divisor_words(positions), *sizes, _buffer(y),
        _buffer(x), Buf(slot),
    )  # fmt: skip
    flops = 2.0 * math.prod(y.shape) * taps
    nbytes = float(SIZE[x.dtype] * math.prod(x.shape) + SIZE[y.dtype] * math.prod(y.shape))
    shared = THREADS // 32 * each * SIZE[dtype]
    first = GpuLaunch(
        GpuKernel("depthwise_weight", ("depthwise", spec), partial(_emit_weight, spec)), args,
        (blocks * splits, 1, 1), (THREADS, 1, 1), shared, flops, nbytes, name,
    )  # fmt: skip
    result = Result(w.slot, w.dtype, w.offset, axis(Digit(outputs, taps)), axis(Digit(taps, 1)))
    p = _problem(outputs, taps, result, None, "", name)
    return [first, gemm_plan.total(room, p, slot, dtype, splits)]


def _emit_weight(spec: Spec, target: Target, symbol: str) -> str:
    c = Code(target, symbol, THREADS)
    outputs, multiple, images, share, positions, far, taps, apart = c.words(8, "i32")
    per_output, per_split, over = c.divisor(), c.divisor(), c.divisor()
    ways = _ways(c)
    gradient, data, parts = c.buffer(), c.buffer(), c.buffer()
    rest, chunk = per_output.split(c.block_id())
    split, o = per_split.split(rest)
    (each,) = spec.kernel
    offset = "i64" if spec.wide else "i32"
    element = "double" if spec.first == "float64" else "float"
    size = 8 if element == "double" else 4
    first = split * share
    last = (first + share).min(images)
    moves = []
    for j in range(each):
        z, tx = divide(chunk * each + j, ways[2].taps)
        tz, ty = divide(z, ways[1].taps)
        moves.append([t * w.dilation - w.padding for t, w in zip((tz, ty, tx), ways, strict=True)])
    total = [c.var(c.const(element, 0)) for _ in range(each)]
    channel, channels = o // multiple, outputs // multiple
    with c.loop(first * positions + c.thread_id(), last * positions, THREADS) as i:
        image, p = over.split(i)
        at = _position(ways, p, False)
        start = [a * w.stride.size for a, w in zip(at, ways, strict=True)]
        place = (image * outputs + o).to(offset) * positions.to(offset) + p.to(offset)
        (g,) = c.load_where(HELD[spec.first], 1, c.at(gradient, place, HELD[spec.first]), None)
        g = c.widened(g, spec.first)
        base = (image * channels + channel).to(offset) * far.to(offset)
        for var, move in zip(total, moves, strict=True):
            where: Val | None = None
            inside: Val | None = None
            for s, m, w in zip(start, move, ways, strict=True):
                q = s + m
                where = both(where, q.compare("ult", w.size))
                inside = q if inside is None else inside * w.size + q
            assert inside is not None
            address = c.at(data, base + inside.to(offset), HELD[spec.second])
            (x,) = c.load_where(HELD[spec.second], 1, address, where)
            x = c.widened(x, spec.second)
            var.set(c.call(f"llvm.fma.f{8 * size}", element, g, x, var.get()))
    found = [v.get() for v in total]
    for d in (16, 8, 4, 2, 1):
        found = [x + c.shuffle_xor(x, d) for x in found]
    thread = c.thread_id()
    warp = thread // 32
    with c.when((thread % 32).compare("eq", 0)):
        for j, x in enumerate(found):
            c.store(x, c.shared_at((warp * each + j) * size))
    c.barrier()
    tap = chunk * each + thread
    with c.when(both(thread < each, tap < taps)):  # type: ignore[arg-type]
        x = c.load(element, c.shared_at(thread * size))
        for n in range(1, THREADS // 32):
            x = x + c.load(element, c.shared_at((thread + n * each) * size))
        to = split.to("i64") * apart.to("i64") + (o * taps + tap).to("i64")
        c.store(x, c.at(parts, to, element))
    return c.text()


def divide(i: Val, by: Val) -> tuple[Val, Val]:
    """(i // by, i % by), a few times a thread."""
    whole = i // by
    return whole, i - whole * by
