"""Division, remainders, powers: values as Python and NumPy have them, and PyTorch's own corners."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau as torch

A = np.array([7, -7, 7, -7, 0, 5])
B = np.array([2, 2, -2, -2, 3, 5])


def test_integers_divide_as_floats() -> None:
    out = torch.tensor([1, 2]) / 4
    assert out.dtype is torch.float32 and out.tolist() == [0.25, 0.5]
    assert (2 / torch.tensor([4.0])).tolist() == [0.5]
    assert torch.div(torch.tensor([1.0, -1.0]), 0).tolist() == [math.inf, -math.inf]


@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.float64])
def test_rounded_division(dtype: torch.dtype) -> None:
    a, b = torch.tensor(A).to(dtype), torch.tensor(B).to(dtype)
    assert torch.div(a, b, rounding_mode="floor").tolist() == (A // B).tolist()
    assert torch.div(a, b, rounding_mode="trunc").tolist() == np.trunc(A / B).tolist()
    assert (a // b).tolist() == (A // B).tolist()
    assert (a % b).tolist() == (A % B).tolist()
    assert torch.fmod(a, b).tolist() == np.fmod(A, B).tolist()
    assert (a // b).dtype is dtype
    with pytest.raises(RuntimeError, match="rounding_mode"):
        torch.div(a, b, rounding_mode="nearest")


@pytest.mark.parametrize("operation", ["floor_divide", "remainder", "fmod"])
def test_integer_division_by_zero(operation: str) -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        getattr(torch, operation)(torch.tensor([1, 2]), torch.tensor([1, 0]))
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        getattr(torch, operation)(torch.tensor([1]), 0)
    assert getattr(torch, operation)(torch.tensor([], dtype=torch.int64), 0).shape == (0,)


def test_floating_division_by_zero() -> None:
    x = torch.tensor([7.0, -7.0, 0.0])
    assert str((x // 0).tolist()) == "[inf, -inf, nan]"
    assert str((x % 0).tolist()) == "[nan, nan, nan]"
    assert (torch.tensor([-5.0]) // math.inf).tolist() == [-1.0]


def test_remainder_of_zero_keeps_the_sign_of_the_dividend() -> None:
    out = (torch.tensor([-6.0, 6.0]) % 3).numpy()
    assert np.signbit(out).tolist() == [True, False]


def test_powers() -> None:
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    assert (x**2).tolist() == [4.0, 9.0]
    assert (x**0.5).tolist() == pytest.approx([2**0.5, 3**0.5])
    assert (2**x).tolist() == [4.0, 8.0]
    assert (x**x).tolist() == [4.0, 27.0]
    names = [y.grad_fn.name() for y in (x**2, x**x, 2**x, torch.square(x))]
    assert names == ["PowBackward0", "PowBackward1", "PowBackward2", "PowBackward0"]


def test_integer_powers() -> None:
    x = torch.tensor([2, 1, -1, 0, -1])
    assert x.pow(torch.tensor([-1, -1, -3, -2, -2])).tolist() == [0, 1, -1, 0, 1]
    assert (torch.tensor([2], dtype=torch.int8) ** 10).tolist() == [0]
    assert (2 ** torch.tensor([-1, 3])).tolist() == [0, 8]
    with pytest.raises(RuntimeError, match="negative integer powers"):
        x**-1
    assert (torch.tensor([True]) ** 2).dtype is torch.int64


def test_gradient_of_powers_at_zero() -> None:
    x = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    e = torch.tensor([0.0, 2.0], dtype=torch.float64, requires_grad=True)
    (x**e).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0] and e.grad.tolist() == [0.0, 0.0]
    x.grad = None
    (x**0).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]


def test_float_power_gcd_lcm_ldexp() -> None:
    assert torch.float_power(torch.tensor([2]), 3).dtype is torch.float64
    assert torch.gcd(torch.tensor([12, 0]), torch.tensor([18, 5])).tolist() == [6, 5]
    assert torch.lcm(torch.tensor([4]), torch.tensor([6])).tolist() == [12]
    assert torch.ldexp(torch.tensor([1.5]), torch.tensor([3])).tolist() == [12.0]
    with pytest.raises(NotImplementedError):
        torch.gcd(torch.ones(1), torch.ones(1))


def test_what_has_no_derivative_says_so() -> None:
    x = torch.ones(2, requires_grad=True)
    out = (x // 2).sum()
    assert out.requires_grad
    with pytest.raises(RuntimeError, match="floor_divide is not implemented"):
        out.backward()
