"""Adafactor, Muon and SparseAdam against their formulas, the steps as functions, and old arguments."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn, optim
from flambeau.optim import _functional

START = np.random.default_rng(0).uniform(-1, 1, (4, 3))
VECTOR = np.random.default_rng(1).uniform(-1, 1, 5)


def stepped(cls: Any, start: np.ndarray, grads: list[np.ndarray], **options: Any) -> np.ndarray:
    p = nn.Parameter(torch.tensor(start))
    optimizer = cls([p], **options)
    for grad in grads:
        p.grad = torch.tensor(grad)
        optimizer.step()
    return p.detach().numpy()


def gradients(like: np.ndarray, count: int = 3) -> list[np.ndarray]:
    return [np.random.default_rng(i + 5).normal(size=like.shape) for i in range(count)]


def rms(x: np.ndarray) -> float:
    return float(np.sqrt((x * x).mean()))


@pytest.mark.parametrize("start", [START, VECTOR], ids=["matrix", "vector"])
def test_adafactor(start: np.ndarray) -> None:
    p, grads = start.copy(), gradients(start)
    eps = np.finfo(np.float64).eps
    row, column, whole = 0.0, 0.0, 0.0
    for t, g in enumerate(grads, 1):
        weight = t**-0.8
        size = max(1e-3, rms(p)) * min(0.05, 1 / math.sqrt(t))
        p = p * (1 - 0.05 * 0.1)
        if g.ndim == 2:
            row = row + weight * ((g * g).mean(1, keepdims=True) - row)
            column = column + weight * ((g * g).mean(0, keepdims=True) - column)
            estimate = row * column / row.mean()
        else:
            whole = whole + weight * (g * g - whole)
            estimate = whole
        update = g / np.sqrt(np.maximum(estimate, eps**2))
        p = p - size * update / max(1.0, rms(update) / 1.5)
    found = stepped(optim.Adafactor, start, grads, lr=0.05, d=1.5, weight_decay=0.1)
    np.testing.assert_allclose(found, p, rtol=1e-9)


@pytest.mark.parametrize("start", [START, START.T.copy()], ids=["tall", "wide"])
def test_muon_moves_by_a_matrix_that_is_nearly_orthogonal(start: np.ndarray) -> None:
    (grad,) = gradients(start, 1)
    moved = start - stepped(optim.Muon, start, [grad], lr=0.1, weight_decay=0.0)
    scale = 0.1 * math.sqrt(max(1.0, start.shape[0] / start.shape[1]))
    singular = np.linalg.svd(moved / scale, compute_uv=False)
    assert singular.min() > 0.5
    assert singular.max() < 1.5
    with pytest.raises(ValueError, match="2D"):
        optim.Muon([nn.Parameter(torch.ones(3))])


def test_sparse_adam_leaves_rows_alone() -> None:
    p, grads = START.copy(), gradients(START)
    rows = [np.array([0, 2]), np.array([2]), np.array([1, 2])]
    m, v = np.zeros_like(p), np.zeros_like(p)
    for t, (g, named) in enumerate(zip(grads, rows, strict=True), 1):
        g[np.setdiff1d(np.arange(4), named)] = 0
        m[named] += 0.1 * (g[named] - m[named])
        v[named] += 0.001 * (g[named] ** 2 - v[named])
        size = 0.01 * math.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        p[named] -= size * m[named] / (np.sqrt(v[named]) + 1e-8)
    found = stepped(optim.SparseAdam, START, grads, lr=0.01)
    np.testing.assert_allclose(found, p, rtol=1e-9)
    assert found[3].tolist() == START[3].tolist()


def test_sparse_adam_takes_sparse_gradients() -> None:
    """A row that is named with a gradient of zero still moves by its momentum."""
    found = []
    for names_all in (True, False):
        weight = nn.Parameter(torch.ones(3, 2))
        optimizer = optim.SparseAdam([weight], lr=0.1)
        for values in ([[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.0], [1.0, 1.0]]):
            indices = [[0, 2, 2]] if names_all else [[0, 2]]
            rows = [*values, [0.0, 0.0]] if names_all else values
            weight.grad = torch.sparse_coo_tensor(indices, rows, (3, 2))
            optimizer.step()
        found.append(weight.tolist())
    assert found[0] == found[1]
    assert found[0][1] == [1.0, 1.0]
    assert found[0][0][0] < 0.9 - 1e-3


def test_an_embedding_learns_with_sparse_adam() -> None:
    torch.manual_seed(0)
    table = nn.Embedding(6, 3, sparse=True)
    optimizer = optim.SparseAdam(list(table.parameters()), lr=0.1)
    before = table.weight.detach().clone()
    for _ in range(5):
        optimizer.zero_grad()
        table(torch.tensor([1, 4])).square().sum().backward()
        optimizer.step()
    changed = (table.weight != before).any(1).tolist()
    assert changed == [False, True, False, False, True, False]


@pytest.mark.parametrize(("cls", "options"), [
    (optim.Adafactor, {"lr": -1.0}), (optim.Adafactor, {"d": 0.5}),
    (optim.Adafactor, {"beta2_decay": 1.0}), (optim.Adafactor, {"eps": (-1.0, 1.0)}),
    (optim.Muon, {"momentum": -1.0}), (optim.Muon, {"adjust_lr_fn": "other"}),
    (optim.SparseAdam, {"lr": 0.0}), (optim.SparseAdam, {"betas": (1.0, 0.9)}),
])  # fmt: skip
def test_numbers_out_of_range(cls: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is|Invalid"):
        cls([nn.Parameter(torch.ones(2, 2))], **options)


def test_a_function_does_what_the_optimizer_does() -> None:
    grads = gradients(START)
    wanted = stepped(optim.Adam, START, grads, lr=0.1, weight_decay=0.1)
    p = torch.tensor(START)
    first, second, step = torch.zeros_like(p), torch.zeros_like(p), torch.tensor(0.0)
    for grad in grads:
        _functional.adam(
            [p], [torch.tensor(grad)], [first], [second], [], [step], amsgrad=False, beta1=0.9,
            beta2=0.999, lr=0.1, weight_decay=0.1, eps=1e-8, maximize=False,
        )  # fmt: skip
    np.testing.assert_allclose(p, wanted, rtol=1e-12)
    assert step == 3
    with pytest.raises(RuntimeError, match="state_steps"):
        _functional.adam(
            [p], [p], [first], [second], [], [3], amsgrad=False, beta1=0.9, beta2=0.999, lr=0.1,
            weight_decay=0.0, eps=1e-8, maximize=False,
        )  # fmt: skip


def test_swapped_in_for_a_while() -> None:
    p, other = nn.Parameter(torch.ones(2)), torch.ones(2) * 5
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9)
    p.grad = torch.ones(2)
    optimizer.step()
    state = {"state": {0: {"momentum_buffer": torch.zeros(2)}},
             "param_groups": [{"lr": 1.0, "params": [0]}]}  # fmt: skip
    with optim.swap_in_optimizer_params_and_state(optimizer, [other], state):
        other.grad = torch.ones(2)
        optimizer.step()
    assert other.tolist() == [4.0, 4.0]
    assert optimizer.param_groups[0]["params"][0] is p
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert list(optimizer.state) == [p]


def test_schedulers_take_verbose_with_a_warning() -> None:
    optimizer = optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
    with pytest.warns(FutureWarning, match="get_last_lr"):
        optim.lr_scheduler.StepLR(optimizer, 3, verbose=True)
    with pytest.warns(FutureWarning, match="get_last_lr"):
        optim.lr_scheduler.ReduceLROnPlateau(optimizer, "min", verbose=True)

    class Old(optim.lr_scheduler._LRScheduler):
        def __init__(self, optimizer: Any, last_epoch: int = -1, verbose: bool = False) -> None:
            super().__init__(optimizer, last_epoch, verbose)

        def get_lr(self) -> list[float]:
            return [base / 2 for base in self.base_lrs]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Old(optimizer).get_last_lr() == [0.05]
        optim.lr_scheduler.ExponentialLR(optimizer, 0.5, verbose=False)
    with pytest.raises(TypeError, match="other"):
        optim.lr_scheduler.StepLR(optimizer, 3, other=True)
