"""Wrong calls: the exception's type is PyTorch's, the message says what was wrong with what.

A case is a small program. The line that is wrong ends in `#!`; the lines after it prove that the
error comes at that line and not later, when the lazy values are read. `words` must stand in our
message, whatever its case: the operation and the values that don't fit.
"""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """One wrong call."""

    name: str
    code: str
    error: str
    words: tuple[str, ...]

    @property
    def line(self) -> int:
        """The number of the wrong line."""
        lines = self.code.splitlines()
        return next(n for n, line in enumerate(lines, 1) if line.endswith("#!"))


def case(name: str, code: str, error: str, *words: str) -> Case:
    """A case; a program of one line needs no mark."""
    if "#!" not in code:
        code = f"{code}  #!"
    return Case(name, code.strip("\n"), error, words)
