"""Instructions of whole warps: shfl, vote, match, redux, elect.

All threads that an instruction names have come when it runs (the machine sees to it).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .bits import popcount
from .ptx import Immediate, Instruction, Negated, Operand, Pair, Register
from .values import DTYPES, Context, Get, Op, Registers, instruction, unsupported

U32, I64 = np.dtype(np.uint32), np.dtype(np.int64)


def member_operand(i: Instruction) -> Operand | None:
    """The operand that names the lanes; None where it is all of them."""
    if i.opcode in ("shfl", "vote", "match", "redux"):
        return i.operands[-1]
    if i.opcode == "elect" or i.opcode == "bar":
        return i.operands[-1]
    return None


def member_mask(c: Context, i: Instruction) -> Get | None:
    o = member_operand(i)
    if o is None or isinstance(o, Immediate) and o.bits & 0xFFFFFFFF == 0xFFFFFFFF:
        return None
    return c.source(o, "b32")


@instruction("shfl")
def _shfl(c: Context, i: Instruction) -> Op:
    if i.modifiers[0] != "sync" or i.type != "b32":
        raise unsupported(i)
    mode = i.modifiers[1]
    results = i.operands[0]
    first, second = (
        (results.first, results.second) if isinstance(results, Pair) else (results, None)
    )
    put = c.target(first, "b32")
    put2 = c.target(second, "pred") if second is not None else None
    a, b, clamp = (
        c.source(i.operands[1], "b32"),
        c.source(i.operands[2], "u32"),
        c.source(i.operands[3], "u32"),
    )

    def op(m: Any, L: Registers) -> None:
        act = m.active
        lane = act.lane
        j0, cl = b(L).astype(I64) & 31, clamp(L).astype(I64)
        limit, segment = cl & 31, (cl >> 8) & 31
        lowest = lane & segment
        highest = lowest | (limit & ~segment)
        if mode == "up":
            j = lane - j0
            inside = j >= highest
        else:
            j = (
                lane + j0
                if mode == "down"
                else lane ^ j0
                if mode == "bfly"
                else lowest | (j0 & ~segment)
            )
            inside = j <= highest
        j = np.where(inside, j, lane)
        value = a(L)
        if value.ndim == 0:
            value = np.full(act.n, value)
        place = act.places.take(act.warp * 32 + j)
        got = value.take(np.maximum(place, 0))
        absent = place < 0
        if absent.any():  # a lane that is not there: anything
            got[absent] = np.uint32(0xDEADBEEF)
        put(L, got)
        if put2 is not None:
            put2(L, inside)

    return op


def _ballots(act: Any, p: Any) -> Any:
    """For each thread the lanes of its warp with p, as bits."""
    bits = np.zeros(act.warps, U32)
    p = np.broadcast_to(p, (act.n,))
    np.bitwise_or.at(bits, act.warp[p], np.uint32(1) << act.lane[p].astype(U32))
    return bits[act.warp]


@instruction("vote")
def _vote(c: Context, i: Instruction) -> Op:
    if i.modifiers[0] != "sync":
        raise unsupported(i)
    mode = i.modifiers[1]
    p = c.source(i.operands[1], "pred")
    mask = c.source(i.operands[-1], "b32")
    put = c.target(i.operands[0], "b32" if mode == "ballot" else "pred")

    def op(m: Any, L: Registers) -> None:
        act = m.active
        named = mask(L)
        yes = _ballots(act, p(L)) & named
        if mode == "ballot":
            put(L, yes)
            return
        here = act.masks() & named
        if mode == "all":
            put(L, yes == here)
        elif mode == "any":
            put(L, yes != 0)
        elif mode == "uni":
            put(L, (yes == 0) | (yes == here))
        else:
            raise unsupported(i)

    return op


def _grouped(act: Any, value: Any) -> tuple[Any, Any]:
    """The values as (warps, 32), and which are there."""
    table = np.zeros((act.warps, 32), value.dtype)
    there = np.zeros((act.warps, 32), bool)
    table[act.warp, act.lane] = value
    there[act.warp, act.lane] = True
    return table, there


@instruction("match")
def _match(c: Context, i: Instruction) -> Op:
    mode, kind = i.modifiers[0], i.type
    a = c.source(i.operands[1], kind)
    mask = c.source(i.operands[-1], "b32")
    results = i.operands[0]
    first, second = (
        (results.first, results.second) if isinstance(results, Pair) else (results, None)
    )
    put = c.target(first, "b32")
    put2 = c.target(second, "pred") if second is not None else None

    def op(m: Any, L: Registers) -> None:
        act = m.active
        table, there = _grouped(act, a(L))
        same = (table[act.warp] == np.broadcast_to(a(L), (act.n,))[:, None]) & there[act.warp]
        bits = (same.astype(np.uint64) << np.arange(32, dtype=np.uint64)).sum(1).astype(U32) & mask(
            L
        )
        if mode == "any":
            put(L, bits)
            return
        whole = bits == (act.masks() & mask(L))
        put(L, np.where(whole, bits, np.uint32(0)))
        if put2 is not None:
            put2(L, whole)

    return op


@instruction("redux")
def _redux(c: Context, i: Instruction) -> Op:
    operation, kind = i.modifiers[1], i.type
    c.requires(80, i)
    f: Any = {"add": np.add, "min": np.minimum, "max": np.maximum, "and": np.bitwise_and,
              "or": np.bitwise_or, "xor": np.bitwise_xor}[operation]  # fmt: skip
    if kind[0] == "f":
        raise unsupported(i)
    a = c.source(i.operands[1], kind)
    put = c.target(i.operands[0], kind)
    dtype = DTYPES[kind]
    info = np.iinfo(dtype)
    start = {"min": info.max, "max": info.min, "and": -1 if dtype.kind == "i" else info.max}.get(
        operation, 0
    )

    def op(m: Any, L: Registers) -> None:
        act = m.active
        totals = np.full(act.warps, start, dtype)
        f.at(totals, act.warp, np.broadcast_to(a(L), (act.n,)))
        put(L, totals[act.warp])

    return op


@instruction("elect")
def _elect(c: Context, i: Instruction) -> Op:
    results = i.operands[0]
    first, second = (
        (results.first, results.second) if isinstance(results, Pair) else (results, None)
    )
    put = c.target(first, "b32")
    put2 = c.target(second, "pred") if second is not None else None
    mask = c.source(i.operands[-1], "b32")

    def op(m: Any, L: Registers) -> None:
        act = m.active
        here = act.masks() & mask(L)
        leader = popcount((here & (~here + np.uint32(1))) - np.uint32(1))
        put(L, leader)
        if put2 is not None:
            put2(L, act.lane.astype(U32) == leader)

    return op


@instruction("bar")
def _bar_warp(c: Context, i: Instruction) -> Op:
    return lambda m, L: m.warp_barrier()


__all__ = ["Negated", "Register", "member_mask"]
