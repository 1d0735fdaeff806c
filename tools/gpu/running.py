"""Runs one kernel alone, without a driver: what tests of kernels use."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import Unsupported
from .machine import Machine
from .memory import Memory
from .program import module, program
from .statistics import Statistics

Dim = int | Sequence[int]


def dim3(d: Dim) -> tuple[int, int, int]:
    """(x, y, z) of a number or of up to three."""
    if isinstance(d, int | np.integer):
        return int(d), 1, 1
    x, y, z = (*[int(v) for v in d], 1, 1, 1)[:3]
    return x, y, z


def ptx_of(text: str, capability: int = 90) -> str:
    """PTX as it is, LLVM IR as the PTX that LLVM makes of it."""
    if ".version" in text and ".target" in text and "define " not in text:
        return text
    from flambeau.codegen.cuda.kernel import target
    from flambeau.runtime import native

    return native.assembly(text, target(capability))


def place_globals(text: str, memory: Memory) -> dict[str, int]:
    """The variables of a module in a device's memory: their addresses by name."""
    found = {}
    for v in module(text).variables.values():
        if v.space in ("global", "const"):
            address = memory.allocate(max(v.nbytes, 1))
            assert address is not None
            found[v.name] = address
            memory.range(address, max(v.nbytes, 1))[: v.nbytes] = np.frombuffer(
                v.initial if v.initial is not None else bytes(v.nbytes), np.uint8
            )
    return found


def run_kernel(
    text: str,
    symbol: str,
    grid: Dim,
    block: Dim,
    args: Sequence[Any] = (),
    shared: int = 0,
    capability: int = 90,
    table: Sequence[Any] | None = None,
    race_check: bool = False,
    seed: int | None = None,
    measure: bool = False,
    memory: Memory | None = None,
) -> Statistics:
    """Run a kernel of LLVM IR or PTX once; arrays are written in place.

    `args` without a `table`: the kernel's own parameters, one after the other. A contiguous NumPy array is a
    buffer: it is copied to memory of exactly its size (so that an access one element beyond it is an
    `IllegalAddress`), its address is handed on, and what is there at the end is copied back. Python's int is 8
    bytes or what the parameter has, a float 8 bytes (a double), a NumPy scalar its bytes, `bytes` itself.

    With a `table` (flambeau's kernels, see `codegen.cuda.kernel`): the slots, each an array, an int or a float;
    `args` are the words: ints, or `Buf`s (two words each). The table is the first parameter, the words the second.

    `shared`: bytes of dynamic shared memory. `race_check` raises `Race` where threads touch the same memory
    unordered. `seed` runs warps and blocks in an order of chance. `measure` counts sectors and bank conflicts.
    Returns statistics; `print` them.
    """
    ptx = ptx_of(text, capability)
    prog = program(ptx, symbol)
    own = memory if memory is not None else Memory(4 << 30)
    symbols = place_globals(ptx, own)
    back: list[tuple[int, np.ndarray[Any, Any]]] = []

    def buffer(a: np.ndarray[Any, Any]) -> int:
        if not a.flags.c_contiguous:
            raise ValueError("buffers are C-contiguous arrays")
        address = own.allocate(max(a.nbytes, 1))
        if address is None:
            raise MemoryError("the simulated GPU's memory is too small")
        own.range(address, max(a.nbytes, 1))[: a.nbytes] = a.reshape(-1).view(np.uint8)
        back.append((address, a))
        return address

    if table is not None:
        words: list[int] = []
        for x in args:
            words += (x.slot, x.offset) if hasattr(x, "slot") else (int(x),)
        slots = b"".join(_word(buffer(s) if isinstance(s, np.ndarray) else s) for s in table)
        where = buffer(np.frombuffer(slots or b"\0" * 8, np.uint8).copy())
        parameters = struct.pack("<Q", where) + b"".join(_word(w) for w in words)
        declared = prog.parameters[1][2] if len(prog.parameters) > 1 else 0
        if declared != 8 * len(words):
            raise ValueError(f"{symbol} takes {declared // 8} words, not {len(words)}")
    else:
        if len(args) != len(prog.parameters):
            raise ValueError(f"{symbol} takes {len(prog.parameters)} parameters, not {len(args)}")
        packed = bytearray(prog.parameter_bytes)
        for value, (_, offset, nbytes) in zip(args, prog.parameters):
            if isinstance(value, np.ndarray):
                value = buffer(value)
            if isinstance(value, bytes):
                data = value
            elif isinstance(value, np.generic):
                data = value.tobytes()
            elif isinstance(value, float):
                data = struct.pack("<d", value)
            else:
                data = (int(value) & ((1 << 8 * nbytes) - 1)).to_bytes(nbytes, "little")
            if len(data) != nbytes:
                raise ValueError(f"a parameter of {nbytes} bytes from {value!r}")
            packed[offset : offset + nbytes] = data
        parameters = bytes(packed)
    g, b = dim3(grid), dim3(block)
    check_launch(g, b, prog.max_threads)
    machine = Machine(prog, own, g, b, parameters, shared, symbols, race_check, seed, measure)
    statistics = machine.run()
    for address, a in back:
        a.reshape(-1).view(np.uint8)[:] = own.range(address, max(a.nbytes, 1))[: a.nbytes]
        own.free(address)
    for address in symbols.values():
        own.free(address)
    return statistics


def check_launch(grid: tuple[int, int, int], block: tuple[int, int, int], most: int) -> None:
    """What the driver refuses."""
    threads = block[0] * block[1] * block[2]
    if min(*grid, *block) < 1:
        raise ValueError(f"a launch of grid {grid}, block {block}")
    if threads > min(most, 1024) or block[0] > 1024 or block[1] > 1024 or block[2] > 64:
        raise ValueError(f"blocks of {block} threads: {min(most, 1024)} are the most")
    if grid[0] > (1 << 31) - 1 or grid[1] > 65535 or grid[2] > 65535:
        raise ValueError(f"a grid of {grid} blocks")


def _word(x: Any) -> bytes:
    if isinstance(x, float):
        return struct.pack("<d", x)
    return (int(x) & ((1 << 64) - 1)).to_bytes(8, "little")


__all__ = ["Unsupported", "run_kernel"]
