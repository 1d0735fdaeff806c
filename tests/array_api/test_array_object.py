"""The array object: indexing, assignment, Python's conversions, how it goes with tensors."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import flambeau as torch
import flambeau.array_api as xp

from . import support
from .support import ours, same

quick = settings(max_examples=60, deadline=None)


@quick
@given(data=st.data())
def test_reading_and_writing_through_an_index(data: Any) -> None:
    shape = data.draw(support.shapes())
    index = data.draw(hnp.basic_indices(shape, allow_newaxis=True))
    x = np.arange(np.prod(shape, dtype=int), dtype=np.int64).reshape(shape)
    t = ours(x)
    same(t[index], x[index])
    value = data.draw(st.sampled_from([7, np.arange(x[index].size).reshape(x[index].shape)]))
    t[index] = ours(value) if isinstance(value, np.ndarray) else value
    x[index] = value
    same(t, x)


@quick
@given(data=st.data())
def test_masks_and_integers(data: Any) -> None:
    x = data.draw(support.arrays(support.EVERY, min_side=1))
    mask = data.draw(hnp.arrays(bool, x.shape))
    same(ours(x)[ours(mask)], x[mask])
    t = ours(x)
    t[ours(mask)] = ours(np.zeros((), x.dtype))
    x[mask] = 0
    same(t, x)
    if x.ndim:
        kind = data.draw(st.sampled_from(support.INTEGRAL))
        at = data.draw(hnp.arrays(kind, 2, elements=st.integers(0, x.shape[0] - 1)))
        same(ours(x)[ours(at)], x[at.astype(np.int64)])
        same(ours(x)[ours(at), ...], x[at.astype(np.int64), ...])


def test_negative_steps_give_copies() -> None:
    x = xp.arange(6)
    y = x[::-2]
    y[0] = 100
    assert y.tolist() == [100, 3, 1] and x[5] == 5
    x[4:1:-1] = xp.asarray([40, 30, 20])
    assert x.tolist() == [0, 1, 20, 30, 40, 5]
    assert x[2:4:-1].shape == (0,)
    z = xp.reshape(xp.arange(6), (2, 3))
    same(z[::-1, None, 1], np.arange(6).reshape(2, 3)[::-1, None, 1])
    same(z[::-1, xp.asarray([0, 1])], np.arange(6).reshape(2, 3)[::-1, [0, 1]])


def test_basic_indices_give_views() -> None:
    x = xp.zeros((2, 3))
    x[1][0] = 1
    x[:, 1] += 2
    assert x.tolist() == [[0, 2, 0], [1, 2, 0]]
    assert [type(row) for row in x] == [xp.Array, xp.Array]


def test_conversions() -> None:
    assert bool(xp.asarray(3)) is True and int(xp.asarray(-2.7)) == -2
    assert float(xp.asarray(2, dtype=xp.uint64)) == 2.0 and complex(xp.asarray(2.0)) == 2 + 0j
    assert complex(xp.asarray(1 + 2j)) == 1 + 2j
    assert operator.index(xp.asarray(3, dtype=xp.uint8)) == 3 and "abc"[xp.asarray(1)] == "b"
    assert int(xp.asarray(2**64 - 1, dtype=xp.uint64)) == 2**64 - 1
    for wrong in (lambda: float(xp.asarray(1j)), lambda: operator.index(xp.asarray(1.0))):
        with pytest.raises((TypeError, RuntimeError)):
            wrong()


def test_operators_refuse_what_they_do_not_know() -> None:
    x = xp.ones(2)
    with pytest.raises(TypeError):
        x + "a"
    assert (x == "a") is False and (x != None) is True  # noqa: E711
    with pytest.raises(TypeError):
        object() @ x
    same(2 - x, 2 - np.ones(2, np.float32))
    same(2 ** xp.asarray([3]), np.asarray([8]))
    same(-x, -np.ones(2, np.float32))
    same(abs(-x), np.ones(2, np.float32))
    same(~xp.asarray([1, -1]), ~np.asarray([1, -1]))
    assert +x is x


def test_arrays_are_tensors_with_gradients() -> None:
    x = torch.ones(3, requires_grad=True)
    y = xp.sum(xp.multiply(x, xp.asarray([1.0, 2.0, 3.0])))
    assert isinstance(y, torch.Tensor)
    y.backward()
    assert x.grad.tolist() == [1.0, 2.0, 3.0]
    assert type(xp.asarray(x)) is xp.Array and type(x) is torch.Tensor
    z = xp.ones((2, 3))
    assert type(z.sum()) is torch.Tensor and z.size(1) == 3 and tuple(z.size()) == (2, 3)
    assert torch.nn.functional.relu(z).shape == (2, 3)
    assert repr(z[0]) == "tensor([1., 1., 1.])"
    assert type(xp.positive(torch.ones(1))) is xp.Array
    assert type(torch.ones(2) + z[0, :2]) is xp.Array


def test_transposes() -> None:
    x = xp.ones((2, 3, 4))
    assert x.mT.shape == (2, 4, 3)
    with pytest.raises(ValueError, match="2 dimensions"):
        x.T  # noqa: B018
