"""One-dimensional distributions, as expressions of `D`, with the range that holds nearly all of them."""

from __future__ import annotations

from typing import Any

import numpy as np

import flambeau as torch
from flambeau import distributions as D  # noqa: N812

CONTINUOUS = {
    "Beta(2.0, 3.5)": (0, 1),
    "Cauchy(0.5, 1e-4)": (-20, 20),
    "Chi2(4.0)": (0, 120),
    "ContinuousBernoulli(0.3)": (0, 1),
    "ContinuousBernoulli(0.5)": (0, 1),
    "Exponential(0.7)": (0, 80),
    "FisherSnedecor(6.0, 40.0)": (0, 40),
    "Gamma(2.5, 1.5)": (0, 60),
    "GeneralizedPareto(1.0, 2.0, -0.3)": (1, 1 + 2 / 0.3),
    "GeneralizedPareto(1.0, 2.0, 0.0)": (1, 90),
    "Gumbel(0.5, 1.5)": (-8, 70),
    "HalfCauchy(1e-4)": (0, 20),
    "HalfNormal(1.5)": (0, 15),
    "InverseGamma(12.0, 6.0)": (0, 30),
    "Kumaraswamy(2.0, 3.0)": (0, 1),
    "Laplace(0.5, 1.5)": (-50, 50),
    "LogNormal(0.2, 0.4)": (0, 60),
    "Normal(0.5, 1.5)": (-15, 15),
    "Pareto(1.5, 30.0)": (1.5, 15),
    "RelaxedBernoulli(torch.tensor(2.0), 0.3)": (0, 1),
    "StudentT(30.0, 0.5, 1.5)": (-40, 40),
    "Uniform(-1.0, 2.0)": (-1, 2),
    "VonMises(0.5, 3.0)": (-np.pi, np.pi),
    "Weibull(1.5, 2.0)": (0, 20),
    "TransformedDistribution(Normal(0.2, 0.5), [TanhTransform()])": (-1, 1),
    "TransformedDistribution(Normal(0.2, 0.5), [AffineTransform(1.0, -2.0)])": (-15, 15),
    "MixtureSameFamily(Categorical(torch.tensor([0.3, 0.7])), Normal(torch.tensor([-1.0, 2.0]), 0.7))": (-15, 15),
}  # fmt: skip

DISCRETE = {
    "Bernoulli(0.3)": 2,
    "Binomial(6, 0.4)": 7,
    "Geometric(0.4)": 80,
    "NegativeBinomial(3.5, 0.4)": 120,
    "Poisson(3.5)": 60,
    "MixtureSameFamily(Categorical(torch.tensor([0.3, 0.7])), Poisson(torch.tensor([1.0, 6.0])))": 60,
}


def made(text: str) -> Any:
    """The distribution in double."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return eval(text, {"torch": torch, **{name: getattr(D, name) for name in D.__all__}})
    finally:
        torch.set_default_dtype(before)


def nodes(low: float, high: float, panels: int = 400) -> tuple[Any, np.ndarray]:
    """Points of a range and their weights in an integral: Gauss and Legendre's, of order 12, in
    panels that are denser towards both ends and around the middle."""
    x, w = np.polynomial.legendre.leggauss(12)
    t = np.linspace(0, 1, panels + 1)
    ends = low + (high - low) * t * t * (3 - 2 * t)
    middle = np.concatenate([-np.geomspace(1, 1e-7, 80), np.geomspace(1e-7, 1, 80)]) + 0.5
    edges = np.unique(np.concatenate([ends, middle[(middle > low) & (middle < high)]]))
    half = np.diff(edges) / 2
    points = (edges[:-1] + half)[:, None] + half[:, None] * x
    return torch.tensor(points.reshape(-1)), (half[:, None] * w).reshape(-1)
