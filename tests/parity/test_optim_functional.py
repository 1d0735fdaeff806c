"""The optimizers' steps as functions, and the schedulers' old argument."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch.optim._functional  # noqa: F401
import torch.optim._muon  # noqa: F401

import flambeau.optim._functional  # noqa: F401
import flambeau.optim._muon  # noqa: F401
from tests.nn.support import array
from tests.parity.nn_pair import SIDES

# Name, how many lists of state (beside the counters), and the settings.
STEPS: list[tuple[str, int, dict[str, Any]]] = [
    ("adadelta", 2, {"lr": 0.1, "rho": 0.9, "eps": 1e-6, "weight_decay": 0.1, "maximize": False}),
    ("adagrad", 1, {"lr": 0.1, "weight_decay": 0.1, "lr_decay": 0.1, "eps": 1e-8, "maximize": True}),
    ("adam", 3, {"amsgrad": True, "beta1": 0.9, "beta2": 0.99, "lr": 0.1, "weight_decay": 0.1,
                 "eps": 1e-8, "maximize": False}),
    ("adamw", 3, {"amsgrad": False, "beta1": 0.9, "beta2": 0.99, "lr": 0.1, "weight_decay": 0.1,
                  "eps": 1e-8, "maximize": False}),
    ("adamax", 2, {"eps": 1e-8, "beta1": 0.9, "beta2": 0.99, "lr": 0.1, "weight_decay": 0.1}),
    ("nadam", 3, {"beta1": 0.9, "beta2": 0.99, "lr": 0.1, "weight_decay": 0.1,
                  "momentum_decay": 0.01, "eps": 1e-8}),
    ("radam", 2, {"beta1": 0.9, "beta2": 0.99, "lr": 0.1, "weight_decay": 0.1, "eps": 1e-8}),
    ("rmsprop", 3, {"lr": 0.1, "alpha": 0.9, "eps": 1e-8, "weight_decay": 0.1, "momentum": 0.9,
                    "centered": True}),
    ("rprop", 2, {"step_size_min": 1e-6, "step_size_max": 50, "etaminus": 0.5, "etaplus": 1.2}),
    ("asgd", 3, {"lambd": 1e-2, "lr": 0.1, "t0": 1.0, "alpha": 0.75, "weight_decay": 0.1}),
]  # fmt: skip


def run(lib: Any, name: str, count: int, settings: dict[str, Any]) -> list[Any]:
    rng = np.random.default_rng(0)
    params = [lib.from_numpy(rng.standard_normal(shape)) for shape in ((3, 2), (4,))]
    state = [[lib.zeros_like(p) + 0.1 for p in params] for _ in range(count)]
    if name == "nadam":
        state[-1] = [lib.tensor(1.0, dtype=lib.float64) for _ in params]
    if name == "asgd":
        state[1:] = [[lib.tensor(v, dtype=lib.float64) for _ in params] for v in (1.0, 0.1)]
    counters = [lib.tensor(float(i)) for i, _ in enumerate(params)]
    step = getattr(lib.optim._functional, name)
    for _ in range(3):
        grads = [p * 0.5 - 0.2 for p in params]
        step(params, grads, *state, counters, foreach=False, **settings)
    return [*params, *(t for each in state for t in each), *counters]


@pytest.mark.parametrize(("name", "count", "settings"), STEPS)
def test_step(name: str, count: int, settings: dict[str, Any]) -> None:
    theirs, ours = (run(lib, name, count, settings) for lib in SIDES)
    for i, (a, b) in enumerate(zip(theirs, ours, strict=True)):
        np.testing.assert_allclose(array(b), array(a), rtol=1e-7, atol=1e-9, err_msg=str(i))


def test_sgd() -> None:
    results = []
    for lib in SIDES:
        params = [lib.ones(3, dtype=lib.float64), lib.ones(2, dtype=lib.float64) * 2]
        buffers: list[Any] = [None, lib.ones(2, dtype=lib.float64)]
        for _ in range(3):
            lib.optim._functional.sgd(
                params, [p * 0.3 for p in params], buffers, weight_decay=0.1, momentum=0.9,
                lr=0.1, dampening=0.5, nesterov=False, maximize=False, foreach=False,
            )  # fmt: skip
        results.append([array(t) for t in (*params, *buffers)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9)


def test_muon() -> None:
    results = []
    for lib in SIDES:
        p = lib.from_numpy(np.arange(6.0).reshape(2, 3))
        buffer = lib.zeros_like(p)
        for _ in range(2):
            lib.optim._muon.muon(
                [p], [p * 0.1 - 0.2], [buffer], lr=0.1, weight_decay=0.1, momentum=0.9,
                nesterov=True, ns_coefficients=(3.4445, -4.775, 2.0315), ns_steps=5, eps=1e-7,
                adjust_lr_fn="match_rms_adamw", has_complex=False,
            )  # fmt: skip
        results.append(array(p))
    np.testing.assert_allclose(results[1], results[0], atol=5e-3)
