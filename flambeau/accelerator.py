"""`torch.accelerator`: whichever accelerator there is. In this version there is none."""

from __future__ import annotations

from typing import Any

from flambeau.errors import refusing

__all__ = ["current_accelerator", "device_count", "empty_cache", "is_available", "synchronize"]


def is_available() -> bool:
    """Whether flambeau can compute on an accelerator."""
    return False


def current_accelerator(check_available: bool = False) -> Any:
    """The accelerator's device: None."""
    return None


def device_count() -> int:
    return 0


def empty_cache() -> None:
    """Nothing is cached."""


def synchronize(device: Any = None, /) -> None:
    """RuntimeError: there is nothing to wait for."""
    raise RuntimeError(
        "flambeau has no accelerator to wait for: test torch.accelerator.is_available() first"
    )


__getattr__ = refusing(__name__)
