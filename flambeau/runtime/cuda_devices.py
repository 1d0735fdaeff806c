"""The GPUs: what they are, their contexts, which one a thread uses.

A device's context is its primary one, which CUDA's other users in this process (PyTorch, CuPy) share.
It is made when it is first needed, and made current in a thread when that thread needs it.
"""

from __future__ import annotations

import ctypes
import threading
import uuid
from ctypes import byref, c_int, c_size_t, c_void_p
from functools import cached_property
from typing import NamedTuple

from . import cuda_api as api

ATTRIBUTES = {
    "max_threads_per_block": 1, "shared_memory_per_block": 8, "total_constant_memory": 9,
    "warp_size": 10, "regs_per_block": 12, "clock_rate": 13, "multi_processor_count": 16,
    "is_integrated": 18, "compute_mode": 20, "ecc_enabled": 32, "pci_bus_id": 33, "pci_device_id": 34,
    "memory_clock_rate": 36, "memory_bus_width": 37, "L2_cache_size": 38,
    "max_threads_per_multi_processor": 39, "async_engine_count": 40, "unified_addressing": 41,
    "pci_domain_id": 50, "major": 75, "minor": 76, "shared_memory_per_multiprocessor": 81,
    "regs_per_multiprocessor": 82, "is_multi_gpu_board": 84, "shared_memory_per_block_optin": 97,
    "max_blocks_per_multi_processor": 106, "memory_pools_supported": 115,
}  # fmt: skip
"""Numbers of `CUdevice_attribute`, by PyTorch's names of the properties where it has one."""

STATIC_SHARED = 48 << 10
"""Bytes of shared memory that every kernel may have; more must be asked for (`Function.allow`)."""


class Facts(NamedTuple):
    """What a planner knows of a device: the fields of `codegen.cuda.kernel.Gpu`."""

    capability: int
    multiprocessors: int
    shared: int
    libraries: frozenset[str] = frozenset()


class Device:
    """A GPU of this machine."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.number = api.devices()[index]
        """The driver's `CUdevice`."""
        self.capability = api.capabilities()[index]
        """10 * major + minor: 90 for an H100."""
        if self.capability < api.MINIMUM_CAPABILITY:
            raise RuntimeError(f"cuda:{index} can't be used: {api.too_old(self.capability)}")
        self.multiprocessors = self.attribute("multi_processor_count")
        self.shared_per_block = self.attribute("shared_memory_per_block_optin") or STATIC_SHARED
        """Bytes of shared memory that a block may have at most."""
        self.lock = threading.Lock()
        self._context = 0

    def __repr__(self) -> str:
        return f"<Device {self.index}: {self.name}, {self.capability / 10}>"

    def attribute(self, name: str) -> int:
        """One of `ATTRIBUTES`; 0 where the driver does not know it."""
        found = c_int()
        code = api.library().cuDeviceGetAttribute(byref(found), ATTRIBUTES[name], self.number)
        return 0 if code else found.value

    @cached_property
    def name(self) -> str:
        """As "NVIDIA H100 80GB HBM3"."""
        text = ctypes.create_string_buffer(256)
        api.call("cuDeviceGetName", text, 256, self.number)
        return text.value.decode("utf-8", "replace")

    @cached_property
    def total_memory(self) -> int:
        """Bytes."""
        return api.number_of("cuDeviceTotalMem_v2", self.number, kind=c_size_t)

    @cached_property
    def uuid(self) -> uuid.UUID:
        """The same in every process and after every start."""
        found = (ctypes.c_ubyte * 16)()
        api.call("cuDeviceGetUuid_v2", byref(found), self.number)
        return uuid.UUID(bytes=bytes(found))

    def gpu(self, libraries: frozenset[str] = frozenset()) -> Facts:
        """What a planner asks for. `libraries`: which of the vendor's are there."""
        return Facts(self.capability, self.multiprocessors, self.shared_per_block, libraries)

    @property
    def context(self) -> int:
        """The primary context, made now if need be."""
        if not self._context:
            with self.lock:
                if not self._context:
                    self._context = api.number_of(
                        "cuDevicePrimaryCtxRetain", self.number, kind=c_void_p,
                        doing=f"making a context on cuda:{self.index}",
                    )  # fmt: skip
        return self._context

    @property
    def started(self) -> bool:
        """Whether anything has used it."""
        return self._context != 0

    def activate(self) -> None:
        """Make the context the current one of this thread."""
        if _thread.context != self.index:
            api.call("cuCtxSetCurrent", self.context, doing=f"turning to cuda:{self.index}")
            _thread.context = self.index

    def synchronize(self) -> None:
        """Wait until everything that was submitted to the device is done."""
        with uncaptured():
            self.activate()
            api.call("cuCtxSynchronize", doing=f"waiting for cuda:{self.index}")

    def memory(self) -> tuple[int, int]:
        """Bytes that are free, and that there are."""
        self.activate()
        free, total = c_size_t(), c_size_t()
        api.call("cuMemGetInfo_v2", byref(free), byref(total))
        return free.value, total.value

    def can_access(self, other: Device) -> bool:
        """Whether kernels of this device can read the memory of another."""
        if self.index == other.index:
            return False
        return api.number_of("cuDeviceCanAccessPeer", self.number, other.number) != 0

    @cached_property
    def has_pools(self) -> bool:
        """Whether memory can be had in stream order."""
        return self.attribute("memory_pools_supported") != 0


def uncaptured() -> threading.RLock:
    """To be held while something waits for a whole device, and while a stream is captured: whoever waits
    for a device of which a stream is captured, in whatever thread, gets an error, and the capture is void."""
    return _uncaptured


def forget_current() -> None:
    """Others may have made another context the current one of this thread."""
    _thread.context = -1


class _Thread(threading.local):
    """What is a thread's own."""

    index = 0
    """The device that is used where none is named."""
    context = -1
    """The device whose context is current."""


_thread = _Thread()
_devices: dict[int, Device] = {}
_lock = threading.Lock()
_uncaptured = threading.RLock()


def _reset() -> None:
    global _thread, _devices, _lock, _uncaptured
    _thread, _devices, _lock, _uncaptured = _Thread(), {}, threading.Lock(), threading.RLock()


api.forget_with(_reset)


def device_count() -> int:
    """How many GPUs this process sees; 0 where none can be used."""
    return len(api.devices()) if api.available() else 0


def device(index: int | None = None) -> Device:
    """A GPU by its index, by default this thread's.

    Raises:
        AssertionError, RuntimeError: as `cuda_api.require`; or there is no such device, or it is too old.
    """
    if index is None:
        index = _thread.index
    found = _devices.get(index)
    if found is None:
        api.require()
        if not 0 <= index < len(api.devices()):
            raise _no_such(index)
        with _lock:
            found = _devices.get(index) or _devices.setdefault(index, Device(index))
    return found


def _no_such(index: int) -> api.Error:
    return api.Error(
        101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal",
        f"looking for cuda:{index}; there are {len(api.devices())}",
    )  # fmt: skip


def current_device() -> int:
    """The index of the device that this thread uses where none is named."""
    return _thread.index


def set_device(index: int) -> None:
    """Let this thread use another device where none is named."""
    device(index)
    _thread.index = index


def started() -> list[Device]:
    """The devices that anything has used."""
    return [d for d in list(_devices.values()) if d.started]
