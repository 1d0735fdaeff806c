"""Runs a graph that is planned for a GPU on the simulated one, without the engine. Each buffer is an
allocation of its own and of just its size, so that whoever leaves it is caught."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from ctypes import byref, c_uint64
from typing import Any

import numpy as np

from flambeau.codegen.cuda.plan import GpuPlan, plan
from flambeau.graph.elementwise import numpy_dtype
from flambeau.graph.ir import Node
from flambeau.runtime import cuda, cuda_api, cuda_code


class GpuRun:
    """One plan, run once; `results` are the outputs' arrays."""

    def __init__(
        self, outputs: Sequence[Node], inputs: Sequence[np.ndarray], numbers: Sequence[float], *,
        fusing: bool = True, taking_over: bool = False,
    ) -> None:  # fmt: skip
        self.device = cuda.device(0)
        self.device.activate()
        self.stream = cuda.default_stream(0)
        made = plan(list(outputs), len(inputs), len(numbers), self.device.gpu(), fusing)  # type: ignore[arg-type]
        self.plan: GpuPlan = made
        words = (ctypes.c_int64 * max(made.slots, 1))()
        for slot, x in enumerate(inputs):
            words[slot] = self.upload(np.ascontiguousarray(x))
        for i, number in enumerate(numbers, len(inputs)):
            bits = struct.unpack("q", struct.pack("d", number))[0]
            words[i] = bits if isinstance(number, float) else number  # type: ignore[assignment]
        for out, node in zip(made.outputs, outputs, strict=True):
            if not words[out.slot]:
                over = taking_over and out.donor is not None
                size = node.numel * numpy_dtype(node.dtype).itemsize
                words[out.slot] = words[out.donor] if over else self.memory(size)  # type: ignore[index]
        for t in made.temporaries:
            words[t.slot] = self.memory(t.nbytes)
        for c in made.checks:
            words[c.slot] = self.upload(np.zeros(2, np.int64))
        for d in made.derived:
            words[d.slot] = words[d.base] + sum(words[n] for n in d.numbers) * d.size
        table = self.upload(np.array(words[:], np.int64))
        self.launch(table)
        self.results = [
            self.download(words[out.slot], node) for out, node in zip(made.outputs, outputs, strict=True)
        ]

    def memory(self, nbytes: int) -> int:
        found = c_uint64()
        cuda_api.call("cuMemAlloc_v2", byref(found), max(nbytes, 1))
        return found.value

    def upload(self, x: np.ndarray) -> int:
        address = self.memory(x.nbytes)
        cuda.copy_to_device(address, x.ctypes.data, x.nbytes, self.stream)
        self.stream.synchronize()
        return address

    def download(self, address: int, node: Node) -> np.ndarray:
        found = np.empty(node.shape, numpy_dtype(node.dtype))
        cuda.copy_to_host(found.ctypes.data, address, found.nbytes, self.stream)
        self.stream.synchronize()
        return found

    def launch(self, table: int) -> None:
        launches: list[Any] = [x for s in self.plan.steps for x in s.launches]
        functions = cuda_code.functions([x.kernel for x in launches], self.device)
        for x in launches:
            f = functions[repr(x.kernel.key)]
            cuda.launch(f, x.grid, x.block, x.shared, self.stream, f.prepare(x.words(), table))
        self.stream.synchronize()
