"""Programs as graphs."""

from __future__ import annotations

import copy
import operator
from typing import Any

import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau import fx, nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
        self.scale = nn.Parameter(torch.full((4,), 2.0))
        self.register_buffer("offset", torch.ones(4))

    def forward(self, x: Any, y: Any = None) -> Any:
        h = F.relu(self.inner(x)) * self.scale - self.offset
        a, b = h.chunk(2, 1)
        return torch.cat([b, a], dim=1).view(x.shape[0], -1), torch.flatten(h, 1)[:, 1:], 1 - h


def test_tracing_a_module() -> None:
    net, x = Net(), torch.rand(5, 3)
    traced = fx.symbolic_trace(net)
    for mine, theirs in zip(traced(x), net(x), strict=True):
        assert torch.equal(mine, theirs)
    assert [n.op for n in traced.graph.nodes[:4]] == ["placeholder", "placeholder", "call_module", "call_module"]
    assert set(traced.state_dict()) == set(net.state_dict()) and traced.scale is net.scale
    traced(x)[2].sum().backward()
    assert net.scale.grad is not None
    assert "def forward(self, x, y = None):" in traced.code and "torch.nn.functional.relu(" in traced.code
    assert type(torch).__name__ == "module" and "__getattribute__" not in vars(nn.Module)
    other = copy.deepcopy(traced)
    assert torch.equal(other(x)[0], traced(x)[0]) and other.scale is not traced.scale
    assert str(traced.graph).startswith("graph():\n    %x : [num_users=2] = placeholder[target=x]\n")


def test_graphs_as_text() -> None:
    def program(x: torch.Tensor, k: float = 2.0) -> torch.Tensor:
        return -torch.sigmoid(x.sum(dim=0) + x[0, 1:]) * k

    program.__annotations__ = {"x": torch.Tensor, "k": float, "return": torch.Tensor}
    traced = fx.symbolic_trace(program)
    assert [n.format_node() for n in traced.graph.nodes] == [
        "%x : torch.Tensor [num_users=2] = placeholder[target=x]",
        "%k : float [num_users=1] = placeholder[target=k](default=2.0)",
        "%sum_1 : [num_users=1] = call_method[target=sum](args = (%x,), kwargs = {dim: 0})",
        "%getitem : [num_users=1] = call_function[target=operator.getitem]"
        "(args = (%x, (0, slice(1, None, None))), kwargs = {})",
        "%add : [num_users=1] = call_function[target=operator.add](args = (%sum_1, %getitem), kwargs = {})",
        "%sigmoid : [num_users=1] = call_function[target=torch.sigmoid](args = (%add,), kwargs = {})",
        "%neg : [num_users=1] = call_function[target=operator.neg](args = (%sigmoid,), kwargs = {})",
        "%mul : [num_users=1] = call_function[target=operator.mul](args = (%neg, %k), kwargs = {})",
        "return mul",
    ]
    assert traced.code.splitlines()[3:] == [
        "def forward(self, x : torch.Tensor, k : float = 2.0) -> torch.Tensor:",
        "    sum_1 = x.sum(dim = 0)",
        "    getitem = x[(0, slice(1, None, None))];  x = None",
        "    add = sum_1 + getitem;  sum_1 = getitem = None",
        "    sigmoid = torch.sigmoid(add);  add = None",
        "    neg = -sigmoid;  sigmoid = None",
        "    mul = neg * k;  neg = k = None",
        "    return mul",
        "    ",
    ]


def test_changing_a_graph() -> None:
    net, x = Net(), torch.rand(5, 3)
    traced = fx.symbolic_trace(net)
    node, = traced.graph.find_nodes(op="call_function", target=F.relu)
    with traced.graph.inserting_after(node):
        new = traced.graph.call_function(torch.sigmoid, node.args)
    node.replace_all_uses_with(new)
    traced.graph.erase_node(node)
    traced.graph.lint()
    traced.recompile()
    assert torch.allclose(traced(x)[2], 2 - torch.sigmoid(net.inner(x)) * 2)
    with pytest.raises(RuntimeError, match="still had"):
        traced.graph.erase_node(new)
    dead = traced.graph.call_function(torch.neg, (new,))
    assert traced.graph.eliminate_dead_code() and dead not in traced.graph.nodes


def test_interpreting() -> None:
    seen = []

    class Watching(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            seen.append(n.name)
            return super().run_node(n)

    class Negating(fx.Transformer):
        def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
            return super().call_function(operator.add if target is operator.mul else target, args, kwargs)

    net, x = Net(), torch.rand(5, 3)
    traced = fx.symbolic_trace(net)
    assert torch.equal(Watching(traced).run(x)[0], traced(x)[0]) and len(seen) == len(traced.graph.nodes)
    assert torch.allclose(Negating(traced).transform()(x)[2], -net.inner(x))


def test_functions_and_marks() -> None:
    traced = fx.symbolic_trace(lambda x, k=2: torch.add(x, k) * x.size(0))
    assert traced(torch.ones(2)).tolist() == [6, 6]
    traced = fx.symbolic_trace(lambda x: _untraceable(x) + 1)
    assert traced(torch.ones(2)).tolist() == [3, 3]
    with pytest.raises(ValueError, match="truth .*fx.wrap"):
        fx.symbolic_trace(lambda x: x if x.sum() > 0 else -x)
    with pytest.raises(RuntimeError, match="callable or string"):
        fx.wrap(3)


def _untraceable(x: Any) -> Any:
    return x + 1 if float(x.sum()) > 0 else x


fx.wrap("_untraceable")


def test_shapes_of_results() -> None:
    from flambeau.fx.passes.shape_prop import ShapeProp

    traced = fx.symbolic_trace(lambda x: (x.sum(1), x.shape))
    ShapeProp(traced).propagate(torch.ones(2, 3))
    found = {n.name: n.meta.get("tensor_meta") for n in traced.graph.nodes}
    assert found["x"].shape == (2, 3) and found["x"].dtype is torch.float32
    assert found["sum_1"].shape == (2,) and found["sum_1"].stride == (1,)
    assert found["getattr_1"] is None and found["output"][0] == found["sum_1"]
