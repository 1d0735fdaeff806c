"""Logical and bitwise operations, and shifts."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch


@pytest.mark.parametrize("name", ["logical_and", "logical_or", "logical_xor"])
def test_logical(name: str) -> None:
    a, b = np.array([0.0, 1.0, -2.0, 0.0]), np.array([0, 0, 3, 4])
    out = getattr(torch, name)(torch.tensor(a), torch.tensor(b))
    assert out.dtype is torch.bool
    np.testing.assert_array_equal(out.numpy(), getattr(np, name)(a, b))


def test_logical_not() -> None:
    assert torch.logical_not(torch.tensor([0.0, 2.0])).tolist() == [True, False]
    x = torch.tensor([0.0, 2.0])
    assert x.logical_not_().tolist() == [1.0, 0.0]
    out = torch.empty(2)
    assert torch.logical_not(torch.tensor([0, 1]), out=out).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64])
def test_bitwise(dtype: torch.dtype) -> None:
    a, b = torch.tensor([0, 1, 1]).to(dtype), torch.tensor([1, 1, 0]).to(dtype)
    for have, want in ((a & b, [0, 1, 0]), (a | b, [1, 1, 1]), (a ^ b, [1, 0, 1])):
        assert have.dtype is dtype
        assert [int(v) for v in have.tolist()] == want
    np.testing.assert_array_equal((~a).numpy(), np.invert(a.numpy()))


def test_numbers_on_both_sides() -> None:
    x = torch.tensor([1, 3])
    assert (x & 2).tolist() == (2 & x).tolist() == [0, 2]
    assert (x << 1).tolist() == [2, 6] and (2 << x).tolist() == [4, 16]
    assert (x >> 1).tolist() == [0, 1]
    x <<= 2
    assert x.tolist() == [4, 12]


def test_shifts_beyond_the_width() -> None:
    x = torch.tensor([1, -2])
    assert (x << 70).tolist() == [0, 0] and (x << -1).tolist() == [0, 0]
    assert (x >> 70).tolist() == [0, -1] and (x >> -1).tolist() == [0, -1]


def test_floats_have_no_bits() -> None:
    x = torch.ones(2)
    for call in (lambda: x & 1, lambda: x << 1, lambda: torch.bitwise_not(x)):
        with pytest.raises(NotImplementedError):
            call()
    with pytest.raises(TypeError):
        ~x
    with pytest.raises(NotImplementedError):
        torch.bitwise_left_shift(torch.tensor([True]), torch.tensor([True]))
