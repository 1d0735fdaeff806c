"""Lowerings of the gamma function's and the error function's kin: the formulas of
`ops.special_functions` and `ops.gamma_functions`, every case of which is computed for every element. As there, float32 is computed in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..special_functions import BERNOULLI, ERFCX, LGAMMA
from .common import Lowering, Node, for_floats

MOST_DERIVATIVES = 3
"""Of digamma: with more of them the terms are too many to be written out."""


def _in_float64(formula: Callable[..., Node]) -> Lowering:
    def lower(b: Any, x: Node, *params: Any) -> Node | None:
        found = formula(b, b.cast(x, "float64"), *params)
        return None if found is None else b.cast(found, x.dtype)

    return for_floats(lower)


def _polynomial(b: Any, x: Node, coefficients: Sequence[float]) -> Node:
    """Horner's rule, lowest power first."""
    out = b.full((), coefficients[-1], x.dtype)
    for c in coefficients[-2::-1]:
        out = b.add(b.mul(out, x), c)
    return out


def _to_nearest(b: Any, x: Node) -> Node:
    """From the nearest whole number to x, within half of one."""
    return b.sub(x, b.rint(x))


# --- the gamma function -------------------------------------------------------------------------


def _lgamma(b: Any, x: Node) -> Node:
    a = b.abs(x)
    near, low, below = b.lt(a, 8), b.lt(a, 1), b.lt(x, 0)
    # On [1, 2] a polynomial times the distances from the roots; up to 8 by recurrence.
    r = b.select(low, a, b.sub(a, 1))
    product = b.full((), 1.0, a.dtype)
    for _ in range(6):
        high = b.gt(r, 1)
        product = b.select(high, b.mul(product, r), product)
        r = b.select(high, b.sub(r, 1), r)
    log = b.log(b.select(near, b.select(low, a, product), a))
    small = b.mul(b.mul(r, b.sub(r, 1)), _polynomial(b, b.sub(b.mul(r, 2.0), 1), LGAMMA))
    small = b.add(small, b.select(low, b.neg(log), log))
    # Stirling's series beyond.
    y = b.div(1.0, a)
    terms = [c / (2 * k * (2 * k - 1)) for k, c in enumerate(BERNOULLI[:7], 1)]
    series = b.mul(_polynomial(b, b.mul(y, y), terms), y)
    large = b.add(b.mul(b.sub(a, 0.5), b.sub(log, 1)), b.add(series, 0.5 * math.log(2 * math.pi) - 0.5))
    out = b.select(near, small, large)
    reflected = b.mul(a, b.sin(b.mul(_to_nearest(b, a), math.pi)))
    mirrored = b.sub(b.log(b.div(math.pi, b.abs(reflected))), out)
    poles = b.and_(below, b.eq(x, b.floor(x)))
    return b.select(poles, math.inf, b.select(below, mirrored, out))


def _mvlgamma(b: Any, x: Node, p: int) -> Node:
    places = b.sub(b.reshape(x, (*x.shape, 1)), b.div(b.cast(b.iota((p,), 0), x.dtype), 2.0))
    return b.add(b.sum(lgamma(b, places), (x.ndim,)), p * (p - 1) / 4 * math.log(math.pi))


def _digamma(b: Any, x: Node) -> Node:
    poles = b.and_(b.lt(x, 0), b.eq(x, b.floor(x)))
    out = b.select(poles, math.nan, _polygamma(b, x, 0))
    return b.select(b.eq(x, 0), b.copysign(math.inf, b.neg(x)), out)


def _polygamma_of(b: Any, x: Node, n: int) -> Node | None:
    if n > MOST_DERIVATIVES:
        return None
    return _polygamma(b, x, n) if n else _digamma(b, x)


def _polygamma(b: Any, x: Node, n: int) -> Node:
    below = b.lt(x, 0)
    positive = _polygamma_positive(b, b.select(below, b.sub(1.0, x), x), n)
    fraction = _to_nearest(b, x)
    cot = b.div(1.0, b.tan(b.mul(fraction, math.pi)))
    slope = [0.0, 1.0]  # the n-th derivative of pi * cot, in powers of cot
    for _ in range(n):
        derived = [k * c for k, c in enumerate(slope)][1:]
        slope = [-(u + v) for u, v in zip([*derived, 0.0, 0.0], [0.0, 0.0, *derived], strict=True)]
    bent = b.mul(_polynomial(b, cot, slope), -(math.pi ** (n + 1)))
    poles = b.select(b.eq(fraction, 0), -math.inf if n % 2 == 0 else math.inf, bent)
    mirrored = b.add(b.neg(positive) if n % 2 else positive, poles)
    return b.select(below, mirrored, positive)


def _polygamma_positive(b: Any, x: Node, n: int) -> Node:
    """Recurrence to large x, and the asymptotic series there."""
    enough, factorial = 10 + 2 * n, float(math.factorial(n))
    shifted = b.full((), 0.0, x.dtype)
    for _ in range(enough):
        low = b.lt(x, enough)
        shifted = b.select(low, b.add(shifted, b.div(factorial, _power(b, x, n + 1))), shifted)
        x = b.select(low, b.add(x, 1), x)
    y = b.div(1.0, x)
    square = b.mul(y, y)
    factors = [math.factorial(2 * k + n - 1) / math.factorial(2 * k) for k in range(1, 9)]
    series = _polynomial(b, square, [c * f for c, f in zip(BERNOULLI, factors, strict=True)])
    if n == 0:
        out = b.sub(b.sub(b.sub(b.log(x), b.mul(y, 0.5)), b.mul(series, square)), shifted)
        return b.select(b.eq(x, math.inf), math.inf, out)
    first = b.mul(_power(b, y, n), float(math.factorial(n - 1)))
    first = b.add(first, b.mul(_power(b, y, n + 1), 0.5 * factorial))
    total = b.add(b.add(shifted, first), b.mul(series, _power(b, y, n + 2)))
    return total if n % 2 else b.neg(total)


def _power(b: Any, x: Node, n: int) -> Node:
    out = x
    for _ in range(n - 1):
        out = b.mul(out, x)
    return out


# --- the error function -------------------------------------------------------------------------


def _erfcx(b: Any, x: Node) -> Node:
    far = b.max(x, 0.5)
    finite = b.min(far, 1e20)
    ratio = b.div(b.sub(finite, 4), b.add(finite, 3))
    high = b.div(_polynomial(b, ratio, ERFCX), b.add(far, 3))
    low = b.mul(_exp_square(b, x), b.sub(1.0, b.erf(x)))
    return b.select(b.gt(x, 0.5), high, b.select(b.lt(x, -27), math.inf, low))


def _exp_square(b: Any, x: Node) -> Node:
    """exp(x * x), of which the square of x's first part is exact."""
    head = b.cast(b.cast(x, "float32"), "float64")
    rest = b.mul(b.sub(x, head), b.add(x, head))
    return b.mul(b.exp(b.mul(head, head)), b.exp(rest))


def _ndtr(b: Any, x: Node) -> Node:
    return b.mul(b.erfc(b.mul(x, -math.sqrt(0.5))), 0.5)


def _log_ndtr(b: Any, x: Node) -> Node:
    y = b.min(x, 0.0)
    area = b.log(b.mul(_erfcx(b, b.mul(y, -math.sqrt(0.5))), 0.5))
    below = b.sub(area, b.mul(b.mul(y, y), 0.5))
    half = b.mul(b.max(x, 0.0), math.sqrt(0.5))
    above = b.log1p(b.mul(b.mul(_erfcx(b, half), b.exp(b.neg(b.mul(half, half)))), -0.5))
    out = b.select(b.le(x, 0), below, above)
    return b.select(b.eq(x, math.inf), 0.0, b.select(b.eq(x, -math.inf), -math.inf, out))


def _erfinv(b: Any, x: Node) -> Node:
    size = b.abs(x)
    lost = b.add(b.log1p(b.neg(size)), b.log1p(size))
    a = 0.147
    half = b.add(b.mul(lost, 0.5), 2 / (math.pi * a))
    root = b.sqrt(b.sub(b.mul(half, half), b.div(lost, a)))
    y = b.sqrt(b.max(b.sub(root, half), 0.0))
    for _ in range(3):
        error = b.select(b.lt(size, 0.5), b.sub(b.erf(y), size), b.sub(b.sub(1.0, size), b.erfc(y)))
        step = b.mul(b.mul(error, b.exp(b.mul(y, y))), math.sqrt(math.pi) / 2)
        y = b.sub(y, b.div(step, b.add(b.mul(y, step), 1)))
    outside = b.select(b.eq(size, 1), math.inf, b.full((), math.nan, "float64"))
    return b.copysign(b.select(b.lt(size, 1), y, outside), x)


lgamma = _in_float64(_lgamma)
digamma = _in_float64(_digamma)
polygamma = _in_float64(_polygamma_of)
mvlgamma = for_floats(_mvlgamma)
erfinv = _in_float64(_erfinv)
erfcx = _in_float64(_erfcx)
ndtr = _in_float64(_ndtr)
log_ndtr = _in_float64(_log_ndtr)
