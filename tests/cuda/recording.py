"""A stand-in for libcuda that notes its calls and does everything at once, in host memory."""

from __future__ import annotations

import ctypes
import itertools
from typing import Any

ATTRIBUTES = {1: 1024, 8: 49152, 10: 32, 16: 132, 39: 2048, 75: 9, 76: 0, 97: 232448, 115: 1}


def put(target: Any, value: Any) -> None:
    """Write through an out-parameter."""
    target._obj.value = value


class Recorder:
    """What `runtime.cuda.use` takes. `calls` are the names and arguments; `failing[name]` is the code
    that a function gives from now on."""

    def __init__(self, devices: int = 1, version: int = 12040, memory: int = 1 << 30) -> None:
        self.devices, self.version, self.memory = devices, version, memory
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.failing: dict[str, int] = {}
        self.attributes = dict(ATTRIBUTES)
        self.buffers: dict[int, Any] = {}
        self.handles = itertools.count(0x100)
        self.pending: set[int] = set()
        """Events that are not done."""
        self.modules: dict[int, bytes] = {}
        self.function_attributes = {0: 1024, 1: 1024, 3: 0, 4: 40}
        self.links = False

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("cu"):
            raise AttributeError(name)
        if name.startswith("cuLink") and not self.links:
            raise AttributeError(name)

        def function(*args: Any) -> int:
            self.calls.append((name, args))
            code = self.failing.get(name, 0)
            if code:
                return code
            did = getattr(self, "do_" + name, None)
            return (did(*args) if did else 0) or 0

        return function

    # --- what has results ----------------------------------------------------------------------

    def do_cuDriverGetVersion(self, out: Any) -> None:
        put(out, self.version)

    def do_cuDeviceGetCount(self, out: Any) -> None:
        put(out, self.devices)

    def do_cuDeviceGet(self, out: Any, index: int) -> None:
        put(out, index)

    def do_cuDeviceGetName(self, text: Any, size: int, device: int) -> None:
        text.value = b"Recorder"

    def do_cuDeviceTotalMem_v2(self, out: Any, device: int) -> None:
        put(out, self.memory)

    def do_cuMemGetInfo_v2(self, free: Any, total: Any) -> None:
        put(free, self.memory - self.used())
        put(total, self.memory)

    def do_cuDeviceGetAttribute(self, out: Any, number: int, device: int) -> None:
        put(out, self.attributes.get(number, 0))

    def do_cuGetErrorName(self, code: int, out: Any) -> None:
        put(out, {2: b"CUDA_ERROR_OUT_OF_MEMORY", 700: b"CUDA_ERROR_ILLEGAL_ADDRESS"}.get(code, b"CUDA_ERROR_OTHER"))

    def do_cuGetErrorString(self, code: int, out: Any) -> None:
        put(out, {2: b"out of memory", 700: b"an illegal memory access was encountered"}.get(code, b"other"))

    def do_cuCtxGetStreamPriorityRange(self, least: Any, greatest: Any) -> None:
        put(least, 0)
        put(greatest, -5)

    def _handle(self, out: Any, *_: Any) -> None:
        put(out, next(self.handles))

    do_cuDevicePrimaryCtxRetain = do_cuStreamCreateWithPriority = do_cuEventCreate = _handle
    do_cuDeviceGetDefaultMemPool = do_cuGraphInstantiateWithFlags = do_cuModuleGetFunction = _handle

    def do_cuStreamEndCapture(self, stream: int, out: Any) -> None:
        put(out, next(self.handles))

    def do_cuGraphGetNodes(self, graph: int, nodes: Any, out: Any) -> None:
        put(out, 7)

    def do_cuEventQuery(self, event: int) -> int:
        return 600 if event in self.pending else 0

    def do_cuEventElapsedTime(self, out: Any, start: int, end: int) -> None:
        put(out, 2.5)

    # --- memory ------------------------------------------------------------------------------------

    def used(self) -> int:
        return sum(len(b) for b in self.buffers.values())

    def do_cuMemAllocAsync(self, out: Any, size: int, stream: int) -> int:
        if self.used() + size > self.memory:
            return 2
        buffer = (ctypes.c_char * (size + 512))()
        at = -(-ctypes.addressof(buffer) // 512) * 512
        self.buffers[at] = buffer
        put(out, at)
        return 0

    def do_cuMemFreeAsync(self, address: int, stream: int) -> None:
        del self.buffers[address]

    def do_cuMemHostAlloc(self, out: Any, size: int, flags: int) -> int:
        return self.do_cuMemAllocAsync(out, size, 0)

    def do_cuMemFreeHost(self, address: int) -> None:
        del self.buffers[address]

    def _copy(self, target: int, source: int, size: int, stream: int) -> None:
        ctypes.memmove(target, source, size)

    do_cuMemcpyHtoDAsync_v2 = do_cuMemcpyDtoHAsync_v2 = do_cuMemcpyDtoDAsync_v2 = _copy

    def do_cuMemsetD8Async(self, target: int, byte: int, size: int, stream: int) -> None:
        ctypes.memset(target, byte, size)

    # --- code ----------------------------------------------------------------------------------------

    def do_cuModuleLoadDataEx(self, out: Any, image: bytes, n: int, options: Any, values: Any) -> int:
        if b"wrong" in image:
            ctypes.memmove(values[0], b"line 3: wrong", 14)
            return 218
        put(out, next(self.handles))
        self.modules[out._obj.value] = image
        return 0

    def do_cuFuncGetAttribute(self, out: Any, number: int, function: int) -> None:
        put(out, self.function_attributes.get(number, 0))

    def do_cuLinkCreate_v2(self, n: int, options: Any, values: Any, out: Any) -> None:
        put(out, next(self.handles))

    def do_cuLinkAddData_v2(self, state: int, kind: int, data: bytes, size: int, *_: Any) -> int:
        if b"wrong" in data:
            return 218
        self.linked = ctypes.create_string_buffer(b"CUBIN of " + data)
        return 0

    def do_cuLinkComplete(self, state: int, out: Any, size: Any) -> None:
        put(out, ctypes.addressof(self.linked))
        put(size, len(self.linked))
