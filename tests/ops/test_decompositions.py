"""Decompositions and spectra: factors give the matrix back, derivatives of what has no free phase."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.autograd import gradcheck, gradgradcheck

RNG = np.random.default_rng(9)


def matrix(*shape: int, complex: bool = False) -> Any:
    values = RNG.normal(size=shape)
    return torch.tensor(values + 1j * RNG.normal(size=shape) if complex else values)


def positive(x: Any) -> Any:
    return x @ x.mH + torch.eye(x.shape[-1], dtype=x.dtype)


@pytest.mark.parametrize("complex", [False, True])
def test_factors_give_the_matrix_back(complex: bool) -> None:
    a = matrix(2, 4, 3, complex=complex)
    u, s, vh = torch.linalg.svd(a, full_matrices=False)
    assert torch.allclose((u * s.unsqueeze(-2)) @ vh, a)
    assert [t.shape for t in torch.linalg.svd(a)] == [(2, 4, 4), (2, 3), (2, 3, 3)]
    q, r = torch.linalg.qr(a)
    assert torch.allclose(q @ r, a) and torch.allclose(q.mH @ q, torch.eye(3, dtype=a.dtype).expand(2, 3, 3))
    h = positive(matrix(3, 3, complex=complex))
    low = torch.linalg.cholesky(h)
    assert torch.allclose(low @ low.mH, h) and torch.allclose(torch.linalg.cholesky(h, upper=True), low.mH)
    values, v = torch.linalg.eigh(h)
    assert torch.allclose((v * values) @ v.mH, h)
    square = matrix(3, 3, complex=complex)
    values, v = torch.linalg.eig(square)
    assert torch.allclose((v * values) @ torch.linalg.inv(v), square.to(v.dtype))
    packed, pivots = torch.linalg.lu_factor(square)
    b = matrix(3, 2, complex=complex)
    assert torch.allclose(square @ torch.linalg.lu_solve(packed, pivots, b), b)


def _phase_free_svd(a: Any) -> Any:
    u, s, vh = torch.linalg.svd(a, full_matrices=False)
    return (u * s.sin().unsqueeze(-2)) @ vh, u @ vh


def _phase_free_eig(a: Any) -> Any:
    values, v = torch.linalg.eig(a)
    return values, v.abs() if a.is_complex() else (v * values.exp()) @ torch.linalg.inv(v)


def _phase_free_eigh(a: Any) -> Any:
    values, v = torch.linalg.eigh(positive(a))
    return values, (v * values.log()) @ v.mH, v.abs()


def _qr_wide_and_tall(a: Any) -> Any:
    return (*torch.linalg.qr(a), *torch.linalg.qr(a.mT))


DIFFERENTIABLE: dict[str, Callable[[Any], Any]] = {
    "svd": _phase_free_svd,
    "eig": _phase_free_eig,
    "eigh": _phase_free_eigh,
    "cholesky": lambda a: torch.linalg.cholesky(positive(a)),
    "cholesky upper": lambda a: torch.linalg.cholesky(positive(a), upper=True),
    "pinv": lambda a: torch.linalg.pinv(a[:, :2]),
    "lstsq": lambda a: torch.linalg.lstsq(a, a.cos()[:, :1]).solution,
    "lu": lambda a: torch.linalg.lu(a)[1:],
    "det": torch.linalg.det,
    "cond": lambda a: torch.linalg.cond(a, "fro"),
}


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@pytest.mark.parametrize("complex", [False, True])
def test_derivatives(name: str, complex: bool) -> None:
    """Of what doesn't depend on the free phases of singular and eigenvectors."""
    x = matrix(3, 3, complex=complex).requires_grad_()
    assert gradcheck(DIFFERENTIABLE[name], [x])
    if not complex and name != "eig":
        assert gradgradcheck(DIFFERENTIABLE[name], [x], atol=1e-4, fast_mode=True)


def test_derivatives_of_qr() -> None:
    x = matrix(3, 2).requires_grad_()
    assert gradcheck(_qr_wide_and_tall, [x])
    with pytest.raises(RuntimeError, match="complete"):
        torch.linalg.qr(x, "complete")[0].sum().backward()


def test_not_positive_definite() -> None:
    x = torch.stack([torch.eye(3), torch.diag(torch.tensor([1.0, -1.0, 1.0]))])
    with pytest.raises(torch.linalg.LinAlgError, match=r"\(Batch element 1\).*order 2"):
        torch.linalg.cholesky(x)
    assert torch.linalg.cholesky_ex(x).info.tolist() == [0, 2]
