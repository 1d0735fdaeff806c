"""Padding against NumPy, and pixels and channels shuffled."""

from __future__ import annotations

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F

A = np.arange(24.0).reshape(1, 2, 3, 4)
X = torch.tensor(A)


@pytest.mark.parametrize(
    ("mode", "numpys"), [("constant", "constant"), ("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")]
)
def test_against_numpy(mode: str, numpys: str) -> None:
    want = np.pad(A, ((0, 0), (0, 0), (2, 1), (1, 3)), mode=numpys)  # type: ignore[call-overload]
    np.testing.assert_array_equal(F.pad(X, (1, 3, 2, 1), mode=mode).numpy(), want)


def test_negative_amounts_cut() -> None:
    assert F.pad(X, (-1, -2)).shape == (1, 2, 3, 1)
    assert F.pad(torch.arange(4.0), (-1, 1), value=9).tolist() == [1, 2, 3, 9]
    assert F.pad(torch.arange(4.0)[None], (-1, 1), mode="circular").tolist() == [[1, 2, 3, 1]]


def test_shuffles_undo_each_other() -> None:
    x = torch.arange(32.0).reshape(2, 4, 2, 2)
    assert torch.equal(torch.pixel_unshuffle(torch.pixel_shuffle(x, 2), 2), x)
    assert torch.equal(torch.channel_shuffle(torch.channel_shuffle(x, 2), 2), x)
    assert torch.pixel_shuffle(x, 2)[0, 0].tolist() == [[0, 4, 1, 5], [8, 12, 9, 13], [2, 6, 3, 7], [10, 14, 11, 15]]


def test_wrong_calls() -> None:
    for call, text in (
        (lambda: F.pad(X, (1,)), "pad.*divisible by 2"),
        (lambda: F.pad(X, (4, 0, 0, 0), mode="reflect"), r"pad\(\): .*\(4, 0\).*dimension 3.*\[1, 2, 3, 4\]"),
        (lambda: F.pad(X, (-3, -2)), r"pad\(\): .*4.*-3.*-2.*negative"),
        (lambda: F.pad(X, (1, 1), mode="reflect", value=1.0), "pad.*value"),
        (lambda: torch.pixel_shuffle(X, 2), r"pixel_shuffle\(\): .*=2.*4"),
        (lambda: torch.channel_shuffle(X, 3), r"channel_shuffle\(\): .*2 channels.*3 groups"),
    ):
        with pytest.raises(RuntimeError, match=text):
            call()
    with pytest.raises(NotImplementedError, match="zzz"):
        F.pad(X, (1, 1), mode="zzz")
