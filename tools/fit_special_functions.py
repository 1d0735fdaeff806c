"""Computes the coefficients in flambeau/ops/special_functions.py. Needs mpmath.

    python tools/fit_special_functions.py

Each fit interpolates the function at Chebyshev nodes in 60 digits; the largest relative error over
the interval is printed beside the coefficients, lowest power first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath as mp

mp.mp.dps = 60
Function = Callable[[Any], Any]


def nodes(low: Any, high: Any, count: int) -> list[Any]:
    """Chebyshev nodes of the interval."""
    return [
        low + (high - low) * (mp.cos(mp.pi * (2 * i + 1) / (2 * count)) + 1) / 2
        for i in range(count)
    ]


def rational(f: Function, low: Any, high: Any, top: int, bottom: int) -> tuple[Any, Any]:
    """P of degree `top` and Q of degree `bottom`, Q(0) = 1, with P/Q = f at the nodes."""
    count = top + bottom + 1
    system, values = mp.matrix(count, count), mp.matrix(count, 1)
    for i, x in enumerate(nodes(mp.mpf(low), mp.mpf(high), count)):
        values[i] = f(x)
        for j in range(top + 1):
            system[i, j] = x**j
        for j in range(1, bottom + 1):
            system[i, top + j] = -values[i] * x**j
    found = list(mp.lu_solve(system, values))
    return found[: top + 1], [mp.mpf(1), *found[top + 1 :]]


def report(name: str, f: Function, low: Any, high: Any, top: int, bottom: int = 0) -> None:
    p, q = rational(f, low, high, top, bottom)
    grid = [mp.mpf(low) + (mp.mpf(high) - low) * i / 500 for i in range(501)]
    error = max(abs(mp.polyval(p[::-1], x) / mp.polyval(q[::-1], x) / f(x) - 1) for x in grid)
    print(f"{name}: relative error {mp.nstr(error, 3)}")
    for part in (p, q)[: 2 if bottom else 1]:
        print("    " + ", ".join(mp.nstr(c, 17) for c in part))


def erf_over_x(t: Any) -> Any:
    """erf(x) / x as a function of t = x * x."""
    x = mp.sqrt(t)
    return mp.erf(x) / x if x else 2 / mp.sqrt(mp.pi)


def scaled_erfcx(u: Any) -> Any:
    """(x + 3) * exp(x * x) * erfc(x) as a function of u = 1 - 7 / (x + 3)."""
    if u > 1 - mp.mpf(10) ** -8:
        y = (1 - u) / 7  # 1 / (x + 3): the first terms of the asymptotic series
        x = 1 / y - 3 if y else mp.inf
        return (1 + 3 / x) * (1 - 1 / (2 * x * x)) / mp.sqrt(mp.pi)
    x = 7 / (1 - u) - 3
    return (x + 3) * mp.exp(x * x) * mp.erfc(x)


def lgamma_without_roots(s: Any) -> Any:
    """log(gamma(x)) / ((x - 1) * (x - 2)) as a function of s = 2 * x - 3."""
    x = (s + 3) / 2
    if abs(x - 1) < mp.mpf(10) ** -20:
        return mp.euler
    if abs(x - 2) < mp.mpf(10) ** -20:
        return 1 - mp.euler
    return mp.loggamma(x) / ((x - 1) * (x - 2))


if __name__ == "__main__":
    report("erf, |x| <= 1", erf_over_x, 0, 1, 11)
    report("erf to single precision, |x| <= 3.925", erf_over_x, 0, mp.mpf("3.925") ** 2, 6, 5)
    report("erfcx, x >= 0.5", scaled_erfcx, -1, 1, 22)
    report("lgamma, 1 <= x <= 2", lgamma_without_roots, -1, 1, 22)
