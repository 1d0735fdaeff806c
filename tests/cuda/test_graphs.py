"""Steps that come again: one copy of words and one CUDA graph, and nothing that waits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import config
from flambeau.engine import tiering
from tools.gpu import simulated

F = torch.nn.functional
WAITING = ("cuStreamSynchronize", "cuCtxSynchronize", "cuEventSynchronize", "cuMemcpyDtoHAsync_v2")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(config, "compile", "sync")
    with simulated(memory=256 << 20) as found:
        yield found


def names(gpu: Any, start: int) -> list[str]:
    """The driver's functions that were called since then."""
    return [c.name for c in gpu.calls[start:]]


def training(device: str) -> Any:
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)).to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)

    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), t)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return net, step


def test_a_training_step_is_one_copy_and_one_graph(gpu: Any) -> None:
    net, step = training("cuda")
    other, reference = training("cpu")
    x, t = torch.randn(5, 6), torch.tensor([0, 1, 2, 1, 0])
    there = x.cuda(), t.cuda()
    losses, expected = [], []
    for i in range(8):
        expected.append(reference(x, t).item())
        start = len(gpu.calls)
        loss = step(*there)
        torch._flush()
        if i >= 4:
            made = names(gpu, start)
            assert made.count("cuMemcpyHtoDAsync_v2") == 1
            assert made.count("cuGraphLaunch") == 1 and "cuLaunchKernel" not in made
            assert not set(made) & set(WAITING), made
        losses.append(loss)
    np.testing.assert_allclose([x.item() for x in losses], expected, 1e-5)
    for p, q in zip(net.parameters(), other.parameters()):
        np.testing.assert_allclose(p.detach().cpu().numpy(), q.detach().numpy(), 1e-5, 1e-6)


def test_graphs_are_good_for_other_addresses(gpu: Any) -> None:
    for i in range(6):
        x = torch.full((100 + 0 * i,), float(i), device="cuda")
        kept = [x]  # noqa: F841  # so that the next has other memory
        start = len(gpu.calls)
        y = x * 2 + 1
        torch._flush()
        if i > 2:
            assert "cuGraphLaunch" in names(gpu, start)
        assert y.tolist() == [2.0 * i + 1] * 100


def test_many_runs_ahead_use_their_own_words(gpu: Any) -> None:
    x = torch.zeros(4, device="cuda")
    for i in range(50):
        x = x * 0.5 + float(i)
        torch._flush()
    expected = np.zeros(4, np.float32)
    for i in range(50):
        expected = expected * np.float32(0.5) + np.float32(i)
    np.testing.assert_allclose(x.cpu().numpy(), expected, 1e-6)


def test_another_stream_has_its_own_words_and_graphs(gpu: Any) -> None:
    side = torch.cuda.Stream()
    x = torch.arange(4.0, device="cuda")
    torch.cuda.synchronize()
    for _ in range(4):
        with torch.cuda.stream(side):
            y = x * 3 - 1
        side.synchronize()
        assert y.tolist() == [-1, 2, 5, 8]
        assert (x * 3 - 1).tolist() == [-1, 2, 5, 8]


def test_calls_through_numpy_stand_between_graphs(gpu: Any) -> None:
    a = torch.eye(3, device="cuda") * 2 + 1
    for i in range(4):
        start = len(gpu.calls)
        y = torch.linalg.inv(a * (i + 1.0)) @ a
        torch._flush()
        if i > 2:
            assert names(gpu, start).count("cuGraphLaunch") == 2
        np.testing.assert_allclose(y.cpu().numpy(), np.eye(3) / (i + 1), 1e-5, 1e-6)


def test_the_compiler_works_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "compile", "background")
    with simulated(memory=256 << 20) as gpu:
        x = torch.arange(10.0, device="cuda") + 0.375
        for i in range(30):
            y = (x * 2.5).exp().sum()
            torch._flush()
            if i == 3:
                assert tiering.wait_for_compiler(60)
        assert tiering.programs()[-1].state == "compiled"
        assert [c.name for c in gpu.calls].count("cuGraphLaunch") > 20
        expected = np.exp((np.arange(10.0) + 0.375) * 2.5).sum()
        np.testing.assert_allclose(y.item(), expected, 1e-5)
