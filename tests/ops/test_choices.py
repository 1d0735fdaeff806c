"""where, masked_fill and clamp."""

from __future__ import annotations

import math

import pytest

import flambeau as torch

X = [-2.0, -0.5, 0.5, 3.0]
MASK = [True, False, True, False]


def test_where() -> None:
    x, mask = torch.tensor(X), torch.tensor(MASK)
    assert torch.where(mask, x, 0).tolist() == [-2.0, 0.0, 0.5, 0.0]
    assert torch.where(mask, 1, x).tolist() == [1.0, -0.5, 1.0, 3.0]
    assert x.where(mask, -1).tolist() == [-2.0, -1.0, 0.5, -1.0]
    assert torch.where(mask[:, None], x, 0).shape == (4, 4)
    assert torch.where(mask, 1, 0).dtype is torch.int64
    assert torch.where(mask, 1.0, 0).dtype is torch.float32
    assert torch.where(mask, x, x.double()).dtype is torch.float64
    assert torch.where(mask.to(torch.uint8), x, 0).tolist() == [-2.0, 0.0, 0.5, 0.0]
    assert torch.where(mask, torch.tensor([1], dtype=torch.int8), 300).tolist() == [1, 44, 1, 44]


def test_where_with_the_condition_alone() -> None:
    (index,) = torch.where(torch.tensor(MASK))
    assert index.tolist() == [0, 2]
    with pytest.raises(TypeError):
        torch.where(torch.tensor(MASK), torch.tensor(X))


def test_where_wants_a_mask() -> None:
    with pytest.raises(RuntimeError, match="boolean"):
        torch.where(torch.tensor(X), 1, 0)
    with pytest.raises(RuntimeError):
        torch.where(torch.tensor(MASK), torch.ones(3), 0)


def test_where_keeps_nan_out_of_gradients() -> None:
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    torch.where(x > 0, x * 2, 0).sum().backward()
    assert x.grad.tolist() == [0.0, 2.0]


def test_masked_fill() -> None:
    x, mask = torch.tensor(X), torch.tensor(MASK)
    assert x.masked_fill(mask, 9).tolist() == [9.0, -0.5, 9.0, 3.0]
    assert x.masked_fill(mask, torch.tensor(9)).tolist() == [9.0, -0.5, 9.0, 3.0]
    assert torch.tensor([1, 2]).masked_fill(torch.tensor([True, False]), 2.7).tolist() == [2, 2]
    assert torch.tensor(1.0).masked_fill(mask, 2).tolist() == [2.0, 1.0, 2.0, 1.0]
    x.masked_fill_(mask, -math.inf)
    assert x.tolist() == [-math.inf, -0.5, -math.inf, 3.0]
    with pytest.raises(RuntimeError, match="boolean"):
        x.masked_fill(x, 1)
    with pytest.raises(RuntimeError, match="0-dimensional"):
        x.masked_fill(mask, x)
    with pytest.raises(RuntimeError, match="broadcast"):
        x.masked_fill_(torch.ones(2, 4) > 0, 1)
    with pytest.raises(RuntimeError, match="complex"):
        x.masked_fill(mask, 1j)


def test_gradient_of_masked_fill() -> None:
    x = torch.tensor(X, requires_grad=True)
    value = torch.tensor(2.0, requires_grad=True)
    x.masked_fill(torch.tensor(MASK), value).sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 0.0, 1.0]
    assert value.grad.item() == 2.0


def test_clamp() -> None:
    x = torch.tensor(X)
    assert x.clamp(-1, 1).tolist() == [-1.0, -0.5, 0.5, 1.0]
    assert x.clamp(min=0).tolist() == [0.0, 0.0, 0.5, 3.0]
    assert x.clip(max=0).tolist() == [-2.0, -0.5, 0.0, 0.0]
    assert x.clamp(1, -1).tolist() == [-1.0] * 4
    assert x.clamp(torch.zeros(4), torch.tensor(1.0)).tolist() == [0.0, 0.0, 0.5, 1.0]
    assert torch.clamp_min(x, 0).tolist() == [0.0, 0.0, 0.5, 3.0]
    assert torch.tensor([1, 5]).clamp(max=2.5).dtype is torch.float32
    assert torch.tensor([1, 5], dtype=torch.int8).clamp(2, 4).tolist() == [2, 4]
    assert torch.clamp(torch.tensor([math.nan]), 0, 1).isnan().item()
    assert x.clamp_(0, 1) is x and x.tolist() == [0.0, 0.0, 0.5, 1.0]


def test_clamp_refuses() -> None:
    x = torch.tensor(X)
    with pytest.raises(RuntimeError, match="min"):
        x.clamp()
    with pytest.raises(TypeError, match="two numbers or two tensors"):
        x.clamp(x, 1)
    with pytest.raises(NotImplementedError):
        torch.tensor([1j]).clamp(0, 1)


def test_gradient_of_clamp_includes_the_bounds() -> None:
    x = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0], requires_grad=True)
    y = x.clamp(-1, 1)
    y.sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]
    assert y.grad_fn.name() == "ClampBackward1"


def test_out() -> None:
    out = torch.empty(4)
    assert torch.clamp(torch.tensor(X), 0, 1, out=out) is out
    assert out.tolist() == [0.0, 0.0, 0.5, 1.0]
    torch.where(torch.tensor(MASK), torch.tensor(X), torch.zeros(4), out=out)
    assert out.tolist() == [-2.0, 0.0, 0.5, 0.0]
