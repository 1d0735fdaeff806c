"""`torch.cuda.nvtx`: marks for NVIDIA's profilers.

They go to NVIDIA's library for them (libnvToolsExt) where there is one; where there is not, nobody
sees them. Without a GPU: RuntimeError, as in PyTorch's CPU build.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from flambeau.runtime import cuda as driver

__all__ = ["mark", "range", "range_end", "range_pop", "range_push", "range_start"]

_NAMES = ("libnvToolsExt.so.1", "libnvToolsExt.so", "nvToolsExt64_1.dll")


@cache
def _library() -> Any:
    for name in _NAMES:
        try:
            found = ctypes.CDLL(name)
        except OSError:
            continue
        found.nvtxRangeStartA.restype = ctypes.c_uint64
        found.nvtxRangeEnd.argtypes = (ctypes.c_uint64,)
        found.nvtxRangeEnd.restype = found.nvtxMarkA.restype = None
        return found
    return None


class _Depth(threading.local):
    depth = 0


_depth = _Depth()


def _needed() -> Any:
    if not driver.available():
        raise RuntimeError(
            "NVTX functions not installed: they need a GPU. On the CPU use "
            "torch.profiler.record_function(name)"
        )
    return _library()


def mark(msg: str) -> None:
    """Mark a moment."""
    library = _needed()
    if library is not None:
        library.nvtxMarkA(msg.encode())


def range_push(msg: str) -> int:
    """Begin a range inside of the ranges of this thread. Gives its depth, from 0."""
    library = _needed()
    if library is not None:
        library.nvtxRangePushA(msg.encode())
    _depth.depth += 1
    return _depth.depth - 1


def range_pop() -> int:
    """End the innermost range of this thread. Gives its depth, from 0; -1 where there is none."""
    library = _needed()
    if library is not None:
        library.nvtxRangePop()
    _depth.depth = max(_depth.depth - 1, -1)
    found = _depth.depth
    if found < 0:
        _depth.depth = 0
    return found


def range_start(msg: str) -> int:
    """Begin a range that any thread may end. Gives its number for `range_end`."""
    library = _needed()
    return 0 if library is None else int(library.nvtxRangeStartA(msg.encode()))


def range_end(range_id: int) -> None:
    """End a range of `range_start`."""
    library = _needed()
    if library is not None:
        library.nvtxRangeEnd(range_id)


@contextmanager
def range(msg: str, *args: Any, **kwargs: Any) -> Iterator[None]:  # noqa: A001
    """A range for a `with` block or a function. `msg` is a format for the arguments."""
    range_push(msg.format(*args, **kwargs))
    try:
        yield
    finally:
        range_pop()
