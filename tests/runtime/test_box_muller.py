from __future__ import annotations

import numpy as np

from flambeau.runtime.box_muller import box_muller32


def test_it_is_the_box_muller_transform() -> None:
    numbers = np.random.default_rng(0)
    first, second = numbers.integers(0, 2**24, (2, 50_000)).astype(np.uint32)
    cosines, sines = box_muller32(first, second)
    radius = np.sqrt(-2 * np.log1p(first * -(2.0**-24)))
    angle = 2 * np.pi * 2.0**-24 * second
    assert cosines.dtype == sines.dtype == np.float32
    np.testing.assert_allclose(cosines, radius * np.cos(angle), rtol=0, atol=2e-6)
    np.testing.assert_allclose(sines, radius * np.sin(angle), rtol=0, atol=2e-6)


def test_the_ends_of_the_range() -> None:
    first = np.array([0, 0, 2**24 - 1], np.uint32)
    second = np.array([0, 2**22, 0], np.uint32)
    cosines, sines = box_muller32(first, second)
    np.testing.assert_array_equal(cosines[:2], [0, 0])
    np.testing.assert_array_equal(sines, [0, 0, 0])
    np.testing.assert_allclose(cosines[2], np.sqrt(48 * np.log(2)), rtol=1e-6)
