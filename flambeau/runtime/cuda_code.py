"""Kernels as code on a GPU: LLVM IR to PTX by LLVM, PTX to machine code by the driver.

Both are kept on disk by `kernel_cache`: PTX by what the kernel is, machine code (a cubin) also by the
device's capability and the driver. What the driver's compiler has to say stands in the error.
"""

from __future__ import annotations

import ctypes
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from ctypes import byref, c_int, c_size_t, c_void_p

from . import cuda_api as api
from . import cuda_streams as streams
from . import kernel_cache, native
from .cuda import Function, Module
from .cuda_devices import Device
from .kernel_cache import Kernel

TRIPLE, PTX = "nvptx64-nvidia-cuda", "ptx80"
NEWEST = 90
"""The newest architecture that code is made for; newer GPUs take it, compiled by their driver."""
FORM = 1
"""Counts changes of how code is made here."""
KEEP = 4096
"""Kernels that stay in memory although no program uses them."""
WASTE = 64
"""Modules that nobody refers to before they are unloaded, for which the device must be waited for."""
WORKERS = 8
LOG = 16 << 10

INFO_LOG, INFO_LOG_BYTES, ERROR_LOG, ERROR_LOG_BYTES = 3, 4, 5, 6
"""Of `CUjit_option`."""
PTX_INPUT = 1
"""Of `CUjitInputType`."""


class Stats:
    """What was done in this process."""

    def __init__(self) -> None:
        self.compiled = 0
        """Kernels that went through LLVM."""
        self.linked = 0
        """Kernels that went through the driver's compiler."""
        self.seconds = 0.0
        """Spent in both, of all threads."""
        self.from_disk = 0
        """Cubins that were there."""
        self.from_memory = 0
        self.rejected = 0
        """Cubins that the driver did not take."""

    def __repr__(self) -> str:
        return (
            f"{self.compiled} compiled and {self.linked} assembled in {self.seconds:.2f} s, "
            f"{self.from_disk} from disk, {self.from_memory} from memory"
        )


stats = Stats()
_lock = threading.Lock()
_loaded: OrderedDict[tuple[int, str], Function] = OrderedDict()
_waste: deque[tuple[Device, int]] = deque()


def _reset() -> None:
    global _loaded, _waste, _lock, stats
    _loaded, _waste, _lock, stats = OrderedDict(), deque(), threading.Lock(), Stats()


api.forget_with(_reset)


def target(capability: int) -> native.Host:
    """What LLVM makes code for: field by field `codegen.cuda.kernel.target`."""
    return native.Host(TRIPLE, f"sm_{min(capability, NEWEST)}", f"+{PTX}", 16, 255, False)


def functions(kernels: Iterable[Kernel], on: Device) -> dict[str, Function]:
    """Kernels as functions of a device, by their key's text; compiled and loaded if need be.

    Safe in any thread. Raises:
        native.Unavailable: there is no LLVM.
        Error: the driver does not take the code.
        whatever `emit` raises for a kernel that is wrong.
    """
    sweep()
    result: dict[str, Function] = {}
    missing: dict[str, Kernel] = {}
    for kernel in kernels:
        text = repr(kernel.key)
        if text in result or text in missing:
            continue
        with _lock:
            found = _loaded.get((on.index, text))
            if found is not None:
                _loaded.move_to_end((on.index, text))
        if found is None:
            missing[text] = kernel
        else:
            stats.from_memory += 1
            result[text] = found
    for text, function in zip(missing, _make_all(missing, on)):
        with _lock:
            result[text] = _loaded.setdefault((on.index, text), function)
            if len(_loaded) > KEEP:
                _loaded.popitem(last=False)
    return result


def _make_all(missing: dict[str, Kernel], on: Device) -> list[Function]:
    """The driver's compiler is what takes the time, and it runs in several threads at once."""
    workers = min(WORKERS, os.cpu_count() or 1, len(missing))
    if workers < 2:
        return [_make(text, kernel, on) for text, kernel in missing.items()]
    with ThreadPoolExecutor(workers, "flambeau-cuda") as pool:
        return list(pool.map(lambda item: _make(item[0], item[1], on), missing.items()))


def _make(text: str, kernel: Kernel, on: Device) -> Function:
    made_for = target(on.capability)
    digest = kernel_cache.digest_of(text, made_for)
    symbol = f"{kernel.name}_{digest[:12]}"
    own = f"cubin {FORM} {api.driver_version()} {on.capability} {text}"
    cubin_digest = kernel_cache.digest_of(own, made_for)
    image = kernel_cache.read(cubin_digest)
    if image is not None:
        try:
            function = load(image, on, symbol).function(symbol)
            stats.from_disk += 1
            return function
        except api.Error as error:
            if error.code in api.FATAL:
                raise
            stats.rejected += 1
            kernel_cache.reject(cubin_digest)
    start = time.perf_counter()
    assembly = _ptx(kernel, symbol, digest, made_for)
    cubin = link(assembly, on, symbol)
    if cubin is not None:
        module = load(cubin, on, symbol)
        kernel_cache.write(cubin_digest, cubin)
    else:
        module = load(assembly, on, symbol)
    stats.linked += 1
    stats.seconds += time.perf_counter() - start
    return module.function(symbol)


def _ptx(kernel: Kernel, symbol: str, digest: str, made_for: native.Host) -> bytes:
    kept = kernel_cache.read(digest)
    if kept is not None:
        return kept
    made = native.assembly(kernel.emit(made_for, symbol), made_for).encode()
    stats.compiled += 1
    kernel_cache.write(digest, made)
    return made


def ptx(kernel: Kernel, capability: int) -> str:
    """A kernel's PTX, for people. Needs no device."""
    made_for = target(capability)
    digest = kernel_cache.digest_of(repr(kernel.key), made_for)
    return _ptx(kernel, f"{kernel.name}_{digest[:12]}", digest, made_for).decode()


class _Logs:
    """Where the driver's compiler writes what it has to say, as options of it."""

    def __init__(self) -> None:
        self.errors, self.infos = ctypes.create_string_buffer(LOG), ctypes.create_string_buffer(LOG)
        self.options = (c_int * 4)(ERROR_LOG, ERROR_LOG_BYTES, INFO_LOG, INFO_LOG_BYTES)
        self.values = (c_void_p * 4)(
            ctypes.addressof(self.errors), LOG, ctypes.addressof(self.infos), LOG
        )

    def text(self) -> str:
        return self.errors.value.decode("utf-8", "replace").strip("\n \0")


def link(assembly: bytes, on: Device, name: str = "kernel") -> bytes | None:
    """PTX to a cubin for a device; None where the driver does not make one."""
    on.activate()
    library = api.library()
    if not hasattr(library, "cuLinkCreate_v2"):
        return None
    logs, state = _Logs(), c_void_p()
    if library.cuLinkCreate_v2(4, logs.options, logs.values, byref(state)):
        return None
    try:
        data = assembly + b"\0"
        if library.cuLinkAddData_v2(
            state.value, PTX_INPUT, data, len(data), name.encode(), 0, None, None
        ):
            return None  # the error comes from `load`, with the log
        cubin, size = c_void_p(), c_size_t()
        if library.cuLinkComplete(state.value, byref(cubin), byref(size)) or not cubin.value:
            return None
        return ctypes.string_at(cubin.value, size.value)
    finally:
        library.cuLinkDestroy(state.value)


def load(image: bytes, on: Device, name: str = "code") -> Module:
    """A module of a cubin or of PTX.

    Raises:
        Error: the driver does not take it; with what its compiler says.
    """
    on.activate()
    logs, module = _Logs(), c_void_p()
    code = api.library().cuModuleLoadDataEx(byref(module), image + b"\0", 4, logs.options, logs.values)
    if code:
        said = logs.text()
        api.failed(code, f"loading {name} on cuda:{on.index}{f': {said}' if said else ''}")
    return Module(module.value or 0, on, _waste)


def sweep(most: int = WASTE) -> None:
    """Unload the modules that nobody refers to, if there are more than `most`."""
    if len(_waste) <= most or not api.usable():
        return
    streams.sweep()
    gone = [_waste.popleft() for _ in range(len(_waste))]
    for on in {on.index: on for on, _ in gone}.values():
        on.synchronize()
    for on, handle in gone:
        on.activate()
        api.call("cuModuleUnload", handle)
