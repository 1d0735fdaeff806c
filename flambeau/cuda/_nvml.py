"""`torch.cuda`'s functions about load, heat and power, by NVIDIA's management library."""

from __future__ import annotations

from typing import Any

from ._devices import gpu_of
from ._needing import needing

__all__ = ["clock_rate", "device_memory_used", "list_gpu_processes", "memory_usage", "power_draw",
           "temperature", "utilization"]  # fmt: skip


def _nvml() -> Any:
    from flambeau.runtime import cuda_nvml

    return cuda_nvml


@needing
def utilization(device: Any = None) -> int:
    """Percent of the last while in which a kernel ran."""
    return int(_nvml().rates(gpu_of(device))[0])


@needing
def memory_usage(device: Any = None) -> int:
    """Percent of the last while in which memory was read or written."""
    return int(_nvml().rates(gpu_of(device))[1])


@needing
def temperature(device: Any = None) -> int:
    """Degrees Celsius."""
    return int(_nvml().temperature(gpu_of(device)))


@needing
def power_draw(device: Any = None) -> int:
    """Milliwatts."""
    return int(_nvml().power(gpu_of(device)))


@needing
def clock_rate(device: Any = None) -> int:
    """MHz of the multiprocessors."""
    return int(_nvml().clock(gpu_of(device)))


@needing
def device_memory_used(device: Any = None) -> int:
    """Bytes of a GPU that all processes use."""
    return int(_nvml().memory_used(gpu_of(device)))


@needing
def list_gpu_processes(device: Any = None) -> str:
    """The processes on a GPU and their memory, for people."""
    gpu = gpu_of(device)
    lines = [f"GPU:{gpu.index}"]
    found = _nvml().processes(gpu)
    if not found:
        lines.append("no processes are running")
    for process, nbytes in found:
        lines.append(f"process {process:>10d} uses {nbytes / (1 << 20):>12.3f} MB GPU memory")
    return "\n".join(lines)
