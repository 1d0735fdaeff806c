"""Modules and functions of the driver's stand-in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import codes
from .program import Program, program
from .program import module as parsed
from .ptx import PtxError
from .ptx_tree import Function as Kernel
from .running import place_globals

if TYPE_CHECKING:
    from .panel import SimulatedDevice


PARAMETERS = 4096
"""Bytes of a kernel's parameters before PTX 8.1."""


def parameter_bytes(f: Kernel) -> int:
    at = 0
    for p in f.parameters:
        at = -(-at // p.align) * p.align + p.nbytes
    return at


class Function:
    """A kernel on a device."""

    def __init__(self, module: Module, of: Program) -> None:
        self.module = module
        self.device = module.device
        self.program = of
        self.dynamic_limit = 0

    def attribute(self, number: int) -> int | None:
        p = self.program
        return {
            0: p.max_threads, 1: p.static_shared, 2: 0, 3: p.local_bytes, 4: min(p.registers, 255), 5: 80,
            6: self.device.capability, 7: 0, 8: max(self.dynamic_limit, (48 << 10) - p.static_shared), 9: -1,
        }.get(number)  # fmt: skip


class Module:
    """PTX on a device, with the memory of its variables."""

    def __init__(self, text: str, device: SimulatedDevice) -> None:
        self.text = text
        self.device = device
        self.globals = place_globals(text, device.memory)
        self.gone = False
        """Whether it was unloaded."""

    def function(self, name: str) -> Function | None:
        f = parsed(self.text).functions.get(name)
        if f is None or not f.entry:
            return None
        return Function(self, program(self.text, name))

    def unload(self) -> None:
        self.gone = True
        for address in self.globals.values():
            self.device.memory.free(address)


def load(
    data: bytes, device: SimulatedDevice, place: bool = True
) -> Module | None | tuple[int, str]:
    """A module of PTX or of what the linker's stand-in made; or a code and what the compiler says."""
    data = data.rstrip(b"\0")
    if data.startswith(b"SIMCUBIN "):
        head, _, data = data.partition(b"\n")
        made_for = int(head.split()[1])
        if made_for // 10 != device.capability // 10 or made_for > device.capability:
            return codes.NO_BINARY_FOR_GPU, f"made for {made_for}"
    try:
        text = data.decode("ascii")
        found = parsed(text)
    except (PtxError, UnicodeDecodeError) as error:
        return (
            codes.INVALID_PTX if b".version" in data else codes.INVALID_IMAGE
        ), f"ptxas fatal: {error}"
    wide = [f.name for f in found.functions.values() if f.entry and parameter_bytes(f) > PARAMETERS]
    if wide:
        return (
            codes.INVALID_PTX,
            f"ptxas fatal: {wide[0]}: more than {PARAMETERS} bytes of parameters",
        )
    target = found.target.removeprefix("sm_")
    exact = target.endswith("a")
    wanted = int(target.rstrip("af") or 0)
    if wanted > device.capability or exact and wanted != device.capability:
        return codes.INVALID_PTX, f"ptxas fatal: PTX for {found.target} on sm_{device.capability}"
    major, _, minor = found.version.partition(".")
    if int(major) * 10 + int(minor or 0) > device.ptx:
        return codes.UNSUPPORTED_PTX_VERSION, f"PTX {found.version} is newer than the driver"
    return Module(text, device) if place else None
