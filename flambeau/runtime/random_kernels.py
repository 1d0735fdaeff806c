"""What becomes of the random stream's words, in LLVM IR: uniform numbers, masks, normal numbers,
permutations.

Each formula is, rounding by rounding, that of the Python function which its docstring names, so
that the results are the same bits.
"""

from __future__ import annotations

from collections.abc import Callable

from . import random_twister
from .box_muller import (
    COS,
    FOUR_OVER_PI,
    LN2_HIGH,
    LN2_LOW,
    LOG,
    QUARTER_PI,
    SIN,
    SQRT_HALF,
    TWO_PI,
    UNIT,
)
from .random_ir import SIZES, Body, Code, Row, constant, entry, vector

GROUP = 16
"""Normal numbers come in groups of 16: eight radii with eight angles."""

ENTRIES = (
    "words", "uniform32", "uniform64", "mask1", "mask2", "mask4", "mask8", "normal32", "normal64",
    "pairs", "shuffle",
)  # fmt: skip
"""The functions, in the order of their addresses in the table that the symbol names."""


def text(symbol: str, vector_bytes: int, sincos: bool) -> str:
    """The IR for vectors of so many bytes. `@symbol` becomes a table of the addresses of `ENTRIES`;
    `sincos`: the C library has it."""
    lanes = vector_bytes // 4
    rows = {
        "uniform32": Row(1, 4, lanes, _uniform32, _scale("float")),
        "uniform64": Row(2, 8, lanes, _uniform64, _scale("double")),
        **{f"mask{SIZES[kind]}": _mask_row(kind, lanes) for kind in ("i8", "i16", "i32", "i64")},
        "normal32": Row(GROUP, 4 * GROUP, max(1, lanes // 8), _normal32(lanes), _spread("float")),
        "normal64": Row(2 * GROUP, 8 * GROUP, 1, _normal64, _spread("double")),
        "pairs": Row(4, 16, 1, _pair),
    }
    functions = "".join(entry(name, row) for name, row in rows.items())
    table = ", ".join(f"ptr @{name}.entry" for name in ENTRIES)
    return (
        _declared(functions)
        + random_twister.text(lanes)
        + functions
        + _SHUFFLE
        + (_SINCOS if sincos else _SIN_AND_COS)
        + f"\n@{symbol} = constant [{len(ENTRIES)} x ptr] [{table}]\n"
        + f'attributes #0 = {{ nounwind "prefer-vector-width"="{8 * vector_bytes}" '
        f'"min-legal-vector-width"="{8 * vector_bytes}" }}\n'
    )


def _declared(functions: str) -> str:
    """Declarations of the intrinsics that are used."""
    lines = ["declare i64 @llvm.umin.i64(i64, i64)", "declare double @llvm.sqrt.f64(double)"]
    for kind in ("float", "double"):
        for lanes in (1, 2, 4, 8, 16):
            whole, suffix = vector(lanes, kind), f"v{lanes}f{8 * SIZES[kind]}"
            for name, operands in (("sqrt", 1), ("fma", 3)):
                if f"@llvm.{name}.{suffix}(" in functions:
                    lines.append(f"declare {whole} @llvm.{name}.{suffix}({', '.join([whole] * operands)})")
    return "\n".join(lines) + "\n"


# --- uniform numbers and masks ------------------------------------------------------------------


def _scale(kind: str) -> str:
    return f", {kind} %span, {kind} %low, {kind} %high"


def _fraction(c: Code, words: str, lanes: int) -> str:
    """`Stream.singles`: the lower 24 bits as a fraction."""
    bits = c.op("and", words, 0xFFFFFF, lanes, "i32")
    return c.op("fmul", c.cast("sitofp", bits, lanes, "i32", "float"), UNIT, lanes, "float")


def _bits53(c: Code, lanes: int, index: str) -> str:
    """`Stream.doubles` before they become fractions: of two words the first is the upper half."""
    pairs = c.load(c.at("%from", index, "i64"), lanes, "i64")
    upper, lower = (c.op(way, pairs, 32, lanes, "i64") for way in ("shl", "lshr"))
    return c.op("and", c.op("or", upper, lower, lanes, "i64"), (1 << 53) - 1, lanes, "i64")


def _double(c: Code, lanes: int, index: str) -> str:
    """`Stream.doubles`."""
    whole = c.cast("uitofp", _bits53(c, lanes, index), lanes, "i64", "double")
    return c.op("fmul", whole, 2.0**-53, lanes, "double")


def _scaled(c: Code, kind: str, x: str, lanes: int, index: str) -> None:
    """`Generator.uniform`: ``x * span + low``, and `low` where a rounding hits `high`."""
    span, low, high = (c.splat(f"%{name}", lanes, kind) for name in ("span", "low", "high"))
    y = c.fma(x, span, low, lanes, kind)
    y = c.choose(c.op("fcmp oeq", y, high, lanes, kind), low, y, lanes, kind)
    c.store(y, c.at("%to", index, kind), lanes, kind)


def _uniform32(c: Code, lanes: int, index: str) -> None:
    words = c.load(c.at("%from", index, "i32"), lanes, "i32")
    _scaled(c, "float", _fraction(c, words, lanes), lanes, index)


def _uniform64(c: Code, lanes: int, index: str) -> None:
    _scaled(c, "double", _double(c, lanes, index), lanes, index)


def _mask_row(kind: str, lanes: int) -> Row:
    """`Generator.bernoulli` with a number p: `one` where the 53 bits are below ``p * 2**53``, that
    is below the next whole number, `limit`; else 0."""

    def body(c: Code, lanes: int, index: str) -> None:
        limit = c.splat("%limit", lanes, "i64")
        below = c.op("icmp slt", _bits53(c, lanes, index), limit, lanes, "i64")
        one = "%one" if kind == "i64" else c(f"trunc i64 %one to {kind}")
        ones = c.splat(one, lanes, kind)
        chosen = c.choose(below, ones, "zeroinitializer", lanes, kind)
        c.store(chosen, c.at("%to", index, kind), lanes, kind)

    return Row(2, SIZES[kind], lanes, body, ", i64 %limit, i64 %one")


# --- normal numbers -----------------------------------------------------------------------------


def _spread(kind: str) -> str:
    return f", {kind} %std, {kind} %mean"


def _normal32(widest: int) -> Body:
    """`Generator._sixteens32`, for vectors of at most `widest` lanes: two groups, one or half of
    one at a time."""

    def body(c: Code, groups: int, index: str) -> None:
        start = c(f"mul i64 {index}, {GROUP}")
        source, target = c.at("%from", start, "i32"), c.at("%to", start, "float")
        if groups == 2:
            quarters = [c.load(c.at(source, 8 * i, "i32"), 8, "i32") for i in range(4)]
            radii = c.shuffle(quarters[0], quarters[2], 8, "i32", range(16))
            angles = c.shuffle(quarters[1], quarters[3], 8, "i32", range(16))
            for i, made in enumerate(_box_muller(c, radii, angles, 16)):
                for k in range(2):
                    half = c.shuffle(made, "poison", 16, "float", range(8 * k, 8 * k + 8))
                    c.store(half, c.at(target, 16 * k + 8 * i, "float"), 8, "float")
            return
        lanes = min(8, widest)
        for k in range(0, 8, lanes):
            radii, angles = (c.load(c.at(source, i + k, "i32"), lanes, "i32") for i in (0, 8))
            for i, made in enumerate(_box_muller(c, radii, angles, lanes)):
                c.store(made, c.at(target, 8 * i + k, "float"), lanes, "float")

    return body


def _box_muller(c: Code, first: str, second: str, lanes: int) -> tuple[str, str]:
    """`box_muller.box_muller32`, and times `std` plus `mean`."""
    whole = vector(lanes, "float")
    ones = constant(lanes, "float", 1.0)
    uniform = c.op("fsub", ones, _fraction(c, first, lanes), lanes, "float")
    squared = c.op("fmul", _log(c, uniform, lanes), -2.0, lanes, "float")
    radius = c(f"call {whole} @llvm.sqrt.v{lanes}f32({whole} {squared})")
    angle = c.op("fmul", _fraction(c, second, lanes), TWO_PI, lanes, "float")
    sine, cosine = _sine_and_cosine(c, angle, lanes)
    std, mean = c.splat("%std", lanes, "float"), c.splat("%mean", lanes, "float")
    cosine, sine = (
        c.fma(c.op("fmul", x, radius, lanes, "float"), std, mean, lanes) for x in (cosine, sine)
    )
    return cosine, sine


def _polynomial(c: Code, x: str, coefficients: list[float], lanes: int) -> str:
    value = c.fma(x, coefficients[0], coefficients[1], lanes)
    for coefficient in coefficients[2:]:
        value = c.fma(value, x, coefficient, lanes)
    return value


def _log(c: Code, u: str, lanes: int) -> str:
    """`box_muller._log`."""

    def op(name: str, a: str, b: str | float, kind: str = "float") -> str:
        return c.op(name, a, b, lanes, kind)

    bits = c.cast("bitcast", u, lanes, "float", "i32")
    exponent = c.cast("sitofp", op("lshr", bits, 23, "i32"), lanes, "i32", "float")
    exponent = op("fsub", exponent, 126.0)
    fraction = op("or", op("and", bits, 0x7FFFFF, "i32"), 0x3F000000, "i32")
    mantissa = c.cast("bitcast", fraction, lanes, "i32", "float")
    small = op("fcmp olt", mantissa, SQRT_HALF)
    zero = "zeroinitializer"
    exponent = c.choose(small, op("fsub", exponent, 1.0), exponent, lanes, "float")
    x = op("fadd", op("fsub", mantissa, 1.0), c.choose(small, mantissa, zero, lanes, "float"))
    squared = op("fmul", x, x)
    value = op("fmul", _polynomial(c, x, LOG, lanes), x)
    value = c.fma(value, squared, op("fmul", exponent, LN2_LOW), lanes)
    value = op("fadd", op("fsub", value, op("fmul", squared, 0.5)), x)
    return op("fadd", value, op("fmul", exponent, LN2_HIGH))


def _sine_and_cosine(c: Code, angle: str, lanes: int) -> tuple[str, str]:
    """`box_muller._sincos`."""

    def op(name: str, a: str, b: str | float, kind: str = "float") -> str:
        return c.op(name, a, b, lanes, kind)

    octant = c.cast("fptosi", op("fmul", angle, FOUR_OVER_PI), lanes, "float", "i32")
    octant = op("and", op("add", octant, 1, "i32"), -2, "i32")
    turns = c.cast("sitofp", octant, lanes, "i32", "float")
    x = op("fsub", angle, op("fmul", turns, QUARTER_PI[0]))
    x = op("fsub", x, op("fmul", turns, QUARTER_PI[1]))
    x = c.fma(turns, -QUARTER_PI[2], x, lanes)
    squared = op("fmul", x, x)
    cosine = op("fmul", _polynomial(c, squared, COS, lanes), squared)
    cosine = op("fadd", c.fma(cosine, squared, op("fmul", squared, -0.5), lanes), 1.0)
    sine = op("fmul", _polynomial(c, squared, SIN, lanes), squared)
    sine = c.fma(sine, x, x, lanes)

    s, k = (c.cast("bitcast", v, lanes, "float", "i32") for v in (sine, cosine))
    swapped = op("icmp ne", op("and", octant, 2, "i32"), 0, "i32")
    s, k = c.choose(swapped, k, s, lanes, "i32"), c.choose(swapped, s, k, lanes, "i32")
    s = op("xor", s, op("shl", op("and", octant, 4, "i32"), 29, "i32"), "i32")
    turned = op("and", op("add", octant, 2, "i32"), 4, "i32")
    k = op("xor", k, op("shl", turned, 29, "i32"), "i32")
    sine, cosine = (c.cast("bitcast", v, lanes, "i32", "float") for v in (s, k))
    return sine, cosine


# --- through the C library ----------------------------------------------------------------------

_SINCOS = """
declare double @log(double)
declare double @log1p(double)
declare void @sincos(double, ptr, ptr)
define internal { double, double } @turned(double %angle) #0 {
  %s = alloca double
  %c = alloca double
  call void @sincos(double %angle, ptr %s, ptr %c)
  %sine = load double, ptr %s
  %cosine = load double, ptr %c
  %half = insertvalue { double, double } poison, double %cosine, 0
  %both = insertvalue { double, double } %half, double %sine, 1
  ret { double, double } %both
}
"""

_SIN_AND_COS = """
declare double @log(double)
declare double @log1p(double)
declare double @sin(double)
declare double @cos(double)
define internal { double, double } @turned(double %angle) #0 {
  %cosine = call double @cos(double %angle)
  %sine = call double @sin(double %angle)
  %half = insertvalue { double, double } poison, double %cosine, 0
  %both = insertvalue { double, double } %half, double %sine, 1
  ret { double, double } %both
}
"""


def _circle(c: Code, log: str, uniform: str) -> tuple[str, str]:
    """``sqrt(-2 log)`` times cosine and sine of ``2 pi uniform``: scalars."""
    two_pi = "0x401921FB54442D18"
    radius = c(f"call double @llvm.sqrt.f64(double {c(f'fmul double {log}, -2.0')})")
    angle = c(f"fmul double {uniform}, {two_pi}")
    both = c(f"call {{ double, double }} @turned(double {angle})")
    parts = (c(f"extractvalue {{ double, double }} {both}, {i}") for i in range(2))
    cosine, sine = (c(f"fmul double {radius}, {part}") for part in parts)
    return cosine, sine


def _normal64(c: Code, groups: int, index: str) -> None:
    """`Generator._sixteens64`, a group."""
    start = c(f"mul i64 {index}, {GROUP}")
    for k in range(8):
        radius, angle = (
            c(f"extractelement <1 x double> {_double(c, 1, c(f'add i64 {start}, {i + k}'))}, i64 0")
            for i in (0, 8)
        )
        log = c(f"call double @log(double {c(f'fsub double 1.0, {radius}')})")
        for i, made in enumerate(_circle(c, log, angle)):
            single = c(f"insertelement <1 x double> poison, double {made}, i64 0")
            std, mean = c.splat("%std", 1, "double"), c.splat("%mean", 1, "double")
            spread = c.fma(single, std, mean, 1, "double")
            place = c.at("%to", c(f"add i64 {start}, {8 * i + k}"), "double")
            c.store(spread, place, 1, "double")


def _pair(c: Code, count: int, index: str) -> None:
    """`Generator._normals`, two numbers."""
    start = c(f"mul i64 {index}, 2")
    angle, radius = (
        c(f"extractelement <1 x double> {_double(c, 1, c(f'add i64 {start}, {i}'))}, i64 0")
        for i in range(2)
    )
    log = c(f"call double @log1p(double {c(f'fneg double {radius}')})")
    for i, made in enumerate(_circle(c, log, angle)):
        c.lines.append(f"  store double {made}, ptr {c.at('%to', c(f'add i64 {start}, {i}'), 'double')}")


# --- permutations -------------------------------------------------------------------------------

_SHUFFLE = """
; `Generator.randperm`: of n i64, place i changes with place i + word % (n - i), for all but the last.
define internal void @shuffle.entry(ptr %state, ptr %out, i64 %n) #0 {
entry:
  %buffer = alloca [768 x i32], align 64
  %short = icmp ult i64 %n, 2
  br i1 %short, label %done, label %chunk
chunk:
  %begin = phi i64 [ 0, %entry ], [ %i.next, %next ]
  %left = sub i64 %n, %begin
  %steps = sub i64 %left, 1
  %m = call i64 @llvm.umin.i64(i64 %steps, i64 768)
  call void @words.entry(ptr %state, ptr %buffer, i64 %m)
  br label %swap
swap:
  %k = phi i64 [ 0, %chunk ], [ %k.next, %swap ]
  %i = add i64 %begin, %k
  %word.at = getelementptr i32, ptr %buffer, i64 %k
  %word = load i32, ptr %word.at
  %range = sub i64 %n, %i
  %modulus = trunc i64 %range to i32
  %draw = urem i32 %word, %modulus
  %far = zext i32 %draw to i64
  %j = add i64 %i, %far
  %here = getelementptr i64, ptr %out, i64 %i
  %there = getelementptr i64, ptr %out, i64 %j
  %a = load i64, ptr %here
  %b = load i64, ptr %there
  store i64 %a, ptr %there
  store i64 %b, ptr %here
  %k.next = add i64 %k, 1
  %k.more = icmp ult i64 %k.next, %m
  br i1 %k.more, label %swap, label %next
next:
  %i.next = add i64 %begin, %m
  %all = sub i64 %n, 1
  %more = icmp ult i64 %i.next, %all
  br i1 %more, label %chunk, label %done
done:
  ret void
}
"""
