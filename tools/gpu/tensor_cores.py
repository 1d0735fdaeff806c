"""Tensor cores: mma.sync, ldmatrix, stmatrix, movmatrix, with the fragments' layouts of the PTX ISA.

In a warp, a thread's `group` is lane // 4 and its `place` lane % 4. Products are exact, sums are done in
float64 and rounded once: the hardware rounds more, in ways that are not written anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .accesses import address
from .errors import SimulationError
from .ptx import Instruction, Vector
from .rounding import from_bf16, to_f16
from .values import Context, Get, Op, Put, Registers, instruction, unsupported

F64 = np.dtype(np.float64)
Array = Any
LANES = np.arange(32)
GROUP, PLACE = LANES // 4, LANES % 4


def _rows(i: Instruction, m: Any) -> int:
    """How many warps are there; all their lanes must be."""
    act = m.active
    if not act.whole_warps:
        raise m.fault(SimulationError("not all lanes of a warp are there"), i, 0)
    return int(act.n) // 32


def _by_warp(value: Array, warps: int) -> Array:
    return np.broadcast_to(value, (warps * 32,)).reshape(warps, 32)


def halves_of(kind: str) -> Callable[[Array], tuple[Array, Array]]:
    """The two numbers of a register, as float64."""

    def split(bits: Array) -> tuple[Array, Array]:
        low, high = bits.astype(np.uint16), (bits >> np.uint32(16)).astype(np.uint16)
        if kind == "bf16":
            return from_bf16(low).astype(F64), from_bf16(high).astype(F64)
        return low.view(np.float16).astype(F64), high.view(np.float16).astype(F64)

    return split


def a_places(m: int, k: int, bits: int) -> list[tuple[Array, Array]]:
    """Row and column of every element of A that a thread holds, in order, for each lane."""
    out = []
    if bits == 16:
        for register in range(m * k // 64):
            for half in range(2):
                out.append((GROUP + 8 * (register % 2), 2 * PLACE + half + 8 * (register // 2)))
        return out
    if bits == 8:
        for register in range(m * k // 128):
            for part in range(4):
                out.append((GROUP + 8 * (register % 2), 4 * PLACE + part + 16 * (register // 2)))
        return out
    if m == 8:
        return [(GROUP, PLACE)]
    return [(GROUP + 8 * (n % 2), PLACE + 4 * (n // 2)) for n in range(m * k // 32)]


def b_places(k: int, bits: int) -> list[tuple[Array, Array]]:
    if bits == 16:
        return [
            (2 * PLACE + half + 8 * register, GROUP)
            for register in range(k * 8 // 64)
            for half in range(2)
        ]
    if bits == 8:
        return [
            (4 * PLACE + part + 16 * register, GROUP)
            for register in range(k * 8 // 128)
            for part in range(4)
        ]
    return [(PLACE + 4 * n, GROUP) for n in range(k * 8 // 32)]


def c_places(m: int) -> list[tuple[Array, Array]]:
    return [(GROUP + 8 * (n // 2), 2 * PLACE + n % 2) for n in range(m * 8 // 32)]


_SHAPES: dict[tuple[str, str], int] = {
    ("m16n8k16", "f16"): 80, ("m16n8k8", "f16"): 75, ("m16n8k16", "bf16"): 80, ("m16n8k8", "bf16"): 80,
    ("m16n8k8", "tf32"): 80, ("m16n8k4", "tf32"): 80, ("m8n8k4", "f64"): 80,
    ("m16n8k32", "s8"): 80, ("m16n8k16", "s8"): 80,
    ("m16n8k32", "u8"): 80, ("m16n8k16", "u8"): 80,
}  # fmt: skip
"""What there is, and from which compute capability on."""


@instruction("mma")
def _mma(c: Context, i: Instruction) -> Op:
    mods = [x for x in i.modifiers if x not in ("sync", "aligned", "satfinite")]
    if len(mods) != 7 or mods[1:3] != ["row", "col"]:
        raise unsupported(i)
    shape, _, _, d_kind, a_kind, b_kind, c_kind = mods
    needs = _SHAPES.get((shape, a_kind))
    if needs is None or a_kind[-2:] != b_kind[-2:] or d_kind != c_kind:
        raise unsupported(i)
    c.requires(needs, i)
    m, k = int(shape[1 : shape.index("n")]), int(shape[shape.index("k") + 1 :])
    if a_kind in ("s8", "u8"):
        return _integers(c, i, m, k, a_kind, b_kind)
    bits = {"f16": 16, "bf16": 16, "tf32": 32, "f64": 64}[a_kind]
    per_register = 2 if bits == 16 else 1
    wide = "b64" if bits == 64 else "b32"
    a_gets, b_gets = (_gets(c, o, wide) for o in i.operands[1:3])
    pa, pb, pc = a_places(m, k, bits), b_places(k, bits), c_places(m)
    pairs = c_kind == "f16"
    held = "b32" if pairs or c_kind == "s32" else c_kind
    c_gets = _gets(c, i.operands[3], held)
    puts = _puts(c, i.operands[0], held)
    if (len(a_gets), len(b_gets)) != (len(pa) // per_register, len(pb) // per_register):
        raise unsupported(i)
    if len(c_gets) != len(pc) // (2 if pairs else 1) or len(puts) != len(c_gets):
        raise unsupported(i)
    split = halves_of(a_kind) if bits == 16 else None
    zeros = np.uint32(0xFFFFE000)

    def elements(gets: list[Get], L: Registers, warps: int) -> list[Array]:
        out: list[Array] = []
        for get in gets:
            value = _by_warp(get(L), warps)
            if split is not None:
                out += split(value)
            elif bits == 32:
                out.append((value & zeros).view(np.float32).astype(F64))
            else:
                out.append(value.view(F64))
        return out

    def op(machine: Any, L: Registers) -> None:
        warps = _rows(i, machine)
        A, B = np.empty((warps, m, k)), np.empty((warps, k, 8))
        for (row, column), value in zip(pa, elements(a_gets, L, warps)):
            A[:, row, column] = value
        for (row, column), value in zip(pb, elements(b_gets, L, warps)):
            B[:, row, column] = value
        C = np.empty((warps, m, 8))
        sums: list[Array] = []
        for get in c_gets:
            value = _by_warp(get(L), warps)
            sums += halves_of("f16")(value) if pairs else [value.astype(F64)]
        for (row, column), value in zip(pc, sums):
            C[:, row, column] = value
        D = A @ B + C
        made = [D[:, row, column].ravel() for row, column in pc]
        if pairs:
            for n, put in enumerate(puts):
                low, high = (
                    to_f16(x).view(np.uint16).astype(np.uint32) for x in made[2 * n : 2 * n + 2]
                )
                put(L, low | (high << np.uint32(16)))
            return
        for put, value in zip(puts, made):
            put(L, value.astype(np.float32 if c_kind == "f32" else F64))

    return op


def _integers(c: Context, i: Instruction, m: int, k: int, a_kind: str, b_kind: str) -> Op:
    a_gets, b_gets, c_gets = (
        _gets(c, o, kind) for o, kind in zip(i.operands[1:4], ("b32", "b32", "s32"))
    )
    puts = _puts(c, i.operands[0], "s32")
    pa, pb, pc = a_places(m, k, 8), b_places(k, 8), c_places(m)

    def bytes_of(gets: list[Get], kind: str, L: Registers, warps: int) -> list[Array]:
        out = []
        for get in gets:
            value = _by_warp(get(L), warps)
            for part in range(4):
                byte = (value >> np.uint32(8 * part)).astype(np.uint8)
                out.append(byte.view(np.int8) if kind == "s8" else byte)
        return out

    def op(machine: Any, L: Registers) -> None:
        warps = _rows(i, machine)
        A, B = np.empty((warps, m, k), np.int32), np.empty((warps, k, 8), np.int32)
        for (row, column), value in zip(pa, bytes_of(a_gets, a_kind, L, warps)):
            A[:, row, column] = value
        for (row, column), value in zip(pb, bytes_of(b_gets, b_kind, L, warps)):
            B[:, row, column] = value
        D = A @ B
        for (row, column), get, put in zip(pc, c_gets, puts):
            put(L, (D[:, row, column] + _by_warp(get(L), warps)).ravel().astype(np.int32))

    return op


def _gets(c: Context, o: Any, kind: str) -> list[Get]:
    items = o.items if isinstance(o, Vector) else (o,)
    return [c.source(x, kind) for x in items]


def _puts(c: Context, o: Any, kind: str) -> list[Put]:
    items = o.items if isinstance(o, Vector) else (o,)
    return [c.target(x, kind) for x in items]


def _matrices(i: Instruction) -> int:
    return int(next(x for x in i.modifiers if x in ("x1", "x2", "x4"))[1:])


def _check_matrix(c: Context, i: Instruction) -> None:
    c.requires(90 if i.opcode == "stmatrix" else 75, i)
    if "m8n8" not in i.modifiers or i.type != "b16":
        raise unsupported(i)


@instruction("ldmatrix")
def _ldmatrix(c: Context, i: Instruction) -> Op:
    _check_matrix(c, i)
    count, transposed = _matrices(i), "trans" in i.modifiers
    puts = _puts(c, i.operands[0], "b32")
    where = address(c, i.operands[1])
    if len(puts) != count:
        raise unsupported(i)

    def op(m: Any, L: Registers) -> None:
        warps = _rows(i, m)
        starts = _by_warp(where(L), warps)
        outer = m.active
        made = []
        for k in range(count):
            rows = starts[:, 8 * k : 8 * k + 8]
            m.aligned(i, rows, 16)
            if not transposed:
                at = rows[:, GROUP] + (4 * PLACE).astype(np.uint64)
                made.append(m.load(i, "shared", at.ravel(), 4, 1)[0])
                continue
            low, high = (rows[:, 2 * PLACE + h] + (2 * GROUP).astype(np.uint64) for h in (0, 1))
            a, b = (m.load(i, "shared", x.ravel(), 2, 1)[0].astype(np.uint32) for x in (low, high))
            made.append(a | (b << np.uint32(16)))
        m.active = outer
        for put, value in zip(puts, made):
            put(L, value)

    return op


@instruction("stmatrix")
def _stmatrix(c: Context, i: Instruction) -> Op:
    _check_matrix(c, i)
    count, transposed = _matrices(i), "trans" in i.modifiers
    where = address(c, i.operands[0])
    gets = _gets(c, i.operands[1], "b32")

    def op(m: Any, L: Registers) -> None:
        warps = _rows(i, m)
        starts = _by_warp(where(L), warps)
        for k, get in zip(range(count), gets):
            rows = starts[:, 8 * k : 8 * k + 8]
            m.aligned(i, rows, 16)
            value = _by_warp(get(L), warps).ravel()
            if not transposed:
                at = rows[:, GROUP] + (4 * PLACE).astype(np.uint64)
                m.store(i, "shared", at.ravel(), [value], 4)
                continue
            for h in (0, 1):
                at = rows[:, 2 * PLACE + h] + (2 * GROUP).astype(np.uint64)
                m.store(
                    i, "shared", at.ravel(), [(value >> np.uint32(16 * h)).astype(np.uint16)], 2
                )

    return op


@instruction("movmatrix")
def _movmatrix(c: Context, i: Instruction) -> Op:
    put, get = c.target(i.operands[0], "b32"), c.source(i.operands[1], "b32")

    def op(m: Any, L: Registers) -> None:
        warps = _rows(i, m)
        value = _by_warp(get(L), warps)
        matrix = np.empty((warps, 8, 8), np.uint16)
        matrix[:, GROUP, 2 * PLACE] = value.astype(np.uint16)
        matrix[:, GROUP, 2 * PLACE + 1] = (value >> np.uint32(16)).astype(np.uint16)
        low, high = matrix[:, 2 * PLACE, GROUP], matrix[:, 2 * PLACE + 1, GROUP]
        put(L, (low.astype(np.uint32) | (high.astype(np.uint32) << np.uint32(16))).ravel())

    return op
