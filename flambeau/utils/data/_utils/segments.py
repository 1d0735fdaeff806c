"""Shared memory that carries large batches from a worker to the loader.

A segment is an anonymous file in memory: it has no name, so nothing can be left behind however the
processes end; the memory goes when both have let go of it. The worker makes it and passes the open
file over the socket, once. The loader copies a batch out and hands the segment back with its next
task, so that a few segments, whose pages are already there, serve a whole epoch.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Sequence

import numpy as np

SUPPORTED = sys.platform != "win32"
"""Whether open files can be passed to another process; else all goes through the socket."""

_ALIGN = 64


def layout(sizes: Sequence[int]) -> tuple[list[int], int]:
    """Where buffers of ``sizes`` bytes begin in a segment, and the bytes they take together."""
    starts, end = [], 0
    for size in sizes:
        starts.append(end)
        end += -(-size // _ALIGN) * _ALIGN
    return starts, end


def _map(file: int, size: int) -> np.ndarray:
    """The segment's bytes. The descriptor may be closed afterwards."""
    if sys.version_info >= (3, 13):
        return np.frombuffer(mmap.mmap(file, size, trackfd=False), np.uint8)
    return np.frombuffer(mmap.mmap(file, size), np.uint8)


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("flambeau-batch")
    import tempfile

    with tempfile.TemporaryFile() as temporary:
        return os.dup(temporary.fileno())


class Writer:
    """The worker's side: finds a free segment for a batch, or makes one."""

    def __init__(self) -> None:
        self._memory: dict[int, np.ndarray] = {}
        self._free: set[int] = set()
        self._made = 0

    def release(self, numbers: Sequence[int]) -> None:
        """The loader has copied these segments out."""
        self._free.update(numbers)

    def write(self, buffers: Sequence[memoryview]) -> tuple[int, int | None, list[int]]:
        """Copies ``buffers`` into a segment.

        Returns its number, the descriptor to pass on and close if the segment is new, and the
        numbers of segments that were too small and are given up. OSError, with nothing changed,
        where no segment can be made.
        """
        starts, total = layout([buffer.nbytes for buffer in buffers])
        number, file, dropped = self._find(total)
        memory = self._memory[number]
        for start, buffer in zip(starts, buffers, strict=True):
            memory[start : start + buffer.nbytes] = np.frombuffer(buffer, np.uint8)
        return number, file, dropped

    def _find(self, total: int) -> tuple[int, int | None, list[int]]:
        for number in self._free:
            if self._memory[number].nbytes >= total:
                self._free.remove(number)
                return number, None, []
        # Pages that are never touched cost nothing, so a power of two leaves room for batches
        # that vary in size.
        size = max(mmap.PAGESIZE, 1 << (total - 1).bit_length())
        file = _anonymous_file()
        try:
            os.ftruncate(file, size)
            memory = _map(file, size)
        except BaseException:
            os.close(file)
            raise
        dropped = list(self._free)
        for number in dropped:
            del self._memory[number]
        self._free.clear()
        number, self._made = self._made, self._made + 1
        self._memory[number] = memory
        return number, file, dropped


class Reader:
    """The loader's side for one worker."""

    def __init__(self) -> None:
        self._memory: dict[int, np.ndarray] = {}
        self._done: list[int] = []

    def add(self, number: int, file: int) -> None:
        """A new segment has arrived."""
        try:
            self._memory[number] = _map(file, os.fstat(file).st_size)
        finally:
            os.close(file)

    def drop(self, numbers: Sequence[int]) -> None:
        """The worker has given these up."""
        for number in numbers:
            del self._memory[number]

    def read(self, number: int, sizes: Sequence[int]) -> list[np.ndarray]:
        """Copies of a segment's buffers; the segment may be used again."""
        starts, _ = layout(sizes)
        memory = self._memory[number]
        self._done.append(number)
        return [memory[a : a + n].copy() for a, n in zip(starts, sizes, strict=True)]

    def skip(self, number: int) -> None:
        """The segment's batch is not wanted any more."""
        self._done.append(number)

    def take_done(self) -> list[int]:
        """The segments to hand back to the worker."""
        done, self._done = self._done, []
        return done
