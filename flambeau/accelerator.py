"""`torch.accelerator`: whichever accelerator there is: CUDA, or none."""

from __future__ import annotations

from collections import OrderedDict
from importlib import import_module
from typing import Any

from flambeau.errors import refusing

__all__ = ["current_accelerator", "current_device_idx", "current_device_index", "current_stream",
           "device_count", "device_index", "empty_cache", "empty_host_cache",
           "get_device_capability", "get_memory_info", "is_available", "max_memory_allocated",
           "max_memory_reserved", "memory_allocated", "memory_reserved", "memory_stats",
           "reset_accumulated_memory_stats", "reset_peak_memory_stats", "set_device_idx",
           "set_device_index", "set_stream", "synchronize"]  # fmt: skip


def _cuda() -> Any:
    """`torch.cuda`; RuntimeError where there is no GPU."""
    if not is_available():
        raise RuntimeError(
            "flambeau has no accelerator: test torch.accelerator.is_available() first"
        )
    return import_module("flambeau.cuda")


def is_available() -> bool:
    """Whether flambeau can compute on an accelerator."""
    return bool(import_module("flambeau.cuda").is_available())


def current_accelerator(check_available: bool = False) -> Any:
    """The accelerator's device, without an index; None where there is none."""
    return import_module("flambeau").device("cuda") if is_available() else None


def device_count() -> int:
    """How many there are."""
    return int(_cuda().device_count()) if is_available() else 0


def _asked(name: str, result: Any, doc: str) -> Any:
    """The function of `torch.cuda` with this name, which gives `result()` where there is no GPU."""

    def ask(device: Any = None, /) -> Any:
        return getattr(_cuda(), name)(device) if is_available() else result()

    ask.__name__ = ask.__qualname__ = name
    ask.__doc__ = doc
    return ask


def _needed(name: str) -> Any:
    """The function of `torch.cuda` with this name; RuntimeError where there is no GPU."""

    def ask(*args: Any) -> Any:
        return getattr(_cuda(), name)(*args)

    ask.__name__ = ask.__qualname__ = name
    ask.__doc__ = f"`torch.cuda.{name}`; RuntimeError where there is no accelerator."
    return ask


def empty_cache(device: Any = None) -> None:
    """Give memory that is free back."""
    if is_available():
        _cuda().empty_cache()


empty_host_cache = empty_cache
reset_peak_memory_stats = _asked("reset_peak_memory_stats", lambda: None, "Count peaks anew.")
reset_accumulated_memory_stats = _asked("reset_accumulated_memory_stats", lambda: None, "Count anew.")
memory_allocated = _asked("memory_allocated", int, "Bytes of tensors.")
max_memory_allocated = _asked("max_memory_allocated", int, "Bytes of tensors, at most so far.")
memory_reserved = _asked("memory_reserved", int, "Bytes that are held.")
max_memory_reserved = _asked("max_memory_reserved", int, "Bytes that were held at most.")
memory_stats = _asked("memory_stats", OrderedDict, "All that is counted.")
synchronize, current_stream, get_device_capability = map(
    _needed, ("synchronize", "current_stream", "get_device_capability")
)
current_device_index = current_device_idx = _needed("current_device")
set_device_index = set_device_idx = _needed("set_device")
set_stream, get_memory_info = _needed("set_stream"), _needed("mem_get_info")


class device_index:  # noqa: N801
    """Context manager that makes a device the current one; does nothing for None."""

    def __init__(self, device: int | None, /) -> None:
        self.index = device
        if device is not None:
            _cuda()

    def __enter__(self) -> None:
        if self.index is not None:
            self.before = _cuda().current_device()
            _cuda().set_device(self.index)

    def __exit__(self, *_: object) -> None:
        if self.index is not None:
            _cuda().set_device(self.before)


__getattr__ = refusing(__name__)
