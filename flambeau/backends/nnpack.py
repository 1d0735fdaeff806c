"""`torch.backends.nnpack`: NNPACK is not used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from flambeau.errors import refusing

enabled = False


def is_available() -> bool:
    return False


@contextlib.contextmanager
def flags(enabled: bool = False) -> Iterator[None]:
    """Set the switch until the end of a `with` block."""
    before = set_flags(enabled)
    try:
        yield
    finally:
        set_flags(*before)


def set_flags(_enabled: bool) -> tuple[Any, ...]:
    """Set the switch; gives what it was."""
    global enabled
    before, enabled = (enabled,), _enabled
    return before


__getattr__ = refusing(__name__)
