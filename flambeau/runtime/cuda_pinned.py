"""Page-locked host memory, and copies between host memory and GPUs.

The device copies page-locked memory by itself while Python goes on. A block that nobody refers to is
used again once the copies that were submitted with it are done.
"""

from __future__ import annotations

import ctypes
import threading
from collections import deque
from ctypes import byref, c_void_p
from typing import TYPE_CHECKING, Any

import numpy as np

from . import cuda_api as api
from . import cuda_streams as streams
from . import shortage
from .blocks import Block, address_of
from .cuda_devices import device
from .cuda_streams import Event, Stream

if TYPE_CHECKING:
    from .cuda_memory import DeviceBlock

ALIGN = 256
PORTABLE = 1
"""Page-locked for all contexts."""
SLAB = 1 << 20
CHUNK = 4 << 20
"""Bytes that are staged at a time, of what is in ordinary memory."""
CHUNKS = 4
BOUNCED = 1 << 20
"""Results up to so many bytes come by way of page-locked memory."""


class PinnedBlock(Block):
    """A piece of page-locked host memory: a buffer that NumPy arrays can stand on (`array`)."""

    __slots__ = ("uses",)

    uses: dict[Stream, Event]
    """Where the copies that were submitted end."""

    def used_by(self, stream: Stream) -> None:
        """A copy from or to the block was submitted to `stream`."""
        if not streams.capturing():
            self.uses[stream] = stream.record(self.uses.get(stream))

    def wait(self) -> None:
        """Wait until the copies that were submitted are done."""
        for event in self.uses.values():
            event.synchronize()
        self.uses.clear()

    def __del__(self) -> None:
        self._home.give(self)

    def __repr__(self) -> str:
        return f"<PinnedBlock of {self.nbytes} bytes at {self.address:#x}>"


class _Bin:
    """All blocks of one size."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.free: list[int] = []
        self.held: deque[tuple[int, list[Event]]] = deque()
        """Free blocks that copies may still use."""
        self.live = self.peak = 0

    def take(self) -> PinnedBlock:
        if self.held:
            self.look()
        try:
            address = self.free.pop()
        except IndexError:
            address = self.more()
        block: PinnedBlock = PinnedBlock.from_address(address)
        block.address, block.nbytes, block.owner, block._home = address, self.size, None, self
        block.uses = {}
        self.live += 1
        self.peak = max(self.peak, self.live)
        return block

    def give(self, block: PinnedBlock) -> None:
        """A block's last reference has gone. Called from finalizers."""
        self.live -= 1
        if block.uses:
            self.held.append((block.address, list(block.uses.values())))
        else:
            self.free.append(block.address)

    def look(self) -> None:
        """Take back the blocks whose copies are done."""
        if streams.capturing():
            return
        for _ in range(len(self.held)):
            try:
                address, events = self.held.popleft()
            except IndexError:
                return
            left = [e for e in events if not e.query()]
            if left:
                self.held.append((address, left))
            else:
                self.free.append(address)

    def more(self) -> int:
        count = max(1, SLAB // self.size) if self.size < SLAB else 1
        first = _state.fresh(count * self.size)
        if count == 1:
            _state.single.add(first)
        self.free.extend(first + i * self.size for i in range(count - 1, 0, -1))
        return first


class _State:
    """All page-locked memory."""

    def __init__(self) -> None:
        self.bins: dict[int, _Bin] = {}
        self.lock = threading.Lock()
        self.nbytes = self.peak = self.segments = 0
        """Bytes from the driver, and in how many pieces."""
        self.single: set[int] = set()
        """Addresses of blocks that are one piece of the driver's."""

    def bin(self, nbytes: int) -> _Bin:
        size = max(ALIGN, 1 << max(nbytes - 1, 0).bit_length())
        return self.bins.get(size) or self.bins.setdefault(size, _Bin(size))

    def fresh(self, size: int) -> int:
        """Memory from the driver.

        Raises:
            OutOfMemoryError: that much can't be page-locked.
        """
        device().activate()
        for tried in (False, True):
            found = c_void_p()
            code = api.library().cuMemHostAlloc(byref(found), size, PORTABLE)
            if not code and found.value:
                with self.lock:
                    self.nbytes += size
                    self.peak = max(self.peak, self.nbytes)
                    self.segments += 1
                return found.value
            if code != api.OUT_OF_MEMORY:
                api.failed(code, f"asking for {size} bytes of page-locked memory")
            if not tried:
                self.release()
        raise shortage.refused(size, why="of page-locked memory")

    def release(self) -> None:
        """Give back what is free, but for the slabs of small blocks."""
        if streams.capturing() or not api.usable():
            return
        for b in list(self.bins.values()):
            b.look()
            if b.size < SLAB:
                continue
            while b.free:
                address = b.free.pop()
                api.call("cuMemFreeHost", address, doing="giving page-locked memory back")
                with self.lock:
                    self.single.discard(address)
                    self.nbytes -= b.size
                    self.segments -= 1


_state = _State()


def _reset() -> None:
    global _state
    _state = _State()


api.forget_with(_reset)


def pinned(nbytes: int) -> PinnedBlock:
    """Page-locked host memory of at least so many bytes, whatever is in it.

    Raises:
        OutOfMemoryError: so much can't be page-locked.
        AssertionError, RuntimeError: there is no GPU (see `cuda_api.absent`).
    """
    return _state.bin(nbytes).take()


def release_pinned() -> None:
    """Give page-locked memory back that is free."""
    _state.release()


def pinned_stats() -> dict[str, int]:
    """Bytes of page-locked memory: from the driver, at most so far, in use; and pieces."""
    live = sum(b.live * b.size for b in list(_state.bins.values()))
    return {"reserved": _state.nbytes, "peak": _state.peak, "live": live, "segments": _state.segments}


def reset_pinned_peak() -> None:
    """What there is now is the most there ever was."""
    _state.peak = _state.nbytes


def _held() -> dict[str, int]:
    return {"in page-locked memory": _state.nbytes}


shortage.keeps(_held, release_pinned)


def pinned_of(array: np.ndarray) -> PinnedBlock | None:
    """The page-locked block that an array lies in, if it does."""
    base: Any = array
    while base is not None and not isinstance(base, PinnedBlock):
        base = getattr(base, "base", None)
    return base


# --- copies ---------------------------------------------------------------------------------------


def to_device(
    array: np.ndarray, index: int | None = None, stream: Stream | None = None, wait: bool = True
) -> DeviceBlock:
    """A copy of an array on a device, row-major.

    The array may be changed at once: what is not page-locked is copied aside first.

    Args:
        index: the device, by default this thread's.
        stream: where the copy is submitted, by default the device's current stream.
        wait: whether to wait for the copy of a page-locked array. Else the array must stay as it is
            until the stream has come there.
    """
    from . import cuda_memory

    on = streams.current_stream(index) if stream is None else stream
    block = cuda_memory.allocate(array.nbytes, on.device, on)
    upload(np.ascontiguousarray(array), block.address, on, wait)
    return block


def upload(array: np.ndarray, target: int, stream: Stream, wait: bool = True) -> None:
    """Copy a row-major array to an address of a device; see `to_device`."""
    from .cuda import copy_to_device

    source = pinned_of(array)
    if source is not None:
        copy_to_device(target, address_of(array), array.nbytes, stream)
        source.used_by(stream)
        if wait:
            streams.noted_wait()
            stream.synchronize()
        return
    ring: deque[PinnedBlock] = deque()
    at = address_of(array)
    for start in range(0, array.nbytes, CHUNK):
        size = min(CHUNK, array.nbytes - start)
        if len(ring) == CHUNKS:
            stage = ring.popleft()
            stage.wait()
        else:
            stage = pinned(size)
        ctypes.memmove(stage.address, at + start, size)
        copy_to_device(target + start, stage.address, size, stream)
        stage.used_by(stream)
        ring.append(stage)


def to_host(
    block: DeviceBlock, dtype: Any, shape: tuple[int, ...], stream: Stream | None = None, offset: int = 0
) -> np.ndarray:
    """A copy of a block's content, from `offset` bytes on, as a row-major array. Waits for it."""
    result = np.empty(shape, dtype)
    if result.nbytes:
        streams.noted_wait()
        on = streams.current_stream(block.device) if stream is None else stream
        download(block.address + offset, result, on)
    return result


def download(source: int, result: np.ndarray, stream: Stream) -> None:
    """Fill a row-major array from an address of a device. Waits for it."""
    from .cuda import copy_to_host

    nbytes = result.nbytes
    if nbytes > BOUNCED or pinned_of(result) is not None:
        copy_to_host(address_of(result), source, nbytes, stream)
        stream.synchronize()
        return
    stage = pinned(nbytes)
    copy_to_host(stage.address, source, nbytes, stream)
    stream.synchronize()
    ctypes.memmove(address_of(result), stage.address, nbytes)


def to_pinned(
    block: DeviceBlock, dtype: Any, shape: tuple[int, ...], stream: Stream | None = None, offset: int = 0
) -> np.ndarray:
    """As `to_host`, into page-locked memory and without waiting: the content is there when the stream
    has come there."""
    from .cuda import copy_to_host

    on = streams.current_stream(block.device) if stream is None else stream
    nbytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    target = pinned(nbytes)
    result = target.array(dtype, shape)
    if nbytes:
        copy_to_host(target.address, block.address + offset, nbytes, on)
        target.used_by(on)
        block.used_by(on)
    return result
