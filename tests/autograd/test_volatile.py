"""PyTorch 0.3's Variable and its volatile mode."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import flambeau as torch
from flambeau.autograd import Variable


def _volatile(*values: float) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Variable(torch.tensor(values), volatile=True)


def test_volatile_spreads_and_builds_no_graph() -> None:
    w = torch.ones(2, requires_grad=True)
    v = _volatile(1.0, 2.0)
    for y in (v * w, w * v, v + 1, torch.cat([w, v]), v.view(2, 1), v.exp().sum(), w.matmul(v),
              v[0], v.split(1)[1]):  # fmt: skip
        assert y.volatile and not y.requires_grad and y.grad_fn is None
    assert not (w * w).volatile


def test_volatile_spreads_by_writing() -> None:
    v = _volatile(1.0, 2.0)
    y = torch.ones(2)
    y.mul_(v)
    assert y.volatile


def test_volatile_warns_and_excludes_requires_grad() -> None:
    with pytest.warns(DeprecationWarning, match="volatile"):
        Variable(torch.ones(2), volatile=True)
    with pytest.raises(ValueError, match="volatile and require_grad"):
        Variable(torch.ones(2), requires_grad=True, volatile=True)


def test_backward_of_a_volatile_result() -> None:
    w = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        (w * _volatile(1.0, 2.0)).sum().backward()


def test_data_is_not_volatile() -> None:
    assert not _volatile(1.0).data.volatile
    assert not _volatile(1.0).detach().volatile


def test_a_variable_is_a_tensor() -> None:
    x = torch.ones(2)
    v = Variable(x, requires_grad=True)
    assert isinstance(v, torch.Tensor) and isinstance(x, Variable) and v is not x
    v.data[0] = 5
    assert x.tolist() == [5.0, 1.0]
    (v * v).sum().backward()
    assert v.grad.data.tolist() == [10.0, 2.0]
    with pytest.raises(TypeError, match="Variable data has to be a tensor"):
        Variable(3.0)


def test_one_elements_data_is_indexed() -> None:
    loss = (torch.ones(3, requires_grad=True) * 2).sum()
    with pytest.warns(DeprecationWarning):
        assert loss.data[0] == 6.0
