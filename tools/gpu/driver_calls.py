"""What the functions of libcuda's stand-in stand on; those for errors, devices and contexts."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from . import codes
from .arguments import check
from .queues import Marker, Queue, Work

if TYPE_CHECKING:
    from .panel import SimulatedDevice, SimulatedGpu

_ALWAYS = frozenset(["cuGetErrorName", "cuGetErrorString", "cuDriverGetVersion"])
_WITHOUT_CONTEXT = _ALWAYS | {
    "cuInit", "cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetName", "cuDeviceGetUuid_v2", "cuDeviceTotalMem_v2",
    "cuDeviceGetAttribute", "cuDeviceCanAccessPeer", "cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2",
    "cuDevicePrimaryCtxReset_v2", "cuDevicePrimaryCtxGetState", "cuCtxSetCurrent", "cuCtxGetCurrent",
    "cuDeviceGetDefaultMemPool", "cuDeviceGetMemPool", "cuMemPoolSetAttribute", "cuMemPoolGetAttribute",
    "cuMemPoolTrimTo", "cuDeviceGetPCIBusId", "cuDeviceGetUuid", "cuMemPoolSetAccess",
}  # fmt: skip


class Refused(Exception):
    """A call's code that is not 0."""

    def __init__(self, code: int) -> None:
        self.code = code


def number(x: Any) -> int:
    """A handle or an address of what ctypes would take for one."""
    if x is None:
        return 0
    if isinstance(x, int):
        return x
    if isinstance(x, np.integer):
        return int(x)
    if hasattr(x, "_obj"):
        return ctypes.addressof(x._obj)
    if isinstance(x, ctypes.Array):
        return ctypes.addressof(x)
    if isinstance(x, bytes):
        return ctypes.cast(ctypes.c_char_p(x), ctypes.c_void_p).value or 0
    if isinstance(x, ctypes._Pointer):
        return ctypes.cast(x, ctypes.c_void_p).value or 0
    return x.value or 0


def put(out: Any, value: Any, kind: Any = None) -> None:
    """Write through a pointer parameter."""
    target = getattr(out, "_obj", None)
    if target is None and isinstance(out, ctypes._Pointer):
        target = out.contents
    if target is None and isinstance(out, ctypes.Array):
        out[0] = value
        return
    if target is None and kind is not None and number(out):
        target = kind.from_address(number(out))
    if target is None:
        raise Refused(codes.INVALID_VALUE)
    target.value = value


def host(address: int, nbytes: int) -> Any:
    """Bytes of this process."""
    return np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(address))


class Calls:
    """What the functions stand on: arguments, handles, streams; errors, devices and contexts."""

    def __init__(self, gpu: SimulatedGpu) -> None:
        self.gpu = gpu
        self.lock = threading.RLock()
        self.thread = threading.local()
        self.handles: dict[int, Any] = {}
        self.next_handle = 0x5A00_0000
        self.initialised = False
        self.pinned: dict[int, Any] = {}
        self.registered: dict[int, int] = {}
        self.texts: dict[str, Any] = {}
        self.kept: dict[int, Any] = {}
        for name in dir(type(self)):
            if name.startswith("cu") and name[2].isupper():
                setattr(self, name, self._wrapped(name, getattr(self, name)))

    def _wrapped(self, name: str, function: Callable[..., int | None]) -> Callable[..., int]:
        gpu = self.gpu

        def call(*arguments: Any) -> int:
            check(name, arguments)
            with self.lock:
                gpu.note(name, arguments)
                if name not in _ALWAYS:
                    failure = gpu.failure(name)
                    if failure:
                        return failure
                    if gpu.lost:
                        return gpu.lost
                    if not self.initialised and name != "cuInit":
                        return codes.NOT_INITIALIZED
                    if name not in _WITHOUT_CONTEXT and self.current() is None:
                        return codes.INVALID_CONTEXT
                try:
                    return function(*arguments) or 0
                except Refused as refused:
                    return refused.code
                except codes.Lost as lost:
                    return lost.code

        call.__name__ = name
        return call

    # Handles.

    def give(self, thing: Any) -> int:
        self.next_handle += 16
        self.handles[self.next_handle] = thing
        return self.next_handle

    def take(self, handle: Any, kind: type) -> Any:
        found = self.handles.get(number(handle))
        if not isinstance(found, kind):
            raise Refused(codes.INVALID_HANDLE)
        return found

    def current(self) -> SimulatedDevice | None:
        return getattr(self.thread, "device", None)

    def here(self) -> SimulatedDevice:
        device = self.current()
        assert device is not None
        return device

    def device_number(self, x: Any) -> SimulatedDevice:
        index = number(x)
        if not 0 <= index < len(self.gpu.devices):
            raise Refused(codes.INVALID_DEVICE)
        return self.gpu.devices[index]

    def queue(self, stream: Any, syncing: bool = False) -> Queue:
        """A stream by its handle; 0 and 1 are the legacy default stream of the current device."""
        handle = number(stream)
        device = self.here()
        if handle in (0, 1):
            found = device.default
            if any(q.capture and q.blocking for q in self.streams()):
                raise Refused(codes.STREAM_CAPTURE_IMPLICIT)
        else:
            found = self.take(handle, Queue)
        if found.device != device.index:
            raise Refused(codes.INVALID_HANDLE)
        if found.capture is not None:
            if syncing:
                found.capture.invalid = codes.STREAM_CAPTURE_INVALIDATED
                raise Refused(codes.STREAM_CAPTURE_UNSUPPORTED)
            if found.capture.invalid:
                raise Refused(codes.STREAM_CAPTURE_INVALIDATED)
        return found

    def streams(self) -> list[Queue]:
        return [d.default for d in self.gpu.devices] + [
            q for q in self.handles.values() if isinstance(q, Queue)
        ]

    def submit(
        self, queue: Queue, name: str, run: Callable[[], None], before: list[Marker] | None = None
    ) -> None:
        """Queue work, after what the legacy default stream and the blocking ones have to wait for."""
        waits = list(before or ())
        if queue.capture is None:
            if queue.legacy:
                waits += [
                    q.mark()
                    for q in self.streams()
                    if q.device == queue.device and q.blocking and q is not queue and q.items
                ]
            elif queue.blocking:
                default = self.gpu.devices[queue.device].default
                if default.items:
                    waits.append(default.mark())
        queue.submit(Work(name, run, None, waits))
        if self.gpu.blocking and queue.capture is None:
            self.drain(queue)

    def drain(self, queue: Queue) -> None:
        self.gpu.running(queue.drain)

    def drain_all(self, device: int | None = None) -> None:
        for q in self.streams():
            if device is None or q.device == device:
                self.drain(q)

    def waits(self, name: str) -> None:
        """Note that the host waits for the device."""
        self.gpu.waits.append(name)

    # Errors and versions.

    def cuInit(self, flags: Any) -> int:
        self.initialised = True
        return 0 if self.gpu.devices else codes.NO_DEVICE

    def cuDriverGetVersion(self, out: Any) -> None:
        put(out, self.gpu.driver_version)

    def _text(self, code: Any, out: Any, which: int) -> int:
        texts = codes.NAMES.get(number(code))
        if texts is None:
            return codes.INVALID_VALUE
        found = self.texts.setdefault(
            texts[which], ctypes.create_string_buffer(texts[which].encode())
        )
        target = getattr(out, "_obj", out)
        target.value = (
            found.value if isinstance(target, ctypes.c_char_p) else ctypes.addressof(found)
        )
        return 0

    def cuGetErrorName(self, code: Any, out: Any) -> int:
        return self._text(code, out, 0)

    def cuGetErrorString(self, code: Any, out: Any) -> int:
        return self._text(code, out, 1)

    # Devices and contexts.

    def cuDeviceGetCount(self, out: Any) -> None:
        put(out, len(self.gpu.devices))

    def cuDeviceGet(self, out: Any, index: Any) -> None:
        put(out, self.device_number(index).index)

    def cuDeviceGetName(self, text: Any, size: Any, device: Any) -> None:
        name = self.device_number(device).name.encode()[: number(size) - 1] + b"\0"
        ctypes.memmove(number(text), name, len(name))

    def cuDeviceGetUuid_v2(self, out: Any, device: Any) -> None:
        data = b"simulated gpu " + bytes([48 + self.device_number(device).index, 0])
        ctypes.memmove(number(out), data, 16)

    cuDeviceGetUuid = cuDeviceGetUuid_v2

    def cuDeviceGetPCIBusId(self, text: Any, size: Any, device: Any) -> None:
        name = f"0000:{self.device_number(device).index:02x}:00.0".encode() + b"\0"
        ctypes.memmove(number(text), name, min(len(name), number(size)))

    def cuDeviceTotalMem_v2(self, out: Any, device: Any) -> None:
        put(out, self.device_number(device).memory.size)

    def cuDeviceGetAttribute(self, out: Any, attribute: Any, device: Any) -> int:
        value = self.device_number(device).attributes.get(number(attribute))
        if value is None:
            return codes.INVALID_VALUE
        put(out, value)
        return 0

    def cuDeviceCanAccessPeer(self, out: Any, device: Any, peer: Any) -> None:
        put(out, int(self.device_number(device) is not self.device_number(peer)))

    def cuDevicePrimaryCtxRetain(self, out: Any, device: Any) -> None:
        found = self.device_number(device)
        if not found.context:
            found.context = self.give(found)
        put(out, found.context)

    def cuDevicePrimaryCtxRelease_v2(self, device: Any) -> None:
        self.device_number(device)

    def cuDevicePrimaryCtxGetState(self, device: Any, flags: Any, active: Any) -> None:
        put(flags, 0)
        put(active, int(bool(self.device_number(device).context)))

    def cuCtxSetCurrent(self, context: Any) -> None:
        from .panel import SimulatedDevice

        self.thread.device = None if not number(context) else self.take(context, SimulatedDevice)

    def cuCtxGetCurrent(self, out: Any) -> None:
        device = self.current()
        put(out, device.context if device else None)

    def cuCtxGetDevice(self, out: Any) -> None:
        put(out, self.here().index)

    def cuCtxSynchronize(self) -> None:
        captured = [
            q.capture for q in self.streams() if q.capture and q.device == self.here().index
        ]
        for graph in captured:  # whoever captures
            graph.invalid = codes.STREAM_CAPTURE_INVALIDATED
        if captured:
            raise Refused(codes.STREAM_CAPTURE_UNSUPPORTED)
        self.waits("cuCtxSynchronize")
        self.drain_all(self.here().index)

    def cuCtxGetStreamPriorityRange(self, least: Any, greatest: Any) -> None:
        put(least, 0)
        put(greatest, -5)

    def cuCtxEnablePeerAccess(self, context: Any, flags: Any) -> int:
        from .panel import SimulatedDevice

        other = self.take(context, SimulatedDevice)
        if other.index in self.here().peers:
            return codes.PEER_ACCESS_ALREADY_ENABLED
        self.here().peers.add(other.index)
        return 0
