"""grad, vjp, jvp, jacobians and vmap, nested in each other, against closed forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import func
from flambeau.autograd import levels
from flambeau.func import grad, hessian, jacfwd, jacrev, jvp, linearize, vjp, vmap

X = torch.tensor([[0.5, -1.0, 2.0], [1.5, 0.3, -0.7]], dtype=torch.float64)


def _same(a: Any, b: Any) -> None:
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), 1e-10, 1e-12)


def cube(x: Any) -> Any:
    return (x**3).sum()


def test_grad_of_grad_of_grad() -> None:
    x = torch.tensor(2.0)
    assert grad(grad(grad(lambda v: v**4)))(x).item() == 48.0


def test_grad_leaves_nothing_behind() -> None:
    found = grad(cube)(X)
    assert not found.requires_grad and X.grad is None and not X.requires_grad
    assert not levels.running.levels


def test_grad_is_part_of_the_graph_outside() -> None:
    w = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    found = grad(lambda x: (x * w).pow(2).sum())(torch.ones(3))
    found.sum().backward()
    _same(w.grad, 4 * w)


def test_grad_under_no_grad_is_computed_and_not_tracked() -> None:
    w = torch.ones(3, dtype=torch.float64, requires_grad=True)
    with torch.no_grad():
        found = grad(lambda x: (x * w).pow(2).sum())(X[0])
    assert not found.requires_grad
    _same(found, 2 * X[0])


def test_perturbations_are_not_confused() -> None:
    """d/dx (x * d/dy (x + y)) = 1, the classic case."""
    one = torch.tensor(1.0)
    assert grad(lambda x: x * grad(lambda y: x + y)(one))(one).item() == 1.0
    inner = jvp(lambda x: x * jvp(lambda y: x + y, (one,), (one,))[1], (one,), (one,))
    assert inner[1].item() == 1.0


@pytest.mark.parametrize("outer", [jacrev, jacfwd])
@pytest.mark.parametrize("inner", [jacrev, jacfwd])
def test_all_four_hessians(outer: Any, inner: Any) -> None:
    _same(outer(inner(cube))(X[0]), torch.diag(6 * X[0]))


def test_vmap_and_derivatives_in_any_order() -> None:
    per_sample = vmap(grad(cube))
    _same(per_sample(X), 3 * X**2)
    _same(grad(lambda x: per_sample(x).sum())(X), 6 * X)
    _same(jvp(per_sample, (X,), (torch.ones_like(X),))[1], 6 * X)
    _same(vmap(hessian(cube))(X), torch.diag_embed(6 * X))
    _same(vmap(lambda x: jvp(cube, (x,), (x,))[1])(X), (3 * X**3).sum(1))
    _same(vmap(vmap(grad(lambda v: v**3)))(X), 3 * X**2)
    _same(jacrev(vmap(lambda x: x.sum()))(X), torch.eye(2, dtype=X.dtype)[:, :, None].expand(2, 2, 3))


def test_a_batch_in_the_middle_of_derivatives() -> None:
    """grad(vmap(grad)) with weights that all samples share."""
    w = X[0].clone()

    def loss(w: Any, x: Any) -> Any:
        return (w * x).sum() ** 2

    def total(w: Any) -> Any:
        return vmap(grad(loss), in_dims=(None, 0))(w, X).sum()

    expected = 2 * (X.sum(1)[:, None] * X).sum(0)
    _same(grad(total)(w), expected)
    _same(jvp(total, (w,), (torch.ones_like(w),))[1], expected.sum())


def test_vjp_and_jvp_of_containers() -> None:
    output, pull = vjp(lambda d: {"sum": d["a"] + d["b"], "product": d["a"] * d["b"]},
                       {"a": X[0], "b": X[1]})  # fmt: skip
    one = torch.ones(3, dtype=X.dtype)
    (found,) = pull({"sum": one, "product": one})
    _same(found["a"], 1 + X[1])
    _same(output["product"], X[0] * X[1])
    value, moved = jvp(lambda a, b: [a * b, a], (X[0], X[1]), (one, 2 * one))
    _same(moved[0], X[1] + 2 * X[0])
    assert isinstance(value, list)


def test_linearize_calls_the_function_once() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return x.sin() * x.sum()

    output, push = linearize(f, X[0])
    t = torch.ones(3, dtype=X.dtype)
    for _ in range(2):
        _same(push(t), jvp(f, (X[0],), (t,))[1])
    assert len(calls) == 3
    _same(output, f(X[0]))


def test_a_constant_function_has_a_zero_derivative() -> None:
    _same(grad(lambda x: torch.tensor(3.0))(X[0]), torch.zeros(3))
    _same(jvp(lambda x: torch.ones(2), (X[0],), (X[0],))[1], torch.zeros(2))


def test_batch_dimensions_and_chunks() -> None:
    _same(vmap(torch.dot, in_dims=(1, None))(X, X[:, 0]), X.T @ X[:, 0])
    _same(vmap(lambda x: x * 2, out_dims=1)(X), 2 * X.T)
    _same(vmap(lambda x: x.exp(), chunk_size=1)(X), X.exp())
    _same(vmap(lambda x, y: x, in_dims=(None, 0))(X, X), X[None].expand(2, 2, 3))
    assert vmap(lambda d: d["x"].sum(), in_dims=({"x": 0, "y": None},))({"x": X, "y": 3}).shape == (2,)


def test_writes_inside_of_vmap() -> None:
    def f(x: Any) -> Any:
        y = x.clone()
        y[0] = x.sum()
        y[1:] += 1
        y.view(3, 1).mul_(2)
        return y

    expected = torch.stack([f(x) for x in X])
    _same(vmap(f)(X), expected)
    kept = X.clone()
    vmap(lambda x: x.mul_(2))(kept)
    _same(kept, 2 * X)


def test_gradients_of_writes_inside_of_vmap() -> None:
    def f(x: Any) -> Any:
        y = x * 1
        y[0] = x[1] * x[2]
        return (y * x).sum()

    _same(vmap(grad(f))(X), torch.stack([grad(f)(x) for x in X]))


@pytest.mark.parametrize("wrong", [
    lambda x: x if x.sum() > 0 else -x,
    lambda x: x.sum().item(),
    lambda x: x[x > 0],
    lambda x: X[0].add_(x),
    lambda x: x + torch.rand(3),
    lambda x: x.numpy(),
])  # fmt: skip
def test_what_vmap_refuses(wrong: Any) -> None:
    with pytest.raises(RuntimeError, match="vmap"):
        vmap(wrong)(X)
    assert not levels.running.levels


def test_bad_arguments() -> None:
    for bad in (lambda: vmap(torch.sum, in_dims=2)(X), lambda: vmap(torch.add)(X, X[0]),
                lambda: vmap(torch.sum, in_dims=None)(X), lambda: vmap(lambda x: 3)(X),
                lambda: vmap(torch.sum)(3), lambda: vmap(torch.sum, in_dims=(0, 0))(X)):  # fmt: skip
        with pytest.raises(ValueError, match="vmap"):
            bad()
    with pytest.raises(RuntimeError, match="scalar"):
        grad(lambda x: x)(X)
    with pytest.raises(RuntimeError, match="argnum=1"):
        grad(cube, argnums=1)(X)
    with pytest.raises(RuntimeError, match="shape"):
        jvp(cube, (X,), (X[0],))


def test_tensors_that_outlive_their_vmap() -> None:
    kept = []
    vmap(lambda x: kept.append(x) or x)(X)
    with pytest.raises(RuntimeError, match="ended"):
        kept[0] + 1


def test_randomness() -> None:
    torch.manual_seed(0)
    different = vmap(lambda x: x * 0 + torch.randn(3), randomness="different")(X)
    torch.manual_seed(0)
    _same(different, torch.randn(2, 3).double())
    same = vmap(lambda x: x * 0 + torch.randn(3), randomness="same")(X)
    _same(same[0], same[1])


def test_how_batched_tensors_look() -> None:
    seen = []
    vmap(lambda x: seen.append((repr(x), x.shape, func.debug_unwrap(x).shape)) or x)(X)
    text, shape, whole = seen[0]
    assert text.startswith("BatchedTensor(lvl=1, bdim=0, value=") and shape == (3,) and whole == (2, 3)
