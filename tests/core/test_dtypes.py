"""Dtypes, promotion and conversions."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from flambeau.core import dtypes
from flambeau.core.dtypes import (
    bfloat16,
    bool_,
    complex32,
    complex64,
    complex128,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    promote,
    uint8,
    uint16,
    uint32,
    uint64,
)


def test_promotion() -> None:
    assert promote(uint8, int8) is int16
    assert promote(int32, uint8) is int32
    assert promote(float16, bfloat16) is float32
    assert promote(int64, float16) is float16
    assert promote(float64, complex64) is complex128
    assert promote(bool_, uint8) is uint8
    for a in dtypes.ALL:
        assert promote(a, a) is a
        for b in dtypes.ALL:
            if a in dtypes.FLOAT8 or b in dtypes.FLOAT8 or {a.name, b.name} & {"uint64"}:
                continue
            assert promote(a, b) is promote(b, a)


def test_scalars_and_zero_dimensional_tensors_count_less() -> None:
    result = dtypes.result_type
    assert result([float32], [float64], []) is float32
    assert result([int32], [float64], []) is float64
    assert result([int8], [], [int64]) is int8
    assert result([int8], [], [float32]) is float32
    assert result([float16], [], [complex64]) is complex32
    assert result([bfloat16], [], [complex64]) is complex64
    assert result([], [int32], [bool_]) is int32


def test_bfloat16_rounds_to_nearest_even() -> None:
    values = np.array([1.0, 1.00390625, 1.01171875, -3.14159, np.inf, np.nan, 1e-40], np.float32)
    back = dtypes.to_float32(dtypes.to_bfloat16(values))
    assert back[:3].tolist() == [1.0, 1.0, 1.015625]
    assert abs(back[3] + 3.14159) < 0.01 and back[4] == np.inf and np.isnan(back[5])


def test_conversions_follow_c() -> None:
    convert = dtypes.convert
    assert convert(np.array([300.7, -1.5]), float64, uint8).tolist() == [44, 255]
    assert convert(np.array([0.5, 0.0, np.nan]), float64, bool_).tolist() == [True, False, True]
    assert convert(np.array([1 + 2j]), complex128, float32).tolist() == [1.0]


def test_dtypes_are_singletons() -> None:
    for d in dtypes.ALL:
        assert pickle.loads(pickle.dumps(d)) is d
        assert copy.deepcopy(d) is d
        assert repr(d) == f"torch.{d.name}"


def test_unknown_numpy_dtypes_are_refused() -> None:
    with pytest.raises(TypeError, match="can't convert np.ndarray"):
        dtypes.from_numpy(np.dtype("U3"))


def test_limits() -> None:
    assert dtypes.finfo(float32).eps == np.finfo(np.float32).eps
    assert dtypes.finfo(bfloat16).eps == 2.0**-7
    assert dtypes.iinfo(int8).max == 127
    with pytest.raises(TypeError):
        dtypes.finfo(int8)
    with pytest.raises(TypeError):
        dtypes.iinfo(float32)


def test_unsigned_promotion_is_the_standards() -> None:
    assert promote(uint16, int16) is int32 and promote(uint32, int8) is int64
    assert promote(uint8, uint16) is uint16 and promote(uint64, uint32) is uint64
    assert promote(uint16, int64) is int64 and promote(uint64, float16) is float16
    with pytest.raises(RuntimeError, match="UInt64"):
        promote(uint64, int64)
    with pytest.raises(RuntimeError, match="Float8"):
        promote(dtypes.float8_e5m2, float32)


def test_half_precision_complex_numbers() -> None:
    assert float16.to_complex() is complex32 and bfloat16.to_complex() is complex64
    assert promote(complex32, float32) is complex64 and promote(complex32, int64) is complex32
    values = np.array([1 + 2j, -0.5j, np.inf], np.complex64)
    bits = dtypes.convert(values, complex64, complex32)
    assert bits.dtype == np.uint32
    np.testing.assert_array_equal(dtypes.convert(bits, complex32, complex64), values)


def test_conversions_to_unsigned_integers_wrap() -> None:
    assert dtypes.convert(np.array([-1.5, 70000.0]), float64, uint16).tolist() == [65535, 4464]
    assert dtypes.convert(np.array([-3.0, 1e10]), float64, uint32).tolist() == [2**32 - 3, 1410065408]
    assert dtypes.convert(np.array([-3.0, 2.0**63]), float64, uint64).tolist() == [2**64 - 3, 2**63]
    assert dtypes.convert(np.array([0.5j]), complex128, bool_).tolist() == [True]
