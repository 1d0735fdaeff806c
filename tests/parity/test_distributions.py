"""`torch.distributions` beside PyTorch's: every distribution with its moments, densities, draws of the
same seed, gradients and representation, and the divergences between them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch

import flambeau

from .distributions_pair import LIBRARIES, Names, compare_gradients, expressions, same, tried

CASES = """
    Bernoulli(probs=u23)
    Bernoulli(logits=r23)
    Bernoulli(0.3)
    Bernoulli(probs=t([0.0, 0.5, 1.0]))
    Beta(p23, q3)
    Beta(0.5, 2.0)
    Binomial(5, probs=u23)
    Binomial(t([3.0, 30.0, 200.0]), logits=r3)
    Binomial(t([4.0, 4.0]), probs=t([0.0, 1.0]))
    Categorical(probs=p23)
    Categorical(logits=r23)
    Categorical(probs=t([0.0, 0.3, 0.7]))
    Cauchy(r23, p3)
    Cauchy(0.0, 1.0)
    Chi2(p23)
    Chi2(1.0)
    ContinuousBernoulli(probs=u23.double())
    ContinuousBernoulli(probs=t([0.01, 0.499, 0.5, 0.5005, 0.999]).double())
    ContinuousBernoulli(logits=r23.double())
    Dirichlet(p23)
    Dirichlet(t([[0.1, 0.2, 0.3], [5.0, 1.0, 0.5]]))
    Exponential(p23)
    Exponential(2.5)
    FisherSnedecor(p23, q3)
    FisherSnedecor(t([1.0, 5.0]), t([2.0, 9.0]))
    Gamma(p23, q3)
    Gamma(t([0.05, 0.9, 1.0, 30.0]), 1.0)
    GeneralizedPareto(r3, p3, t([-0.3, 0.0, 0.4]))
    GeneralizedPareto(0.0, 1.0, 0.7)
    Geometric(probs=u23)
    Geometric(logits=r23)
    Gumbel(r23, p3)
    Gumbel(0.0, 1.0)
    HalfCauchy(p23)
    HalfCauchy(1.0)
    HalfNormal(p23)
    HalfNormal(1.0)
    Independent(Normal(r23, p3), 1)
    Independent(Bernoulli(probs=u23), 2)
    Independent(Normal(r23, p3), 0)
    InverseGamma(p23, q3)
    InverseGamma(1.5, 1.0)
    Kumaraswamy(p23, q3)
    LKJCholesky(3, t([0.5, 1.0, 2.0]))
    LKJCholesky(2)
    Laplace(r23, p3)
    Laplace(0.0, 1.0)
    LogNormal(r23, u3)
    LogNormal(0.0, 0.5)
    LogisticNormal(r23, p3)
    LogisticNormal(0.0, 1.0)
    LowRankMultivariateNormal(r23, r32, p3)
    LowRankMultivariateNormal(r3, m232, p23)
    MixtureSameFamily(Categorical(probs=p3), Normal(r3, q3))
    MixtureSameFamily(Categorical(logits=r23), Independent(Normal(m232.new_zeros(()) + r232, 1.0), 1))
    MixtureSameFamily(Categorical(probs=p23), Poisson(q23))
    Multinomial(5, probs=p23)
    Multinomial(3, logits=r23)
    MultivariateNormal(r3, covariance_matrix=s33)
    MultivariateNormal(r23, precision_matrix=s33)
    MultivariateNormal(r3, scale_tril=l233)
    NegativeBinomial(p23, probs=u3)
    NegativeBinomial(5, logits=r3)
    Normal(r23, p3)
    Normal(0.0, 1.0)
    Normal(r3.double(), 2.0)
    OneHotCategorical(probs=p23)
    OneHotCategorical(logits=r23)
    OneHotCategoricalStraightThrough(probs=p23)
    Pareto(p23, q3)
    Pareto(1.0, t([0.5, 1.5, 3.0]))
    Poisson(p23)
    Poisson(t([0.0, 0.2, 40.0]))
    RelaxedBernoulli(t(0.7), probs=u23)
    RelaxedBernoulli(t([0.7]), logits=r23)
    RelaxedOneHotCategorical(t(0.7), probs=p23)
    RelaxedOneHotCategorical(t([0.7]), logits=r23)
    relaxed_bernoulli.LogitRelaxedBernoulli(t(0.5), probs=u23)
    relaxed_categorical.ExpRelaxedCategorical(t(0.5), logits=r23)
    StudentT(p23, r3, q3)
    StudentT(t([0.5, 1.5, 3.0, 30.0]))
    Uniform(r23, r23 + p3)
    Uniform(0.0, 1.0)
    VonMises(r23, p3)
    VonMises(0.5, t([1e-6, 0.1, 3.0, 80.0]))
    Weibull(p23, q3 + 1)
    Wishart(p3 + 4, covariance_matrix=s33)
    Wishart(5.0, precision_matrix=s33)
    Wishart(t([4.0, 6.0]), scale_tril=l233)
    TransformedDistribution(Normal(r23, p3), [SigmoidTransform(), AffineTransform(1.0, -2.0)])
    TransformedDistribution(Normal(r23, 1.0), TanhTransform(cache_size=1))
    TransformedDistribution(Independent(Normal(r23, p3), 1), [ExpTransform()])
    TransformedDistribution(Normal(r23, p3), [StickBreakingTransform()])
    TransformedDistribution(Uniform(0.0, 1.0), [AffineTransform(r3, p3)])
    TransformedDistribution(Normal(r23, p3), [])
"""

_WRONG_THERE = {("Kumaraswamy", "mode")}
"""What PyTorch has a wrong formula for."""
_ATTRIBUTES = ("batch_shape", "event_shape", "has_rsample", "has_enumerate_support", "mean", "mode",
               "variance", "stddev")  # fmt: skip


@pytest.mark.parametrize("text", expressions(CASES))
def test_distribution(text: str) -> None:
    names = [Names(library) for library in LIBRARIES]
    theirs, ours = (eval(text, {}, n) for n in names)
    leaves, our_leaves = names[0].leaves, names[1].leaves
    assert repr(ours) == repr(theirs)
    for name in _ATTRIBUTES:
        if (type(ours).__name__, name) not in _WRONG_THERE:
            want = tried(lambda name=name: getattr(theirs, name))
            same(name, tried(lambda name=name: getattr(ours, name)), want)
    want, have = tried(lambda: theirs.support), tried(lambda: ours.support)
    same("support", repr(have), repr(want))
    for name in ("entropy", "perplexity"):
        want, have = tried(lambda: getattr(theirs, name)()), tried(lambda: getattr(ours, name)())
        same(name, have, want)
        compare_gradients(f"gradient of {name}", have, want, our_leaves, leaves, 1e-4)
    for expand in (True, False):
        want = tried(lambda: theirs.enumerate_support(expand))
        same("enumerate_support", tried(lambda: ours.enumerate_support(expand)), want)
    _compare_values(ours, theirs, our_leaves, leaves, (), (2, 1))
    assert repr(ours) == repr(theirs)  # with what has been computed by now
    shape = (4, *theirs.batch_shape)
    wide, our_wide = theirs.expand(shape), ours.expand(shape)
    assert repr(our_wide) == repr(wide) and tuple(our_wide.batch_shape) == shape
    _compare_values(our_wide, wide, our_leaves, leaves, (3,))


def _compare_values(ours: Any, theirs: Any, our_leaves: list[Any], leaves: list[Any], *shapes: Any) -> None:
    for shape in shapes:
        torch.manual_seed(5)
        flambeau.manual_seed(5)
        sample = theirs.sample(shape)
        same(f"sample({shape})", ours.sample(shape), sample, 1e-4)
        same("the stream", flambeau.rand(()), torch.rand(()))
        value, our_value = sample.clone(), flambeau.tensor(sample.tolist()).to(_dtype(sample))
        for name in ("log_prob", "cdf"):
            want = tried(lambda name=name: getattr(theirs, name)(value))
            have = tried(lambda name=name: getattr(ours, name)(our_value))
            same(name, have, want, 1e-4)
            compare_gradients(f"gradient of {name}", have, want, our_leaves, leaves, 2e-3)
        torch.manual_seed(5)
        flambeau.manual_seed(5)
        want, have = tried(lambda: theirs.rsample(shape)), tried(lambda: ours.rsample(shape))
        same("rsample", have, want, 1e-4)
        compare_gradients("gradient of rsample", have, want, our_leaves, leaves, 5e-3)
    if not theirs.event_shape:
        areas = np.linspace(0.05, 0.95, 5).reshape(5, *[1] * len(theirs.batch_shape))
        want = tried(lambda: theirs.icdf(torch.tensor(areas.tolist())))
        same("icdf", tried(lambda: ours.icdf(flambeau.tensor(areas.tolist()))), want, 1e-4)


def _dtype(value: torch.Tensor) -> Any:
    return getattr(flambeau, str(value.dtype).removeprefix("torch."))


# --- divergences --------------------------------------------------------------------------------

FAMILIES = """
    Bernoulli(probs=u23)
    Bernoulli(probs=t([0.0, 0.5, 1.0]))
    Beta(p23, q3)
    Binomial(5, probs=u23)
    Binomial(4, probs=t([0.2, 0.5, 0.9]))
    Categorical(probs=p23)
    Categorical(probs=t([0.0, 0.3, 0.7]))
    Cauchy(r23, p3)
    ContinuousBernoulli(probs=u23.double())
    Dirichlet(p23)
    Exponential(p23)
    Exponential(t([0.5, 1.0, 2.0]))
    Gamma(p23, q3)
    Geometric(probs=u23)
    Gumbel(r23, p3)
    HalfNormal(p23)
    Laplace(r23, p3)
    LogNormal(r23, p3)
    LowRankMultivariateNormal(r23, r32, p3)
    LowRankMultivariateNormal(r3, m232, p23)
    MultivariateNormal(r3, covariance_matrix=s33)
    MultivariateNormal(r3, scale_tril=l233)
    Normal(r23, p3)
    OneHotCategorical(probs=p23)
    Pareto(p23, q3)
    Poisson(p23)
    StudentT(p23)
    Uniform(r23 - 3, r23)
    Uniform(t([0.1, 0.2, 0.0]), t([0.9, 1.5, 0.5]))
    Wishart(5.0, covariance_matrix=s33)
    Independent(Normal(r23, p3), 1)
    Independent(Normal(r23, 1.0), 2)
    TransformedDistribution(Normal(r23, p3), [ExpTransform()])
    RelaxedBernoulli(t(0.7), probs=u23)
"""

_WRONG_DIVERGENCES = {("ContinuousBernoulli", "Uniform"), ("Uniform", "ContinuousBernoulli")}
"""What PyTorch makes infinite although the supports are the same."""


@functools.cache
def _families() -> tuple[list[Names], dict[str, tuple[Any, Any]]]:
    names = [Names(library) for library in LIBRARIES]
    return names, {text: tuple(eval(text, {}, n) for n in names) for text in expressions(FAMILIES)}  # type: ignore[misc]


@pytest.mark.parametrize("text", expressions(FAMILIES))
def test_divergences(text: str) -> None:
    """From one distribution to all others."""
    names, made = _families()
    for other in made:
        if (text.partition("(")[0], other.partition("(")[0]) in _WRONG_DIVERGENCES:
            continue
        (p, ours), (q, our_q) = made[text], made[other]
        want = tried(lambda p=p, q=q: torch.distributions.kl_divergence(p, q))
        have = tried(lambda p=ours, q=our_q: flambeau.distributions.kl_divergence(p, q))
        what = f"{text} || {other}"
        if want is IndexError or (want.__class__ is torch.Tensor and want.shape != have.shape):
            continue  # PyTorch does not broadcast these
        same(what, have, want, 1e-4)
        compare_gradients(f"gradient of {what}", have, want, names[1].leaves, names[0].leaves, 1e-3)
