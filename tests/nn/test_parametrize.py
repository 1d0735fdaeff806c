"""`nn.utils.parametrize` and `nn.utils.parametrizations`."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn
from flambeau.nn.utils import parametrizations, parametrize


class Symmetric(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.triu() + x.triu(1).mT

    def right_inverse(self, x: torch.Tensor) -> torch.Tensor:
        return x.triu()


class Pair(nn.Module):
    """A matrix as a product of two."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a @ b

    def right_inverse(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x.clone(), torch.eye(x.size(-1))


def symmetric() -> Any:
    torch.manual_seed(0)
    return parametrize.register_parametrization(nn.Linear(3, 3), "weight", Symmetric())


def test_names_and_text() -> None:
    layer = symmetric()
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    assert type(layer).__name__ == "ParametrizedLinear"
    assert isinstance(layer, nn.Linear)
    assert parametrize.type_before_parametrizations(layer) is nn.Linear
    assert parametrize.is_parametrized(layer)
    assert not parametrize.is_parametrized(layer, "bias")


def test_an_optimizer_keeps_the_property() -> None:
    layer = nn.Linear(3, 3)
    held = layer.weight
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert layer.parametrizations.weight.original is held
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    before = layer.weight.detach().clone()
    layer(torch.ones(2, 3)).square().sum().backward()
    optimizer.step()
    assert not torch.equal(layer.weight, before)
    assert torch.equal(layer.weight, layer.weight.mT)


def test_assigning_goes_through_the_inverse() -> None:
    layer = symmetric()
    wanted = torch.tensor([[1.0, 2, 3], [2, 4, 5], [3, 5, 6]])
    layer.weight = wanted
    assert torch.equal(layer.weight, wanted)
    assert torch.equal(layer.parametrizations.weight.original, wanted.triu())
    with pytest.raises(RuntimeError, match="right_inverse"):
        parametrize.register_parametrization(nn.Linear(2, 2), "weight", nn.ReLU()).weight = wanted


def test_several_originals() -> None:
    layer = parametrize.register_parametrization(nn.Linear(3, 3), "weight", Pair())
    assert [n for n, _ in layer.named_parameters()] == [
        "bias", "parametrizations.weight.original0", "parametrizations.weight.original1",
    ]  # fmt: skip
    layer.weight = torch.ones(3, 3)
    assert layer.weight.tolist() == [[1.0] * 3] * 3
    layer.weight.sum().backward()
    assert layer.parametrizations.weight.original1.grad.tolist() == [[3.0] * 3] * 3
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear
    assert isinstance(layer.weight, nn.Parameter)


def test_cached_computes_once() -> None:
    calls = []

    class Counting(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            calls.append(1)
            return x * 2

    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Counting())
    calls.clear()
    with parametrize.cached():
        assert layer.weight is layer.weight
        with parametrize.cached():
            assert layer.weight is layer.weight
    assert len(calls) == 1
    assert layer.weight is not layer.weight


def test_copies_but_does_not_pickle() -> None:
    layer = symmetric()
    twin = copy.deepcopy(layer)
    assert torch.equal(twin.weight, layer.weight)
    twin.parametrizations.weight.original.data.zero_()
    assert not torch.equal(twin.weight, layer.weight)
    with pytest.raises(RuntimeError, match="state_dict"):
        pickle.dumps(layer)


def test_shape_and_dtype_must_stay() -> None:
    class Halved(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:1]

    with pytest.raises(ValueError, match="may not change the shape"):
        parametrize.register_parametrization(nn.Linear(2, 2), "weight", Halved())
    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Halved(), unsafe=True)
    assert layer.weight.shape == (1, 2)
    with pytest.raises(ValueError, match="does not have a parameter"):
        parametrize.register_parametrization(nn.Linear(2, 2), "nothing", Halved())


def test_buffers_can_be_parametrized() -> None:
    norm = parametrize.register_parametrization(nn.BatchNorm1d(2), "running_var", nn.Softplus())
    assert "parametrizations.running_var.original" in dict(norm.named_buffers())
    np.testing.assert_allclose(norm.running_var.numpy(), [np.log1p(np.e)] * 2, rtol=1e-6)


@pytest.mark.parametrize("way", ["matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4)])
def test_orthogonal(way: str, shape: tuple[int, int]) -> None:
    layer = parametrizations.orthogonal(nn.Linear(*shape).double(), orthogonal_map=way)
    for _ in range(2):
        w = layer.weight.detach().numpy()
        small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
        np.testing.assert_allclose(small, np.eye(min(shape)), atol=1e-9)
        layer.weight.sin().sum().backward()
        with torch.no_grad():
            original = layer.parametrizations.weight.original
            if way != "householder" or shape[0] != shape[1]:
                original -= 0.1 * original.grad
    wanted = torch.linalg.qr(torch.randn(max(shape), min(shape), dtype=torch.float64)).Q
    wanted = wanted if wanted.shape == layer.weight.shape else wanted.mT
    layer.weight = wanted
    np.testing.assert_allclose(layer.weight.detach().numpy(), wanted.numpy(), atol=1e-9)


def test_weight_norm_is_length_and_direction() -> None:
    layer = parametrizations.weight_norm(nn.Linear(3, 2))
    w = layer.weight.detach().numpy()
    length = layer.parametrizations.weight.original0
    np.testing.assert_allclose(length.detach().numpy()[:, 0], np.linalg.norm(w, axis=1), rtol=1e-6)
    length.data.fill_(2.0)
    w = layer.weight.detach().numpy()
    np.testing.assert_allclose(np.linalg.norm(w, axis=1), [2, 2], rtol=1e-6)


def test_spectral_norm_is_one() -> None:
    torch.manual_seed(0)
    layer = parametrizations.spectral_norm(nn.Conv2d(3, 4, 2), n_power_iterations=5)
    for _ in range(10):
        w = layer.weight.detach().numpy()
    assert abs(np.linalg.norm(w.reshape(4, -1), 2) - 1) < 1e-3
    u = layer.parametrizations.weight[0]._u.clone()
    layer.eval()
    assert layer.weight is not None
    assert torch.equal(layer.parametrizations.weight[0]._u, u)
