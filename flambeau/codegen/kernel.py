"""Kernels and launches: what the compiler's parts agree on.

A kernel is native code with one signature,

    void kernel(ptr table, ptr args, i64 begin, i64 end, i64 thread)

`table` holds, for one run of a program, one 8-byte word for each of its slots: the address of a
buffer, or a number (a double, or an int64). `args` is prepared once, when the program is compiled:
i64 words whose meaning is the kernel's own: extents, strides, slots. A buffer takes two words, a
slot and an offset in bytes: its address is `table[slot] + offset`. Tasks [begin, end) are to be
done; any division of a kernel's tasks over threads gives the same bits. `thread` counts from 0.

Kernels know structure, not sizes: extents and strides are run-time words, so that a program that
is made of known kernels at other sizes costs no compiling. Buffers are only aligned to their
element. No kernel writes outside the buffers it is given, whatever the data.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import NamedTuple


class Target(NamedTuple):
    """What code is made for."""

    triple: str
    cpu: str
    features: str
    """LLVM's feature string."""
    vector_bytes: int
    """Of a vector register: 64 (AVX-512), 32 (AVX2), 16 (NEON, SSE)."""
    registers: int
    """Vector registers: 32 or 16."""
    masks: bool
    """Whether masked loads and stores of any element size are cheap (AVX-512)."""


class Kernel(NamedTuple):
    """A kernel by its structure. Equal keys are equal code; keys are made of strings, numbers and
    tuples of them, so that their `repr` is the same in every process."""

    name: str
    """What it is called in listings: a C identifier."""
    key: Hashable
    emit: Callable[[Target, str], str]
    """(target, symbol) → LLVM IR text that defines the function `symbol`. Everything else that the
    text defines is internal."""


class Buf(NamedTuple):
    """A buffer among a launch's arguments: two words."""

    slot: int
    offset: int = 0
    """In bytes."""


def words_of(args: Iterable[int | Buf]) -> list[int]:
    """Arguments as i64 words."""
    out: list[int] = []
    for a in args:
        if isinstance(a, Buf):
            out += (a.slot, a.offset)
        else:
            out.append(a)
    return out


class Launch(NamedTuple):
    """One call of a kernel."""

    kernel: Kernel
    args: tuple[int | Buf, ...]
    tasks: int
    flops: float
    """Of the whole launch: multiplications and additions."""
    bytes: float
    """Read and written by the whole launch."""
    grain: int = 1
    """Tasks that a thread takes at a time, at least."""
    label: str = ""
    """For people: what it computes."""

    def words(self) -> list[int]:
        """The arguments as i64 words."""
        return words_of(self.args)
