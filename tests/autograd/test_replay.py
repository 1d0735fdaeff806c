"""Backward passes that are replayed: the same program and gradients, and when they are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import config
from flambeau.autograd import engine, replay
from flambeau.graph.trace import state
from flambeau.graph.value import Value
from flambeau.nn import functional as F  # noqa: N812

pytestmark = pytest.mark.skipif(config.max_pending_nodes < 64, reason="traces are cut short")


@pytest.fixture(params=["walked", "written"])
def played(request, monkeypatch) -> list[bool]:
    """An entry for each pass that is replayed, from no knowledge on: by walking the graph, or by
    functions that are written at once."""
    passes: list[bool] = []
    play, at_once = replay.play, replay.at_once

    def noting_play(*arguments: Any) -> Any:
        passes.append(True)
        return play(*arguments)

    def noting_at_once(*arguments: Any) -> Any:
        found = at_once(*arguments)
        if found is not None:
            passes.append(True)
        return found

    monkeypatch.setattr(replay, "play", noting_play)
    monkeypatch.setattr(replay, "at_once", noting_at_once)
    monkeypatch.setattr(replay, "_scripts", {})
    monkeypatch.setattr(replay, "_written", {})
    monkeypatch.setattr(replay, "_OFTEN", 1 if request.param == "written" else 10**9)
    return passes


def listing() -> list[Any]:
    """The pending trace with its inputs by number, so that two of them can be compared."""
    number = {id(node): i for i, node in enumerate(state.nodes)}
    leaves: dict[int, int] = {}

    def ref(x: Any) -> Any:
        if x.__class__ is not Value:
            return x
        return number.get(id(x), ("leaf", leaves.setdefault(id(x), len(leaves))))

    return [(n.op, n.aval, n.params, tuple(map(ref, n.inputs))) for n in state.nodes]


def network(i: int) -> tuple[Any, list[Any]]:
    """A loss with most kinds of nodes: several results, lists, views, broadcasts, one leaf twice."""
    torch.manual_seed(i)
    x = torch.randn(2, 2, 8, 8)
    w = (torch.randn(3, 2, 3, 3) / 4).requires_grad_()
    b = torch.randn(3, requires_grad=True)
    v = torch.randn(4, 27, requires_grad=True)
    s = torch.randn((), requires_grad=True)
    h = F.max_pool2d(F.relu(F.conv2d(x, w, b)), 2)
    h = torch.cat([h.reshape(2, 27), h.reshape(2, 27) * 0.5 + s], 0)
    first, second = F.linear(h, v).tanh().chunk(2, 1)
    top = torch.stack([first.exp(), second], 0)[0].sort(1)[0]
    loss = F.nll_loss(F.log_softmax(top @ v[:2, :5].t().t()[:, :4], 1), torch.tensor([0, 1, 2, 3]))
    return loss + (v * b.sum()).mean(), [w, b, v, s]


def test_the_third_pass_is_replayed_and_records_the_same(played) -> None:
    traces, grads = [], []
    for i in range(5):
        loss, leaves = network(0)
        torch._flush()
        loss.backward()
        traces.append(listing())
        grads.append([leaf.grad.numpy().copy() for leaf in leaves])
    assert len(played) == 3
    assert all(trace == traces[0] for trace in traces)
    for again in grads[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(grads[0], again, strict=True))


def test_other_data_gives_its_own_gradients(played, monkeypatch) -> None:
    def gradients(i: int) -> list[np.ndarray]:
        loss, leaves = network(i)
        torch._flush()  # the derivative of sort looks at places
        loss.backward()
        return [leaf.grad.numpy() for leaf in leaves]

    found = [gradients(i) for i in range(5)]
    assert len(played) == 3
    monkeypatch.setattr(engine, "_again", lambda *_: False)
    for i, have in enumerate(found):
        for a, b in zip(have, gradients(i), strict=True):
            np.testing.assert_array_equal(a, b)


def repeated(step: Callable[[int], Any], played: list[Any], times: int = 4) -> list[Any]:
    played.clear()
    return [step(i) for i in range(times)]


def test_gradients_add_up(played) -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)

    def step(i: int) -> Any:
        (w * (i + 1.0) * w).sum().backward()  # numbers are part of the structure
        return w.grad.tolist()

    assert repeated(step, played) == [[2, 4], [6, 12], [12, 24], [20, 40]]
    assert not played
    w.grad = None
    x = torch.tensor([3.0, 4.0])
    assert repeated(lambda i: ((w * x).sum().backward(), w.grad.tolist())[1], played) == [
        [3, 4], [6, 8], [9, 12], [12, 16]
    ]  # fmt: skip
    assert len(played) == 2 and not w.grad.requires_grad


def test_which_saved_tensors_are_one_belongs_to_the_structure(played) -> None:
    a, b = torch.tensor([2.0], requires_grad=True), torch.tensor([5.0], requires_grad=True)

    def step(i: int) -> Any:
        a.grad = b.grad = None
        x, y = (a, b) if i % 2 else (a, a)
        (x * y).sum().backward()
        return a.grad.item(), None if b.grad is None else b.grad.item()

    assert repeated(step, played, 8) == [(4, None), (5, 2)] * 4
    assert len(played) == 4


def test_the_graph_is_used_up_and_writes_are_noticed(played) -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)

    def step(i: int) -> Any:
        loss = (w * w).sum()
        loss.backward()
        with pytest.raises(RuntimeError, match="second time"):
            loss.backward()

    repeated(step, played)
    assert len(played) == 2
    loss = (w * w).sum()
    loss.backward(retain_graph=True)
    loss.backward()
    assert len(played) == 4
    loss = (w * w).sum()
    with torch.no_grad():
        w.add_(1)
    with pytest.raises(RuntimeError, match="inplace"):
        loss.backward()
    assert len(played) == 4


def test_what_may_have_an_effect_is_run(played) -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    seen: list[Any] = []

    def hooked(i: int) -> Any:
        h = w * 3
        h.register_hook(lambda g: seen.append("hook") or g * 2)
        h.sum().backward()

    def retained(i: int) -> Any:
        h = w * 3
        h.retain_grad()
        h.sum().backward()
        seen.append(h.grad.tolist())

    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            seen.append("function")
            return g * 2

    def own(i: int) -> Any:
        Doubled.apply(w * 3).sum().backward()

    def second_order(i: int) -> Any:
        (w**3).sum().backward(create_graph=True)
        seen.append(w.grad.requires_grad)
        w.grad = None

    def chosen(i: int) -> Any:
        (w * 3).sum().backward(inputs=[w])

    def watched(i: int) -> Any:
        with torch.autograd.detect_anomaly(check_nan=True):
            (w * 3).sum().backward()

    for step in (hooked, retained, own, second_order, chosen):
        w.grad = None
        repeated(step, played)
        assert not played, step.__name__
    assert seen == ["hook"] * 4 + [[1.0, 1.0]] * 4 + ["function"] * 4 + [True] * 4
    handle = w.register_hook(lambda g: g * 10)
    w.grad = None
    repeated(lambda i: (w * 3).sum().backward(), played, 3)
    assert not played and w.grad.tolist() == [90.0, 90.0]
    handle.remove()
    w.grad = None
    repeated(lambda i: (w * 3).sum().backward(), played, 3)
    assert played and w.grad.tolist() == [9.0, 9.0]
    with pytest.warns(UserWarning):
        repeated(watched, played)
    assert not played


def test_memory_that_the_outside_sees_is_read_anew(played) -> None:
    array = np.array([1.0, 2.0], np.float32)
    x, w = torch.from_numpy(array), torch.ones(2, requires_grad=True)

    def step(i: int) -> Any:
        w.grad = None
        loss = (w * x).sum()
        loss.backward()
        array[0] += 1
        return w.grad.tolist()

    assert repeated(step, played) == [[1, 2], [2, 2], [3, 2], [4, 2]]
    assert not played


def test_offsets_and_signed_zeros_are_told_apart(played) -> None:
    rows, w = torch.arange(8.0).view(4, 2), torch.ones(2, requires_grad=True)

    def step(i: int) -> Any:
        w.grad = None
        (w * rows[i % 4]).sum().backward()
        return w.grad.tolist()

    assert repeated(step, played, 12) == [[2.0 * (i % 4), 2.0 * (i % 4) + 1] for i in range(12)]

    def signed(i: int) -> Any:
        w.grad = None
        (w * (0.0 if i % 2 else -0.0)).sum().backward()
        return [str(x) for x in w.grad.tolist()]

    assert repeated(signed, played, 6) == [["-0.0"] * 2, ["0.0"] * 2] * 3
    assert len(played) == 2


def test_a_pass_that_kept_its_graph_teaches_nothing_about_releasing(played) -> None:
    def result() -> Any:
        w = torch.tensor([1.0, 2.0], requires_grad=True)
        return torch.minimum(w, w * 2)

    for keep in (True, True, True, True):
        result().sum().backward(retain_graph=keep)
    for _ in range(8):
        y = result()
        y.sum().backward()
        with pytest.raises(RuntimeError, match="second time"):
            y.sum().backward()
