"""Tiering: finds or makes what runs a program.

A program seen for the first time runs in the interpreter. Seen again, it is compiled in the
background. The tiers differ in the last bits, so the run from which on it runs compiled is a matter
of counting (`patience`), never of when the compiler is ready: only then is it waited for. Whole numbers
that were the same both times are constants of the code; where one changes after all, the program is
compiled once more without that assumption.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import config
from ..core import device as devices
from ..core.dtypes import COMPLEX
from ..errors import InternalError
from ..graph.program import Capture, Key, Program, build
from .interpreter import Interpreter
from .patience import patience

VARIANTS = 4
"""How often a program is compiled at most: then nothing is taken for constant any more."""

NO_MEMORY = "there was no memory to compile it"

at_once = False
"""Whether programs are compiled before their first run, and wait for it: then no result depends on
what ran before. `use_deterministic_algorithms(True)` sets it."""

_programs: OrderedDict[Key, Program] = OrderedDict()
hits = 0
misses = 0


def find(key: Key) -> Program:
    """The program of a key, from the cache or built now."""
    global hits, misses
    program = _programs.get(key)
    if program is not None:
        hits += 1
        try:
            _programs.move_to_end(key)
        except KeyError:  # another thread has forgotten it
            pass
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
    """Run a program in its tier; gives the tier's name. `observed` says that somebody waits for a
    result."""
    program.uses += 1
    job = program.job
    if job is not None:
        _settle(program, job)
    if config.check:
        _check_leaves(program, captured)
    if devices.others and _on_gpu(program):
        from . import cuda

        cuda.refresh(program)
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
        program.interpreter = _interpreter(program)
    program.interpreter.execute(captured)
    return "interpreter"


def _on_gpu(program: Program) -> bool:
    """Whether a program's values are on a GPU."""
    if not program.instructions:
        return False
    a = program.instructions[0].aval
    where = (a[0] if a.__class__ is tuple else a).device
    return where is not devices.CPU and where.type == "cuda"


def _interpreter(program: Program) -> Any:
    """What runs a program that is not compiled."""
    if devices.others and _on_gpu(program):
        from . import cuda

        return cuda.Unfused(program)
    return Interpreter(program)


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
    if config.compile == "sync" or at_once:
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
    if program.job is not None:
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


class _Job:
    """An order to the compiler."""

    __slots__ = ("program", "constants", "variant", "due", "done", "lost", "made", "error", "seconds")

    def __init__(self, program: Program, constants: dict[int, int], variant: int) -> None:
        self.program, self.constants, self.variant = program, constants, variant
        on_gpu = devices.others and _on_gpu(program)
        self.due = program.uses + patience(program, on_gpu) - 1
        """The run of the program that is the first to have what was made."""
        self.done = threading.Event()
        self.lost = False
        """Whether the thread that was to do it is not there (any more)."""
        self.made: Any = None
        self.error: BaseException | str = ""
        """What went wrong, or why there is no compiler."""
        self.seconds = 0.0


def _order(program: Program, constants: dict[int, int], variant: int) -> None:
    # A signal may interrupt this anywhere: then nothing was ordered.
    job = _Job(program, constants, variant)
    if config.compile == "sync" or at_once:
        _compile(job)
        _switch(program, job)
    else:
        _worker.put(job)
        program.job = job
        program.state = "compiling" if variant == 1 else "compiling again: a number has changed"


def _settle(program: Program, job: _Job) -> None:
    """Have what was ordered, if this is the run that it is due at."""
    if job.lost:
        _worker.put(job)
    if (at_once or program.uses >= job.due) and _finished(job):
        _switch(program, job)


def _finished(job: _Job) -> bool:
    """Wait for the compiler; False where it will never be ready, or not before we go on."""
    while not job.done.wait(0 if job.lost else 0.02):
        thread = _worker.thread
        if job.lost or thread is None or not thread.is_alive():
            _compile(job)
            return True
        if sys.is_finalizing() or thread is threading.current_thread() or _looks(thread):
            return False
    return True


def _looks(thread: threading.Thread) -> bool:
    """Whether a thread is looking at a tensor, for which it may need what the caller holds: the
    collector may run anything in the compiler's thread."""
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None:
        if frame.f_globals.get("__name__") == f"{__package__}.flush":
            return True
        frame = frame.f_back
    return False


def _compile(job: _Job) -> None:
    start = time.perf_counter()
    try:
        _make(job)
    except BaseException as error:
        if config.debug > 1:
            traceback.print_exc()
        if not isinstance(error, Exception):
            raise  # a signal: it is tried again
        job.error = error.with_traceback(None)
    job.seconds = time.perf_counter() - start
    job.done.set()


def _make(job: _Job) -> None:
    from ..runtime import native

    if not native.available():
        job.error = native.reason()
        return
    from .compiled import Compiled, Guard

    guard = Guard(tuple(job.constants), tuple(job.constants.values()))
    made: Any
    if devices.others and _on_gpu(job.program):
        from . import cuda

        made = cuda.compile(job.program, guard)
    else:
        made = Compiled(job.program, guard, config.fusion)
    made.variant = job.variant
    job.made = made


def _switch(program: Program, job: _Job) -> None:
    """Have the program run from now on what was made of it."""
    error = job.error
    if job.made is not None:
        program.compiled = job.made
        program.state = "compiled"
    elif isinstance(error, MemoryError):  # the next time there may be more
        program.history.append(NO_MEMORY)
        if program.compiled is not None:
            program.state = "compiled"  # for other numbers, as before
        elif program.history.count(NO_MEMORY) < VARIANTS:
            program.state, program.seen = "", None
        else:
            program.state = f"not compiled: {type(error).__name__}: {error}"
    else:
        program.compiled = None
        said = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
        program.state = f"not compiled: {said}"
    program.job = None
    if config.debug or config.profile:
        from . import debug

        debug.compiled(program, job.seconds)
    if config.check and isinstance(error, Exception) and not isinstance(error, MemoryError):
        raise error


class _Worker:
    """The thread that compiles in the background."""

    def __init__(self) -> None:
        self.jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self.open: dict[_Job, None] = {}
        """What is ordered and not done. Each change is one step of the interpreter's."""
        self.thread: threading.Thread | None = None

    def put(self, job: _Job) -> None:
        if self.thread is None or not self.thread.is_alive():
            thread = threading.Thread(target=self._work, name="flambeau compiler", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads are to be had: whoever needs it compiles it
                job.lost = True
                return
            self.thread = thread
        self.jobs.put(job)
        self.open[job] = None
        job.lost = False

    def _work(self) -> None:
        while True:
            job = self.jobs.get()
            try:
                if _programs.get(job.program.key) is not job.program:
                    job.error = "it has left the cache"  # else they pile up: orders are quicker
                    job.done.set()
                elif not job.done.is_set():
                    _compile(job)
            finally:
                self.open.pop(job, None)
            del job

    def wait(self, timeout: float | None) -> bool:
        """Wait until all that was ordered is done."""
        end = None if timeout is None else time.monotonic() + timeout
        for job in list(self.open):
            if not job.done.wait(None if end is None else max(0.0, end - time.monotonic())):
                return False
        return True


_worker = _Worker()


def wait_for_compiler(timeout: float | None = None) -> bool:
    """Wait until all that was ordered is compiled, and have it used from now on."""
    pending = [(p, p.job) for p in list(_programs.values()) if p.job is not None]
    for _, job in pending:
        if job.lost:
            _worker.put(job)
    if not _worker.wait(timeout):
        return False
    for program, job in pending:
        if program.job is job and job.done.is_set():
            _switch(program, job)
    return True


def after_fork() -> None:
    """A forked child has no compiling thread: what was ordered and isn't done is ordered anew,
    when its program runs the next time."""
    global _worker
    _worker = _Worker()
    for program in _programs.values():
        job = program.job
        if job is not None and not job.done.is_set():
            job.done, job.lost = threading.Event(), True


def forget() -> None:
    """Drop all cached programs: each is first seen again. Kernels stay."""
    _programs.clear()


def programs() -> list[Program]:
    """The cached programs, the least recently used first."""
    return list(_programs.values())
