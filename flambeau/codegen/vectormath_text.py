"""Writing LLVM IR for a function of vectors: values with Python's operators."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import NamedTuple

from .kernel import Target


class Format(NamedTuple):
    """How a float type lies in memory."""

    bits: int
    mantissa: int
    """Bits of the fraction."""
    bias: int
    tiny: float
    """The smallest normal number."""
    shifter: float
    """1.5 * 2^mantissa: adding it to a small number rounds that to an integer, which is then in
    the low bits of the sum."""


FORMATS = {
    "float": Format(32, 23, 127, 2.0**-126, 1.5 * 2.0**23),
    "double": Format(64, 52, 1023, 2.0**-1022, 1.5 * 2.0**52),
}
SUFFIX = {"float": "f32", "double": "f64", "i32": "i32", "i64": "i64"}


def bits_of(x: float, kind: str) -> int:
    """A float's bit pattern."""
    a, b = ("<f", "<I") if kind == "float" else ("<d", "<Q")
    return int(struct.unpack(b, struct.pack(a, x))[0])


def literal(x: float, kind: str) -> str:
    """A number as LLVM writes it: floats by the bits of the double that is equal to them."""
    if kind in FORMATS:
        if kind == "float" and math.isfinite(x):
            x = struct.unpack("<f", struct.pack("<f", x))[0]
        return f"0x{bits_of(x, 'double'):016X}"
    if kind == "i1":
        return "true" if x else "false"
    return str(int(x))


class Val:
    """A value of a function being written. `kind` is the LLVM type of its elements."""

    __slots__ = ("body", "kind", "ref")

    def __init__(self, body: Body, kind: str, ref: str) -> None:
        self.body = body
        self.kind = kind
        self.ref = ref

    def _binary(self, float_op: str, int_op: str, a: Val | float, b: Val | float) -> Val:
        op = float_op if self.kind in FORMATS else int_op
        return self.body.op(op, self.kind, a, b)

    def __add__(self, other: Val | float) -> Val:
        return self._binary("fadd", "add", self, other)

    def __radd__(self, other: float) -> Val:
        return self._binary("fadd", "add", other, self)

    def __sub__(self, other: Val | float) -> Val:
        return self._binary("fsub", "sub", self, other)

    def __rsub__(self, other: float) -> Val:
        return self._binary("fsub", "sub", other, self)

    def __mul__(self, other: Val | float) -> Val:
        return self._binary("fmul", "mul", self, other)

    def __rmul__(self, other: float) -> Val:
        return self._binary("fmul", "mul", other, self)

    def __truediv__(self, other: Val | float) -> Val:
        return self.body.op("fdiv", self.kind, self, other)

    def __rtruediv__(self, other: float) -> Val:
        return self.body.op("fdiv", self.kind, other, self)

    def __and__(self, other: Val | int) -> Val:
        return self.body.op("and", self.kind, self, other)

    def __or__(self, other: Val | int) -> Val:
        return self.body.op("or", self.kind, self, other)

    def __xor__(self, other: Val | int) -> Val:
        return self.body.op("xor", self.kind, self, other)

    def __lshift__(self, other: Val | int) -> Val:
        return self.body.op("shl", self.kind, self, other)

    def __rshift__(self, other: Val | int) -> Val:
        """Zeros come in."""
        return self.body.op("lshr", self.kind, self, other)

    def __neg__(self) -> Val:
        return self.body.line(f"fneg {self.body.type(self.kind)} {self.ref}", self.kind)

    def __invert__(self) -> Val:
        return self ^ 1

    def _compare(self, float_op: str, int_op: str, other: Val | float) -> Val:
        b = self.body
        op = f"fcmp {float_op}" if self.kind in FORMATS else f"icmp {int_op}"
        y = b.val(other, self.kind)
        return b.line(f"{op} {b.type(self.kind)} {self.ref}, {y.ref}", "i1")

    def lt(self, other: Val | float) -> Val:
        return self._compare("olt", "slt", other)

    def le(self, other: Val | float) -> Val:
        return self._compare("ole", "sle", other)

    def gt(self, other: Val | float) -> Val:
        return self._compare("ogt", "sgt", other)

    def ge(self, other: Val | float) -> Val:
        return self._compare("oge", "sge", other)

    def eq(self, other: Val | float) -> Val:
        return self._compare("oeq", "eq", other)

    def ne(self, other: Val | float) -> Val:
        """NaN differs from everything."""
        return self._compare("une", "ne", other)

    def isnan(self) -> Val:
        return self._compare("uno", "ne", self)


class Body:
    """The text of one function of `lanes` lanes (1: scalars), as it grows. `tag` ends the names of
    functions that it calls."""

    def __init__(self, target: Target, lanes: int, tag: str) -> None:
        self.target = target
        self.lanes = lanes
        self.tag = tag
        self.lines: list[str] = []
        self.declares: set[str] = set()
        self.helpers: set[str] = set()
        """Functions of `vectormath_reduction` that this one calls."""
        x86 = target.triple.startswith(("x86", "i386", "i686", "amd64"))
        features = target.features.split(",")
        self.x86 = x86
        self.fused = not x86 or target.vector_bytes >= 32 or "+fma" in features
        """Whether there is an fma; without one, multiplications round before additions, since
        LLVM would call libm for each lane."""

    # --- the text ---------------------------------------------------------------------------

    def type(self, kind: str) -> str:
        return kind if self.lanes == 1 else f"<{self.lanes} x {kind}>"

    def suffix(self, kind: str) -> str:
        """As in names of intrinsics."""
        return SUFFIX[kind] if self.lanes == 1 else f"v{self.lanes}{SUFFIX[kind]}"

    def line(self, text: str, kind: str) -> Val:
        """An instruction and its result."""
        ref = f"%v{len(self.lines)}"
        self.lines.append(f"  {ref} = {text}")
        return Val(self, kind, ref)

    def val(self, x: Val | float, kind: str) -> Val:
        """Python numbers become constants."""
        if isinstance(x, Val):
            assert x.kind == kind, (x.kind, kind)
            return x
        text = literal(x, kind)
        if self.lanes > 1:
            text = f"splat ({kind} {text})"
        return Val(self, kind, text)

    def op(self, name: str, kind: str, a: Val | float, b: Val | float) -> Val:
        x, y = self.val(a, kind), self.val(b, kind)
        return self.line(f"{name} {self.type(kind)} {x.ref}, {y.ref}", kind)

    def call(self, name: str, *args: Val) -> Val:
        """An intrinsic whose arguments and result have one type."""
        kind = args[0].kind
        t, full = self.type(kind), f"@llvm.{name}.{self.suffix(kind)}"
        self.declares.add(f"declare {t} {full}({', '.join([t] * len(args))})")
        return self.line(f"call {t} {full}({', '.join(f'{t} {a.ref}' for a in args)})", kind)

    # --- arithmetic -------------------------------------------------------------------------

    def fma(self, a: Val, b: Val | float, c: Val | float) -> Val:
        """a * b + c, rounded once where the machine can."""
        name = "fma" if self.fused else "fmuladd"
        return self.call(name, a, self.val(b, a.kind), self.val(c, a.kind))

    def poly(self, x: Val, coefficients: Sequence[float]) -> Val:
        """The polynomial with these coefficients, lowest power first, by Horner's rule: the fewest
        instructions, and neighbouring vectors hide their latency."""
        out: Val | float = coefficients[-1]
        for c in reversed(coefficients[:-1]):
            out = self.fma(x, out, c)
        return self.val(out, x.kind)

    def abs(self, x: Val) -> Val:
        return self.call("fabs", x)

    def sqrt(self, x: Val) -> Val:
        return self.call("sqrt", x)

    def trunc(self, x: Val) -> Val:
        return self.call("trunc", x)

    def copysign(self, x: Val, sign: Val) -> Val:
        return self.call("copysign", x, sign)

    def select(self, condition: Val, a: Val | float, b: Val | float, kind: str = "") -> Val:
        kind = kind or next(x.kind for x in (a, b) if isinstance(x, Val))
        t = self.type(kind)
        x, y = self.val(a, kind), self.val(b, kind)
        return self.line(
            f"select {self.type('i1')} {condition.ref}, {t} {x.ref}, {t} {y.ref}", kind
        )

    def clamp(self, x: Val, low: float | None, high: float | None) -> Val:
        """x between the bounds; NaN stays. One instruction for each bound."""
        if high is not None:
            x = self.select(x.gt(high), high, x)
        if low is not None:
            x = self.select(x.lt(low), low, x)
        return x

    # --- bits and types ---------------------------------------------------------------------

    def bits(self, x: Val) -> Val:
        """A float's bit pattern as an integer."""
        kind = f"i{FORMATS[x.kind].bits}"
        return self.line(f"bitcast {self.type(x.kind)} {x.ref} to {self.type(kind)}", kind)

    def as_float(self, x: Val) -> Val:
        """The float with this bit pattern."""
        kind = "float" if x.kind == "i32" else "double"
        return self.line(f"bitcast {self.type(x.kind)} {x.ref} to {self.type(kind)}", kind)

    def widen(self, x: Val) -> Val:
        return self.line(f"fpext {self.type('float')} {x.ref} to {self.type('double')}", "double")

    def narrow(self, x: Val) -> Val:
        return self.line(f"fptrunc {self.type('double')} {x.ref} to {self.type('float')}", "float")

    def round(self, x: Val) -> tuple[Val, Val]:
        """The nearest integer as a float, and a float that has it in its low bits. |x| must be
        below 2^(mantissa - 1)."""
        shifter = FORMATS[x.kind].shifter
        low = x + shifter
        return low - shifter, low

    def round_product(self, x: Val, factor: float) -> tuple[Val, Val]:
        """`round` of x * factor."""
        shifter = FORMATS[x.kind].shifter
        low = self.fma(x, factor, shifter)
        return low - shifter, low

    def power_of_two(self, low: Val, less: int = 0) -> Val:
        """2^(n - less) for an n from `round`; the result must be a normal number."""
        f = FORMATS[low.kind]
        # The shift drops all of the shifter's bits but those of n.
        return self.as_float((self.bits(low) << f.mantissa) + ((f.bias - less) << f.mantissa))

    def any(self, condition: Val) -> Val:
        """Whether it holds in any lane: a scalar i1."""
        if self.lanes == 1:
            return condition
        t, name = self.type("i1"), f"@llvm.vector.reduce.or.v{self.lanes}i1"
        self.declares.add(f"declare i1 {name}({t})")
        return self.line(f"call i1 {name}({t} {condition.ref})", "i1")

    def scale(self, x: Val, n: Val, low: Val) -> Val:
        """x * 2^n with one rounding, for an x around 1 and an n of at most twice the range of
        exponents: underflows gradually, overflows to inf. n and low are as from `round`."""
        if self.lanes * FORMATS[x.kind].bits == 512 and self.x86 and self.target.vector_bytes == 64:
            t, c, m = self.type(x.kind), "ps" if x.kind == "float" else "pd", f"i{self.lanes}"
            name = f"@llvm.x86.avx512.mask.scalef.{c}.512"
            self.declares.add(f"declare {t} {name}({t}, {t}, {t}, {m}, i32)")
            return self.line(
                f"call {t} {name}({t} {x.ref}, {t} {n.ref}, {t} zeroinitializer, {m} -1, i32 4)",
                x.kind,
            )
        f = FORMATS[x.kind]
        # Half of n + 2 * bias is the biased exponent of half of n, and is never negative.
        both = self.bits(low) + (2 * f.bias - bits_of(f.shifter, x.kind))
        half = both >> 1
        a = self.as_float(half << f.mantissa)
        b = self.as_float((both - half) << f.mantissa)
        return x * a * b

    # --- pairs: a number as the sum of two, of which the second is small --------------------

    def two_sum(self, a: Val, b: Val | float) -> tuple[Val, Val]:
        """a + b exactly (Knuth)."""
        y = self.val(b, a.kind)
        s = a + y
        v = s - a
        return s, (a - (s - v)) + (y - v)

    def fast_two_sum(self, a: Val | float, b: Val) -> tuple[Val, Val]:
        """a + b exactly, where |a| >= |b| (Dekker)."""
        x = self.val(a, b.kind)
        s = x + b
        return s, b - (s - x)

    def two_product(self, a: Val, b: Val | float) -> tuple[Val, Val]:
        """a * b exactly, by an fma."""
        p = a * b
        return p, self.fma(a, b, -p)
