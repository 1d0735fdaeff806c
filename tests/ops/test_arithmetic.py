"""Arithmetic rows: values, dtypes, wrapping integers, PyTorch 0.3's order of arguments."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch


def test_alpha_scales_the_second_operand() -> None:
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([10.0, 20.0])
    assert torch.add(x, y, alpha=2).tolist() == [21.0, 42.0]
    assert torch.sub(x, y, alpha=2).tolist() == [-19.0, -38.0]
    assert torch.rsub(x, y, alpha=2).tolist() == [8.0, 16.0]


def test_integers_wrap_around() -> None:
    assert (torch.tensor([200], dtype=torch.uint8) + 100).tolist() == [44]
    assert (torch.tensor([100], dtype=torch.int8) * 3).tolist() == [44]
    assert (torch.tensor([1], dtype=torch.uint8) - 2).tolist() == [255]


def test_numbers_do_not_promote_within_a_category() -> None:
    assert (torch.tensor([1], dtype=torch.int8) + 2).dtype is torch.int8
    assert (torch.tensor([1], dtype=torch.int8) + 2.5).dtype is torch.float32
    assert (torch.ones(1, dtype=torch.float16) * 2.5).dtype is torch.float16
    assert (torch.tensor([True]) + 1).dtype is torch.int64
    assert (torch.ones(1) * 1j).dtype is torch.complex64


@pytest.mark.parametrize("name", ["add", "sub", "addcmul", "addcdiv"])
def test_old_order_of_arguments(name: str) -> None:
    x, y, z = torch.tensor([1.0]), torch.tensor([6.0]), torch.tensor([2.0])
    rest = (y, z) if name.startswith("addc") else (y,)
    keyword = "value" if name.startswith("addc") else "alpha"
    want = getattr(torch, name)(x, *rest, **{keyword: 3}).tolist()
    with pytest.warns(DeprecationWarning, match="0.3"):
        assert getattr(torch, name)(x, 3, *rest).tolist() == want
    with pytest.warns(DeprecationWarning, match="0.3"):
        assert getattr(x, name + "_")(3, *rest).tolist() == want


def test_booleans_are_not_subtracted() -> None:
    mask = torch.tensor([True, False])
    with pytest.raises(RuntimeError, match="bool"):
        mask - mask
    with pytest.raises(RuntimeError, match="bool"):
        -mask
    with pytest.raises(RuntimeError, match="alpha"):
        torch.add(torch.tensor([1]), torch.tensor([1]), alpha=1.5)


def test_addcmul_and_addcdiv() -> None:
    x, a, b = torch.tensor([1.0, 1.0]), torch.tensor([3.0, 4.0]), torch.tensor([2.0, 8.0])
    assert torch.addcmul(x, a, b, value=0.5).tolist() == [4.0, 17.0]
    assert torch.addcdiv(x, a, b, value=2).tolist() == [4.0, 2.0]
    with pytest.raises(RuntimeError, match="[Ii]nteger"):
        torch.addcdiv(x, torch.tensor([1, 2]), torch.tensor([3, 4]))


def test_lerp_gives_the_ends_exactly() -> None:
    start, end = torch.tensor([0.1, 0.2]), torch.tensor([0.7, 1e10])
    assert torch.equal(torch.lerp(start, end, 0.0), start)
    assert torch.equal(torch.lerp(start, end, 1.0), end)
    assert torch.equal(start.lerp(end, torch.tensor([0.0, 1.0])), torch.tensor([0.1, 1e10]))
    with pytest.raises(RuntimeError, match="float64"):
        torch.lerp(start, end.double(), 0.5)
    with pytest.raises(NotImplementedError):
        torch.lerp(torch.tensor([1]), torch.tensor([2]), 0.5)


def test_sixteen_bit_floats_round_once() -> None:
    x = torch.tensor([1.0, 1e-3], dtype=torch.bfloat16)
    want = (x.float() * 1.7).to(torch.bfloat16)
    assert torch.equal(x * 1.7, want)
    assert np.isfinite(torch.square(x).float().numpy()).all()
