"""A kernel that brings a matrix product to where it belongs: Y (+)= X[0] + ... + X[J-1] (+ bias), of
any strides and dtypes. It sums up products over chunks of K, in order, and rounds once."""

from __future__ import annotations

import math
from functools import partial

from .gemm_kernels import KERNEL
from .kernel import Buf, Kernel, Launch, Target
from .llvm_text import Function, Word, vector_attributes
from .loop import DTYPES
from .microkernel import splat
from .planning import Placed

_TYPES = {"float32": "float", "float64": "double", "float16": "half", "bfloat16": "i16"}

_DIMS = 5
"""Three of the batch, rows, columns."""


def plan_sum(
    x: Placed, y: Placed, *, count: int = 1, apart: int = 0, accumulate: bool = False,
    bias: Placed | None = None, label: str = "",
) -> Launch:  # fmt: skip
    """Y (+)= sum of `count` arrays like X, `apart` elements from each other, (+ bias). All shapes are
    equal, of at most five dimensions, and not empty."""
    shape = (1,) * (_DIMS - len(y.shape)) + y.shape
    given = (x, y, bias or x)
    args: list[int | Buf] = [Buf(p.slot, p.offset * p.itemsize) for p in given]
    for p in given:
        args += (0,) * (_DIMS - len(p.shape)) + p.strides
    inner = [p.strides[-1] if p.strides else 1 for p in given]
    contiguous = all(s == 1 for s in inner[: 2 if bias is None else 3])
    args += [*shape, count, apart, int(accumulate), int(bias is not None), int(contiguous)]
    total = math.prod(shape)
    key = ("gemm_sum", x.dtype, y.dtype, bias.dtype if bias else x.dtype)
    kernel = Kernel(f"sum_{x.dtype}_{y.dtype}", key, partial(_emit, key[1], key[2], key[3]))
    return Launch(
        kernel, tuple(args), total // shape[-1], float(total * count),
        float(total * (x.itemsize * count + y.itemsize * (1 + accumulate))),
        max(1, 16384 // (shape[-1] * count)), label,
    )  # fmt: skip


def _emit(x: str, y: str, bias: str, target: Target, symbol: str) -> str:
    f = Function(symbol, KERNEL, vector_attributes(target), linkage="")
    kinds = (x, y, bias)
    sums = "float64" if "float64" in kinds else "float32"
    bases = []
    for i in range(3):
        base = f.load("ptr", f.gep("%table", f.mul(f.argument("%args", 2 * i), 8)), 8)
        bases.append(f.gep(base, f.argument("%args", 2 * i + 1)))
    word = [f.argument("%args", 6 + i) for i in range(4 * _DIMS + 5)]
    strides = [word[i * _DIMS : (i + 1) * _DIMS] for i in range(3)]
    extents, flags = word[3 * _DIMS : 4 * _DIMS], word[4 * _DIMS :]
    lanes = target.vector_bytes // DTYPES[sums]
    with f.loop("%end", "%begin") as task:
        rest: Word = task.index
        at: list[Word] = [0, 0, 0]
        for d in range(_DIMS - 2, -1, -1):
            up = f.div(rest, extents[d])
            along = f.sub(rest, f.mul(up, extents[d]))
            at = [f.add(p, f.mul(along, s[d])) for p, s in zip(at, strides)]
            rest = up
        rows = [f.gep(b, f.mul(p, DTYPES[k])) for b, p, k in zip(bases, at, kinds)]
        n = extents[-1]
        whole: Word = f.select(f.compare("ne", flags[4], 0), f.mul(f.div(n, lanes), lanes), 0)
        ways: list[tuple[int, Word, Word]] = [(lanes, 0, whole), (1, whole, n)]
        for width, start, stop in ways:
            with f.loop(stop, start, width) as loop:
                inner = [f.mul(loop.index, 1 if width > 1 else s[-1]) for s in strides]
                places = [f.gep(p, f.mul(i, DTYPES[k])) for p, i, k in zip(rows, inner, kinds)]
                _element(f, places, kinds, sums, width, flags)
    return f.finish()


def _element(
    f: Function, places: list[str], kinds: tuple[str, ...], sums: str, width: int, flags: list[str]
) -> None:
    """One element, or one vector of them."""
    kind = _vector(_TYPES[sums], width)
    first = _load(f, places[0], kinds[0], sums, width)
    count, apart, accumulates, biased = flags[:4]
    with f.loop(count, 1, carry=[("ptr", places[0]), (kind, first)]) as loop:
        at = f.gep(loop.values[0], f.mul(apart, DTYPES[kinds[0]]))
        x = _load(f, at, kinds[0], sums, width)
        loop.next = [at, f.op(f"fadd {kind} {loop.values[1]}, {x}")]
    total = loop.values[1]
    for flag, i in ((biased, 2), (accumulates, 1)):
        with f.when(f.compare("ne", flag, 0)) as branch:
            there = _load(f, places[i], kinds[i], sums, width)
            more = f.op(f"fadd {kind} {total}, {there}")
        (total,) = f.merge(branch, kind, [more], [total])
    _store(f, total, places[1], sums, kinds[1], width)


def _vector(kind: str, n: int) -> str:
    return f"<{n} x {kind}>" if n > 1 else kind


def _load(f: Function, at: str, kind: str, wanted: str, n: int) -> str:
    x = f.load(_vector(_TYPES[kind], n), at, DTYPES[kind])
    if kind == "bfloat16":
        bits, one = _vector("i32", n), _vector("i16", n)
        wide = f.op(f"zext {one} {x} to {bits}")
        up = f.op(f"shl {bits} {wide}, {splat(f, 'i32', '16', n)}")
        x, kind = f.op(f"bitcast {bits} {up} to {_vector('float', n)}"), "float32"
    if kind == wanted:
        return x
    way = "fpext" if DTYPES[kind] < DTYPES[wanted] else "fptrunc"
    return f.op(f"{way} {_vector(_TYPES[kind], n)} {x} to {_vector(_TYPES[wanted], n)}")


def _store(f: Function, x: str, at: str, kind: str, wanted: str, n: int) -> None:
    target = "float32" if wanted == "bfloat16" else wanted
    if kind != target:
        way = "fpext" if DTYPES[kind] < DTYPES[target] else "fptrunc"
        x = f.op(f"{way} {_vector(_TYPES[kind], n)} {x} to {_vector(_TYPES[target], n)}")
    if wanted == "bfloat16":
        x = _to_bfloat16(f, x, n)
    f.store(_vector(_TYPES[wanted], n), x, at, DTYPES[wanted])


def _to_bfloat16(f: Function, x: str, n: int) -> str:
    """Rounded to nearest, ties to even, by integers: the instruction for it takes subnormal numbers
    for zeros. A NaN stays one."""
    bits, short = _vector("i32", n), _vector("i16", n)

    def number(k: int) -> str:
        return splat(f, "i32", str(k), n)

    raw = f.op(f"bitcast {_vector('float', n)} {x} to {bits}")
    upper = f.op(f"lshr {bits} {raw}, {number(16)}")
    odd = f.op(f"and {bits} {upper}, {number(1)}")
    half = f.op(f"add {bits} {odd}, {number(0x7FFF)}")
    rounded = f.op(f"lshr {bits} {f.op(f'add {bits} {raw}, {half}')}, {number(16)}")
    quiet = f.op(f"or {bits} {upper}, {number(0x40)}")
    nan = f.op(f"fcmp uno {_vector('float', n)} {x}, {x}")
    one = _vector("i1", n)
    out = f.op(f"select {one} {nan}, {bits} {quiet}, {bits} {rounded}")
    return f.op(f"trunc {bits} {out} to {short}")
