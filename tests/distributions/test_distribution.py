"""The base class: checks, shapes, attributes that come late, distributions of one's own."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import pytest

import flambeau as torch
from flambeau import distributions as D  # noqa: N812
from flambeau.distributions import utils


def test_validation_can_be_turned_off() -> None:
    with pytest.raises(ValueError, match="Expected parameter scale .* GreaterThan"):
        D.Normal(0.0, -1.0)
    assert D.Normal(0.0, -1.0, validate_args=False).scale.item() == -1
    with pytest.raises(ValueError, match="within the support"):
        D.Exponential(1.0).log_prob(torch.tensor(-1.0))
    D.Distribution.set_default_validate_args(False)
    try:
        D.Normal(0.0, -1.0)
        assert D.Exponential(1.0).log_prob(torch.tensor(-1.0)).item() == 1
    finally:
        D.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError, match="expected True or False, got 'yes'"):
        D.Distribution.set_default_validate_args("yes")  # type: ignore[arg-type]


def test_values_of_the_wrong_shape() -> None:
    d = D.Normal(torch.zeros(2), 1.0)
    with pytest.raises(ValueError, match=r"shape \(3,\) does not broadcast .* \(2,\)"):
        d.log_prob(torch.zeros(3))
    with pytest.raises(ValueError, match="expected a tensor of values, got float"):
        d.log_prob(1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"must be the event's, \(3,\), got shape \(2,\)"):
        D.Dirichlet(torch.ones(3)).log_prob(torch.ones(2) / 2)


def test_expand_keeps_the_memory() -> None:
    d = D.Normal(torch.zeros(3, requires_grad=True), torch.ones(3))
    wide = d.expand((4, 3))
    assert wide.batch_shape == (4, 3) and wide.loc.stride() == (0, 1)
    wide.log_prob(torch.zeros(4, 3)).sum().backward()
    assert isinstance(wide, D.Normal) and not wide._validate_args == (not d._validate_args)
    with pytest.raises(RuntimeError):
        d.expand((4,))

    class Standard(D.Normal):
        def __init__(self) -> None:
            super().__init__(0.0, 1.0)

    with pytest.raises(NotImplementedError, match="must define expand"):
        Standard().expand((2,))


def test_a_distribution_of_ones_own() -> None:
    class Point(D.Distribution):
        """All of the probability in one place."""

        arg_constraints = {"at": D.constraints.real}

        def __init__(self, at: Any) -> None:
            (self.at,) = utils.broadcast_all(at)
            super().__init__(self.at.shape)

        def rsample(self, sample_shape: Any = torch.Size()) -> Any:
            return 1.0 * self.at.expand(self._extended_shape(sample_shape))

        def log_prob(self, value: Any) -> Any:
            self._validate_sample(value)
            return torch.where(value == self.at, 0.0, -torch.inf)

    d = Point(torch.tensor([1.0, 2.0], requires_grad=True))
    assert repr(d) == "Point(at: flambeau.Size([2]))" or repr(d) == "Point(at: torch.Size([2]))"
    assert d.sample((3,)).shape == (3, 2) and not d.sample().requires_grad and d.rsample().requires_grad
    with pytest.warns(UserWarning, match="does not define `support`"):
        assert d.log_prob(torch.tensor([1.0, 1.0])).tolist() == [0, -torch.inf]
    for name in ("entropy", "enumerate_support", "perplexity"):
        with pytest.raises(NotImplementedError, match="Point has no"):
            getattr(d, name)()
    for name in ("mean", "variance", "stddev", "mode", "support"):
        with pytest.raises(NotImplementedError, match="Point has no"):
            getattr(d, name)
    with pytest.warns(UserWarning, match="does not define `arg_constraints`"):
        D.Distribution()


def test_sample_n_warns() -> None:
    with pytest.warns(FutureWarning, match=r"write sample\(\(n,\)\)"):
        assert D.Normal(0.0, 1.0).sample_n(3).shape == (3,)


def test_late_attributes_keep_their_gradient() -> None:
    probs = torch.tensor([0.3, 0.7], requires_grad=True)
    d = D.Bernoulli(probs)
    with torch.no_grad():
        logits = d.logits
    assert logits.requires_grad and d.logits is logits and "logits" in d.__dict__
    assert isinstance(D.Bernoulli.logits, property)


def test_copies_and_pickles() -> None:
    for d in (
        D.Normal(torch.zeros(2), 1.0), D.Categorical(torch.ones(3)), D.Beta(1.0, 2.0), D.Gumbel(0.0, 1.0),
        D.MultivariateNormal(torch.zeros(2), torch.eye(2)), D.Independent(D.Bernoulli(torch.ones(2) / 2), 1),
        D.TransformedDistribution(D.Normal(0.0, 1.0), [D.TanhTransform(cache_size=1)]),
    ):  # fmt: skip
        copies = copy.deepcopy(d), pickle.loads(pickle.dumps(d))
        assert all(repr(other) == repr(d) for other in copies)
        for other in copies:
            torch.manual_seed(0)
            x = d.sample()
            torch.manual_seed(0)
            assert torch.equal(other.sample(), x)
            assert torch.equal(other.log_prob(x), d.log_prob(x))


def test_numbers_and_tensors_broadcast() -> None:
    a, b = utils.broadcast_all(1, torch.zeros(2, dtype=torch.float64))
    assert a.dtype == torch.float64 and a.shape == b.shape == (2,)
    assert utils.broadcast_all(1, 2.0)[0].dtype == torch.float32
    with pytest.raises(ValueError, match="expected numbers and tensors, got float, str"):
        utils.broadcast_all(1.0, "a")
    assert D.Normal(torch.zeros(2, 1), torch.ones(3)).batch_shape == (2, 3)


def test_triangles() -> None:
    m = torch.arange(9.0).view(3, 3)
    for diag in (-1, 0, 1):
        vec = utils.tril_matrix_to_vec(m, diag)
        if diag < 1:
            assert torch.equal(utils.vec_to_tril_matrix(vec, diag), m.tril(diag))
    with pytest.raises(ValueError, match="no lower triangle .* has 4 entries"):
        utils.vec_to_tril_matrix(torch.ones(4))
    with pytest.raises(ValueError, match="diag=3 is outside"):
        utils.tril_matrix_to_vec(m, 3)


def test_importing_it_is_lazy_and_names_are_whole() -> None:
    with pytest.raises(AttributeError, match=r"torch\.distributions\.Normall"):
        D.Normall  # noqa: B018
    for name in D.__all__:
        assert hasattr(D, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        D.Wishart(torch.tensor(4.0), torch.eye(2)).sample()
    with pytest.warns(UserWarning, match="draws are often singular"):
        D.Wishart(torch.tensor(1.5), torch.eye(2))
