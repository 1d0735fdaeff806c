"""Number formats that are kept as bits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from flambeau.core import dtypes, narrow

LIMITS = {
    # the largest number, the smallest one, what 1e9 becomes, whether there is an infinity
    "float8_e4m3fn": (448.0, 2.0**-9, 448.0, False),
    "float8_e5m2": (57344.0, 2.0**-16, math.inf, True),
    "float8_e4m3fnuz": (240.0, 2.0**-10, math.nan, False),
    "float8_e5m2fnuz": (57344.0, 2.0**-17, math.nan, False),
}


@pytest.mark.parametrize("name", LIMITS)
def test_every_code_comes_back(name: str) -> None:
    read, write = narrow.codec(name)
    codes = np.arange(256, dtype=np.uint8)
    values = read(codes)
    there = ~np.isnan(values)
    np.testing.assert_array_equal(write(values[there]), codes[there])
    assert np.isnan(read(write(np.array([np.nan], np.float32)))).all()


@pytest.mark.parametrize("name", LIMITS)
def test_limits_and_rounding(name: str) -> None:
    read, write = narrow.codec(name)
    largest, smallest, beyond, infinite = LIMITS[name]
    values = read(np.arange(128, dtype=np.uint8))
    finite = values[np.isfinite(values)]
    assert finite.max() == largest and finite[1] == smallest == finite[finite > 0].min()
    assert np.isinf(values).any() == infinite
    np.testing.assert_array_equal(read(write(np.array([1e9], np.float32))), [np.float32(beyond)])
    halfway = (finite[1:].astype(np.float64) + finite[:-1]) / 2
    to_even = [even for even in range(len(halfway) + 1) if even % 2 == 0]
    assert set(write(halfway.astype(np.float32)).tolist()) <= set(to_even)
    zero = write(np.array([-0.0], np.float32))
    assert zero.tolist() == ([0] if "fnuz" in name else [0x80])


def test_exponents_alone() -> None:
    read, write = narrow.codec("float8_e8m0fnu")
    values = np.array([1.0, 1.4, 1.6, 3.0, 0.25, np.inf, np.nan], np.float32)
    np.testing.assert_array_equal(read(write(values)), [1, 1, 2, 4, 0.25, np.nan, np.nan])


def test_shapes_are_kept() -> None:
    for d in (*dtypes.FLOAT8, dtypes.bfloat16, dtypes.complex32):
        for shape in [(), (0,), (2, 3)]:
            bits = dtypes.narrow(np.ones(shape, d.compute), d)
            assert bits.dtype == d.np and bits.shape == shape
            wide = dtypes.widen(bits, d)
            assert wide.shape == shape and wide.dtype == d.compute and (wide == 1).all()
