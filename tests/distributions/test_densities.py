"""Densities sum to one, and moments, entropies and areas are what they say of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau as torch
from flambeau import distributions as D  # noqa: N812

from .cases import CONTINUOUS, DISCRETE, made, nodes

_WITHOUT_MOMENTS = ("Cauchy", "HalfCauchy", "VonMises", "RelaxedBernoulli", "TransformedDistribution")
_MODELESS = ("Mixture", "Transformed", "Relaxed", "Uniform", "ContinuousBernoulli")


@pytest.mark.parametrize("text", CONTINUOUS)
def test_continuous(text: str) -> None:
    d = made(text)
    x, w = nodes(*CONTINUOUS[text])
    log_p = d.log_prob(x).numpy()
    p = np.exp(log_p)
    tolerance = 2e-5 if "Cauchy" in text else 1e-9
    np.testing.assert_allclose((w * p).sum(), 1, tolerance)
    if not text.startswith(_WITHOUT_MOMENTS):
        mean = (w * p * x.numpy()).sum()
        np.testing.assert_allclose(d.mean, mean, 1e-8, 1e-8)
        np.testing.assert_allclose(d.variance, (w * p * (x.numpy() - mean) ** 2).sum(), 1e-7)
        np.testing.assert_allclose(d.stddev**2, d.variance, 1e-12)
    try:
        entropy = d.entropy()
    except NotImplementedError:
        return
    expected = -(w * p * np.where(p > 0, log_p, 0)).sum()
    np.testing.assert_allclose(entropy, expected, 2e-3 if "Cauchy" in text else 1e-8, 1e-9)
    np.testing.assert_allclose(d.perplexity(), math.exp(entropy), 1e-12)


@pytest.mark.parametrize("text", CONTINUOUS)
def test_cdf(text: str) -> None:
    d = made(text)
    low, high = CONTINUOUS[text]
    x, _ = nodes(low, high)
    places = np.quantile(np.repeat(x.numpy(), 3), [0.2, 0.5, 0.6])
    try:
        found = d.cdf(torch.tensor(places))
    except NotImplementedError:
        return
    for place, area in zip(places, found.tolist(), strict=True):
        part, weights = nodes(low, place)
        expected = (weights * np.exp(d.log_prob(part).numpy())).sum()
        np.testing.assert_allclose(area, expected, 1e-6, 1e-4 if "Cauchy" in text else 1e-9)
    try:
        back = d.icdf(torch.tensor([0.1, 0.5, 0.8], dtype=torch.float64))
    except NotImplementedError:
        return
    np.testing.assert_allclose(d.cdf(back), [0.1, 0.5, 0.8], 1e-7)


@pytest.mark.parametrize("text", [t for t in CONTINUOUS if not t.startswith(_MODELESS)])
def test_the_mode_is_the_highest_point(text: str) -> None:
    d = made(text)
    x, _ = nodes(*CONTINUOUS[text])
    assert (d.log_prob(x) <= d.log_prob(d.mode) + 1e-12).all()


@pytest.mark.parametrize("text", DISCRETE)
def test_discrete(text: str) -> None:
    d = made(text)
    k = torch.arange(DISCRETE[text], dtype=torch.float64)
    log_p = d.log_prob(k).numpy()
    p = np.exp(log_p)
    np.testing.assert_allclose(p.sum(), 1, 1e-12)
    np.testing.assert_allclose(d.mean, (p * k.numpy()).sum(), 1e-9)
    np.testing.assert_allclose(d.variance, (p * (k.numpy() - d.mean.item()) ** 2).sum(), 1e-9)
    if not text.startswith(("Mixture", "Poisson", "Negative")):
        np.testing.assert_allclose(d.entropy(), -(p * log_p).sum(), 1e-8)
    if not text.startswith("Mixture"):
        assert log_p.max() <= d.log_prob(d.mode) + 1e-12
    if d.has_enumerate_support:
        assert torch.equal(d.enumerate_support(), k)


def test_categorical() -> None:
    d = D.Categorical(torch.tensor([[1.0, 3.0], [2.0, 2.0]], dtype=torch.float64))
    np.testing.assert_allclose(d.probs, [[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_allclose(d.log_prob(d.enumerate_support()).exp(), [[0.25, 0.5], [0.75, 0.5]])
    np.testing.assert_allclose(d.entropy(), [-(0.25 * np.log(0.25) + 0.75 * np.log(0.75)), np.log(2)])
    assert d.mode.tolist() == [1, 0] and d.mean.isnan().all()
    assert D.Categorical(torch.tensor([0.0, 1.0])).entropy() == pytest.approx(0, abs=1e-5)


def test_multinomial_sums_over_all_counts() -> None:
    d = D.Multinomial(3, torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64))
    counts = torch.tensor([[i, j, 3 - i - j] for i in range(4) for j in range(4 - i)]).double()
    log_p = d.log_prob(counts)
    p = log_p.exp()
    assert p.sum().item() == pytest.approx(1)
    np.testing.assert_allclose((p.unsqueeze(-1) * counts).sum(0), d.mean)
    np.testing.assert_allclose((p.unsqueeze(-1) * (counts - d.mean) ** 2).sum(0), d.variance)
    assert d.entropy().item() == pytest.approx(-(p * log_p).sum().item())


def test_dirichlet_and_logistic_normal_integrate_to_one() -> None:
    x, w = np.polynomial.legendre.leggauss(150)
    x, w = torch.tensor((x + 1) / 2), w / 2
    a, b = x.unsqueeze(0), x.unsqueeze(1) * (1 - x.unsqueeze(0))
    points = torch.stack([a.expand_as(b), b, 1 - a - b], -1)
    weights = np.outer(w, w) * (1 - x.numpy())[None]
    double = {"dtype": torch.float64}
    for d in (
        D.Dirichlet(torch.tensor([1.5, 2.0, 3.0], **double)),
        D.LogisticNormal(torch.zeros(2, **double), torch.full((2,), 0.8, **double)),
        D.RelaxedOneHotCategorical(torch.tensor(1.5, **double), torch.tensor([0.2, 0.3, 0.5], **double)),
    ):
        d._validate_args = False  # the sums of the points are rounded
        p = np.exp(np.nan_to_num(d.log_prob(points).numpy(), nan=-np.inf))
        np.testing.assert_allclose((weights * p).sum(), 1, 1e-4)


def test_multivariate_normal_is_the_product_of_normals_along_its_axes() -> None:
    rng = np.random.default_rng(0)
    half = rng.normal(size=(3, 3))
    cov = half @ half.T + np.eye(3)
    loc, x = rng.normal(size=3), rng.normal(size=(5, 3))
    values, axes = np.linalg.eigh(cov)
    along = (x - loc) @ axes / np.sqrt(values)
    expected = (-0.5 * along**2 - 0.5 * np.log(2 * np.pi * values)).sum(-1)
    entropy = 0.5 * np.log(2 * np.pi * np.e * values).sum()
    tril = torch.tensor(np.linalg.cholesky(cov))
    where = torch.tensor(loc)
    for kind in (
        {"covariance_matrix": torch.tensor(cov)}, {"scale_tril": tril},
        {"precision_matrix": torch.tensor(np.linalg.inv(cov))},
    ):  # fmt: skip
        d = D.MultivariateNormal(where, **kind)
        np.testing.assert_allclose(d.log_prob(torch.tensor(x)), expected, 1e-10)
        np.testing.assert_allclose(d.entropy(), entropy, 1e-10)
        np.testing.assert_allclose(d.covariance_matrix, cov, 1e-10)
        np.testing.assert_allclose(d.precision_matrix, np.linalg.inv(cov), 1e-8)
        np.testing.assert_allclose(d.variance, np.diag(cov), 1e-10)
    factor, diagonal = torch.tensor(half[:, :1]), torch.ones(3, dtype=torch.float64)
    low = D.LowRankMultivariateNormal(where, factor, diagonal)
    full = D.MultivariateNormal(where, factor @ factor.mT + torch.eye(3, dtype=torch.float64))
    for name in ("covariance_matrix", "precision_matrix", "scale_tril", "variance"):
        np.testing.assert_allclose(getattr(low, name), getattr(full, name), 1e-10, 1e-12)
    np.testing.assert_allclose(low.log_prob(torch.tensor(x)), full.log_prob(torch.tensor(x)), 1e-10)
    np.testing.assert_allclose(low.entropy(), full.entropy(), 1e-10)


def test_wishart_of_order_one_is_gamma() -> None:
    x = torch.tensor([0.3, 1.0, 4.0], dtype=torch.float64)
    wishart = D.Wishart(torch.tensor(3.0, dtype=torch.float64), torch.tensor([[2.0]], dtype=torch.float64))
    gamma = D.Gamma(torch.tensor(1.5, dtype=torch.float64), 0.25)
    np.testing.assert_allclose(wishart.log_prob(x[:, None, None]), gamma.log_prob(x))
    np.testing.assert_allclose(wishart.entropy(), gamma.entropy())
    np.testing.assert_allclose(wishart.variance.squeeze(), gamma.variance)


def test_lkj_of_order_two_is_a_beta_distribution() -> None:
    """The correlation r has a density proportional to (1 - r**2)**(concentration - 1)."""
    d = D.LKJCholesky(2, torch.tensor(1.7, dtype=torch.float64))
    r, w = nodes(-1, 1)
    zero, one = torch.zeros_like(r), torch.ones_like(r)
    factor = torch.stack([torch.stack([one, zero], -1), torch.stack([r, (1 - r * r).sqrt()], -1)], -2)
    np.testing.assert_allclose((w * d.log_prob(factor).exp().numpy()).sum(), 1, 1e-8)
