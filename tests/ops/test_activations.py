"""Activations against formulas in NumPy, their derivatives at the kinks, in-place forms, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import flambeau as torch

nn = torch._nn
X = np.array([-30.0, -3.5, -3.0, -1.0, -0.3, 0.0, 0.2, 1.0, 2.5, 3.0, 6.5, 30.0])


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def cdf(x: Any) -> Any:
    return np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x])


FORMULAS: dict[str, tuple[Any, Any]] = {
    "relu": (torch.relu, lambda x: np.maximum(x, 0)),
    "relu6": (nn.relu6, lambda x: np.clip(x, 0, 6)),
    "hardtanh": (lambda x: nn.hardtanh(x, -2.0, 3.0), lambda x: np.clip(x, -2, 3)),
    "hardsigmoid": (nn.hardsigmoid, lambda x: np.clip(x + 3, 0, 6) / 6),
    "hardswish": (nn.hardswish, lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "leaky_relu": (lambda x: nn.leaky_relu(x, 0.1), lambda x: np.where(x > 0, x, 0.1 * x)),
    "elu": (lambda x: nn.elu(x, 1.5), lambda x: np.where(x > 0, x, 1.5 * np.expm1(x))),
    "celu": (
        lambda x: torch.celu(x, 2.0),
        lambda x: np.maximum(x, 0) + np.minimum(2 * np.expm1(x / 2), 0),
    ),
    "selu": (
        torch.selu,
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    ),
    "gelu": (nn.gelu, lambda x: x * cdf(x)),
    "gelu_tanh": (
        lambda x: nn.gelu(x, "tanh"),
        lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
    "silu": (nn.silu, lambda x: x * sigmoid(x)),
    "mish": (nn.mish, lambda x: x * np.tanh(np.logaddexp(0, x))),
    "softplus": (nn.softplus, lambda x: np.logaddexp(0, x)),
    "softplus_beta": (lambda x: nn.softplus(x, 2.0), lambda x: np.logaddexp(0, 2 * x) / 2),
    "softsign": (nn.softsign, lambda x: x / (1 + np.abs(x))),
    "tanhshrink": (nn.tanhshrink, lambda x: x - np.tanh(x)),
    "softshrink": (nn.softshrink, lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0)),
    "hardshrink": (torch.hardshrink, lambda x: np.where(np.abs(x) > 0.5, x, 0)),
    "logsigmoid": (nn.logsigmoid, lambda x: -np.logaddexp(0, -x)),
    "threshold": (lambda x: torch.threshold(x, 0.2, -7), lambda x: np.where(x > 0.2, x, -7)),
    "sigmoid": (torch.sigmoid, sigmoid),
}


@pytest.mark.parametrize("name", sorted(FORMULAS))
def test_values(name: str) -> None:
    function, formula = FORMULAS[name]
    np.testing.assert_allclose(function(torch.tensor(X)).numpy(), formula(X), 1e-9, 1e-12)
    narrow = function(torch.tensor(X.astype(np.float32)))
    assert narrow.dtype is torch.float32
    np.testing.assert_allclose(narrow.numpy(), formula(X), 1e-5, 1e-6)
    assert function(torch.tensor(X).to(torch.bfloat16)).dtype is torch.bfloat16


SLOPES_AT_KINKS = {
    "relu": [(0.0, 0.0)], "relu6": [(0.0, 0.0), (6.0, 0.0)],
    "hardtanh": [(-2.0, 0.0), (3.0, 0.0)], "hardsigmoid": [(-3.0, 0.0), (3.0, 0.0)],
    "hardswish": [(-3.0, 0.0), (3.0, 1.0)], "leaky_relu": [(0.0, 0.1)], "elu": [(0.0, 1.5)],
    "softshrink": [(0.5, 0.0), (-0.5, 0.0)], "hardshrink": [(0.5, 0.0)],
    "threshold": [(0.2, 0.0)],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SLOPES_AT_KINKS))
def test_slopes_at_kinks(name: str) -> None:
    for at, slope in SLOPES_AT_KINKS[name]:
        x = torch.tensor(at, dtype=torch.float64, requires_grad=True)
        FORMULAS[name][0](x).backward()
        assert x.grad.item() == pytest.approx(slope)


@pytest.mark.parametrize(
    "name", ["relu_", "selu_", "celu_", "rrelu_", "sigmoid_", "tanh_"]
    + ["elu_", "leaky_relu_", "hardtanh_", "relu6_", "silu_", "mish_", "hardswish_", "hardsigmoid_"]
)  # fmt: skip
def test_in_place(name: str) -> None:
    space = torch if hasattr(torch, name) else nn
    x = torch.tensor(X, requires_grad=True)
    y = x * 1
    assert getattr(space, name)(y) is y
    z = torch.tensor(X, requires_grad=True)
    getattr(space, name[:-1])(z).sum().backward()
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), z.grad.numpy())


def test_prelu() -> None:
    x = torch.tensor([[-1.0, 2.0, -3.0]], requires_grad=True)
    w = torch.tensor([0.1, 0.2, 0.5], requires_grad=True)
    y = torch.prelu(x, w)
    y.sum().backward()
    np.testing.assert_allclose(y.tolist(), [[-0.1, 2.0, -1.5]])
    np.testing.assert_allclose(w.grad.tolist(), [-1.0, 0.0, -3.0])
    np.testing.assert_allclose(x.grad.tolist(), [[0.1, 1.0, 0.5]])
    with pytest.raises(RuntimeError, match="channel"):
        torch.prelu(x, torch.ones(2))
    with pytest.raises(RuntimeError, match="0-d"):
        torch.prelu(torch.tensor(1.0), torch.ones(2))


def test_rrelu_draws_slopes_in_training() -> None:
    x = torch.tensor(X, requires_grad=True)
    np.testing.assert_allclose(
        torch.rrelu(x).tolist(), np.where(X > 0, X, X * (1 / 8 + 1 / 3) / 2)
    )
    torch.manual_seed(0)
    y = torch.rrelu(x, 0.1, 0.3, True)
    torch.manual_seed(0)
    assert torch.equal(y, torch.rrelu(x, 0.1, 0.3, training=True))
    slopes = (y / x).detach().numpy()
    negative = X < 0
    assert ((slopes[negative] >= 0.1) & (slopes[negative] <= 0.3)).all()
    assert len(set(slopes[negative])) == negative.sum()
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy()[negative], slopes[negative])
    with pytest.raises(RuntimeError, match="lower"):
        torch.rrelu(x, 0.3, 0.1)


def test_glu() -> None:
    x = np.arange(8.0).reshape(2, 4)
    have = nn.glu(torch.tensor(x)).numpy()
    np.testing.assert_allclose(have, x[:, :2] * sigmoid(x[:, 2:]))
    with pytest.raises(RuntimeError, match="even"):
        nn.glu(torch.ones(3))
    with pytest.raises(RuntimeError, match="0-dim"):
        nn.glu(torch.tensor(1.0))


def test_refused() -> None:
    with pytest.raises(RuntimeError, match="none or tanh"):
        nn.gelu(torch.ones(2), "sigmoid")
    with pytest.raises(RuntimeError, match="lambda"):
        nn.softshrink(torch.ones(2), -1.0)
    with pytest.raises(RuntimeError, match="alpha"):
        torch.celu(torch.ones(2), 0.0)
    with pytest.raises(NotImplementedError, match="silu"):
        nn.silu(torch.tensor([1]))
    with pytest.raises(RuntimeError, match="[Bb]ool"):
        torch.relu(torch.tensor([True]))
    assert torch.relu(torch.tensor([-1, 2])).tolist() == [0, 2]


def test_relu_and_tanh_keep_their_result_for_backward() -> None:
    for function in (torch.relu, torch.tanh, torch.sigmoid, torch.exp, torch.sqrt):
        x = torch.tensor([0.5, 1.0], requires_grad=True)
        y = function(x)
        assert y.grad_fn.saved == () and y.grad_fn.saved_results
        with torch.no_grad():
            y.mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()
