"""Writing LLVM IR for the random stream: values, loops over vectors, and the way from words to
results.

An entry is ``void entry(ptr state, ptr out, i64 count, ...)``. It draws words into a buffer that
stays in the first-level cache, 768 at a time, and makes results of them from there.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import NamedTuple, SupportsFloat

CHUNK = 768
"""Words in the buffer: a multiple of what any row takes, and too few for stack probes."""

Operand = str | SupportsFloat
"""A value's name, or a number."""

SIZES = {"i8": 1, "i16": 2, "i32": 4, "i64": 8, "float": 4, "double": 8}


def vector(lanes: int, kind: str) -> str:
    return f"<{lanes} x {kind}>"


def constant(lanes: int, kind: str, value: SupportsFloat) -> str:
    """A number in all lanes; floats of both sizes are written as the bits of a double."""
    text = str(value) if kind[0] == "i" else "0x" + struct.pack(">d", float(value)).hex().upper()
    return "<" + ", ".join([f"{kind} {text}"] * lanes) + ">"


class Code:
    """Straight-line code: each call adds a value. Operands are names or constants."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.lines: list[str] = []

    def __call__(self, text: str) -> str:
        name = f"%{self.prefix}{len(self.lines)}"
        self.lines.append(f"  {name} = {text}")
        return name

    def text(self) -> str:
        return "\n".join(self.lines)

    def op(self, name: str, a: str, b: Operand, lanes: int, kind: str) -> str:
        """`a` with another value or a number."""
        other = b if isinstance(b, str) else constant(lanes, kind, b)
        return self(f"{name} {vector(lanes, kind)} {a}, {other}")

    def cast(self, name: str, a: str, lanes: int, kind: str, to: str) -> str:
        return self(f"{name} {vector(lanes, kind)} {a} to {vector(lanes, to)}")

    def fma(self, a: str, b: Operand, c: Operand, lanes: int, kind: str = "float") -> str:
        """``a * b + c``, rounded once."""
        whole = vector(lanes, kind)
        numbers = [x if isinstance(x, str) else constant(lanes, kind, x) for x in (a, b, c)]
        operands = ", ".join(f"{whole} {x}" for x in numbers)
        return self(f"call {whole} @llvm.fma.v{lanes}f{8 * SIZES[kind]}({operands})")

    def choose(self, where: str, a: str, b: str, lanes: int, kind: str) -> str:
        whole = vector(lanes, kind)
        return self(f"select {vector(lanes, 'i1')} {where}, {whole} {a}, {whole} {b}")

    def splat(self, scalar: str, lanes: int, kind: str) -> str:
        first = self(f"insertelement {vector(lanes, kind)} poison, {kind} {scalar}, i64 0")
        return self.shuffle(first, "poison", lanes, kind, [0] * lanes)

    def shuffle(self, a: str, b: str, lanes: int, kind: str, order: Sequence[int]) -> str:
        """Lanes of `a` and, counted on from there, of `b`."""
        whole, places = vector(lanes, kind), ", ".join(f"i32 {i}" for i in order)
        chosen = f"{vector(len(order), 'i32')} <{places}>"
        return self(f"shufflevector {whole} {a}, {whole} {b}, {chosen}")

    def at(self, pointer: str, index: str | int, kind: str) -> str:
        return self(f"getelementptr {kind}, ptr {pointer}, i64 {index}")

    def load(self, pointer: str, lanes: int, kind: str) -> str:
        return self(f"load {vector(lanes, kind)}, ptr {pointer}, align 4")

    def store(self, value: str, pointer: str, lanes: int, kind: str) -> None:
        whole = vector(lanes, kind)
        self.lines.append(f"  store {whole} {value}, ptr {pointer}, align {SIZES[kind]}")


# --- a vector of numbers from words, the first at an index of `%from` ---------------------------


def fraction(c: Code, words: str, lanes: int) -> str:
    """`Stream.singles`: the lower 24 bits as a fraction."""
    bits = c.op("and", words, 0xFFFFFF, lanes, "i32")
    return c.op("fmul", c.cast("sitofp", bits, lanes, "i32", "float"), 2.0**-24, lanes, "float")


def bits53(c: Code, lanes: int, index: str) -> str:
    """`Stream.doubles` before they become fractions: of two words the first is the upper half."""
    pairs = c.load(c.at("%from", index, "i64"), lanes, "i64")
    upper, lower = (c.op(way, pairs, 32, lanes, "i64") for way in ("shl", "lshr"))
    return c.op("and", c.op("or", upper, lower, lanes, "i64"), (1 << 53) - 1, lanes, "i64")


def double(c: Code, lanes: int, index: str) -> str:
    """`Stream.doubles`."""
    whole = c.cast("uitofp", bits53(c, lanes, index), lanes, "i64", "double")
    return c.op("fmul", whole, 2.0**-53, lanes, "double")


# --- entries ------------------------------------------------------------------------------------

Body = Callable[[Code, int, str], None]
"""Writes what makes so many units, the first of them at an index, of `%from` in `%to`."""


class Row(NamedTuple):
    """What an entry makes of the words."""

    words: int
    """Words that a unit takes."""
    size: int
    """Bytes of a unit."""
    step: int
    """Units at a time."""
    body: Body
    parameters: str = ""
    """Beside state, out and count, with their types; each with a comma before."""


_STEPS = """
define internal void @{name}(ptr noalias %from, ptr noalias %to, i64 %n{parameters}) #0 {{
entry:
  %wide = icmp uge i64 %n, {step}
  %last = sub i64 %n, {step}
  br i1 %wide, label %many, label %few
many:
  %i = phi i64 [ 0, %entry ], [ %i.next, %many ]
  %place = call i64 @llvm.umin.i64(i64 %i, i64 %last)
{many}
  %i.next = add i64 %i, {step}
  %i.more = icmp ult i64 %i.next, %n
  br i1 %i.more, label %many, label %done
few:
  %some = icmp ne i64 %n, 0
  br i1 %some, label %single, label %done
single:
  %k = phi i64 [ 0, %few ], [ %k.next, %single ]
{one}
  %k.next = add i64 %k, 1
  %k.more = icmp ult i64 %k.next, %n
  br i1 %k.more, label %single, label %done
done:
  ret void
}}
"""


def steps(name: str, step: int, body: Body, parameters: str = "") -> str:
    """A function over `n` units, `step` at a time. The last vector overlaps the one before, where
    it has to; only fewer units than one vector go one by one."""
    many, one = Code("m"), Code("o")
    body(many, step, "%place")
    body(one, 1, "%k")
    return _STEPS.format(
        name=name, parameters=parameters, step=step, many=many.text(), one=one.text()
    )


_ENTRY = """
define internal void @{name}.entry(ptr %state, ptr %out, i64 %n{parameters}) #0 {{
entry:
  %buffer = alloca [768 x i32], align 64
  br label %check
check:
  %left = phi i64 [ %n, %entry ], [ %left.next, %chunk ]
  %at = phi ptr [ %out, %entry ], [ %at.next, %chunk ]
  %some = icmp ne i64 %left, 0
  br i1 %some, label %chunk, label %done
chunk:
  %m = call i64 @llvm.umin.i64(i64 %left, i64 {most})
  %count = mul i64 %m, {words}
  call void @words.entry(ptr %state, ptr %buffer, i64 %count)
  call void @{name}(ptr %buffer, ptr %at, i64 %m{parameters})
  %left.next = sub i64 %left, %m
  %bytes = mul i64 %m, {size}
  %at.next = getelementptr i8, ptr %at, i64 %bytes
  br label %check
done:
  ret void
}}
"""


def entry(name: str, row: Row) -> str:
    """The row's function, and its entry ``name.entry``."""
    return steps(name, row.step, row.body, row.parameters) + _ENTRY.format(
        name=name, parameters=row.parameters, words=row.words, size=row.size,
        most=CHUNK // row.words,
    )  # fmt: skip
