"""Memory, copies and fills of libcuda's stand-in."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from . import codes
from .driver_calls import Refused, host, number, put
from .driver_streams import Streams
from .errors import SimulationError
from .memory import Memory, junk


class Memories(Streams):
    """The functions."""

    def memory_at(self, address: int, nbytes: int) -> Memory:
        """The device memory that has a range."""
        for device in self.gpu.devices:
            if device.memory.holds(address):
                owner = device.memory.owner(address)
                if owner is None or address + nbytes > owner[1]:
                    raise Refused(codes.INVALID_VALUE)
                return device.memory
        raise Refused(codes.INVALID_VALUE)

    def cuMemGetInfo_v2(self, free: Any, total: Any) -> None:
        memory = self.here().memory
        put(free, memory.size - memory.used)
        put(total, memory.size)

    def _allocate(self, out: Any, size: Any) -> int:
        nbytes = number(size)
        if nbytes == 0:
            return codes.INVALID_VALUE
        memory = self.here().memory
        address = memory.allocate(nbytes)
        if address is None:
            self.drain_all(self.here().index)  # what is freed in their order
            address = memory.allocate(nbytes)
        if address is None:
            return codes.OUT_OF_MEMORY
        put(out, address)
        return 0

    def cuMemAlloc_v2(self, out: Any, size: Any) -> int:
        return self._allocate(out, size)

    def cuMemAllocAsync(self, out: Any, size: Any, stream: Any) -> int:
        if self.queue(stream).capture is not None:
            return codes.STREAM_CAPTURE_UNSUPPORTED
        return self._allocate(out, size)

    def cuMemFree_v2(self, address: Any) -> int:
        where = number(address)
        if not where:
            return 0
        self.waits("cuMemFree_v2")
        self.drain_all()
        return 0 if any(d.memory.free(where) for d in self.gpu.devices) else codes.INVALID_VALUE

    def cuMemFreeAsync(self, address: Any, stream: Any) -> None:
        where = number(address)
        queue = self.queue(stream)
        memory = self.memory_at(where, 1)
        if where not in memory.ends or where in self.gpu.freeing:
            raise Refused(codes.INVALID_VALUE)
        if queue.capture is not None:
            raise Refused(codes.STREAM_CAPTURE_UNSUPPORTED)
        self.gpu.freeing.add(where)

        def run() -> None:
            memory.free(where)
            self.gpu.freeing.discard(where)

        self.submit(queue, "free", run)

    def cuMemHostAlloc(self, out: Any, size: Any, flags: Any) -> int:
        nbytes = number(size)
        if nbytes == 0:
            return codes.INVALID_VALUE
        held = np.empty(nbytes + 4096, np.uint8)
        junk(held)
        address = (held.ctypes.data + 4095) // 4096 * 4096
        self.pinned[address] = held
        self.registered[address] = nbytes
        put(out, address)
        return 0

    cuMemAllocHost_v2 = cuMemHostAlloc

    def cuMemFreeHost(self, address: Any) -> int:
        where = number(address)
        held = self.pinned.get(where)
        if held is None:
            return codes.INVALID_VALUE
        self.waits("cuMemFreeHost")
        del self.pinned[where], self.registered[where]  # nothing is waited for: see `_still`
        junk(held)
        return 0

    def cuMemHostRegister_v2(self, address: Any, size: Any, flags: Any) -> int:
        if number(address) in self.registered:
            return codes.HOST_MEMORY_ALREADY_REGISTERED
        self.registered[number(address)] = number(size)
        return 0

    def cuMemHostUnregister(self, address: Any) -> int:
        self.drain_all()
        if number(address) in self.pinned or self.registered.pop(number(address), None) is None:
            return codes.HOST_MEMORY_NOT_REGISTERED
        return 0

    def cuMemHostGetDevicePointer_v2(self, out: Any, address: Any, flags: Any) -> None:
        put(out, number(address))

    def cuPointerGetAttribute(self, out: Any, attribute: Any, address: Any) -> int:
        where, wanted = number(address), number(attribute)
        for device in self.gpu.devices:
            owner = device.memory.owner(where) if device.memory.holds(where) else None
            if owner is not None:
                value = {
                    1: device.context,
                    2: 2,
                    3: where,
                    9: device.index,
                    10: owner[0],
                    12: owner[1] - owner[0],
                }.get(wanted)
                if value is None:
                    return codes.INVALID_VALUE
                put(out, value, ctypes.c_uint64 if wanted in (1, 3, 10, 12) else ctypes.c_int)
                return 0
        if self.is_pinned(where, 1) and wanted in (2, 4, 9):
            put(
                out,
                {2: 1, 4: where, 9: 0}[wanted],
                ctypes.c_uint64 if wanted == 4 else ctypes.c_int,
            )
            return 0
        return codes.INVALID_VALUE

    def _still(self, address: int, nbytes: int) -> None:
        if not self.is_pinned(address, nbytes):
            raise SimulationError(
                f"{nbytes} bytes at {address:#x} were freed before a copy of them ran"
            )

    def is_pinned(self, address: int, nbytes: int) -> bool:
        return any(a <= address and address + nbytes <= a + n for a, n in self.registered.items())

    def cuMemcpyHtoDAsync_v2(self, target: Any, source: Any, size: Any, stream: Any) -> None:
        to, of, nbytes = number(target), number(source), number(size)
        queue = self.queue(stream)
        if nbytes == 0:
            return
        memory = self.memory_at(to, nbytes)
        if self.gpu.holds(of):
            raise Refused(codes.INVALID_VALUE)
        if self.is_pinned(of, nbytes) or queue.capture is not None:
            if not self.is_pinned(of, nbytes):
                raise Refused(codes.STREAM_CAPTURE_UNSUPPORTED)

            def late() -> None:
                self._still(of, nbytes)
                memory.range(to, nbytes)[:] = host(of, nbytes)

            self.submit(queue, "copy to device", late)
            return
        # Pageable memory is read before the call returns.
        held = host(of, nbytes).copy()

        def run() -> None:
            memory.range(to, nbytes)[:] = held

        self.submit(queue, "copy to device", run)

    def cuMemcpyHtoD_v2(self, target: Any, source: Any, size: Any) -> None:
        self.cuMemcpyHtoDAsync_v2(target, source, size, 0)
        self.cuStreamSynchronize(0)

    def cuMemcpyDtoHAsync_v2(self, target: Any, source: Any, size: Any, stream: Any) -> None:
        to, of, nbytes = number(target), number(source), number(size)
        queue = self.queue(stream)
        if nbytes == 0:
            return
        memory = self.memory_at(of, nbytes)
        if self.gpu.holds(to):
            raise Refused(codes.INVALID_VALUE)

        locked = self.is_pinned(to, nbytes)
        if queue.capture is not None and not locked:
            raise Refused(codes.STREAM_CAPTURE_UNSUPPORTED)

        def run() -> None:
            if locked:
                self._still(to, nbytes)
            ctypes.memmove(to, memory.range(of, nbytes).ctypes.data, nbytes)

        self.submit(queue, "copy to host", run)
        if not locked:
            # To pageable memory: the call waits.
            self.waits("cuMemcpyDtoHAsync_v2")
            self.drain(queue)

    def cuMemcpyDtoH_v2(self, target: Any, source: Any, size: Any) -> None:
        self.cuMemcpyDtoHAsync_v2(target, source, size, 0)
        self.cuStreamSynchronize(0)

    def cuMemcpyDtoDAsync_v2(self, target: Any, source: Any, size: Any, stream: Any) -> None:
        to, of, nbytes = number(target), number(source), number(size)
        queue = self.queue(stream)
        if nbytes == 0:
            return
        a, b = self.memory_at(to, nbytes), self.memory_at(of, nbytes)

        def run() -> None:
            a.range(to, nbytes)[:] = b.range(of, nbytes)

        self.submit(queue, "copy on device", run)

    def cuMemcpyPeerAsync(
        self,
        target: Any,
        target_context: Any,
        source: Any,
        source_context: Any,
        size: Any,
        stream: Any,
    ) -> None:
        from .panel import SimulatedDevice

        to, of, nbytes = number(target), number(source), number(size)
        if nbytes:
            a, b = self.memory_at(to, nbytes), self.memory_at(of, nbytes)
            if self.take(target_context, SimulatedDevice).memory is not a:
                raise Refused(codes.INVALID_VALUE)
            if self.take(source_context, SimulatedDevice).memory is not b:
                raise Refused(codes.INVALID_VALUE)
        self.cuMemcpyDtoDAsync_v2(target, source, size, stream)

    def _fill(self, target: Any, value: bytes, count: Any, stream: Any) -> None:
        to, nbytes = number(target), number(count) * len(value)
        queue = self.queue(stream)
        if nbytes == 0:
            return
        memory = self.memory_at(to, nbytes)
        pattern = np.frombuffer(value, np.uint8)

        def run() -> None:
            memory.range(to, nbytes).reshape(-1, len(value))[:] = pattern

        self.submit(queue, "fill", run)

    def cuMemsetD8Async(self, target: Any, value: Any, count: Any, stream: Any) -> None:
        self._fill(target, bytes([number(value) & 255]), count, stream)

    def cuMemsetD16Async(self, target: Any, value: Any, count: Any, stream: Any) -> None:
        self._fill(target, (number(value) & 0xFFFF).to_bytes(2, "little"), count, stream)

    def cuMemsetD32Async(self, target: Any, value: Any, count: Any, stream: Any) -> None:
        self._fill(target, (number(value) & 0xFFFFFFFF).to_bytes(4, "little"), count, stream)

    def cuDeviceGetDefaultMemPool(self, out: Any, device: Any) -> None:
        found = self.device_number(device)
        if not found.pool:
            found.pool = self.give(("pool", found))
        put(out, found.pool)

    cuDeviceGetMemPool = cuDeviceGetDefaultMemPool

    def cuMemPoolSetAttribute(self, pool: Any, attribute: Any, value: Any) -> None:
        self.take(pool, tuple)

    def cuMemPoolGetAttribute(self, pool: Any, attribute: Any, out: Any) -> None:
        _, device = self.take(pool, tuple)
        put(out, device.memory.used, ctypes.c_uint64)

    def cuMemPoolTrimTo(self, pool: Any, size: Any) -> None:
        self.take(pool, tuple)

    def cuMemPoolSetAccess(self, pool: Any, access: Any, count: Any) -> None:
        self.take(pool, tuple)
