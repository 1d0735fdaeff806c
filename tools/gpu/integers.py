"""Integer and logical instructions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .ptx import Instruction
from .values import DTYPES, Context, Op, elementwise, instruction, unsupported

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
        return np.clip(f(a.astype(np.int64), b.astype(np.int64)), -(1 << 31), (1 << 31) - 1).astype(
            np.int32
        )

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
    return elementwise(
        c, i, lambda a, b, d: np.where(a < b, b - a, a - b) + d, (i.type,) * 3, i.type
    )


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
        return elementwise(
            c, i, saturated(np.add if opcode == "add" else np.subtract), (kind, kind), kind
        )
    if opcode == "mul":
        if mods == ("lo",):
            return elementwise(c, i, np.multiply, (u, u), u)
        if mods == ("hi",):
            return elementwise(c, i, high, (kind, kind), kind)
        if mods == ("wide",):
            return elementwise(c, i, wide, (kind, kind), kind[0] + str(16 * DTYPES[kind].itemsize))
    if not mods or mods == ("relu",):
        relu = bool(mods)
        binary: Any = {"div": divide, "rem": remainder, "min": np.minimum, "max": np.maximum}.get(
            opcode
        )
        if binary is not None:
            if relu:
                return elementwise(
                    c, i, lambda a, b: np.maximum(binary(a, b), a.dtype.type(0)), (kind, kind), kind
                )
            return elementwise(c, i, binary, (kind, kind), kind)
        if opcode == "neg":
            return elementwise(c, i, lambda a: a.dtype.type(0) - a, (u,), u)
        if opcode == "abs":
            return elementwise(
                c, i, lambda a: np.where(a < 0, a.dtype.type(0) - a, a), (kind,), kind
            )
    raise unsupported(i)
