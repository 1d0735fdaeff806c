"""What values' buffers are: NumPy arrays, blocks that native code has written, or blocks on a GPU.

A block may still be on its way: it is looked at through `as_array` alone, which waits.
"""

from __future__ import annotations

from typing import Any

from ..core import device as devices
from ..graph.value import Value
from ..runtime import pool
from ..runtime.blocks import Block


class _Gone:
    """The buffer of a value whose memory was given to the operation that overwrites it. It is
    seen again only where that operation was interrupted half-way."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(
            "this tensor's content was lost when the operation that was overwriting it failed"
        )


GONE = _Gone()


def as_array(value: Value) -> Any:
    """A computed value's content: a C-contiguous array (a tuple of them for several results). From a
    GPU it is copied."""
    buffer = value.buffer
    if buffer.__class__ is tuple:
        return tuple([_shown(b, a) for b, a in zip(buffer, value.aval, strict=True)])
    return _shown(buffer, value.aval)


def _shown(buffer: Any, aval: Any) -> Any:
    if not isinstance(buffer, Block):
        if devices.others and aval.device is not devices.CPU and buffer is not GONE:
            from . import cuda

            return cuda.fetched(buffer, aval)
        return buffer
    pool.synchronize()
    return buffer.array(aval.dtype.np, tuple(aval.shape))
