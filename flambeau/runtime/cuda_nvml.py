"""What NVIDIA's management library knows of a GPU: load, heat, power, processes."""

from __future__ import annotations

import ctypes
import sys
from ctypes import byref, c_uint, c_ulonglong, c_void_p
from functools import cache
from typing import Any

from .cuda_devices import Device

NAMES = ("nvml.dll",) if sys.platform == "win32" else ("libnvidia-ml.so.1",)
CLOCK_SM, CORE_TEMPERATURE, MOST_PROCESSES = 1, 0, 256


class _Rates(ctypes.Structure):
    _fields_ = [("gpu", c_uint), ("memory", c_uint)]


class _Memory(ctypes.Structure):
    _fields_ = [("total", c_ulonglong), ("free", c_ulonglong), ("used", c_ulonglong)]


class _Process(ctypes.Structure):
    _fields_ = [("pid", c_uint), ("used", c_ulonglong), ("gpu", c_uint), ("compute", c_uint)]


@cache
def _library() -> Any:
    """The library, initialised.

    Raises:
        RuntimeError: it is not there, or does not start.
    """
    for name in NAMES:
        try:
            found = ctypes.CDLL(name)
        except OSError:
            continue
        code = found.nvmlInit_v2()
        if code:
            raise RuntimeError(f"NVIDIA's management library {name} does not start: code {code}")
        return found
    raise RuntimeError(
        f"this needs NVIDIA's management library ({NAMES[0]}), which comes with the driver and is not here"
    )


def _asked(device: Device, name: str, *arguments: Any) -> None:
    library = _library()
    handle = c_void_p()
    domain, bus, slot = (device.attribute(f"pci_{part}_id") for part in ("domain", "bus", "device"))
    place = f"{domain:08X}:{bus:02X}:{slot:02X}.0".encode()
    code = library.nvmlDeviceGetHandleByPciBusId_v2(place, byref(handle))
    code = code or getattr(library, name)(handle, *arguments)
    if code:
        raise RuntimeError(f"NVIDIA's management library does not tell ({name} of cuda:{device.index}: code {code})")


def rates(device: Device) -> tuple[int, int]:
    """Percent of the last while in which a kernel ran, and in which memory was used."""
    found = _Rates()
    _asked(device, "nvmlDeviceGetUtilizationRates", byref(found))
    return found.gpu, found.memory


def _number(device: Device, name: str, *arguments: Any) -> int:
    found = c_uint()
    _asked(device, name, *arguments, byref(found))
    return found.value


def temperature(device: Device) -> int:
    """Degrees Celsius."""
    return _number(device, "nvmlDeviceGetTemperature", CORE_TEMPERATURE)


def power(device: Device) -> int:
    """Milliwatts."""
    return _number(device, "nvmlDeviceGetPowerUsage")


def clock(device: Device) -> int:
    """MHz of the multiprocessors."""
    return _number(device, "nvmlDeviceGetClockInfo", CLOCK_SM)


def memory_used(device: Device) -> int:
    """Bytes that all processes use."""
    found = _Memory()
    _asked(device, "nvmlDeviceGetMemoryInfo", byref(found))
    return found.used


def processes(device: Device) -> list[tuple[int, int]]:
    """The processes that compute on the device, and their bytes."""
    count, found = c_uint(MOST_PROCESSES), (_Process * MOST_PROCESSES)()
    _asked(device, "nvmlDeviceGetComputeRunningProcesses_v3", byref(count), found)
    return [(p.pid, p.used) for p in found[: count.value]]
