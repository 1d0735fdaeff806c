"""Runs launches on NumPy arrays: a room with buffers, and tasks in any order."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np

from flambeau.codegen.kernel import Kernel, Launch, Target
from flambeau.codegen.planning import Placed
from flambeau.runtime import native

HOST = Target(*native.host())
TARGETS = sorted({HOST, Target(*native.host(32)), Target(*native.host(16))})
"""What this machine can run."""
NEON = Target("aarch64-unknown-linux-gnu", "cortex-a76", "", 16, 32, False)
AVX2 = Target("x86_64-unknown-linux-gnu", "haswell", "", 32, 16, False)

GUARD = 1 << 16
"""Bytes behind each temporary that must stay as they are."""

_CODE = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 3)
_made: dict[Any, Any] = {}


def code(kernel: Kernel, target: Target) -> Any:
    """The kernel's function."""
    key = (kernel.key, target)
    if key not in _made:
        image = native.compile_module(kernel.emit(target, "kernel"), target)
        library = native.load([image], ["kernel"])
        _made[key] = library, _CODE(library.addresses["kernel"])
    return _made[key][1]


@cache
def assembly(kernel: Kernel, target: Target) -> str:
    return native.assembly(kernel.emit(target, "kernel"), target)


class Bench:
    """A room of two threads, with buffers."""

    threads = 2

    def __init__(self) -> None:
        self.table: list[int] = []
        self.kept: list[Any] = []
        self.behind: list[np.ndarray] = []

    def slot(self, address: int) -> int:
        self.table.append(address)
        return len(self.table) - 1

    def temporary(self, nbytes: int) -> int:
        array = np.full(nbytes + 64 + GUARD, 0xFF, np.uint8)  # NaN, whatever the dtype
        self.kept.append(array)
        address = -(-array.ctypes.data // 64) * 64
        self.behind.append(array[address + nbytes - array.ctypes.data :])
        return self.slot(address)

    def scratch(self, nbytes: int) -> int:
        assert nbytes % 64 == 0
        return self.temporary(nbytes * self.threads)

    def place(self, array: np.ndarray, base: np.ndarray | None = None) -> Placed:
        """An array, as elements of a base buffer."""
        base = array if base is None else base
        self.kept.append(base)
        offset = (array.ctypes.data - base.ctypes.data) // array.itemsize if array.size else 0
        strides = tuple(s // array.itemsize for s in array.strides)
        return Placed(self.slot(base.ctypes.data), array.dtype.name, array.shape, strides, offset)

    def run(self, launches: list[Launch], target: Target = HOST, pieces: int = 1) -> None:
        """In unequal pieces, the last one first, as several threads might."""
        table = (ctypes.c_int64 * (len(self.table) + 1))(*self.table)
        for launch in launches:
            words = launch.words()
            args = (ctypes.c_int64 * len(words))(*words)
            cuts = sorted({0, launch.tasks, *(launch.tasks * i // pieces for i in range(pieces))})
            for number, (begin, end) in enumerate(reversed(list(zip(cuts, cuts[1:])))):
                code(launch.kernel, target)(table, args, begin, end, number % self.threads)
        assert all((x == 0xFF).all() for x in self.behind), "wrote behind a temporary"
