"""Names of PyTorch that tensors lack, and what asking for names costs."""

from __future__ import annotations

import pytest

import flambeau as torch
from flambeau.frontend import lacking


def test_a_name_that_pytorch_has() -> None:
    x = torch.ones(2)
    name = min(lacking.names(torch.Tensor))
    with pytest.raises(AttributeError, match=f"torch.Tensor.{name}, flambeau lacks it so far"):
        getattr(x, name)
    with pytest.raises(AttributeError, match="flambeau lacks it so far"):
        getattr(torch.Tensor, name)
    assert not hasattr(x, name) and name not in dir(x) and "add_" in dir(x)


def test_a_name_that_nobody_has() -> None:
    with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'moon'"):
        torch.ones(2).moon  # noqa: B018


def test_what_there_is_is_not_hidden() -> None:
    assert not lacking.names(torch.Tensor) & {"add", "numpy", "sum", "backward"}


def test_attributes_are_read_the_short_way() -> None:
    """A `__getattr__` would make reading any attribute of a tensor slow."""
    assert not any("__getattr__" in cls.__dict__ for cls in torch.Tensor.__mro__)
