"""What `torch.cuda.cudart()` gives: functions of CUDA's runtime, done by the driver. They give codes."""

from __future__ import annotations

from typing import Any

from flambeau.runtime import cuda as driver


class cudaError:  # noqa: N801
    """Codes."""

    success = 0


def _code(name: str, *arguments: Any) -> int:
    try:
        driver.device().activate()
        driver.call(name, *arguments)
    except driver.Error as error:
        return error.code
    return 0


def cudaHostRegister(ptr: int, size: int, flags: int) -> int:
    """Page-lock memory that there is."""
    return _code("cuMemHostRegister_v2", ptr, size, flags)


def cudaHostUnregister(ptr: int) -> int:
    """Undo `cudaHostRegister`."""
    return _code("cuMemHostUnregister", ptr)


def cudaProfilerStart() -> int:
    """Have NVIDIA's profiler look."""
    return _code("cuProfilerStart")


def cudaProfilerStop() -> int:
    """Have NVIDIA's profiler look no more."""
    return _code("cuProfilerStop")


def cudaMemGetInfo(device: int) -> tuple[int, int]:
    """Bytes that are free, and that there are."""
    free, total = driver.device(device).memory()
    return free, total


def cudaGetErrorString(error: int) -> str:
    """What a code means."""
    return driver.described(int(error)).meaning if int(error) else "no error"
