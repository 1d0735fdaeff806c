"""`Function`: what of it needs no PyTorch to compare with."""

from __future__ import annotations

from typing import Any

import pytest

import flambeau as torch


class Old(torch.autograd.Function):
    """The form that PyTorch had before 0.2."""

    def forward(self, x: Any) -> Any:  # type: ignore[override]
        return x * 2


def test_the_form_with_instances_is_refused() -> None:
    with pytest.warns(DeprecationWarning, match=r"Old\.apply"):
        old = Old()
    with pytest.raises(RuntimeError, match=r"static methods .* Old\.apply"):
        old(torch.ones(1))
