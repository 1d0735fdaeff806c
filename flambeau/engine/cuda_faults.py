"""Faults that kernels note: an index that was out of range.

Nobody waits to look at an index. A kernel that checks one writes a fault into a record in the device's
memory; whoever brings results to the host looks at the records too (`fetch`, `raise_found`). There is a
record for each operation and size; when there are many, some share one.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from ..runtime import cuda, cuda_api, cuda_memory

RECORDS = 64
BYTES = 16
"""Of a record: two int64, whether there is a fault, and the index (see `codegen.cuda.plan.Check`)."""


class Faults:
    """The records of a device."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.block = cuda_memory.allocate(RECORDS * BYTES, index)
        self.meanings: dict[tuple[str, int, int], int] = {}
        stream = cuda.current_stream(index)
        cuda.fill(self.block.address, 0, RECORDS * BYTES, stream)
        stream.synchronize()

    def address(self, operation: str, size: int, low: int) -> int:
        """Where an operation notes that an index is not within `low` and `size` - 1."""
        key = (operation, size, low)
        place = self.meanings.setdefault(key, min(len(self.meanings), RECORDS - 1))
        return int(self.block.address) + place * BYTES

    def fetch(self, stream: Any) -> Any:
        """Have the records copied; they are there when the stream has been waited for."""
        stage = cuda_memory.pinned(RECORDS * BYTES)
        cuda.copy_to_host(stage.address, self.block.address, RECORDS * BYTES, stream)
        return stage.array(np.dtype(np.int64), (RECORDS, 2))

    def raise_found(self, found: Any, stream: Any) -> None:
        """Raise the error that the records tell of, once.

        Raises:
            IndexError: naming an operation and its index.
        """
        places = np.flatnonzero(found[:, 0])
        if not places.size:
            return
        cuda.fill(self.block.address, 0, RECORDS * BYTES, stream)
        place = int(places[0])
        told = [k for k, p in self.meanings.items() if p == place]
        operation, size, low = told[0]
        value = int(found[place, 1]) + low
        if len(told) > 1:
            names = ", ".join(sorted({x[0] for x in told}))
            raise IndexError(f"{names}: index {value} is out of bounds (noted on cuda:{self.index})")
        raise IndexError(
            f"{operation}(): index {value} is out of bounds, which are {low} and {size - 1} (noted on "
            f"cuda:{self.index}; what was computed since then is not to be trusted)"
        )


_devices: dict[int, Faults] = {}
_lock = threading.Lock()


def of(index: int) -> Faults:
    """The records of a device, made now if need be."""
    with _lock:
        found = _devices.get(index)
        if found is None:
            found = _devices[index] = Faults(index)
        return found


def pending(index: int) -> Faults | None:
    """The records of a device, if any program of it has checks."""
    return _devices.get(index)


def look(index: int) -> None:
    """Look at a device's records, for whoever has just waited for it.

    Raises:
        IndexError: see `raise_found`.
    """
    faults = pending(index)
    if faults is not None:
        stream = cuda.current_stream(index)
        found = faults.fetch(stream)
        stream.synchronize()
        faults.raise_found(found, stream)


cuda_api.forget_with(_devices.clear)
