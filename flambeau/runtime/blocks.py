"""Memory for results: blocks aligned to 64 bytes that are used again.

A program's results have the same sizes at every step, so that a freed block is soon wanted again;
getting fresh pages from the system costs far more than computing on them. A `Block` is a ctypes
array, which makes it a buffer that NumPy arrays can stand on; when the last reference to it goes,
its memory goes to the bin of its size. That may be while a program that was submitted still uses
it: the next one that does is behind it in the stream. So only programs of the stream may write to
fresh blocks, or whoever has waited for it.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import threading
from typing import Any

import numpy as np

from . import pool, shortage

ALIGN = 64
SMALL = 32 << 10
"""Blocks up to so many bytes are cut from slabs, which are kept."""
SLAB = 64 << 10
HUGE = 2 << 20
"""From so many bytes on, memory is asked for in huge pages."""
MOST_CACHED, LEAST_CACHED = 4 << 30, 1 << 30
"""What is free may be a quarter of what is in use, within these bounds; the rest is given back."""


class Block(ctypes.Array):
    """A piece of memory, freed with its last reference. Its content is whatever was there before.

    For ctypes it is an array without end, so that one class serves all sizes: nothing but
    `address` and `nbytes` says how large it is, and `array` keeps within that."""

    _type_ = ctypes.c_char
    _length_ = 1 << 46
    __slots__ = ("address", "nbytes", "owner", "_home")

    address: int
    """A multiple of 64, unless the memory is foreign."""
    nbytes: int
    """Its capacity."""
    owner: Any
    """None, or whose memory it is if it was made elsewhere."""
    _home: Any
    """Where the address goes in the end: what has `append`."""

    @staticmethod
    def of_array(array: np.ndarray) -> Block:
        """An array's memory, made elsewhere, as a block."""
        address = address_of(array)
        block: Block = _block_at(address)
        block.address = address
        block.nbytes = array.nbytes
        block.owner = array
        block._home = _NOWHERE
        return block

    def array(self, dtype: Any, shape: tuple[int, ...], offset: int = 0) -> np.ndarray:
        """A writeable array over the block, in row-major order, whose `.base` is the block.
        `offset` is in bytes."""
        made: np.ndarray = np.ndarray(shape, dtype, self, offset)  # type: ignore[arg-type]
        if offset < 0 or offset + made.nbytes > self.nbytes:
            raise ValueError(f"{made.nbytes} bytes at {offset} in a block of {self.nbytes}")
        return made

    def __del__(self) -> None:
        self._home.append(self.address)

    def __len__(self) -> int:
        return self.nbytes

    def __repr__(self) -> str:
        return f"<Block of {self.nbytes} bytes at {self.address:#x}>"


class _Nowhere:
    """Foreign memory isn't ours to use again."""

    @staticmethod
    def append(address: int) -> None:
        pass


_block_at: Any = Block.from_address
_NOWHERE = _Nowhere()


class Bin:
    """All blocks of one size: the free ones wait here."""

    __slots__ = ("size", "free", "home")

    def __init__(self, size: int) -> None:
        self.size = size
        self.free: list[int] = []
        """Addresses, the most recently freed last."""
        self.home: Any = self.free

    def take(self) -> Block:
        """A block of this size."""
        try:
            address = self.free.pop()
        except IndexError:
            address = self.more()
        block: Block = _block_at(address)
        block.address = address
        block.nbytes = self.size
        block.owner = None
        block._home = self.home
        return block

    def more(self) -> int:
        """Cut a slab into blocks; all but one are free."""
        count = max(8, SLAB // self.size)
        first = _pages.slab(count * self.size)
        addresses = [first + i * self.size for i in range(count)]
        self.free.extend(reversed(addresses[1:]))
        return addresses[0]


class LargeBin(Bin):
    """Blocks with pages of their own, which can be given back."""

    __slots__ = ("maps", "last")

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.home = self
        self.maps: dict[int, tuple[mmap.mmap, int]] = {}
        """The mappings and their bytes, by the blocks' addresses."""
        self.last = 0
        """When it was last asked for: what `_Pages.clock` was."""

    def take(self) -> Block:
        self.last = _pages.tick()
        if self.free:
            _pages.cached -= self.size
        return super().take()

    def append(self, address: int) -> None:
        """A block's last reference has gone."""
        self.free.append(address)
        _pages.cached += self.size
        if _pages.cached > LEAST_CACHED:
            _pages.settle()

    def more(self) -> int:
        address, mapping, nbytes = _pages.large(self.size)
        self.maps[address] = (mapping, nbytes)
        return address


class _Pages:
    """Where the memory comes from, and how much of it there is."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.slabs: list[mmap.mmap] = []
        self.slab_bytes = 0
        self.mapped = 0
        """Bytes of large blocks, in use or free."""
        self.clock = 0
        """How often a large block was taken."""
        self.made = 0
        self.cached = 0
        """Bytes of free large blocks; without a lock, so set right again when it matters."""

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def slab(self, nbytes: int) -> int:
        mapping = _map(nbytes)
        self.slabs.append(mapping)
        self.slab_bytes += nbytes
        return _start(mapping)

    def large(self, nbytes: int) -> tuple[int, mmap.mmap, int]:
        """Pages for one block. Blocks begin at different places within a page: if all began at its
        head, loads and stores of a loop over several would fall on the same lines of the cache."""
        self.settle()
        whole = nbytes + mmap.PAGESIZE
        mapping = _map(whole)
        with self.lock:
            self.mapped += whole
            self.made += 1
            skip = self.made * 5 * ALIGN % mmap.PAGESIZE
        return _start(mapping) + skip, mapping, whole

    def bound(self) -> int:
        """Bytes that may be free."""
        live = self.mapped - self.cached
        return min(MOST_CACHED, max(LEAST_CACHED, live // 4))

    def settle(self, bound: int | None = None) -> None:
        """Give free memory back until it is within the bound. Bins that are no longer asked for
        come first, of each the blocks that have been free for longest."""
        if not self.lock.acquire(blocking=False):
            return  # another thread is at it, or this one, within a finalizer
        try:
            large = [b for b in list(_bins.values()) if isinstance(b, LargeBin)]
            self.cached = sum(len(b.free) * b.size for b in large)
            most = self.bound() if bound is None else bound
            if self.cached > most:
                pool.synchronize()  # what is free in Python may still be in use there
            for b in sorted(large, key=lambda b: b.last):
                while self.cached > most and b.free:
                    try:
                        address = b.free.pop(0)
                    except IndexError:
                        break
                    _, nbytes = b.maps.pop(address)
                    self.cached -= b.size
                    self.mapped -= nbytes
        finally:
            self.lock.release()


def _map(nbytes: int) -> mmap.mmap:
    """Fresh pages; where there are none, after all that is free was given back. OutOfMemoryError
    where there still are none, or too few to be filled."""
    if nbytes >= shortage.LARGE:
        shortage.admit(nbytes)
    try:
        return _fresh(nbytes)
    except (OSError, MemoryError, OverflowError):
        shortage.relieve()
    try:
        return _fresh(nbytes)
    except (OSError, MemoryError, OverflowError) as error:
        raise shortage.refused(nbytes) from error


def _fresh(nbytes: int) -> mmap.mmap:
    """Pages from the system, not shared with forked children."""
    if not hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, nbytes)
    mapping = mmap.mmap(-1, nbytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if nbytes >= HUGE and hasattr(mmap, "MADV_HUGEPAGE"):
        try:
            mapping.madvise(mmap.MADV_HUGEPAGE)
        except OSError:  # a kernel without them
            pass
    return mapping


def _start(mapping: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(mapping))


_pages = _Pages()


def _after_fork() -> None:
    """The parent's lock may be held by a thread that is not in the child."""
    _pages.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

_bins: dict[int, Bin] = {}


def size_class(nbytes: int) -> int:
    """The capacity of a block that holds so many bytes: multiples of 64 up to 1024, from there on
    eight sizes from one power of two to the next."""
    if nbytes <= 1024:
        return max(ALIGN, -(-nbytes // ALIGN) * ALIGN)
    step = 1 << ((nbytes - 1).bit_length() - 4)
    return -(-nbytes // step) * step


def bin_for(nbytes: int) -> Bin:
    """The bin whose blocks hold so many bytes. Who takes the same size often keeps it."""
    size = size_class(nbytes)
    found = _bins.get(size)
    if found is None:
        found = _bins.setdefault(size, Bin(size) if size <= SMALL else LargeBin(size))
    return found


def allocate(nbytes: int) -> Block:
    """A block of at least so many bytes."""
    return bin_for(nbytes).take()


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An array on a block of its own."""
    kind = np.dtype(dtype)
    count = 1
    for n in shape:
        count *= n
    return allocate(count * kind.itemsize).array(kind, shape)


def release() -> None:
    """Give all free memory back, but for the slabs of small blocks."""
    _pages.settle(0)


def stats() -> dict[str, int]:
    """Bytes in large blocks that are in use and that are free, in slabs of small blocks, and in
    small blocks that are free."""
    bins = list(_bins.values())
    cached = sum(len(b.free) * b.size for b in bins if b.size > SMALL)
    return {
        "live": _pages.mapped - cached,
        "cached": cached,
        "slabs": _pages.slab_bytes,
        "slabs_free": sum(len(b.free) * b.size for b in bins if b.size <= SMALL),
    }


def _held() -> dict[str, int]:
    found = stats()
    return {
        "in blocks in use": found["live"] + found["slabs"] - found["slabs_free"],
        "in free blocks": found["cached"] + found["slabs_free"],
    }


shortage.keeps(_held, release)


def _slow_address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


_pointer = ctypes.c_size_t.from_address
_DATA = object.__basicsize__
"""NumPy's arrays begin, after Python's head of every object, with the address of their data."""


def _fast_address(array: np.ndarray) -> int:
    return _pointer(id(array) + _DATA).value


def _addresser() -> Any:
    """The fast way if it is right here: a tenth of the time of the slow one."""
    if sys.implementation.name == "cpython":
        whole = np.arange(24, dtype=np.float32).reshape(4, 6)
        probes = (whole, whole[1:, 2:], whole.T, np.empty(0), np.array(1.5))
        if all(_fast_address(a) == _slow_address(a) for a in probes):
            return _fast_address
    return _slow_address


address_of = _addresser()
"""The address of an array's first element. The array must be an ndarray."""
