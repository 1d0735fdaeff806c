"""The error function, for `vectormath`."""

from __future__ import annotations

from .vectormath_exponential import exp_small, exp_times
from .vectormath_tables import TABLES
from .vectormath_text import Body, Val


def erf32(b: Body, x: Val, bits: int) -> Val:
    """x P(x^2) for small x, else 1 - e^Q(x)."""
    a = b.abs(x)
    z = x * x
    small = b.fma(a, b.poly(z, TABLES["erf", bits]), a)
    log = b.poly(b.clamp(a, None, 3.93), TABLES["erf_tail", bits])
    return b.copysign(b.select(a.lt(0.93), small, 1.0 - exp_small(b, log, bits)), x)


def erf64(b: Body, x: Val, bits: int) -> Val:
    a = b.abs(x)
    z = x * x
    small = b.fma(a, b.poly(z, TABLES["erf", bits]), a)
    large = 1.0 - _erfc_positive(b, b.clamp(a, None, 6.0), bits)
    return b.copysign(b.select(a.lt(1.0), small, large), x)


def _erfc_positive(b: Body, a: Val, bits: int) -> Val:
    """e^(-a^2) P(t) / (1 + 2a) with t = (a - k) / (a + k): the polynomial is nearly flat (Shepherd
    and Laframboise 1981). For 53 bits, its value and the quotient are pairs."""
    k = 4.0 if bits == 53 else 2.0
    t = (a - k) / (a + k)
    table = TABLES["erfc", bits]
    square, rest = b.two_product(a, a)
    d = b.fma(a, 2.0, 1.0)
    p, p_rest = b.fast_two_sum(table[0], t * b.poly(t, table[1:]))
    q = p / d
    d_rest = b.fma(a, 2.0, 1.0 - d)
    q_rest = (b.fma(-q, d, p) + b.fma(-q, d_rest, p_rest)) / d
    return exp_times(b, -square, -rest, q, q_rest, bits)


def erfc(b: Body, x: Val, bits: int) -> Val:
    a = b.abs(x)
    out = _erfc_positive(b, b.clamp(a, None, 27.4 if bits == 53 else 10.2), bits)
    out = b.select(x.lt(0.0), 2.0 - out, out)
    if bits < 53:
        return out
    small = b.fma(x, b.poly(x * x, TABLES["erf", bits]), x)
    return b.select(a.lt(0.7), 1.0 - small, out)
