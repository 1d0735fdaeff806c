"""Runs planned launches on NumPy arrays that lie flush against pages that can't be touched, so that
an access outside is a crash."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np

from flambeau.codegen import specials
from flambeau.codegen.kernel import Kernel, Launch, Target
from flambeau.codegen.planning import Placed, row_major
from flambeau.runtime import native as llvm

HOST = Target(*llvm.host())
AVX2 = Target("x86_64-unknown-linux-gnu", "haswell", "", 32, 16, False)
NEON = Target("aarch64-unknown-linux-gnu", "generic", "+neon", 16, 32, False)
TARGETS = list(dict.fromkeys([HOST, Target(*llvm.host(32))]))
"""What this machine can run: its widest vectors, and narrower ones."""

_SIGNATURE = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 3)
_PAGE = mmap.PAGESIZE
_made: dict[Any, Any] = {}
_libc = ctypes.CDLL(None)


def assembly(kernel: Kernel, target: Target) -> str:
    return llvm.assembly(kernel.emit(target, "kernel"), target)


def native(kernel: Kernel, target: Target = HOST) -> Any:
    found = _made.get((kernel.key, target))
    if found is None:
        library = llvm.load([llvm.compile_module(kernel.emit(target, "kernel"), target)], ["kernel"])
        found = _made[kernel.key, target] = (_SIGNATURE(library.addresses["kernel"]), library)
    return found[0]


def flush(shape: tuple[int, ...], dtype: Any, at_end: bool = True) -> np.ndarray:
    """An array that ends, or begins, at a page that can't be touched. All bits are set."""
    itemsize = np.dtype(dtype).itemsize
    count = int(np.prod(shape, dtype=np.int64))
    pages = max(-(-count * itemsize // _PAGE), 1)
    memory = mmap.mmap(-1, (pages + 2) * _PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for edge in (start, start + (pages + 1) * _PAGE):
        _libc.mprotect(ctypes.c_void_p(edge), _PAGE, 0)
    offset = _PAGE + (pages * _PAGE - count * itemsize if at_end else 0)
    out = np.frombuffer(memory, dtype, count, offset).reshape(shape)
    out.reshape(-1).view(np.uint8)[:] = 0xFF
    return out


class Bench:
    """A room with buffers, and launches to run in it."""

    def __init__(self, threads: int = 2) -> None:
        self.threads = threads
        self.table: list[int] = []
        self.kept: list[Any] = []

    def slot(self, address: int) -> int:
        self.table.append(address)
        return len(self.table) - 1

    def temporary(self, nbytes: int) -> int:
        self.kept.append(flush((-(-nbytes // 64) * 64,), np.uint8))
        return self.slot(self.kept[-1].ctypes.data)

    def scratch(self, nbytes: int) -> int:
        assert nbytes % 64 == 0
        return self.temporary(nbytes * self.threads)

    def place(self, array: np.ndarray, base: np.ndarray | None = None) -> Placed:
        """An array, as elements of a base buffer."""
        base = array if base is None else base
        offset = (array.ctypes.data - base.ctypes.data) // max(array.itemsize, 1)
        strides = tuple(s // array.itemsize for s in array.strides)
        if array.flags.c_contiguous:
            strides = row_major(array.shape)
        self.kept.append(base)
        return Placed(self.slot(base.ctypes.data), array.dtype.name, array.shape, strides, offset)

    def prepare(self, launches: list[Launch], target: Target = HOST) -> Any:
        """A function that runs them: in so many unequal pieces, out of order, as threads might."""
        table = (ctypes.c_int64 * max(len(self.table), 1))(*self.table)
        calls = []
        for launch in launches:
            words = launch.words()
            args = (ctypes.c_int64 * max(len(words), 1))(*words)
            calls.append((native(launch.kernel, target), args, launch.tasks))

        def run(pieces: int = 1) -> None:
            for f, args, tasks in calls:
                if pieces == 1:
                    f(table, args, 0, tasks, 0)
                    continue
                cuts = sorted({0, tasks, *(tasks * k // pieces for k in range(pieces))})
                spans = list(zip(cuts, cuts[1:], strict=False))
                for number, (a, b) in enumerate(reversed(spans)):
                    f(table, args, a, b, number % self.threads)

        return run


def run(
    name: str, inputs: list[np.ndarray], outputs: list[tuple[tuple[int, ...], Any]],
    params: Any = (), target: Target = HOST, pieces: int = 1,
) -> list[np.ndarray]:  # fmt: skip
    """What a special kernel computes."""
    bench = Bench()
    inside = []
    for x in inputs:
        given = flush(x.shape, x.dtype, pieces % 2 == 0)
        given[...] = x
        inside.append(bench.place(given))
    made = [flush(shape, dtype, pieces % 2 == 1) for shape, dtype in outputs]
    launches = specials.plan(name, bench, inside, [bench.place(y) for y in made], params)
    assert launches is not None, f"{name} declined"
    bench.prepare(launches, target)(pieces)
    return made
