"""Memory of GPUs: blocks that are used again in the order of their stream.

As `blocks` does it for the CPU: a program's results have the same sizes at every step. A block that
nobody refers to goes to the bin of its device, stream and size, though work that was submitted may
still use it: the next that does comes behind it in the stream. Other streams that use it must be
named (`DeviceBlock.used_by`); it waits for them then. The driver's stream-ordered pool is underneath.

`cuda_pinned` has page-locked host memory and the copies between both; it is reached from here.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import Counter, deque
from ctypes import byref, c_uint64, c_void_p
from functools import cached_property
from typing import Any

from ..errors import OutOfMemoryError
from . import cuda_api as api
from . import cuda_streams as streams
from .cuda_devices import device
from .cuda_pinned import PinnedBlock, pinned, release_pinned, to_device, to_host, to_pinned
from .cuda_sizes import ALIGN, MIB, Tally, size_class, size_text
from .cuda_streams import Event, Stream

__all__ = ["ALIGN", "Bin", "DeviceBlock", "PinnedBlock", "allocate", "bin_for", "limit", "pinned",
           "pool", "pools", "release", "release_pinned", "size_class", "stats", "to_device", "to_host",
           "to_pinned"]  # fmt: skip

SMALL = 32 << 10
"""Blocks up to so many bytes are cut from slabs."""
SLAB = 256 << 10
RELEASE_THRESHOLD = 4
LEAST_CACHED = 1 << 30
"""What is free may be half of what is in use, and so much in any case, before sizes that are no longer
asked for are given back to the driver's pool."""


class DeviceBlock:
    """A piece of a GPU's memory, freed in the order of `stream` with its last reference. Its content is
    whatever was there before."""

    __slots__ = ("address", "nbytes", "device", "stream", "asked", "uses", "_home", "__weakref__")

    address: int
    """On the device: a multiple of 256."""
    nbytes: int
    """Its capacity."""
    device: int
    """The device's index."""
    stream: Stream
    asked: int
    uses: set[Stream] | None
    _home: Bin

    def used_by(self, stream: Stream) -> None:
        """Work on another stream uses the block: what takes it next waits for that."""
        if stream != self.stream:
            if self.uses is None:
                self.uses = set()
            self.uses.add(stream)

    def __del__(self) -> None:
        self._home.give(self)

    def __len__(self) -> int:
        return self.nbytes

    def __repr__(self) -> str:
        return f"<DeviceBlock of {self.nbytes} bytes at {self.address:#x} of cuda:{self.device}>"


class Bin:
    """All blocks of one device, stream and size: the free ones wait here."""

    __slots__ = ("size", "stream", "pool", "free", "tally", "segments", "last")

    def __init__(self, pool: Pool, stream: Stream, size: int) -> None:
        self.pool, self.stream, self.size = pool, stream, size
        self.free: list[int] = []
        """Addresses, the most recently freed last."""
        self.tally = pool.small if size <= MIB else pool.large
        self.segments: dict[int, int] = {}
        """What the driver gave: bytes by addresses. Of small blocks several lie in one."""
        self.last = 0
        """When it was last asked for: what `Pool.clock` was."""

    def take(self, nbytes: int) -> DeviceBlock:
        """A block of this size, of which `nbytes` are wanted."""
        pool = self.pool
        if pool.held:
            pool.look()
        pool.clock += 1
        self.last = pool.clock
        try:
            address = self.free.pop()
        except IndexError:
            address = self.more(nbytes)
        block = DeviceBlock()
        size = block.nbytes = self.size
        block.address, block.device, block.stream = address, pool.index, self.stream
        block.asked, block.uses, block._home = nbytes, None, self
        # `Tally.add`, written out: every result of every program comes by here.
        t = self.tally
        t.taken += 1
        t.taken_bytes += size
        t.count += 1
        live = t.live = t.live + size
        if live > t.peak:
            t.peak = live
        if t.count > t.count_peak:
            t.count_peak = t.count
        t = pool.all
        t.count += 1
        live = t.live = t.live + size
        if live > t.peak:
            t.peak = live
        if t.count > t.count_peak:
            t.count_peak = t.count
        pool.asked += nbytes
        return block

    def give(self, block: DeviceBlock) -> None:
        """A block's last reference has gone. Called from finalizers: nothing is asked of the driver."""
        pool, size = self.pool, self.size
        t = self.tally
        t.live -= size
        t.count -= 1
        t = pool.all
        t.live -= size
        t.count -= 1
        pool.asked -= block.asked
        if block.uses:
            pool.held.append((self, block.address, [(s, None) for s in block.uses]))
        else:
            self.free.append(block.address)

    def more(self, nbytes: int) -> int:
        """Memory from the driver; of small blocks a slab, all but one of which are free."""
        count = 1 if self.size > SMALL else max(8, SLAB // self.size)
        first = self.pool.fresh(self, count * self.size, nbytes)
        self.segments[first] = count * self.size
        self.free.extend(first + i * self.size for i in range(count - 1, 0, -1))
        return first

    def idle(self) -> list[int]:
        """Take the segments that are wholly free out of the bin: their addresses."""
        taken: list[int] = []
        while self.free:  # finalizers may add to it meanwhile
            taken.append(self.free.pop())
        if self.size > SMALL:
            return taken
        starts = sorted(self.segments)
        count = Counter(_segment(starts, address) for address in taken)
        whole = {s for s, n in count.items() if n * self.size == self.segments[s]}
        self.free.extend(a for a in taken if _segment(starts, a) not in whole)
        return sorted(whole)


def _segment(starts: list[int], address: int) -> int:
    """The last of the starts that is not beyond the address."""
    return starts[bisect_right(starts, address) - 1]


class Pool:
    """A device's memory."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.owner = device(index)
        self.bins: dict[tuple[int, int], Bin] = {}
        self.held: deque[tuple[Bin, int, list[tuple[Stream, Event | None]]]] = deque()
        """Free blocks that other streams may still use."""
        self.lock = threading.RLock()
        self.clock = 0
        self.all, self.large, self.small = Tally(), Tally(), Tally()
        """What is in use. What was taken is counted by size alone: see `totals`."""
        self.asked = 0
        """Bytes that whoever has blocks asked for."""
        self.segments = Tally()
        """What the driver gave: reserved."""
        self.large_segments, self.small_segments = Tally(), Tally()
        self.retries = self.ooms = 0
        self.most: int | None = None
        """Bytes that may be had from the driver, if that is limited."""

    @cached_property
    def driver_pool(self) -> int:
        """The driver's pool of the device; 0 where it has none."""
        if not self.owner.has_pools:
            return 0
        self.owner.activate()
        found = api.number_of("cuDeviceGetDefaultMemPool", self.owner.number, kind=c_void_p)
        whole = c_uint64(2**64 - 1)  # what is freed stays with the pool until it is trimmed
        api.call("cuMemPoolSetAttribute", found, RELEASE_THRESHOLD, byref(whole))
        return found

    def bin(self, stream: Stream, nbytes: int) -> Bin:
        """The bin of the blocks that hold so many bytes."""
        key = (stream.handle, size_class(nbytes))
        return self.bins.get(key) or self.bins.setdefault(key, Bin(self, stream, key[1]))

    def totals(self) -> dict[str, Tally]:
        """The tallies of what is in use, by PyTorch's names."""
        whole, parts = self.all, (self.large, self.small)
        for name in ("taken", "taken_bytes", "taken_before", "bytes_before"):
            setattr(whole, name, sum(getattr(t, name) for t in parts))
        return {"all": whole, "large_pool": self.large, "small_pool": self.small}

    # --- the driver ---------------------------------------------------------------------------

    def fresh(self, of: Bin, size: int, wanted: int) -> int:
        """Memory from the driver, if need be after all that is free was given back.

        Raises:
            OutOfMemoryError: there is none.
        """
        with self.lock:
            self.settle()
            address = self.ask(of.stream, size)
            if not address:
                self.retries += 1
                self.release()
                address = self.ask(of.stream, size)
            if not address:
                self.ooms += 1
                raise self.refused(wanted)
            self.segments.add(size)
            (self.large_segments if of.size > MIB else self.small_segments).add(size)
            return address

    def ask(self, stream: Stream, size: int) -> int:
        """Memory from the driver, or 0."""
        if self.most is not None and self.segments.live + size > self.most:
            return 0
        self.owner.activate()
        found = c_uint64()
        if self.driver_pool:
            handle = 0 if streams.capturing() else stream.handle
            code = api.library().cuMemAllocAsync(byref(found), size, handle)
        else:
            code = api.library().cuMemAlloc_v2(byref(found), size)
        if code and code != api.OUT_OF_MEMORY:
            api.failed(code, f"asking for {size} bytes on cuda:{self.index}")
        return 0 if code else found.value

    def drop(self, of: Bin, address: int, handle: int) -> None:
        """Give memory back to the driver, in the order of a stream."""
        size = of.segments.pop(address)
        self.segments.remove(size)
        (self.large_segments if of.size > MIB else self.small_segments).remove(size)
        if self.driver_pool:
            api.call("cuMemFreeAsync", address, handle, doing="giving memory back")
        else:
            api.call("cuMemFree_v2", address, doing="giving memory back")

    # --- what is free -------------------------------------------------------------------------

    def cached(self) -> int:
        """Bytes that are free."""
        return sum(len(b.free) * b.size for b in list(self.bins.values()))

    def look(self, wait: bool = False) -> None:
        """Take back the blocks that other streams have done with."""
        if streams.capturing():
            return  # events can't be asked then
        with self.lock:
            for _ in range(len(self.held)):
                bin, address, uses = self.held.popleft()
                left: list[tuple[Stream, Event | None]] = []
                for stream, event in uses:
                    mark = stream.record() if event is None else event
                    if wait:
                        mark.synchronize()
                    elif not mark.query():
                        left.append((stream, mark))
                if left:
                    self.held.append((bin, address, left))
                else:
                    bin.free.append(address)

    def settle(self) -> None:
        """Give back what was not asked for in the longest time, as far as too much is free."""
        bound = max(LEAST_CACHED, self.all.live // 2)
        if self.segments.live <= bound or not self.driver_pool or streams.capturing():
            return
        cached = self.cached()
        if cached <= bound:
            return
        self.owner.activate()
        for b in sorted(self.bins.values(), key=lambda b: b.last):
            while b.size > SMALL and b.free and cached > bound:
                address = b.free.pop(0)
                self.drop(b, address, 0 if b.stream.external else b.stream.handle)
                cached -= b.size

    def release(self) -> None:
        """Give back all memory that is free. Waits for the device."""
        if streams.capturing():
            return
        with self.lock:
            if not self.segments.count:
                return
            self.look(wait=True)
            self.owner.synchronize()
            for b in list(self.bins.values()):
                for address in b.idle():
                    self.drop(b, address, 0)
            if self.driver_pool:
                streams.default_stream(self.index).synchronize()
                api.call("cuMemPoolTrimTo", self.driver_pool, 0)

    def refused(self, nbytes: int) -> OutOfMemoryError:
        """The error for bytes that can't be had."""
        free, total = self.owner.memory()
        inside = self.all.live
        limited = "" if self.most is None else f" {size_text(self.most)} allowed;"
        error = OutOfMemoryError(
            f"CUDA out of memory. Tried to allocate {size_text(nbytes)}. GPU {self.index} has a total "
            f"capacity of {size_text(total)} of which {size_text(free)} is free.{limited} Of the memory of "
            f"this process {size_text(inside)} is allocated by flambeau, and "
            f"{size_text(self.segments.live - inside)} is reserved by flambeau but unallocated. Free tensors "
            "that are not needed, or make batches smaller; torch.cuda.memory_summary() shows more."
        )
        error.nbytes, error.named = nbytes, True
        return error


_pools: dict[int, Pool] = {}
_lock = threading.Lock()


def _reset() -> None:
    global _pools, _lock
    _pools, _lock = {}, threading.Lock()


api.forget_with(_reset)


def pool(index: int) -> Pool:
    """A device's memory."""
    found = _pools.get(index)
    if found is None:
        with _lock:
            found = _pools.get(index) or _pools.setdefault(index, Pool(index))
    return found


def pools() -> list[Pool]:
    """The memory of all devices that were asked for some."""
    return [_pools[i] for i in sorted(_pools)]


def bin_for(nbytes: int, index: int, stream: Stream | None = None) -> Bin:
    """The bin whose blocks hold so many bytes. Who takes the same size on the same stream often keeps
    it, and calls `take`."""
    return pool(index).bin(streams.current_stream(index) if stream is None else stream, nbytes)


def allocate(nbytes: int, index: int | None = None, stream: Stream | None = None) -> DeviceBlock:
    """A block of at least so many bytes, for work on `stream`, by default the device's current one.

    Raises:
        OutOfMemoryError: that is more than can be had.
    """
    if stream is None:
        stream = streams.current_stream(index)
    return pool(stream.device).bin(stream, nbytes).take(nbytes)


def release(index: int | None = None) -> None:
    """Give back all memory of a device (by default of all) that is free. Waits for the devices."""
    for p in pools():
        if index is None or p.index == index:
            p.release()


def limit(fraction: float | None, index: int) -> None:
    """Bound what a device gives to this process, as a fraction of its memory."""
    p = pool(index)
    p.most = None if fraction is None else int(fraction * p.owner.total_memory)


def stats(index: int) -> dict[str, Any]:
    """What `torch.cuda.memory_stats` gives; see `cuda_statistics`."""
    from .cuda_statistics import stats as told

    return told(index)
