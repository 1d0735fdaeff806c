"""Flips, rolls, turns, repeats against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch

A = np.arange(12.0).reshape(3, 4)
X = torch.tensor(A)


def test_against_numpy() -> None:
    for ours, theirs in (
        (X.flip(0, 1), np.flip(A)),
        (X.fliplr(), np.fliplr(A)),
        (X.roll((1, -2), (0, 1)), np.roll(A, (1, -2), (0, 1))),
        (X.roll(5), np.roll(A, 5)),
        (X.rot90(3), np.rot90(A, 3)),
        (X.repeat(2, 1, 2), np.tile(A, (2, 1, 2))),
        (X.tile(2), np.tile(A, 2)),
        (X.repeat_interleave(2, 1), np.repeat(A, 2, 1)),
        (X.repeat_interleave(torch.tensor([2, 0, 1]), 0), np.repeat(A, [2, 0, 1], 0)),
    ):
        np.testing.assert_array_equal(ours.numpy(), theirs)


def test_counts_alone() -> None:
    assert torch.repeat_interleave(torch.tensor([1, 0, 2])).tolist() == [0, 2, 2]


def test_unravel_index() -> None:
    places = torch.tensor([[7, 11], [0, 5]])
    for ours, theirs in zip(torch.unravel_index(places, (3, 4)), np.unravel_index(places.numpy(), (3, 4)), strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs)
    with pytest.raises(TypeError, match="integer"):
        torch.unravel_index(torch.ones(1), (2,))


def test_wrong_calls() -> None:
    for call, text in (
        (lambda: X.repeat(2), r"repeat\(\): .*\[2\].*\[3, 4\]"),
        (lambda: X.repeat(-1, 1), r"repeat\(\): .*negative"),
        (lambda: X.roll((1, 2), 0), r"roll\(\): .*2, dims:1"),
        (lambda: X.rot90(1, (0, -2)), r"rot90\(\): .*dim1 = -2"),
        (lambda: torch.ones(3).fliplr(), "fliplr.*2-d"),
        (lambda: X.repeat_interleave(-1), "negative"),
        (lambda: X.repeat_interleave(torch.tensor([1, 2]), 0), r"2 and input.size\(0\) = 3"),
        (lambda: X.flip(0, 0), r"flip\(\): .*multiple"),
    ):
        with pytest.raises(RuntimeError, match=text):
            call()
