"""Deep graphs need no recursion: each case runs in a thread with a stack of 256 KB."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.autograd import forward_ad
from flambeau.func import grad, vmap
from flambeau.utils.checkpoint import checkpoint


@pytest.fixture(autouse=True)
def _small_stacks() -> Iterator[None]:
    before = threading.stack_size(256 << 10)
    yield
    threading.stack_size(before)


def chain(x: torch.Tensor, steps: int) -> torch.Tensor:
    for _ in range(steps):
        x = x * 1.0 + 0
    return x


def long_chain() -> None:
    a = torch.ones(2, requires_grad=True)
    chain(a, 6000).sum().backward()
    assert a.grad is not None and a.grad.tolist() == [1.0, 1.0]


def dropped_while_pending() -> None:
    y = chain(torch.ones(2, requires_grad=True), 5000)
    del y


def second_derivative() -> None:
    a = torch.ones(2, requires_grad=True)
    y = a
    for _ in range(1000):
        y = y * a
    (g,) = torch.autograd.grad(y.sum(), a, create_graph=True)
    g.sum().backward()
    assert a.grad is not None and a.grad.tolist() == [1001.0 * 1000.0] * 2


def checkpoints() -> None:
    a = torch.ones(2, requires_grad=True)
    y = a
    for _ in range(300):
        y = checkpoint(lambda v: v * 1.0, y, use_reentrant=False)
    y.sum().backward()
    assert a.grad is not None and a.grad.tolist() == [1.0, 1.0]


def many_layers() -> None:
    net = nn.Sequential(*[nn.Linear(2, 2) for _ in range(600)])
    net(torch.ones(1, 2)).sum().backward()
    assert net[0].weight.grad is not None


def transforms() -> None:
    x = torch.ones(3, 2)
    assert vmap(grad(lambda v: chain(v, 600).sum()))(x).tolist() == [[1.0, 1.0]] * 3
    with forward_ad.dual_level():
        y = chain(forward_ad.make_dual(x, x), 600)
        assert forward_ad.unpack_dual(y).tangent.tolist() == [[1.0, 1.0]] * 3


@pytest.mark.parametrize(
    "case",
    [long_chain, dropped_while_pending, second_derivative, checkpoints, many_layers, transforms],
)
def test_in_a_small_stack(case: Callable[[], None]) -> None:
    errors: list[BaseException] = []

    def work() -> None:
        try:
            case()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(120)
    assert not thread.is_alive() and not errors, errors
