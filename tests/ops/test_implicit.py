"""Implicit derivatives of gamma and beta numbers, beside finite differences of the distributions'
functions, which are integrated here."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau as torch
from flambeau.ops import implicit_kernels as kernels

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(400)


def _area(log_density: object, low: float, high: float) -> float:
    """The integral of exp(log_density) by 20 panels."""
    edges = np.linspace(low, high, 21)
    total = 0.0
    for a, b in zip(edges[:-1], edges[1:], strict=True):
        x = (a + b) / 2 + _NODES * (b - a) / 2
        total += (_WEIGHTS * np.exp(log_density(x))).sum() * (b - a) / 2  # type: ignore[operator]
    return total


def _gamma_area(a: float, log_x: float) -> float:
    """The gamma distribution's function, over s = log x."""
    low = min(log_x, math.log(a)) - 60 / a - 12 / math.sqrt(a)
    return _area(lambda s: a * s - np.exp(s) - math.lgamma(a), max(low, -700 / a), log_x)


def _beta_area(a: float, b: float, logit: float) -> float:
    norm = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    start = min(logit, math.log(a / b)) - 45 / a - 12 * math.sqrt(1 / a + 1 / b)
    return _area(lambda y: -a * np.logaddexp(0, -y) - b * np.logaddexp(0, y) - norm, start, logit)


@pytest.mark.parametrize(
    ("a", "x"),
    [(0.3, 0.01), (0.3, 0.9), (0.8, 3.0), (1.0, 0.5), (2.5, 2.6), (2.5, 9.0), (29.0, 20.0), (60.0, 50.0),
     (60.0, 75.0), (800.0, 790.0), (800.0, 850.0)],
)  # fmt: skip
def test_gamma(a: float, x: float) -> None:
    step = 1e-5 * a
    slope = (_gamma_area(a + step, math.log(x)) - _gamma_area(a - step, math.log(x))) / (2 * step)
    density = math.exp((a - 1) * math.log(x) - x - math.lgamma(a))
    found = kernels.standard_gamma_grad(np.array(a), np.array(x))
    np.testing.assert_allclose(found, -slope / density, 2e-6)


def test_gamma_of_a_large_parameter() -> None:
    """A gamma number is then about alpha + sqrt(alpha) z: dx/dalpha is 1 + z / (2 sqrt)."""
    alpha, z = 1e8, np.array([-2.0, 0.0, 3.0])
    found = kernels.standard_gamma_grad(np.full(3, alpha), alpha + math.sqrt(alpha) * z)
    np.testing.assert_allclose(found, 1 + z / (2 * math.sqrt(alpha)), 1e-7)


def test_gamma_of_a_tiny_parameter() -> None:
    """With alpha tiny the function is x**alpha / gamma(1 + alpha)."""
    alpha, x = np.full(2, 1e-6), np.array([1e-30, 1e-100])
    found = kernels.standard_gamma_grad(alpha, x)
    np.testing.assert_allclose(found, -x * (np.log(x) + np.euler_gamma) / alpha, 1e-5)


@pytest.mark.parametrize(
    ("a", "b", "x"),
    [(0.3, 0.4, 0.001), (0.3, 0.4, 0.7), (1.0, 1.0, 0.2), (2.0, 5.0, 0.3), (2.0, 5.0, 0.8),
     (0.2, 40.0, 0.001), (0.2, 40.0, 0.1), (40.0, 0.2, 0.999), (90.0, 30.0, 0.7), (90.0, 30.0, 0.85)],
)  # fmt: skip
def test_dirichlet(a: float, b: float, x: float) -> None:
    logit, step = math.log(x / (1 - x)), 1e-5 * a
    slope = (_beta_area(a + step, b, logit) - _beta_area(a - step, b, logit)) / (2 * step)
    log_density = (a - 1) * math.log(x) + (b - 1) * math.log(1 - x)
    log_density -= math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    found = kernels.dirichlet_grad(np.array(x), np.array(a), np.array(a + b))
    np.testing.assert_allclose(found, -slope / math.exp(log_density) / (1 - x), 5e-6)


def test_dirichlet_of_a_power() -> None:
    """For b = 1 the function is x**a: dx/da = -x log x / a."""
    a, x = np.array([0.01, 0.5, 3.0, 200.0]), np.array([0.4, 0.01, 0.9, 0.99])
    found = kernels.dirichlet_grad(x, a, a + 1)
    np.testing.assert_allclose(found, -x * np.log(x) / a / (1 - x), 1e-9)


def test_outside() -> None:
    nan = math.nan
    found = kernels.standard_gamma_grad(np.array([1.0, -1.0, 1.0, nan]), np.array([0.0, 1.0, -1.0, 1.0]))
    np.testing.assert_array_equal(found, [0, nan, nan, nan])
    found = kernels.dirichlet_grad(np.array([0.0, 1.0, 2.0]), np.full(3, 2.0), np.array([3.0, 3.0, 3.0]))
    np.testing.assert_array_equal(found, [0, 0, nan])


def test_draws_have_gradients() -> None:
    alpha = torch.tensor([0.5, 1.0, 4.0], requires_grad=True)
    drawn = torch._standard_gamma(alpha)
    assert drawn.grad_fn.name() == "StandardGammaBackward0"
    drawn.sum().backward()
    assert torch.equal(alpha.grad, torch._standard_gamma_grad(alpha.detach(), drawn.detach()))
    alpha.grad = None
    torch._sample_dirichlet(alpha).sum().backward()  # the sum is always 1
    assert alpha.grad.abs().max() < 1e-5
    with torch.no_grad():
        assert not torch._sample_dirichlet(alpha).requires_grad


@pytest.mark.parametrize("name", ["_standard_gamma", "_sample_dirichlet"])
def test_parameters_that_can_not_be(name: str) -> None:
    with pytest.raises(NotImplementedError, match="takes float32 and float64"):
        getattr(torch, name)(torch.ones(2, dtype=torch.int64))
    with pytest.raises(TypeError, match="must be Tensor, not float"):
        getattr(torch, name)(2.0)
