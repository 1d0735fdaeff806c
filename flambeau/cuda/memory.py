"""`torch.cuda.memory`: see `torch.cuda`."""

from __future__ import annotations

from flambeau.cuda import (  # type: ignore[attr-defined]
    empty_cache,
    max_memory_allocated,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_reserved,
    memory_snapshot,
    memory_stats,
    memory_summary,
    reset_peak_memory_stats,
)
from flambeau.errors import refusing

__all__ = ["empty_cache", "max_memory_allocated", "max_memory_reserved", "mem_get_info",
           "memory_allocated", "memory_reserved", "memory_snapshot", "memory_stats", "memory_summary",
           "reset_peak_memory_stats"]  # fmt: skip

__getattr__ = refusing(__name__)
