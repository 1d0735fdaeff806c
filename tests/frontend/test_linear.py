"""The linear layer's shortcut records what the operations record that it stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import flambeau as torch
from flambeau import config
from flambeau.graph.trace import state
from flambeau.graph.value import Value
from flambeau.nn import functional as F  # noqa: N812
from flambeau.ops.table import call


def listing() -> list[Any]:
    """The pending trace with its inputs by number."""
    number = {id(node): i for i, node in enumerate(state.nodes)}
    leaves: dict[int, int] = {}

    def ref(x: Any) -> Any:
        if x.__class__ is not Value:
            return x
        return number.get(id(x), ("leaf", leaves.setdefault(id(x), len(leaves))))

    return [(n.op, n.aval, n.params, tuple(map(ref, n.inputs))) for n in state.nodes]


def graph(t: Any) -> Any:
    """The names of a tensor's nodes, and the shapes of its leaves."""

    def shown(node: Any) -> Any:
        if node is None:
            return None
        if hasattr(node, "variable"):
            return tuple(node.variable.shape)
        return node.name(), [shown(n) for n, _ in node.next_functions]

    return shown(t.grad_fn)


def operands(x: Any = False, w: Any = True, b: Any = True) -> tuple[Any, Any, Any]:
    torch.manual_seed(0)
    made = [torch.randn(3, 4), torch.randn(2, 4), torch.randn(2)]
    return tuple(t.requires_grad_(flag) for t, flag in zip(made, (x, w, b), strict=True))  # type: ignore[return-value]


def viewed() -> tuple[Any, Any, Any]:
    x, w, b = operands(True)
    return x.t().contiguous().t(), w, b


def turned() -> tuple[Any, Any, Any]:
    x, w, b = operands(True)
    return x, w.t().contiguous().t(), b


def part_of_bias() -> tuple[Any, Any, Any]:
    x, w, b = operands()
    return x, w, torch.cat([b, b])[:2]


CASES: dict[str, Callable[[], tuple[Any, Any, Any]]] = {
    "first layer": operands,
    "inner layer": lambda: operands(True),
    "frozen": lambda: operands(True, False, False),
    "frozen weight": lambda: operands(True, False),
    "nothing": lambda: operands(False, False, False),
    "no bias": lambda: (*operands(True)[:2], None),
    "view": viewed,
    "weight is a view": turned,
    "bias is a view": part_of_bias,
    "doubles": lambda: tuple(t.double() for t in operands(True)),  # type: ignore[return-value]
    "one by one": lambda: (torch.ones(1, 1), torch.ones(1, 1, requires_grad=True), torch.ones(1)),
    "detached": lambda: (operands()[0].detach(), operands()[1].data, operands()[2]),
    "made from others": lambda: tuple(t * 1 for t in operands(True)),  # type: ignore[return-value]
    "three dimensions": lambda: (torch.ones(2, 3, 4, requires_grad=True), *operands()[1:]),
    "one dimension": lambda: (torch.ones(4), *operands()[1:]),
}


@pytest.mark.skipif(config.max_pending_nodes < 64, reason="traces are cut short")
@pytest.mark.parametrize("mode", ["grad", "no_grad", "inference"])
@pytest.mark.parametrize("name", CASES)
def test_trace_graph_and_gradients_are_the_same(name, mode, monkeypatch) -> None:
    shortcut = call.linear_at_once

    def run(at_once: Any) -> Any:
        monkeypatch.setattr(call, "linear_at_once", at_once)
        made = CASES[name]()
        leaves = [t for t in made if t is not None and t.is_leaf and t.requires_grad]
        torch._flush()
        scope = {"grad": torch.enable_grad, "no_grad": torch.no_grad, "inference": torch.inference_mode}
        with scope[mode]():
            y = F.linear(*made)
        recorded = listing()
        facts = (y.requires_grad, y.is_leaf, y.is_inference(), graph(y))
        if y.requires_grad:
            (y * y).sum().backward()
            recorded = listing()
        grads = [None if t.grad is None else t.grad.tolist() for t in leaves]
        return recorded, facts, y.tolist(), grads

    assert run(shortcut) == run(lambda *_: None)


def test_writes_to_what_is_saved_are_noticed() -> None:
    x, w, b = operands(True)
    y = F.linear(x * 1, w, b).sum()
    with torch.no_grad():
        w.add_(1)
    with pytest.raises(RuntimeError, match="inplace"):
        y.backward()


def test_second_derivatives() -> None:
    x, w, b = (t.double().detach().requires_grad_() for t in operands(True))
    assert torch.autograd.gradgradcheck(lambda *t: F.linear(*t).tanh(), (x, w, b))


def test_errors_name_the_shapes() -> None:
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        F.linear(torch.ones(2, 3), torch.ones(2, 4), torch.ones(2))
    with pytest.raises(TypeError, match="must be Tensor"):
        F.linear(torch.ones(2, 3), torch.ones(2, 3), [1.0, 2.0])  # type: ignore[arg-type]
