"""Transforms: inverses, Jacobians beside autograd's, regions, caches, shapes."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.distributions import biject_to, constraints, transform_to
from flambeau.distributions import transforms as t

_NUMBERS = [
    t.ExpTransform(), t.SigmoidTransform(), t.SoftplusTransform(), t.TanhTransform(),
    t.AffineTransform(1.0, -2.0), t.AffineTransform(torch.tensor([1.0, 2.0, 3.0]), torch.tensor(0.5)),
    t.ComposeTransform([t.ExpTransform(), t.PowerTransform(torch.tensor(1.5)), t.AffineTransform(1, 2)]),
    t.ComposeTransform([t.ExpTransform(), t.PowerTransform(torch.tensor(-0.5))]),
    t.CumulativeDistributionTransform(torch.distributions.Normal(0.2, 1.3)),
    t.ExpTransform().inv.inv, t.identity_transform,
    t.StackTransform([t.ExpTransform(), t.TanhTransform(), t.AffineTransform(0, 3)], dim=1),
    t.CatTransform([t.ExpTransform(), t.TanhTransform()], dim=1, lengths=[2, 1]),
]  # fmt: skip


def _input() -> Any:
    return torch.tensor(np.random.default_rng(0).normal(0, 0.8, (4, 3)), requires_grad=True)


@pytest.mark.parametrize("transform", _NUMBERS, ids=lambda x: repr(x).replace("\n", "")[:40])
def test_of_numbers(transform: Any) -> None:
    x = _input()
    y = transform(x)
    np.testing.assert_allclose(transform.inv(y).detach(), x.detach(), 1e-6, 1e-9)
    (slope,) = torch.autograd.grad(y.sum(), x, retain_graph=True) if y is not x else (torch.ones_like(x),)
    found = transform.log_abs_det_jacobian(x, y)
    np.testing.assert_allclose(found.detach(), slope.abs().log(), 1e-6, 1e-9)
    np.testing.assert_allclose(transform.inv.log_abs_det_jacobian(y, x).detach(), -found.detach())
    assert transform.bijective and transform.inv.inv is transform
    assert transform.domain.check(x).all() and transform.codomain.check(y).all()
    if transform.event_dim == 0 and not isinstance(transform, (t.StackTransform, t.CatTransform)):
        sign = torch.as_tensor(transform.sign)
        assert (slope.sign() == sign).all()


@pytest.mark.parametrize(
    ("transform", "size"),
    [(t.StickBreakingTransform(), 3), (t.CorrCholeskyTransform(), 3), (t.CorrCholeskyTransform(), 6),
     (t.ReshapeTransform((4,), (2, 2)), 4), (t.AffineTransform(1.0, 3.0, event_dim=1), 3),
     (t.IndependentTransform(t.TanhTransform(), 1), 2),
     (t.ComposeTransform([t.AffineTransform(0.0, 2.0), t.StickBreakingTransform()]), 3)],
    ids=lambda x: repr(x).replace("\n", "")[:40],
)  # fmt: skip
def test_of_vectors(transform: Any, size: int) -> None:
    """The Jacobian of the coordinates that are free."""
    x = torch.tensor(np.random.default_rng(1).normal(0, 0.8, size))
    y = transform(x)

    def coordinates(x: Any) -> Any:
        y = transform(x)
        if isinstance(transform, t.CorrCholeskyTransform):
            return torch.distributions.utils.tril_matrix_to_vec(y, -1)
        return y.reshape(-1)[:size]

    jacobian = torch.autograd.functional.jacobian(coordinates, x).numpy()
    found = transform.log_abs_det_jacobian(x, y)
    assert found.shape == ()
    np.testing.assert_allclose(found.item(), np.linalg.slogdet(jacobian)[1], 1e-6, 1e-8)
    np.testing.assert_allclose(transform.inv(y), x, 1e-6, 1e-8)
    assert transform.codomain.check(y).all()
    assert transform.forward_shape(x.shape) == y.shape and transform.inverse_shape(y.shape) == x.shape
    batch = torch.stack([x, x])
    assert transform.log_abs_det_jacobian(batch, transform(batch)).shape == (2,)


_REGIONS = [
    constraints.real, constraints.positive, constraints.nonnegative, constraints.greater_than(2.0),
    constraints.less_than(-1.0), constraints.unit_interval, constraints.interval(-1.0, 3.0),
    constraints.half_open_interval(0.0, 2.0), constraints.simplex, constraints.corr_cholesky,
    constraints.lower_cholesky, constraints.positive_definite, constraints.positive_semidefinite,
    constraints.independent(constraints.positive, 1), constraints.real_vector,
    constraints.cat([constraints.positive, constraints.unit_interval], -1, [1, 2]),
    constraints.stack([constraints.positive, constraints.real, constraints.less_than(0.0)], -1),
]  # fmt: skip


@pytest.mark.parametrize("region", _REGIONS, ids=repr)
@pytest.mark.parametrize("registry", [biject_to, transform_to], ids=["biject_to", "transform_to"])
def test_registries_lead_into_the_region(region: Any, registry: Any) -> None:
    x = torch.tensor(np.random.default_rng(0).normal(0, 1, (2, 3, 3)))
    try:
        transform = registry(region)
    except NotImplementedError:
        assert registry is biject_to and region.event_dim == 2
        return
    y = transform(x)
    assert region.check(y).all()
    if transform.bijective:
        np.testing.assert_allclose(transform.inv(y), x, 1e-6, 1e-8)
    again = transform(transform.inv(y))
    np.testing.assert_allclose(again, y, 1e-6, 1e-8)


def test_a_registry_of_ones_own() -> None:
    class Even(constraints.Constraint):
        pass

    with pytest.raises(NotImplementedError, match="no transform is registered for Even"):
        biject_to(Even())
    biject_to.register(Even(), lambda constraint: t.ExpTransform())
    assert isinstance(biject_to(Even()), t.ExpTransform)
    del biject_to._registry[Even]


def test_the_cache_gives_the_very_tensor_back() -> None:
    x = torch.tensor([30.0])  # tanh is 1 there: nothing could invert it
    cached = t.TanhTransform(cache_size=1)
    y = cached(x)
    assert cached(x) is y and cached.inv(y) is x
    assert cached.inv(y.clone()).isinf().all()
    whole = t.ComposeTransform([t.TanhTransform(), t.AffineTransform(0.0, 2.0)], cache_size=1)
    assert whole.inv(whole(x)) is x
    assert t.TanhTransform().with_cache(1)._cache_size == 1
    assert cached.with_cache(1) is cached


def test_equality_and_pickles() -> None:
    assert t.ExpTransform() == t.ExpTransform() != t.TanhTransform()
    assert t.AffineTransform(1.0, 2.0) == t.AffineTransform(torch.tensor(1.0), 2) != t.AffineTransform(1.0, 3.0)
    assert t.ComposeTransform([t.ExpTransform()]) == t.ComposeTransform([t.ExpTransform()])
    for transform in (t.AffineTransform(1.0, 2.0), t.ExpTransform(), t.PowerTransform(2.0), t.identity_transform):
        transform.inv  # noqa: B018 - kept as a weak reference
        assert pickle.loads(pickle.dumps(transform)) == transform


def test_transformed_distributions_change_shape_with_their_transforms() -> None:
    d = torch.distributions
    base = d.Normal(torch.zeros(2, 3), 1.0)
    sticks = d.TransformedDistribution(base, t.StickBreakingTransform())
    assert (sticks.batch_shape, sticks.event_shape) == ((2,), (4,))
    assert sticks.log_prob(sticks.sample((5,))).shape == (5, 2)
    wide = d.TransformedDistribution(d.Normal(0.0, 1.0), t.AffineTransform(torch.zeros(3), 1.0))
    assert wide.batch_shape == (3,) and wide.sample().shape == (3,)
    flat = d.TransformedDistribution(d.Independent(base, 2), t.ReshapeTransform((2, 3), (6,)))
    assert flat.event_shape == (6,) and flat.log_prob(torch.zeros(6)).shape == ()
    assert flat.expand((4,)).sample().shape == (4, 6)
    falling = d.TransformedDistribution(d.Uniform(0.0, 1.0), t.AffineTransform(1.0, -1.0))
    assert falling.cdf(torch.tensor(0.25)).item() == pytest.approx(0.25)
    assert falling.icdf(torch.tensor(0.25)).item() == pytest.approx(0.25)
