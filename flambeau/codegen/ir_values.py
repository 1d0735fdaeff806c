"""Values of LLVM IR text: types as text, numbers, and operators that write instructions."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .ir_text import Code

ELEMENT = {
    "bool": "i8", "uint8": "i8", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
    "float16": "i16", "bfloat16": "i16", "float32": "float", "float64": "double",
}  # fmt: skip
"""How elements of a dtype are held. 16-bit floats only as bits."""

_BYTES = {"i1": 1, "i8": 1, "i16": 2, "i32": 4, "i64": 8, "float": 4, "double": 8, "ptr": 8}
_VECTOR = re.compile(r"<(\d+) x (\w+)>")


def vector(element: str, lanes: int) -> str:
    """A vector type, or the element's own for one lane."""
    return element if lanes == 1 else f"<{lanes} x {element}>"


def parts(type: str) -> tuple[str, int]:
    """(element type, lanes)."""
    m = _VECTOR.fullmatch(type)
    return (m[2], int(m[1])) if m else (type, 1)


def element_bytes(type: str) -> int:
    return _BYTES[parts(type)[0]]


def literal(element: str, number: Any) -> str:
    """A constant as LLVM writes it; floats by their bits, which is exact."""
    if element in ("float", "double"):
        x = float(number)
        if element == "float" and x == x and abs(x) != float("inf"):
            x = struct.unpack("f", struct.pack("f", x))[0]
        return f"0x{struct.unpack('Q', struct.pack('d', x))[0]:016X}"
    if element == "i1":
        return "true" if number else "false"
    return str(int(number))


class Val:
    """A value with its type. Operators take values of the same type, or numbers."""

    __slots__ = ("code", "type", "text", "number")

    def __init__(self, code: Code, type: str, text: str, number: int | None = None) -> None:
        self.code = code
        self.type = type
        self.text = text
        self.number = number
        """What it is, for an i64 that is known while writing."""

    def __repr__(self) -> str:
        return f"{self.type} {self.text}"

    @property
    def is_float(self) -> bool:
        return parts(self.type)[0] in ("float", "double")

    def _with(self, other: Any, integer: str, real: str, fold: Callable[[int, int], int]) -> Val:
        other = self.code.like(self, other)
        a, b = self.number, other.number
        if a is not None and b is not None:
            return self.code.int(fold(a, b))
        if integer in ("add", "sub") and b == 0 or integer == "mul" and b == 1:
            return self
        if integer == "add" and a == 0 or integer == "mul" and a == 1:
            return other
        op = real if self.is_float else integer
        return self.code.value(self.type, f"{op} {self.type} {self.text}, {other.text}")

    def __add__(self, other: Any) -> Val:
        return self._with(other, "add", "fadd", lambda a, b: a + b)

    def __sub__(self, other: Any) -> Val:
        return self._with(other, "sub", "fsub", lambda a, b: a - b)

    def __mul__(self, other: Any) -> Val:
        return self._with(other, "mul", "fmul", lambda a, b: a * b)

    def __truediv__(self, other: Any) -> Val:
        return self._with(other, "sdiv", "fdiv", lambda a, b: a // b)

    def __floordiv__(self, other: Any) -> Val:
        """Of integers that are not negative."""
        return self._with(other, "udiv", "fdiv", lambda a, b: a // b)

    def __mod__(self, other: Any) -> Val:
        """Of integers that are not negative."""
        return self._with(other, "urem", "frem", lambda a, b: a % b)

    def __and__(self, other: Any) -> Val:
        return self._with(other, "and", "and", lambda a, b: a & b)

    def __or__(self, other: Any) -> Val:
        return self._with(other, "or", "or", lambda a, b: a | b)

    def __xor__(self, other: Any) -> Val:
        return self._with(other, "xor", "xor", lambda a, b: a ^ b)

    def __invert__(self) -> Val:
        return self ^ (1 if parts(self.type)[0] == "i1" else -1)

    def compare(self, how: str, other: Any) -> Val:
        """`how` as LLVM names it: slt, ult, eq for integers, olt, ugt, uno for floats."""
        other = self.code.like(self, other)
        op = "fcmp" if self.is_float else "icmp"
        type = vector("i1", parts(self.type)[1])
        return self.code.value(type, f"{op} {how} {self.type} {self.text}, {other.text}")

    def __lt__(self, other: Any) -> Val:
        return self.compare("olt" if self.is_float else "slt", other)

    def __le__(self, other: Any) -> Val:
        return self.compare("ole" if self.is_float else "sle", other)

    def __gt__(self, other: Any) -> Val:
        return self.compare("ogt" if self.is_float else "sgt", other)

    def __ge__(self, other: Any) -> Val:
        return self.compare("oge" if self.is_float else "sge", other)

    def min(self, other: Any) -> Val:
        """The smaller of two signed integers."""
        other = self.code.like(self, other)
        if self.number is not None and other.number is not None:
            return self.code.int(min(self.number, other.number))
        return self.code.call(f"llvm.smin.{suffix(self.type)}", self.type, self, other)

    def max(self, other: Any) -> Val:
        """The larger of two signed integers."""
        other = self.code.like(self, other)
        if self.number is not None and other.number is not None:
            return self.code.int(max(self.number, other.number))
        return self.code.call(f"llvm.smax.{suffix(self.type)}", self.type, self, other)

    def to(self, type: str) -> Val:
        """The same number in another type; from float to integer truncated."""
        if type == self.type:
            return self
        a, b = parts(self.type)[0], parts(type)[0]
        real_a, real_b = a in ("float", "double"), b in ("float", "double")
        wider = _BYTES[b] > _BYTES[a] or a == "i1"
        if real_a and real_b:
            op = "fpext" if wider else "fptrunc"
        elif real_a:
            op = "fptosi"
        elif real_b:
            op = "uitofp" if a == "i1" else "sitofp"
        elif a == "i1":
            op = "zext"
        else:
            op = "sext" if wider else "trunc"
        return self.code.value(type, f"{op} {self.type} {self.text} to {type}")


def suffix(type: str) -> str:
    """A type in an intrinsic's name: f32, v16i32."""
    e, n = parts(type)
    e = {"float": "f32", "double": "f64", "ptr": "p0"}.get(e, e)
    return e if n == 1 else f"v{n}{e}"


class Var:
    """A variable: what loops carry."""

    __slots__ = ("code", "type", "slot")

    def __init__(self, code: Code, type: str, slot: str) -> None:
        self.code, self.type, self.slot = code, type, slot

    def get(self) -> Val:
        return self.code.value(self.type, f"load {self.type}, ptr {self.slot}")

    def set(self, value: Val) -> None:
        self.code.line(f"store {value}, ptr {self.slot}")
