"""cvt, mov and what else brings bits from one register to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .floats import flushed
from .integers import is_integer
from .ptx import Instruction, Register, Special, Symbol, Vector
from .rounding import F32, F64, f32_to_bf16, from_bf16, to_bf16, to_f16, to_f32
from .values import DTYPES, UNSIGNED, Context, Op, elementwise, instruction, unsupported

_INTEGER_ROUNDING: dict[str, Callable[[Any], Any]] = {
    "rni": np.rint, "rzi": np.trunc, "rmi": np.floor, "rpi": np.ceil,
}  # fmt: skip
_FLOATS = ("f16", "bf16", "f32", "f64", "tf32")


def _floating(kind: str) -> bool:
    return kind in _FLOATS


def _to_integer(kind: str, source: str, rounding: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """float64 to an integer type, clamped."""
    dtype = DTYPES[kind] if kind[0] != "b" else UNSIGNED[DTYPES[kind].itemsize]
    info = np.iinfo(dtype)
    # What NaN gives: PTX ISA, cvt: 0, but for 64-bit types on either side.
    special = source == "f64" or dtype.itemsize == 8
    nan = (
        np.array(1 << (8 * dtype.itemsize - 1), UNSIGNED[dtype.itemsize]).view(dtype)[()]
        if special
        else dtype.type(0)
    )
    low, high = float(info.min), float(info.max)

    def f(x: Any) -> Any:
        r = rounding(x)
        inside = (r >= low) & (r < high if dtype.itemsize == 8 else r <= high)
        made = np.where(inside, r, 0.0)
        # uint64 beyond 2**63 is converted right by NumPy on the machines that matter.
        out = made.astype(dtype)
        out = np.where(r < low, dtype.type(info.min), out)
        out = np.where((r >= high) & ~inside, dtype.type(info.max), out)
        return np.where(np.isnan(x), nan, out).astype(dtype)

    return f


def _widen(kind: str) -> Callable[[Any], Any]:
    if kind == "bf16":
        return lambda a: from_bf16(a).astype(F64)
    return lambda a: a.astype(F64)


def _integer_to_odd(a: Any) -> Any:
    """An integer as float64, rounded to odd where it has more than 53 bits."""
    x = a.astype(F64)
    if a.dtype.itemsize < 8:
        return x
    size = np.abs(a).view(np.uint64) if a.dtype.kind == "i" else a
    sticky = (size & np.uint64(0x7FF)) != 0
    large = size >> np.uint64(53) != 0
    odd = ((size & ~np.uint64(0x7FF)) | np.where(sticky, np.uint64(0x800), np.uint64(0))).astype(
        F64
    )
    odd = np.where(a < 0, -odd, odd) if a.dtype.kind == "i" else odd
    return np.where(large, odd, x)


def _narrow(kind: str, mode: str) -> Callable[[Any], Any]:
    """float64 to a floating type (bfloat16: its bits)."""
    mode = mode or "rn"
    if kind == "f64":
        return lambda x: x
    if kind == "f32":
        return lambda x: to_f32(x, mode)
    if kind == "f16":
        return lambda x: to_f16(x, mode)
    if kind == "bf16":
        return lambda x: to_bf16(x, mode)
    raise KeyError(kind)


def to_tf32(x: Any, mode: str) -> Any:
    """float32 to the bits of TF32 in 32 bits."""
    bits = np.asarray(x, F32).view(np.uint32)
    if mode == "rna":
        made = bits + np.uint32(0x1000)
    elif mode == "rz":
        made = bits
    else:
        made = bits + np.uint32(0xFFF) + ((bits >> np.uint32(13)) & np.uint32(1))
    kept = made & np.uint32(0xFFFFE000)
    return np.where(np.isfinite(x), kept, bits)


@instruction("cvt")
def _cvt(c: Context, i: Instruction) -> Op:
    to, of = i.modifiers[-2:]
    mods = i.modifiers[:-2]
    mode = next((m for m in mods if m in ("rn", "rz", "rm", "rp", "rna")), "")
    rounding = next((_INTEGER_ROUNDING[m] for m in mods if m in _INTEGER_ROUNDING), None)
    sat, ftz, relu = "sat" in mods, "ftz" in mods, "relu" in mods
    if not {
        "rn",
        "rz",
        "rm",
        "rp",
        "rna",
        "sat",
        "ftz",
        "relu",
        "satfinite",
        *_INTEGER_ROUNDING,
    }.issuperset(mods):
        raise unsupported(i)
    if "satfinite" in mods and to != "tf32":
        raise unsupported(i)

    if to in ("f16x2", "bf16x2") and of == "f32":
        narrow = (
            (lambda x: to_f16(x, mode).view(np.uint16))
            if to == "f16x2"
            else (lambda x: f32_to_bf16(x, mode))
        )

        def pair(a: Any, b: Any) -> Any:
            if relu:
                a, b = (np.where(np.isnan(x), x, np.maximum(x, np.float32(0))) for x in (a, b))
            return (narrow(a).astype(np.uint32) << np.uint32(16)) | narrow(b).astype(np.uint32)

        return elementwise(c, i, pair, ("f32", "f32"), "b32")
    if to == "tf32":
        return elementwise(c, i, lambda x: to_tf32(x, mode), ("f32",), "b32")

    if is_integer(to) and is_integer(of):
        target = DTYPES[to] if to[0] != "b" else UNSIGNED[DTYPES[to].itemsize]
        if sat:
            info = np.iinfo(target)

            def clamp(a: Any) -> Any:
                low = max(info.min, int(np.iinfo(a.dtype).min))
                high = min(info.max, int(np.iinfo(a.dtype).max))
                return np.clip(a, a.dtype.type(low), a.dtype.type(high)).astype(target)

            return elementwise(c, i, clamp, (of,), to)
        return elementwise(c, i, lambda a: a.astype(target), (of,), to)
    if is_integer(to):
        widen = _widen(of)
        convert = _to_integer(to, of, rounding or np.trunc)
        if ftz and of == "f32":
            return elementwise(c, i, lambda a: convert(widen(flushed(a))), (of,), to)
        return elementwise(c, i, lambda a: convert(widen(a)), (of,), to)
    if is_integer(of):
        if mode in ("rn", "") and to in ("f32", "f64"):
            dtype = DTYPES[to]
            return elementwise(c, i, lambda a: a.astype(dtype), (of,), to)
        if to == "f64":
            raise unsupported(i)
        narrow = _narrow(to, mode)
        return elementwise(c, i, lambda a: narrow(_integer_to_odd(a)), (of,), to)

    # Between floating types.
    if of == "f32" and to == "f64":
        plain: Callable[[Any], Any] = lambda a: a.astype(F64)  # noqa: E731
    elif of == "f16" and to == "f32":
        plain = lambda a: a.astype(F32)  # noqa: E731
    elif of == "bf16" and to == "f32":
        plain = from_bf16
    elif of == "f32" and to == "bf16":
        plain = lambda a: f32_to_bf16(a, mode)  # noqa: E731
    elif of == "f32" and to == "f16":
        plain = lambda a: to_f16(a, mode or "rn")  # noqa: E731
    else:
        widen, narrow = _widen(of), _narrow(to, mode)
        inner = rounding
        plain = lambda a: narrow(inner(widen(a)) if inner else widen(a))  # noqa: E731
    if rounding is not None and of == to == "f32":
        plain = lambda a: rounding(a)  # noqa: E731

    def f(a: Any) -> Any:
        if ftz and of == "f32":
            a = flushed(a)
        if relu:
            a = np.where(np.isnan(a), a, np.maximum(a, a.dtype.type(0)))
        x = plain(a)
        if ftz and to == "f32":
            x = flushed(x)
        if sat:
            if to == "bf16":
                raise unsupported(i)
            x = np.where(np.isnan(x), x.dtype.type(0), np.clip(x, x.dtype.type(0), x.dtype.type(1)))
        return x

    if relu and of == "bf16":
        raise unsupported(i)
    return elementwise(c, i, f if ftz or sat or relu else plain, (of,), to)


@instruction("mov")
def _mov(c: Context, i: Instruction) -> Op:
    target, source = i.operands
    kind = i.type
    if isinstance(target, Vector) and isinstance(source, Vector):
        pairs = list(zip(target.items, source.items))
        part = "b" + str(8 * DTYPES[kind].itemsize)
        moves = [(c.target(t, part), c.source(s, part)) for t, s in pairs]

        def several(m: Any, L: list[Any]) -> None:
            values = [get(L).copy() for _, get in moves]
            for (put, _), value in zip(moves, values):
                put(L, value)

        return several
    if isinstance(target, Vector):
        return _unpack(c, i, target, source)
    if isinstance(source, Vector):
        return _pack(c, i, target, source)
    if isinstance(source, Special) and source.name in (
        "%clock",
        "%clock64",
        "%globaltimer",
        "%clock_hi",
    ):
        put = c.target(target, kind)
        dtype = DTYPES[kind]
        return lambda m, L: put(L, dtype.type(m.steps & 0xFFFFFFFF))
    if isinstance(source, Symbol) and isinstance(target, Register):
        kind = "b" + kind[1:]
    return elementwise(c, i, lambda a: a.copy(), (kind,), kind)


def _unpack(c: Context, i: Instruction, target: Vector, source: Any) -> Op:
    size = DTYPES[i.type].itemsize
    each = size // len(target.items)
    whole = f"b{8 * size}"
    part = f"b{8 * each}"
    puts = [c.target(t, part) for t in target.items]
    get = c.source(source, whole)
    dtype, wide = UNSIGNED[each], UNSIGNED[size]

    def op(m: Any, L: list[Any]) -> None:
        value = get(L)
        parts = [(value >> wide.type(8 * each * k)).astype(dtype) for k in range(len(puts))]
        for put, one in zip(puts, parts):
            put(L, one)

    return op


def _pack(c: Context, i: Instruction, target: Any, source: Vector) -> Op:
    size = DTYPES[i.type].itemsize
    each = size // len(source.items)
    gets = [c.source(s, f"b{8 * each}") for s in source.items]
    put = c.target(target, f"b{8 * size}")
    wide = UNSIGNED[size]

    def op(m: Any, L: list[Any]) -> None:
        value: Any = gets[0](L).astype(wide)
        for k, get in enumerate(gets[1:], 1):
            value = value | (get(L).astype(wide) << wide.type(8 * each * k))
        put(L, value)

    return op
