"""Runs the launches of specials on a simulated GPU, and what they mean in NumPy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from flambeau.codegen.cuda import specials
from flambeau.codegen.cuda.kernel import Gpu, GpuLaunch, target
from flambeau.codegen.kernel import Buf
from flambeau.codegen.planning import Placed, row_major
from flambeau.graph.evaluate_specials import SPECIALS
from tools.gpu import run_kernel

Array = np.ndarray[Any, Any]

rng = np.random.default_rng(7)


class Bench:
    """A `Room` whose slots are arrays: what is asked of it as a temporary holds junk."""

    def __init__(self, gpu: Gpu = Gpu(multiprocessors=4)) -> None:
        self.gpu = gpu
        self.slots: list[Any] = []
        self.owner: dict[int, int] = {}
        self.launched: list[GpuLaunch] = []

    def temporary(self, nbytes: int) -> int:
        junk = rng.integers(0, 256, nbytes, np.uint8)
        self.slots.append(junk)
        return len(self.slots) - 1

    def aligned(self, slot: int) -> bool:
        return slot not in self.owner

    def placed(self, memory: Array, shape: Sequence[int], strides: Sequence[int] | None = None, offset: int = 0,
               dtype: str = "") -> Placed:  # fmt: skip
        """Elements of an array that is a buffer of its own."""
        self.slots.append(memory)
        steps = row_major(tuple(shape)) if strides is None else tuple(strides)
        return Placed(len(self.slots) - 1, dtype or memory.dtype.name, tuple(shape), steps, offset)

    def array(self, x: Array, dtype: str = "") -> Placed:
        """A contiguous array."""
        return self.placed(np.ascontiguousarray(x).reshape(-1).copy(), x.shape, dtype=dtype)

    def out(self, shape: Sequence[int], dtype: Any) -> Placed:
        """An output that holds junk."""
        kind = np.dtype(dtype)
        junk = rng.integers(0, 256, max(1, math.prod(shape)) * kind.itemsize, np.uint8).view(kind)
        return self.placed(junk, shape)

    def value(self, x: Placed) -> Array:
        memory = self.slots[x.slot]
        steps = [s * memory.itemsize for s in x.strides]
        view = np.lib.stride_tricks.as_strided(memory[x.offset :], x.shape, steps)
        return np.array(view)

    def run(self, launches: Sequence[Any] | None, capability: int = 90, **how: Any) -> None:
        """The launches one after the other, with races looked for."""
        assert launches is not None
        for x in launches:
            self.launched.append(x)
            text = x.kernel.emit(target(capability), "kernel")
            used = {a.slot for a in x.args if isinstance(a, Buf)} | set(range(len(self.slots)))
            table = [self.slots[i] if i in used else 0 for i in range(len(self.slots))]
            table = [_bytes(t) for t in table]
            how.setdefault("race_check", True)
            run_kernel(
                text, "kernel", x.grid, x.block, x.words(), x.shared, capability, table, seed=3, **how
            )


def _bytes(x: Any) -> Any:
    return x if isinstance(x, np.ndarray) and x.flags.c_contiguous else x


def special(
    name: str, arrays: Sequence[Array], params: tuple[Any, ...], gpu: Gpu = Gpu(multiprocessors=4), capability: int = 90
) -> tuple[list[Array], list[Array], Bench]:  # fmt: skip
    """(what the kernels give, what NumPy gives, where it ran)."""
    with np.errstate(all="ignore"):
        wanted = SPECIALS[name](list(arrays), params)
    several = list(wanted) if isinstance(wanted, tuple) else [wanted]
    b = Bench(gpu)
    inputs = [b.array(np.asarray(a)) for a in arrays]
    outputs = [b.out(w.shape, w.dtype) for w in several]
    planner = specials.PLANNERS[name]
    b.run(planner(b, inputs, outputs, params), capability)
    return [b.value(o) for o in outputs], [np.asarray(w) for w in several], b
