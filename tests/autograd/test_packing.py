"""Hooks on saved tensors."""

from __future__ import annotations

from typing import Any

import pytest

import flambeau as torch
from flambeau.autograd import graph


def _loss(x: Any, w: Any) -> Any:
    return torch.cat([(x.exp() * w).tanh(), w]).pow(2).sum()


def test_gradients_are_the_same() -> None:
    x, w = (torch.randn(3, dtype=torch.float64, requires_grad=True) for _ in range(2))
    expected = torch.autograd.grad(_loss(x, w), (x, w))
    packed = []

    def pack(t: Any) -> Any:
        packed.append(t.shape)
        return t.numpy(force=True)

    with graph.saved_tensors_hooks(pack, torch.from_numpy):
        loss = _loss(x, w)
    found = torch.autograd.grad(loss, (x, w), retain_graph=True)
    assert packed and all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert torch.equal(torch.autograd.grad(loss, x)[0], expected[0])


def test_second_derivatives_lead_through_packed_tensors() -> None:
    def through(x: Any, w: Any) -> Any:
        with graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t):
            return _loss(x, w)

    given = tuple(torch.randn(2, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradgradcheck(through, given)


def test_functions_of_the_user() -> None:
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return 2 * g * ctx.saved_tensors[0]

    x = torch.tensor([3.0], requires_grad=True)
    with graph.saved_tensors_hooks(lambda t: t + 0, lambda t: t * 2):
        y = Square.apply(x)
    y.backward()
    assert x.grad.tolist() == [12.0]


def test_what_hooks_may_not_do() -> None:
    x = torch.ones(2, requires_grad=True)
    with graph.saved_tensors_hooks(lambda t: t.add_(1), lambda t: t):
        with pytest.raises(RuntimeError, match="pack hook"):
            (x * 2).exp() * torch.ones(2)
    with graph.saved_tensors_hooks(lambda t: 1, lambda t: t):
        y = x.exp().sum()
    with pytest.raises(TypeError, match="unpack_hook"):
        y.backward()
    with graph.disable_saved_tensors_hooks("not here"), pytest.raises(RuntimeError, match="not here"):
        graph.saved_tensors_hooks(lambda t: t, lambda t: t).__enter__()


def test_saved_tensors_may_be_written() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with graph.allow_mutation_on_saved_tensors():
        y = x.clone()
        z = (y * y).sum()
        y.zero_()
        z.backward()
    assert x.grad.tolist() == [2.0, 4.0]


def test_saved_tensors_are_attributes_of_nodes() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    assert torch.equal(y.grad_fn._saved_result, y)
    z = (x * y).sum(0, keepdim=True)
    product = z.grad_fn.next_functions[0][0]
    assert product._saved_self is x and z.grad_fn._saved_keepdim is True
    assert "_saved_other" in dir(product)
    with pytest.raises(AttributeError, match="_saved_nothing"):
        product._saved_nothing  # noqa: B018
    product._raw_saved_self.register_hooks(lambda t: t.detach() * 2, lambda t: t)
    with pytest.raises(RuntimeError, match="already been set"):
        product._raw_saved_self.register_hooks(lambda t: t, lambda t: t)
    z.sum().backward()
    assert torch.allclose(x.grad, y + 2 * x * y)
    with pytest.raises(RuntimeError, match="second time"):
        product._saved_self  # noqa: B018
