"""Logarithms and inverse hyperbolic functions, for `vectormath`.

x = 2^k (1 + f) with f around 0. In float32, log(1 + f) is a polynomial; in float64 it is
2 atanh(s) with s = f / (2 + f), as in fdlibm's e_log.c (Sun Microsystems 1993).
"""

from __future__ import annotations

import math

from .vectormath_tables import TABLES
from .vectormath_text import FORMATS, Body, Val, bits_of

LN2 = (0.6931471805598903, 5.497923018708371e-14)
"""log(2) with 42 bits, and the rest: products of the first with exponents are exact."""
LOG2E = (1.4426950408889634, 2.0355273740931033e-17)
LOG10E = (0.4342944819032518, 1.098319650216765e-17)
LOG10_2 = (0.30102999566395283, 2.8363394551044964e-14)
"""log10(2) with 42 bits, and the rest."""
START = {"float": 2.0 / 3.0, "double": math.sqrt(0.5)}
"""1 + f lies in [START, 2 START)."""


def _exponent(b: Body, x: Val) -> tuple[Val, Val]:
    """k of a positive normal number, and the bits of 2^k."""
    f = FORMATS[x.kind]
    i = b.bits(x) + ((f.bias << f.mantissa) - bits_of(START[x.kind], x.kind))
    # The biased exponent becomes a float below the fraction of 2^mantissa.
    base = 2.0**f.mantissa
    k = b.as_float((i >> f.mantissa) | bits_of(base, x.kind)) - (base + f.bias)
    return k, i & (((1 << f.bits - f.mantissa) - 1) << f.mantissa)


def _split(b: Body, x: Val) -> tuple[Val, Val]:
    """k and 1 + f."""
    f = FORMATS[x.kind]
    k, k_bits = _exponent(b, x)
    return k, b.as_float(b.bits(x) - (k_bits - (f.bias << f.mantissa)))


def _normal(b: Body, x: Val) -> tuple[Val, Val]:
    """x with subnormal numbers scaled up, and what to add to k for that."""
    f = FORMATS[x.kind]
    small = x.lt(f.tiny)
    up = float(f.mantissa + 2)
    return b.select(small, x * 2.0**up, x), b.select(small, -up, 0.0, x.kind)


def _limits(b: Body, out: Val, x: Val) -> Val:
    """A logarithm's values outside of (0, inf)."""
    out = b.select(x.lt(math.inf), out, x)
    out = b.select(x.eq(0.0), -math.inf, out)
    return b.select(x.lt(0.0), math.nan, out)


def log_plain(b: Body, f: Val, k: Val, bits: int) -> Val:
    """k log(2) + log(1 + f) in float32."""
    u = b.fma(b.poly(f, TABLES["log_plain", bits]), f, -0.5)
    return b.fma(k, LN2[0] + LN2[1], b.fma(f * f, u, f))


def log_atanh(b: Body, f: Val, k: Val, bits: int) -> Val:
    """k log(2) + log(1 + f) in float64: log(1 + f) = f - (f^2/2 - s (f^2/2 + R(s^2)))."""
    s = f / (f + 2.0)
    z = s * s
    half = f * f * 0.5
    r = z * b.poly(z, TABLES["log", bits])
    rest = s * (half + r)
    if bits < 53:
        return b.fma(k, LN2[0] + LN2[1], f - (half - rest))
    return b.fma(k, LN2[0], f - (half - b.fma(k, LN2[1], rest)))


def _by_kind(b: Body, f: Val, k: Val, bits: int) -> Val:
    return log_plain(b, f, k, bits) if f.kind == "float" else log_atanh(b, f, k, bits)


def log_core(b: Body, x: Val, bits: int) -> Val:
    """The logarithm of a positive normal number."""
    k, m = _split(b, x)
    return _by_kind(b, m - 1.0, k, bits)


def log(b: Body, x: Val, bits: int) -> Val:
    y, less = _normal(b, x)
    k, m = _split(b, y)
    return _limits(b, _by_kind(b, m - 1.0, k + less, bits), x)


def log1p(b: Body, x: Val, bits: int) -> Val:
    """1 + x = 2^k (1 + f), with f = x / 2^k + (1 / 2^k - 1) rounded once."""
    f = FORMATS[x.kind]
    k, k_bits = _exponent(b, x + 1.0)
    # 2^-k may be subnormal; 2^(2-k) is not. Where k is not 0, neither is x / 2^k.
    less = b.as_float(((2 * f.bias + 2) << f.mantissa) - k_bits)
    scaled = b.as_float(b.bits(x) - (k_bits - (f.bias << f.mantissa)))
    out = _by_kind(b, scaled + b.fma(less, 0.25, -1.0), k, bits)
    out = b.select(x.lt(math.inf), out, x)
    out = b.select(x.eq(-1.0), -math.inf, out)
    return b.select(x.lt(-1.0), math.nan, b.select(x.eq(0.0), x, out))


def _one_plus_pair(b: Body, f: Val) -> tuple[Val, Val]:
    """log(1 + f) as a pair, with an error of some 2^-60 of it."""
    half = f * f * 0.5
    half_rest = b.fma(f * 0.5, f, -half)
    s = f / (f + 2.0)
    z = s * s
    tail = s * (half + z * b.poly(z, TABLES["log", 53])) - half_rest
    high, rest = b.fast_two_sum(f, -half)
    return b.fast_two_sum(high, rest + tail)


def _times(b: Body, x: tuple[Val, Val], factor: tuple[float, float]) -> tuple[Val, Val]:
    high, rest = b.two_product(x[0], factor[0])
    return high, b.fma(x[0], factor[1], b.fma(x[1], factor[0], rest))


def log2(b: Body, x: Val, bits: int) -> Val:
    if bits < 53:
        return _limits(b, log_core(b, x, bits) * LOG2E[0], x)
    y, less = _normal(b, x)
    k, m = _split(b, y)
    high, rest = _times(b, _one_plus_pair(b, m - 1.0), LOG2E)
    total, lost = b.two_sum(k + less, high)
    return _limits(b, total + (lost + rest), x)


def log10(b: Body, x: Val, bits: int) -> Val:
    if bits < 53:
        return _limits(b, log_core(b, x, bits) * LOG10E[0], x)
    y, less = _normal(b, x)
    k, m = _split(b, y)
    k = k + less
    high, rest = _times(b, _one_plus_pair(b, m - 1.0), LOG10E)
    total, lost = b.two_sum(k * LOG10_2[0], high)
    return _limits(b, total + (lost + b.fma(k, LOG10_2[1], rest)), x)


def log_pair(b: Body, x: Val) -> tuple[Val, Val]:
    """The logarithm of a positive number as a pair, with an error below 2^-66 of it: the series of
    atanh in pairs up to the fifth power."""
    y, less = _normal(b, x)
    k, m = _split(b, y)
    k = k + less
    f = m - 1.0
    d, d_rest = b.fast_two_sum(2.0, f)
    s = f / d
    s_rest = (b.fma(-s, d, f) - s * d_rest) / d
    z, z_rest = b.two_product(s, s)
    z_rest = b.fma(s + s, s_rest, z_rest)
    tail = b.poly(z, TABLES["log_tail", 53])
    p = b.fast_two_sum(0.4, b.fma(z, tail, -2.2204460492503132e-17))
    p = _product(b, p, (z, z_rest))
    c = b.fast_two_sum(2.0 / 3.0, p[0])
    p = (c[0], c[1] + p[1] + 3.700743415417188e-17)
    cube = _product(b, (z, z_rest), (s, s_rest))
    p = _product(b, p, cube)
    total, rest = b.fast_two_sum(s + s, p[0])
    rest = rest + (s_rest + s_rest + p[1])
    high, lost = b.two_sum(k * LN2[0], total)
    rest = b.fma(k, LN2[1], rest + lost)
    return b.fast_two_sum(high, rest)


def _product(b: Body, x: tuple[Val, Val], y: tuple[Val, Val]) -> tuple[Val, Val]:
    p, rest = b.two_product(x[0], y[0])
    return p, rest + b.fma(x[0], y[1], x[1] * y[0])


def asinh(b: Body, x: Val, bits: int) -> Val:
    """log1p(a + a^2 / (1 + sqrt(1 + a^2))), or log(a) + log(2) where a^2 could overflow."""
    a = b.abs(x)
    huge = a.gt(2.0**28)
    c = b.select(huge, 1.0, a)
    z = c * c
    inner = c + z / (b.sqrt(z + 1.0) + 1.0)
    return b.copysign(_log1p_or_log(b, huge, inner, a, bits), x)


def acosh(b: Body, x: Val, bits: int) -> Val:
    """log1p(t + sqrt(2 t + t^2)) with t = x - 1."""
    huge = x.gt(2.0**28)
    t = b.select(huge, 1.0, x - 1.0)
    inner = t + b.sqrt(b.fma(t, t, t + t))
    return b.select(x.lt(1.0), math.nan, _log1p_or_log(b, huge, inner, x, bits))


def _log1p_or_log(b: Body, huge: Val, inner: Val, x: Val, bits: int) -> Val:
    """log1p(inner), or where x is huge log(2 x): both from one logarithm."""
    near = log1p(b, b.select(huge, x - 1.0, inner), bits)
    return b.select(huge, near + math.log(2.0), near)


def atanh(b: Body, x: Val, bits: int) -> Val:
    """log1p(2 a / (1 - a)) / 2."""
    a = b.abs(x)
    return b.copysign(log1p(b, (a + a) / (1.0 - a), bits) * 0.5, x)
