"""`torch.cuda` on a machine whose flambeau computes on the CPU: everything says so plainly."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from flambeau.errors import refusing


def is_available() -> bool:
    """Whether there is a GPU that flambeau can compute on: not in this version."""
    return False


def device_count() -> int:
    return 0


def is_initialized() -> bool:
    return False


def is_bf16_supported() -> bool:
    return False


def manual_seed(seed: int) -> None:
    """Nothing to seed; programs call it beside torch.manual_seed."""


manual_seed_all = manual_seed


def empty_cache() -> None:
    """Nothing is cached."""


def _absent() -> None:
    raise AssertionError(
        "Torch not compiled with CUDA enabled: flambeau computes on the CPU here; "
        "test torch.cuda.is_available() first"
    )


def current_device() -> int:
    """Raises AssertionError, as PyTorch's CPU build does."""
    _absent()
    return -1


def synchronize(device: Any = None) -> None:
    """Raises AssertionError, as PyTorch's CPU build does."""
    _absent()


def get_device_name(device: Any = None) -> str:
    """Raises AssertionError, as PyTorch's CPU build does."""
    _absent()
    return ""


def get_device_properties(device: Any = None) -> Any:
    """Raises AssertionError, as PyTorch's CPU build does."""
    _absent()


def set_device(device: Any) -> None:
    """Raises AssertionError, as PyTorch's CPU build does."""
    _absent()


def memory_allocated(device: Any = None) -> int:
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def __getattr__(name: str) -> Any:
    if name == "amp":
        return import_module(f"{__name__}.amp")
    return _refuse(name)


_refuse = refusing(__name__)
