"""Transforms and constraints of `torch.distributions` beside PyTorch's, and what is raised."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import flambeau

from ..distributions.programs import PROGRAMS
from .distributions_pair import LIBRARIES, Names, compare_gradients, expressions, same, tried

# --- transforms ---------------------------------------------------------------------------------

TRANSFORMS = """
    ExpTransform()  # r23
    ExpTransform().inv  # p23
    PowerTransform(t(2.0))  # p23
    PowerTransform(t([0.5, -1.0, 3.0]))  # p23
    SigmoidTransform()  # r23
    SigmoidTransform().inv  # u23
    SoftplusTransform()  # r23
    TanhTransform()  # r23
    AbsTransform()  # r23
    AffineTransform(1.0, -2.0)  # r23
    AffineTransform(r3, p3)  # r23
    AffineTransform(r3, p3, event_dim=1)  # r23
    AffineTransform(0, 2.0, event_dim=2)  # r23
    SoftmaxTransform()  # r23
    StickBreakingTransform()  # r23
    StickBreakingTransform().inv  # S23
    CorrCholeskyTransform()  # r23
    CorrCholeskyTransform().inv.inv  # r26
    LowerCholeskyTransform()  # r233
    PositiveDefiniteTransform()  # r233
    ReshapeTransform((2, 3), (6,))  # r423
    CumulativeDistributionTransform(Normal(0.3, 2.0))  # r23
    IndependentTransform(ExpTransform(), 1)  # r23
    ComposeTransform([ExpTransform(), AffineTransform(0.0, 3.0)])  # r23
    ComposeTransform([AffineTransform(r3, p3, event_dim=1), StickBreakingTransform()])  # r23
    ComposeTransform([])  # r23
    CatTransform([ExpTransform(), SigmoidTransform()], dim=1, lengths=[1, 2])  # r23
    CatTransform([ExpTransform(), StickBreakingTransform().inv.inv.with_cache(0)], dim=0)  # r23
    StackTransform([ExpTransform(), TanhTransform()], dim=0)  # r23
    StackTransform([ExpTransform(), TanhTransform(), AffineTransform(1, 2)], dim=-1)  # r23
    identity_transform  # r23
"""


def _parts(names: list[Names], name: str) -> list[Any]:
    """The input of a transform in both libraries; `S` stands for points of a simplex."""
    if name[0] == "S":
        return [n["p" + name[1:]] / n["p" + name[1:]].sum(-1, True) for n in names]
    return [n[name] for n in names]


@pytest.mark.parametrize("line", expressions(TRANSFORMS))
def test_transform(line: str) -> None:
    text, _, name = line.partition("  # ")
    names = [Names(library) for library in LIBRARIES]
    theirs, ours = (eval(text, {}, n) for n in names)
    x, our_x = _parts(names, name)
    leaves = names[0].leaves, names[1].leaves
    assert repr(ours) == repr(theirs) and repr(ours.inv) == repr(theirs.inv)
    for attribute in ("bijective", "sign", "event_dim", "domain", "codomain"):
        want = tried(lambda attribute=attribute: getattr(theirs, attribute))
        have = tried(lambda attribute=attribute: getattr(ours, attribute))
        same(attribute, *((repr(have), repr(want)) if "domain" in attribute else (have, want)))
    y, our_y = tried(lambda: theirs(x)), tried(lambda: ours(our_x))
    same("forward", our_y, y)
    if isinstance(y, type):
        return
    compare_gradients("gradient", our_y, y, leaves[1], leaves[0], 1e-4)
    back, our_back = tried(lambda: theirs.inv(y)), tried(lambda: ours.inv(our_y))
    same("inverse", our_back, back, 1e-4)
    slope = tried(lambda: theirs.log_abs_det_jacobian(x, y))
    our_slope = tried(lambda: ours.log_abs_det_jacobian(our_x, our_y))
    same("log_abs_det_jacobian", our_slope, slope, 1e-4)
    compare_gradients("gradient of it", our_slope, slope, leaves[1], leaves[0], 1e-3)
    for method, shape in (("forward_shape", x.shape), ("inverse_shape", y.shape), ("forward_shape", ())):
        want = tried(lambda method=method, shape=shape: tuple(getattr(theirs, method)(shape)))
        assert tried(lambda m=method, s=shape: tuple(getattr(ours, m)(flambeau.Size(s)))) == want
    for library, t, value in ((torch, theirs, x), (flambeau, ours, our_x)):
        cached = t.with_cache()
        result = cached(value)
        assert cached.with_cache() is cached and t.with_cache(0) is t or library is None
        if len(getattr(cached, "parts", "x")):
            assert cached(value) is result or library is torch
            assert cached.inv(result) is value
    assert (ours == eval(text, {}, names[1])) == (theirs == eval(text, {}, names[0]))


# --- constraints --------------------------------------------------------------------------------

CONSTRAINTS = """
    boolean
    one_hot
    integer_interval(0, 3)
    nonnegative_integer
    positive_integer
    real
    real_vector
    positive
    nonnegative
    greater_than(0.5)
    greater_than_eq(t(0.5))
    less_than(0.5)
    multinomial(3)
    unit_interval
    interval(-1, 1)
    half_open_interval(-1.0, 1.0)
    simplex
    lower_triangular
    lower_cholesky
    corr_cholesky
    square
    symmetric
    positive_semidefinite
    positive_definite
    independent(positive, 1)
    independent(simplex, 1)
    cat([real, positive, boolean], dim=-1)
    cat([real, positive], dim=0, lengths=[1, 1])
    stack([real, positive], dim=0)
    dependent
    dependent(is_discrete=True, event_dim=1)
    MixtureSameFamilyConstraint(positive)
"""
VALUES = """
    t([[0.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
    t([[0.2, 0.3, 0.5], [-0.5, 1.0, 0.5]])
    t([[0.5, math.nan, math.inf], [3.0, 2.0, -1.0]])
    t([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    t([[2.0, 0.5], [0.5, 1.0]])
    t([[[1.0, 2.0], [2.0, 1.0]], [[1.0, 0.0], [0.3, 1.0]]])
    t([[0, 1, 3], [0, 4, -1]])
"""


@pytest.mark.parametrize("text", expressions(CONSTRAINTS))
def test_constraint(text: str) -> None:
    names = [Names(library) for library in LIBRARIES]
    for library, n in zip(LIBRARIES, names):
        kinds = library.distributions.constraints
        n.update({k: getattr(kinds, k) for k in kinds.__all__})
    theirs, ours = (eval(text, {}, n) for n in names)
    assert repr(ours) == repr(theirs)
    for name in ("is_discrete", "event_dim"):
        assert tried(lambda: getattr(ours, name)) == tried(lambda: getattr(theirs, name))
    for value in expressions(VALUES):
        a, b = (eval(value, {}, n) for n in names)
        want = tried(lambda: theirs.check(a))
        if not isinstance(want, type):
            same(value, ours.check(b), want)
    for registry in ("biject_to", "transform_to"):
        want = tried(lambda: repr(getattr(torch.distributions, registry)(theirs)))
        assert tried(lambda: repr(getattr(flambeau.distributions, registry)(ours))) == want


# --- what is wrong ------------------------------------------------------------------------------

WRONG = """
    Normal(0.0, -1.0)
    Normal(T.tensor([math.nan]), 1.0)
    Normal("a", 1.0)
    Normal(T.zeros(2), T.ones(3))
    Normal(0.0, 1.0).log_prob(1.0)
    Normal(0.0, 1.0).log_prob(t(math.nan))
    Normal(T.zeros(2), 1.0).log_prob(T.zeros(3))
    Normal(T.zeros(2), 1.0).expand((3,))
    Normal(T.zeros(2), 1.0).expand(3)
    Normal(0.0, 1.0, validate_args=False).log_prob(t(math.nan)).item()
    Normal(0.0, -1.0, validate_args=False).scale
    Bernoulli(0.5, 0.5)
    Bernoulli()
    Bernoulli(1.5)
    Bernoulli(0.5).log_prob(t(0.5))
    Beta(0.0, 1.0)
    Beta(1.0, 1.0).log_prob(t(1.5))
    Binomial(-1, t(0.5))
    Binomial(3, t(0.5)).log_prob(t(4.0))
    Binomial(t([3.0, 4.0]), t(0.5)).entropy()
    Binomial(t([3.0, 4.0]), t(0.5)).enumerate_support()
    Categorical(t(0.5))
    Categorical(t([0.5, -0.5]))
    Categorical(t([0.5, 0.5])).log_prob(t(2))
    Categorical(t([math.nan, 0.5]))
    Dirichlet(t(1.0))
    Dirichlet(t([1.0, 1.0])).log_prob(t([0.5, 0.6]))
    ContinuousBernoulli(2.0, validate_args=True)
    Gamma(1.0, 0.0)
    Gamma(1.0, 1.0).log_prob(t(-1.0))
    Geometric(probs=0.0)
    Independent(Normal(0.0, 1.0), 1)
    Independent(Bernoulli(T.ones(2) / 2), 1).enumerate_support()
    LKJCholesky(1)
    LowRankMultivariateNormal(t(0.0), T.ones(1, 1), T.ones(1))
    LowRankMultivariateNormal(T.zeros(3), T.ones(2, 1), T.ones(3))
    LowRankMultivariateNormal(T.zeros(3), T.ones(3, 1), T.ones(2))
    LowRankMultivariateNormal(T.zeros(4, 3), T.ones(2, 3, 1), T.ones(3))
    MixtureSameFamily(Normal(0.0, 1.0), Normal(T.zeros(2), 1.0))
    MixtureSameFamily(Categorical(T.ones(2)), Normal(T.zeros(3), 1.0))
    MixtureSameFamily(Categorical(T.ones(3, 2)), Normal(T.zeros(2, 2), 1.0))
    MixtureSameFamily(Categorical(T.ones(2)), t(1.0))
    Multinomial(t(3), T.ones(2))
    Multinomial(3, T.ones(2)).log_prob(t([3.0, 1.0]))
    MultivariateNormal(t(0.0), T.eye(1))
    MultivariateNormal(T.zeros(2))
    MultivariateNormal(T.zeros(2), T.eye(2), T.eye(2))
    MultivariateNormal(T.zeros(2), T.ones(2))
    MultivariateNormal(T.zeros(2), T.zeros(2, 2))
    MultivariateNormal(T.zeros(2), -T.eye(2))
    MultivariateNormal(T.zeros(2), scale_tril=T.ones(2, 2))
    MultivariateNormal(T.zeros(2), T.eye(2)).log_prob(t(0.0))
    NegativeBinomial(3.0, t(1.0))
    OneHotCategorical(T.ones(2)).log_prob(t([1.0, 1.0]))
    Poisson(-1.0)
    Poisson(1.0).log_prob(t(0.5))
    Poisson(1.0).entropy()
    Uniform(1.0, 0.0)
    Uniform(0.0, 1.0).log_prob(t(2.0))
    Uniform(0.0, 1.0, validate_args=False).log_prob(t([-1.0, 0.0, 1.0])).tolist()
    Wishart(1.0, T.eye(2))
    Wishart(3.0, T.ones(2))
    Wishart(3.0)
    TransformedDistribution(Normal(0.0, 1.0), [1])
    TransformedDistribution(Normal(0.0, 1.0), StickBreakingTransform())
    TransformedDistribution(Normal(0.0, 1.0), AbsTransform()).cdf(t(1.0))
    kl_divergence(Normal(0.0, 1.0), Cauchy(0.0, 1.0))
    kl_divergence(Binomial(2, t(0.5)), Binomial(3, t(0.5)))
    kl_divergence(Independent(Normal(T.zeros(2, 2), 1.0), 1), Independent(Normal(T.zeros(2, 2), 1.0), 2))
    kl_divergence(MultivariateNormal(T.zeros(2), T.eye(2)), MultivariateNormal(T.zeros(3), T.eye(3)))
    Distribution().batch_shape
    Distribution(validate_args=False).support
    Distribution(validate_args=False).entropy()
    Distribution(validate_args=False).sample()
    Distribution.set_default_validate_args(3)
    Transform(cache_size=2)
    ReshapeTransform((2, 3), (5,))
    IndependentTransform(ExpTransform(), 2)(T.zeros(3))
    CatTransform([ExpTransform(), 1])
    StackTransform([ExpTransform()], dim=3)(T.zeros(1))
    StickBreakingTransform().forward_shape(T.Size([]))
    CorrCholeskyTransform().forward_shape(T.Size([4]))
    CorrCholeskyTransform()(T.zeros(4))
    Transform()(t(1.0))
    register_kl(int, Normal)
    biject_to.register(3, lambda c: None)
    biject_to(D.constraints.symmetric)
    D.utils.tril_matrix_to_vec(T.eye(3), 3)
    D.utils.vec_to_tril_matrix(T.ones(4))
    D.utils.vec_to_tril_matrix(T.arange(1.0, 7.0)).tolist()
    D.utils.vec_to_tril_matrix(T.arange(1.0, 4.0), -1).tolist()
    D.utils.tril_matrix_to_vec(T.arange(9.0).view(3, 3), -1).tolist()
    D.utils.tril_matrix_to_vec(T.arange(9.0).view(3, 3), 1).tolist()
    D.utils.probs_to_logits(t([0.0, 0.5, 1.0]), True).tolist()
    D.utils.broadcast_all(1, T.zeros(2, dtype=T.float64))[0].tolist()
    D.utils.broadcast_all(1, "a")
    D.constraints.independent(D.constraints.real, 2).check(T.zeros(1))
    D.constraints.dependent.check(T.zeros(1))
    D.Foo
"""
_VALUE_ERRORS = {
    "CorrCholeskyTransform()(T.zeros(4))", "D.utils.vec_to_tril_matrix(T.ones(4))", "Wishart(3.0)",
}  # fmt: skip
"""Where PyTorch has an AssertionError, or an error from within."""


@pytest.mark.parametrize("text", expressions(WRONG))
def test_errors_and_odd_calls(text: str) -> None:
    names = [Names(library) for library in LIBRARIES]

    def outcome(n: Names) -> Any:
        try:
            return tried(lambda: eval(text, {}, n))
        except AssertionError as error:
            return type(error)

    want, have = (outcome(n) for n in names)
    if text in _VALUE_ERRORS:
        assert have is ValueError
    elif isinstance(want, type):
        assert have is want or issubclass(have, want), f"{have}, PyTorch {want}"
    else:
        same(text, repr(have), repr(want))


# --- programs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_learn_alike(name: str) -> None:
    program, _ = PROGRAMS[name]
    ours, theirs = program(flambeau), program(torch)
    assert ours == pytest.approx(theirs, rel=2e-3, abs=2e-3)
