"""Integer and logical instructions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .ptx import Instruction, Pair
from .values import DTYPES, UNSIGNED, Context, Op, elementwise, instruction, unsupported

U32, U64 = np.dtype(np.uint32), np.dtype(np.uint64)
_32 = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


def unsigned(kind: str) -> str:
    return "b" + kind.lstrip("subf")


def is_integer(kind: str) -> bool:
    return kind[0] in "sub" and kind not in ("bf16", "bf16x2") and kind[1:].isdigit()


def high_u64(a: Any, b: Any) -> Any:
    """The upper half of the product of two uint64."""
    a0, a1, b0, b1 = a & _LOW, a >> _32, b & _LOW, b >> _32
    low = a0 * b0
    middle = a1 * b0 + (low >> _32)
    other = a0 * b1 + (middle & _LOW)
    return a1 * b1 + (middle >> _32) + (other >> _32)


def high(a: Any, b: Any) -> Any:
    """The upper half of the product of two integers of one dtype."""
    dtype = a.dtype
    if dtype.itemsize == 8:
        ua, ub = a.view(U64), b.view(U64)
        h = high_u64(ua, ub)
        if dtype.kind == "i":
            zero = np.uint64(0)
            h = h - np.where(a < 0, ub, zero) - np.where(b < 0, ua, zero)
        return h.view(dtype)
    wide = np.dtype(f"{dtype.kind}{2 * dtype.itemsize}")
    return (a.astype(wide) * b.astype(wide) >> wide.type(8 * dtype.itemsize)).astype(dtype)


def wide(a: Any, b: Any) -> Any:
    kind = np.dtype(f"{a.dtype.kind}{2 * a.dtype.itemsize}")
    return a.astype(kind) * b.astype(kind)


def divide(a: Any, b: Any) -> Any:
    """Towards zero; all ones where the divisor is zero."""
    ones = np.array(-1).astype(a.dtype)
    safe = np.where(b == 0, a.dtype.type(1), b)
    if a.dtype.kind == "u":
        return np.where(b == 0, ones, a // safe)
    least = np.iinfo(a.dtype).min
    overflow = (a == least) & (safe == -1)
    safe = np.where(overflow, a.dtype.type(1), safe)
    q = a // safe
    q = q + ((q < 0) & (q * safe != a)).astype(a.dtype)
    return np.where(b == 0, ones, q).astype(a.dtype)


def remainder(a: Any, b: Any) -> Any:
    return np.where(b == 0, a, a - divide(a, b) * b).astype(a.dtype)


def saturated(f: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def g(a: Any, b: Any) -> Any:
        return np.clip(f(a.astype(np.int64), b.astype(np.int64)), -(1 << 31), (1 << 31) - 1).astype(np.int32)

    return g


def shift_left(a: Any, b: Any) -> Any:
    bits = 8 * a.dtype.itemsize
    if b.ndim == 0:
        n = int(b)
        return a << a.dtype.type(n) if n < bits else np.zeros_like(a)
    return np.where(b < bits, a << np.minimum(b, bits - 1).astype(a.dtype), a.dtype.type(0))


def shift_right(a: Any, b: Any) -> Any:
    bits = 8 * a.dtype.itemsize
    if a.dtype.kind == "i":
        return a >> np.minimum(b, np.uint32(bits - 1)).astype(a.dtype)
    if b.ndim == 0:
        n = int(b)
        return a >> a.dtype.type(n) if n < bits else np.zeros_like(a)
    return np.where(b < bits, a >> np.minimum(b, bits - 1).astype(a.dtype), a.dtype.type(0))


def funnel(mode: str, left: bool) -> Callable[[Any, Any, Any], Any]:
    def f(a: Any, b: Any, n: Any) -> Any:
        n = n & np.uint32(31) if mode == "wrap" else np.minimum(n, np.uint32(32))
        both = (b.astype(U64) << _32) | a.astype(U64)
        if left:
            # A shift by 32 in mode clamp leaves a.
            return (both << n.astype(U64) >> _32).astype(U32) if mode == "wrap" else np.where(
                n == 32, a, (both << (n & np.uint32(31)).astype(U64) >> _32).astype(U32)
            )
        return (both >> n.astype(U64)).astype(U32)

    return f


def popcount(a: Any) -> Any:
    return np.bitwise_count(a).astype(U32)


def highest(a: Any) -> Any:
    """The number of the highest bit that is set, -1 of none."""
    a = a.astype(U64)
    upper = (a >> _32).astype(np.float64)
    lower = (a & _LOW).astype(np.float64)
    _, eu = np.frexp(upper)
    _, el = np.frexp(lower)
    return np.where(upper > 0, eu + 31, el - 1).astype(np.int32)


def reverse(a: Any) -> Any:
    bits = 8 * a.dtype.itemsize
    out = a
    shift = bits // 2
    mask = (1 << bits) - 1
    while shift:
        mask ^= (mask << shift) & ((1 << bits) - 1)
        s, m = a.dtype.type(shift), a.dtype.type(mask)
        out = ((out >> s) & m) | ((out & m) << s)
        shift //= 2
    return out


def extract(a: Any, position: Any, length: Any) -> Any:
    """bfe."""
    bits = 8 * a.dtype.itemsize
    u = UNSIGNED[a.dtype.itemsize]
    p = (position & np.uint32(0xFF)).astype(np.int64)
    n = (length & np.uint32(0xFF)).astype(np.int64)
    shifted = shift_right(a.view(u), p.astype(U32))
    low = np.where(n >= bits, u.type(np.iinfo(u).max), (u.type(1) << np.minimum(n, bits - 1).astype(u)) - u.type(1))
    if a.dtype.kind == "u":
        return (shifted & low).astype(u)
    # The sign is the field's highest bit, or the word's where the field goes beyond it.
    at = np.minimum(p + n - 1, bits - 1)
    sign = np.where(n == 0, 0, (a.view(u) >> np.maximum(at, 0).astype(u)) & u.type(1)).astype(bool)
    kept = np.minimum(n, np.maximum(bits - p, 0))
    low = np.where(kept >= bits, u.type(np.iinfo(u).max), (u.type(1) << np.minimum(kept, bits - 1).astype(u)) - u.type(1))
    return np.where(sign, (shifted & low) | ~low, shifted & low).astype(u).view(a.dtype)


def insert(a: Any, b: Any, position: Any, length: Any) -> Any:
    """bfi: the low bits of a into b."""
    bits = 8 * a.dtype.itemsize
    u = a.dtype
    p = np.minimum(position & np.uint32(0xFF), bits)
    n = np.minimum(length & np.uint32(0xFF), bits)
    ones = np.where(n >= bits, u.type(np.iinfo(u).max), (u.type(1) << np.minimum(n, bits - 1).astype(u)) - u.type(1))
    mask = shift_left(ones.astype(u), np.asarray(p, U32)[()])
    return (shift_left(a, np.asarray(p, U32)[()]) & mask) | (b & ~mask)


def permute(a: Any, b: Any, selector: Any) -> Any:
    """prmt: bytes of the eight in (b, a), the highest bit of a selector repeats the byte's sign."""
    both = (b.astype(U64) << _32) | a.astype(U64)
    out: Any = np.uint32(0)
    for k in range(4):
        s = (selector >> np.uint32(4 * k)) & np.uint32(15)
        byte = (both >> ((s & np.uint32(7)).astype(U64) * np.uint64(8))).astype(U32) & np.uint32(255)
        sign = np.where(byte & np.uint32(128), np.uint32(255), np.uint32(0))
        byte = np.where(s & np.uint32(8), sign, byte)
        out = out | (byte << np.uint32(8 * k))
    return out.astype(U32)


def truth_table(a: Any, b: Any, d: Any, table: int) -> Any:
    """lop3."""
    out: Any = np.zeros_like(a)
    for k in range(8):
        if table >> k & 1:
            out = out | ((a if k & 4 else ~a) & (b if k & 2 else ~b) & (d if k & 1 else ~d))
    return out


_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
}  # fmt: skip
for _name, _f in _BINARY.items():

    def _bits(c: Context, i: Instruction, f: Any = _f) -> Op:
        return elementwise(c, i, f, (i.type, i.type), i.type)

    instruction(_name)(_bits)


@instruction("not")
def _not(c: Context, i: Instruction) -> Op:
    return elementwise(c, i, np.invert, (i.type,), i.type)


@instruction("cnot")
def _cnot(c: Context, i: Instruction) -> Op:
    return elementwise(c, i, lambda a: (a == 0).astype(a.dtype), (i.type,), i.type)


@instruction("shl")
def _shl(c: Context, i: Instruction) -> Op:
    return elementwise(c, i, shift_left, (i.type, "u32"), i.type)


@instruction("shr")
def _shr(c: Context, i: Instruction) -> Op:
    return elementwise(c, i, shift_right, (i.type, "u32"), i.type)


@instruction("shf")
def _shf(c: Context, i: Instruction) -> Op:
    return elementwise(c, i, funnel(i.modifiers[1], i.modifiers[0] == "l"), ("u32",) * 3, "u32")


@instruction("popc")
def _popc(c: Context, i: Instruction) -> Op:
    return elementwise(c, i, popcount, (i.type,), "u32")


@instruction("clz")
def _clz(c: Context, i: Instruction) -> Op:
    bits = 8 * DTYPES[i.type].itemsize
    return elementwise(c, i, lambda a: (bits - 1 - highest(a)).astype(U32), (i.type,), "u32")


@instruction("bfind")
def _bfind(c: Context, i: Instruction) -> Op:
    bits = 8 * DTYPES[i.type].itemsize
    amount = "shiftamt" in i.modifiers

    def f(a: Any) -> Any:
        u = UNSIGNED[a.dtype.itemsize]
        a = np.where(a < 0, ~a, a).view(u) if a.dtype.kind == "i" else a
        h = highest(a)
        return np.where((h >= 0) & amount, bits - 1 - h, h).astype(np.int32).view(U32)

    return elementwise(c, i, f, (i.type,), "u32")


@instruction("brev")
def _brev(c: Context, i: Instruction) -> Op:
    return elementwise(c, i, reverse, (i.type,), i.type)


@instruction("bfe")
def _bfe(c: Context, i: Instruction) -> Op:
    return elementwise(c, i, extract, (i.type, "u32", "u32"), i.type)


@instruction("bfi")
def _bfi(c: Context, i: Instruction) -> Op:
    return elementwise(c, i, insert, (i.type, i.type, "u32", "u32"), i.type)


@instruction("prmt")
def _prmt(c: Context, i: Instruction) -> Op:
    if i.modifiers != ("b32",):
        raise unsupported(i)
    return elementwise(c, i, permute, ("b32",) * 3, "b32")


@instruction("lop3")
def _lop3(c: Context, i: Instruction) -> Op:
    table = getattr(i.operands[4], "bits", None)
    if table is None or isinstance(i.operands[0], Pair):
        raise unsupported(i)
    return elementwise(
        c, i, lambda a, b, d: truth_table(a, b, d, table), ("b32",) * 3, "b32"
    )


@instruction("mad", "mul24", "mad24")
def _mad(c: Context, i: Instruction) -> Op:
    mode, kind = i.modifiers[0], i.type
    if i.opcode != "mad" or mode not in ("lo", "hi", "wide") or len(i.modifiers) != 2:
        raise unsupported(i)
    if mode == "wide":
        result = kind[0] + str(16 * DTYPES[kind].itemsize)
        return elementwise(c, i, lambda a, b, d: wide(a, b) + d, (kind, kind, result), result)
    if mode == "lo":
        kind = unsigned(kind)
        return elementwise(c, i, lambda a, b, d: a * b + d, (kind,) * 3, kind)
    return elementwise(c, i, lambda a, b, d: high(a, b) + d, (kind,) * 3, kind)


@instruction("sad")
def _sad(c: Context, i: Instruction) -> Op:
    return elementwise(c, i, lambda a, b, d: np.where(a < b, b - a, a - b) + d, (i.type,) * 3, i.type)


@instruction("dp4a")
def _dp4a(c: Context, i: Instruction) -> Op:
    ta, tb = i.modifiers[-2:]

    def f(a: Any, b: Any, d: Any) -> Any:
        out = d
        for k in range(4):
            x = (a >> np.uint32(8 * k)).astype(np.uint8)
            y = (b >> np.uint32(8 * k)).astype(np.uint8)
            x = x.view(np.int8) if ta == "s32" else x
            y = y.view(np.int8) if tb == "s32" else y
            out = out + (x.astype(np.int32) * y.astype(np.int32)).view(U32)
        return out

    return elementwise(c, i, f, ("b32",) * 3, "b32")


@instruction("addc", "subc", "madc")
def _with_carry(c: Context, i: Instruction) -> Op:
    return carrying(c, i, True)


def carrying(c: Context, i: Instruction, comes: bool) -> Op:
    """add.cc, addc, addc.cc, sub.cc, subc, subc.cc: the carry is the predicate "%cc"."""
    kind = unsigned(i.type)
    goes = "cc" in i.modifiers
    opcode = i.opcode.rstrip("c")
    if opcode not in ("add", "sub"):
        raise unsupported(i)
    a, b = c.source(i.operands[1], kind), c.source(i.operands[2], kind)
    put = c.target(i.operands[0], kind)
    carry = c.register("%cc")

    def op(m: Any, L: list[Any]) -> None:
        x, y = a(L), b(L)
        if opcode == "add":
            total = x + y
            over = total < x
            if comes:
                one = L[carry].astype(x.dtype)
                total = total + one
                over = over | (total < one)
        else:
            total = x - y
            over = x < y
            if comes:
                one = L[carry].astype(x.dtype)
                over = over | (total < one)
                total = total - one
        put(L, total)
        if goes:
            L[carry] = over

    return op


def packed16(f: Callable[[Any, Any], Any], signed: bool) -> Callable[[Any, Any], Any]:
    dtype = np.int16 if signed else np.uint16

    def g(a: Any, b: Any) -> Any:
        halves = []
        for k in (0, 16):
            x = (a >> np.uint32(k)).astype(np.uint16).view(dtype)
            y = (b >> np.uint32(k)).astype(np.uint16).view(dtype)
            halves.append(f(x, y).view(np.uint16).astype(U32))
        return halves[0] | (halves[1] << np.uint32(16))

    return g


def build(c: Context, i: Instruction) -> Op:
    """add, sub, mul, div, rem, abs, neg, min, max of integers."""
    kind = i.type
    opcode, mods = i.opcode, i.modifiers[:-1]
    if kind in ("u16x2", "s16x2"):
        f: Any = {"add": np.add, "min": np.minimum, "max": np.maximum}.get(opcode)
        if f is None or mods:
            raise unsupported(i)
        return elementwise(c, i, packed16(f, kind[0] == "s"), (kind, kind), kind)
    u = unsigned(kind)
    if "cc" in mods:
        return carrying(c, i, False)
    if opcode in ("add", "sub") and not mods:
        return elementwise(c, i, np.add if opcode == "add" else np.subtract, (u, u), u)
    if opcode in ("add", "sub") and mods == ("sat",) and kind == "s32":
        return elementwise(c, i, saturated(np.add if opcode == "add" else np.subtract), (kind, kind), kind)
    if opcode == "mul":
        if mods == ("lo",):
            return elementwise(c, i, np.multiply, (u, u), u)
        if mods == ("hi",):
            return elementwise(c, i, high, (kind, kind), kind)
        if mods == ("wide",):
            return elementwise(c, i, wide, (kind, kind), kind[0] + str(16 * DTYPES[kind].itemsize))
    if not mods or mods == ("relu",):
        relu = bool(mods)
        binary: Any = {"div": divide, "rem": remainder, "min": np.minimum, "max": np.maximum}.get(opcode)
        if binary is not None:
            if relu:
                return elementwise(c, i, lambda a, b: np.maximum(binary(a, b), a.dtype.type(0)), (kind, kind), kind)
            return elementwise(c, i, binary, (kind, kind), kind)
        if opcode == "neg":
            return elementwise(c, i, lambda a: a.dtype.type(0) - a, (u,), u)
        if opcode == "abs":
            return elementwise(c, i, lambda a: np.where(a < 0, a.dtype.type(0) - a, a), (kind,), kind)
    raise unsupported(i)
