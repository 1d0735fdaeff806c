"""Tiering: finds or makes what runs a program.

A program seen for the first time runs in the interpreter; nobody waits for the compiler. Seen again,
it is compiled in the background, and runs compiled from when that is ready. Whole numbers that were
the same both times are constants of the code; where one changes after all, the program is compiled
once more without that assumption.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import config
from ..core.dtypes import COMPLEX
from ..errors import InternalError
from ..graph.program import Capture, Key, Program, build
from .interpreter import Interpreter

VARIANTS = 4
"""How often a program is compiled at most: then nothing is taken for constant any more."""

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


def run(program: Program, captured: Capture, observed: bool) -> str:
    """Run a program in the best tier that is ready; gives the tier's name. `observed` says that
    somebody waits for a result."""
    program.uses += 1
    if config.check:
        _check_leaves(program, captured)
    compiled = program.compiled
    if compiled is not None:
        if _compiled(program, captured, observed):
            return "compiled"
        _reconsider(program, captured.scalars)
    elif not program.state and config.compile != "off":
        _consider(program, captured.scalars)
        if program.compiled is not None and _compiled(program, captured, observed):
            return "compiled"
    if program.interpreter is None:
        program.interpreter = Interpreter(program)
    program.interpreter.execute(captured)
    return "interpreter"


def _check_leaves(program: Program, captured: Capture) -> None:
    """Inputs are what native code takes for granted."""
    for aval, leaf in zip(program.inputs, captured.leaves, strict=True):
        x = leaf.buffer
        if isinstance(x, np.ndarray):
            alike = x.shape == tuple(aval.shape) and x.dtype == aval.dtype.np
            if not alike or not x.flags.c_contiguous:
                raise InternalError(
                    f"an input's buffer is {x.dtype}{x.shape}, strides {x.strides}, for {aval}"
                )


def _compiled(program: Program, captured: Capture, observed: bool) -> bool:
    if config.verify:
        from . import verify

        return verify.run(program, captured, program.compiled)
    done: bool = program.compiled.run(captured, observed)
    return done


# --- when to compile ----------------------------------------------------------------------------


def _consider(program: Program, scalars: list[Any]) -> None:
    """Compile a program that is seen again (now, where compiling is synchronous)."""
    if any(isinstance(a, tuple) for a in program.inputs):
        program.state = "not compiled: it reads parts of results"
        return
    if complex in program.scalars:
        program.state = "not compiled: it has complex numbers"
        return
    foreign = next((a.dtype for a in _avals(program) if not a.dtype.native), None)
    if foreign is not None:
        kind = "complex numbers" if foreign.category == COMPLEX else foreign.name
        program.state = f"not compiled: it has {kind}"
        return
    if config.compile == "sync":
        _order(program, _constants(program, scalars, scalars), 1)
    elif program.seen is None:
        program.seen = tuple(scalars)
    else:
        _order(program, _constants(program, program.seen, scalars), 1)


def _avals(program: Program) -> Iterator[Any]:
    """Of all inputs and results."""
    yield from program.inputs
    for ins in program.instructions:
        yield from ins.aval if isinstance(ins.aval, tuple) else (ins.aval,)


def _constants(program: Program, a: Any, b: Any) -> dict[int, int]:
    """Whole numbers that are the same in two runs, by position."""
    return {
        i: x for i, (kind, x, y) in enumerate(zip(program.scalars, a, b, strict=True))
        if kind is not float and x == y
    }  # fmt: skip


def _reconsider(program: Program, scalars: list[Any]) -> None:
    """A number has changed that was taken for a constant."""
    guard = program.compiled.guard
    if program.state.startswith("compiling"):
        return
    same = {i: v for i, v in zip(guard.places, guard.values, strict=True) if scalars[i] == v}
    if len(same) == len(guard.places):
        return  # a number beyond 64 bits: the interpreter's, this once
    times = program.compiled.variant + 1
    if len(program.history) < VARIANTS:
        program.history += [
            program.told(i, v, scalars[i]) for i, v in zip(guard.places, guard.values) if i not in same
        ]
    _order(program, {} if times >= VARIANTS else same, times)


def _order(program: Program, constants: dict[int, int], variant: int) -> None:
    program.state = "compiling" if variant == 1 else "compiling again: a number has changed"
    if config.compile == "sync":
        _compile(program, constants, variant)
    else:
        _worker.put((program, constants, variant))


def _compile(program: Program, constants: dict[int, int], variant: int) -> None:
    start = time.perf_counter()
    _make(program, constants, variant)
    if config.debug or config.profile:
        from . import debug

        debug.compiled(program, time.perf_counter() - start)


def _make(program: Program, constants: dict[int, int], variant: int) -> None:
    from ..runtime import native

    try:
        if not native.available():
            program.state = f"not compiled: {native.reason()}"
            return
        from .compiled import Compiled, Guard

        made = Compiled(program, Guard(tuple(constants), tuple(constants.values())), config.fusion)
        made.variant = variant
        program.compiled = made
        program.state = "compiled"
    except Exception as error:
        program.compiled = None
        program.state = f"not compiled: {type(error).__name__}: {error}"
        if config.check:
            raise
        if config.debug > 1:
            traceback.print_exc()


class _Worker:
    """The thread that compiles in the background."""

    def __init__(self) -> None:
        self.jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.thread: threading.Thread | None = None
        self.idle = threading.Event()
        self.idle.set()

    def put(self, job: Any) -> None:
        self.idle.clear()
        self.jobs.put(job)
        if self.thread is None or not self.thread.is_alive():
            self.thread = threading.Thread(target=self._work, name="flambeau compiler", daemon=True)
            self.thread.start()

    def _work(self) -> None:
        while True:
            _compile(*self.jobs.get())
            if self.jobs.empty():
                self.idle.set()


_worker = _Worker()


def wait_for_compiler(timeout: float | None = None) -> bool:
    """Wait until all that was ordered is compiled."""
    return _worker.idle.wait(timeout)


def after_fork() -> None:
    """A forked child has no compiling thread: what was ordered is ordered anew."""
    global _worker
    _worker = _Worker()
    for program in _programs.values():
        if program.state.startswith("compiling"):
            program.state, program.seen = "", None


def forget() -> None:
    """Drop all cached programs: each is first seen again. Kernels stay."""
    _programs.clear()


def programs() -> list[Program]:
    """The cached programs, the least recently used first."""
    return list(_programs.values())
