"""Activations beside PyTorch: values, gradients, node names, special numbers, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch.nn.functional

import flambeau.nn.functional  # noqa: F401
from tests.parity.ops_pair import check

SPECIAL = np.array([
    0.0, -0.0, 1, -1, 0.5, -0.5, 0.25, -0.25, 3, -3, 2.9, 6, -6, 0.1, 20, -20, 21, -21, 100, -100,
    1.7, -1.7,
])  # fmt: skip
ORDINARY = np.array([[0.3, -0.7, 1.2, 2.2], [2.5, -1.6, 0.01, -0.3]])
INTEGERS = np.array([[0, 1, -2, 3], [5, 4, -1, 7]])


def f(library: Any) -> Any:
    return library.nn.functional


CASES: dict[str, Callable[..., Any]] = {
    "gelu": lambda T, x: f(T).gelu(x), "silu": lambda T, x: f(T).silu(x),
    "gelu tanh": lambda T, x: f(T).gelu(x, approximate="tanh"), "mish": lambda T, x: f(T).mish(x),
    "elu": lambda T, x: f(T).elu(x), "elu 1.5": lambda T, x: f(T).elu(x, 1.5),
    "selu": lambda T, x: f(T).selu(x), "celu": lambda T, x: f(T).celu(x, 2.0),
    "leaky": lambda T, x: f(T).leaky_relu(x, 0.2), "relu": lambda T, x: f(T).relu(x),
    "hardtanh": lambda T, x: f(T).hardtanh(x, -0.5, 3), "relu6": lambda T, x: f(T).relu6(x),
    "hardsigmoid": lambda T, x: f(T).hardsigmoid(x), "hardswish": lambda T, x: f(T).hardswish(x),
    "softplus": lambda T, x: f(T).softplus(x), "softplus 2": lambda T, x: f(T).softplus(x, 2, 3.4),
    "softsign": lambda T, x: f(T).softsign(x), "tanhshrink": lambda T, x: f(T).tanhshrink(x),
    "softshrink": lambda T, x: f(T).softshrink(x, 0.25),
    "hardshrink": lambda T, x: f(T).hardshrink(x, 0.25),
    "logsigmoid": lambda T, x: f(T).logsigmoid(x), "sigmoid": lambda T, x: f(T).sigmoid(x),
    "threshold": lambda T, x: f(T).threshold(x, 0.25, -3), "tanh": lambda T, x: f(T).tanh(x),
    "relu_": lambda T, x: f(T).relu(x * 1, inplace=True), "tanh_": lambda T, x: (x * 1).tanh_(),
    "sigmoid_": lambda T, x: (x * 1).sigmoid_(),
    "hardtanh_": lambda T, x: f(T).hardtanh_(x * 1, -0.5, 3),
    "prelu": lambda T, x: T.prelu(x, T.tensor([0.2], dtype=x.dtype)),
    "prelu 0-d": lambda T, x: T.prelu(x, T.tensor(0.2, dtype=x.dtype)),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CASES))
def test_activation(name: str) -> None:
    for dtype in ("float64", "float32", "float16", "bfloat16", "int64", "bool"):
        for data in (ORDINARY, SPECIAL) if "float" in dtype else (INTEGERS,):
            if name == "prelu" and dtype in ("int64", "bool"):
                continue
            # PyTorch keeps some constants in float32, also for float64 tensors.
            loose = 1e6 if name in ("celu", "hardsigmoid") and dtype == "float64" else 3.0
            if name == "gelu" and data is SPECIAL:
                loose = 300.0  # far in the left tail PyTorch cancels more digits than we do
            problem = check(CASES[name], [data], [dtype], tolerance=loose)
            assert not problem, f"{dtype}: {problem}"


def test_glu_and_channels() -> None:
    x = np.linspace(-2, 2, 24).reshape(2, 4, 3)
    for dim in (0, 1, -2):
        assert not check(lambda T, x, dim=dim: f(T).glu(x, dim), [x], ["float64"])
    w = np.array([0.1, 0.2, 0.3, -0.4])
    assert not check(lambda T, x, w: T.prelu(x, w), [x, w], ["float64", "float64"])
    for wrong in (w[:2], w.reshape(2, 2)):
        assert not check(lambda T, x, w: T.prelu(x, w), [x, wrong], ["float64", "float64"])
    assert not check(lambda T, x: f(T).glu(x, 2), [x], ["float64"])


def test_rrelu_draws_pytorchs_numbers() -> None:
    def drawn(T: Any, x: Any) -> Any:
        T.manual_seed(5)
        return T.rrelu(x, 0.1, 0.4, True)

    for dtype in ("float64", "float32"):
        problem = check(drawn, [ORDINARY], [dtype])
        assert not problem, problem


def test_second_derivatives() -> None:
    def twice(call: Callable[..., Any]) -> Callable[..., Any]:
        def second(T: Any, x: Any) -> Any:
            (grad,) = T.autograd.grad(call(T, x).sum(), x, create_graph=True)
            return grad * 1.0

        return second

    for name in ("gelu", "gelu tanh", "silu", "mish", "elu 1.5", "softplus 2", "logsigmoid", "tanh"):
        problem = check(twice(CASES[name]), [ORDINARY], ["float64"], node=False)
        assert not problem, f"{name}: {problem}"


_ = torch
