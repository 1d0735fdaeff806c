"""Averages of models, and the schedule that goes with them."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn, optim
from flambeau.optim import swa_utils


def model_with(*weights):
    model = nn.Linear(len(weights), 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([list(weights)]))
        model.bias.fill_(weights[0])
    return model


POINTS = [(1.0, 2.0), (3.0, -2.0), (5.0, 6.0)]


def averaged(average):
    model = model_with(*POINTS[0])
    mean = swa_utils.AveragedModel(model, **average)
    for point in POINTS:
        with torch.no_grad():
            model.weight.copy_(torch.tensor([list(point)]))
        mean.update_parameters(model)
    return mean


@pytest.mark.parametrize(
    "average",
    [
        {},
        {"avg_fn": swa_utils.get_swa_avg_fn()},
        {"multi_avg_fn": swa_utils.get_swa_multi_avg_fn()},
    ],
)
def test_equal_weights(average):
    mean = averaged(average)
    np.testing.assert_allclose(mean.module.weight.tolist(), [[3.0, 2.0]], rtol=1e-6)
    assert mean.n_averaged.item() == 3
    x = torch.tensor([[1.0, 1.0]])
    assert mean(x).item() == pytest.approx(6.0)
    assert set(mean.state_dict()) == {"n_averaged", "module.weight", "module.bias"}


@pytest.mark.parametrize(
    "average",
    [
        {"avg_fn": swa_utils.get_ema_avg_fn(0.75)},
        {"multi_avg_fn": swa_utils.get_ema_multi_avg_fn(0.75)},
    ],
)
def test_exponential_weights(average):
    expected = np.array(POINTS[0])
    for point in POINTS[1:]:
        expected = 0.75 * expected + 0.25 * np.array(point)
    np.testing.assert_allclose(averaged(average).module.weight.tolist(), [expected], rtol=1e-6)


def test_bad_averages():
    for make in (swa_utils.get_ema_avg_fn, swa_utils.get_ema_multi_avg_fn):
        with pytest.raises(ValueError, match="decay"):
            make(1.5)
    with pytest.raises(AssertionError):
        swa_utils.AveragedModel(model_with(1.0), avg_fn=min, multi_avg_fn=max)


@pytest.mark.parametrize("use_buffers", [False, True])
def test_buffers_are_copied_or_averaged(use_buffers):
    model = nn.BatchNorm1d(1)
    mean = swa_utils.AveragedModel(model, use_buffers=use_buffers)
    for value in (1.0, 3.0):
        model.running_mean.fill_(value)
        mean.update_parameters(model)
    assert mean.module.running_mean.item() == (2.0 if use_buffers else 3.0)


def test_update_bn():
    model = nn.Sequential(nn.BatchNorm1d(1), nn.BatchNorm1d(1, momentum=0.3))
    model.eval()
    batches = [torch.tensor([[0.0], [2.0]]), torch.tensor([[4.0], [8.0]])]
    swa_utils.update_bn([(b, "label") for b in batches], model)
    assert model[0].running_mean.item() == pytest.approx(3.5)
    assert [layer.momentum for layer in model] == [0.1, 0.3]
    assert not model.training
    swa_utils.update_bn(batches, nn.Linear(1, 1))


@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_the_rate_moves_to_the_last_one(strategy):
    p = torch.zeros(1, requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0)
    scheduler = swa_utils.SWALR(optimizer, 0.1, anneal_epochs=4, anneal_strategy=strategy)
    for epoch in range(7):
        share = min(1.0, epoch / 4)
        if strategy == "cos":
            share = (1 - math.cos(math.pi * share)) / 2
        assert optimizer.param_groups[0]["lr"] == pytest.approx(1.0 - 0.9 * share)
        optimizer.step()
        scheduler.step()


def test_bad_schedules():
    optimizer = optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    for options in (
        {"anneal_strategy": "exp"},
        {"anneal_epochs": -1},
        {"anneal_epochs": 1.5},
        {"swa_lr": [0.1, 0.2]},
    ):
        with pytest.raises(ValueError):
            swa_utils.SWALR(optimizer, **{"swa_lr": 0.1, **options})
    assert "swa_lr" not in optimizer.param_groups[0]
