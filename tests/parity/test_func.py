"""torch.func against PyTorch's, expression by expression."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import flambeau


def cases(T: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Names, and expressions in terms of the package `T`; those named e1, e2 ... raise an error."""
    F = T.func
    nn = T.nn
    f = T.nn.functional
    g = np.random.default_rng(0)

    def t(*s):
        return T.tensor(g.standard_normal(s).astype(np.float64))

    x3 = t(3)
    X = t(5, 3)
    W = t(4, 3)
    A = t(4, 4)
    img = t(5, 2, 3, 8, 8)
    ker = t(5, 4, 3, 3, 3)
    yield (
        "jacrev tuple",
        lambda: F.jacrev(lambda a, b: (a * b, a.sum() * b), argnums=(0, 1))(x3, x3 * 2),
    )
    yield (
        "jacfwd dict",
        lambda: F.jacfwd(lambda d: {"o": d["a"] * d["b"].sum()})({"a": x3, "b": x3 * 2}),
    )
    yield "jacrev aux", lambda: F.jacrev(lambda a: (a.sin(), a.cos()), has_aux=True)(x3)
    yield "jacfwd aux", lambda: F.jacfwd(lambda a: (a.sin(), a.cos()), has_aux=True)(x3)
    yield "jacrev chunk", lambda: F.jacrev(lambda a: a.outer(a), chunk_size=2)(x3)
    yield "hessian", lambda: F.hessian(lambda a: (a.exp() * a.sum()).prod())(x3)
    yield "hess2", lambda: F.hessian(lambda a, b: (a * b).sum() ** 2, argnums=(0, 1))(x3, x3 * 3)
    yield "grad aux", lambda: F.grad(lambda a: ((a**2).sum(), a), has_aux=True)(x3)
    yield "gv", lambda: F.grad_and_value(lambda a, b: (a @ b).sum(), argnums=1)(W, x3)
    yield (
        "vjp",
        lambda: (lambda o, v: (o, v((x3, x3))))(*F.vjp(lambda a, b: (a * b, a + b), x3, x3 * 2)),
    )
    yield "jvp", lambda: F.jvp(lambda a, b: (a * b, a + b), (x3, x3 * 2), (x3, x3))
    yield "jvp aux", lambda: F.jvp(lambda a: (a * a, a + 1), (x3,), (x3,), has_aux=True)
    yield "linearize", lambda: F.linearize(lambda a: a.sin() * a.sum(), x3)[1](x3)
    yield "vmap in", lambda: F.vmap(T.mv, in_dims=(None, 1))(W, X.T)
    yield "vmap out", lambda: F.vmap(lambda a: (a, a * 2), out_dims=(0, 1))(X)
    yield (
        "vmap dict",
        lambda: F.vmap(lambda d: d["a"] + d["b"], in_dims=({"a": 0, "b": None},))(
            {"a": X, "b": x3}
        ),
    )
    yield (
        "vmap nested",
        lambda: F.vmap(F.vmap(lambda a, b: a * b, in_dims=(0, None)), in_dims=(0, 0))(X, t(5)),
    )
    yield "vmap neg", lambda: F.vmap(T.sum, in_dims=-1)(X)
    yield "vmap chunk", lambda: F.vmap(lambda a: a.sin(), chunk_size=2)(X)
    yield "conv both", lambda: F.vmap(f.conv2d)(img, ker)
    yield "conv img", lambda: F.vmap(lambda i: f.conv2d(i, ker[0], padding=1))(img)
    yield "conv ker", lambda: F.vmap(lambda k: f.conv2d(img[0], k, stride=2))(ker)
    yield (
        "conv grad",
        lambda: F.vmap(F.grad(lambda k, i: f.conv2d(i[None], k).pow(2).sum()), in_dims=(None, 0))(
            ker[0], img[:, 0]
        ),
    )
    yield "pool", lambda: F.vmap(lambda i: f.max_pool2d(i, 2))(img)
    yield "bn", lambda: F.vmap(lambda i: f.batch_norm(i, None, None, training=True))(img)
    yield (
        "ln",
        lambda: F.vmap(
            F.grad(lambda w, x: f.layer_norm(x, (3,), w).pow(2).sum()), in_dims=(None, 0)
        )(x3, X),
    )
    yield (
        "sdpa",
        lambda: F.vmap(f.scaled_dot_product_attention)(t(3, 2, 4, 5), t(3, 2, 4, 5), t(3, 2, 4, 5)),
    )
    yield "softmax", lambda: F.vmap(lambda a: f.log_softmax(a, -1))(X)
    yield (
        "ce",
        lambda: F.vmap(lambda a, b: f.cross_entropy(a, b))(
            t(5, 3, 4), T.randint(0, 4, (5, 3), generator=T.Generator().manual_seed(0))
        ),
    )
    yield (
        "emb",
        lambda: F.vmap(F.grad(lambda w, i: f.embedding(i, w).pow(2).sum()), in_dims=(None, 0))(
            W, T.tensor([[0, 1], [1, 1], [2, 3]])
        ),
    )
    yield (
        "index",
        lambda: F.vmap(lambda a, i: a[i])(X, T.tensor([[0, 1], [1, 1], [2, 0], [0, 0], [1, 2]])),
    )
    yield (
        "index2",
        lambda: F.vmap(lambda a, i: a[:, i, 0])(t(2, 3, 4, 2), T.tensor([[0, 1], [3, 3]])),
    )
    yield (
        "indexput",
        lambda: F.vmap(F.grad(lambda a, i: a[i].pow(3).sum()))(
            X, T.tensor([[0, 1], [1, 1], [2, 0], [0, 0], [1, 2]])
        ),
    )
    yield "inplace", lambda: F.vmap(lambda a: a.clone().mul_(2).add_(a))(X)
    yield (
        "setitem",
        lambda: F.vmap(lambda a: (lambda b: (b.__setitem__(0, a.sum()), b)[1])(a.clone()))(X),
    )
    yield "where", lambda: F.vmap(lambda a: T.where(a > 0, a, -a))(X)
    yield "sort", lambda: F.vmap(lambda a: T.sort(a, descending=True).values)(X)
    yield "inv", lambda: F.vmap(T.linalg.inv)(t(3, 4, 4))
    yield "det hess", lambda: F.hessian(lambda a: T.linalg.slogdet(a)[1])(A)
    yield "einsum", lambda: F.vmap(lambda a, b: T.einsum("ij,j->i", a, b), in_dims=(None, 0))(W, X)
    yield "jac of vmap", lambda: F.jacrev(F.vmap(lambda a: a.sin()))(X)
    yield "vmap of jacfwd", lambda: F.vmap(F.jacfwd(lambda a: a.sin() * a.sum()))(X)
    yield (
        "laplace",
        lambda: F.vmap(lambda a: F.hessian(lambda z: (z**3).sum())(a).diagonal().sum())(X),
    )
    yield "cumsum", lambda: F.vmap(lambda a: a.cumsum(0))(X)
    yield "mixed dtype", lambda: F.vmap(lambda a, s: a * s)(X.float(), t(5))
    yield "mha", lambda: F.vmap(lambda a: (a @ a.T).softmax(-1) @ a)(t(2, 3, 4))
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)).double()
    for n, p in net.named_parameters():
        with T.no_grad():
            p.copy_(T.tensor(np.random.default_rng(len(n)).standard_normal(tuple(p.shape)) * 0.1))
    prm = {k: v.detach() for k, v in net.named_parameters()}
    yield (
        "persample",
        lambda: F.vmap(
            F.grad(lambda p, i, y: f.cross_entropy(F.functional_call(net, p, (i[None],)), y[None])),
            in_dims=(None, 0, 0),
        )(prm, img[:, 0], T.tensor([0, 1, 2, 0, 1])),
    )

    def ens():
        ms = [nn.Linear(3, 2).double() for _ in range(3)]
        for i, m in enumerate(ms):
            with T.no_grad():
                m.weight.fill_(i + 1.0)
                m.bias.fill_(i)
        p, b = F.stack_module_state(ms)
        return F.vmap(lambda p, b, x: F.functional_call(ms[0], (p, b), (x,)), in_dims=(0, 0, None))(
            p, b, X
        )

    yield "ensemble", ens

    def maml():
        def inner(w, x):
            return ((w * x).sum() - 1) ** 2

        def outer(w):
            return T.stack([inner(w - 0.1 * F.grad(inner)(w, x), x) for x in X]).sum()

        return F.grad(outer)(x3)

    yield "maml", maml

    def outerrg():
        w = x3.clone().requires_grad_()
        F.grad(lambda a: (a * w).pow(2).sum())(X[0]).sum().backward()
        return w.grad

    yield "outer autograd", outerrg

    def rg2():
        w = x3.clone().requires_grad_()
        o = F.vmap(lambda a: (a * w).sum())(X)
        o.pow(2).sum().backward()
        return w.grad

    yield "outer autograd vmap", rg2
    yield "nograd", lambda: F.grad(lambda a: a.pow(2).sum())(x3)
    # errors
    yield "e1", lambda: F.vmap(lambda a: a if a.sum() > 0 else -a)(X)
    yield "e2", lambda: F.vmap(lambda a: a.sum().item())(X)
    yield "e3", lambda: F.vmap(lambda a, b: a)(X, x3)
    yield "e4", lambda: F.vmap(lambda a: a, in_dims=3)(X)
    yield "e5", lambda: F.grad(lambda a: a)(x3)
    yield "e6", lambda: F.vmap(lambda a: x3.add_(a))(X)
    yield "e7", lambda: F.vmap(lambda a: 3)(X)
    yield "e8", lambda: F.vmap(lambda a: a, in_dims=None)(X)
    yield "e9", lambda: F.vmap(lambda a: a.nonzero())(X)
    yield "e10", lambda: F.jvp(lambda a: a, (x3,), (X,))
    yield "e11", lambda: F.grad(lambda a: a.sum(), argnums=2)(x3)
    yield "e12", lambda: F.vmap(lambda a: a + T.rand(3))(X)
    yield "e13", lambda: F.vmap(T.sum, out_dims=(0, 0))(X)
    yield "e14", lambda: F.vjp(lambda a: (a, a), x3)[1](x3)
    yield "e15", lambda: F.grad(lambda a: 3.0)(x3)


def leaves(o: Any) -> list[np.ndarray]:
    if hasattr(o, "detach"):
        return [o.detach().numpy()]
    if isinstance(o, dict):
        return [x for part in o.values() for x in leaves(part)]
    if isinstance(o, (tuple, list)):
        return [x for part in o for x in leaves(part)]
    return [np.array(o)]


@pytest.fixture(scope="module")
def expressions() -> dict[str, tuple[Any, Any]]:
    return {
        name: (ours, theirs)
        for (name, ours), (_, theirs) in zip(cases(flambeau), cases(torch), strict=True)
    }


NAMES = [name for name, _ in cases(flambeau)]


@pytest.mark.parametrize("name", NAMES)
def test_same_as_pytorch(name: str, expressions: dict[str, tuple[Any, Any]]) -> None:
    ours, theirs = expressions[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name[0] == "e" and name[1:].isdigit():
            with pytest.raises(Exception) as expected:
                theirs()
            with pytest.raises(expected.type):
                ours()
            return
        found, wanted = leaves(ours()), leaves(theirs())
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, 1e-5, 1e-7)
