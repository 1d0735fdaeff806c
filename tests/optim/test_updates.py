"""Every algorithm against its formulas in NumPy, in double precision."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import optim

SHAPES = [(3, 2), (4,), ()]
STEPS = 6


def sgd(p, g, s, t, lr=1e-3, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False):
    g = g + weight_decay * p
    if momentum:
        s["buf"] = g if t == 1 else momentum * s["buf"] + (1 - dampening) * g
        g = g + momentum * s["buf"] if nesterov else s["buf"]
    return p - lr * g


def adam(
    p, g, s, t, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False,
    decoupled_weight_decay=False,
):  # fmt: skip
    if decoupled_weight_decay:
        p = p - lr * weight_decay * p
    else:
        g = g + weight_decay * p
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g**2
    s["top"] = np.maximum(s.get("top", 0), s["v"])
    m = s["m"] / (1 - betas[0] ** t)
    v = (s["top"] if amsgrad else s["v"]) / (1 - betas[1] ** t)
    return p - lr * m / (np.sqrt(v) + eps)


def adamw(p, g, s, t, weight_decay=1e-2, **options):
    return adam(p, g, s, t, weight_decay=weight_decay, decoupled_weight_decay=True, **options)


def rmsprop(
    p, g, s, t, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False
):
    g = g + weight_decay * p
    s["v"] = alpha * s.get("v", 0) + (1 - alpha) * g**2
    s["mean"] = alpha * s.get("mean", 0) + (1 - alpha) * g
    spread = s["v"] - s["mean"] ** 2 if centered else s["v"]
    s["buf"] = momentum * s.get("buf", 0) + g / (np.sqrt(spread) + eps)
    return p - lr * s["buf"]


def adagrad(
    p, g, s, t, lr=1e-2, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10
):
    g = g + weight_decay * p
    s["sum"] = s.get("sum", initial_accumulator_value) + g**2
    return p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(s["sum"]) + eps)


def adadelta(p, g, s, t, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0.0):
    g = g + weight_decay * p
    s["v"] = rho * s.get("v", 0) + (1 - rho) * g**2
    delta = np.sqrt(s.get("u", 0) + eps) / np.sqrt(s["v"] + eps) * g
    s["u"] = rho * s.get("u", 0) + (1 - rho) * delta**2
    return p - lr * delta


def adamax(p, g, s, t, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    g = g + weight_decay * p
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["u"] = np.maximum(betas[1] * s.get("u", 0), np.abs(g) + eps)
    return p - lr / (1 - betas[0] ** t) * s["m"] / s["u"]


def nadam(
    p, g, s, t, lr=2e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, momentum_decay=4e-3,
    decoupled_weight_decay=False,
):  # fmt: skip
    if decoupled_weight_decay:
        p = p - lr * weight_decay * p
    else:
        g = g + weight_decay * p
    mu = betas[0] * (1 - 0.5 * 0.96 ** (t * momentum_decay))
    mu_next = betas[0] * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
    s["product"] = s.get("product", 1) * mu
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g**2
    m = mu_next * s["m"] / (1 - s["product"] * mu_next) + (1 - mu) * g / (1 - s["product"])
    return p - lr * m / (np.sqrt(s["v"] / (1 - betas[1] ** t)) + eps)


def radam(
    p, g, s, t, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0,
    decoupled_weight_decay=False,
):  # fmt: skip
    if decoupled_weight_decay:
        p = p - lr * weight_decay * p
    else:
        g = g + weight_decay * p
    s["m"] = betas[0] * s.get("m", 0) + (1 - betas[0]) * g
    s["v"] = betas[1] * s.get("v", 0) + (1 - betas[1]) * g**2
    m = s["m"] / (1 - betas[0] ** t)
    longest = 2 / (1 - betas[1]) - 1
    length = longest - 2 * t * betas[1] ** t / (1 - betas[1] ** t)
    if length <= 5:
        return p - lr * m
    r = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    return p - lr * m * np.sqrt(r) * np.sqrt(1 - betas[1] ** t) / (np.sqrt(s["v"]) + eps)


def rprop(p, g, s, t, lr=1e-2, etas=(0.5, 1.2), step_sizes=(1e-6, 50)):
    turn = np.sign(g * s.get("prev", np.zeros_like(g)))
    factor = np.select([turn < 0, turn > 0], [etas[0], etas[1]], 1.0)
    s["size"] = np.clip(s.get("size", lr) * factor, *step_sizes)
    s["prev"] = np.where(turn < 0, 0, g)
    return p - np.sign(s["prev"]) * s["size"]


def asgd(p, g, s, t, lr=1e-2, lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0.0):
    eta = lr / (1 + lambd * lr * (t - 1)) ** alpha
    p = p - eta * lambd * p - eta * (g + weight_decay * p)
    mu = 1 / max(1, t - 1 - t0)
    s["ax"] = s.get("ax", 0) + mu * (p - s.get("ax", 0))
    return p


REFERENCES = {
    "SGD": sgd, "Adam": adam, "AdamW": adamw, "RMSprop": rmsprop, "Adagrad": adagrad,
    "Adadelta": adadelta, "Adamax": adamax, "NAdam": nadam, "RAdam": radam, "Rprop": rprop,
    "ASGD": asgd,
}  # fmt: skip

CHOICES: dict[str, dict[str, list[Any]]] = {
    "SGD": {
        "lr": [0.1], "momentum": [0.0, 0.9], "dampening": [0.0, 0.3], "weight_decay": [0.0, 0.1],
        "nesterov": [False, True],
    },
    "Adam": {
        "betas": [(0.9, 0.999), (0.4, 0.9)], "weight_decay": [0.0, 0.1], "amsgrad": [False, True],
        "decoupled_weight_decay": [False, True],
    },
    "AdamW": {"lr": [0.02], "weight_decay": [0.0, 0.1], "amsgrad": [False, True]},
    "RMSprop": {"weight_decay": [0.0, 0.1], "momentum": [0.0, 0.9], "centered": [False, True]},
    "Adagrad": {
        "lr_decay": [0.0, 0.1], "weight_decay": [0.0, 0.1], "initial_accumulator_value": [0.0, 0.5],
    },
    "Adadelta": {"rho": [0.9, 0.5], "weight_decay": [0.0, 0.1]},
    "Adamax": {"betas": [(0.9, 0.999), (0.4, 0.9)], "weight_decay": [0.0, 0.1]},
    "NAdam": {
        "momentum_decay": [4e-3, 0.1], "weight_decay": [0.0, 0.1],
        "decoupled_weight_decay": [False, True],
    },
    "RAdam": {"weight_decay": [0.0, 0.1], "decoupled_weight_decay": [False, True]},
    "Rprop": {"etas": [(0.5, 1.2), (0.3, 1.7)], "step_sizes": [(1e-6, 50), (0.008, 0.015)]},
    "ASGD": {"lambd": [1e-4, 0.1], "t0": [1e6, 2], "weight_decay": [0.0, 0.1]},
}  # fmt: skip


def _grid():
    for name, choices in CHOICES.items():
        for values in itertools.product(*choices.values()):
            options = dict(zip(choices, values, strict=True))
            if options.get("nesterov") and (options["dampening"] or not options["momentum"]):
                continue
            yield pytest.param(name, options, id=f"{name}-{'-'.join(map(str, values))}")


def _arrays(rng):
    return [rng.standard_normal(shape) for shape in SHAPES]


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("name, options", list(_grid()))
def test_steps_equal_the_formulas(name, options, maximize):
    rng = np.random.default_rng(3)
    expected = _arrays(rng)
    params = [torch.tensor(a, requires_grad=True) for a in expected]
    optimizer = getattr(optim, name)(params, maximize=maximize, **options)
    states: list[dict[str, Any]] = [{} for _ in params]
    counts = [0] * len(params)
    for step in range(STEPS):
        for i, g in enumerate(_arrays(rng)):
            # One parameter misses a step, so that the counters differ.
            if i == 1 and step == 2:
                params[i].grad = None
                continue
            params[i].grad = torch.tensor(g)
            counts[i] += 1
            g = -g if maximize else g
            expected[i] = REFERENCES[name](expected[i], g, states[i], counts[i], **options)
        optimizer.step()
    # Step sizes of ASGD and the momentum product of NAdam are single precision in the state.
    tolerance = 1e-6 if name in ("ASGD", "NAdam") else 1e-12
    for p, e in zip(params, expected, strict=True):
        np.testing.assert_allclose(p.detach().numpy(), e, rtol=tolerance, atol=tolerance)
    if name == "ASGD":
        for p, s in zip(params, states, strict=True):
            average = optimizer.state[p]["ax"].numpy()
            np.testing.assert_allclose(average, s["ax"], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", REFERENCES)
def test_single_precision(name):
    rng = np.random.default_rng(5)
    expected = rng.standard_normal(50)
    p = torch.tensor(expected.astype(np.float32), requires_grad=True)
    optimizer = getattr(optim, name)([p], lr=0.05)
    state: dict[str, Any] = {}
    for t in range(1, 11):
        g = rng.standard_normal(50)
        p.grad = torch.tensor(g.astype(np.float32))
        expected = REFERENCES[name](expected, g, state, t, lr=0.05)
        optimizer.step()
    assert p.dtype == torch.float32
    np.testing.assert_allclose(p.detach().numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", REFERENCES)
def test_complex_parameters_are_pairs_of_real_ones(name):
    rng = np.random.default_rng(6)
    pairs = rng.standard_normal((5, 2))
    z = torch.tensor(pairs[:, 0] + 1j * pairs[:, 1], requires_grad=True)
    p = torch.tensor(pairs, requires_grad=True)
    both = [getattr(optim, name)([z]), getattr(optim, name)([p])]
    for _ in range(3):
        g = rng.standard_normal((5, 2))
        z.grad = torch.tensor(g[:, 0] + 1j * g[:, 1])
        p.grad = torch.tensor(g)
        for optimizer in both:
            optimizer.step()
    got = z.detach().numpy()
    np.testing.assert_allclose(np.stack([got.real, got.imag], 1), p.detach().numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", REFERENCES)
def test_learning_rate_may_be_a_tensor(name):
    results = []
    for lr in (0.25, torch.tensor(0.25), torch.tensor([0.25])):
        p = torch.tensor([1.0, -2.0], requires_grad=True)
        optimizer = getattr(optim, name)([p], lr=lr)
        for g in ([0.5, 1.0], [0.25, -1.0]):
            p.grad = torch.tensor(g)
            optimizer.step()
        results.append(p.detach().numpy().copy())
    np.testing.assert_allclose(results[1], results[0], rtol=1e-6)
    np.testing.assert_allclose(results[2], results[0], rtol=1e-6)


@pytest.mark.parametrize(
    "name, options",
    [
        ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        ("Adam", {"amsgrad": True}),
        ("RMSprop", {"momentum": 0.5, "centered": True}),
        ("Adagrad", {}),
        ("Adadelta", {}),
        ("Adamax", {}),
        ("NAdam", {}),
        ("RAdam", {"betas": (0.9, 0.9)}),
    ],
)
def test_differentiable_step(name, options):
    """The derivative of updated parameters by a factor of the gradient, by finite differences."""

    def updated(scale):
        # A clone is no leaf, so that writing into it can be recorded.
        p = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64, requires_grad=True).clone()
        p.retain_grad()
        optimizer = getattr(optim, name)([p], lr=0.1, differentiable=True, **options)
        for g in ([0.5, 1.0, -0.3], [0.7, 0.2, -0.9]):
            p.grad = torch.tensor(g, dtype=torch.float64) * scale
            optimizer.step()
        return p.pow(2).sum()

    scale = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    updated(scale).backward()
    h = 1e-6
    above, below = (torch.tensor(1.3 + d, dtype=torch.float64) for d in (h, -h))
    slope = (updated(above).item() - updated(below).item()) / (2 * h)
    np.testing.assert_allclose(scale.grad.item(), slope, rtol=1e-4, atol=1e-7)
