"""What a planner of launches gets and gives: placed arrays, and where to get room."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from .loop import DTYPES


class Placed(NamedTuple):
    """An array in a buffer of the run: strides and offset in elements."""

    slot: int
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def itemsize(self) -> int:
        return DTYPES[self.dtype]

    @property
    def dense(self) -> bool:
        """Whether the elements lie in row-major order without gaps."""
        step = 1
        for n, s in zip(reversed(self.shape), reversed(self.strides)):
            if n != 1:
                if s != step:
                    return False
                step *= n
        return True


class Room(Protocol):
    """Gives memory and knows the number of threads."""

    threads: int
    """At most so many threads run a launch. Nothing may depend on it but speed."""

    def temporary(self, nbytes: int) -> int:
        """The slot of a buffer (aligned to 64 bytes) that lives during the launches that are
        planned with it. Not initialised."""

    def scratch(self, nbytes: int) -> int:
        """The slot of thread-local memory: thread t's begins at `table[slot] + t * nbytes`, `nbytes`
        being a multiple of 64. It holds nothing from one call of a kernel to the next."""


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of an array without gaps."""
    out, step = [], 1
    for n in reversed(shape):
        out.append(step)
        step *= max(n, 1)
    return tuple(reversed(out))
