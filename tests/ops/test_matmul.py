"""Products of matrices and vectors against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flambeau as torch

RNG = np.random.default_rng(5)


def pair(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[Any, Any]:
    return RNG.normal(size=a), RNG.normal(size=b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)),
        ((5, 2, 3), (3,)), ((3,), (5, 3, 4)), ((2, 3), (5, 3, 4)), ((5, 1, 2, 3), (6, 3, 4)),
        ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((0, 2, 3), (3, 4)),
    ],
)  # fmt: skip
def test_matmul(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    x, y = pair(a, b)
    ours = torch.tensor(x) @ torch.tensor(y)
    np.testing.assert_allclose(ours.numpy(), x @ y, 1e-12, 1e-12)


def test_integers_and_halves() -> None:
    x = torch.tensor([[1, 2], [3, 4]])
    assert (x @ x).tolist() == [[7, 10], [15, 22]]
    half = torch.full((2, 4096), 0.5, dtype=torch.float16)
    assert (half @ half.t())[0, 0].item() == 1024  # summed in float32


def test_added_products() -> None:
    c, (a, b) = RNG.normal(size=(2, 4)), pair((2, 3), (3, 4))
    ours = torch.addmm(torch.tensor(c), torch.tensor(a), torch.tensor(b), beta=2, alpha=0.5)
    np.testing.assert_allclose(ours.numpy(), 2 * c + 0.5 * (a @ b))
    nan = torch.full((2, 4), float("nan"), dtype=torch.float64)
    np.testing.assert_allclose(torch.addmm(nan, torch.tensor(a), torch.tensor(b), beta=0).numpy(), a @ b)
    x, y = pair((5, 2, 3), (5, 3, 4))
    batches = torch.tensor(x), torch.tensor(y)
    np.testing.assert_allclose(torch.baddbmm(torch.tensor(c), *batches).numpy(), c + x @ y)
    np.testing.assert_allclose(torch.addbmm(torch.tensor(c), *batches).numpy(), c + (x @ y).sum(0))


def test_linear_of_any_shape() -> None:
    w, b = torch.ones(4, 3), torch.arange(4.0)
    for shape in ((3,), (2, 3), (5, 2, 3), (0, 3)):
        out = torch.nn.functional.linear(torch.ones(shape), w, b)
        assert out.shape == (*shape[:-1], 4)
        np.testing.assert_array_equal(out.numpy(), np.broadcast_to([3, 4, 5, 6], out.shape))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: x.mm(x), r"mm\(\): .*\(2x3 and 2x3\)"),
        (lambda x: x @ torch.ones(4, 2), r"\(2x3 and 4x2\)"),
        (lambda x: x @ x.double().t(), r"mm\(\): .*float32 and torch.float64"),
        (lambda x: x.mv(torch.ones(2)), r"mv\(\): size mismatch.*2x3.*2"),
        (lambda x: x[0].dot(torch.ones(2)), r"dot\(\): .*\[3\].*\[2\]"),
        (lambda x: x[None].bmm(torch.ones(2, 3, 1)), r"bmm\(\): .*\[1, 3\].*\[2, 3\]"),
        (lambda x: torch.addmm(torch.ones(3), x, x.t()), r"addmm\(\): .*\[3\].*\[2, 2\]"),
        (lambda x: torch.matmul(torch.tensor(1.0), x), "0D and 2D"),
        (lambda x: torch.outer(x, x), "2-D"),
        (lambda x: torch.ones(2, 2, 3) @ torch.ones(2, 2, 3), r"\[2, 2, 3\]"),
    ],
)
def test_wrong_shapes(call: Callable[[Any], Any], text: str) -> None:
    with pytest.raises(RuntimeError, match=text):
        call(torch.ones(2, 3))


def test_wrong_types() -> None:
    with pytest.raises(TypeError):
        torch.ones(2, 2) @ 3
    with pytest.raises(TypeError, match="matmul.*int"):
        torch.matmul(torch.ones(2, 2), 3)
