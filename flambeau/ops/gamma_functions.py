"""Incomplete gamma functions, Hurwitz's zeta function and normal quantiles, of arrays. Formula
numbers are those of the DLMF. All is computed in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .special_functions import LGAMMA, Array, _erfcx, _erfinv, _polynomial, lgamma

# --- incomplete gamma functions ---------------------------------------------------------------------

_LARGE = 100.0
"""From here on the integrand is a narrow bell, and its integral is computed by points on it."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


def _log1p_less(u: Array) -> Array:
    """log(1 + u) - u, exact for small u too: from log(1 + u) = 2 atanh(u / (2 + u))."""
    small = np.clip(u, -0.5, 0.5)
    r = small / (2 + small)
    series = _polynomial(r * r, tuple(1 / (2 * k + 3) for k in range(18)))
    return np.where(np.abs(u) <= 0.5, 2 * r**3 * series - small * r, np.log1p(u) - u)


def _stirling(a: Array) -> Array:
    """log(gamma(a + 1)) - (a log(a) - a + log(2 pi a) / 2) (5.11.1), for a >= 10."""
    y = 1 / a
    terms = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
    return y * _polynomial(y * y, terms)


def _density(a: Array, x: Array) -> Array:
    """x**a exp(-x) / gamma(a + 1), where a large a would cost the logarithm its digits."""
    wide = np.maximum(a, 10.0)
    high = np.exp(wide * _log1p_less((x - wide) / wide) - _stirling(wide)) / np.sqrt(
        2 * math.pi * wide
    )
    low = np.exp(a * np.log(x) - x - lgamma(a + 1))
    return np.where(a >= 10, high, low)


def _lower_series(a: Array, x: Array) -> Array:
    """P by 8.11.4, for x < a + 1."""
    term = np.ones_like(x)
    total = term.copy()
    n = a.copy()
    while True:
        n += 1
        term *= x / n
        total += term
        if not (term > 1e-17 * total).any():
            return total * _density(a, x)


def _upper_fraction(a: Array, x: Array) -> Array:
    """Q by the continued fraction 8.9.2, evaluated forwards (Lentz), for x >= a + 1."""
    tiny = 1e-300
    b = x + 1 - a
    c = np.full_like(x, 1 / tiny)
    d = 1 / b
    out = d.copy()
    for i in range(1, 500):
        factor = -i * (i - a)
        b = b + 2
        d = 1 / np.where(factor * d + b == 0, tiny, factor * d + b)
        c = np.where(b + factor / c == 0, tiny, b + factor / c)
        step = c * d
        out = out * step
        if not (np.abs(step - 1) > 1e-16).any():
            break
    return out * _density(a, x) * a


def _upper_recurring(a: Array, x: Array) -> Array:
    """Q for a < 1 and small x: of the first terms of 1 - P (8.7.3), which nearly cancel, 1 less
    x**a / gamma(a + 1) is an expm1."""
    term = np.ones_like(x)
    total = np.zeros_like(x)
    for n in range(1, 40):
        term = term * -x / n
        total = total + term / (a + n)
    lead = a * np.log(x) - a * (a - 1) * _polynomial(2 * a - 1, LGAMMA)
    return -np.expm1(lead) - np.exp(lead) * a * total


def _tail(a: Array, x: Array) -> tuple[Array, Array]:
    """P and Q for large a: the smaller one is the integral of the density from x to where it is as
    good as zero, by Gauss and Legendre's rule on both halves of that stretch."""
    above = x > a
    root, start = np.sqrt(a), x - a
    end = np.where(
        above,
        np.maximum(12 * root, start + 7 * root),
        np.maximum(np.minimum(-9.5 * root, start - 7 * root), -a),
    )
    half = (end - start) / 4
    total = np.zeros_like(x)
    for k in (1, 3):
        for node, weight in zip(_NODES, _WEIGHTS, strict=True):
            u = (start + half * (k + node)) / a
            total += weight * np.exp(a * _log1p_less(u) - np.log1p(u))
    total = np.abs(total * half) * np.exp(-_stirling(a)) / np.sqrt(2 * math.pi * a)
    return np.where(above, 1 - total, total), np.where(above, total, 1 - total)


def _incomplete(a: Array, x: Array, upper: bool) -> Array:
    """For finite positive a and x."""
    out = np.empty_like(x)
    wide = a >= _LARGE
    near = wide & (np.abs(x - a) < 12 * np.sqrt(a) + 60)
    if near.any():
        out[near] = _tail(a[near], x[near])[upper]
    low = ~near & (x < a + 1)
    small = low & (x < 1.1) & (a < 1) if upper else np.zeros_like(low)
    if small.any():
        out[small] = _upper_recurring(a[small], x[small])
    low &= ~small
    if low.any():
        found = _lower_series(a[low], x[low])
        out[low] = 1 - found if upper else found
    high = ~near & ~low & ~small
    if high.any():
        found = _upper_fraction(a[high], x[high])
        out[high] = found if upper else 1 - found
    return out


def _gamma_ratio(a: Any, x: Any, upper: bool) -> Array:
    dt = np.result_type(a, x)
    a, x = (np.array(v, np.float64, order="C") for v in np.broadcast_arrays(a, x))
    with np.errstate(all="ignore"):
        out = np.full(a.shape, np.nan)
        plain = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
        out[plain] = _incomplete(a[plain], x[plain], upper)
        low, high = (1.0, 0.0) if upper else (0.0, 1.0)
        out[(a > 0) & (x == 0)] = low
        out[(a == 0) & (x > 0)] = high
        out[np.isinf(a) & (a > 0) & (x >= 0) & np.isfinite(x)] = low
        out[(a >= 0) & np.isfinite(a) & np.isposinf(x)] = high
    return out.astype(dt)


def gammainc(a: Any, x: Any) -> Array:
    """P(a, x), the integral of t**(a - 1) exp(-t) from 0 to x over gamma(a) (8.2.4)."""
    return _gamma_ratio(a, x, False)


def gammaincc(a: Any, x: Any) -> Array:
    """Q(a, x) = 1 - P(a, x)."""
    return _gamma_ratio(a, x, True)


# --- zeta -------------------------------------------------------------------------------------------

_BERNOULLI_OVER = tuple(
    b / math.factorial(2 * k)
    for k, b in enumerate(
        (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798,
         -174611 / 330, 854513 / 138, -236364091 / 2730), 1)
)  # fmt: skip
"""The Bernoulli numbers B_(2k) over (2k)!."""

_TERMS = 12


def _zeta_positive(s: Array, q: Array) -> Array:
    """Euler and Maclaurin's formula (25.11.5 and 2.10.1) after the first terms, for q > 0."""
    out = np.zeros_like(s)
    for n in range(_TERMS):
        out += (q + n) ** -s
    w = q + _TERMS
    power = w**-s
    out += power * w / (s - 1) + power / 2
    factor = s * power / w
    for k, b in enumerate(_BERNOULLI_OVER, 1):
        out += b * factor
        factor = factor * (s + 2 * k - 1) * (s + 2 * k) / (w * w)
    return np.where(power == 0, (q**-s) + (q + 1) ** -s + (q + 2) ** -s, out)


def _zeta_negative(s: Array, q: Array) -> Array:
    """For q < 0 and whole s: the terms up to zero are a difference of two zeta functions."""
    fraction = q - np.floor(q)
    sign = np.where(s % 2 == 0, 1.0, -1.0)
    return _zeta_positive(s, fraction) + sign * (
        _zeta_positive(s, 1 - fraction) - _zeta_positive(s, 1 - q)
    )


def zeta(s: Any, q: Any) -> Array:
    """The sum of (q + n)**-s for n from 0 on (25.11.1): s > 1. Infinite at the poles."""
    dt = np.result_type(s, q)
    s, q = (np.array(v, np.float64, order="C") for v in np.broadcast_arrays(s, q))
    with np.errstate(all="ignore"):
        out = np.full(s.shape, np.nan)
        above = (s > 1) & (q > 0)
        out[above] = _zeta_positive(s[above], q[above])
        below = (s > 1) & (q <= 0)
        poles = ~(s < 1) & (q <= 0) & (q == np.floor(q))
        plain = below & ~poles & (s == np.floor(s))
        out[plain] = _zeta_negative(s[plain], q[plain])
        out[np.isinf(s) | np.isnan(q)] = np.nan
        out[poles | (s == 1)] = np.inf
    return out.astype(dt)


# --- normal quantiles -------------------------------------------------------------------------------


def _log_normal_area(y: Array) -> Array:
    """log of the area left of y, for y <= 0."""
    return np.log(_erfcx(-y * math.sqrt(0.5)) / 2) - y * y / 2


def _low_quantile(p: Array) -> Array:
    """For small p: Newton's method on the logarithm of the area, which is concave, from the
    left, so that every step goes right."""
    target = np.log(p)
    y = -np.sqrt(-2 * target) - 0.1
    for _ in range(12):
        slope = math.sqrt(2 / math.pi) / _erfcx(-y * math.sqrt(0.5))
        step = (_log_normal_area(y) - target) / slope
        y = y - step
        if not (np.abs(step) > 1e-15 * np.abs(y)).any():
            break
    return np.minimum(y, 0)


def ndtri(p: Any) -> Array:
    """The y that a share p of the standard normal distribution lies left of."""
    p = np.asarray(p)
    x = p.astype(np.float64)
    with np.errstate(all="ignore"):
        out = np.full(x.shape, np.nan)
        inside = (x > 0) & (x < 1)
        given = x[inside]
        low = given <= 0.5
        side = _low_quantile(np.where(low, given, 1 - given))
        middle = math.sqrt(2) * _erfinv(2 * given - 1)
        out[inside] = np.where(np.abs(given - 0.5) < 0.4, middle, np.where(low, side, -side))
        out[x == 0], out[x == 1] = -np.inf, np.inf
    return out.astype(p.dtype)


def log_ndtr(x: Any) -> Array:
    """The logarithm of the area of the standard normal distribution left of x."""
    x = np.asarray(x)
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        half = np.maximum(wide, 0) * math.sqrt(0.5)
        far = np.log1p(-_erfcx(half) * np.exp(-half * half) / 2)
        out = np.where(wide <= 0, _log_normal_area(np.minimum(wide, 0)), far)
    out = np.where(np.isposinf(wide), 0.0, np.where(np.isneginf(wide), -np.inf, out))
    return out.astype(x.dtype)
