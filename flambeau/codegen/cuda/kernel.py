"""Kernels and launches on a GPU: what the compiler's parts and the engine agree on.

A kernel is LLVM IR for the target `nvptx64-nvidia-cuda` with one signature,

    define ptx_kernel void @symbol(ptr addrspace(1) %table, ptr byval([W x i64]) align 8 %args)

`table` lies in the device's memory and holds, for one run of a program, one 8-byte word for each of
its slots: the address of a buffer, or a number (a double, or an int64). `args` are W words that are
the same in every run, passed by value: extents, strides, slots. A buffer takes two, a slot and an
offset in bytes: its address is `table[slot] + offset`. So a program that is made of such kernels is
one CUDA graph for good, whatever the addresses of a run are.

Kernels know structure, not sizes. Buffers of slots begin at multiples of 256 bytes, unless the slot
is derived (moved by a run-time number): then only at their element. No kernel reads or writes outside
the buffers that it is given, whatever the data. Launches of a program run in order; within a launch
blocks come in any order. The bits of a result never depend on that order: partial sums lie in memory
and are added in a fixed order. (The exceptions are named where they are.)

Several C-contiguous buffers may be one memory only where `codegen.loop` allows it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, Protocol

from ..kernel import Buf, Target, words_of

TRIPLE = "nvptx64-nvidia-cuda"
MINIMUM = 75
"""The oldest compute capability that code is made for (7.5: Turing)."""
PTX = "ptx80"
"""The version of PTX that is written: of CUDA 12.0, so drivers from 525 on take it."""


def target(capability: int) -> Target:
    """What LLVM makes code for: `capability` is 10 * major + minor, as 90 for an H100."""
    return Target(TRIPLE, f"sm_{min(capability, 90)}", f"+{PTX}", 16, 255, False)


def capability(of: Target) -> int:
    """The compute capability of a target."""
    return int(of.cpu.removeprefix("sm_"))


class Gpu(NamedTuple):
    """What a planner knows of the device."""

    capability: int = 90
    multiprocessors: int = 132
    shared: int = 227 << 10
    """Bytes of shared memory that a block may have (beyond 48 KiB only as dynamic memory)."""
    libraries: frozenset[str] = frozenset()
    """Which of "cublaslt" and "cudnn" are there."""


class GpuKernel(NamedTuple):
    """A kernel by its structure. Equal keys are equal code."""

    name: str
    """What it is called in listings: a C identifier."""
    key: Hashable
    """Strings, numbers and tuples of them, so that its `repr` is the same in every process."""
    emit: Callable[[Target, str], str]
    """(target, symbol) → LLVM IR text that defines the kernel `symbol`. All else is internal."""


class GpuLaunch(NamedTuple):
    """One call of a kernel."""

    kernel: GpuKernel
    args: tuple[int | Buf, ...]
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared: int = 0
    """Bytes of dynamic shared memory (the IR's own, static shared memory is not counted)."""
    flops: float = 0.0
    bytes: float = 0.0
    label: str = ""
    """For people: what it computes."""

    def words(self) -> list[int]:
        """The arguments as i64 words."""
        return words_of(self.args)


class LibraryLaunch(NamedTuple):
    """One call of cuBLASLt or cuDNN. Its addresses are the host's to know, so a graph that has
    one holds for the addresses it was recorded with."""

    problem: Any
    """Plain data, hashable: a NamedTuple of `codegen.cuda.problems`; its class says which library."""
    args: tuple[Buf, ...]
    """The buffers, in the problem's order; the last is the workspace, if the problem has one."""
    flops: float = 0.0
    bytes: float = 0.0
    label: str = ""


AnyLaunch = GpuLaunch | LibraryLaunch


class Room(Protocol):
    """What a planner of launches on a GPU is given (see `codegen.planning.Room`)."""

    gpu: Gpu

    def temporary(self, nbytes: int) -> int:
        """The slot of a buffer (aligned to 256 bytes) that lives during the launches that are planned
        with it. Not initialised."""
