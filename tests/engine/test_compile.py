"""`torch.compile` takes what PyTorch's takes and changes nothing."""

from __future__ import annotations

import pytest

import flambeau as torch
from flambeau import nn


def test_a_module_comes_back_and_does_the_same() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    x = torch.ones(5, 3)
    before = net(x)
    compiled = torch.compile(net, mode="max-autotune", fullgraph=True, dynamic=False)
    assert isinstance(compiled, nn.Module)
    assert list(compiled.state_dict()) == list(net.state_dict())
    assert torch.equal(compiled(x), before)
    compiled(x).sum().backward()
    assert net[0].weight.grad is not None
    net.compile()
    assert torch.equal(net(x), before)


def test_functions_and_decorators() -> None:
    def double(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    decorated = torch.compile(backend="inductor")(double)
    assert decorated(torch.ones(2)).tolist() == [2, 2]
    assert torch.compile(double)(torch.ones(2)).tolist() == [2, 2]
    assert torch.compiler.compile(double)(torch.ones(2)).tolist() == [2, 2]


def test_what_can_not_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match="compile"):
        torch.compile(3)  # type: ignore[arg-type]
