"""Checks of the transforms' arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flambeau.errors import shown

# The value of new pixels: one for all kinds of inputs, or by kind with "others" for the rest.
Fill = Any


def two_sizes(size: Any) -> tuple[int, int]:
    """Returns (height, width) of one number or two."""
    if isinstance(size, (int, float)):
        return int(size), int(size)
    if isinstance(size, Sequence) and len(size) == 1:
        return size[0], size[0]
    if len(size) != 2:
        raise ValueError(f"Please provide only two dimensions (h, w) for size, got {size}")
    return size[0], size[1]


def fills(fill: Any) -> dict[Any, Any]:
    """Returns the fills by kind of input."""
    if isinstance(fill, dict):
        return {kind: fills(one)["others"] for kind, one in fill.items()}
    if fill is not None and not isinstance(fill, (int, float, tuple, list)):
        raise TypeError(
            "Got inappropriate fill arg, only Numbers, tuples, lists and dicts are allowed: "
            f"{shown(fill)}"
        )
    if isinstance(fill, (tuple, list)):
        fill = [float(part) for part in fill]
    return {"others": fill}


def fill_of(fills: dict[Any, Any], kind: type) -> Any:
    """Returns the fill for a kind of input."""
    return fills[kind] if kind in fills else fills.get("others")


def number_pair(value: Any, name: str) -> list[float]:
    """Returns two floats of one number or two."""
    if isinstance(value, (int, float)):
        return [float(value), float(value)]
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} should be a number or a sequence of numbers. Got {type(value)}")
    if len(value) not in (1, 2):
        raise ValueError(f"If {name} is a sequence its length should be 1 or 2. Got {len(value)}")
    if not all(isinstance(one, (int, float)) for one in value):
        raise ValueError(f"{name} should be a sequence of numbers. Got {value}")
    return [float(value[0]), float(value[-1])]


def check_padding(padding: Any) -> None:
    """Raises unless `padding` is one whole number, or 1, 2 or 4 of them."""
    fits = isinstance(padding, int) or (
        isinstance(padding, (tuple, list))
        and len(padding) in (1, 2, 4)
        and all(isinstance(one, int) for one in padding)
    )
    if not fits:
        raise ValueError(
            f"Padding must be an int or a 1, 2, or 4 element of tuple or list, got {padding}."
        )


def check_padding_mode(mode: Any) -> None:
    """Raises unless `mode` is one of four."""
    if mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError(
            f"Padding mode should be either constant, edge, reflect or symmetric, got {shown(mode)}"
        )
