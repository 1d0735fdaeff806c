"""Names of the `torch` namespace that are found on first use: constants and helpers."""

from __future__ import annotations

import math
from typing import Any

inf = math.inf
nan = math.nan
pi = math.pi
e = math.e

_ELSEWHERE = {
    "set_printoptions": "printing", "bernoulli": "random", "get_num_threads": "threads",
    "set_num_threads": "threads", "get_num_interop_threads": "threads",
    "set_num_interop_threads": "threads",
}  # fmt: skip


def lookup(name: str) -> Any:
    """A name that is in no row; AttributeError says what to do about one that we lack."""
    import importlib

    if name in _ELSEWHERE:
        return getattr(importlib.import_module(f"{__package__}.{_ELSEWHERE[name]}"), name)
    if name.startswith("__"):
        raise AttributeError(f"module 'flambeau' has no attribute {name!r}")
    raise AttributeError(
        f"flambeau has no torch.{name}: PyTorch may have it, flambeau lacks it so far. "
        "Write it with the operations that are there (dir(torch) lists them)."
    )
