"""Special functions of arrays that NumPy lacks: erf and its kin, log-gamma, polygamma.

The coefficients were fitted by tools/fit_special_functions.py; each function's docstring names the
formula around them. Arrays of float32 are computed in float64 and rounded once, except where a
function says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_CHUNK = 1 << 15
"""Elements computed at a time, so that the temporaries of a polynomial stay in the cache."""

_ERF = (
    1.1283791670955126, -0.3761263890318354, 0.11283791670945006, -0.02686617064323777,
    0.0052239776071164227, -0.00085483259753896921, 0.00012055294904839708, -1.492473690741966e-5,
    1.6447424703317362e-6, -1.6208483801871706e-7, 1.3720064546777686e-8, -7.7958988270021422e-10,
)  # fmt: skip
"""erf(x) / x in powers of x * x, for |x| <= 1; relative error 8e-18."""

_ERF_SINGLE = (
    (1.1283791879543953, 0.18371765424606768, 0.054425866433508909, 0.0038284641971223096,
     0.00039172225886110844, 5.0429752455420005e-6, -1.4943478201111743e-8),
    (1.0, 0.4961492408490102, 0.11361510432414216, 0.015462469762399947, 0.0013195173111367398,
     6.6501283072239626e-5),
)  # fmt: skip
"""Numerator and denominator of erf(x) / x in powers of x * x, for |x| <= 3.925; error 1.9e-8."""

ERFCX = (
    0.95899620337542973, -0.62779559528062144, 0.34605620908994784, -0.1559665497802925,
    0.054131908249590741, -0.012338549339282947, 0.00057527990316351918, 0.00076311435573967858,
    -0.00023152726876380555, -2.5286293001418125e-5, 2.7642795057315268e-5, -6.8580816332826148e-7,
    -3.1790685800302224e-6, 2.7802362886735398e-7, 4.0849008139437636e-7, -3.9941442167461006e-8,
    -5.9454019351853519e-8, 3.5698748182075541e-9, 9.1556825438477397e-9, -4.0746091488481585e-11,
    -1.2637137033102038e-9, -2.9435608485835108e-11, 1.0762223252527951e-10,
)  # fmt: skip
"""(x + 3) * exp(x * x) * erfc(x) in powers of 1 - 7 / (x + 3), for x >= 0.5; error 5.1e-18."""

LGAMMA = (
    0.48312895054098089, -0.072979947957153043, 0.015727850268641235, -0.0039135609376261867,
    0.0010498186644491197, -0.00029455070151955953, 8.5100903822665391e-5, -2.5094328669818344e-5,
    7.5113911543279285e-6, -2.2742474054826674e-6, 6.9484607899472725e-7, -2.138632494418463e-7,
    6.6229261120051646e-8, -2.0620995364628568e-8, 6.4480437525219011e-9, -2.0169895658268907e-9,
    6.3530176008457512e-10, -2.0871311005452823e-10, 6.615691316451458e-11, -1.5410479069560223e-11,
    4.8921858261252854e-12, -3.8008085820640627e-12, 1.2170358219385591e-12,
)  # fmt: skip
"""lgamma(x) / ((x - 1) * (x - 2)) in powers of 2 * x - 3, for 1 <= x <= 2; error 2.4e-19."""

BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
"""The Bernoulli numbers B2, B4, ..., B16."""


def _polynomial(x: Array, coefficients: Sequence[float]) -> Array:
    """Horner's rule, lowest power first, in the dtype of `x`."""
    out = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        out *= x
        out += x.dtype.type(c)
    return out


def _in_chunks(function: Callable[[Array], Array], x: Array, work: Any = None) -> Array:
    """`function` over the flat elements, computed in dtype `work` a piece at a time."""
    x = np.asarray(x)
    flat = np.ascontiguousarray(x).reshape(-1)
    out = np.empty_like(flat)
    for start in range(0, flat.size, _CHUNK):
        piece = flat[start : start + _CHUNK]
        out[start : start + _CHUNK] = function(piece.astype(work or piece.dtype))
    return out.reshape(x.shape)


def _by_size(x: Array, small: Array, near: Callable[[Array], Array], far: Any) -> Array:
    """`near` of the elements that `small` marks, `far` of the others."""
    if small.all():
        return near(x)
    out = np.empty_like(x)
    out[small] = near(x[small])
    large = ~small
    out[large] = far(x[large])
    return out


# --- the error function -------------------------------------------------------------------------


def _erf_single(x: Array) -> Array:
    x = np.clip(x, x.dtype.type(-3.925), x.dtype.type(3.925))
    t = x * x
    x *= _polynomial(t, _ERF_SINGLE[0])
    x /= _polynomial(t, _ERF_SINGLE[1])
    return np.clip(x, x.dtype.type(-1), x.dtype.type(1))


def erf_fast(x: Array) -> Array:
    """erf of float32 in float32 arithmetic, within 5 ulp; other dtypes as erf()."""
    return _in_chunks(_erf_single, x) if x.dtype == np.float32 else erf(x)


def erf(x: Array) -> Array:
    """2 / sqrt(pi) * the integral of exp(-t * t) from 0 to x.

    A polynomial up to |x| = 1, and 1 - erfc(|x|) beyond: within 2 ulp.
    """
    if x.dtype == np.float32:
        return _in_chunks(_erf_single, x, np.float64)
    return _in_chunks(_erf, x)


def _erf(x: Array) -> Array:
    return _by_size(x, np.abs(x) <= 1, _erf_near, _erf_far)


def _erf_near(x: Array) -> Array:
    return x * _polynomial(x * x, _ERF)


def _erf_far(x: Array) -> Array:
    return np.copysign(1 - _erfc_far(np.abs(x)), x)


def erfc(x: Array) -> Array:
    """1 - erf(x) without cancellation: exp(-x * x) * erfcx(x) for x > 0.5. Within 5 ulp."""
    return _in_chunks(_erfc, x, np.float64)


def _erfc(x: Array) -> Array:
    return _by_size(x, x <= 0.5, lambda x: 1 - _erf(x), _erfc_far)


def _erfc_far(x: Array) -> Array:
    """For x >= 0.5."""
    return np.where(x > 27, 0.0, _exp_square(x, -1) * _erfcx_far(x))


def _exp_square(x: Array, sign: int) -> Array:
    """exp(sign * x * x). x is split so that the square of its first part is exact: the exponential
    would magnify the rounding error of x * x."""
    head = x.astype(np.float32).astype(np.float64)
    return np.exp(sign * head * head) * np.exp(sign * (x - head) * (x + head))


def _erfcx_far(x: Array) -> Array:
    finite = np.minimum(x, 1e20)
    return _polynomial((finite - 4) / (finite + 3), ERFCX) / (x + 3)


def erfcx(x: Array) -> Array:
    """exp(x * x) * erfc(x), which does not underflow for large x."""
    return _in_chunks(_erfcx, x, np.float64)


def _erfcx(x: Array) -> Array:
    return _by_size(x, x <= 0.5, _erfcx_low, _erfcx_far)


def _erfcx_low(x: Array) -> Array:
    return np.where(x < -27, np.inf, _exp_square(x, 1) * (1 - _erf(x)))


def erfinv(x: Array) -> Array:
    """The y with erf(y) = x: Winitzki's estimate (2008), then Halley's method, which squares and
    multiplies the number of right digits by three at each step. Within 3 ulp."""
    return _in_chunks(_erfinv, x, np.float64)


def _erfinv(x: Array) -> Array:
    size = np.abs(x)
    lost = np.log1p(-size) + np.log1p(size)
    a = 0.147
    half = 2 / (math.pi * a) + lost / 2
    y = np.sqrt(np.maximum(np.sqrt(half * half - lost / a) - half, 0))
    for _ in range(3):
        # Near 1 the error is known exactly from the other end.
        error = np.where(size < 0.5, _erf(y) - size, (1 - size) - _erfc(y))
        step = error * np.exp(y * y) * (math.sqrt(math.pi) / 2)
        y = y - step / (1 + y * step)
    y = np.where(size < 1, y, np.where(size == 1, np.inf, np.nan))
    return np.copysign(y, x)


# --- the gamma function -------------------------------------------------------------------------


def lgamma(x: Array) -> Array:
    """log(|gamma(x)|): Stirling's series from 8 on, a polynomial on [1, 2], recurrence between and
    the reflection formula below zero. +inf at the poles."""
    return _in_chunks(_lgamma, x, np.float64)


def _lgamma(x: Array) -> Array:
    out = _by_size(np.abs(x), np.abs(x) < 8, _lgamma_near, _lgamma_far)
    below = x < 0
    if below.any():
        a = -x[below]
        fraction = a - np.round(a)
        out[below] = np.log(math.pi / np.abs(a * np.sin(math.pi * fraction))) - out[below]
        out[np.isinf(x) | (below & (x == np.floor(x)))] = np.inf
    return out


def _lgamma_near(x: Array) -> Array:
    low = x < 1
    r = np.where(low, x, x - 1)  # the distance from the root at 1 of what is in [1, 2] at the end
    product = np.ones_like(x)
    while True:
        high = r > 1
        if not high.any():
            break
        product = np.where(high, product * r, product)
        r = np.where(high, r - 1, r)
    product = np.log(np.where(low, x, product))
    return r * (r - 1) * _polynomial(2 * r - 1, LGAMMA) + np.where(low, -product, product)


def _lgamma_far(x: Array) -> Array:
    y = 1 / x
    series = np.zeros_like(x)
    for k in range(7, 0, -1):
        series = series * (y * y) + BERNOULLI[k - 1] / (2 * k * (2 * k - 1))
    return (x - 0.5) * (np.log(x) - 1) + (series * y + (0.5 * math.log(2 * math.pi) - 0.5))


def digamma(x: Array) -> Array:
    """The derivative of lgamma. NaN at negative integers, infinite at zero."""
    out = polygamma(x, 0)
    with np.errstate(all="ignore"):
        out = np.where(np.isneginf(x) | ((x < 0) & (x == np.floor(x))), np.nan, out)
        return np.where(x == 0, np.copysign(np.inf, -x), out).astype(x.dtype)


def polygamma(x: Array, n: int) -> Array:
    """The n-th derivative of digamma: recurrence to large x, there the asymptotic series
    (Abramowitz and Stegun, 6.3.18 and 6.4.11), below zero the derivative of the reflection
    formula digamma(1 - x) - digamma(x) = pi * cot(pi * x)."""
    order = _polygamma if n <= MOST_FACTORIAL else _polygamma_of_high_order
    return _in_chunks(lambda piece: order(piece, n), x, np.float64)


MOST_FACTORIAL = 170
"""Of larger numbers the factorial is infinite in float64."""


def _polygamma_of_high_order(x: Array, n: int) -> Array:
    """(-1)^(n+1) n! times the sum of (x + k)^-(n+1), by logarithms: some terms, and an integral for
    the others. Below zero the nearest pole decides, and all is infinite."""
    sign, terms = 1.0 if n % 2 else -1.0, 64
    with np.errstate(all="ignore"):
        total = sum((x / (x + k)) ** float(n + 1) for k in range(terms))
        total += (x / (x + terms)) ** float(n + 1) * ((x + terms) / n + 0.5)
        above = np.exp(math.lgamma(n + 1.0) - (n + 1.0) * np.log(x) + np.log(total))
        below = np.where((n % 2 == 0) & (x - np.round(x) < 0), -np.inf, np.inf)
    return sign * np.where(x > 0, above, np.where(np.isnan(x), x, below))


def _polygamma(x: Array, n: int) -> Array:
    return _by_size(x, x < 0, lambda x: _reflected(x, n), lambda x: _polygamma_positive(x, n))


def _reflected(x: Array, n: int) -> Array:
    fraction = x - np.round(x)
    cot = 1 / np.tan(math.pi * fraction)
    slope = np.polynomial.Polynomial((0.0, 1.0))
    for _ in range(n):
        slope = -np.polynomial.Polynomial((1.0, 0.0, 1.0)) * slope.deriv()
    mirrored = (-1) ** n * _polygamma_positive(1 - x, n)
    poles = np.where(fraction == 0, (-1) ** (n + 1) * np.inf, -(math.pi ** (n + 1)) * slope(cot))
    return mirrored + poles


def _polygamma_positive(x: Array, n: int) -> Array:
    sign = (-1) ** (n + 1)
    factorial = float(math.factorial(n))
    shifted = np.zeros_like(x)
    enough = 10 + 2 * n
    for _ in range(enough):
        low = x < enough
        if not low.any():
            break
        shifted = np.where(low, shifted + factorial / x ** (n + 1), shifted)
        x = np.where(low, x + 1, x)
    y = 1 / x
    series = np.zeros_like(x)
    for k in range(8, 0, -1):
        factor = math.factorial(2 * k + n - 1) / math.factorial(2 * k)
        series = series * (y * y) + BERNOULLI[k - 1] * factor
    if n == 0:
        return np.where(x == np.inf, np.inf, np.log(x) - 0.5 * y - series * y * y - shifted)
    first = math.factorial(n - 1) * y**n + 0.5 * factorial * y ** (n + 1)
    return sign * (shifted + first + series * y ** (n + 2))
