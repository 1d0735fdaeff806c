"""Arithmetic of the loop language on one value or on a vector of them, as LLVM IR.

`Lanes(f, target, lanes)` writes into a function; values are their names (or constants) as text. No
instruction may be reassociated or contracted: results are NumPy's operation by operation.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.dtypes import to_bfloat16
from .kernel import Target
from .llvm_text import Function
from .loop import DTYPES

REGISTER = {
    "bool": "i1", "uint8": "i8", "int8": "i8", "int16": "i16", "int32": "i32", "int64": "i64",
    "float16": "half", "bfloat16": "i16", "float32": "float", "float64": "double",
}  # fmt: skip
"""How a value is held. A bfloat16 is its bits."""
MEMORY = {**REGISTER, "bool": "i8"}

FLOATS = frozenset(["float32", "float64"])
INTEGERS = frozenset(["uint8", "int8", "int16", "int32", "int64"])
UNSIGNED = frozenset(["bool", "uint8"])

_SUFFIX = {"float": "f32", "double": "f64", "half": "f16"}


def vector(element: str, lanes: int) -> str:
    """A vector's type, or the element's for one lane."""
    return element if lanes == 1 else f"<{lanes} x {element}>"


def suffix(element: str, lanes: int) -> str:
    """A type as intrinsics' names spell it."""
    e = _SUFFIX.get(element, element)
    return e if lanes == 1 else f"v{lanes}{e}"


def number(value: Any, dtype: str) -> str:
    """A constant of one lane. Floats are written by their bits, integers wrapped around."""
    if dtype == "bool":
        return "true" if value else "false"
    if dtype in INTEGERS:
        bits = 8 * DTYPES[dtype]
        return str((int(value) + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1)))
    x = float(value)
    if dtype == "bfloat16":  # is its bits, in an integer
        return str(int(to_bfloat16(np.asarray(x, np.float32)).view(np.int16)))
    if dtype == "float32":
        try:
            x = struct.unpack("f", struct.pack("f", x))[0]
        except OverflowError:
            x = float("inf") if x > 0 else float("-inf")
    return f"0x{struct.unpack('Q', struct.pack('d', x))[0]:016X}"


def extreme(dtype: str, largest: bool) -> float | int | bool:
    """The largest or smallest value of a dtype."""
    if dtype == "bool":
        return largest
    if dtype in INTEGERS:
        bits = 8 * DTYPES[dtype]
        low = 0 if dtype in UNSIGNED else -(1 << (bits - 1))
        return low + (1 << bits) - 1 if largest else low
    return float("inf") if largest else float("-inf")


class Lanes:
    """Operations on `lanes` lanes. `functions` collects (name, lanes, dtype) of what is called and
    has to be defined beside the kernel."""

    def __init__(self, f: Function, target: Target, lanes: int, functions: set[Any]) -> None:
        self.f = f
        self.target = target
        self.lanes = lanes
        self.functions = functions

    # --- types and constants ----------------------------------------------------------------

    def kind(self, dtype: str) -> str:
        return vector(REGISTER[dtype], self.lanes)

    def const(self, value: Any, dtype: str) -> str:
        """A number in every lane."""
        one = number(value, dtype)
        return one if self.lanes == 1 else f"splat ({REGISTER[dtype]} {one})"

    def bits(self, value: int, kind: str) -> str:
        return str(value) if self.lanes == 1 else f"splat ({kind} {value})"

    def iota(self, kind: str, step: int = 1) -> str:
        """0, step, 2 step, ..."""
        return f"<{', '.join(f'{kind} {step * k}' for k in range(self.lanes))}>"

    def splat(self, x: str, kind: str) -> str:
        """A scalar (of an LLVM type) in every lane."""
        if self.lanes == 1:
            return x
        v = vector(kind, self.lanes)
        one = self.f.op(f"insertelement {v} poison, {kind} {x}, i64 0")
        return self.f.op(
            f"shufflevector {v} {one}, {v} poison, <{self.lanes} x i32> zeroinitializer"
        )

    # --- instructions -----------------------------------------------------------------------

    def do(self, op: str, dtype: str, a: str, b: str) -> str:
        """A two-operand instruction."""
        return self.f.op(f"{op} {self.kind(dtype)} {a}, {b}")

    def call(self, name: str, dtype: str, *args: str, flags: str = "") -> str:
        """An LLVM intrinsic that is named by one type."""
        t = self.kind(dtype)
        given = ", ".join(f"{t} {a}" for a in args)
        return self.f.op(
            f"call {flags}{t} @llvm.{name}.{suffix(REGISTER[dtype], self.lanes)}({given})"
        )

    def outside(self, name: str, dtype: str, *args: str) -> str:
        """A function of the vector math."""
        self.functions.add((name, self.lanes, dtype))
        t = self.kind(dtype)
        given = ", ".join(f"{t} {a}" for a in args)
        kind = "f32" if dtype == "float32" else "f64"
        return self.f.op(f"call {t} @vm_{name}_v{self.lanes}{kind}({given})")

    def select(self, condition: str, dtype: str, a: str, b: str) -> str:
        t = self.kind(dtype)
        return self.f.op(f"select {self.kind('bool')} {condition}, {t} {a}, {t} {b}")

    def compare(self, how: str, dtype: str, a: str, b: str) -> str:
        """`how` is lt, le, gt, ge, eq, ne; comparisons with NaN are false but for ne."""
        if dtype in FLOATS:
            return self.do("fcmp une" if how == "ne" else f"fcmp o{how}", dtype, a, b)
        sign = "" if how in ("eq", "ne") else "u" if dtype in UNSIGNED else "s"
        return self.do(f"icmp {sign}{how}", dtype, a, b)

    def unordered(self, dtype: str, x: str) -> str:
        return self.do("fcmp uno", dtype, x, self.const(0, dtype))

    # --- extremes ---------------------------------------------------------------------------

    def extreme(self, op: str, dtype: str, a: str, b: str) -> str:
        """min or max with NaN propagated, or fmin or fmax, which give NaN only where both are.

        Which zero of two does not matter ("nsz"), so that x86 takes three instructions, or one
        where an argument is a constant. It looks at a for NaN, not at b."""
        plain = op[-3:]
        if dtype == "bool":
            return self.do("and" if plain == "min" else "or", dtype, a, b)
        if dtype in INTEGERS:
            return self.call(f"{'u' if dtype in UNSIGNED else 's'}{plain}", dtype, a, b)
        name = {"min": "minimum", "max": "maximum", "fmin": "minnum", "fmax": "maxnum"}[op]
        return self.call(name, dtype, a, b, flags="nsz ")

    # --- casts ------------------------------------------------------------------------------

    def cast(self, x: str, source: str, dtype: str) -> str:
        """The number in another dtype; see `loop.Statement`."""
        if source == dtype:
            return x
        if source in ("float16", "bfloat16"):
            return self.cast(self._widen(x, source), "float32", dtype)
        if source == "bool":
            if dtype in INTEGERS:
                return self._convert("zext", x, source, dtype)
            if dtype == "bfloat16":
                return self.cast(self.cast(x, source, "float32"), "float32", dtype)
            return self.select(x, dtype, self.const(1, dtype), self.const(0, dtype))
        if dtype == "bool":
            return self.compare("ne", source, x, self.const(0, source))
        if dtype in ("float16", "bfloat16"):
            single = self.cast(x, source, "float32")
            if dtype == "float16":
                return self._convert("fptrunc", single, "float32", dtype)
            return self._bfloat16(single)
        if source in FLOATS:
            return self._from_float(x, source, dtype)
        if dtype in FLOATS:
            return self._convert("uitofp" if source in UNSIGNED else "sitofp", x, source, dtype)
        if DTYPES[dtype] == DTYPES[source]:
            return x
        wider = "zext" if source in UNSIGNED else "sext"
        return self._convert(wider if DTYPES[dtype] > DTYPES[source] else "trunc", x, source, dtype)

    def _convert(self, op: str, x: str, source: str, dtype: str) -> str:
        return self.f.op(f"{op} {self.kind(source)} {x} to {self.kind(dtype)}")

    def _from_float(self, x: str, source: str, dtype: str) -> str:
        """To a float, or truncated to an integer. What does not fit is frozen: some number."""
        if dtype in FLOATS:
            return self._convert("fpext" if dtype == "float64" else "fptrunc", x, source, dtype)
        wide = "int32" if DTYPES[dtype] < 4 else dtype
        y = self._convert("fptosi", x, source, wide)
        y = self.f.op(f"freeze {self.kind(wide)} {y}")
        return y if wide == dtype else self._convert("trunc", y, wide, dtype)

    def _widen(self, x: str, source: str) -> str:
        if source == "float16":
            return self._convert("fpext", x, source, "float32")
        wide = self.f.op(f"zext {self.kind('bfloat16')} {x} to {self.kind('int32')}")
        high = self.do("shl", "int32", wide, self.const(16, "int32"))
        return self._convert("bitcast", high, "int32", "float32")

    def _bfloat16(self, x: str) -> str:
        """Rounded to nearest, ties to even; NaN to 0x7FC0."""
        c = lambda k: self.const(k, "int32")  # noqa: E731
        bits = self._convert("bitcast", x, "float32", "int32")
        last = self.do("and", "int32", self.do("lshr", "int32", bits, c(16)), c(1))
        up = self.do("add", "int32", self.do("add", "int32", bits, last), c(0x7FFF))
        high = self.do("lshr", "int32", up, c(16))
        half = self.select(self.unordered("float32", x), "int32", c(0x7FC0), high)
        return self._convert("trunc", half, "int32", "bfloat16")

    # --- the table --------------------------------------------------------------------------

    def apply(self, op: str, dtype: str, args: list[str], consts: tuple[Any, ...] = ()) -> str:
        """An operation of UNARY, BINARY or TERNARY on arguments of `dtype` (a select's values).
        `consts` are the arguments' numbers where they are constants, else None."""
        rule = _RULES.get(op)
        if rule is not None:
            return rule(self, dtype, *args)
        if op in ("min", "max", "fmin", "fmax"):
            return self.extreme(op, dtype, args[0], args[1])
        if op in ("lt", "le", "gt", "ge", "eq", "ne"):
            return self.compare(op, dtype, *args)
        if op in ("floordiv", "remainder", "fmod"):
            from . import loop_division

            divisor = consts[1] if consts else None
            return loop_division.apply(self, op, dtype, args[0], args[1], divisor)
        return self.outside(op, dtype, *args)


Rule = Callable[..., str]


def _by_kind(real: str, integer: str, boolean: str = "") -> Rule:
    """An instruction for floats, one for integers, one for bools."""

    def rule(v: Lanes, dtype: str, a: str, b: str) -> str:
        op = real if dtype in FLOATS else boolean if dtype == "bool" else integer
        return v.do(op, dtype, a, b)

    return rule


def _rounding(intrinsic: str) -> Rule:
    def rule(v: Lanes, dtype: str, x: str) -> str:
        return v.call(intrinsic, dtype, x) if dtype in FLOATS else x

    return rule


def _neg(v: Lanes, dtype: str, x: str) -> str:
    if dtype in FLOATS:
        return v.f.op(f"fneg {v.kind(dtype)} {x}")
    return v.do("sub", dtype, v.const(0, dtype), x)


def _abs(v: Lanes, dtype: str, x: str) -> str:
    if dtype in FLOATS:
        return v.call("fabs", dtype, x)
    if dtype in UNSIGNED:
        return x
    return v.f.op(
        f"call {v.kind(dtype)} @llvm.abs.{suffix(REGISTER[dtype], v.lanes)}"
        f"({v.kind(dtype)} {x}, i1 false)"
    )


def _rsqrt(v: Lanes, dtype: str, x: str) -> str:
    return v.do("fdiv", dtype, v.const(1, dtype), v.call("sqrt", dtype, x))


def _not(v: Lanes, dtype: str, x: str) -> str:
    return v.do("xor", dtype, x, v.const(True if dtype == "bool" else -1, dtype))


def _isnan(v: Lanes, dtype: str, x: str) -> str:
    return v.unordered(dtype, x) if dtype in FLOATS else v.const(False, "bool")


def _shl(v: Lanes, dtype: str, a: str, b: str) -> str:
    """0 when shifted by the width or more (a negative number is more)."""
    width = v.const(8 * DTYPES[dtype], dtype)
    small = v.do("icmp ult", dtype, b, width)
    # The amount is made small first: a shift by more would be poison.
    by = v.select(small, dtype, b, v.const(0, dtype))
    return v.select(small, dtype, v.do("shl", dtype, a, by), v.const(0, dtype))


def _shr(v: Lanes, dtype: str, a: str, b: str) -> str:
    """Arithmetic for signed integers: 0 or -1 when shifted by the width or more."""
    top = v.const(8 * DTYPES[dtype] - 1, dtype)
    by = v.call("umin", dtype, b, top)
    out = v.do("lshr" if dtype in UNSIGNED else "ashr", dtype, a, by)
    if dtype not in UNSIGNED:
        return out
    return v.select(v.do("icmp ugt", dtype, b, top), dtype, v.const(0, dtype), out)


def _select(v: Lanes, dtype: str, condition: str, a: str, b: str) -> str:
    return v.select(condition, dtype, a, b)


def _philox(v: Lanes, dtype: str, block: str, half: str, key: str) -> str:
    from . import loop_philox

    return loop_philox.apply(v, block, half, key)


_RULES: dict[str, Rule] = {
    "neg": _neg,
    "abs": _abs,
    "sqrt": lambda v, dtype, x: v.call("sqrt", dtype, x),
    "rsqrt": _rsqrt,
    "floor": _rounding("floor"),
    "ceil": _rounding("ceil"),
    "trunc": _rounding("trunc"),
    "rint": _rounding("rint"),
    "not": _not,
    "isnan": _isnan,
    "add": _by_kind("fadd", "add", "or"),
    "sub": _by_kind("fsub", "sub", "xor"),
    "mul": _by_kind("fmul", "mul", "and"),
    "div": _by_kind("fdiv", "sdiv"),
    "and": _by_kind("and", "and", "and"),
    "or": _by_kind("or", "or", "or"),
    "xor": _by_kind("xor", "xor", "xor"),
    "shl": _shl,
    "shr": _shr,
    "copysign": lambda v, dtype, a, b: v.call("copysign", dtype, a, b),
    "select": _select,
    "fma": lambda v, dtype, a, b, c: v.call("fma", dtype, a, b, c),
    "philox": _philox,
}
