"""Views: shapes, strides and offsets, shared memory, layouts changed in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import flambeau as torch


def grid(*shape: int) -> Any:
    return torch.arange(int(np.prod(shape)), dtype=torch.float64).reshape(shape)


@pytest.mark.parametrize(
    ("view", "strides", "offset"),
    [
        (lambda x: x.permute(2, 0, 1), (1, 12, 4), 0),
        (lambda x: x.transpose(0, -1), (1, 4, 12), 0),
        (lambda x: x.select(1, -1), (12, 1), 8),
        (lambda x: x.narrow(2, 1, 2), (12, 4, 1), 1),
        (lambda x: x[:, ::2], (12, 8, 1), 0),
        (lambda x: x[2:], (12, 4, 1), 24),
        (lambda x: x.diagonal(1, 1, 2), (12, 5), 1),
        (lambda x: x.unfold(2, 2, 2), (12, 4, 2, 1), 0),
        (lambda x: x.unsqueeze(1), (12, 12, 4, 1), 0),
        (lambda x: x.view(6, 4), (4, 1), 0),
        (lambda x: x.expand(5, 2, 3, 4), (0, 12, 4, 1), 0),
        (lambda x: x.expand(1, 2, 3, 4), (24, 12, 4, 1), 0),
        (lambda x: x.as_strided((2, 2), (1, 3), 2), (1, 3), 2),
        (lambda x: x.movedim(0, -1), (4, 1, 12), 0),
    ],
)
def test_layouts(view: Callable[[Any], Any], strides: tuple[int, ...], offset: int) -> None:
    x = grid(2, 3, 4)
    v = view(x)
    assert (v.stride(), v.storage_offset()) == (strides, offset)
    v.fill_(-1.0) if 0 not in strides else x.view(-1)[offset:].fill_(-1.0)
    assert (v == -1).all()
    assert bool((x == -1).any()) == bool(v.numel())


def test_a_view_that_memory_does_not_allow() -> None:
    turned = grid(2, 3).t()
    with pytest.raises(RuntimeError, match=r"view.*\[6\].*\[3, 2\].*reshape"):
        turned.view(6)
    assert turned.reshape(6).tolist() == [0, 3, 1, 4, 2, 5]
    assert not turned.reshape(6)._is_view() and turned.reshape(3, 2, 1)._is_view()


def test_squeeze_takes_out_what_is_of_size_one() -> None:
    x = grid(1, 2, 1, 3)
    assert x.squeeze().shape == (2, 3)
    assert x.squeeze(0).shape == (2, 1, 3) and x.squeeze(1).shape == x.shape
    assert x.squeeze((0, 2)).shape == x.squeeze([0, -2]).shape == (2, 3)


def test_the_layout_of_a_tensor_itself() -> None:
    x = grid(2, 3)
    row = x[0]
    assert x.t_() is x and x.shape == (3, 2) and x.stride() == (1, 3) and x._version == 1
    row.fill_(7)
    assert x[:, 0].tolist() == [7, 7, 7]
    x.unsqueeze_(0).transpose_(0, 1).squeeze_()
    assert x.shape == (3, 2)


def test_gradients_find_their_way_through_a_changed_layout() -> None:
    leaf = grid(2, 3).requires_grad_()
    x = leaf * 1
    row = x[1]
    x.t_()
    row.mul_(2)
    x[0] = 0
    (x * x).sum().backward()
    assert leaf.grad.tolist() == [[0, 2, 4], [0, 32, 40]]
    with pytest.raises(RuntimeError, match="t_: a leaf"):
        leaf.t_()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: x.permute(0, 1), RuntimeError, r"permute\(\): .*3.*2"),
        (lambda x: x.permute(0, 0, 1), RuntimeError, r"permute\(\): .*multiple times"),
        (lambda x: x.transpose(0, 3), IndexError, r"transpose\(\): .*\[-3, 2\].*3"),
        (lambda x: x.t(), RuntimeError, r"t\(\): .*3D"),
        (lambda x: x.select(0, 5), IndexError, r"select\(\): index 5.*size 2"),
        (lambda x: x.narrow(0, 1, 2), RuntimeError, r"narrow\(\): start \(1\) \+ length \(2\).*2"),
        (lambda x: x.expand(4, 3, 4), RuntimeError, r"expand\(\): .*\(4\).*\(2\).*dimension 0"),
        (lambda x: x.view(5, 5), RuntimeError, r"view\(\): shape '\[5, 5\]'.*size 24"),
        (lambda x: x.reshape(-1, 5), RuntimeError, r"reshape\(\): shape '\[-1, 5\]'.*24"),
        (lambda x: x.view(), TypeError, "view"),
        (lambda x: x.unfold(0, 3, 1), RuntimeError, r"unfold\(\): .*2.*3"),
        (lambda x: x.diagonal(0, 1, -2), RuntimeError, r"diagonal\(\): .*identical"),
        (lambda x: x.movedim((0, 0), (1, 2)), RuntimeError, "movedim.*source"),
        (lambda x: x.as_strided((9, 9), (9, 1)), RuntimeError, "out of bounds"),
        (lambda x: x.unsqueeze(), TypeError, r"unsqueeze\(\) missing.*dim"),
        (lambda x: x.squeeze("a"), TypeError, r"squeeze\(\): .*str"),
    ],
)
def test_wrong_calls(call: Callable[[Any], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call(grid(2, 3, 4))


def test_a_layout_beyond_a_view_of_the_first_row_has_a_gradient() -> None:
    x = grid(2, 3).requires_grad_()
    taken = x[0].as_strided((2, 2), (1, 2), 1)
    assert taken.tolist() == [[1, 3], [2, 4]]
    taken.sum().backward()
    # PyTorch 2.13: what lies outside of the view that is laid out anew gets nothing
    assert x.grad.tolist() == [[0, 1, 1], [0, 0, 0]]
