"""Tensors in files: their memory is the file's."""

from __future__ import annotations

import errno
import os
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.device import usable
from ..core.dtypes import dtype
from ..runtime.truncation import guard, tell
from .creation import from_numpy
from .tensor import Tensor

__all__ = ["from_file", "guard", "tell"]


def from_file(
    filename: str, shared: bool | None = None, size: int | None = 0, *, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A vector of `size` elements whose memory is a file's. With `shared` what is written goes to the
    file, which is made or lengthened where need be; else it is this process's alone. RuntimeError
    where the file cannot be opened or is too short."""
    dt = dtypes.get_default() if dtype is None else dtype
    usable(device)
    count = int(size or 0)
    memory = map_file(filename, bool(shared), count, dt)
    if not count:
        return from_numpy(np.empty(0, dt.np))
    return from_numpy(memory).view(dt)  # type: ignore[no-any-return]


def map_file(filename: Any, shared: bool, count: int, dt: dtype) -> np.ndarray:
    """The memory of a file's first `count` elements in bytes, as for `from_file`."""
    if count < 0:
        raise RuntimeError(f"from_file(): size must not be negative, got {count}")
    wanted = count * dt.itemsize
    try:
        have = os.path.getsize(filename) if os.path.exists(filename) else -1
        if shared and have < wanted:
            _lengthen(filename, max(have, 0), wanted)
            have = os.path.getsize(filename)
        elif have < 0:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if have < wanted:
            raise RuntimeError(
                f"from_file(): file <{filename}> has {have} bytes, but {count} elements of {dt} need "
                f"{wanted}"
            )
        if not wanted:
            return np.empty(0, np.uint8)
        memory = np.memmap(filename, np.uint8, "r+" if shared else "c", shape=(wanted,))
    except OSError as error:
        mode = "read-write" if shared else "read-only"
        raise RuntimeError(
            f"from_file(): unable to open file <{filename}> in {mode} mode: {error.strerror} "
            f"({error.errno})"
        ) from None
    guard(memory._mmap, str(filename))  # type: ignore[attr-defined]
    return memory


def _lengthen(filename: Any, have: int, wanted: int) -> None:
    """Make a file longer, where there is room: a hole in it that can't be filled is noticed too late."""
    folder = os.path.dirname(os.path.abspath(filename))
    if wanted >= 1 << 63 or (
        hasattr(os, "statvfs")
        and wanted - have > os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with open(filename, "ab") as file:
        file.truncate(wanted)
