"""What flambeau asks of an NVIDIA GPU: devices, streams, copies, code and launches.

This is the whole interface; `cuda_api`, `cuda_devices`, `cuda_streams` and `cuda_code` are behind it,
`cuda_memory` beside it. Nothing of it is imported before a GPU is asked for. All that is submitted is
asynchronous: who looks at a result waits for its stream. An address is an int, a size is in bytes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import c_int64, c_uint64, c_void_p
from typing import Any

from . import cuda_api as api
from .cuda_api import (
    MINIMUM_CAPABILITY,
    MINIMUM_DRIVER,
    Error,
    absent,
    available,
    call,
    capabilities,
    described,
    driver_version,
    library,
    lost,
    number_of,
    reason,
    require,
    usable,
    use,
)
from .cuda_devices import (
    STATIC_SHARED,
    Device,
    Facts,
    current_device,
    device,
    device_count,
    forget_current,
    set_device,
    started,
)
from .cuda_streams import (
    Event,
    Graph,
    Stream,
    capture,
    capturing,
    current_stream,
    default_stream,
    external,
    known_streams,
    noted_wait,
    pooled,
    priorities,
    set_current_stream,
    set_waiting,
    wait_for,
    waited_by,
    waiting_mode,
)

__all__ = ["MINIMUM_CAPABILITY", "MINIMUM_DRIVER", "STATIC_SHARED", "Device", "Error", "Event", "Facts",
           "Function", "Graph", "Module", "Prepared", "Stream", "absent", "available", "call",
           "capabilities", "capture", "capturing", "copy_between", "copy_on_device", "copy_to_device",
           "copy_to_host", "current_device", "current_stream", "default_stream", "described", "device",
           "device_count", "device_of_pointer", "driver_version", "external", "fill", "forget_current", "known_streams",
           "launch", "library", "load", "lost", "noted_wait", "number_of", "pooled", "priorities",
           "reason", "require", "set_current_stream", "set_device", "set_waiting", "started",
           "synchronize", "usable", "use", "wait_for", "waited_by", "waiting_mode"]  # fmt: skip

PARAMETER_BYTES = 4096
"""Of a kernel's parameters, at most."""


# --- copies -------------------------------------------------------------------------------------


def copy_to_device(target: int, source: int, nbytes: int, stream: Stream) -> None:
    """Copy host memory at `source` to a device. It must stay as it is until the stream has come there."""
    if nbytes:
        stream.owner.activate()
        code = api.library().cuMemcpyHtoDAsync_v2(target, source, nbytes, stream.handle)
        if code:
            api.failed(code, f"copying {nbytes} bytes to cuda:{stream.device}")


def copy_to_host(target: int, source: int, nbytes: int, stream: Stream) -> None:
    """Copy a device's memory to host memory at `target`, which must live until the stream has come there."""
    if nbytes:
        stream.owner.activate()
        code = api.library().cuMemcpyDtoHAsync_v2(target, source, nbytes, stream.handle)
        if code:
            api.failed(code, f"copying {nbytes} bytes from cuda:{stream.device}")


def copy_on_device(target: int, source: int, nbytes: int, stream: Stream) -> None:
    """Copy within a device. The two must not overlap."""
    if nbytes:
        stream.owner.activate()
        code = api.library().cuMemcpyDtoDAsync_v2(target, source, nbytes, stream.handle)
        if code:
            api.failed(code, f"copying {nbytes} bytes on cuda:{stream.device}")


def copy_between(
    target: int, target_device: int, source: int, source_device: int, nbytes: int, stream: Stream
) -> None:
    """Copy from one device to another."""
    if nbytes:
        stream.owner.activate()
        api.call(
            "cuMemcpyPeerAsync", target, device(target_device).context, source,
            device(source_device).context, nbytes, stream.handle,
            doing=f"copying {nbytes} bytes from cuda:{source_device} to cuda:{target_device}",
        )  # fmt: skip


def fill(target: int, byte: int, nbytes: int, stream: Stream) -> None:
    """Set bytes of a device."""
    if nbytes:
        stream.owner.activate()
        code = api.library().cuMemsetD8Async(target, byte, nbytes, stream.handle)
        if code:
            api.failed(code, f"filling {nbytes} bytes on cuda:{stream.device}")


def synchronize(index: int | None = None) -> None:
    """Wait until everything that was submitted to a device is done."""
    device(index).synchronize()


def device_of_pointer(address: int) -> int:
    """The index of the device whose memory an address is in."""
    forget_current()
    device().activate()
    return api.number_of(
        "cuPointerGetAttribute", 9, address, doing=f"looking for the device of address {address:#x}"
    )


# --- code ---------------------------------------------------------------------------------------


class Prepared:
    """A kernel's arguments, ready for any number of launches: the address of the table, and words."""

    __slots__ = ("parameters", "table", "words")

    def __init__(self, words: Sequence[int], table: int) -> None:
        if 8 * (len(words) + 1) > PARAMETER_BYTES:
            raise ValueError(f"{len(words)} words of arguments; a kernel takes {PARAMETER_BYTES // 8 - 1}")
        self.table = c_uint64(table)
        """Its `value` may be set to another address, for the launches to come."""
        self.words = (c_int64 * max(len(words), 1))(*words)
        self.parameters = (c_void_p * 2)(ctypes.addressof(self.table), ctypes.addressof(self.words))


class Function:
    """A kernel that is loaded on a device. It holds on to its module."""

    __slots__ = ("handle", "name", "module", "device", "_shared", "_facts")

    def __init__(self, module: Module, name: str, handle: int) -> None:
        self.module, self.name, self.handle = module, name, handle
        self.device = module.device
        self._shared = STATIC_SHARED - self._attribute(1)
        self._facts: dict[int, int] = {}

    def __repr__(self) -> str:
        return f"<Function {self.name} on cuda:{self.device.index}: {self.registers} registers>"

    def _attribute(self, number: int) -> int:
        self.device.activate()
        return api.number_of("cuFuncGetAttribute", number, self.handle)

    def _fact(self, number: int) -> int:
        found = self._facts.get(number)
        if found is None:
            found = self._facts[number] = self._attribute(number)
        return found

    @property
    def registers(self) -> int:
        """Registers of a thread."""
        return self._fact(4)

    @property
    def local(self) -> int:
        """Bytes of a thread in local memory: spilled registers and arrays."""
        return self._fact(3)

    @property
    def static_shared(self) -> int:
        """Bytes of shared memory that the kernel itself declares."""
        return self._fact(1)

    @property
    def threads(self) -> int:
        """Threads that a block may have at most."""
        return self._fact(0)

    def prepare(self, words: Sequence[int], table: int) -> Prepared:
        """Arguments for `launch`: a launch's words, and where its table lies on the device."""
        return Prepared(words, table)

    def allow(self, nbytes: int) -> None:
        """Let blocks have so many bytes of dynamic shared memory."""
        if nbytes > self._shared:
            self.device.activate()
            api.call(
                "cuFuncSetAttribute", self.handle, 8, nbytes,
                doing=f"giving {self.name} {nbytes} bytes of shared memory",
            )  # fmt: skip
            self._shared = nbytes


class Module:
    """Code that is loaded on a device; unloaded with its last reference (see `cuda_code.sweep`)."""

    __slots__ = ("handle", "device", "_waste")

    def __init__(self, handle: int, on: Device, waste: Any = None) -> None:
        self.handle, self.device = handle, on
        self._waste = waste

    def function(self, name: str) -> Function:
        """A kernel by its name."""
        self.device.activate()
        handle = api.number_of(
            "cuModuleGetFunction", self.handle, name.encode(), kind=c_void_p, doing=f"looking for {name}"
        )
        return Function(self, name, handle)

    def __del__(self) -> None:
        if self._waste is not None:
            self._waste.append((self.device, self.handle))


def load(image: bytes, on: Device | None = None) -> Module:
    """Load a cubin, or PTX, for which the driver's compiler is called, on a device (by default this
    thread's).

    Raises:
        Error: the code is not for this device, or not right; with what the compiler says.
    """
    from .cuda_code import load as loaded

    return loaded(image, on or device())


def launch(
    function: Function,
    grid: tuple[int, int, int],
    block: tuple[int, int, int],
    shared: int,
    stream: Stream,
    prepared: Prepared,
) -> None:
    """Submit a kernel: `grid` blocks of `block` threads with `shared` bytes of dynamic shared memory."""
    if shared > function._shared:
        function.allow(shared)
    stream.owner.activate()
    code = api.library().cuLaunchKernel(
        function.handle, *grid, *block, shared, stream.handle, prepared.parameters, None
    )
    if code:
        api.failed(code, f"launching {function.name}, {grid} blocks of {block} threads")
