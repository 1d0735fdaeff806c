"""`torch._VF`: the functions of the main namespace, as copies of PyTorch's layers call them."""

from __future__ import annotations

from typing import Any

import flambeau as torch


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
    return getattr(torch, name)
