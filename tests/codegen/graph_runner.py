"""Runs a planned graph on NumPy arrays, without the engine. All of its memory lies flush against
pages that can't be touched, and holds rubbish before."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from flambeau.codegen.plan import Plan, plan
from flambeau.engine import arena
from flambeau.graph.elementwise import numpy_dtype
from flambeau.graph.ir import Node
from flambeau.runtime import kernel_cache

from .specials_runner import HOST, flush

_SIGNATURE = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, *[ctypes.c_int64] * 3)


class Run:
    """One plan and its memory."""

    def __init__(
        self, outputs: Sequence[Node], inputs: Sequence[np.ndarray], numbers: Sequence[float], *,
        fusing: bool = True, threads: int = 1, taking_over: bool = False,
    ) -> None:  # fmt: skip
        self.outputs = outputs
        self.threads = threads
        self.plan: Plan = plan(list(outputs), len(inputs), len(numbers), threads, fusing)
        self.words = (ctypes.c_int64 * self.plan.slots)()
        self.kept: list[np.ndarray] = []
        self.inputs = [self._array(x.shape, x.dtype) for x in inputs]
        for slot, (mine, x) in enumerate(zip(self.inputs, inputs, strict=True)):
            mine[...] = x
            self.words[slot] = mine.ctypes.data
        for i, x in enumerate(numbers):
            bits = struct.unpack("q", struct.pack("d", x))[0] if isinstance(x, float) else x
            self.words[len(inputs) + i] = bits
        self.results = self._results(taking_over)
        self._room()
        self._launch()

    def _array(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        made = flush(shape, dtype)
        self.kept.append(made)
        return made

    def _results(self, taking_over: bool) -> list[np.ndarray]:
        made: dict[int, np.ndarray] = {}
        for place, node in zip(self.plan.outputs, self.outputs, strict=True):
            if place.slot not in made:
                array = self._array(tuple(node.shape), numpy_dtype(node.dtype))
                if taking_over and place.donor is not None:
                    array = self.inputs[place.donor].reshape(node.shape)
                made[place.slot] = array
                self.words[place.slot] = array.ctypes.data
        return [made[place.slot] for place in self.plan.outputs]

    def _room(self) -> None:
        """Temporaries, each by its lifetime in one arena; scratch memory; derived addresses."""
        size, offsets = arena.layout(self.plan.temporaries)
        base = self._array((size + 64,), np.uint8).ctypes.data // 64 * 64
        for t in self.plan.temporaries:
            self.words[t.slot] = base + offsets[t.slot]
        for slot, nbytes in self.plan.scratch:
            self.words[slot] = self._array((nbytes * self.threads + 64,), np.uint8).ctypes.data // 64 * 64
        for d in self.plan.derived:
            moved = sum(self.words[n] for n in d.numbers) * d.size
            self.words[d.slot] = self.words[d.base] + moved

    def _launch(self) -> None:
        launches = [x for s in self.plan.steps for x in s.launches]
        code = kernel_cache.addresses([x.kernel for x in launches], HOST)
        table = ctypes.addressof(self.words)
        for step in self.plan.steps:
            for x in step.launches:
                words = x.words()
                args = (ctypes.c_int64 * max(len(words), 1))(*words)
                call = _SIGNATURE(code[repr(x.kernel.key)])
                half = x.tasks // 2
                for begin, end in ((half, x.tasks), (0, half)):  # any division, in any order
                    if begin < end:
                        call(table, ctypes.addressof(args), begin, end, 0)
