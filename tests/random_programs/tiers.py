"""Random programs through the compiled tier: every flush compiled at first sight, in several ways."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import flambeau
from flambeau import config
from flambeau.engine import tiering
from tests.random_programs.runner import Program
from tests.random_programs.shrink import report


class Mode(NamedTuple):
    """How programs are compiled."""

    fusion: bool
    constants: bool
    """Whether whole numbers (offsets of views among them) are constants of the code."""


MODES = (Mode(True, True), Mode(False, True), Mode(True, False))


@contextmanager
def compiled(mode: Mode) -> Iterator[None]:
    """Everything that runs is compiled so; what can't be compiled raises."""
    before = config.compile, config.check, config.fusion, tiering._constants
    config.compile, config.check, config.fusion = "sync", True, mode.fusion
    if not mode.constants:
        tiering._constants = lambda *_: {}
    tiering.forget()
    try:
        yield
    finally:
        config.compile, config.check, config.fusion, tiering._constants = before
        tiering.forget()


def report_compiled(seed: int, program: Program, modes: tuple[Mode, ...] = MODES) -> str | None:
    """None where a program runs as the oracle says in all modes; else how it does not."""
    for mode in modes:
        with compiled(mode):
            text = report(seed, program, flambeau)
        if text is not None:
            return f"{mode}\n{text}"
    return None


def report_interpreted(seed: int, program: Program, torch: Any, repeats: int = 1) -> str | None:
    """The same for the interpreter."""
    before, config.compile = config.compile, "off"
    try:
        return report(seed, program, torch, repeats)
    finally:
        config.compile = before
