"""Tensors in files: their memory is the file's."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..core import dtypes
from ..core.device import usable
from .creation import from_numpy
from .tensor import Tensor


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
    if count < 0:
        raise RuntimeError(f"from_file(): size must not be negative, got {count}")
    wanted = count * dt.itemsize
    try:
        if shared and (not os.path.exists(filename) or os.path.getsize(filename) < wanted):
            with open(filename, "ab") as file:
                file.truncate(wanted)
        have = os.path.getsize(filename)
        if have < wanted:
            raise RuntimeError(
                f"from_file(): file <{filename}> has {have} bytes, but {count} elements of {dt} need "
                f"{wanted}"
            )
        if not count:
            return from_numpy(np.empty(0, dt.np))
        memory = np.memmap(filename, np.uint8, "r+" if shared else "c", shape=(wanted,))
    except OSError as error:
        mode = "read-write" if shared else "read-only"
        raise RuntimeError(
            f"from_file(): unable to open file <{filename}> in {mode} mode: {error.strerror} "
            f"({error.errno})"
        ) from None
    return from_numpy(memory).view(dt)  # type: ignore[no-any-return]
