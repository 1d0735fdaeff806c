"""Modules as functions: functional_call, ensembles, batch norm inside of vmap."""

from __future__ import annotations

import pytest

import flambeau as torch
from flambeau import nn
from flambeau.func import (
    functional_call,
    functionalize,
    grad,
    replace_all_batch_norm_modules_,
    stack_module_state,
    vmap,
)


def test_functional_call_puts_everything_back() -> None:
    net = nn.Linear(2, 1)
    before = net.weight
    given = {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}
    assert functional_call(net, given, (torch.ones(3, 2),)).tolist() == [[2.0]] * 3
    assert net.weight is before
    with pytest.raises(RuntimeError):
        functional_call(net, given, (torch.ones(3, 5),))
    assert net.weight is before


def test_tied_weights() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(2, 2, bias=False)
            self.b = nn.Linear(2, 2, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.b(self.a(x))

    net, x = Tied(), torch.ones(1, 2)
    new = torch.eye(2) * 3
    assert functional_call(net, {"a.weight": new}, x).tolist() == [[9.0, 9.0]]
    functional_call(net, {"a.weight": new}, x, tie_weights=False)
    with pytest.raises(ValueError, match="tied"):
        functional_call(net, {"a.weight": new, "b.weight": torch.eye(2)}, x)


def test_names_are_checked() -> None:
    net = nn.Linear(2, 1)
    with pytest.raises(RuntimeError, match="Missing"):
        functional_call(net, {"weight": torch.ones(1, 2)}, torch.ones(1, 2), strict=True)
    with pytest.raises(ValueError, match="multiple dictionaries"):
        functional_call(net, ({"bias": torch.ones(1)}, {"bias": torch.ones(1)}), torch.ones(1, 2))


def test_an_ensemble() -> None:
    nets = [nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)) for _ in range(3)]
    parameters, buffers = stack_module_state(nets)
    assert all(p.requires_grad and p.is_leaf for p in parameters.values())
    x = torch.randn(5, 3)

    def call(p: dict, b: dict, x: torch.Tensor) -> torch.Tensor:
        return functional_call(nets[0], (p, b), (x,))

    found = vmap(call, in_dims=(0, 0, None))(parameters, buffers, x)
    assert torch.allclose(found, torch.stack([net(x) for net in nets]), atol=1e-6)


def test_per_sample_gradients_of_a_network() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.GroupNorm(3, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
                        nn.Linear(12, 3), nn.LayerNorm(3))  # fmt: skip
    x, y = torch.randn(4, 2, 6, 6), torch.tensor([0, 2, 1, 1])
    parameters = {name: p.detach() for name, p in net.named_parameters()}

    def loss(p: dict, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(functional_call(net, p, (x[None],)), y[None])

    found = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, x, y)
    for i in range(4):
        net.zero_grad()
        nn.functional.cross_entropy(net(x[i : i + 1]), y[i : i + 1]).backward()
        for name, p in net.named_parameters():
            assert torch.allclose(found[name][i], p.grad, atol=1e-5), name


def test_batch_norm_in_vmap() -> None:
    net = nn.Sequential(nn.BatchNorm1d(3))
    x = torch.randn(2, 4, 3)
    with pytest.raises(RuntimeError, match="vmap"):
        vmap(net)(x)
    replace_all_batch_norm_modules_(net)
    found = vmap(net)(x)
    assert torch.allclose(found[1], net(x[1]), atol=1e-5)


def test_functionalize_is_the_function() -> None:
    assert functionalize(lambda x: x.clone().add_(1))(torch.ones(2)).tolist() == [2.0, 2.0]
