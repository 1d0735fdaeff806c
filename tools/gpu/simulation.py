"""Makes flambeau see simulated GPUs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from .panel import SimulatedGpu


@contextmanager
def simulated(
    capability: int = 90,
    count: int = 1,
    memory: int = 1 << 30,
    race_check: bool = False,
    seed: int | None = None,
    measure: bool = False,
    multiprocessors: int | None = None,
    blocking: bool = False,
    libraries: bool = False,
) -> Iterator[SimulatedGpu]:
    """Let flambeau see `count` simulated GPUs of a compute capability (75, 80, 86, 89, 90).

    Args:
        memory: bytes that each has.
        race_check: raise `Race` where threads touch the same memory unordered.
        seed: run warps, blocks and conflicting writes in an order of chance.
        measure: count sectors of memory and passes over the banks (see `Statistics`).
        multiprocessors: how many the device says it has.
        blocking: run everything at once instead of late.
        libraries: whether there are (stand-ins for) cuBLASLt and cuDNN.

    At the end what is queued runs, what was noticed (faults of kernels, races, deadlocks) is raised unless the block
    raises already, and flambeau forgets the GPUs. A test that expects faults clears `gpu.faults` and `gpu.errors`.
    """
    from flambeau.core import device as devices
    from flambeau.ops import resizing
    from flambeau.runtime import cuda

    gpu = SimulatedGpu(
        capability, count, memory, race_check, seed, measure, multiprocessors, blocking
    )
    cuda.use(gpu.driver)
    try:
        with ExitStack() as stack:
            if libraries:
                from .libraries import libraries as stand_ins

                stack.enter_context(stand_ins(gpu))
            yield gpu
            gpu.check()
    finally:
        cuda.use(None)
        devices.others = False
        resizing._taps.cache_clear()  # tables that lie on their images' device
        for device in gpu.devices:
            device.memory.release()
