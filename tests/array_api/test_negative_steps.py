"""Slices with negative steps, which the standard has and PyTorch refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import array_api as xp

X = np.arange(24.0).reshape(2, 4, 3)


@pytest.mark.parametrize("index", [
    slice(None, None, -1), slice(3, 0, -2), (0, slice(None, None, -1), slice(4, 1, -2)),
    (Ellipsis, slice(None, None, -1)), (slice(0, 9, -1),),
])  # fmt: skip
def test_they_are_copies(index: Any) -> None:
    assert xp.asarray(X)[index].tolist() == X[index].tolist()
    mine, theirs = xp.asarray(X, copy=True), X.copy()
    mine[index] = 7.0
    theirs[index] = 7.0
    assert mine.tolist() == theirs.tolist()


def test_assignment_is_turned_round_and_broadcast() -> None:
    x = xp.asarray(X, copy=True)
    x[:, ::-1, :] = xp.reshape(xp.arange(4.0, dtype=xp.float64), (4, 1))
    assert x[0, :, 0].tolist() == [3, 2, 1, 0]
    with pytest.raises(RuntimeError, match="cannot be broadcast"):
        x[::-1] = xp.ones(2, dtype=xp.float64)


def test_tensors_refuse_them() -> None:
    with pytest.raises(ValueError, match="flip"):
        torch.ones(3)[::-1]
