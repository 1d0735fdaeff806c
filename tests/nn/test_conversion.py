"""Casting and moving whole modules."""

from __future__ import annotations

from typing import Any

import pytest

import flambeau as torch
from flambeau import nn


def dtypes(module: nn.Module) -> set[Any]:
    return {t.dtype for t in module.state_dict().values()}


@pytest.mark.parametrize(
    ("cast", "expected"),
    [
        (lambda m: m.double(), torch.float64),
        (lambda m: m.half(), torch.float16),
        (lambda m: m.bfloat16(), torch.bfloat16),
        (lambda m: m.to(torch.float64), torch.float64),
        (lambda m: m.to("cpu", torch.float64), torch.float64),
        (lambda m: m.to(device="cpu", dtype=torch.float16), torch.float16),
        (lambda m: m.to(torch.ones(1, dtype=torch.float64)), torch.float64),
        (lambda m: m.double().float(), torch.float32),
        (lambda m: m.cpu(), torch.float32),
    ],
)
def test_casts_floats_alone(cast: Any, expected: Any) -> None:
    norm = nn.BatchNorm1d(2)
    weight = norm.weight
    assert cast(norm) is norm
    assert dtypes(norm) == {expected, torch.int64}
    assert norm.weight is weight and weight.dtype == expected and weight.requires_grad


def test_gradients_follow() -> None:
    layer = nn.Linear(2, 1)
    layer(torch.ones(1, 2)).sum().backward()
    layer.double()
    assert layer.weight.grad.dtype == torch.float64 and layer.weight.grad.tolist() == [[1, 1]]
    layer(torch.ones(1, 2).double()).sum().backward()
    assert layer.weight.grad.tolist() == [[2, 2]]


def test_type_casts_everything() -> None:
    norm = nn.BatchNorm1d(2).type(torch.float64)
    assert dtypes(norm) == {torch.float64}


def test_to_empty_keeps_shapes() -> None:
    layer = nn.Linear(2, 3).to_empty(device="cpu")
    assert tuple(layer.weight.shape) == (3, 2)


@pytest.mark.parametrize("args", [(torch.int32,), (1, 2, 3, 4, 5, 6), ([],)])
def test_wrong_arguments(args: Any) -> None:
    with pytest.raises(TypeError):
        nn.Linear(1, 1).to(*args)


def test_conversion_with_new_parameters() -> None:
    future = torch.__future__
    net = nn.Linear(2, 1)
    net(torch.ones(1, 2)).sum().backward()
    before = net.weight
    future.set_overwrite_module_params_on_conversion(True)
    try:
        net.double()
        after = net.weight
        future.set_swap_module_params_on_conversion(True)
        net.float()
    finally:
        future.set_overwrite_module_params_on_conversion(False)
        future.set_swap_module_params_on_conversion(False)
    assert (before.dtype, after.dtype) == (torch.float32, torch.float32)
    assert after is net.weight and after is not before and type(after) is nn.Parameter
    assert after.requires_grad and after.grad.tolist() == [[1.0, 1.0]]
    assert not future.get_overwrite_module_params_on_conversion()
