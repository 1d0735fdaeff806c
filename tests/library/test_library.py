"""Operators of one's own, and PyTorch's by their full names."""

from __future__ import annotations

from typing import List, Optional  # noqa: UP035

import numpy as np
import pytest

import flambeau as torch


def test_operators_by_name() -> None:
    x = torch.ones(2, 2)
    aten = torch.ops.aten
    assert aten.add.Tensor(x, 3).tolist() == aten.add(x, 3).tolist() == [[4, 4], [4, 4]]
    assert torch.equal(aten.mm.default(x, x), x @ x) and torch.equal(aten.linalg_norm(x), x.norm())
    assert str(aten.mm.default) == "aten.mm.default" and aten.add.Tensor.name() == "aten::add.Tensor"
    assert aten.add_.Tensor(x, 1) is x and aten.view.default(x, (4,)).shape == (4,)
    assert not hasattr(aten, "frobnicate")
    with pytest.raises(AttributeError, match="torch.library.custom_op"):
        torch.ops.nobody.f(1)


def test_a_custom_operator() -> None:
    calls = []

    @torch.library.custom_op("flambeau_tests::scaled_sin", mutates_args=())
    def scaled_sin(x: torch.Tensor, scale: float = 2.0) -> torch.Tensor:
        return torch.from_numpy(np.sin(x.numpy()) * scale).to(x.dtype)

    def setup(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
        calls.append("setup")
        ctx.save_for_backward(inputs[0])
        ctx.scale = inputs[1]

    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        (x,) = ctx.saved_tensors
        return grad * x.cos() * ctx.scale, None

    x = torch.rand(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="no autograd formula"):
        scaled_sin(x).sum().backward()
    scaled_sin.register_autograd(backward, setup_context=setup)
    scaled_sin.register_fake(lambda x, scale=2.0: torch.empty_like(x))
    torch.ops.flambeau_tests.scaled_sin(x, 3.0).sum().backward()
    assert torch.allclose(x.grad, 3 * x.cos()) and calls == ["setup"]
    assert torch.autograd.gradcheck(scaled_sin, (torch.rand(3, dtype=torch.float64, requires_grad=True),))
    assert not scaled_sin(x.detach()).requires_grad
    assert scaled_sin._schema == "scaled_sin(Tensor x, float scale=2.0) -> Tensor"
    with pytest.raises(ValueError, match="namespace::name"):
        torch.library.custom_op("plain", scaled_sin._init_fn, mutates_args=())


def test_schemas() -> None:
    def f(x: torch.Tensor, n: int, y: Optional[torch.Tensor] = None, *, sizes: List[int]) -> None: ...  # noqa: UP006, UP045
    def g(x: torch.Tensor, n: dict[str, int]) -> torch.Tensor: ...  # type: ignore[empty-body]

    found = torch.library.infer_schema(f, mutates_args=["x"])
    assert found == "(Tensor(a0!) x, SymInt n, Tensor? y=None, *, SymInt[] sizes) -> ()"
    with pytest.raises(ValueError, match="Parameter n"):
        torch.library.infer_schema(g, mutates_args=())


def test_libraries() -> None:
    library = torch.library.Library("flambeau_lib", "DEF")
    assert library.define("f(Tensor x) -> Tensor") == "f"
    with pytest.raises(NotImplementedError, match="Could not run"):
        torch.ops.flambeau_lib.f(torch.zeros(1))
    library.impl("f", lambda x: x + 1, "CPU")
    assert torch.ops.flambeau_lib.f.default(torch.zeros(1)).item() == 1
    library.impl("f", lambda x: torch.ops.flambeau_lib.f(x) * 10, "Autograd")
    assert torch.ops.flambeau_lib.f(torch.zeros(1)).item() == 10
    torch.library.define("flambeau_lib::g", "(Tensor x) -> Tensor")
    torch.library.impl("flambeau_lib::g", "cpu", lambda x: -x)
    assert torch.ops.flambeau_lib.g(torch.ones(1)).item() == -1
    with pytest.raises(ValueError, match="reserved"):
        torch.library.Library("aten", "DEF")
