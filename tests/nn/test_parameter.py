"""`Parameter` and `Buffer`."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn


def test_shares_memory_and_is_a_leaf() -> None:
    data = torch.ones(3)
    p = nn.Parameter(data)
    data[0] = 5
    assert p.tolist() == [5, 1, 1]
    assert p.is_leaf and p.requires_grad and isinstance(p, torch.Tensor)
    assert not nn.Parameter(torch.ones(1), requires_grad=False).requires_grad
    assert tuple(nn.Parameter().shape) == (0,)


def test_of_a_result_is_detached() -> None:
    p = nn.Parameter(nn.Parameter(torch.ones(2)) * 3)
    assert p.is_leaf and p.grad_fn is None


def test_results_are_plain_tensors() -> None:
    p = nn.Parameter(torch.ones(2))
    for result in (p + 1, p[0], p.detach(), p.clone(), p.view(2, 1), p.data):
        assert type(result) is torch.Tensor


def test_optimizes() -> None:
    p = nn.Parameter(torch.tensor([1.0, 2.0]))
    (p * p).sum().backward()
    np.testing.assert_allclose(p.grad.numpy(), [2, 4])
    with torch.no_grad():
        p -= 0.5 * p.grad
    assert type(p) is nn.Parameter and p.tolist() == [0, 0]


def test_wrong_data() -> None:
    with pytest.raises(AttributeError, match="torch.tensor"):
        nn.Parameter([1.0])  # type: ignore[arg-type]
    with pytest.raises(RuntimeError):
        nn.Parameter(torch.tensor([1]))
    assert not nn.Parameter(torch.tensor([1]), requires_grad=False).requires_grad


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies(copied: object) -> None:
    p = nn.Parameter(torch.ones(2), requires_grad=False)
    p.note = "kept"
    other = copied(p)  # type: ignore[operator]
    other[0] = 7
    assert type(other) is nn.Parameter and not other.requires_grad
    assert p.tolist() == [1, 1]
    buffer = copied(nn.Buffer(torch.ones(1), persistent=False))  # type: ignore[operator]
    assert isinstance(buffer, nn.Buffer) and not buffer.persistent


def test_pickle_keeps_attributes() -> None:
    p = nn.Parameter(torch.ones(2))
    p.note = "kept"
    assert pickle.loads(pickle.dumps(p)).note == "kept"


def test_repr() -> None:
    assert repr(nn.Parameter(torch.ones(2), requires_grad=False)).startswith(
        "Parameter containing:\ntensor(["
    )
