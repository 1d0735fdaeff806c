"""Inverses, determinants, equations against NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau as torch
from flambeau.ops.linalg import lu_pivoted

RNG = np.random.default_rng(8)
A = RNG.normal(size=(2, 4, 4))
X = torch.tensor(A)


def test_inverse_and_determinant() -> None:
    np.testing.assert_allclose(torch.linalg.inv(X).numpy(), np.linalg.inv(A))
    np.testing.assert_allclose(torch.det(X).numpy(), np.linalg.det(A))
    sign, size = torch.linalg.slogdet(X)
    np.testing.assert_allclose((sign * size.exp()).numpy(), np.linalg.det(A))
    assert math.isnan(torch.logdet(-torch.eye(3)).item())


def test_singular_matrices() -> None:
    batch = torch.stack([torch.eye(2), torch.ones(2, 2)])
    with pytest.raises(torch.linalg.LinAlgError, match=r"inv: \(Batch element 1\): .*element 2 is zero"):
        torch.linalg.inv(batch)
    with pytest.raises(torch.linalg.LinAlgError, match="solve.*singular"):
        torch.linalg.solve(torch.zeros(2, 2), torch.ones(2))
    inverse, info = torch.linalg.inv_ex(batch)
    assert info.tolist() == [0, 2] and inverse[0].tolist() == [[1, 0], [0, 1]]
    assert issubclass(torch.linalg.LinAlgError, RuntimeError)


def test_nearly_singular_matrices_are_not_refused() -> None:
    x = torch.tensor([[1.0, 2.0], [2.0, 4.000001]])
    assert torch.linalg.inv(x).isfinite().all()


def test_the_determinant_of_a_singular_matrix_has_a_gradient() -> None:
    x = torch.ones(2, 2, dtype=torch.float64, requires_grad=True)
    torch.det(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), [[1, -1], [-1, 1]], atol=1e-12)


def test_equations() -> None:
    b = RNG.normal(size=(2, 4, 3))
    np.testing.assert_allclose(torch.linalg.solve(X, torch.tensor(b)).numpy(), np.linalg.solve(A, b))
    v = RNG.normal(size=4)
    np.testing.assert_allclose(torch.linalg.solve(X, torch.tensor(v)).numpy(), np.linalg.solve(A, v))
    right = torch.linalg.solve(X, torch.tensor(b).mT, left=False)
    np.testing.assert_allclose((right @ X).numpy(), np.swapaxes(b, 1, 2))


@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("unit", [True, False])
def test_triangles(upper: bool, left: bool, unit: bool) -> None:
    triangle = np.triu(A) if upper else np.tril(A)
    if unit:
        triangle[:, range(4), range(4)] = 1
    b = torch.tensor(RNG.normal(size=(2, 4, 4)))
    x = torch.linalg.solve_triangular(X, b, upper=upper, left=left, unitriangular=unit)
    t = torch.tensor(triangle)
    np.testing.assert_allclose((t @ x if left else x @ t).numpy(), b.numpy(), 1e-8, 1e-8)


def test_lu_decomposition_of_any_shape() -> None:
    for shape in ((3, 3), (4, 2), (2, 5), (2, 3, 3)):
        a = RNG.normal(size=shape)
        p, low, up = torch.linalg.lu(torch.tensor(a))
        np.testing.assert_allclose((p @ low @ up).numpy(), a, 1e-12, 1e-12)
    assert lu_pivoted(np.zeros((2, 2)))[2] == 1


def test_wrong_calls() -> None:
    for call, text in (
        (lambda: torch.linalg.inv(torch.ones(2, 3)), r"linalg.inv\(\): .*2 by 3"),
        (lambda: torch.linalg.inv(torch.ones(2)), r"linalg.inv\(\): .*\[2\]"),
        (lambda: torch.linalg.inv(torch.ones(2, 2, dtype=torch.int64)), r"linalg.inv\(\): .*int64"),
        (lambda: torch.linalg.solve(torch.eye(3), torch.ones(2, 2)), r"\[3, 3\] and \[2, 2\]"),
        (lambda: torch.matrix_power(torch.ones(2, 3), 2), r"\[2, 3\]"),
        (lambda: torch.linalg.tensorinv(torch.ones(2, 3)), "tensorinv"),
    ):
        with pytest.raises(RuntimeError, match=text):
            call()
    with pytest.raises(AttributeError, match="torch.linalg.nothing"):
        torch.linalg.nothing  # noqa: B018
