"""Texts of tensors. `printed.txt` has expressions and what PyTorch 2.13 prints for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import flambeau as torch
from flambeau.frontend.printing import get_printoptions, printoptions


@pytest.fixture(autouse=True)
def default_options() -> Iterator[None]:
    yield
    torch.set_printoptions(profile="default")


def _stored() -> list[tuple[str, str]]:
    """Expressions and texts; texts may have empty lines, so the file is split at the prompts."""
    text = (Path(__file__).parent / "printed.txt").read_text(encoding="utf-8")
    blocks = [b.partition("\n") for b in ("\n" + text).split("\n>>> ")[1:]]
    return [(expression, printed.rstrip("\n")) for expression, _, printed in blocks]


@pytest.mark.parametrize("expression, printed", _stored())
def test_stored(expression: str, printed: str) -> None:
    assert repr(eval(expression)) == printed


def test_precision() -> None:
    torch.set_printoptions(precision=2)
    assert str(torch.tensor([1.12345])) == "tensor([1.12])"
    torch.set_printoptions(precision=0)
    assert str(torch.tensor([1.5, 2.25])) == "tensor([2, 2])"


def test_summaries() -> None:
    torch.set_printoptions(threshold=5)
    assert str(torch.arange(10)) == "tensor([0, 1, 2,  ..., 7, 8, 9])"
    torch.set_printoptions(threshold=5, edgeitems=1)
    assert str(torch.arange(9).view(3, 3)) == (
        "tensor([[0,  ..., 2],\n        ...,\n        [6,  ..., 8]])"
    )
    torch.set_printoptions(threshold=5, edgeitems=0)
    assert str(torch.arange(10)) == "tensor([...], size=(10,))"
    assert str(torch.arange(10.0).view(2, 5)) == "tensor([...], size=(2, 5))"


def test_line_width() -> None:
    torch.set_printoptions(linewidth=20)
    assert str(torch.arange(6)) == "tensor([0, 1, 2, 3,\n        4, 5])"
    assert str(torch.ones(1, requires_grad=True)) == "tensor([1.],\n       requires_grad=True)"


def test_scientific_notation() -> None:
    torch.set_printoptions(sci_mode=True, precision=1)
    assert str(torch.tensor([1.0, 20.0])) == "tensor([1.0e+00, 2.0e+01])"
    torch.set_printoptions(precision=4)  # and sci_mode is back to None
    assert str(torch.tensor([1.0, 20.0])) == "tensor([ 1., 20.])"
    torch.set_printoptions(sci_mode=False)
    assert str(torch.tensor([1.5, 2e9])) == "tensor([         1.5000, 2000000000.0000])"


def test_profiles_and_contexts() -> None:
    before = get_printoptions()
    with printoptions(profile="short", sci_mode=False):
        assert get_printoptions() == {
            "precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80, "sci_mode": False,
        }  # fmt: skip
        assert "..." in str(torch.arange(1001))
    assert get_printoptions() == before
    with printoptions(profile="full"):
        assert "..." not in str(torch.arange(1001))


def test_default_dtype() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        assert str(torch.ones(1)) == "tensor([1.])"
        assert str(torch.ones(1, dtype=torch.float32)) == "tensor([1.], dtype=torch.float32)"
        assert str(torch.tensor([1j])) == "tensor([0.+1.j])"
    finally:
        torch.set_default_dtype(torch.float32)


def test_subclasses() -> None:
    class Mine(torch.Tensor):
        pass

    class Weight(torch.nn.Parameter):
        pass

    assert repr(torch.ones(2).as_subclass(Mine)) == "Mine([1., 1.])"
    assert repr(Weight(torch.ones(1))) == (
        "Parameter containing:\nParameter(Weight([1.], requires_grad=True))"
    )
    assert torch.ones(2).__repr__(tensor_contents="[...]") == "tensor([...])"
