"""`torch._assert`: what model sources check their inputs with, so that tracers see it."""

from __future__ import annotations

from typing import Any


def _assert(condition: Any, message: str) -> None:
    """Raises AssertionError with `message` unless `condition`, a bool or a tensor of one, holds."""
    if not condition:
        raise AssertionError(message)
