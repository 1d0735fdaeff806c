"""`torch.accelerator`: whichever accelerator there is. In this version there is none."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NoReturn

from flambeau.errors import refusing

__all__ = ["current_accelerator", "current_device_idx", "current_device_index", "current_stream",
           "device_count", "device_index", "empty_cache", "empty_host_cache",
           "get_device_capability", "get_memory_info", "is_available", "max_memory_allocated",
           "max_memory_reserved", "memory_allocated", "memory_reserved", "memory_stats",
           "reset_accumulated_memory_stats", "reset_peak_memory_stats", "set_device_idx",
           "set_device_index", "set_stream", "synchronize"]  # fmt: skip


def is_available() -> bool:
    """Whether flambeau can compute on an accelerator."""
    return False


def current_accelerator(check_available: bool = False) -> Any:
    """The accelerator's device: None."""
    return None


def device_count() -> int:
    return 0


def empty_cache(device: Any = None) -> None:
    """Nothing is cached."""


empty_host_cache = reset_peak_memory_stats = reset_accumulated_memory_stats = empty_cache


def memory_allocated(device_index: Any = None, /) -> int:
    """Bytes of an accelerator's memory: none."""
    return 0


max_memory_allocated = max_memory_reserved = memory_reserved = memory_allocated


def memory_stats(device_index: Any = None, /) -> OrderedDict[str, Any]:
    """Nothing is known of no memory."""
    return OrderedDict()


def synchronize(device: Any = None, /) -> NoReturn:
    """RuntimeError: there is no accelerator."""
    raise RuntimeError(
        "flambeau has no accelerator: test torch.accelerator.is_available() first"
    )


current_device_index = current_device_idx = set_device_index = set_device_idx = synchronize
current_stream = set_stream = get_device_capability = get_memory_info = synchronize


class device_index:  # noqa: N801
    """Context manager for an accelerator's index: does nothing for None, and there is no other."""

    def __init__(self, device: int | None, /) -> None:
        if device is not None:
            synchronize()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


__getattr__ = refusing(__name__)
