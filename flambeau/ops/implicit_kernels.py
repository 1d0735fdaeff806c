"""Implicit derivatives of draws by their shape parameters, for gamma and beta distributions.

A draw x of a distribution with the cumulative distribution F(x; a) and the density p moves by
dx/da = -(dF/da) / p(x) when a changes while its place in the distribution stays (Figurnov, Mohamed,
Mnih, "Implicit reparameterization gradients", 2018).

Both densities are exp(a t(s) + ...) in a variable s over the whole line (the logarithm of x for
gamma, its logit for beta), where dF/da is the integral, up to x, of the density times t(s) - E[t].
The integrals up to x and from x on have the sum zero, and on one of the two sides of x the factor
t(s) - E[t] does not change its sign: that side is integrated, so nothing cancels. The densities are
log-concave: there is one peak, and the integral ends where the density is exp(-40) of its largest.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from . import special_functions as special

Array = np.ndarray[Any, Any]

_DROP = 40.0
"""The logarithm of the density falls by this much to where an integral ends."""
_CHUNK = 4096
"""Elements integrated at a time: temporaries hold 48 numbers for each."""
_BREAKS = (-20.0, -5.0, 0.0, 5.0, 20.0)
"""Where the logit's density may bend: between them it is close to an exponential."""


def standard_gamma_grad(alpha: Array, x: Array) -> Array:
    """dx/dalpha of gamma numbers x of rate 1; 0 where x is 0, NaN outside of the domain."""
    return _each(_gamma_slope, alpha, x)


def dirichlet_grad(x: Array, alpha: Array, total: Array) -> Array:
    """dx/dalpha / (1 - x) for beta numbers x of parameters alpha and total - alpha."""
    return _each(_beta_slope, x, alpha, total)


def _each(function: Callable[..., Array], *arrays: Array) -> Array:
    """`function` in float64 of broadcast arrays, a chunk at a time, in the first one's dtype."""
    wide = np.broadcast_arrays(*arrays)
    flat = [np.ascontiguousarray(a, np.float64).reshape(-1) for a in wide]
    out = np.empty(flat[0].size)
    with np.errstate(all="ignore"):
        for start in range(0, out.size, _CHUNK):
            stop = start + _CHUNK
            out[start:stop] = function(*(a[start:stop] for a in flat))
    return out.reshape(wide[0].shape).astype(arrays[0].dtype)


# --- gamma --------------------------------------------------------------------------------------


def _gamma_slope(a: Array, x: Array) -> Array:
    out = np.full(a.size, np.nan)
    inside = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    out[(a > 0) & (x == 0)] = 0.0
    # Below exp(psi(a + 1)) all terms of the power series have one sign; it is short for small a.
    series = inside & (a < 30) & (np.log(x) <= special.digamma(a + 1))
    out[series] = _gamma_series(a[series], x[series])
    rest = inside & ~series
    if rest.any():
        out[rest] = _gamma_integral(a[rest], x[rest])
    return out


def _gamma_series(a: Array, x: Array) -> Array:
    """F = x^a exp(-x) sum of x^k / gamma(a + k + 1), differentiated term by term."""
    if not a.size:
        return a
    psi, log_x = special.digamma(a + 1), np.log(x)
    term, total = x / a, np.zeros_like(a)
    for k in range(1, 1000):
        total += term * (psi - log_x)
        psi += 1 / (a + k)
        term *= x / (a + k)
        if (term * (psi - log_x) <= 1e-17 * total).all():
            break
    return total


def _gamma_integral(a: Array, x: Array) -> Array:
    """x * the integral of (log x - psi(a) + s) * exp(a s - x (exp(s) - 1)) over s > 0, or, with the
    other sign, over s < 0."""
    centre = np.log(x) - special.digamma(a)
    side = np.where(centre > 0, 1.0, -1.0)

    def log_density(s: Array) -> Array:
        return a * (side * s) - x * np.expm1(side * s)

    # Bounds by s**2 / 2 <= exp(s) - 1 - s on the right, exp(s) >= 0 on the left.
    lead = a - x
    right = (lead + np.sqrt(lead * lead + 2 * x * _DROP)) / x
    peak = np.where(side > 0, np.maximum(np.log(a / x), 0.0), 0.0)
    largest = log_density(peak)
    right = np.maximum(right, peak + 1)
    far = np.where(side > 0, right, (_DROP + x) / a)
    end = _end(log_density, peak, far, largest - _DROP)
    nodes, weights = _panel(np.zeros_like(a), end)
    s = nodes * side
    values = (centre + s) * np.exp(a * s - x * np.expm1(s))
    return side * x * (weights * values).sum(0)


# --- beta ---------------------------------------------------------------------------------------


def _beta_slope(x: Array, a: Array, total: Array) -> Array:
    b = total - a
    out = np.full(a.size, np.nan)
    inside = (x > 0) & (x < 1) & (a > 0) & (b > 0) & np.isfinite(total)
    out[(a > 0) & (b > 0) & ((x == 0) | (x == 1))] = 0.0
    if inside.any():
        out[inside] = _beta_integral(x[inside], a[inside], b[inside])
    return out


def _softplus(y: Array) -> Array:
    return np.maximum(y, 0) + np.log1p(np.exp(-np.abs(y)))


def _beta_integral(x: Array, a: Array, b: Array) -> Array:
    """x * the integral of (log t - E[log t]) * t^a (1 - t)^b / (the same at x) over the logit of t,
    from that of x on, or, with the other sign, up to it."""
    start = np.log(x) - np.log1p(-x)
    mean = special.digamma(a) - special.digamma(a + b)
    side = np.where(np.log(x) > mean, 1.0, -1.0)

    def log_density(y: Array) -> Array:
        return -a * _softplus(-y) - b * _softplus(y)

    at_x = log_density(start)
    peak = np.log(a / b)
    peak = np.where(side > 0, np.maximum(peak, start), np.minimum(peak, start))
    floor = log_density(peak) - _DROP
    # log_density(y) is below -b y and below a y.
    far = np.where(side > 0, np.maximum(-floor / b, peak), np.minimum(floor / a, peak))
    end = _end(log_density, peak, far, floor)
    found = np.zeros_like(x)
    low, high = np.minimum(start, end), np.maximum(start, end)
    edges = [low, *(np.clip(brk, low, high) for brk in _BREAKS), high]
    for left, right in zip(edges[:-1], edges[1:], strict=True):
        if (right > left).any():
            y, weights = _panel(left, right)
            values = (-_softplus(-y) - mean) * np.exp(log_density(y) - at_x)
            found += (weights * values).sum(0)
    return side * x * found


# --- integration --------------------------------------------------------------------------------


def _end(log_density: Callable[[Array], Array], near: Array, far: Array, level: Array) -> Array:
    """Where a log-density that falls from `near` to `far` reaches `level`, by bisection; roughly,
    and not nearer than there."""
    for _ in range(25):
        middle = (near + far) / 2
        above = log_density(middle) > level
        near, far = np.where(above, middle, near), np.where(above, far, middle)
    return far


def _panel(left: Array, right: Array) -> tuple[Array, Array]:
    """Gauss and Legendre's nodes and weights between two bounds, along dimension 0."""
    nodes, weights = _rule()
    half = (right - left) / 2
    return (left + right) / 2 + np.multiply.outer(nodes, half), np.multiply.outer(weights, half)


@functools.cache
def _rule() -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(48)
