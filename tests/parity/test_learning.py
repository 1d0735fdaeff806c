"""Same seed, same learning: parameters bit for bit, the tutorial's training step for step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import flambeau
from benchmarks.workloads import tutorial_net


def train(lib: Any, images: np.ndarray, labels: np.ndarray, steps: int) -> list[float]:
    """The tutorial's training: SGD with momentum on shuffled batches of four."""
    data = lib.utils.data
    lib.manual_seed(0)
    net = tutorial_net(lib, 1)
    criterion = lib.nn.CrossEntropyLoss()
    optimizer = lib.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    dataset = data.TensorDataset(lib.from_numpy(images.copy()), lib.from_numpy(labels.copy()))
    losses: list[float] = []
    for x, y in data.DataLoader(dataset, batch_size=4, shuffle=True):
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if len(losses) == steps:
            break
    return losses


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    from flambeau.vision.datasets import Digits

    found = Digits(train=True)
    x = found.data.numpy().astype(np.float32) / 255
    x = np.pad((x - 0.5) / 0.5, ((0, 0), (2, 2), (2, 2)), constant_values=-1.0)
    return x[:, None], found.targets.numpy()


def test_the_tutorials_curve(digits: tuple[np.ndarray, np.ndarray]) -> None:
    ours, theirs = train(flambeau, *digits, 200), train(torch, *digits, 200)
    first = np.abs(np.array(ours[:50]) / np.array(theirs[:50]) - 1)
    assert first.max() < 1e-4
    assert np.abs(np.array(ours) - np.array(theirs)).max() < 0.05


def test_parameters_of_the_tutorials_net() -> None:
    nets = []
    for lib in (flambeau, torch):
        lib.manual_seed(0)
        nets.append(tutorial_net(lib, 1))
    for (name, a), (other, b) in zip(nets[0].named_parameters(), nets[1].named_parameters(), strict=True):
        assert name == other
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
