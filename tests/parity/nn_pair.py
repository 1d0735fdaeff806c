"""The same calls with PyTorch and with flambeau, and comparing what comes out."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

import flambeau
import flambeau.nn
from tests.nn.support import array

SIDES = (torch, flambeau)


def close(ours: Any, theirs: Any, what: str, rtol: float = 1e-6, atol: float = 1e-8) -> None:
    """Same dtype and shape, nearly the same numbers."""
    assert str(ours.dtype).split(".")[-1] == str(theirs.dtype).split(".")[-1], what
    np.testing.assert_allclose(array(ours), array(theirs), rtol=rtol, atol=atol, err_msg=what)


def all_close(ours: dict[str, list[Any]], theirs: dict[str, list[Any]]) -> None:
    """The same for all tensors of two results."""
    for name, expected in theirs.items():
        assert len(ours[name]) == len(expected), name
        for k, (mine, other) in enumerate(zip(ours[name], expected, strict=True)):
            assert (mine is None) == (other is None), f"{name} {k}"
            if mine is not None:
                close(mine, other, f"{name} {k}")


def same_bits(ours: Any, theirs: Any, what: str) -> None:
    a, b = array(ours), array(theirs)
    assert a.dtype == b.dtype, what
    assert a.shape == b.shape, what
    np.testing.assert_array_equal(a, b, err_msg=what)


def outcome(call: Any) -> str:
    """The type of what a call raises, or "fine"; and the warnings' categories."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            call()
            result = "fine"
        except Exception as error:
            result = type(error).__name__
    categories = sorted({each.category.__name__ for each in caught})
    return f"{result} {categories}"
