"""Tiering: finds or makes what runs a program.

A program seen for the first time runs in the interpreter. This is where a compiled executable
takes over: `choose` is asked at every run, and sees how often the program has been used.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Protocol

from .. import config
from ..graph.program import Key, Program, build
from .interpreter import Interpreter


class Executable(Protocol):
    """What can run a program."""

    tier: str
    donated: tuple[int, ...]
    """Inputs whose memory `run` may overwrite; they are dead afterwards."""

    def run(self, buffers: list[Any], scalars: list[Any]) -> list[Any]:
        """The outputs' buffers, from the inputs' buffers and the scalars."""


_programs: OrderedDict[Key, Program] = OrderedDict()
hits = 0
misses = 0


def find(key: Key) -> Program:
    """The program of a key, from the cache or built now."""
    global hits, misses
    program = _programs.get(key)
    if program is not None:
        hits += 1
        _programs.move_to_end(key)
        return program
    misses += 1
    program = build(key)
    if config.check:
        program.verify()
    _programs[key] = program
    if len(_programs) > config.program_cache_size:
        _programs.popitem(last=False)
    return program


def choose(program: Program) -> Executable:
    """What runs this program now."""
    program.uses += 1
    if program.executable is None:
        program.executable = Interpreter(program)
    chosen: Executable = program.executable
    return chosen


def programs() -> list[Program]:
    """The cached programs, the least recently used first."""
    return list(_programs.values())
