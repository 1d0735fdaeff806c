"""Normal numbers from the random stream's words, in LLVM IR: Box and Muller's, in single precision
by `box_muller`'s polynomials, in double through the C library.
"""

from __future__ import annotations

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
)
from .random_ir import Body, Code, Operand, Row, constant, double, fraction, vector

GROUP = 16
"""Normal numbers come in groups of 16: eight radii with eight angles."""


def rows(lanes: int) -> dict[str, Row]:
    """The entries, for vectors of so many floats. A unit is a group of 16, of "pairs" two doubles
    and of "log1p64" one."""
    return {
        "normal32": Row(GROUP, 4 * GROUP, max(1, lanes // 8), _normal32(lanes), _spread("float")),
        "normal64": Row(2 * GROUP, 8 * GROUP, 1, _normal64, _spread("double")),
        "pairs": Row(4, 16, 1, _pair),
        "log1p64": Row(2, 8, 1, _log1p),
    }


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
    uniform = c.op("fsub", ones, fraction(c, first, lanes), lanes, "float")
    squared = c.op("fmul", _log(c, uniform, lanes), -2.0, lanes, "float")
    radius = c(f"call {whole} @llvm.sqrt.v{lanes}f32({whole} {squared})")
    angle = c.op("fmul", fraction(c, second, lanes), TWO_PI, lanes, "float")
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

    def op(name: str, a: str, b: Operand, kind: str = "float") -> str:
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

    def op(name: str, a: str, b: Operand, kind: str = "float") -> str:
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

_LIBRARY = """
declare double @log(double)
declare double @log1p(double)
; Cosine and sine.
define internal { double, double } @turned(double %angle) #0 {
entry:
"""

_SINCOS = """
  %sine.at = alloca double
  %cosine.at = alloca double
  call void @sincos(double %angle, ptr %sine.at, ptr %cosine.at)
  %sine = load double, ptr %sine.at
  %cosine = load double, ptr %cosine.at
"""

_TWO_CALLS = """
  %cosine = call double @cos(double %angle)
  %sine = call double @sin(double %angle)
"""

_BOTH = """
  %half = insertvalue { double, double } poison, double %cosine, 0
  %both = insertvalue { double, double } %half, double %sine, 1
  ret { double, double } %both
}
"""


def library(sincos: bool) -> str:
    """What the double functions call. `sincos`: the C library has it, which takes half the time."""
    if sincos:
        return "declare void @sincos(double, ptr, ptr)" + _LIBRARY + _SINCOS + _BOTH
    declared = "declare double @sin(double)\ndeclare double @cos(double)"
    return declared + _LIBRARY + _TWO_CALLS + _BOTH


def _one(c: Code, start: str, offset: int) -> str:
    """One of `double`, as a scalar."""
    single = double(c, 1, c(f"add i64 {start}, {offset}"))
    return c(f"extractelement <1 x double> {single}, i64 0")


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
        radius, angle = (_one(c, start, i + k) for i in (0, 8))
        log = c(f"call double @log(double {c(f'fsub double 1.0, {radius}')})")
        for i, made in enumerate(_circle(c, log, angle)):
            single = c.splat(made, 1, "double")
            std, mean = c.splat("%std", 1, "double"), c.splat("%mean", 1, "double")
            spread = c.fma(single, std, mean, 1, "double")
            place = c.at("%to", c(f"add i64 {start}, {8 * i + k}"), "double")
            c.store(spread, place, 1, "double")


def _pair(c: Code, count: int, index: str) -> None:
    """`Generator._normals`, two numbers."""
    start = c(f"mul i64 {index}, 2")
    angle, radius = (_one(c, start, i) for i in range(2))
    log = c(f"call double @log1p(double {c(f'fneg double {radius}')})")
    for i, made in enumerate(_circle(c, log, angle)):
        place = c.at("%to", c(f"add i64 {start}, {i}"), "double")
        c.store(c.splat(made, 1, "double"), place, 1, "double")


def _log1p(c: Code, count: int, index: str) -> None:
    """``log1p(-uniform)``, what `Generator.exponential` multiplies."""
    uniform = c(f"extractelement <1 x double> {double(c, 1, index)}, i64 0")
    log = c(f"call double @log1p(double {c(f'fneg double {uniform}')})")
    c.store(c.splat(log, 1, "double"), c.at("%to", index, "double"), 1, "double")
