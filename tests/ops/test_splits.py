"""Parts of a tensor: sizes, views, wrong calls."""

from __future__ import annotations

from typing import Any

import pytest

import flambeau as torch


def sizes(parts: Any) -> list[int]:
    return [len(p) for p in parts]


def test_split_chunk_and_tensor_split_differ_in_the_sizes() -> None:
    x = torch.arange(7)
    assert sizes(x.split(3)) == [3, 3, 1]
    assert sizes(x.chunk(3)) == [3, 3, 1]
    assert sizes(x.chunk(5)) == [2, 2, 2, 1]
    assert sizes(x.tensor_split(3)) == [3, 2, 2]
    assert sizes(x.tensor_split((2, -1))) == [2, 4, 1]
    assert sizes(x.split([4, 0, 3])) == [4, 0, 3]
    assert sizes(x[:0].chunk(3)) == [0, 0, 0]


def test_parts_are_views() -> None:
    x = torch.zeros(2, 6)
    for part in (*x.split(2, 1), *x.chunk(2, 1), *x.tensor_split(3, 1), *x.unbind()):
        part.add_(1)
    assert (x == 4).all()
    for part in torch.unsafe_split(x, 2, 1):
        part.zero_()
    assert (x == 4).all()


def test_gradients_of_parts_meet() -> None:
    x = torch.arange(6.0).requires_grad_()
    a, _, c = x.split(2)
    (a.sum() * 2 + (c * c).sum()).backward()
    assert x.grad.tolist() == [2, 2, 0, 0, 8, 10]


def test_several_views_may_not_be_written_in_the_graph() -> None:
    x = torch.ones(4, requires_grad=True) * 1
    with pytest.raises(RuntimeError, match="multiple views"):
        x.split(2)[0].add_(1)


def test_wrong_calls() -> None:
    x = torch.ones(5, 2)
    with pytest.raises(RuntimeError, match=r"split_with_sizes\(\): .*5.*\[2, 2\]"):
        x.split([2, 2])
    with pytest.raises(RuntimeError, match=r"split\(\): .*split_size=-1"):
        x.split(-1)
    with pytest.raises(TypeError, match="split.*float"):
        x.split(2.5)
    with pytest.raises(RuntimeError, match="chunk.*0"):
        x.chunk(0)
    with pytest.raises(RuntimeError, match="hsplit.*2.*3"):
        torch.hsplit(x, 3)
    with pytest.raises(RuntimeError, match="dsplit.*3 dimension"):
        torch.dsplit(x, 1)
    with pytest.raises(IndexError, match="unbind"):
        torch.ones(()).unbind()
