"""Runs cases (functions of a library with PyTorch's interface) and makes their results plain."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

Case = Callable[[Any], Any]


class Cases(dict[str, Case]):
    """Cases by name, added by decorating them."""

    def __call__(self, function: Case) -> Case:
        assert function.__name__ not in self, function.__name__
        self[function.__name__] = function
        return function


def run(case: Case, library: Any) -> Any:
    """A case's result as lists, numbers and texts. Warnings are left to the cases that are about
    them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return plain(case(library))


def plain(value: Any) -> Any:
    """Tensors become nested lists, nodes their names."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, complex):
        return ["complex", plain(value.real), plain(value.imag)]
    if hasattr(value, "tolist"):
        return plain(value.detach().tolist() if hasattr(value, "detach") else value.tolist())
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(each) for each in value]
    if hasattr(value, "next_functions"):
        return type(value).__name__
    return str(value)


def fails(call: Callable[[], Any]) -> str:
    """The type of what a call raises, or "fine"."""
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return "fine"


def message(call: Callable[[], Any], *words: str) -> list[Any]:
    """The type of what a call raises, and which of the words its message has."""
    try:
        call()
    except Exception as error:
        return [type(error).__name__, *(word in str(error) for word in words)]
    return ["fine"]


def chain(node: Any) -> Any:
    """A graph as nested lists of names, as far as `next_functions` leads."""
    if node is None:
        return None
    return [type(node).__name__, *([chain(each), number] for each, number in node.next_functions)]


def same(found: Any, expected: Any, tolerance: float = 1e-5) -> bool:
    """Whether two plain results agree, numbers nearly."""
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(same(a, b, tolerance) for a, b in zip(found, expected, strict=True))
        )
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(
            same(found[key], expected[key], tolerance) for key in expected
        )
    if isinstance(expected, float) or isinstance(found, float):
        return (
            isinstance(found, (int, float))
            and isinstance(expected, (int, float))
            and math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance)
        )
    return bool(found == expected and type(found) is type(expected))
