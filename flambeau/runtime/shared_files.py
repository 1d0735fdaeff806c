"""Memory that processes share: files without a name, mapped.

An anonymous file goes when no process has it open or mapped any more, so that nothing can be left
behind however they end.
"""

from __future__ import annotations

import mmap
import os
import sys
import weakref

import numpy as np


def anonymous_file(nbytes: int) -> int:
    """The descriptor of a new file in memory."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("flambeau")
    else:
        import tempfile

        with tempfile.TemporaryFile() as temporary:
            file = os.dup(temporary.fileno())
    os.ftruncate(file, max(nbytes, 1))
    return file


class SharedFile:
    """An anonymous file that this process has open and mapped, until nobody refers to it."""

    def __init__(self, file: int, nbytes: int) -> None:
        self.file, self.nbytes = file, nbytes
        room = max(nbytes, 1)
        if sys.version_info >= (3, 13):
            mapped = mmap.mmap(file, room, trackfd=False)
        else:
            mapped = mmap.mmap(file, room)
        self.bytes = np.frombuffer(mapped, np.uint8, nbytes)
        """The memory; arrays made of it keep it mapped."""
        weakref.finalize(self, os.close, file)

    @property
    def identity(self) -> tuple[int, int]:
        """Equal for descriptors of one file in all processes."""
        return identity(self.file)


def identity(file: int) -> tuple[int, int]:
    """See `SharedFile.identity`."""
    found = os.fstat(file)
    return found.st_dev, found.st_ino
