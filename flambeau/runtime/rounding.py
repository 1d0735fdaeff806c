"""Roundings that NumPy has no function for: fused multiply-add, and float to bfloat16.

PyTorch's kernels are compiled for CPUs with FMA instructions, where ``a * b + c`` is rounded once.
NumPy rounds it twice, so the last bit would differ now and then; these functions round once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SPLIT = 134217729.0  # 2**27 + 1, Veltkamp's constant: it cuts a double into two halves of 26 bits
_TIE_BITS = 0x1FFFFFFF  # the 29 bits of a double that a float32 has no room for
_TIE = 0x10000000
_FLOAT32_TINY = 2.0**-126


def fma32(
    a: NDArray[np.float32], b: float | np.float32, c: float | np.float32
) -> NDArray[np.float32]:
    """``a * b + c`` in float32 with one rounding; `b` and `c` are float32 values."""
    if b == 1:
        return a + np.float32(c)
    # A product of two float32 numbers is exact in double, so only the sum and the cast round.
    return round_sum_to_float32(a.astype(np.float64) * float(b), float(c))


def round_sum_to_float32(product: NDArray[np.float64], c: float) -> NDArray[np.float32]:
    """The float32 nearest to the exact ``product + c``, where rounding to double first might land
    on a tie.
    """
    total = product + c
    rounded = total.astype(np.float32)
    suspects = (total.view(np.int64) & _TIE_BITS) == _TIE
    suspects |= np.abs(total) < _FLOAT32_TINY
    if suspects.any():
        at = np.flatnonzero(suspects)
        rounded[at] = _untie(product[at], c)
    return rounded


def _untie(product: NDArray[np.float64], c: float) -> NDArray[np.float32]:
    """Round ``product + c`` to float32; the error of the sum decides where the sum lies halfway
    between two.
    """
    total, error = _two_sum(product, c)
    rounded = total.astype(np.float32)
    other = rounded + 2 * (total - rounded)
    tie = (total != rounded) & (other.astype(np.float32) == other)
    nudged = np.nextafter(total, np.copysign(np.inf, error))
    return np.where(tie & (error != 0), nudged, total).astype(np.float32)


def fma64(a: NDArray[np.float64], b: float, c: float) -> NDArray[np.float64]:
    """``a * b + c`` in float64 with one rounding, for operands far from overflow and underflow.

    Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using
    rounding to odd" (IEEE Transactions on Computers, 2008).
    """
    if b == 1:
        return a + c
    if c == 0:
        return a * b + 0.0
    high, low = _two_product(a, b)
    sum_low, rest_low = _two_sum(low, c)
    sum_high, rest_high = _two_sum(high, sum_low)
    return sum_high + _add_to_odd(rest_low, rest_high)


def _two_sum(
    a: NDArray[np.float64], b: NDArray[np.float64] | float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Knuth's sum: the rounded ``a + b`` and its exact error."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def _two_product(
    a: NDArray[np.float64], b: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Dekker's product: the rounded ``a * b`` and its exact error."""
    product = a * b
    a_high = a * _SPLIT
    a_high -= a_high - a
    a_low = a - a_high
    b_high = b * _SPLIT
    b_high -= b_high - b
    b_low = b - b_high
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error


def _add_to_odd(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """``a + b`` where an inexact sum takes the neighbour with an odd last bit."""
    total, error = _two_sum(a, b)
    bits = total.view(np.int64)
    even = (error != 0) & ((bits & 1) == 0)
    # Away from zero the bit pattern grows, towards zero it shrinks, whatever the sign.
    step = np.where((error > 0) == (total > 0), 1, -1)
    return np.where(even, bits + step, bits).view(np.float64)


def to_bfloat16(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round float32 to the nearest bfloat16, ties to even; the result stays a float32 array. NaN
    stays NaN.
    """
    bits = values.view(np.uint32)
    kept = ((bits >> 16) & 1) + np.uint32(0x7FFF)
    kept += bits
    kept &= np.uint32(0xFFFF0000)
    rounded = kept.view(np.float32)
    broken = np.isnan(values)
    if broken.any():
        rounded[broken] = np.nan
    return rounded
