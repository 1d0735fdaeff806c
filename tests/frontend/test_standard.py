"""The array API standard's arguments on functions of the main namespace."""

from __future__ import annotations

import inspect

import pytest

import flambeau as torch
from flambeau.frontend import standard

X = torch.arange(6).view(2, 3)


def test_keywords_that_only_the_standard_has() -> None:
    assert torch.flip(X, axis=1).tolist() == torch.flip(X, (1,)).tolist() == [[2, 1, 0], [5, 4, 3]]
    assert torch.roll(X, 1, axis=1).tolist() == torch.roll(X, 1, 1).tolist()
    assert torch.roll(X, shift=1).tolist() == torch.roll(X, 1).tolist()
    assert torch.count_nonzero(X, axis=0, keepdims=True).tolist() == [[1, 2, 2]]
    assert torch.take(X, torch.tensor([1]), axis=1).tolist() == [[1], [4]]
    assert torch.take(X, torch.tensor([4])).tolist() == [4]
    assert torch.tril(X, k=-1).tolist() == torch.tril(X, -1).tolist()
    assert torch.triu(X, k=1).tolist() == torch.triu(X, diagonal=1).tolist()
    assert torch.prod(X + 1, axis=(0, 1)).item() == 720
    assert torch.prod(X + 1, axis=1).tolist() == torch.prod(X + 1, 1).tolist() == [6, 120]
    assert torch.tensordot(X, X.T, axes=1).shape == (2, 2)
    assert torch.broadcast_to(X, shape=(1, 2, 3)).shape == (1, 2, 3)
    with pytest.raises(ValueError, match="copy"):
        torch.reshape(X.T, (6,), copy=False)
    assert torch.eye(2, 3, k=1).tolist() == [[0, 1, 0], [0, 0, 1]]
    assert torch.linspace(0, 1, num=4, endpoint=False).tolist() == [0, 0.25, 0.5, 0.75]
    assert torch.zeros(shape=(2,)).tolist() == [0, 0]
    assert torch.linalg.trace(X.double() @ X.T.double()).item() == 55


def test_signatures_show_them() -> None:
    for name, words in standard.WORDS.items():
        assert set(words) <= set(inspect.signature(getattr(torch, name)).parameters), name
    assert {"axis", "keepdims"} <= set(inspect.signature(torch.std).parameters)
