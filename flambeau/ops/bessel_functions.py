"""Bessel functions of whole order and the Airy function, of arrays.

No tables: power series near zero, backward recurrence (Miller) between, asymptotic series far away,
and integrals by the trapezoidal rule, which converges exponentially for them (Trefethen and
Weideman 2014). Formula numbers are those of the DLMF. All is computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .special_functions import Array, _by_size, _in_chunks, _polynomial

_EULER = 0.57721566490153286061
_TWO_OVER_PI = 2 / math.pi


def whole(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """A function of float64 elements for arrays of any floating dtype."""

    def of_array(x: Array) -> Array:
        with np.errstate(all="ignore"):
            return _in_chunks(function, x, np.float64)

    of_array.__doc__ = function.__doc__
    return of_array


# --- modified, first kind ---------------------------------------------------------------------------

_I_SERIES = tuple(
    tuple(1 / (math.factorial(k) * math.factorial(k + order)) for k in range(46)) for order in (0, 1)
)
"""I_n(x) / (x / 2)**n in powers of x * x / 4 (10.25.2): enough of them for x <= 20."""

_NEAR = 20.0


def _hankel(order: int, count: int) -> tuple[float, ...]:
    """a_k(order) of the asymptotic series (10.17.1)."""
    found = [1.0]
    for k in range(1, count):
        found.append(found[-1] * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k))
    return tuple(found)


_HANKEL = (_hankel(0, 30), _hankel(1, 30))
_I_FAR = tuple(tuple((-1) ** k * a for k, a in enumerate(row)) for row in _HANKEL)


def _i_scaled(x: Array, order: int) -> Array:
    """exp(-|x|) I_order(x)."""
    size = np.abs(x)
    out = _by_size(
        size, size <= _NEAR,
        lambda s: np.exp(-s) * _i_near(s, order),
        lambda s: _polynomial(1 / s, _I_FAR[order]) / np.sqrt(2 * math.pi * s),
    )  # fmt: skip
    return np.copysign(out, x) if order else out


def _i_near(size: Array, order: int) -> Array:
    series = _polynomial(size * size / 4, _I_SERIES[order])
    return series * (size / 2) if order else series


def _i(x: Array, order: int) -> Array:
    size = np.abs(x)

    def far(s: Array) -> Array:
        half = np.exp(s / 2)  # exp(s) would overflow before the result does
        scaled = _polynomial(1 / s, _I_FAR[order]) / np.sqrt(2 * math.pi * s)
        return np.where(np.isinf(s), s, half * scaled * half)

    out = _by_size(size, size <= _NEAR, lambda s: _i_near(s, order), far)
    return np.copysign(out, x) if order else out


i0 = whole(lambda x: _i(x, 0))
i1 = whole(lambda x: _i(x, 1))
i0e = whole(lambda x: _i_scaled(x, 0))
i1e = whole(lambda x: _i_scaled(x, 1))


# --- modified, second kind --------------------------------------------------------------------------


def _harmonic(k: int) -> float:
    return sum(1 / j for j in range(1, k + 1))


_K0_SERIES = tuple(_harmonic(k) / math.factorial(k) ** 2 for k in range(12))
_K1_SERIES = tuple(
    (_harmonic(k) + _harmonic(k + 1)) / (2 * math.factorial(k) * math.factorial(k + 1))
    for k in range(12)
)


def _k_near(x: Array, order: int) -> Array:
    """10.31.1 and 10.31.2, for x <= 1."""
    t = x * x / 4
    log = np.log(x / 2) + _EULER
    if order == 0:
        return _polynomial(t, _K0_SERIES) - log * _i_near(x, 0)
    return 1 / x + log * _i_near(x, 1) - x / 2 * _polynomial(t, _K1_SERIES)


def _k_far(x: Array, order: int) -> Array:
    """exp(x) K_order(x), for x >= 1: the integral of exp(-x (cosh t - 1)) cosh(order t) from 0 on
    (10.32.9). The rule's error is exp(x (1 - cos a) - 2 pi a / step) for the best a <= pi / 2: the
    step makes it exp(-38), where the bell is wide and where it is narrow."""
    step = np.where(x < 25, math.pi**2 / (38 + x), 0.7 / np.sqrt(x))
    total = np.full_like(x, 0.5)
    for j in range(1, 21):
        t = j * step
        term = np.exp(-2 * x * np.sinh(t / 2) ** 2)
        total += term * np.cosh(t) if order else term
    return total * step


def _k(x: Array, order: int, scaled: bool) -> Array:
    near = lambda x: _k_near(x, order) * (np.exp(x) if scaled else 1)  # noqa: E731
    far = lambda x: _k_far(x, order) * (1 if scaled else np.exp(-x))  # noqa: E731
    out = _by_size(x, x <= 1, near, far)
    out = np.where(np.isinf(x), 0.0, out)
    return np.where(x == 0, np.inf, np.where(x < 0, np.nan, out))


k0 = whole(lambda x: _k(x, 0, False))
k1 = whole(lambda x: _k(x, 1, False))
k0e = whole(lambda x: _k(x, 0, True))
k1e = whole(lambda x: _k(x, 1, True))


# --- first and second kind --------------------------------------------------------------------------

_J_SERIES = tuple(tuple((-1) ** k * c for k, c in enumerate(row[:22])) for row in _I_SERIES)
_P_FAR = tuple(tuple((-1) ** k * a for k, a in enumerate(row[0::2])) for row in _HANKEL)
_Q_FAR = tuple(tuple((-1) ** k * a for k, a in enumerate(row[1::2])) for row in _HANKEL)

_SERIES_TO, _RECURRENCE_TO = 3.0, 25.0


def _orders(x: Array) -> tuple[Array, Array, Array, Array]:
    """J0, J1 and the sums that Y0 and Y1 need of the other orders, by the recurrence
    J_(k-1) = 2 k / x J_k - J_(k+1) from where J is as good as zero (10.6.1), normalised by
    1 = J0 + 2 (J2 + J4 + ...) (10.12.4). For 3 <= x < 25."""
    high, this = np.zeros_like(x), np.full_like(x, 1e-200)
    norm, even, odd = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    double = 2 / x
    for k in range(70, 0, -1):
        sign = -1 if k // 2 % 2 else 1
        if k % 2 == 0:
            norm += this
            even += sign * 2 / k * this
        elif k > 1:
            half = k // 2
            odd += sign * k / (half * (half + 1)) * this
        high, this = this, k * double * this - high
    scale = 1 / (this + 2 * norm)
    return this * scale, high * scale, even * scale, odd * scale


def _middle(x: Array, order: int, second: bool) -> Array:
    """Neumann's series for the second kind (10.23.15)."""
    j0, j1, even, odd = _orders(x)
    if not second:
        return j1 if order else j0
    log = np.log(x / 2) + _EULER
    if order == 0:
        return _TWO_OVER_PI * (log * j0 - 2 * even)
    return _TWO_OVER_PI * ((log - 1) * j1 - odd - j0 / x)


def _wave(x: Array, order: int, second: bool) -> Array:
    """10.17.3 and 10.17.4: with the angle x - (2 order + 1) pi / 4 written out."""
    y = 1 / x
    p = _polynomial(y * y, _P_FAR[order])
    q = _polynomial(y * y, _Q_FAR[order]) * y
    sine, cosine = np.sin(x), np.cos(x)
    turned = ((cosine + sine), (sine - cosine)) if order == 0 else ((sine - cosine), -(sine + cosine))
    a, b = turned  # sqrt(2) times the cosine and the sine of the angle
    found = (b * p + a * q) if second else (a * p - b * q)
    return np.where(np.isinf(x), 0.0, found / np.sqrt(math.pi * x))


def _near(x: Array, order: int, second: bool) -> Array:
    """The power series (10.2.2, 10.8.1), for x <= 3."""
    t = x * x / 4
    j = _polynomial(t, _J_SERIES[order]) * (x / 2) ** order
    if not second:
        return j
    log = np.log(x / 2) + _EULER
    if order == 0:
        return _TWO_OVER_PI * (log * j - _polynomial(-t, _Y0_SERIES))
    return _TWO_OVER_PI * (log * j - x / 2 * _polynomial(-t, _Y1_SERIES) - 1 / x)


_Y0_SERIES = tuple(_harmonic(k) / math.factorial(k) ** 2 for k in range(22))
_Y1_SERIES = tuple(
    (_harmonic(k) + _harmonic(k + 1)) / (2 * math.factorial(k) * math.factorial(k + 1))
    for k in range(22)
)


def _ordinary(x: Array, order: int, second: bool) -> Array:
    """For x >= 0."""
    return _by_size(
        x, x < _SERIES_TO,
        lambda x: _near(x, order, second),
        lambda x: _by_size(
            x, x < _RECURRENCE_TO,
            lambda x: _middle(x, order, second),
            lambda x: _wave(x, order, second),
        ),
    )  # fmt: skip


def _j(x: Array, order: int) -> Array:
    out = _ordinary(np.abs(x), order, False)
    return np.where(x < 0, -out, out) if order else out


def _y(x: Array, order: int) -> Array:
    out = _ordinary(np.abs(x), order, True)
    return np.where(x == 0, -np.inf, np.where(x < 0, np.nan, out))


j0 = whole(lambda x: _j(x, 0))
j1 = whole(lambda x: _j(x, 1))
y0 = whole(lambda x: _y(x, 0))
y1 = whole(lambda x: _y(x, 1))


def _spherical(x: Array) -> Array:
    """sin(x) / x (10.49.3)."""
    return np.where(np.isinf(x), 0.0, np.where(x == 0, 1.0, np.sin(x) / np.where(x == 0, 1.0, x)))


spherical_j0 = whole(_spherical)


# --- the Airy function ------------------------------------------------------------------------------

_AI, _AI_SLOPE = 0.35502805388781723926, 0.25881940379280679841
"""Ai(0) and -Ai'(0) (9.2.3, 9.2.4)."""


def _airy_series() -> tuple[tuple[float, ...], tuple[float, ...]]:
    f, g = [1.0], [1.0]
    for k in range(1, 14):
        f.append(f[-1] / ((3 * k - 1) * (3 * k)))
        g.append(g[-1] / ((3 * k) * (3 * k + 1)))
    return tuple(f), tuple(g)


_AIRY_SERIES = _airy_series()


def _airy_near(x: Array) -> Array:
    """9.4.1."""
    t = x**3
    f, g = (_polynomial(t, c) for c in _AIRY_SERIES)
    return _AI * f - _AI_SLOPE * x * g


def _airy_nodes() -> tuple[Array, Array]:
    """Points and weights of the integral of t**(-1/6) exp(-t) f(t) from 0 on: t = exp(s - exp(-s))
    makes the integrand fall double exponentially on both sides."""
    s = np.linspace(-4.0, 3.9, 100)
    t = np.exp(s - np.exp(-s))
    weights = t ** (5 / 6) * np.exp(-t) * (1 + np.exp(-s)) * (s[1] - s[0])
    return t, weights


_AIRY_POINTS, _AIRY_WEIGHTS = _airy_nodes()
_AIRY_SCALE = 1 / (math.sqrt(math.pi) * 48 ** (1 / 6) * math.gamma(5 / 6))


def _airy_integral(xi: Any) -> Any:
    """exp(xi) Ai(z) with xi = 2/3 z**(3/2), up to the factor xi**(-1/6) (Gil, Segura and Temme
    2002, from 9.5.8)."""
    total = np.zeros_like(xi)
    for t, weight in zip(_AIRY_POINTS, _AIRY_WEIGHTS, strict=True):
        total += weight * (2 + t / xi) ** (-1 / 6)
    return _AIRY_SCALE * total


def _airy_high(x: Array) -> Array:
    xi = x * np.sqrt(x) * (2 / 3)
    return np.where(xi > 800, 0.0, np.exp(-xi) * _airy_integral(xi) * xi ** (-1 / 6))


def _airy_low(x: Array) -> Array:
    """Ai(-a) = 2 Re(exp(i pi/3) Ai(a exp(i pi/3))) (9.2.14): there xi is imaginary."""
    a = -x
    xi = a * np.sqrt(a) * (2 / 3)
    turn = np.exp(1j * (math.pi / 3 - math.pi / 12))  # of the factor, and of xi**(-1/6)
    wave = np.cos(xi) - 1j * np.sin(xi)
    return 2 * (turn * wave * _airy_integral(1j * xi)).real * xi ** (-1 / 6)


def _airy(x: Array) -> Array:
    def far(x: Array) -> Array:
        return _by_size(x, x > 0, _airy_high, _airy_low)

    out = _by_size(x, np.abs(x) <= 1.2, _airy_near, far)
    return np.where(np.isinf(x), np.nan, out)


airy_ai = whole(_airy)
