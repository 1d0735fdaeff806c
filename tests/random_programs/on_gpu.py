"""Random programs on a GPU: what they make is made there. Lines that need NumPy's view of memory are
left out, with those that read what these made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import flambeau
from tests.random_programs import oracle
from tests.random_programs.generator import generate
from tests.random_programs.runner import Line, Program
from tests.random_programs.tiers import report_compiled, report_interpreted

SHARES = frozenset(["numpy", "from_numpy", "as_tensor"])
"""What makes memory common with NumPy."""


def without_numpy(lines: list[Line]) -> Program | None:
    """The program without lines that share memory with NumPy; None where nothing is left of it."""
    kept = [line for line in lines if not SHARES & _words(line.source)]
    while kept:
        try:
            return Program(kept, oracle)
        except NameError as missing:
            name = str(missing).split("'")[1]
            fewer = [line for line in kept if name not in _words(line.source)]
            if len(fewer) == len(kept):
                return None
            kept = fewer
        except Exception:  # the oracle can't say what such a program does
            return None
    return None


def _words(source: str) -> set[str]:
    return set("".join(c if c.isalnum() or c == "_" else " " for c in source).split())


@contextmanager
def there() -> Iterator[None]:
    """New tensors are made on the GPU."""
    with flambeau.device("cuda"):
        yield


def report(seed: int, compiled: bool) -> str | None:
    """How the program of a seed differs on the GPU; None where it does not, or there is none."""
    program: Any = without_numpy(generate(seed).lines)
    if program is None:
        return None
    with there():
        if compiled:
            return report_compiled(seed, program)
        return report_interpreted(seed, program, flambeau, repeats=1)
