"""What the parts of a running machine share."""

from __future__ import annotations

from typing import Any

import numpy as np

from .active import Active, Blocks
from .errors import SimulationError
from .memory import Bytes, Memory
from .program import Program, Segment
from .ptx import Instruction
from .races import Shadow
from .statistics import Statistics

Array = Any
U32, U64 = np.dtype(np.uint32), np.dtype(np.uint64)


class State:
    """A launch, and the blocks that run just now."""

    program: Program
    memory: Memory
    peers: tuple[Memory, ...]
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    parameters: bytes
    parameter_offsets: dict[str, int]
    shared_bytes: int
    random: np.random.Generator | None
    measure: bool
    race_check: bool
    valid_shared: Array
    global_shadow: Shadow | None
    shared_shadow: Shadow | None
    statistics: Statistics
    dtypes: list[np.dtype[Any]]
    steps: int

    blocks: Blocks
    shared: Bytes
    local: Bytes
    everyone: Active
    active: Active
    """Those who run the instruction."""
    R: list[Any]
    """The registers, of all threads."""
    exited: Array
    gone: int
    groups: dict[int, Active]
    """By segment: threads that can go on there."""
    parked: dict[int, Active]
    """By segment: threads that wait for lanes of their warps."""
    waiting: dict[int, list[tuple[Active, int, Segment]]]
    """By barrier: who waits, where they go on, and at which instruction they wait."""
    arrived: dict[int, Array]
    """By barrier: how many threads of each block have come."""
    votes: Array
    epoch: Array
    """Barriers that each block has gone through."""
    warp_epoch: Array
    warp_barriers: int
    async_group: Array
    """Groups of copies that each thread has committed."""
    async_pending: list[tuple[Array, Array, Array, Array, Instruction]]

    def go(self, at: int, active: Active) -> None:
        raise NotImplementedError

    def poison(self, register: int) -> Array:
        raise NotImplementedError

    def who(self, thread: int) -> str:
        """A thread by its coordinates."""
        block, inside = divmod(thread, self.blocks.per_block)
        block += self.blocks.first
        bx, by, _ = self.block
        gx, gy, _ = self.grid
        return (
            f"thread ({inside % bx}, {inside // bx % by}, {inside // (bx * by)})"
            f" of block ({block % gx}, {block // gx % gy}, {block // (gx * gy)})"
        )

    def fault(self, error: SimulationError, i: Instruction | None, place: int) -> SimulationError:
        """The error with the instruction and the thread at a place among the active ones."""
        thread = (
            int(self.active.threads[min(place, self.active.n - 1)])
            if hasattr(self, "active")
            else 0
        )
        what = str(error.args[0]) if error.args else type(error).__name__
        return type(error)(f"{self.program.name}: {what}; {i}; {self.who(thread)}")
