"""Constraints say what they allow."""

from __future__ import annotations

from typing import Any

import pytest

import flambeau as torch
from flambeau.distributions import constraints as c

_INSIDE_AND_OUTSIDE: list[tuple[Any, list[Any], list[Any]]] = [
    (c.boolean, [0, 1.0], [0.5, 2, -1]),
    (c.integer_interval(0, 3), [0, 3.0], [1.5, 4, -1]),
    (c.nonnegative_integer, [0, 7], [-1, 0.5]),
    (c.positive_integer, [1], [0, 1.5]),
    (c.real, [0.0, torch.inf], [torch.nan]),
    (c.positive, [0.1], [0.0, -1, torch.nan]),
    (c.nonnegative, [0.0], [-0.1]),
    (c.less_than(2.0), [1.0], [2.0]),
    (c.unit_interval, [0.0, 1.0], [1.1, -0.1]),
    (c.half_open_interval(0.0, 1.0), [0.0], [1.0]),
    (c.one_hot, [[0, 1], [1, 0]], [[1, 1], [0, 0]]),
    (c.simplex, [[0.5, 0.5], [0.0, 1.0]], [[0.5, 0.6], [-0.5, 1.5]]),
    (c.multinomial(3), [[1, 2], [0, 1]], [[2, 2], [-1, 2]]),
    (c.real_vector, [[0.0, 1.0]], [[0.0, torch.nan]]),
    (c.square, [[[1.0, 2.0], [3.0, 4.0]]], [[[1.0, 2.0]]]),
    (c.symmetric, [[[1.0, 2.0], [2.0, 1.0]]], [[[1.0, 2.0], [3.0, 1.0]], [[1.0, 2.0]]]),
    (c.lower_triangular, [[[1.0, 0.0], [2.0, -1.0]]], [[[1.0, 1.0], [2.0, 1.0]]]),
    (c.lower_cholesky, [[[1.0, 0.0], [2.0, 1.0]]], [[[1.0, 0.0], [2.0, -1.0]]]),
    (c.corr_cholesky, [[[1.0, 0.0], [0.6, 0.8]]], [[[1.0, 0.0], [0.6, 0.9]]]),
    (c.positive_definite, [[[2.0, 1.0], [1.0, 2.0]]], [[[1.0, 2.0], [2.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]]]),
    (c.positive_semidefinite, [[[1.0, 0.0], [0.0, 0.0]]], [[[1.0, 2.0], [2.0, 1.0]]]),
]


@pytest.mark.parametrize(("constraint", "inside", "outside"), _INSIDE_AND_OUTSIDE, ids=lambda v: repr(v)[:24])
def test_check(constraint: Any, inside: list[Any], outside: list[Any]) -> None:
    for values, expected in ((inside, True), (outside, False)):
        for value in values:
            found = constraint.check(torch.tensor(value))
            assert found.shape == () and found.dtype == torch.bool
            assert found.item() is expected, value


def test_dependent() -> None:
    assert c.is_dependent(c.dependent) and not c.is_dependent(c.real)
    with pytest.raises(NotImplementedError, match="event_dim of a dependent constraint"):
        c.dependent.event_dim  # noqa: B018
    assert c.dependent(event_dim=1).event_dim == 1
    assert c.is_dependent(torch.distributions.Uniform.support)
    assert torch.distributions.Binomial.support.is_discrete
    assert torch.distributions.Uniform(0.0, 2.0).support.check(torch.tensor(1.5))
    with pytest.raises(ValueError, match="ask an instance"):
        c.dependent.check(torch.zeros(1))


def test_joined() -> None:
    cat = c.cat([c.positive, c.real], dim=0, lengths=[2, 1])
    assert cat.check(torch.tensor([1.0, -1.0, -3.0])).tolist() == [True, False, True]
    stack = c.stack([c.positive, c.real], dim=0)
    assert stack.check(torch.tensor([[-1.0, 1.0], [-1.0, 1.0]])).tolist() == [[False, True], [True, True]]
    with pytest.raises(AssertionError, match="2 constraints but 1 lengths"):
        c.cat([c.real, c.real], lengths=[1])
    vectors = c.independent(c.positive, 1)
    assert vectors.check(torch.tensor([[1.0, 2.0], [1.0, -2.0]])).tolist() == [True, False]
    with pytest.raises(ValueError, match="at least 1 dimensions"):
        vectors.check(torch.tensor(1.0))
