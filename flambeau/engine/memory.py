"""What is in memory, for people, and how to have it given back.

    >>> from flambeau.engine import memory
    >>> sorted(memory.stats())[:3]
    ['arena', 'available', 'cached']

Memory that a tensor leaves is kept for the next of its size; it goes back to the system when much is
free, when an allocation fails, and when `release` is called.
"""

from __future__ import annotations

from typing import Any

from ..core import device as devices
from ..errors import OutOfMemoryError
from ..graph.program import Program
from ..graph.trace import state
from ..runtime import blocks, limits, recycled, shortage
from . import arena


def stats() -> dict[str, int]:
    """Bytes of the process's memory:

    - `live`: in blocks that compiled programs' results lie in;
    - `cached`: in free blocks and arrays, kept for the next results;
    - `arena`: of the live ones, those for what lives inside a program;
    - `pending`: of large results that this thread has recorded since it last ran what is pending;
    - `resident`: of the whole process, NumPy's arrays, code and Python included;
    - `available`: that the process could still have.
    """
    found = blocks.stats()
    return {
        "live": found["live"] + found["slabs"] - found["slabs_free"],
        "cached": found["cached"] + found["slabs_free"] + recycled.free_bytes(),
        "arena": arena.nbytes(),
        "pending": state.pending_bytes,
        "resident": limits.resident(),
        "available": limits.available(),
    }


def release() -> None:
    """Give back to the system all memory that is free, the programs' arena included, after a run of
    Python's collector; of GPUs too. Small blocks are kept."""
    arena.release()
    shortage.relieve(collect=True)
    if devices.others:
        from ..runtime import cuda_memory

        cuda_memory.release()


def named(error: MemoryError, program: Program) -> OutOfMemoryError:
    """The error of a program that lacks memory, with the name of the operation that needs most."""
    operation = greediest(program)
    text = str(error)
    if isinstance(error, OutOfMemoryError) and text.startswith("CUDA") and operation:
        made = OutOfMemoryError(f"{text} The largest result is that of {operation}().")
        made.nbytes, made.operation, made.named = error.nbytes, operation, True
        return made
    return shortage.named(error, operation)


def greediest(program: Program) -> str:
    """The operation with the largest result, to be named where a whole program lacks memory."""

    def size(ins: Any) -> int:
        return sum(a.nbytes for a in (ins.aval if isinstance(ins.aval, tuple) else (ins.aval,)))

    largest = max(program.instructions, key=size, default=None)
    return "" if largest is None else str(largest.op.called or largest.op.name)
