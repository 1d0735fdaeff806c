"""`torch.cuda.nvtx`: marks for NVIDIA's profiler, which needs a GPU: RuntimeError."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["mark", "range", "range_end", "range_pop", "range_push", "range_start"]


def mark(msg: str = "", *args: object) -> NoReturn:
    """RuntimeError: there is no NVTX. `torch.profiler.record_function` names ranges on the CPU."""
    raise RuntimeError(
        "NVTX functions not installed: they need a GPU. On the CPU use "
        "torch.profiler.record_function(name)"
    )


range = range_end = range_pop = range_push = range_start = mark
