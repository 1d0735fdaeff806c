"""Box-Muller on float32, bit for bit as PyTorch's vector kernel computes it.

PyTorch evaluates log, sine and cosine here with the single-precision polynomials of S. Moshier's
Cephes library (https://www.netlib.org/cephes/, ``logf`` and ``sinf``) in eight lanes, with fused
multiply-adds. They are less exact than NumPy's functions, so the last bits of ``np.log`` would
differ: what follows takes the same steps. The uniform numbers that come in have 24 bits, so each
function was compared with PyTorch's on all 2**24 arguments.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_F = np.float32
_D = np.float64

UNIT = _F(2.0**-24)
TWO_PI = _F(2.0 * np.pi)
SQRT_HALF = _F(0.707106781186547524)

# Cephes' logf: log(1 + x) = x - x**2 / 2 + x**3 P(x), and ln 2 in two parts, the first one short.
LOG = [
    float(_F(c))
    for c in (
        7.0376836292e-2,
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    )
]
LN2_HIGH = _F(0.693359375)
LN2_LOW = _F(-2.12194440e-4)

# Cephes' sinf and cosf on [-pi/4, pi/4], and pi/4 in three parts.
SIN = [float(_F(c)) for c in (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)]
COS = [float(_F(c)) for c in (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)]
FOUR_OVER_PI = _F(1.27323954473516)
QUARTER_PI = (_F(0.78515625), _F(2.4187564849853515625e-4), float(_F(3.77489497744594108e-8)))


def box_muller32(
    first: NDArray[np.uint32], second: NDArray[np.uint32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Two independent standard normal numbers from each pair of 24-bit integers.

    With ``u = first / 2**24`` and ``v = second / 2**24`` they are ``sqrt(-2 log(1 - u))`` times the
    cosine and the sine of ``2 pi v``.
    """
    radius = _F(-2) * _log(_F(1) - first.astype(_F) * UNIT)
    np.sqrt(radius, out=radius)
    sine, cosine = _sincos(TWO_PI * (second.astype(_F) * UNIT))
    cosine *= radius
    sine *= radius
    return cosine, sine


def _fma(a: NDArray[np.float32], b: NDArray[np.float64], c: NDArray[Any] | float) -> None:
    """``a = a * b + c``, rounded to float32 once.

    The product is exact in double; that the sum is rounded to double before it is rounded to
    float32 changes the result for none of the 2**24 arguments.
    """
    wide = a.astype(_D)
    wide *= b
    wide += c
    a[...] = wide


def _polynomial(x: NDArray[np.float64], coefficients: list[float]) -> NDArray[np.float32]:
    """Horner's rule, each step rounded to float32 once."""
    wide = x * coefficients[0]
    wide += coefficients[1]
    value = wide.astype(_F)
    for coefficient in coefficients[2:]:
        _fma(value, x, coefficient)
    return value


def _log(u: NDArray[np.float32]) -> NDArray[np.float32]:
    """Natural logarithm of float32 numbers in (0, 1]."""
    bits = u.view(np.uint32)
    exponent = (bits >> 23).astype(_F)
    exponent -= _F(126)
    mantissa = ((bits & np.uint32(0x7FFFFF)) | np.uint32(0x3F000000)).view(_F)
    x = mantissa - _F(1)
    small = (mantissa < SQRT_HALF).astype(_F)
    exponent -= small
    small *= mantissa  # arithmetic instead of np.where, which takes five times as long
    x += small

    squared = x * x
    value = _polynomial(x.astype(_D), LOG)
    value *= x
    _fma(value, squared.astype(_D), exponent * LN2_LOW)
    squared *= _F(0.5)
    value -= squared
    value += x
    exponent *= LN2_HIGH  # exact: both factors are short
    value += exponent
    return value


def _sincos(angle: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Sine and cosine of float32 angles in [0, 2 pi)."""
    octant = (angle * FOUR_OVER_PI).astype(np.int32)
    octant += 1
    octant &= ~1
    turns = octant.astype(_F)
    x = angle - turns * QUARTER_PI[0]  # these two products are exact: turns is at most 8
    x -= turns * QUARTER_PI[1]
    _subtract_last_part(x, turns)

    squared = x * x
    wide = squared.astype(_D)
    cosine = _polynomial(wide, COS)
    cosine *= squared
    _fma(cosine, wide, wide * -0.5)
    cosine += _F(1)
    sine = _polynomial(wide, SIN)
    sine *= squared
    x_wide = x.astype(_D)
    _fma(sine, x_wide, x_wide)
    return _rotate(sine, cosine, octant)


def _subtract_last_part(x: NDArray[np.float32], turns: NDArray[np.float32]) -> None:
    wide = turns.astype(_D)
    wide *= -QUARTER_PI[2]
    wide += x
    x[...] = wide


def _rotate(
    sine: NDArray[np.float32], cosine: NDArray[np.float32], octant: NDArray[np.int32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Turn by `octant` eighths of a circle; `octant` is even."""
    sine_bits, cosine_bits = sine.view(np.int32), cosine.view(np.int32)
    swap = sine_bits ^ cosine_bits
    swap &= -((octant >> 1) & 1)
    sine_bits ^= swap
    cosine_bits ^= swap
    sine_bits ^= (octant & 4) << 29
    cosine_bits ^= ((octant + 2) & 4) << 29
    return sine, cosine
