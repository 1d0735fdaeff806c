"""How values are shown in messages."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau.errors import brief, shown
from flambeau.nn import functional as F


class Broken:
    def __repr__(self) -> str:
        raise KeyError("broken")


def doubled(times: int) -> Any:
    """A tuple of `times` tuples, whose text has 2 ** times parts."""
    value: Any = (1,)
    for _ in range(times):
        value = (value, value)
    return value


ORDINARY = [
    None, True, 1, -2.5, 1 << 70, "it's", b"x", (), [], {}, (1,), (1, 2), [[1, 2], [3.0, None]],
    {"a": [1, (2,)], 3: {}}, {1, 2}, range(3), torch.float32, torch.Size([2]), np.float64(2),
    [torch.tensor([1.0])],
]  # fmt: skip


@pytest.mark.parametrize("value", ORDINARY, ids=repr)
def test_an_ordinary_value_is_shown_as_by_repr(value: Any) -> None:
    assert shown(value) == repr(value)
    assert shown(value, quoted=False) == str(value)


def test_a_hostile_value_is_shown_in_short() -> None:
    deep = functools.reduce(lambda inner, _: [inner], range(50_000), 1)
    inside: list[Any] = []
    inside.append(inside)
    assert shown(deep) == shown(inside) == "[" * 9 + "..." + "]" * 9
    assert len(shown(doubled(60))) < 2000 and len(brief(doubled(60))) < 100
    assert shown(10**5000) == "a number of 16610 bits"
    assert shown("x" * 2000) == "'" + "x" * 1000 + "'..."
    assert shown([1] * 300).endswith("1, 1, ...]")
    assert shown([Broken()]) == "[a Broken]"


def test_what_a_file_holds_is_shown_in_brief() -> None:
    assert brief((1, "a")) == "(1, 'a')"
    assert brief([[1], Broken()]) == "[[...], a Broken]"
    assert brief(list(range(9))) == "[0, 1, 2, 3, 4, 5, 6, 7, ...]"


def test_a_message_about_a_value_that_holds_itself() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValueError, match="not a valid value for reduction"):
        F.mse_loss(torch.ones(2), torch.ones(2), reduction=value)  # type: ignore[arg-type]
