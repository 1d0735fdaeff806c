"""Node classes of rows: what is generated, saved and refused."""

from __future__ import annotations

import linecache
from typing import Any

import pytest

import flambeau as torch
from flambeau.autograd.derivatives import node_class
from flambeau.ops.table import Row, table


def test_one_class_a_row() -> None:
    x = torch.ones(2, requires_grad=True)
    assert type((x * x).grad_fn) is type(torch.mul(x, 2).grad_fn) is node_class(table["mul"])


def test_only_what_is_needed_is_saved() -> None:
    x, c = torch.ones(2, requires_grad=True), torch.ones(2)
    saved = (x * c).grad_fn.saved
    assert [entry is not None for entry in saved] == [False, True] and saved[1][0] is c
    assert (x + c).grad_fn.saved == (None,)  # alpha, for the derivative of c
    assert x.exp().grad_fn.saved == () and x.exp().grad_fn.saved_results
    both = (x * x).grad_fn.saved
    assert both[0][0] is x and both[1][0] is x


def test_generated_source_can_be_read() -> None:
    node_class(table["mul"])
    text = "".join(linecache.getlines("<flambeau derivative of mul>"))
    assert "def record(t, x0, x1, k0, k1, g0, g1, params, token):" in text
    assert "def apply(node, grads, edges):" in text


def test_names_that_depend_on_arguments() -> None:
    x = torch.ones(2, 3, requires_grad=True)
    names = [t.grad_fn.name() for t in (x.sum(), x.sum(0), x.remainder(2), x.remainder(x), 2 - x)]
    assert names == ["SumBackward0", "SumBackward1", "RemainderBackward0", "RemainderBackward1",
                     "RsubBackward1"]  # fmt: skip
    assert len(x.remainder(2).grad_fn.next_functions) == 1
    assert len(x.remainder(x).grad_fn.next_functions) == 2


def test_a_derivative_that_asks_for_something_strange() -> None:
    row = Row("strange(Tensor input) -> Tensor", grads={"input": lambda grad, moon: grad})
    with pytest.raises(TypeError, match="'moon', which is nothing it can have"):
        node_class(row)


def test_what_has_no_derivative_says_so() -> None:
    x = torch.ones(2, requires_grad=True)
    y = torch.heaviside(x, torch.zeros(2))
    with pytest.raises(RuntimeError, match="derivative for heaviside is not implemented"):
        y.sum().backward()


@pytest.mark.parametrize("name", [n for n, r in table.items() if r.grads])
def test_every_row_with_derivatives_has_a_class(name: str) -> None:
    cls: Any = node_class(table[name])
    assert callable(cls.record) and callable(cls.apply)
    shown = cls.__name__.removesuffix("_copy")
    assert name == cls.__name__ or shown[-1:].isdigit() or shown.endswith("Backwards")


def test_nodes_can_be_called() -> None:
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    (g, none) = (x * 5).grad_fn(torch.ones(2))
    assert g.tolist() == [5.0, 5.0] and none is None
    leaf = (x * 5).grad_fn.next_functions[0][0]
    leaf(torch.ones(2))
    assert x.grad.tolist() == [1.0, 1.0]
    assert repr(leaf).startswith("<AccumulateGrad object at")
