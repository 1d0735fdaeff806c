"""What tests hold in their hands: the simulated GPUs, what was called on them, and what goes wrong."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import codes
from .driver import DRIVER_VERSION, Driver
from .driver_calls import Refused
from .errors import Fault, SimulationError
from .machine import Machine
from .memory import Memory
from .modules import Function
from .queues import Queue
from .statistics import Statistics

_OPTIN = {75: 64 << 10, 80: 163 << 10, 86: 99 << 10, 87: 163 << 10, 89: 99 << 10, 90: 227 << 10}
_PER_SM = {75: 64 << 10, 80: 164 << 10, 86: 100 << 10, 87: 164 << 10, 89: 100 << 10, 90: 228 << 10}
_COUNTS = {75: 40, 80: 108, 86: 84, 89: 128, 90: 132}


class SimulatedDevice:
    """One GPU."""

    def __init__(
        self, index: int, capability: int, memory: int, multiprocessors: int | None
    ) -> None:
        self.index = index
        self.capability = capability
        self.name = f"Simulated GPU sm_{capability}"
        self.memory = Memory(memory, index)
        self.default = Queue(index, legacy=True)
        self.context = 0
        self.pool = 0
        self.ptx = 80
        """The newest version of PTX that its driver takes, as 80 for 8.0."""
        self.peers: set[int] = set()
        sms = multiprocessors or _COUNTS.get(capability, 108)
        optin, per_sm = _OPTIN.get(capability, 48 << 10), _PER_SM.get(capability, 64 << 10)
        self.attributes = {
            1: 1024, 2: 1024, 3: 1024, 4: 64, 5: (1 << 31) - 1, 6: 65535, 7: 65535, 8: 48 << 10, 9: 64 << 10, 10: 32,
            11: (1 << 31) - 1, 12: 65536, 13: 1_500_000, 14: 512, 16: sms, 17: 0, 18: 0, 19: 1, 20: 0, 31: 1, 32: 1,
            33: index + 1, 34: 0, 35: 0, 36: 1_000_000, 37: 5120, 38: 32 << 20, 39: 1024 if capability == 75 else 1536 if capability in (86, 89) else 2048,
            40: 3, 41: 1, 50: 0, 75: capability // 10, 76: capability % 10, 78: 1, 79: 1, 80: 1, 81: per_sm, 82: 65536,
            83: 1, 84: 0, 85: 0, 86: 1, 88: 1, 89: 1, 95: 1, 97: optin, 106: 16 if capability in (75, 86) else 32, 111: 1024,
            115: 1, 124: 0,
        }  # fmt: skip


def _noted(x: Any) -> Any:
    """An argument for the log, which keeps nothing alive."""
    return x if x is None or isinstance(x, int | float | bytes) else type(x).__name__


@dataclass
class Call:
    """A call of a driver's function."""

    name: str
    arguments: tuple[Any, ...] = field(repr=False)
    """Numbers and texts; of everything else the name of its type."""


@dataclass
class Launch:
    """A kernel that ran."""

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared: int
    device: int
    statistics: Statistics = field(repr=False)


@dataclass
class _Failure:
    name: str
    code: int
    after: int
    times: int


class SimulatedGpu:
    """One or several simulated GPUs with their driver.

    Attributes:
        driver: the stand-in for libcuda.
        calls: what was called, in order (`calls_of(name)`, `counts()`).
        waits: the calls that made the host wait for the device.
        launches: the kernels that ran, with statistics, in order.
        faults: errors of kernels (`Fault`), as they came.
        errors: other errors of the simulation (`Race`, `Deadlock`, `Unsupported`).
    """

    def __init__(
        self,
        capability: int = 90,
        count: int = 1,
        memory: int = 4 << 30,
        race_check: bool = False,
        seed: int | None = None,
        measure: bool = False,
        multiprocessors: int | None = None,
        blocking: bool = False,
        driver_version: int = DRIVER_VERSION,
    ) -> None:
        self.devices = [
            SimulatedDevice(i, capability, memory, multiprocessors) for i in builtins.range(count)
        ]
        self.race_check, self.seed, self.measure, self.blocking = (
            race_check,
            seed,
            measure,
            blocking,
        )
        self.driver_version = driver_version
        self.calls: list[Call] = []
        self.waits: list[str] = []
        self.launches: list[Launch] = []
        self.faults: list[Fault] = []
        self.errors: list[Exception] = []
        self.lost = 0
        self.freeing: set[int] = set()
        self.failures: list[_Failure] = []
        self.depth = 0
        self.driver = Driver(self)

    # For tests.

    @property
    def memory(self) -> Memory:
        """The memory of device 0."""
        return self.devices[0].memory

    def fail(self, name: str, code: int, after: int = 0, times: int = 1) -> None:
        """Let a function fail with a code: `after` so many calls that work, `times` times (-1: for ever)."""
        self.failures.append(_Failure(name, code, after, times))

    def lose(self, code: int = codes.LAUNCH_FAILED) -> None:
        """From now on every call fails, as after an error that no context survives."""
        self.lost = code

    def calls_of(self, name: str) -> list[Call]:
        return [c for c in self.calls if c.name == name]

    def counts(self) -> dict[str, int]:
        """How often each function was called."""
        found: dict[str, int] = {}
        for c in self.calls:
            found[c.name] = found.get(c.name, 0) + 1
        return found

    def forget(self) -> None:
        """Empty the logs of calls, waits and launches."""
        self.calls.clear()
        self.waits.clear()
        self.launches.clear()

    def run_all(self) -> None:
        """Run what is queued on all streams."""
        with self.driver.lock:
            try:
                self.driver.drain_all()
            except codes.Lost:
                pass

    def range(self, address: int, nbytes: int) -> np.ndarray[Any, Any]:
        """A range of device memory, to be read and written, as it is now (queued work has not run)."""
        for d in self.devices:
            if d.memory.holds(address):
                return d.memory.range(address, nbytes)
        raise Fault(f"{address:#x} is no device's memory")

    def submit(self, stream: Any, run: Callable[[], None], name: str = "library call") -> int:
        """Queue a function on a stream (a handle; 0 is the default stream of the current device), or among the nodes of
        the graph that it captures. Gives a driver's code. For stand-ins of libraries."""
        with self.driver.lock:
            self.note(name, (stream,))
            if self.lost:
                return self.lost
            try:
                self.driver.submit(self.driver.queue(stream), name, run)
            except Refused as refused:
                return refused.code
            except codes.Lost as lost:
                return lost.code
        return 0

    def holds(self, address: int) -> bool:
        """Whether an address is a device's."""
        return any(d.memory.holds(address) for d in self.devices)

    def check(self) -> None:
        """Run everything, and raise what went wrong that nobody asked for."""
        if not self.lost:
            self.run_all()
        for error in [*self.errors, *self.faults]:
            raise error

    def report(self) -> str:
        """What ran, for people."""
        lines = [f"{name}: {n}" for name, n in sorted(self.counts().items())]
        lines += [str(launch.statistics) for launch in self.launches]
        return "\n".join(lines)

    # For the driver.

    def note(self, name: str, arguments: tuple[Any, ...]) -> None:
        if len(self.calls) < 1_000_000:
            self.calls.append(Call(name, tuple([_noted(x) for x in arguments])))

    def failure(self, name: str) -> int:
        for f in self.failures:
            if f.name != name:
                continue
            if f.after > 0:
                f.after -= 1
                continue
            if f.times == 0:
                continue
            f.times -= 1
            return f.code
        return 0

    def running(self, run: Callable[[], None]) -> None:
        """Run queued work; errors of kernels lose the device."""
        try:
            run()
        except Fault as fault:
            self.faults.append(fault)
            self.lost = fault.code
            print(f"simulated GPU: {type(fault).__name__}: {fault}", file=sys.stderr)
            raise codes.Lost(fault.code) from fault
        except codes.Lost:
            raise
        except Exception as error:
            self.errors.append(error)
            self.lost = codes.LAUNCH_FAILED
            raise

    def launch(
        self,
        function: Function,
        grid: tuple[int, int, int],
        block: tuple[int, int, int],
        shared: int,
        parameters: bytes,
    ) -> None:
        """Run a kernel now."""
        device = function.device
        if function.module.gone:
            raise SimulationError(f"{function.program.name} runs after its module was unloaded")
        machine = Machine(
            function.program, device.memory, grid, block, parameters, shared, function.module.globals,
            self.race_check, self.seed, self.measure, tuple(self.devices[p].memory for p in device.peers),
        )  # fmt: skip
        statistics = machine.run()
        self.launches.append(
            Launch(function.program.name, grid, block, shared, device.index, statistics)
        )
