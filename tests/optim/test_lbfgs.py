"""L-BFGS and its line search."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch
from flambeau import optim
from flambeau.optim._line_search import Point, strong_wolfe

# From torch 2.13: LBFGS([p], max_iter=5, history_size=3, line_search_fn="strong_wolfe"), and
# LBFGS([p], lr=1e-3, max_iter=4), five steps each.
STORED_WOLFE = [
    12.5, 5.851898414902332, 4.833424985249163, 2.4586824116143133, 1.2471637091187362,
]  # fmt: skip
STORED_PLAIN = [
    12.5, 12.334054327088747, 12.28474122676829, 12.23578912598343, 12.187196293122813,
]  # fmt: skip


def rosenbrock(p):
    return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2


def minimized(steps, **options):
    p = torch.tensor([-1.5, 2.0], dtype=torch.float64, requires_grad=True)
    optimizer = optim.LBFGS([p], **options)

    def closure():
        optimizer.zero_grad()
        loss = rosenbrock(p)
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(steps)]
    return p, losses, optimizer


def test_finds_the_minimum_of_rosenbrocks_function():
    p, losses, optimizer = minimized(4, line_search_fn="strong_wolfe", max_iter=20)
    np.testing.assert_allclose(p.tolist(), [1.0, 1.0], atol=1e-4)
    assert losses[0] == 12.5
    assert optimizer.state[p]["n_iter"] < 60


def test_losses_are_those_of_pytorch():
    _, losses, _ = minimized(5, line_search_fn="strong_wolfe", max_iter=5, history_size=3)
    np.testing.assert_allclose(losses, STORED_WOLFE, rtol=1e-6)
    _, losses, _ = minimized(5, lr=1e-3, max_iter=4)
    np.testing.assert_allclose(losses, STORED_PLAIN, rtol=1e-9)


def test_a_state_dict_round_trip_goes_on_alike():
    p, _, first = minimized(2, line_search_fn="strong_wolfe", max_iter=4)
    q = p.detach().clone().requires_grad_()
    second = optim.LBFGS([q])
    second.load_state_dict(first.state_dict())
    for x, optimizer in ((p, first), (q, second)):

        def closure(x=x, optimizer=optimizer):
            optimizer.zero_grad()
            loss = rosenbrock(x)
            loss.backward()
            return loss

        optimizer.step(closure)
    # The compiler may be done between the two steps, and rounds otherwise.
    np.testing.assert_allclose(q.tolist(), p.tolist(), rtol=1e-6)


def test_several_and_unused_parameters_are_one_vector():
    a = torch.tensor([[2.0, -1.0]], requires_grad=True)
    b = torch.tensor(3.0, requires_grad=True)
    unused = torch.tensor([5.0], requires_grad=True)
    z = torch.tensor([1.0 + 2.0j], requires_grad=True)
    optimizer = optim.LBFGS([a, b, unused, z], line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = (a * a).sum() + (b - 1) ** 2 + (z * z.conj()).real.sum()
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)
    np.testing.assert_allclose(a.tolist(), [[0.0, 0.0]], atol=1e-5)
    np.testing.assert_allclose(b.item(), 1.0, atol=1e-5)
    np.testing.assert_allclose(abs(z.detach().numpy()), [0.0], atol=1e-5)
    assert unused.tolist() == [5.0]


def test_stops_at_once_where_the_gradient_is_zero():
    p = torch.zeros(2, requires_grad=True)
    optimizer = optim.LBFGS([p])
    calls = []

    def closure():
        calls.append(1)
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 0.0
    assert len(calls) == 1


def test_a_closure_that_fails_in_the_search_leaves_the_parameters():
    p = torch.tensor([3.0], requires_grad=True)
    optimizer = optim.LBFGS([p], line_search_fn="strong_wolfe")
    calls = []

    def closure():
        calls.append(1)
        if len(calls) > 1:
            raise KeyError("broken")
        loss = (p * p).sum()
        loss.backward()
        return loss

    with pytest.raises(KeyError):
        optimizer.step(closure)
    assert p.tolist() == [3.0]


def test_errors():
    a, b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    with pytest.raises(ValueError, match="parameter groups"):
        optim.LBFGS([{"params": [a]}, {"params": [b]}])
    with pytest.raises(RuntimeError, match="strong_wolfe"):
        optim.LBFGS([a], line_search_fn="armijo").step(lambda: (a * a).sum())
    with pytest.raises(TypeError):
        optim.LBFGS([a]).step()


@pytest.mark.parametrize("t", [1e-3, 0.1, 1.0, 30.0])
def test_the_line_search_meets_the_wolfe_conditions(t):
    def evaluate(t):
        # A quartic with its minimum at 2 and a flat stretch before it.
        loss = 0.25 * t**4 - (2 / 3) * t**3 - 0.05 * t
        slope = t**3 - 2 * t**2 - 0.05
        return Point(t, loss, None, slope)

    start = evaluate(0.0)
    point, evaluations = strong_wolfe(
        evaluate, start, t, 1.0, tolerance_change=1e-9, max_iterations=25
    )
    assert point.loss <= start.loss + 1e-4 * point.t * start.slope
    assert abs(point.slope) <= 0.9 * abs(start.slope)
    assert 1 <= evaluations <= 26


def test_the_line_search_survives_losses_that_are_not_numbers():
    def evaluate(t):
        return Point(t, float("nan") if t else 1.0, None, -1.0)

    point, _ = strong_wolfe(
        evaluate, evaluate(0.0), 1.0, 1.0, tolerance_change=1e-9, max_iterations=10
    )
    assert np.isfinite(point.t)
