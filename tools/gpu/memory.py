"""The global memory of a simulated GPU: addresses of its own, allocations whose bounds are checked.

Its addresses are not addresses of this process, so a pointer that is handed to the wrong side fails.
Memory that was never written holds junk; what was freed can't be touched.
"""

from __future__ import annotations

import bisect
import mmap
import sys
from typing import Any

import numpy as np

from .errors import IllegalAddress, MisalignedAddress

BASE = 0x0700_0000_0000
"""Where the memory of device 0 begins."""
SPACING = 0x0010_0000_0000
"""From one device's memory to the next one's."""
GRAIN = 256
"""Allocations begin at multiples of it."""
GAP = 256
"""Bytes between allocations that belong to none, at least."""

LARGE = 64 << 20
"""Allocations beyond it are junk only at their ends."""

Array = np.ndarray[Any, Any]

UNSIGNED = {
    1: np.dtype(np.uint8),
    2: np.dtype(np.uint16),
    4: np.dtype(np.uint32),
    8: np.dtype(np.uint64),
}

_JUNK = np.random.default_rng(0x5EED).integers(0, 256, 1 << 16, np.uint8)


def junk(into: Array, shift: int = 0) -> None:
    """Fill bytes with junk that is the same in every run."""
    size = len(_JUNK)
    pattern = np.roll(_JUNK, shift) if shift else _JUNK
    whole = len(into) // size * size
    into[:whole].reshape(-1, size)[:] = pattern
    into[whole:] = pattern[: len(into) - whole]


def _reserve(nbytes: int) -> mmap.mmap | None:
    """Memory that the system gives only as it is touched; None where there is no such thing."""
    if sys.platform == "win32":
        return None
    flags = (
        mmap.MAP_PRIVATE
        | mmap.MAP_ANONYMOUS
        | getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)
    )
    return mmap.mmap(-1, nbytes, flags=flags)


class Bytes:
    """Bytes, seen in elements of any size and in rows of elements."""

    def __init__(self, data: Array) -> None:
        self.data = data
        self.views: dict[tuple[int, int], Array] = {}

    def view(self, element: int, count: int = 1) -> Array:
        """As elements of so many bytes (unsigned), or as rows of `count` of them."""
        key = (element, count)
        found = self.views.get(key)
        if found is None:
            usable = len(self.data) // (element * count) * (element * count)
            found = self.data[:usable].view(UNSIGNED[element])
            if count > 1:
                found = found.reshape(-1, count)
            self.views[key] = found
        return found


class Memory:
    """The memory of device `index`, of `size` bytes in all."""

    def __init__(self, size: int = 8 << 30, index: int = 0) -> None:
        self.base = BASE + index * SPACING
        self.size = size
        space = min(2 * size + (1 << 20), SPACING)
        self.map = _reserve(space)
        data = (
            np.empty(min(space, 1 << 30), np.uint8)
            if self.map is None
            else np.frombuffer(self.map, np.uint8)
        )
        self.bytes = Bytes(data)
        self.space = len(self.bytes.data)
        self.starts: list[int] = []
        self.ends: dict[int, int] = {}
        self.free_lists: list[tuple[int, int]] = [(0, self.space)]
        """(offset, bytes), by offset."""
        self.used = 0
        self.last = (0, 0)

    # Allocations. Addresses are device addresses.

    def allocate(self, nbytes: int) -> int | None:
        """The address of so many bytes of junk, or None where there are not so many."""
        nbytes = max(int(nbytes), 1)
        if self.used + nbytes > self.size:
            return None
        need = (nbytes + GAP + GRAIN - 1) // GRAIN * GRAIN
        for at, (offset, size) in enumerate(self.free_lists):
            if size >= need:
                if size == need:
                    del self.free_lists[at]
                else:
                    self.free_lists[at] = (offset + need, size - need)
                start = self.base + offset
                bisect.insort(self.starts, start)
                self.ends[start] = start + nbytes
                self.used += nbytes
                data, shift = self.bytes.data[offset : offset + nbytes], offset // GRAIN % 251
                if nbytes <= LARGE:
                    junk(data, shift)
                else:
                    junk(data[: 1 << 20], shift)
                    junk(data[-(1 << 20) :], shift)
                return start
        return None

    def free(self, address: int) -> bool:
        """Whether there was an allocation that begins there; it is gone."""
        end = self.ends.pop(address, None)
        if end is None:
            return False
        del self.starts[bisect.bisect_left(self.starts, address)]
        self.last = (0, 0)
        nbytes = end - address
        self.used -= nbytes
        offset = address - self.base
        self.give_back(offset, nbytes)
        need = (nbytes + GAP + GRAIN - 1) // GRAIN * GRAIN
        at = bisect.bisect_left(self.free_lists, (offset, 0))
        self.free_lists.insert(at, (offset, need))
        for k in (at, at - 1):
            if 0 <= k < len(self.free_lists) - 1:
                (o1, s1), (o2, s2) = self.free_lists[k], self.free_lists[k + 1]
                if o1 + s1 == o2:
                    self.free_lists[k : k + 2] = [(o1, s1 + s2)]
        return True

    def give_back(self, offset: int, nbytes: int) -> None:
        """Let the system have the pages of a range."""
        page = mmap.PAGESIZE
        first, last = -(-offset // page) * page, (offset + nbytes) // page * page
        if self.map is not None and nbytes > 1 << 20 and hasattr(mmap, "MADV_DONTNEED"):
            self.map.madvise(mmap.MADV_DONTNEED, first, last - first)

    def release(self) -> None:
        """Give up everything."""
        self.starts.clear()
        self.ends.clear()
        self.bytes, self.map = Bytes(np.empty(0, np.uint8)), None
        self.last = (0, 0)

    def owner(self, address: int) -> tuple[int, int] | None:
        """Begin and end of the allocation that has the address."""
        at = bisect.bisect_right(self.starts, address) - 1
        if at >= 0:
            start = self.starts[at]
            if address < self.ends[start]:
                return start, self.ends[start]
        return None

    def holds(self, address: int) -> bool:
        return self.base <= address < self.base + self.space

    def range(self, address: int, nbytes: int) -> Array:
        """The bytes of a range, to be read and written. IllegalAddress unless it is all allocated."""
        if nbytes == 0:
            return self.bytes.data[:0]
        found = self.owner(address)
        if found is None or address + nbytes > found[1]:
            raise IllegalAddress(self.describe(address, nbytes))
        return self.bytes.data[address - self.base : address - self.base + nbytes]

    def describe(self, address: int, nbytes: int) -> str:
        """What is wrong with an access, for people."""
        at = bisect.bisect_right(self.starts, address) - 1
        text = f"{nbytes} bytes at {address:#x}"
        if at >= 0:
            start = self.starts[at]
            end = self.ends[start]
            text += f": {address - end:+d} from the end of the {end - start} bytes at {start:#x}"
        if at + 1 < len(self.starts):
            text += f", {self.starts[at + 1] - address} before the allocation at {self.starts[at + 1]:#x}"
        if not self.starts:
            text += ": nothing is allocated"
        return text

    # Accesses of many threads.

    def check(self, addresses: Array, nbytes: int) -> None:
        """Every access lies in one allocation and is aligned to its size."""
        if addresses.ndim:
            low, high = int(np.minimum.reduce(addresses)), int(np.maximum.reduce(addresses))
            bits = int(np.bitwise_or.reduce(addresses)) if nbytes > 1 else 0
        else:
            low = high = bits = int(addresses)
        start, end = self.last
        if not (start <= low and high + nbytes <= end):
            found = self.owner(low)
            if found is not None and high + nbytes <= found[1]:
                self.last = found
            else:
                self.check_each(np.atleast_1d(addresses), nbytes)
        if bits & (nbytes - 1):
            each = np.atleast_1d(addresses)
            wrong = int(np.flatnonzero(each & np.uint64(nbytes - 1))[0])
            error = MisalignedAddress(f"{nbytes} bytes at {int(each[wrong]):#x}")
            error.args += (wrong,)
            raise error

    def check_each(self, addresses: Array, nbytes: int) -> None:
        starts = np.array(self.starts, np.uint64)
        ends = np.array([self.ends[s] for s in self.starts], np.uint64)
        at = np.searchsorted(starts, addresses, "right").astype(np.int64) - 1
        if len(starts):
            good = (at >= 0) & (addresses + np.uint64(nbytes) <= ends[np.maximum(at, 0)])
        else:
            good = np.zeros(len(addresses), bool)
        if not good.all():
            wrong = int(np.flatnonzero(~good)[0])
            error = IllegalAddress(self.describe(int(addresses[wrong]), nbytes))
            error.args += (wrong,)
            raise error
