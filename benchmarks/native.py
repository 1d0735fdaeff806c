"""Launches of native kernels over arrays of NumPy, without the engine: for timing one operation."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from flambeau.codegen.kernel import Launch, Target
from flambeau.codegen.plan import Step
from flambeau.codegen.planning import Placed, row_major
from flambeau.engine.linking import divided
from flambeau.runtime import blocks, kernel_cache, native, pool


class Room:
    """Memory for the launches of an operation, in the order of their slots. What planners want of
    one (`codegen.planning.Room`), and what runs them."""

    def __init__(self) -> None:
        self.threads = pool.get_num_threads()
        self.blocks: list[blocks.Block] = []

    def array(self, a: np.ndarray) -> Placed:
        """A copy of an array."""
        slot = self.temporary(a.nbytes)
        self.blocks[slot].array(a.dtype, a.shape)[...] = a
        return Placed(slot, str(a.dtype), a.shape, row_major(a.shape))

    def random(self, *shape: int, dtype: str = "float32") -> Placed:
        """An array of random numbers."""
        return self.array(np.random.default_rng(0).standard_normal(shape).astype(dtype))

    def temporary(self, nbytes: int) -> int:
        self.blocks.append(blocks.allocate(max(nbytes, 64)))
        return len(self.blocks) - 1

    def scratch(self, nbytes: int) -> int:
        return self.temporary(nbytes * self.threads)

    def value(self, x: Placed) -> np.ndarray:
        """What an array holds."""
        return self.blocks[x.slot].array(x.dtype, x.shape)

    def call(self, launches: list[Launch]) -> Callable[[], Any]:
        """What runs the launches as the engine would, and is over when it returns."""
        code = kernel_cache.addresses([x.kernel for x in launches], Target(*native.host()))
        records, kept = [], []
        for x in launches:
            words = x.words()
            args = (ctypes.c_int64 * max(len(words), 1))(*words)
            kept.append(args)
            chain = ((code[repr(x.kernel.key)], ctypes.addressof(args)),)
            records.append(pool.Record(chain, x.tasks, x.grain, 0, divided(Step((x,)))))
        program = pool.Program(records, self.threads)
        table = (ctypes.c_int64 * len(self.blocks))(*(b.address for b in self.blocks))
        at = ctypes.addressof(table)

        def run(_: Any = (self.blocks, code, kept, table, program)) -> None:
            pool.run_now(program.address, at)

        return run
