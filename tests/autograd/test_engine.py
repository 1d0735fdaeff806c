"""The backward pass: long chains, wide graphs, memory, threads."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest

import flambeau as torch
from flambeau.autograd import engine
from flambeau.autograd.node import clock
from flambeau.graph.trace import state

LONG = 100_000


def test_a_chain_of_many_nodes_needs_no_recursion() -> None:
    x = torch.ones(2, requires_grad=True)
    y = x
    for _ in range(LONG):
        y = y + 1
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    del y  # taking it down needs none either


def test_a_long_chain_to_one_input() -> None:
    x = torch.ones(2, requires_grad=True)
    y = x
    for _ in range(LONG // 10):
        y = y + 1
    (g,) = torch.autograd.grad(y.sum(), x)
    assert g.tolist() == [1.0, 1.0]


def test_a_long_chain_of_views_and_writes() -> None:
    x = torch.ones(4, requires_grad=True)
    y = x * 1
    for _ in range(3000):
        y[:2].mul_(1.0)
        y = y.view(4)
    y.sum().backward()
    assert x.grad.tolist() == [1.0] * 4


def test_a_wide_graph() -> None:
    x = torch.ones((), requires_grad=True)
    total = sum(x * k for k in range(2000))
    total.backward()
    assert x.grad.item() == 1999 * 1000


def test_paths_meet_before_a_node_runs() -> None:
    """2^40 paths, but each node runs once."""
    x = torch.ones((), dtype=torch.float64, requires_grad=True)
    y = x
    for _ in range(40):
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**40


def test_numbers_fall_along_edges() -> None:
    """What `grad(inputs)` relies on, also where views get their nodes late."""
    x = torch.ones(4, requires_grad=True)
    y = x * 1
    views = [y[:2], y.view(2, 2)]
    y.mul_(2)
    out = (views[1] * 3).sum() + views[0].sum()
    stack = [out.grad_fn]
    while stack:
        node = stack.pop()
        for edge in node.edges:
            if edge is not None and not isinstance(edge[0], torch.Tensor):
                assert edge[0].sequence_nr < node.sequence_nr
                stack.append(edge[0])
    assert torch.autograd.grad(out, y)[0].tolist() == [4.0, 4.0, 3.0, 3.0]


def test_saved_values_are_let_go() -> None:
    x = torch.ones(3, requires_grad=True)
    a = x * 2
    seen = weakref.ref(a._storage)
    y = a * a
    del a
    gc.collect()
    assert seen() is not None
    y.sum().backward()
    assert seen() is None


def test_graphs_are_freed_without_the_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        x = torch.ones(3, requires_grad=True)
        y = (x * 2).exp().sum()
        node = weakref.ref(y.grad_fn)
        y.backward()
        del y
        assert node() is None
        z = torch.zeros(4)
        z[1:] = (x * 2).tanh()
        z.sum().backward()
        last = weakref.ref(z.grad_fn)
        del z
        assert last() is None
    finally:
        gc.enable()


def test_results_saved_by_their_own_node_make_no_circle() -> None:
    gc.collect()
    gc.disable()
    try:
        y = torch.ones(3, requires_grad=True).exp()
        node = weakref.ref(y.grad_fn)
        del y
        assert node() is None
    finally:
        gc.enable()


def test_leaf_gradients_share_nothing_with_each_other() -> None:
    x, w = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    (x + w).sum().backward()
    x.grad.add_(1)
    assert w.grad.tolist() == [1.0, 1.0]


def test_an_error_leaves_no_pass_behind() -> None:
    x = torch.ones(2, requires_grad=True)
    y = x * 2

    def bad(g: torch.Tensor) -> None:
        raise ZeroDivisionError

    y.register_hook(bad)
    with pytest.raises(ZeroDivisionError):
        y.sum().backward()
    assert state.grad and not engine.running.passes
    assert x.grad is None


def test_threads_accumulate_into_leaves_of_their_own() -> None:
    """Gradients of many threads over one graph of parameters, each with an engine of its own."""
    weight = torch.arange(4.0).requires_grad_()
    found: list[np.ndarray] = []

    def work(k: int) -> None:
        for _ in range(20):
            (g,) = torch.autograd.grad((weight * weight * k).sum(), weight)
        found.append(g.numpy() / k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 7)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 6
    for g in found:
        np.testing.assert_allclose(g, [0, 2, 4, 6])


def test_grad_mode_is_a_threads_own() -> None:
    seen = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_the_clock_goes_on() -> None:
    first = clock.tick()
    torch.ones(1, requires_grad=True) * 2
    assert clock.tick() == first + 2


def test_backward_records_no_graph_of_its_own() -> None:
    """Derivatives run without grad mode: not one node is made."""
    x = torch.ones(3, requires_grad=True)
    y = (x.exp() * x).sin().sum()
    before = clock.tick()
    y.backward()
    assert clock.tick() == before + 1


def test_batched_gradients() -> None:
    x = torch.arange(3.0).requires_grad_()
    y = x**2
    (jacobian,) = torch.autograd.grad(y, x, torch.eye(3), is_grads_batched=True)
    np.testing.assert_allclose(jacobian.numpy(), np.diag([0.0, 2.0, 4.0]))
