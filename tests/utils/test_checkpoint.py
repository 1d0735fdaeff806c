"""Activation checkpointing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
    create_selective_checkpoint_contexts,
    set_checkpoint_early_stop,
)


def _net() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, 8), nn.ReLU(),
                         nn.Linear(8, 2))  # fmt: skip


def _gradients(net: Any, run: Any) -> list[Any]:
    net.zero_grad()
    torch.manual_seed(1)
    run().pow(2).sum().backward()
    return [p.grad.clone() for p in net.parameters()]


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradients_are_the_same_with_dropout(reentrant: bool) -> None:
    net, x = _net(), torch.randn(3, 4, requires_grad=True)
    expected = _gradients(net, lambda: net(x))
    for run in (lambda: checkpoint(net, x, use_reentrant=reentrant),
                lambda: checkpoint_sequential(net, 3, x, use_reentrant=reentrant)):  # fmt: skip
        found = _gradients(net, run)
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_nested_regions_and_second_derivatives() -> None:
    calls = []

    def inner(x: Any, *, scale: float = 1.0) -> Any:
        calls.append(1)
        return (x.sin() * x * scale).exp()

    def outer(x: Any) -> Any:
        middle = checkpoint(inner, x, use_reentrant=False, scale=0.5)
        return checkpoint(inner, middle * 0.1, use_reentrant=False).sum()

    x = torch.randn(3, dtype=torch.float64, requires_grad=True)
    checkpoint(outer, x, use_reentrant=False).backward()
    assert len(calls) == 5  # twice, then the first alone again, and each for itself
    assert torch.autograd.gradgradcheck(lambda x: checkpoint(outer, x, use_reentrant=False), x)


def test_nothing_is_kept_meanwhile() -> None:
    kept = []

    def region(x: Any) -> Any:
        y = x.exp()
        kept.append(y)
        return (y * y).sum()

    x = torch.ones(2, requires_grad=True)
    y = checkpoint(region, x, use_reentrant=False)
    assert not any(isinstance(s, tuple) for s in y.grad_fn.next_functions[0][0].saved)


def test_early_stop() -> None:
    last = []

    def region(x: Any) -> Any:
        y = x.exp().sin()
        last.append(1)
        return y + 1

    x = torch.ones(2, requires_grad=True)
    checkpoint(region, x, use_reentrant=False).sum().backward()
    assert len(last) == 1
    with set_checkpoint_early_stop(False):
        checkpoint(region, x, use_reentrant=False).sum().backward()
    assert len(last) == 3


def test_contexts_surround_both_runs() -> None:
    seen: list[str] = []

    @contextlib.contextmanager
    def noting(name: str) -> Iterator[None]:
        seen.append(name)
        yield

    x = torch.ones(2, requires_grad=True)
    checkpoint(torch.exp, x, use_reentrant=False,
               context_fn=lambda: (noting("first"), noting("second"))).sum().backward()  # fmt: skip
    assert seen == ["first", "second"]


def test_another_computation_the_second_time_is_an_error() -> None:
    runs = []

    def region(x: Any) -> Any:
        runs.append(1)
        return x.exp().reshape(2, 2).exp() if len(runs) > 1 else x.exp().exp()

    x = torch.ones(4, requires_grad=True)
    with pytest.raises(CheckpointError, match="different metadata"):
        checkpoint(region, x, use_reentrant=False).sum().backward()


def test_what_is_refused() -> None:
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="incompatible with .grad"):
        torch.autograd.grad(checkpoint(torch.exp, x, use_reentrant=True).sum(), x)
    with pytest.raises(ValueError, match="keyword"):
        checkpoint(torch.exp, x, use_reentrant=True, other=1)
    with pytest.raises(ValueError, match="determinism_check"):
        checkpoint(torch.exp, x, use_reentrant=False, determinism_check="all")
    with pytest.warns(UserWarning, match="use_reentrant"):
        checkpoint(torch.exp, x)
    with pytest.raises(NotImplementedError, match="selective"):
        create_selective_checkpoint_contexts([])
