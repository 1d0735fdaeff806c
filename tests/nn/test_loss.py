"""Losses against their formulas in NumPy. Breadth is in test_stored.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import nn

RNG = np.random.default_rng(1)


def numbers(*shape: int) -> Any:
    return torch.tensor(RNG.standard_normal(shape))


def test_cross_entropy() -> None:
    x, y = numbers(4, 3), torch.tensor([0, 2, 1, 2])
    a = x.numpy()
    log = a - np.log(np.exp(a).sum(1, keepdims=True))
    picked = -log[np.arange(4), y.numpy()]
    assert F.cross_entropy(x, y).item() == pytest.approx(picked.mean())
    assert F.cross_entropy(x, y, reduction="sum").item() == pytest.approx(picked.sum())
    smooth = 0.8 * picked + 0.2 * -log.mean(1)
    assert F.cross_entropy(x, y, label_smoothing=0.2).item() == pytest.approx(smooth.mean())
    w = np.array([1.0, 2.0, 3.0])[y.numpy()]
    weighted = nn.CrossEntropyLoss(torch.tensor([1.0, 2.0, 3.0]).double())(x, y)
    assert weighted.item() == pytest.approx((picked * w).sum() / w.sum())
    ignored = F.cross_entropy(x, y, ignore_index=2)
    assert ignored.item() == pytest.approx(picked[[0, 2]].mean())


def test_reductions_of_old() -> None:
    x, y = numbers(3), numbers(3)
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert F.mse_loss(x, y, size_average=False).item() == pytest.approx(
            ((x - y) ** 2).sum().item()
        )
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert nn.L1Loss(reduce=False).reduction == "none"
    with pytest.raises(ValueError, match="not a valid value for reduction"):
        F.mse_loss(x, y, reduction="other")


def test_sizes_that_differ() -> None:
    with pytest.warns(UserWarning, match="broadcasting"):
        F.mse_loss(numbers(3, 4), numbers(4))
    with pytest.raises(ValueError, match="target size"):
        F.binary_cross_entropy(torch.rand(3), torch.rand(4))


def test_ctc_by_listing_every_path() -> None:
    """All 3^4 paths over four steps that spell the target."""
    from itertools import product

    logits = numbers(4, 1, 3)
    log_probs = logits.log_softmax(2)
    p = np.exp(log_probs.numpy())[:, 0]
    for target in ([1], [1, 2], [1, 1], []):
        total = 0.0
        for path in product(range(3), repeat=4):
            spelled = [s for i, s in enumerate(path) if i == 0 or s != path[i - 1]]
            if [s for s in spelled if s] == target:
                total += float(np.prod([p[t, s] for t, s in enumerate(path)]))
        rows = torch.tensor([target]) if target else torch.zeros(1, 1).long()
        found = F.ctc_loss(log_probs, rows, [4], [len(target)], reduction="sum")
        assert found.item() == pytest.approx(-np.log(total)), target


def test_ctc_that_cannot_fit() -> None:
    log_probs = numbers(2, 1, 3).log_softmax(2)
    target = torch.tensor([[1, 1]])
    assert F.ctc_loss(log_probs, target, [2], [2], reduction="sum").item() == float("inf")
    assert F.ctc_loss(log_probs, target, [2], [2], zero_infinity=True).item() == 0


def test_margins() -> None:
    x = torch.tensor([[0.1, 0.9, 0.3]])
    assert F.multi_margin_loss(x, torch.tensor([1])).item() == pytest.approx((0.2 + 0.4) / 3)
    labels = torch.tensor([[1, -1, 0]])
    assert F.multilabel_margin_loss(x, labels).item() == pytest.approx((0.2 + 0.4) / 3)
    a, b, c = (torch.tensor([[v, 0.0]]) for v in (0.0, 1.0, 1.5))
    assert F.triplet_margin_loss(a, b, c).item() == pytest.approx(0.5, abs=1e-5)
    assert F.triplet_margin_loss(a, b, c, swap=True).item() == pytest.approx(1.5, abs=1e-5)
    with pytest.raises(ValueError, match="margin"):
        nn.TripletMarginLoss(margin=0)


def test_weights_are_buffers() -> None:
    loss = nn.BCEWithLogitsLoss(pos_weight=torch.ones(3))
    assert list(loss.state_dict()) == ["pos_weight"]
    assert nn.CrossEntropyLoss(torch.ones(3)).double().weight.dtype == torch.float64
