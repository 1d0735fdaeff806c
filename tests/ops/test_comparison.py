"""Comparisons, extrema and closeness."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import flambeau as torch

A = np.array([[1.0, -2.0, math.nan], [0.0, math.inf, -0.0]])
B = np.array([1.0, 3.0, 0.0])


@pytest.mark.parametrize(
    "name, function",
    [("eq", np.equal), ("ne", np.not_equal), ("lt", np.less), ("le", np.less_equal),
     ("gt", np.greater), ("ge", np.greater_equal)],
)  # fmt: skip
def test_comparisons(name: str, function: Any) -> None:
    a, b = torch.tensor(A), torch.tensor(B)
    out = getattr(torch, name)(a, b)
    assert out.dtype is torch.bool
    np.testing.assert_array_equal(out.numpy(), function(A, B))
    np.testing.assert_array_equal(getattr(a, f"__{name}__")(0.0).numpy(), function(A, 0.0))
    changed = getattr(a.clone(), name + "_")(b)
    assert changed.dtype is torch.float64
    np.testing.assert_array_equal(changed.numpy(), function(A, B).astype(float))


def test_numbers_are_compared_in_the_tensors_dtype() -> None:
    assert (torch.tensor([0.1]) == 0.1).item()
    assert (torch.tensor([0.1], dtype=torch.float16) == 0.1).item()
    assert (torch.tensor([0.1], dtype=torch.bfloat16) <= 0.1).item()
    assert (torch.tensor([255], dtype=torch.uint8) == -1).item()
    assert not (torch.tensor([1]) == 1.5).item()


def test_complex_numbers_have_no_order() -> None:
    z = torch.tensor([1j])
    assert (z == 1j).item()
    with pytest.raises(NotImplementedError, match="lt"):
        z < z  # noqa: B015


def test_comparison_with_what_is_no_number() -> None:
    x = torch.ones(2)
    assert x.__eq__(None) is NotImplemented
    assert (x == "a") is False
    with pytest.raises(TypeError):
        x < "a"  # noqa: B015


@pytest.mark.parametrize("name", ["maximum", "minimum", "fmax", "fmin"])
def test_extrema(name: str) -> None:
    have = getattr(torch, name)(torch.tensor(A), torch.tensor(B))
    np.testing.assert_array_equal(have.numpy(), getattr(np, name)(A, B))


def test_gradient_of_ties_is_shared() -> None:
    a = torch.tensor([1.0, 2.0, 0.0], requires_grad=True)
    b = torch.tensor([1.0, 0.0, 2.0], requires_grad=True)
    torch.maximum(a, b).sum().backward()
    assert a.grad.tolist() == [0.5, 1.0, 0.0]
    assert b.grad.tolist() == [0.5, 0.0, 1.0]


def test_isclose() -> None:
    a = torch.tensor([1.0, math.inf, math.nan, 1.0])
    b = torch.tensor([1.0 + 1e-7, math.inf, math.nan, 1.1])
    assert torch.isclose(a, b).tolist() == [True, True, False, False]
    assert torch.isclose(a, b, rtol=0.2, equal_nan=True).tolist() == [True] * 4
    assert torch.allclose(a[:2], b[:2]) is True
    assert torch.allclose(a, b) is False
    assert torch.isclose(torch.tensor([1, 2]), torch.tensor([2, 4]), atol=1).tolist() == [
        True, False,
    ]  # fmt: skip
    with pytest.raises(RuntimeError, match="float64"):
        torch.allclose(a, b.double())
    with pytest.raises(RuntimeError, match="rtol"):
        torch.isclose(a, b, rtol=-1)


def test_equal() -> None:
    x = torch.tensor([1.0, 2.0])
    assert torch.equal(x, x.clone()) is True
    assert torch.equal(x, x[:1]) is False
    assert torch.equal(x, torch.tensor([1, 2])) is True
    assert x.equal(torch.tensor([1.0, 3.0])) is False
    with pytest.raises(TypeError, match="other"):
        torch.equal(x, 1)


def test_heaviside() -> None:
    x, v = torch.tensor([-1.0, 0.0, 2.0]), torch.tensor([0.5])
    assert torch.heaviside(x, v).tolist() == [0.0, 0.5, 1.0]
    with pytest.raises(RuntimeError, match="different dtypes"):
        torch.heaviside(x, v.double())
