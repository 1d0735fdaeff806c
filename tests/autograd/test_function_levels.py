"""The user's Functions inside of vmap and forward mode."""

from __future__ import annotations

from typing import Any

import pytest

import flambeau as torch
import flambeau.autograd.forward_ad as fw
from flambeau.autograd import Function
from flambeau.func import grad, hessian, jvp, vmap

X = torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.3, -0.7]], dtype=torch.float64)
W = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)


class Scaled(Function):
    """x² w."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Any, w: Any) -> Any:
        return x * x * w

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, w = ctx.saved_tensors
        return 2 * x * w * g, x * x * g

    @staticmethod
    def jvp(ctx: Any, x_t: Any, w_t: Any) -> Any:
        x, w = ctx.saved_tensors
        return 2 * x * w * x_t + x * x * w_t


class Exp(Function):
    @staticmethod
    def forward(x: Any) -> Any:
        return x.exp()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * ctx.saved_tensors[0]

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Any) -> Any:
        assert info.batch_size == 2 and info.randomness == "error"
        return Exp.apply(x), in_dims[0]


def total(x: Any, w: Any) -> Any:
    return Scaled.apply(x, w).sum()


def test_generated_rule() -> None:
    assert torch.allclose(vmap(Scaled.apply, (0, None))(X, W), X * X * W)
    assert torch.allclose(vmap(grad(total, 1), (0, None))(X, W), X * X)
    assert torch.allclose(grad(lambda w: vmap(total, (0, None))(X, w).sum())(W), (X * X).sum(0))
    assert torch.allclose(vmap(hessian(lambda x: total(x, W)))(X), torch.diag_embed((2 * W).expand(2, 3)))
    mixed = grad(lambda w: vmap(grad(total), (0, None))(X, w).sum())(W)
    assert torch.allclose(mixed, 2 * X.sum(0))


def test_a_rule_of_its_own() -> None:
    assert torch.allclose(vmap(Exp.apply)(X), X.exp())
    assert torch.allclose(vmap(grad(lambda x: Exp.apply(x).sum()))(X), X.exp())
    assert torch.allclose(grad(lambda x: vmap(Exp.apply)(x).sum())(X), X.exp())


def test_jvp_is_asked() -> None:
    one = torch.ones(3, dtype=X.dtype)
    assert torch.allclose(jvp(Scaled.apply, (X[0], W), (one, one))[1], 2 * X[0] * W + X[0] ** 2)
    with fw.dual_level():
        d = fw.make_dual(X[0].clone().requires_grad_(), one)
        out = Scaled.apply(d, W)
        (g,) = torch.autograd.grad(out.sum(), d)
        assert torch.allclose(fw.unpack_dual(g).tangent, 2 * W)


def test_what_is_missing_is_told() -> None:
    class Old(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    with pytest.raises(RuntimeError, match="generate_vmap_rule"):
        vmap(Old.apply)(X)
    with pytest.raises(NotImplementedError, match="jvp"):
        jvp(Old.apply, (X,), (X,))
    assert grad(lambda x: Old.apply(x).sum())(X).tolist() == [[1.0] * 3] * 2
