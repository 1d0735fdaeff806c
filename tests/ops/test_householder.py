"""Householder products and symmetric indefinite factors: what they are made of comes back."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch

RNG = np.random.default_rng(0)


def _matrix(kind: str, *shape: int) -> np.ndarray:
    x = RNG.standard_normal(shape)
    return x + 1j * RNG.standard_normal(shape) if kind == "complex" else x


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 3), (3, 5)])
def test_geqrf_and_products(kind: str, shape: tuple[int, ...]) -> None:
    x = torch.tensor(_matrix(kind, *shape))
    a, tau = torch.geqrf(x)
    m, n = shape[-2:]
    r = a.triu()
    whole = torch.ormqr(a, tau, r.clone())
    torch.testing.assert_close(whole, x)
    torch.testing.assert_close(torch.ormqr(a, tau, x, transpose=True).triu(), r)
    torch.testing.assert_close(torch.ormqr(a, tau, r.mH.contiguous(), False, True), x.mH)
    if m >= n:
        q = torch.linalg.householder_product(a, tau)
        torch.testing.assert_close(q @ r[..., :n, :], x)
        torch.testing.assert_close(q, torch.orgqr(a, tau))


def test_bad_products() -> None:
    a, tau = torch.ones(3, 2), torch.ones(2)
    for call in (lambda: torch.orgqr(a.T, tau), lambda: torch.orgqr(a, torch.ones(3)),
                 lambda: torch.orgqr(a, tau.double()), lambda: torch.ormqr(a, tau, torch.ones(2, 2)),
                 lambda: torch.orgqr(a, torch.ones(1, 2))):  # fmt: skip
        with pytest.raises(RuntimeError, match="or[gm]qr"):
            call()
    with pytest.raises(NotImplementedError):
        torch.geqrf(torch.ones(2, 2, dtype=torch.int64))


@pytest.mark.parametrize("kind", ["real", "complex", "hermitian"])
@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_ldl(kind: str, n: int) -> None:
    x = _matrix("real" if kind == "real" else "complex", 3, n, n)
    hermitian = kind == "hermitian"
    x = x + np.swapaxes(x.conj() if hermitian else x, -1, -2)
    x[0, range(n), range(n)] = 0  # forces blocks of two
    if n == 1:
        x[0] = 1
    a, b = torch.tensor(x), torch.tensor(_matrix("real" if kind == "real" else "complex", 3, n, 2))
    factors, pivots = torch.linalg.ldl_factor(a, hermitian=hermitian)
    assert pivots.dtype is torch.int32
    torch.testing.assert_close(a @ torch.linalg.ldl_solve(factors, pivots, b, hermitian=hermitian), b, rtol=1e-8, atol=1e-8)
    info = torch.linalg.ldl_factor_ex(a, hermitian=hermitian).info
    assert info.tolist() == [0, 0, 0]


def test_ldl_of_singular_matrices() -> None:
    assert torch.linalg.ldl_factor_ex(torch.zeros(2, 2)).info.item() == 1
    with pytest.raises(torch.linalg.LinAlgError, match="ldl_factor"):
        torch.linalg.ldl_factor(torch.zeros(2, 2))
    with pytest.raises(RuntimeError, match="LDX = B"):
        torch.linalg.ldl_solve(torch.ones(2, 2), torch.ones(2, dtype=torch.int32), torch.ones(3, 1))
