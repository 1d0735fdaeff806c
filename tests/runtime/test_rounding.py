from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from flambeau.runtime.rounding import fma32, fma64, to_bfloat16


def exact_float32(value: Fraction) -> np.float32:
    """The nearest float32, ties to even, by exact comparison."""
    guess = np.float32(float(value))
    near = [
        np.nextafter(guess, np.float32(-np.inf)),
        guess,
        np.nextafter(guess, np.float32(np.inf)),
    ]
    distance = [abs(Fraction(float(x)) - value) for x in near]
    even = [int(x.view(np.uint32)) & 1 for x in near]
    return min(zip(distance, even, near, strict=True))[2]


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e6, 1e-40])
def test_fma32_rounds_once(scale: float) -> None:
    numbers = np.random.default_rng(0)
    a = numbers.standard_normal(500).astype(np.float32)
    b, c = (
        np.float32(numbers.standard_normal() * scale),
        np.float32(numbers.standard_normal() * scale),
    )
    expected = [
        exact_float32(Fraction(float(x)) * Fraction(float(b)) + Fraction(float(c))) for x in a
    ]
    np.testing.assert_array_equal(fma32(a, b, c), expected)


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("tiny", [2.0**-60, -(2.0**-60), 0.0])
@pytest.mark.parametrize("a", [1 + 2.0**-12, 1 + 3 * 2.0**-12])
def test_fma32_at_ties(sign: int, tiny: float, a: float) -> None:
    # The product has one bit more than float32, and c is lost in a double: it decides nonetheless.
    factors = np.full(3, sign * a, np.float32)
    other = 1 + 2.0**-12
    expected = exact_float32(Fraction(sign * a) * Fraction(other) + Fraction(tiny))
    np.testing.assert_array_equal(fma32(factors, np.float32(other), np.float32(tiny)), expected)


@pytest.mark.parametrize("exponent", [-20, 0, 20])
def test_fma64_rounds_once(exponent: int) -> None:
    numbers = np.random.default_rng(exponent + 100)
    a = np.concatenate([numbers.standard_normal(300), numbers.integers(0, 2**53, 300) * 2.0**-53])
    b, c = numbers.standard_normal() * 2.0**exponent, numbers.standard_normal()
    expected = [float(Fraction(x) * Fraction(b) + Fraction(c)) for x in a.tolist()]
    np.testing.assert_array_equal(fma64(a, b, c), expected)
    cancelling = -float(a[0]) * b
    np.testing.assert_array_equal(
        fma64(a, b, cancelling),
        [float(Fraction(x) * Fraction(b) + Fraction(cancelling)) for x in a.tolist()],
    )


def test_bfloat16_rounds_ties_to_even() -> None:
    values = [1.0, 1 + 2**-8, 1 + 2**-8 + 2**-20, 1 + 3 * 2**-8, -(1 + 3 * 2**-8), 3.4e38, np.inf]
    rounded = [1.0, 1.0, 1 + 2**-7, 1 + 2**-6, -(1 + 2**-6), np.inf, np.inf]
    np.testing.assert_array_equal(to_bfloat16(np.array(values, np.float32)), rounded)
    assert np.isnan(to_bfloat16(np.array([np.nan], np.float32))).all()
