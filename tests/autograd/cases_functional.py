"""`autograd.functional`, `autograd.graph`, anomaly mode."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

from .support import Cases, fails, message

CASES = Cases()


def _part(torch: Any, name: str) -> Any:
    return import_module(f"{torch.__name__}.autograd.{name}")


def _x(torch: Any, *shape: int) -> Any:
    n = 1
    for size in shape:
        n *= size
    return torch.arange(float(n)).reshape(shape) / 4 + 0.5


@CASES
def jacobians(torch: Any) -> Any:
    F = _part(torch, "functional")
    x, w = _x(torch, 2), _x(torch, 2, 3)
    return [
        F.jacobian(lambda a: a**2, x),
        F.jacobian(lambda a: a.sum(), x),
        F.jacobian(lambda a: a @ w, x),
        F.jacobian(lambda a, b: a @ b, (x, w)),
        F.jacobian(lambda a, b: (a @ b, a.exp()), (x, w)),
        F.jacobian(lambda a: (a, a.sin()), x),
        F.jacobian(lambda a: torch.ones(2), x),
        F.jacobian(lambda a, b: a * 2, (x, w)),
        F.jacobian(lambda a: a**2, x, vectorize=True),
    ]


@CASES
def jacobians_in_a_graph(torch: Any) -> Any:
    F = _part(torch, "functional")
    x = _x(torch, 2).requires_grad_()
    j = F.jacobian(lambda a: a**3, x, create_graph=True)
    flags = [j.requires_grad, F.jacobian(lambda a: a**3, x).requires_grad]
    j.sum().backward()
    return flags, x.grad


@CASES
def hessians(torch: Any) -> Any:
    F = _part(torch, "functional")
    x, w = _x(torch, 2), _x(torch, 2)
    return [
        F.hessian(lambda a: (a**3).sum(), x),
        F.hessian(lambda a: (a * a[0]).sum().reshape(1), x),
        F.hessian(lambda a, b: (a * b * b).sum(), (x, w)),
        F.hessian(lambda a: a.sum(), x),
        F.hessian(lambda a: a.pow(2).sum(), _x(torch, 2, 2)),
        fails(lambda: F.hessian(lambda a: a**2, x)),
        fails(lambda: F.hessian(lambda a: (a.sum(), a.sum()), x)),
    ]


@CASES
def products(torch: Any) -> Any:
    F = _part(torch, "functional")
    x, w = _x(torch, 2), _x(torch, 2, 3)
    v, u = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0, 3.0])
    return [
        F.vjp(lambda a: a.exp(), x, v),
        F.vjp(lambda a: a.exp().sum(), x),
        F.vjp(lambda a, b: a @ b, (x, w), u),
        F.vjp(lambda a, b: (a @ b, a), (x, w), (u, v)),
        F.jvp(lambda a: a.exp(), x, v),
        F.jvp(lambda a, b: a @ b, (x, w), (v, w)),
        F.jvp(lambda a, b: (a @ b, a), (x, w), (v, w)),
        F.jvp(lambda a: a**2, torch.tensor(3.0)),
        F.vhp(lambda a: (a**3).sum(), x, v),
        F.hvp(lambda a: (a**3).sum(), x, v),
        F.hvp(lambda a, b: ((a @ b) ** 2).sum(), (x, w), (v, w)),
        F.vhp(lambda a, b: ((a @ b) ** 2).sum(), (x, w), (v, w)),
        F.hvp(lambda a: a.sum(), x, v),
    ]


@CASES
def wrong_products(torch: Any) -> Any:
    F = _part(torch, "functional")
    x = _x(torch, 2)
    return [
        fails(lambda: F.vjp(lambda a: a.exp(), x)),
        fails(lambda: F.vjp(lambda a: a.exp(), x, torch.ones(3))),
        fails(lambda: F.vjp(lambda a: a.exp(), x, (torch.ones(2), torch.ones(2)))),
        fails(lambda: F.vjp(lambda a: 3.0, x)),
        fails(lambda: F.vjp(lambda a: a.exp(), 3.0)),
        fails(lambda: F.jvp(lambda a: a.exp(), x)),
        fails(lambda: F.jvp(lambda a: a.exp(), x, torch.ones(3))),
        fails(lambda: F.hvp(lambda a: a.exp(), x, x)),
        fails(lambda: F.vhp(lambda a: a.exp().sum(), x)),
        fails(lambda: F.jacobian(lambda a: a, [x])),
        fails(lambda: F.jacobian(lambda a: torch.ones(2), x, strict=True)),
        fails(lambda: F.vjp(lambda a, b: a, (x, x), x, strict=True)),
        fails(lambda: F.jacobian(lambda a: a * 2, x, create_graph=True, strict=True)),
        fails(lambda: F.hessian(lambda a: a.sum(), x, strict=True)),
        fails(lambda: F.jacobian(lambda a: a, x, strategy="other")),
    ]


@CASES
def products_in_a_graph(torch: Any) -> Any:
    F = _part(torch, "functional")
    x = _x(torch, 2).requires_grad_()
    v = torch.tensor([1.0, 2.0])
    results = []
    for product in (F.vjp, F.jvp):
        x.grad = None
        out, found = product(lambda a: a**3, x, v, create_graph=True)
        (out.sum() + found.sum()).backward()
        results.append([out.requires_grad, found.requires_grad, x.grad])
        results.append([t.requires_grad for t in product(lambda a: a**3, x, v)])
    for product in (F.vhp, F.hvp):
        x.grad = None
        out, found = product(lambda a: (a**3).sum(), x, v, create_graph=True)
        found.sum().backward()
        results.append([out.requires_grad, found.requires_grad, x.grad])
    with torch.no_grad():
        results.append(F.vjp(lambda a: a**2, x, v)[1])
    return results


@CASES
def edges_in_place_of_tensors(torch: Any) -> Any:
    graph = _part(torch, "graph")
    x = _x(torch, 2).requires_grad_()
    y = x * 2
    z = (y * y).sum()
    leaf, inner = graph.get_gradient_edge(x), graph.get_gradient_edge(y)
    return [
        type(leaf.node).__name__, leaf.output_nr, inner.node is y.grad_fn,
        torch.autograd.grad(z, [leaf, inner], retain_graph=True),
        torch.autograd.grad(graph.get_gradient_edge(z), x, retain_graph=True),
        fails(lambda: graph.get_gradient_edge(torch.ones(2))),
        isinstance(y.grad_fn, graph.Node), isinstance(x, graph.Node),
    ]  # fmt: skip


@CASES
def versions_counted_by_hand(torch: Any) -> Any:
    graph = _part(torch, "graph")
    x = _x(torch, 2).requires_grad_()
    y = x * 1
    z = y.exp() * y
    graph.increment_version(y)
    return y._version, fails(lambda: z.sum().backward())


@CASES
def anomaly_mode_finds_nan(torch: Any) -> Any:
    x = torch.tensor([-1.0, 4.0], requires_grad=True)
    results = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with torch.autograd.detect_anomaly():
            results.append(message(
                lambda: (x.sqrt() * 2).sum().backward(), "SqrtBackward0", "returned nan values",
            ))  # fmt: skip
    texts = [str(each.message) for each in caught]
    results.append([each.category.__name__ for each in caught])
    results.append(["has been enabled" in texts[0], "x.sqrt()" in texts[1]])
    (x.sqrt() * 2).sum().backward()
    return [*results, x.grad]


@CASES
def anomaly_mode_without_looking_for_nan(torch: Any) -> Any:
    x = torch.tensor([-1.0, 4.0], requires_grad=True)
    with torch.autograd.detect_anomaly(check_nan=False):
        (x.sqrt() * 2).sum().backward()
    return x.grad


@CASES
def anomaly_mode_switched(torch: Any) -> Any:
    x = torch.tensor([-1.0, 4.0], requires_grad=True)

    def nan() -> str:
        return fails(lambda: x.sqrt().sum().backward())

    results = [nan()]
    with torch.autograd.set_detect_anomaly(True):
        results.append(nan())
        with torch.autograd.set_detect_anomaly(False):
            results.append(nan())
        results.append(nan())
    results.append(nan())
    torch.autograd.set_detect_anomaly(True)
    results.append(nan())
    torch.autograd.set_detect_anomaly(False)
    return [*results, nan()]


@CASES
def anomaly_mode_tells_of_errors(torch: Any) -> Any:
    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            raise KeyError("mine")

    x = torch.ones(2, requires_grad=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with torch.autograd.set_detect_anomaly(True):
            y = Bad.apply(x)
            failed = fails(lambda: y.sum().backward())
        z = Bad.apply(x).sum()
        with torch.autograd.set_detect_anomaly(True):
            fails(z.backward)
    texts = [str(each.message) for each in caught]
    return failed, ["y = Bad.apply(x)" in texts[0], "No forward pass information" in texts[1]]
