"""A simulated NVIDIA GPU: kernels, driver calls and whole programs run on the CPU, slowly and watched.

    with simulated(capability=90) as gpu:      # flambeau sees one GPU
        ...
    run_kernel(ir_or_ptx, "name", grid, block, args=[...])   # one kernel alone

`python -m tools.gpu script.py ...` runs a program with a simulated GPU.
"""

from .errors import (
    Deadlock,
    Fault,
    IllegalAddress,
    MisalignedAddress,
    Race,
    SimulationError,
    Trap,
    Unsupported,
)
from .running import run_kernel
from .simulation import simulated
from .statistics import Statistics

__all__ = [
    "Deadlock",
    "Fault",
    "IllegalAddress",
    "MisalignedAddress",
    "Race",
    "SimulationError",
    "Statistics",
    "Trap",
    "Unsupported",
    "run_kernel",
    "simulated",
]
