"""Joining, copying, filling."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch


def test_cat_promotes_and_skips_empty_vectors() -> None:
    a, b = torch.tensor([[1, 2]]), torch.tensor([[0.5, 1.5]])
    assert torch.cat([a, b]).dtype is torch.float32
    assert torch.cat([torch.zeros(0), b], 1).shape == (1, 2)
    assert torch.cat([a, a], axis=1).tolist() == torch.concat((a, a), -1).tolist() == [[1, 2, 1, 2]]


def test_cat_and_stack_refuse_what_does_not_fit() -> None:
    with pytest.raises(RuntimeError, match=r"cat\(\): .*dimension 0.*3.*2.*number 1.*\[1, 3\]"):
        torch.cat([torch.ones(1, 3), torch.ones(1, 2)])
    with pytest.raises(RuntimeError, match=r"cat\(\): zero-dimensional.*position 1"):
        torch.cat([torch.ones(1), torch.ones(())])
    with pytest.raises(ValueError, match=r"cat\(\): .*non-empty"):
        torch.cat([])
    with pytest.raises(TypeError, match=r"cat\(\): .*Tensor as element 1.*int"):
        torch.cat([torch.ones(1), 1])
    with pytest.raises(RuntimeError, match=r"stack\(\): .*\[2\].*\[3\] at entry 1"):
        torch.stack([torch.ones(2), torch.ones(3)])
    with pytest.raises(TypeError, match=r"stack\(\): .*tuple of Tensors"):
        torch.stack(torch.ones(2))


def test_flatten_and_unflatten() -> None:
    x = torch.arange(24).reshape(2, 3, 4)
    assert x.flatten(1).shape == (2, 12) and x.flatten(-2).shape == (2, 12)
    assert x.flatten(1).unflatten(1, (3, -1)).tolist() == x.tolist()
    assert torch.tensor(3).flatten().shape == (1,)
    with pytest.raises(RuntimeError, match=r"unflatten.*\[2, 2\].*\(3\)"):
        x.unflatten(1, (2, 2))
    with pytest.raises(RuntimeError, match="flatten.*start_dim"):
        x.flatten(2, 1)


def test_ravel_gives_contiguous_memory() -> None:
    x = torch.arange(6).reshape(2, 3)
    assert x.ravel()._is_view()
    assert x.t().ravel().tolist() == [0, 3, 1, 4, 2, 5]


def test_fill_takes_what_the_dtype_holds() -> None:
    x = torch.zeros(2, dtype=torch.uint8)
    assert x.fill_(-1).tolist() == [255, 255]
    with pytest.raises(RuntimeError, match=r"fill.*300.*uint8"):
        x.fill_(300)
    with pytest.raises(RuntimeError, match="fill"):
        torch.zeros(2).fill_(1 + 2j)
    with pytest.raises(RuntimeError, match=r"fill.*0-dim"):
        x.fill_(torch.ones(2))
    assert torch.zero_(x).tolist() == [0, 0]


def test_copies_wait_for_a_write() -> None:
    x = torch.arange(3.0)
    y = x.clone()
    x[0] = 9
    assert y.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(x.numpy(), [9, 1, 2])
