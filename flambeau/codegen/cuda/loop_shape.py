"""What a loop kernel for a GPU is written for, beside the loop itself."""

from __future__ import annotations

from typing import NamedTuple

from ..loop import DTYPES, Loop, Operand, Statement
from ..loop_plan import statements

WHOLE = -1
"""`Shape.step` of a launch that does all."""
ROWS = -2
"""`Shape.step` of the launch that comes last and runs what belongs to the rows."""


class Shape(NamedTuple):
    """How a loop is divided over threads. Part of a kernel's key."""

    kind: str
    """ "map": no reductions. "rows": a team of threads that follow each other for each row.
    "columns": threads that follow each other have a row (or vector of rows) each; a team is one
    thread out of each group of them."""
    wide: bool
    """Whether indices and offsets in bytes are i64."""
    lanes: int
    """Elements of a vector, along the loop's vector dimension."""
    copies: int
    """Vectors that a thread has under way at once."""
    vectors: tuple[bool, ...]
    """For each operand whether a vector of it is read and written as one."""
    constant: tuple[bool, ...]
    """For each input whether nothing writes it while the kernel runs."""
    threads: int
    """Of a block."""
    team: int = 1
    """Threads for each row."""
    held: bool = False
    """Whether `copies` vectors are all that a thread has of its row: they stay in registers."""
    flat: tuple[bool, ...] = ()
    """For each operand whether it lies without gaps over all dimensions; empty if vectors stay within
    rows."""
    step: int = WHOLE
    """Which stage the launch computes, where a row is divided among blocks."""

    @property
    def across(self) -> int:
        """Rows, or vectors of rows, of a block."""
        return self.threads // self.team


def of_rows(loop: Loop) -> tuple[bool, ...]:
    """For each statement whether it belongs to a row stage."""
    return tuple(s.level == "row" for s in loop.stages for _ in s.body)


def varying(loop: Loop) -> tuple[int, ...]:
    """The inputs that full stages load by their position alone."""
    return tuple(sorted({
        s.attr for stage in loop.stages if stage.level == "full"
        for s in stage.body if s.op == "load" and not s.args
    }))  # fmt: skip


def moved(loop: Loop) -> list[tuple[int, Operand]]:
    """(number, operand) of everything that full stages read and write."""
    found: dict[int, Operand] = {}
    for stage in loop.stages:
        if stage.level == "full":
            for s in stage.body:
                if s.op == "load":
                    found[s.attr] = loop.inputs[s.attr]
                elif s.op == "store":
                    found[len(loop.inputs) + s.attr] = loop.outputs[s.attr]
    return sorted(found.items())


def needed(loop: Loop, wanted: set[int]) -> set[int]:
    """The statements that others depend on, these included. What comes before a reduction is not
    needed for its result, which is taken from memory."""
    all: list[Statement] = statements(loop)
    out: set[int] = set()
    stack = list(wanted)
    while stack:
        k = stack.pop()
        if k not in out:
            out.add(k)
            if all[k].op != "reduce" or k in wanted:
                stack += all[k].args
    return out


def bytes_of(operand: Operand) -> int:
    return DTYPES[operand.dtype]
