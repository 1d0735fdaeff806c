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
            assert promote(a, b) is promote(b, a)


def test_scalars_and_zero_dimensional_tensors_count_less() -> None:
    result = dtypes.result_type
    assert result([float32], [float64], []) is float32
    assert result([int32], [float64], []) is float64
    assert result([int8], [], [int64]) is int8
    assert result([int8], [], [float32]) is float32
    assert result([float16], [], [complex64]) is complex64
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
