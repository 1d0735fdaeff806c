"""Exponentials, hyperbolic functions and powers, for `vectormath`.

x = n log(2) + r with |r| <= log(2)/2 in two or three pieces of log(2) (Cody and Waite 1980), then
e^x = 2^n (1 + r + r^2 P(r)).
"""

from __future__ import annotations

import math

from .vectormath_logarithm import log_core, log_pair
from .vectormath_tables import TABLES
from .vectormath_text import Body, Val

LOG2E = 1.4426950408889634
LN2 = {"float": (0.693145751953125, 1.428606765330187e-06),
       "double": (0.6931471805599453, 2.3190468138462996e-17)}  # fmt: skip
"""log(2) in two pieces. float's first has trailing zeros, so that its products are exact."""
EXP_RANGE = {"float": (-104.5, 89.0), "double": (-746.0, 710.0)}
"""Outside of it, e^x is 0 or inf."""


def _reduce(b: Body, x: Val) -> tuple[Val, Val, Val, Val]:
    """r, what r lacks, n, and n in low bits."""
    high, low = LN2[x.kind]
    n, bits = b.round_product(x, LOG2E)
    first = b.fma(n, -high, x)
    r = b.fma(n, -low, first)
    if x.kind == "float":
        return r, r, n, bits
    rest = b.fma(n, -low, first - r)
    return r, rest, n, bits


EXP_ZERO = {"float": -104.0, "double": -745.2}
"""Below it, e^x rounds to 0."""


def exp(b: Body, x: Val, bits: int) -> Val:
    # Masked attention is full of -inf: results that underflow cost the processor 100 cycles each.
    zero = x.lt(EXP_ZERO[x.kind])
    x = b.select(zero, 0.0, b.clamp(x, None, EXP_RANGE[x.kind][1]))
    r, rest, n, low = _reduce(b, x)
    return b.select(zero, 0.0, b.scale(_one_plus(b, r, rest, bits), n, low))


def _minus_one(b: Body, r: Val, rest: Val, bits: int) -> Val:
    """e^(r + rest) - 1 with an error that is small beside 1."""
    return b.fma(r * r, b.poly(r, TABLES["exp", bits]), rest) + r


def _one_plus(b: Body, r: Val, rest: Val, bits: int) -> Val:
    """e^(r + rest); short of 53 bits the rest is nothing."""
    if bits == 53:
        return _minus_one(b, r, rest, bits) + 1.0
    return b.fma(b.fma(r, b.poly(r, TABLES["exp", bits]), 1.0), r, 1.0)


def exp_small(b: Body, x: Val, bits: int, less: int = 0) -> Val:
    """e^x / 2^less where that is neither inf nor subnormal."""
    r, rest, _, low = _reduce(b, x)
    return _one_plus(b, r, rest, bits) * b.power_of_two(low, less)


def exp_of_pair(b: Body, x: Val, x_rest: Val, bits: int) -> Val:
    """e^(x + x_rest), inf and subnormal where it is, for an x that is in neither far."""
    r, rest, n, low = _reduce(b, x)
    # What r rounds away of the sum is small enough to be added to e^r.
    r, rest = b.fast_two_sum(r, rest + x_rest)
    return b.scale(_one_plus(b, r, rest, bits), n, low)


def exp_times(b: Body, x: Val, x_rest: Val, factor: Val, factor_rest: Val, bits: int) -> Val:
    """`exp_of_pair` times a factor around 1, with one rounding that matters."""
    r, rest, n, low = _reduce(b, x)
    if bits < 53:
        return b.scale(_one_plus(b, r, rest, bits) * factor, n, low)
    r, rest = b.fast_two_sum(r, rest + x_rest)
    high, low_part = b.fast_two_sum(1.0, _minus_one(b, r, rest, bits))
    product_rest = b.fma(high, factor_rest, low_part * factor)
    return b.scale(b.fma(high, factor, product_rest), n, low)


def exp2(b: Body, x: Val, bits: int) -> Val:
    low, high = (-151.0, 129.0) if x.kind == "float" else (-1077.0, 1025.0)
    x = b.clamp(x, low, high)
    n, integer = b.round(x)
    r = x - n
    return b.scale(b.fma(r, b.poly(r, TABLES["exp2", bits]), 1.0), n, integer)


def expm1(b: Body, x: Val, bits: int) -> Val:
    """2^n expm1(r) + (2^n - 1), all halved, so that 2^n may be as large as it gets."""
    top = EXP_RANGE[x.kind][1]
    y = b.clamp(x, -40.0 if x.kind == "double" else -20.0, top)
    r, rest, _, low = _reduce(b, y)
    q = b.poly(r, TABLES["exp", bits])
    half = b.power_of_two(low, 1)
    p = r * r * q
    if bits == 53:
        p = p + rest
    # r + p is rounded last: with 2^n = 1 it is the result.
    head = b.fma(half, r, half - 0.5)
    tail = b.fma(half, r, (half - 0.5) - head)
    return b.copysign(_double(b, head + b.fma(half, p, tail)), x)


def _double(b: Body, x: Val) -> Val:
    return x + x


def tanh32(b: Body, x: Val, bits: int) -> Val:
    """x P(x^2) for small x, else 1 - 2 / (e^2x + 1)."""
    a = b.abs(x)
    z = x * x
    small = b.fma(a * z, b.poly(z, TABLES["tanh", bits]), a)
    e = exp_small(b, b.clamp(a + a, None, 20.0), bits)
    large = 1.0 - 2.0 / (e + 1.0)
    return b.copysign(b.select(a.lt(0.6), small, large), x)


def tanh64(b: Body, x: Val, bits: int) -> Val:
    """As `tanh32`, with a rational function for small x: one division serves both."""
    a = b.abs(x)
    z = x * x
    small = a.lt(0.6)
    e = exp_small(b, b.clamp(a + a, None, 44.0), bits)
    over = b.select(small, a * z * b.poly(z, TABLES["tanh_over", bits]), -2.0)
    under = b.select(small, b.poly(z, TABLES["tanh_under", bits]), e + 1.0)
    return b.copysign(b.select(small, a, 1.0) + over / under, x)


def _half_exp(b: Body, a: Val, bits: int) -> Val:
    """e^a / 2, inf only where that is, for a >= 0."""
    y = b.clamp(a, None, 711.0)
    r, rest, n, low = _reduce(b, y)
    return b.scale(_one_plus(b, r, rest, bits), n - 1.0, low - 1.0)


def sinh(b: Body, x: Val, bits: int) -> Val:
    a = b.abs(x)
    z = x * x
    small = b.fma(a * z, b.poly(z, TABLES["sinh", bits]), a)
    e = _half_exp(b, a, bits)
    return b.copysign(b.select(a.lt(1.0), small, e - 0.25 / e), x)


def cosh(b: Body, x: Val, bits: int) -> Val:
    e = _half_exp(b, b.abs(x), bits)
    return e + 0.25 / e


def pow32(b: Body, x: Val, y: Val) -> Val:
    """float32's power: 2^(y log2(|x|)) in float64."""
    wide_x, wide_y = b.widen(b.abs(x)), b.widen(y)
    log = log_core(b, wide_x, 32) * LOG2E
    log = _log_limits(b, log, wide_x)
    size = b.narrow(exp2(b, b.clamp(wide_y * log, -200.0, 200.0), 32))
    return _pow_cases(b, x, y, size)


def pow64(b: Body, x: Val, y: Val) -> Val:
    """float64's power: e^(y log(|x|)), with the logarithm and the product as pairs."""
    a = b.abs(x)
    high, low = log_pair(b, a)
    high = _log_limits(b, high, a)
    # Beyond 2^70 every product is too large or too small, and finite ones do not hurt.
    z = b.clamp(y, -(2.0**70), 2.0**70)
    product, rest = b.two_product(high, z)
    rest = b.fma(low, z, rest)
    h = b.clamp(product, -800.0, 800.0)
    within = h.eq(product)
    rest = b.select(within, rest, 0.0)
    return _pow_cases(b, x, y, exp_of_pair(b, h, rest, 53))


def _log_limits(b: Body, log: Val, a: Val) -> Val:
    """The logarithm of 0 and inf; NaN stays."""
    log = b.select(a.eq(0.0), -math.inf, log)
    return b.select(a.lt(math.inf), log, a)


def _pow_cases(b: Body, x: Val, y: Val, size: Val) -> Val:
    """The power of x from that of |x|, by IEEE 754's table of special cases."""
    whole = b.trunc(y).eq(y)
    half = y * 0.5
    odd = whole & b.trunc(half).ne(half)
    negative = b.bits(x).lt(0)
    # -1 to +-inf is 1; |x|^y was computed as 2^(inf * 0).
    size = b.select(b.abs(x).eq(1.0) & ~y.isnan(), 1.0, size)
    size = b.select(negative & ~whole & x.lt(0.0) & x.gt(-math.inf), math.nan, size)
    out = b.select(negative & odd, -size, size)
    return b.select(x.eq(1.0) | y.eq(0.0), 1.0, out)
