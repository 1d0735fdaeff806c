"""Delta debugging: the fewest lines of a program that still show a difference."""

from __future__ import annotations

from typing import Any

from tests.random_programs import oracle
from tests.random_programs.runner import Difference, Line, Program


def failure(lines: list[Line], torch: Any) -> str | None:
    """How these lines differ between the oracle and a module; None where they don't.

    Lines that lack what was dropped, or whose result is undefined, make no program: None too.
    """
    try:
        program = Program(lines, oracle)
    except Exception:
        return None
    try:
        program.compare(torch)
    except Difference as difference:
        return str(difference)
    except Exception as problem:  # a crash of the framework is a difference too
        return f"{type(problem).__name__}: {problem}"
    return None


def shrink(lines: list[Line], torch: Any) -> list[Line]:
    """Drop halves, quarters, ... single lines for as long as some difference stays."""
    size = max(len(lines) // 2, 1)
    while True:
        start, dropped = 0, False
        while start < len(lines):
            rest = lines[:start] + lines[start + size :]
            if rest and failure(rest, torch) is not None:
                lines, dropped = rest, True
            else:
                start += size
        if size == 1 and not dropped:
            return lines
        size = max(size // 2, 1) if not dropped else min(size, max(len(lines) // 2, 1))


def report(seed: int, program: Program, torch: Any, repeats: int = 1) -> str | None:
    """None where a program runs as the oracle says; else the smallest one that doesn't.

    From the second run on, a framework that compiles what it has seen runs what it compiled.
    """
    try:
        for _ in range(repeats):
            program.compare(torch)
        return None
    except Difference as difference:
        text = str(difference)
    except Exception as problem:
        text = f"{type(problem).__name__}: {problem}"
    lines = shrink(program.lines, torch)
    found = failure(lines, torch)
    if found is None:  # it takes a state that the first run left, or the oracle contradicts itself
        return f"seed {seed}: {text}\n\n{program.script(torch.__name__)}"
    small = Program(lines, oracle)
    return f"seed {seed}: {found}\n\n{small.script(torch.__name__)}"
