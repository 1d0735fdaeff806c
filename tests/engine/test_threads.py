"""The same bits for any number of threads, and from run to run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import flambeau as torch
from flambeau import config
from flambeau.engine import tiering
from flambeau.nn import functional as F  # noqa: N812
from flambeau.runtime import native, pool

pytestmark = pytest.mark.skipif(not native.available(), reason="there is no compiler here")


@pytest.fixture(autouse=True)
def _threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(config, "compile", "sync")
    before = pool.get_num_threads()
    tiering.forget()
    yield
    tiering.forget()
    pool.set_num_threads(before)


def step() -> list[np.ndarray]:
    """Forward and backward of most kinds of kernels, large enough to be divided: convolutions,
    products, pooling, normalisation, softmax, scans, gathering, sums over each dimension and all."""
    torch.manual_seed(0)
    x = torch.randn(8, 3, 40, 40)
    w = (torch.randn(16, 3, 5, 5) / 8).requires_grad_()
    v = (torch.randn(16 * 18 * 18, 64) / 70).requires_grad_()
    table = torch.randn(500, 64, requires_grad=True)
    h = F.max_pool2d(F.relu(F.conv2d(x, w)), 2)
    h = F.batch_norm(h, None, None, training=True)
    y = h.reshape(8, -1) @ v
    places = torch.randint(0, 500, (8, 200))
    z = torch.softmax(F.layer_norm(table[places] + y[:, None], (64,)), -1)
    loss = (z * z.cumsum(1).tanh()).sum() + z.mean(0).exp().std() + z.amax((0, 2)).prod()
    loss.backward()
    results = [loss, z, z.sum(1), z.sum((0, 1)), y.argmax(1), w.grad, v.grad, table.grad]
    return [t.detach().numpy().copy() for t in results]


def test_threads_and_runs_do_not_change_a_bit() -> None:
    pool.set_num_threads(1)
    first = step()
    assert all(np.isfinite(a).all() for a in first)
    for count, runs in ((1, 2), (2, 5), (3, 3), (5, 2), (8, 2)):
        pool.set_num_threads(count)
        tiering.forget()
        for _ in range(runs):
            for a, b in zip(first, step(), strict=True):
                np.testing.assert_array_equal(a, b)


def test_running_ahead_changes_nothing() -> None:
    """Programs wait in the stream while Python goes on, and their memory is used again; whoever
    looks at every step gets the same."""

    def trained(looking: bool) -> list[np.ndarray]:
        torch.manual_seed(0)
        net = torch.nn.Sequential(
            torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
            torch.nn.Linear(8 * 13 * 13, 50), torch.nn.Tanh(), torch.nn.Linear(50, 10),
        )  # fmt: skip
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        kept = []
        for i in range(25):
            x, y = torch.randn(32, 1, 28, 28), torch.randint(0, 10, (32,))
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            if looking:
                loss.item()
                next(net.parameters()).tolist()
            if i % 7 == 0:
                kept.append(loss.detach() * 2)
        return [t.detach().numpy().copy() for t in (*kept, *net.parameters())]

    pool.set_num_threads(2)
    expected = trained(True)
    for _ in range(3):
        for a, b in zip(expected, trained(False), strict=True):
            np.testing.assert_array_equal(a, b)
