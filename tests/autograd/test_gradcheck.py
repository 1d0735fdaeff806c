"""The gradient checker finds what is wrong, and nothing else."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

import flambeau as torch
from flambeau.autograd import Function, gradcheck, gradgradcheck
from flambeau.autograd.gradcheck import GradcheckError


def _x(*shape: int, dtype: Any = torch.float64) -> Any:
    torch.manual_seed(1)
    return torch.rand(*shape, dtype=dtype).requires_grad_()


class Wrong(Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * ctx.saved_tensors[0]  # half of what it should be


class WrongSecond(Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * 3 * ctx.saved_tensors[0].detach() ** 2


def test_right_derivatives() -> None:
    assert gradcheck(lambda a, b: (a @ b).tanh(), (_x(2, 3), _x(3, 2)))
    assert gradcheck(lambda a: (a.sin(), a.sum(0)), _x(2, 3))
    assert gradcheck(lambda a: a * 2, (_x(2, 3).t().detach().requires_grad_(),))
    assert gradgradcheck(lambda a: (a**3).exp(), (_x(3),))


def test_wrong_derivatives() -> None:
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0"):
        gradcheck(Wrong.apply, _x(2))
    assert not gradcheck(Wrong.apply, _x(2), raise_exception=False)
    assert gradcheck(WrongSecond.apply, _x(2))
    with pytest.raises(GradcheckError):
        gradgradcheck(WrongSecond.apply, _x(2))


def test_lost_derivatives() -> None:
    with pytest.raises(GradcheckError, match="doesn't require grad but depends"):
        gradcheck(lambda a: a.detach() * 2, _x(2))


def test_nothing_to_check() -> None:
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        gradcheck(lambda a: a, torch.ones(2))


def test_complex_numbers() -> None:
    z = _x(2, dtype=torch.complex128)
    assert gradcheck(lambda a: a * a.conj(), z)
    assert gradcheck(lambda a: (a * (1 + 2j)).abs(), z)
    assert gradgradcheck(lambda a: a**2, z)


def test_the_module_does_not_hide_the_function() -> None:
    """Whoever imports the module puts it into the package under the function's name."""
    module = importlib.import_module("flambeau.autograd.gradcheck")
    assert module.gradcheck is gradcheck
    assert module(lambda a: a * 2, _x(1)) and torch.autograd.gradcheck(lambda a: a * 2, _x(1))
