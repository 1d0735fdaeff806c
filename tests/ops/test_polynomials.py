"""Orthogonal polynomials against NumPy's series."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.polynomial import chebyshev, hermite, hermite_e, laguerre, legendre

import flambeau as torch

X = np.concatenate([np.linspace(-1.5, 1.5, 13), [-1.0, 1.0]])
DEGREES = range(13)


def _series(value: Any) -> np.ndarray:
    return np.stack([value(X, [0] * n + [1]) for n in DEGREES])


def _have(name: str, x: np.ndarray = X) -> np.ndarray:
    n = torch.arange(13, dtype=torch.float64).unsqueeze(1)
    found = getattr(torch.special, name)(torch.tensor(x), n)
    return found.numpy()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("name", "value"),
    [("chebyshev_polynomial_t", chebyshev.chebval), ("hermite_polynomial_h", hermite.hermval),
     ("hermite_polynomial_he", hermite_e.hermeval), ("laguerre_polynomial_l", laguerre.lagval),
     ("legendre_polynomial_p", legendre.legval)],
)  # fmt: skip
def test_against_series(name: str, value: Any) -> None:
    want = _series(value)
    np.testing.assert_allclose(_have(name), want, 1e-11, 1e-11)


def test_the_other_kinds_of_chebyshev() -> None:
    t, u, v, w = (_have(f"chebyshev_polynomial_{k}") for k in "tuvw")
    np.testing.assert_allclose(u[2:] - u[:-2], 2 * t[2:], 1e-10, 1e-10)
    np.testing.assert_allclose(v[1:], u[1:] - u[:-1], 1e-10, 1e-10)
    np.testing.assert_allclose(w[1:], u[1:] + u[:-1], 1e-10, 1e-10)
    for k, plain in zip("tuvw", (t, u, v, w), strict=True):
        shifted = _have(f"shifted_chebyshev_polynomial_{k}", (X + 1) / 2)
        np.testing.assert_allclose(shifted, plain, 1e-9, 1e-9)


def test_degrees() -> None:
    p = torch.special.legendre_polynomial_p
    x = torch.tensor([0.5, 2.0])
    assert p(x, torch.tensor([-1.0, 0.0])).tolist() == [0.0, 1.0]
    torch.testing.assert_close(p(x, 2.9), p(x, 2))
    torch.testing.assert_close(p(0.5, torch.tensor([2.0, 3.0])), torch.tensor([-0.125, -0.4375]))
    assert not p(x.requires_grad_(), 2).requires_grad
