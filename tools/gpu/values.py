"""How instructions read operands and write results: registers as arrays over threads.

The registers of the threads that run an instruction are a list `L`, one entry a register: an array
with one element a thread, or a NumPy scalar where all threads have the same. Registers hold unsigned
integers, predicates booleans. An array that was put into a register belongs to it alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import Unsupported
from .ptx import SIZES, Immediate, Instruction, Negated, Operand, Register, Sink, Special, Symbol

Registers = list[Any]
Get = Callable[[Registers], Any]
Put = Callable[[Registers, Any], None]

_NUMPY = {
    "b8": "u1", "u8": "u1", "s8": "i1", "b16": "u2", "u16": "u2", "s16": "i2", "f16": "f2", "bf16": "u2",
    "b32": "u4", "u32": "u4", "s32": "i4", "f32": "f4", "tf32": "u4", "f16x2": "u4", "bf16x2": "u4",
    "b64": "u8", "u64": "u8", "s64": "i8", "f64": "f8", "pred": "?", "f32x2": "u8", "u16x2": "u4", "s16x2": "u4",
    "e4m3x2": "u2", "e5m2x2": "u2", "b128": "u8",
}  # fmt: skip

DTYPES = {name: np.dtype(code) for name, code in _NUMPY.items()}
"""What a type of PTX is in NumPy. bfloat16 and pairs are their bits."""

UNSIGNED = {k: np.dtype(f"u{k}") for k in (1, 2, 4, 8)}


class Context:
    """What the builder of an instruction knows: the registers' numbers and the variables' addresses."""

    dead: frozenset[str] | set[str] = frozenset()
    """Results of the instruction that is built which nobody reads."""

    def __init__(
        self,
        numbers: dict[str, int],
        kinds: dict[str, str],
        symbols: dict[str, int],
        capability: int = 90,
    ) -> None:
        self.numbers = numbers
        self.capability = capability
        """Of the architecture that the text is for."""
        self.kinds = kinds
        self.symbols = symbols
        """Addresses of shared and local variables. Others are registers "&name"."""

    def requires(self, capability: int, i: Instruction) -> None:
        """Refuse what the architecture of the text does not have."""
        if self.capability < capability:
            raise Unsupported(f"sm_{self.capability} has no {i.text} (sm_{capability} has)")

    def register(self, name: str) -> int:
        number = self.numbers.get(name)
        if number is None:
            raise Unsupported(f"the register {name} is not known")
        return number

    def source(self, o: Operand, kind: str) -> Get:
        """A function of L that gives the operand as the type's NumPy dtype."""
        dtype = DTYPES[kind]
        match o:
            case Immediate():
                value = immediate(o, kind)
                return lambda L: value
            case Negated(of):
                get = self.source(of, "pred")
                return lambda L: ~get(L)
            case Register(name) | Special(name):
                number = self.register(name)
                width = self.kinds[name]
            case Symbol(name, offset):
                if name in self.symbols:
                    address = np.array(self.symbols[name] + offset, np.uint64).astype(dtype)[()]
                    return lambda L: address
                number = self.register("&" + name)
                if offset:
                    more = np.uint64(offset)
                    return lambda L: (L[number] + more).astype(dtype)
                width = "b64"
            case _:
                raise Unsupported(f"an operand {o}")
        if kind == "pred":
            if width != "pred":
                raise Unsupported(f"{name} is no predicate")
            return lambda L: L[number]
        if width == "pred":
            raise Unsupported(f"the predicate {name} as {kind}")
        held = DTYPES[width]
        if dtype == held:
            return lambda L: L[number]
        if dtype.itemsize == held.itemsize:
            return lambda L: L[number].view(dtype)
        if dtype.itemsize > held.itemsize:
            raise Unsupported(f"{name} has {8 * held.itemsize} bits, read as {kind}")
        bits = UNSIGNED[dtype.itemsize]
        if bits == dtype:
            return lambda L: L[number].astype(dtype)
        return lambda L: L[number].astype(bits).view(dtype)

    def target(self, o: Operand, kind: str) -> Put:
        """A function of (L, value) that writes a register. The value is of the type's dtype."""
        if isinstance(o, Sink):
            return lambda L, value: None
        if not isinstance(o, Register):
            raise Unsupported(f"a result in {o}")
        number = self.register(o.name)
        width = self.kinds[o.name]
        dtype, held = DTYPES[kind], DTYPES[width]
        if (kind == "pred") != (width == "pred"):
            raise Unsupported(f"{kind} in {o.name}, which is {width}")

        if dtype == held:

            def same(L: Registers, value: Any) -> None:
                L[number] = value

            return same
        if dtype.itemsize == held.itemsize:

            def viewed(L: Registers, value: Any) -> None:
                L[number] = value.view(held)

            return viewed
        if dtype.itemsize > held.itemsize:
            raise Unsupported(f"a {kind} does not fit into {o.name}, which is {width}")
        if dtype.kind == "i":
            wide = np.dtype(f"i{held.itemsize}")

            def extended(L: Registers, value: Any) -> None:
                L[number] = value.astype(wide).view(held)

            return extended
        bits = UNSIGNED[dtype.itemsize]

        def zero_extended(L: Registers, value: Any) -> None:
            L[number] = value.view(bits).astype(held)

        return zero_extended


def immediate(o: Immediate, kind: str) -> Any:
    """A constant as a NumPy scalar of the type."""
    dtype = DTYPES[kind]
    if kind == "pred":
        return np.bool_(o.bits != 0)
    if o.kind != "i" and dtype.kind == "f":
        held = (
            np.uint32(o.bits).view(np.float32)
            if o.kind == "f32"
            else np.uint64(o.bits).view(np.float64)
        )
        if dtype.itemsize == held.dtype.itemsize:
            return held
        return held.astype(dtype)
    bits = o.bits & ((1 << 8 * dtype.itemsize) - 1)
    return np.array(bits, UNSIGNED[dtype.itemsize]).view(dtype)[()]


Op = Callable[[Any, Registers], None]
"""What an instruction does: (machine, L)."""
Builder = Callable[[Context, Instruction], Op]
BUILDERS: dict[str, Builder] = {}
"""By opcode: from an instruction to what it does."""


def instruction(*opcodes: str) -> Callable[[Builder], Builder]:
    """Register a builder."""

    def keep(builder: Builder) -> Builder:
        for opcode in opcodes:
            BUILDERS[opcode] = builder
        return builder

    return keep


def elementwise(
    c: Context, i: Instruction, f: Callable[..., Any], sources: tuple[str, ...], result: str
) -> Op:
    """The operation `operand 0 = f(operands 1, ...)`, of types `sources`."""
    put = c.target(i.operands[0], result)
    if len(i.operands) < len(sources) + 1:
        raise Unsupported(f"{i}: too few operands")
    gets = [c.source(o, kind) for o, kind in zip(i.operands[1:], sources)]
    if len(gets) == 1:
        (a,) = gets
        return lambda m, L: put(L, f(a(L)))
    if len(gets) == 2:
        a, b = gets
        return lambda m, L: put(L, f(a(L), b(L)))
    if len(gets) == 3:
        a, b, d = gets
        return lambda m, L: put(L, f(a(L), b(L), d(L)))
    return lambda m, L: put(L, f(*[g(L) for g in gets]))


def size_of(kind: str) -> int:
    return SIZES[kind]


def unsupported(i: Instruction) -> Unsupported:
    return Unsupported(f"not simulated: {i}")
