"""What PTX is made of: operands, instructions, variables, functions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from .errors import SimulationError


class PtxError(SimulationError):
    """Text that is no PTX, or PTX that is not known here."""


class Register(NamedTuple):
    name: str


class Special(NamedTuple):
    """A register of the machine: "%tid.x"."""

    name: str


class Immediate(NamedTuple):
    """A constant: its bits. `kind` is "i" (an integer, may be negative), "f32" or "f64"."""

    bits: int
    kind: str


class Symbol(NamedTuple):
    """A variable, a label or a function by name, and bytes beyond it."""

    name: str
    offset: int = 0


class Address(NamedTuple):
    """`[base + offset]`."""

    base: Operand | None
    offset: int


class Vector(NamedTuple):
    """`{a, b, ...}`, also a list in parentheses."""

    items: tuple[Operand, ...]


class Pair(NamedTuple):
    """`a|b`: two results."""

    first: Operand
    second: Operand


class Negated(NamedTuple):
    """`!p`, of a predicate."""

    of: Operand


class Sink(NamedTuple):
    """`_`: a result that nobody wants."""


Operand = Register | Special | Immediate | Symbol | Address | Vector | Pair | Negated | Sink


class Instruction(NamedTuple):
    opcode: str
    """The first part of the name: "ld"."""
    modifiers: tuple[str, ...]
    """The others: ("global", "nc", "v4", "b32")."""
    operands: tuple[Operand, ...]
    predicate: tuple[str, bool] | None
    """A register, and whether it is negated."""
    line: int
    text: str

    @property
    def type(self) -> str:
        return self.modifiers[-1] if self.modifiers else ""

    def __str__(self) -> str:
        return f"{self.text}  (line {self.line})"


class Label(NamedTuple):
    name: str


class Variable(NamedTuple):
    name: str
    space: str
    """ "global", "const", "shared", "local" or "param"."""
    align: int
    nbytes: int
    """0 for the extern array of dynamic shared memory."""
    initial: bytes | None = None
    extern: bool = False


@dataclass
class Function:
    name: str
    entry: bool
    parameters: list[Variable] = field(default_factory=list)
    results: list[Variable] = field(default_factory=list)
    body: list[Instruction | Label] = field(default_factory=list)
    registers: dict[str, str] = field(default_factory=dict)
    """Name → type ("pred", "b16", "b32", "b64", "b128")."""
    variables: list[Variable] = field(default_factory=list)
    targets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Lists of branch targets by label."""
    max_threads: int = 1024
    declared: bool = True
    """Whether it has no body."""


@dataclass
class Module:
    version: str = ""
    target: str = ""
    variables: dict[str, Variable] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)


SIZES = {
    "b8": 1, "u8": 1, "s8": 1, "e4m3": 1, "e5m2": 1,
    "b16": 2, "u16": 2, "s16": 2, "f16": 2, "bf16": 2,
    "b32": 4, "u32": 4, "s32": 4, "f32": 4, "f16x2": 4, "bf16x2": 4, "u16x2": 4, "s16x2": 4, "tf32": 4,
    "b64": 8, "u64": 8, "s64": 8, "f64": 8, "f32x2": 8, "b128": 16, "pred": 1,
}  # fmt: skip
"""Bytes of the types."""
