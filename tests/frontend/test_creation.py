"""Functions that make tensors: from sizes, numbers, nested data, arrays, buffers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import flambeau as torch


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (3, torch.int64), (2.5, torch.float32), (True, torch.bool), (1j, torch.complex64),
        ([1, 2.5], torch.float32), ([True, 2], torch.int64), ([1, 2j], torch.complex64),
        ([], torch.float32), ([[], []], torch.float32), (range(3), torch.int64),
        (np.float64(1), torch.float64), ([1, np.float64(2)], torch.float64),
        ([np.int8(1), np.int8(2)], torch.int8), (np.zeros(2, np.float16), torch.float16),
        ([torch.tensor(1), torch.tensor(2.5)], torch.float32), ([np.ones(2), np.zeros(2)], torch.float64),
    ],
)  # fmt: skip
def test_inferred_dtypes(data: Any, dtype: Any) -> None:
    assert torch.tensor(data).dtype is dtype


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        ([[1, 2], [3]], ValueError, r"length 2 at dim 1 \(got 1\)"),
        ([[1], 2], TypeError, "not a sequence"),
        ([1, [2]], TypeError, "list"),
        ("x", TypeError, "'str'"),
        (["x"], ValueError, "'str'"),
        ([1, None], RuntimeError, "NoneType"),
        ({1: 2}, RuntimeError, "dict"),
        (2**63, ValueError, "long long"),
        ([torch.ones(2)], ValueError, r"one element.*\[2\]"),
    ],
)
def test_wrong_data(data: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        torch.tensor(data)


def test_numbers_have_to_fit() -> None:
    assert torch.tensor([-1], dtype=torch.uint8).tolist() == [255]
    assert torch.tensor([1.7, -1.7], dtype=torch.int64).tolist() == [1, -1]
    assert torch.tensor(2**70, dtype=torch.float64).item() == 2.0**70
    for data, dtype in (([300], torch.uint8), (math.nan, torch.int64), ([1e30], torch.int32)):
        with pytest.raises(RuntimeError, match="overflow"):
            torch.tensor(data, dtype=dtype)
    with pytest.raises(RuntimeError, match="overflow"):
        torch.full((2,), 300, dtype=torch.uint8)
    with pytest.raises(TypeError, match="complex"):
        torch.tensor(1j, dtype=torch.float32)


def test_what_shares_memory() -> None:
    array = np.zeros(2)
    for share in (torch.from_numpy, torch.as_tensor, torch.asarray):
        t = share(array)
        array[0] += 1
        assert t[0].item() == array[0]
    copy = torch.asarray(array, copy=True)
    array[0] = -1
    assert copy[0].item() != -1
    t = torch.ones(2)
    assert torch.asarray(t) is t and torch.as_tensor(t) is t
    with pytest.raises(ValueError, match="alias"):
        torch.asarray([1, 2], copy=False)
    with pytest.raises(ValueError, match="'Float' into dtype 'Double'"):
        torch.asarray(t, dtype=torch.float64, copy=False)


def test_buffers() -> None:
    memory = bytearray(range(8))
    t = torch.frombuffer(memory, dtype=torch.int16, count=2, offset=2)
    assert t.tolist() == [0x0302, 0x0504]
    t.zero_()
    assert bytes(memory) == bytes([0, 1, 0, 0, 0, 0, 6, 7])
    with pytest.raises(ValueError, match="offset"):
        torch.frombuffer(memory, dtype=torch.uint8, offset=8)
    with pytest.raises(ValueError, match="list"):
        torch.frombuffer([1], dtype=torch.uint8)


def test_ranges() -> None:
    assert torch.arange(3).dtype is torch.int64 and torch.arange(3.0).dtype is torch.float32
    np.testing.assert_array_equal(torch.arange(1, 2, 0.25).numpy(), np.arange(1, 2, 0.25))
    assert torch.range(1, 2, 0.5).tolist() == [1, 1.5, 2]
    np.testing.assert_allclose(torch.linspace(-1, 1, 5).numpy(), np.linspace(-1, 1, 5))
    np.testing.assert_allclose(torch.logspace(0, 2, 3, base=2).numpy(), [1, 2, 4])
    for call in (lambda: torch.arange(0, 1, -1), lambda: torch.linspace(0, 1, -1), lambda: torch.zeros(-1)):
        with pytest.raises(RuntimeError):
            call()


def test_strides_of_choice() -> None:
    assert torch.empty_strided((2, 3), (1, 2)).stride() == (1, 2)
    assert torch.empty_permuted((2, 3, 4), (1, 2, 0)).stride() == (1, 8, 2)
    with pytest.raises(RuntimeError, match="empty_strided.*2.*1"):
        torch.empty_strided((2, 3), (1,))
    with pytest.raises(RuntimeError, match="empty_permuted"):
        torch.empty_permuted((2, 3), (0, 0))


@pytest.mark.parametrize("name", ["hann", "hamming", "blackman", "bartlett"])
def test_windows(name: str) -> None:
    make = getattr(torch, name + "_window")
    want = getattr(np, "hanning" if name == "hann" else name)
    np.testing.assert_allclose(make(7, periodic=False).numpy(), want(7), atol=1e-6)
    np.testing.assert_allclose(make(6).numpy(), want(7)[:-1], atol=1e-6)
    assert make(1).tolist() == [1] and make(0).shape == (0,)
    with pytest.raises(RuntimeError, match=f"{name}_window.*-1"):
        make(-1)


def test_kaiser_window() -> None:
    np.testing.assert_allclose(torch.kaiser_window(7, False, 5.0).numpy(), np.kaiser(7, 5.0), atol=1e-6)


def test_old_constructors() -> None:
    assert torch.Tensor(2, 3).shape == (2, 3) and torch.Tensor().shape == (0,)
    assert torch.Tensor([1, 2]).dtype is torch.float32 and torch.LongTensor([1.5]).tolist() == [1]
    with pytest.raises(TypeError, match="float"):
        torch.Tensor(3.5)
