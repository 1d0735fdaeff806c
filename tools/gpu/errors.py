"""What can go wrong on a simulated GPU."""

from __future__ import annotations


class SimulationError(Exception):
    """What a real GPU may do in silence, hang at, or refuse to load: the test should see it."""


class Unsupported(SimulationError):
    """An instruction, or a form of one, that is not simulated."""


class Deadlock(SimulationError):
    """Threads wait for others that will never come."""


class Race(SimulationError):
    """Two threads touch the same memory, one writes, and nothing orders them."""


class Fault(SimulationError):
    """A kernel that a real GPU ends with an error. `code` is the driver's number of it."""

    code = 719  # CUDA_ERROR_LAUNCH_FAILED


class IllegalAddress(Fault):
    code = 700


class MisalignedAddress(Fault):
    code = 716


class Trap(Fault):
    code = 719
