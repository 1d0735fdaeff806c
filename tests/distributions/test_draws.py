"""Draws have the moments that are promised, the gradients too."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch
from flambeau import distributions as D  # noqa: N812

from .cases import CONTINUOUS, DISCRETE, made

_N = 2000


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("text", [*CONTINUOUS, *DISCRETE])
def test_moments(text: str) -> None:
    d = made(text)
    x = d.sample((_N,))
    assert x.shape == (_N,) and x.dtype == torch.float64 and not x.requires_grad
    assert d.support.check(x).all()
    if text.startswith(("Cauchy", "HalfCauchy")):
        assert abs((x < (0.5 if text[0] == "C" else 1e-4)).double().mean().item() - 0.5) < 0.05
    elif text.startswith("VonMises"):
        middle = torch.atan2(x.sin().mean(), x.cos().mean())
        assert abs(middle.item() - 0.5) < 0.05
        length = (x.sin().mean() ** 2 + x.cos().mean() ** 2).sqrt()
        assert abs(1 - length.item() - d.variance.item()) < 0.05
    elif not text.startswith(("Transformed", "Relaxed")):
        assert abs((x.mean() - d.mean).item()) < 5 * d.stddev.item() / _N**0.5
        assert abs((x.std() / d.stddev).item() - 1) < 0.15


@pytest.mark.parametrize("text", [t for t in CONTINUOUS if not t.startswith(("VonMises", "Mixture", "Transformed", "Cauchy", "HalfCauchy"))])
def test_draws_fill_the_distribution(text: str) -> None:
    """cdf of a draw is uniform (Kolmogorov and Smirnov's distance)."""
    d = made(text)
    try:
        u = np.sort(d.cdf(d.sample((_N,))).numpy())
    except NotImplementedError:
        return
    assert np.abs(u - (np.arange(_N) + 0.5) / _N).max() < 1.7 / _N**0.5


_LEARNT = {
    "Gamma": (2.5, 1.5), "Beta": (2.0, 3.5), "Exponential": (0.7,), "Normal": (0.5, 1.5),
    "Laplace": (0.5, 1.5), "Gumbel": (0.5, 1.5), "LogNormal": (0.2, 0.4), "Weibull": (1.5, 2.0),
    "Uniform": (-1.0, 2.0), "Kumaraswamy": (2.0, 3.0), "InverseGamma": (12.0, 6.0), "Pareto": (1.5, 30.0),
    "Chi2": (4.0,), "HalfNormal": (1.5,), "FisherSnedecor": (6.0, 40.0), "ContinuousBernoulli": (0.3,),
    "GeneralizedPareto": (1.0, 2.0, -0.3),
}  # fmt: skip


@pytest.mark.parametrize("name", _LEARNT)
def test_gradients_of_draws_are_those_of_the_mean(name: str) -> None:
    parameters = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in _LEARNT[name]]
    drawn = getattr(D, name)(*parameters).rsample((_N,)).mean()
    found = torch.autograd.grad(drawn, parameters, materialize_grads=True, allow_unused=True)
    mean = getattr(D, name)(*parameters).mean
    expected = torch.autograd.grad(mean, parameters, materialize_grads=True, allow_unused=True)
    for a, b in zip(found, expected, strict=True):
        assert abs(a.item() - b.item()) < 0.1 * abs(b.item()) + 0.06


def test_gradients_of_dirichlet_draws() -> None:
    c = torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    (found,) = torch.autograd.grad((D.Dirichlet(c).rsample((_N,)) @ weights).mean(), c)
    (expected,) = torch.autograd.grad(D.Dirichlet(c).mean @ weights, c)
    np.testing.assert_allclose(found, expected, 0.1, 0.03)


def test_multivariate() -> None:
    loc, cov = torch.tensor([1.0, -1.0]), torch.tensor([[2.0, 0.6], [0.6, 1.0]])
    x = D.MultivariateNormal(loc, cov).sample((_N,))
    np.testing.assert_allclose(torch.cov(x.T), cov, atol=0.2)
    low = D.LowRankMultivariateNormal(loc, torch.tensor([[1.0], [0.6]]), torch.tensor([1.0, 0.64]))
    np.testing.assert_allclose(torch.cov(low.sample((_N,)).T), low.covariance_matrix, atol=0.2)
    wishart = D.Wishart(torch.tensor(5.0), cov)
    np.testing.assert_allclose(wishart.sample((500,)).mean(0), wishart.mean, atol=0.7)
    counts = D.Multinomial(10, torch.tensor([0.2, 0.8])).sample((_N,))
    assert (counts.sum(-1) == 10).all() and abs(counts.mean(0)[0].item() - 2) < 0.15
    hot = D.OneHotCategorical(torch.tensor([0.2, 0.8])).sample((_N,))
    assert (hot.sum(-1) == 1).all() and abs(hot.mean(0)[0].item() - 0.2) < 0.05
    factor = D.LKJCholesky(3, 2.0).sample((200,))
    correlation = factor @ factor.mT
    np.testing.assert_allclose(correlation.diagonal(dim1=-2, dim2=-1), np.ones((200, 3)), 1e-5)
    # Off the diagonal r**2 has the mean 1 / (2 concentration + dim - 1).
    np.testing.assert_allclose((correlation[:, 1, 0] ** 2).mean(), 1 / 6, atol=0.05)


def test_straight_through() -> None:
    logits = torch.zeros(3, requires_grad=True)
    x = D.OneHotCategoricalStraightThrough(logits=logits).rsample()
    assert sorted(x.round().tolist()) == [0, 0, 1]
    (x * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    np.testing.assert_allclose(logits.grad, [-1 / 3, 0, 1 / 3], atol=1e-6)


def test_relaxed_categorical_is_cold_at_the_corners() -> None:
    d = D.RelaxedOneHotCategorical(torch.tensor(0.05), torch.tensor([0.2, 0.8]))
    x = d.rsample((500,))
    assert (x.max(-1).values > 0.9).float().mean() > 0.85
    assert abs((x[:, 0] > 0.5).float().mean().item() - 0.2) < 0.06


@pytest.mark.parametrize("text", ["Bernoulli(0.5)", "Poisson(2.0)", "Categorical(torch.ones(2))", "VonMises(0.0, 1.0)"])
def test_what_can_not_be_reparameterised(text: str) -> None:
    d = made(text)
    assert not d.has_rsample
    with pytest.raises(NotImplementedError, match="has no rsample"):
        d.rsample()


def test_shapes_and_no_elements() -> None:
    for d in (D.Normal(torch.zeros(2, 0), 1.0), D.Gamma(torch.ones(2, 0), 1.0), D.Beta(torch.ones(0), 1.0), D.VonMises(torch.zeros(0), 1.0)):
        assert d.sample((3,)).shape == (3, *d.batch_shape)
        assert d.log_prob(d.sample()).shape == d.batch_shape
    assert D.Categorical(torch.ones(2, 3)).sample((4, 5)).shape == (4, 5, 2)
    assert D.Categorical(torch.ones(3)).sample().shape == ()
