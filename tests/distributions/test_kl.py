"""Divergences beside their integrals, and how the function for two types is found."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import flambeau as torch
from flambeau import distributions as D  # noqa: N812
from flambeau.distributions.kl import _KL_REGISTRY

from .cases import made, nodes

_ON_A_LINE = {
    "Beta": ("Beta(2.0, 3.5)", (0, 1)),
    "ContinuousBernoulli": ("ContinuousBernoulli(0.3)", (0, 1)),
    "Exponential": ("Exponential(0.7)", (0, 60)),
    "Gamma": ("Gamma(2.5, 1.5)", (0, 40)),
    "Gumbel": ("Gumbel(0.5, 1.5)", (-8, 60)),
    "HalfNormal": ("HalfNormal(1.5)", (0, 15)),
    "Laplace": ("Laplace(0.5, 1.5)", (-50, 50)),
    "Normal": ("Normal(0.5, 1.5)", (-15, 15)),
    "Pareto": ("Pareto(1.5, 8.0)", (1.5, 200)),
    "Uniform": ("Uniform(0.1, 0.9)", (0.1, 0.9)),
}
_OTHER = {
    "Beta": "Beta(1.5, 2.0)", "Exponential": "Exponential(1.3)",
    "ContinuousBernoulli": "ContinuousBernoulli(0.6)", "Gamma": "Gamma(1.5, 0.8)",
    "Gumbel": "Gumbel(-0.5, 2.0)", "HalfNormal": "HalfNormal(2.0)", "Laplace": "Laplace(0.0, 2.0)",
    "Normal": "Normal(0.0, 2.0)", "Pareto": "Pareto(0.05, 1.5)", "Uniform": "Uniform(0.0, 1.0)",
}  # fmt: skip
_PAIRS = sorted(
    (p.__name__, q.__name__) for p, q in _KL_REGISTRY
    if p.__name__ in _ON_A_LINE and q.__name__ in _OTHER
)  # fmt: skip


@pytest.mark.parametrize(("first", "second"), _PAIRS, ids=lambda name: name)
def test_integral(first: str, second: str) -> None:
    text, (low, high) = _ON_A_LINE[first]
    p, q = made(text), made(_OTHER[second])
    found = D.kl_divergence(p, q)
    assert found.shape == () and found.dtype == torch.float64
    if math.isinf(found.item()):
        x = p.sample((200,))
        assert not q.support.check(x).all() or first == "Beta" or second == "Pareto"
        return
    q._validate_args = False
    x, w = nodes(low, high)
    log_p = p.log_prob(x).numpy()
    log_q = q.log_prob(x).numpy()
    density = np.exp(log_p)
    with np.errstate(invalid="ignore"):
        expected = (w * np.where(density > 0, density * (log_p - log_q), 0)).sum()
    np.testing.assert_allclose(found, expected, 3e-5, 1e-9)


@pytest.mark.parametrize(
    ("p", "q"),
    [("Bernoulli(0.3)", "Bernoulli(0.6)"), ("Bernoulli(0.3)", "Poisson(0.5)"), ("Poisson(2.0)", "Poisson(3.0)"),
     ("Geometric(0.3)", "Geometric(0.5)"), ("Binomial(5, 0.3)", "Binomial(5, 0.6)")],
)  # fmt: skip
def test_sum(p: str, q: str) -> None:
    first, second = made(p), made(q)
    k = torch.arange(2 if p[:4] == "Bern" else 6 if p[:3] == "Bin" else 100, dtype=torch.float64)
    log_p, log_q = first.log_prob(k), second.log_prob(k)
    expected = (log_p.exp() * (log_p - log_q)).sum()
    np.testing.assert_allclose(D.kl_divergence(first, second), expected, 1e-9)


def test_cauchy() -> None:
    """The mean over a uniform number's place in the distribution: the tails are too long for x."""
    p, q = made("Cauchy(0.5, 1.5)"), made("Cauchy(0.0, 2.0)")
    u, w = nodes(1e-9, 1 - 1e-9)
    x = p.icdf(u)
    expected = (w * (p.log_prob(x) - q.log_prob(x)).numpy()).sum()
    np.testing.assert_allclose(D.kl_divergence(p, q), expected, 1e-6)


def test_of_bernoulli_at_the_ends() -> None:
    p, q = torch.tensor([0.0, 1.0, 0.5, 0.0]), torch.tensor([0.5, 0.5, 0.0, 1.0])
    found = D.kl_divergence(D.Bernoulli(p), D.Bernoulli(q))
    np.testing.assert_allclose(found, [math.log(2), math.log(2), math.inf, math.inf], 1e-5)
    one = D.Categorical(torch.tensor([0.0, 1.0]))
    assert D.kl_divergence(one, D.Categorical(torch.tensor([0.5, 0.5]))).item() == pytest.approx(math.log(2), 1e-5)
    assert D.kl_divergence(D.Categorical(torch.tensor([0.5, 0.5])), one).item() == math.inf


def test_normal_in_many_dimensions() -> None:
    rng = np.random.default_rng(0)
    factor = torch.tensor(rng.normal(size=(3, 1)))
    diagonal = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    low = D.LowRankMultivariateNormal(torch.tensor(rng.normal(size=3)), factor, diagonal)
    dense = D.MultivariateNormal(low.loc, low.covariance_matrix)
    half = rng.normal(size=(3, 3))
    other = D.MultivariateNormal(torch.zeros(3, dtype=torch.float64), torch.tensor(half @ half.T + np.eye(3)))
    p, q = low.covariance_matrix.numpy(), other.covariance_matrix.numpy()
    d, inverse = -low.loc.numpy(), np.linalg.inv(q)
    expected = np.trace(inverse @ p) + d @ inverse @ d - 3 + np.linalg.slogdet(q)[1] - np.linalg.slogdet(p)[1]
    for first in (low, dense):
        np.testing.assert_allclose(D.kl_divergence(first, other), expected / 2, 1e-10)
        np.testing.assert_allclose(D.kl_divergence(other, first), D.kl_divergence(other, dense), 1e-9)
        for second in (low, dense):
            np.testing.assert_allclose(D.kl_divergence(first, second), 0, atol=1e-9)
    with pytest.raises(ValueError, match="different event shapes"):
        D.kl_divergence(low, D.MultivariateNormal(torch.zeros(2), torch.eye(2)))


def test_exponential_families_by_their_normaliser() -> None:
    a = D.Wishart(torch.tensor(5.0), torch.eye(2)), D.Wishart(torch.tensor(4.0), 2 * torch.eye(2))
    assert D.kl_divergence(*a).item() > 0
    assert D.kl_divergence(a[0], a[0]).item() == pytest.approx(0, abs=1e-4)
    batch = D.Wishart(torch.tensor([4.0, 6.0]), torch.eye(2))
    alone = [D.kl_divergence(D.Wishart(df, torch.eye(2)), a[1]).item() for df in (4.0, 6.0)]
    np.testing.assert_allclose(D.kl_divergence(batch, a[1]).detach(), alone, 1e-4)
    general = _KL_REGISTRY[D.ExponentialFamily, D.ExponentialFamily]
    for name, p, q in (("Gamma", (2.0, 3.0), (1.0, 0.5)), ("Normal", (0.5, 1.5), (0.0, 2.0)), ("Beta", (2.0, 3.0), (1.0, 4.0))):
        first, second = getattr(D, name)(*p), getattr(D, name)(*q)
        found = general(first, second).detach()
        np.testing.assert_allclose(found, D.kl_divergence(first, second), 1e-4)
    with pytest.raises(NotImplementedError, match="Beta and Poisson"):
        D.kl_divergence(D.Beta(1.0, 1.0), D.Poisson(1.0))


def test_the_most_specific_pair_serves() -> None:
    class Base(D.Normal):
        pass

    class Derived(Base):
        pass

    p, q = Derived(0.0, 1.0), Derived(1.0, 1.0)
    assert D.kl_divergence(p, q).item() == 0.5
    D.register_kl(Base, Base)(lambda p, q: torch.tensor(1.0))
    assert D.kl_divergence(p, q).item() == 1.0
    assert D.kl_divergence(p, D.Normal(1.0, 1.0)).item() == 0.5
    D.register_kl(Derived, Base)(lambda p, q: torch.tensor(2.0))
    D.register_kl(Base, Derived)(lambda p, q: torch.tensor(3.0))
    with pytest.warns(RuntimeWarning, match=r"Ambiguous kl_divergence\(Derived, Derived\)"):
        assert D.kl_divergence(p, q).item() == 2.0
    D.register_kl(Derived, Derived)(lambda p, q: torch.tensor(4.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert D.kl_divergence(p, q).item() == 4.0
    for pair in [pair for pair in _KL_REGISTRY if Base in pair or Derived in pair]:
        del _KL_REGISTRY[pair]


def test_what_has_none() -> None:
    with pytest.raises(NotImplementedError, match="p type Normal and q type Cauchy"):
        D.kl_divergence(D.Normal(0.0, 1.0), D.Cauchy(0.0, 1.0))
    with pytest.raises(TypeError, match="expected a subclass of Distribution"):
        D.register_kl(int, D.Normal)  # type: ignore[arg-type]
    assert "Normal: Beta, " in (D.kl_divergence.__doc__ or "")
