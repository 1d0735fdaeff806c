"""Instructions on float16 and bfloat16 numbers, single and in pairs.

Operations are done in float64, where sums and products of two are exact or rounded to odd, and
rounded once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .ptx import Instruction
from .rounding import add_odd, from_bf16, multiply_add_odd, to_bf16, to_f16
from .values import Context, Op, elementwise, unsupported

F64 = np.dtype(np.float64)
U16, U32 = np.dtype(np.uint16), np.dtype(np.uint32)


def widened(bits: Any, brain: bool) -> Any:
    """The bits as float64."""
    bits = np.asarray(bits, U16)
    return (from_bf16(bits) if brain else bits.view(np.float16)).astype(F64)


def narrowed(x: Any, brain: bool) -> Any:
    """float64 to bits."""
    return to_bf16(x) if brain else to_f16(x).view(U16)


def compared(kind: str) -> tuple[Callable[[Any], Any] | None, str]:
    """How numbers are read to be compared: a conversion after reading, and the type to read."""
    if kind == "bf16":
        return from_bf16, "bf16"
    return None, kind


def _exact(opcode: str) -> Callable[..., Any]:
    from .floats import maximum, minimum

    functions: dict[str, Callable[..., Any]] = {
        "add": add_odd,
        "sub": lambda a, b: add_odd(a, -b),
        "mul": np.multiply,
        "fma": multiply_add_odd,
        "min": minimum,
        "max": maximum,
    }
    return functions[opcode]


def _lanes(c: Context, i: Instruction, f: Callable[..., Any], count: int) -> Op:
    """f of bits of 16 bits, on one number or on both of a pair."""
    kind = i.type
    if not kind.endswith("x2"):
        return elementwise(c, i, f, ("b16",) * count, "b16")

    def both(*args: Any) -> Any:
        low = f(*[a.astype(U16) for a in args]).astype(U32)
        high = f(*[(a >> np.uint32(16)).astype(U16) for a in args]).astype(U32)
        return low | (high << np.uint32(16))

    return elementwise(c, i, both, ("b32",) * count, "b32")


def build(c: Context, i: Instruction) -> Op:
    """add, sub, mul, fma, min, max, neg, abs."""
    brain = i.type.startswith("bf16")
    opcode = i.opcode
    if opcode in ("neg", "abs"):
        mask = np.uint16(0x8000)
        return _lanes(c, i, (lambda a: a ^ mask) if opcode == "neg" else (lambda a: a & ~mask), 1)
    if opcode not in ("add", "sub", "mul", "fma", "min", "max"):
        raise unsupported(i)
    known = {"rn", "ftz", "sat", "relu", "NaN", i.type}
    if not known.issuperset(i.modifiers):
        raise unsupported(i)
    f = _exact(opcode)
    ftz, sat, relu, nan = (m in i.modifiers for m in ("ftz", "sat", "relu", "NaN"))
    tiny = 2.0**-126 if brain else 2.0**-14

    def flush(x: Any) -> Any:
        return np.where(np.abs(x) < tiny, np.copysign(0.0, x), x) if ftz else x

    def g(*bits: Any) -> Any:
        args = [flush(widened(b, brain)) for b in bits]
        x = f(*args)
        if nan:
            x = np.where(np.isnan(args[0]) | np.isnan(args[1]), np.nan, x)
        if sat:
            x = np.where(np.isnan(x), 0.0, np.clip(x, 0.0, 1.0))
        if relu:
            x = np.where(np.isnan(x), x, np.maximum(x, 0.0))
        return narrowed(flush(x), brain)

    return _lanes(c, i, g, 3 if opcode == "fma" else 2)


def unary(c: Context, i: Instruction, f: Callable[[Any], Any]) -> Op:
    """ex2 and tanh."""
    brain = i.type.startswith("bf16")
    return _lanes(c, i, lambda b: narrowed(f(widened(b, brain)), brain), 1)
