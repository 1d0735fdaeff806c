"""Instructions on the bits of integers: counts, fields, permutations, funnel shifts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .integers import U32, U64, shift_left, shift_right
from .ptx import Instruction, Pair
from .values import DTYPES, UNSIGNED, Context, Op, elementwise, instruction, unsupported

_32 = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


def funnel(mode: str, left: bool) -> Callable[[Any, Any, Any], Any]:
    def f(a: Any, b: Any, n: Any) -> Any:
        n = n & np.uint32(31) if mode == "wrap" else np.minimum(n, np.uint32(32))
        both = (b.astype(U64) << _32) | a.astype(U64)
        if left:
            # A shift by 32 in mode clamp leaves a.
            return (
                (both << n.astype(U64) >> _32).astype(U32)
                if mode == "wrap"
                else np.where(
                    n == 32, a, (both << (n & np.uint32(31)).astype(U64) >> _32).astype(U32)
                )
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
    low = np.where(
        n >= bits,
        u.type(np.iinfo(u).max),
        (u.type(1) << np.minimum(n, bits - 1).astype(u)) - u.type(1),
    )
    if a.dtype.kind == "u":
        return (shifted & low).astype(u)
    # The sign is the field's highest bit, or the word's where the field goes beyond it.
    at = np.minimum(p + n - 1, bits - 1)
    sign = np.where(n == 0, 0, (a.view(u) >> np.maximum(at, 0).astype(u)) & u.type(1)).astype(bool)
    kept = np.minimum(n, np.maximum(bits - p, 0))
    low = np.where(
        kept >= bits,
        u.type(np.iinfo(u).max),
        (u.type(1) << np.minimum(kept, bits - 1).astype(u)) - u.type(1),
    )
    return np.where(sign, (shifted & low) | ~low, shifted & low).astype(u).view(a.dtype)


def insert(a: Any, b: Any, position: Any, length: Any) -> Any:
    """bfi: the low bits of a into b."""
    bits = 8 * a.dtype.itemsize
    u = a.dtype
    p = np.minimum(position & np.uint32(0xFF), bits)
    n = np.minimum(length & np.uint32(0xFF), bits)
    ones = np.where(
        n >= bits,
        u.type(np.iinfo(u).max),
        (u.type(1) << np.minimum(n, bits - 1).astype(u)) - u.type(1),
    )
    mask = shift_left(ones.astype(u), np.asarray(p, U32)[()])
    return (shift_left(a, np.asarray(p, U32)[()]) & mask) | (b & ~mask)


def permute(a: Any, b: Any, selector: Any) -> Any:
    """prmt: bytes of the eight in (b, a), the highest bit of a selector repeats the byte's sign."""
    both = (b.astype(U64) << _32) | a.astype(U64)
    out: Any = np.uint32(0)
    for k in range(4):
        s = (selector >> np.uint32(4 * k)) & np.uint32(15)
        byte = (both >> ((s & np.uint32(7)).astype(U64) * np.uint64(8))).astype(U32) & np.uint32(
            255
        )
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
    return elementwise(c, i, lambda a, b, d: truth_table(a, b, d, table), ("b32",) * 3, "b32")
