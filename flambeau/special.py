"""`torch.special`: functions of mathematics under the names that SciPy has for them. They are rows of
the op table; see ops/special.py, ops/bessel.py, ops/polynomials.py and
ops/distribution_functions.py."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from .errors import missing


def softmax(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """See torch.softmax."""
    return torch.softmax(input, dim, dtype=dtype)


def log_softmax(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """See torch.log_softmax."""
    return torch.log_softmax(input, dim, dtype=dtype)


def __getattr__(name: str) -> Any:
    try:
        found = getattr(torch._special, name)
    except AttributeError:
        return missing(__name__, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({"softmax", "log_softmax", *dir(torch._special)})
