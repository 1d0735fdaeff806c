"""`torch.cuda.profiler`: when NVIDIA's profilers look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flambeau.errors import refusing
from flambeau.runtime import cuda as driver

from ._needing import needing, submit

__all__ = ["profile", "start", "stop"]


@needing
def start() -> None:
    """Have the profiler look from here on. Does nothing outside of one."""
    driver.device().activate()
    driver.call("cuProfilerStart")


@needing
def stop() -> None:
    """Have the profiler look no more."""
    submit("torch.cuda.profiler.stop()")
    driver.device().activate()
    driver.call("cuProfilerStop")


@contextmanager
def profile() -> Iterator[None]:
    """Have the profiler look at a `with` block."""
    start()
    try:
        yield
    finally:
        stop()


__getattr__ = refusing(__name__)
