"""The array API standard's arguments on functions of the main namespace."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import flambeau as torch
from flambeau.frontend import standard
from tests.array_api.test_names import SIGNATURES

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


def test_calls_for_which_pytorch_raises() -> None:
    x = torch.tensor([[3.0, -1.0], [0.5, 2.0]])
    assert torch.equal(torch.clip(x), x) and torch.clip(x) is not x
    assert torch.clip(x, torch.zeros(()), 1).tolist() == [[1, 0], [0.5, 1]]
    assert torch.clip(x, max=0).tolist() == [[0, -1], [0, 0]]
    assert torch.max(x, axis=None).item() == torch.max(x, axis=(0, 1)).item() == 3
    assert torch.min(x, keepdims=True).tolist() == [[-1]]
    assert torch.max(x, axis=1).indices.tolist() == [0, 1]
    assert torch.flip(X).tolist() == [[5, 4, 3], [2, 1, 0]]
    assert torch.concat([X, X[:, :1]], axis=None).shape == (8,)
    assert torch.concat([X, X[:, :1]], axis=1).shape == (2, 4)
    assert torch.sign(torch.tensor([3 + 4j])).tolist() == [pytest.approx(0.6 + 0.8j)]
    assert torch.round(torch.tensor([0.5 + 1.5j])).tolist() == [2j]
    assert torch.full(2, 7).tolist() == torch.full(shape=(2,), fill_value=7).tolist() == [7, 7]
    assert torch.arange(1, stop=3).tolist() == [1, 2] and torch.arange(5, stop=2).tolist() == []
    assert torch.arange(2, None, 1).tolist() == [0, 1]
    with pytest.raises(RuntimeError, match="inconsistent with step sign"):
        torch.arange(5, 2)


def test_transforms_take_axes() -> None:
    z = torch.ones(2, 3)
    for name in ("fftn", "ifftn", "rfftn", "fftshift", "ifftshift"):
        function = getattr(torch.fft, name)
        assert torch.equal(function(z, axes=(0,)), function(z, dim=(0,))), name
        assert "axes" in inspect.signature(function).parameters


def test_dtypes() -> None:
    assert torch.result_type(torch.int8, torch.uint8) is torch.int16
    assert torch.result_type(X, torch.float32, 2.0) is torch.float32
    assert torch.result_type(X) is torch.int64
    assert torch.result_type(torch.ones(1, dtype=torch.int8), torch.tensor(1)) is torch.int8
    assert torch.can_cast(X, torch.float32) and not torch.can_cast(torch.ones(1), torch.int8)
    real, whole = torch.finfo(torch.ones(1, dtype=torch.complex64)), torch.iinfo(X)
    assert real.dtype == torch.float32 and real.dtype == "float32" and real.dtype != torch.float64
    assert whole.dtype == torch.int64 and isinstance(whole.dtype, str) and whole.max == 2**63 - 1


def test_signatures_show_them() -> None:
    for name, words in standard.WORDS.items():
        assert set(words) <= set(inspect.signature(getattr(torch, name)).parameters), name
    assert {"axis", "keepdims"} <= set(inspect.signature(torch.std).parameters)


def _stands(name: str, inside: str) -> None:
    """What the standard's test suite asks: names and kinds of what is not by keyword alone, in their
    places, and the keywords anywhere."""
    scope: dict[str, Any] = {}
    exec(f"def wanted({inside}: pass", scope)
    function: Any = torch
    for part in name.split("."):
        function = getattr(function, part)
    found = inspect.signature(function).parameters
    places = iter(found.values())
    for p in inspect.signature(scope["wanted"]).parameters.values():
        if p.kind is p.KEYWORD_ONLY:
            assert found[p.name].kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD), p
            continue
        place = next(places)
        if p.kind is p.POSITIONAL_ONLY:
            assert place.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD), p
        else:
            assert place.kind is p.kind and (place.name == p.name or p.kind is p.VAR_POSITIONAL), p


@pytest.mark.parametrize("text", SIGNATURES, ids=lambda text: text.partition("(")[0])
def test_signatures_are_the_standards(text: str) -> None:
    name, _, inside = text.partition("(")
    _stands(name, inside)
