"""What runs while a profiler listens: ranges that the user names, flushes, and in those each
operation of the interpreter and each kernel of compiled programs, with its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from ..graph.program import Program
from ..graph.value import Value
from . import debug


class Event(NamedTuple):
    """Something that took time, in nanoseconds of `time.perf_counter_ns`."""

    name: str
    kind: str
    """"user", "flush", "operation" (through NumPy) or "kernel"."""
    start: int
    end: int
    thread: int
    shapes: tuple[Any, ...] = ()
    flops: int = 0
    line: str = ""
    """The user's line that had a program run."""


class Recorder:
    """Collects events from `start` to `stop`."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def start(self) -> None:
        """Listen. What was recorded before runs first."""
        global listening
        _flush("a profiler starts")
        self._context = debug.profiling()
        self._context.__enter__()
        listening = self

    def stop(self) -> None:
        """Stop listening. What was recorded runs first."""
        global listening
        _flush("a profiler stops")
        listening = None
        self._context.__exit__(None, None, None)

    def add(self, name: str, kind: str, start: int, end: int, **more: Any) -> None:
        self.events.append(Event(name, kind, start, end, threading.get_ident(), **more))


listening: Recorder | None = None


counting: list[Callable[[Value], None]] = []
"""Who wants to see each operation that was recorded, also those whose results nobody needs."""


def recorded(values: list[Value]) -> None:
    """These are about to be run."""
    for see in counting:
        for value in values:
            see(value)


def unread(nodes: list[Value]) -> list[Value]:
    """Where a profiler listens: the pending values that no other pending value reads. Whoever holds
    them has all of the trace run, also what nobody looks at: a profiled program measures it."""
    if listening is None:
        return []
    read = {id(x) for node in nodes for x in node.inputs}
    return [node for node in nodes if id(node) not in read]


def _flush(reason: str) -> None:
    from .flush import flush

    flush(reason)


def begin_range() -> int:
    """Now. Where a profiler listens, what was recorded before runs first: it is not the range's."""
    if listening is not None:
        _flush("a profiler's range begins")
    return time.perf_counter_ns()


def end_range(name: str, start: int) -> None:
    """A range of the user's ends: what it has recorded runs now, as part of it."""
    if listening is not None:
        _flush("a profiler's range ends")
        if listening is not None:
            listening.add(name, "user", start, time.perf_counter_ns())


def timed_steps(program: Program, steps: tuple[Any, ...]) -> tuple[Any, ...]:
    """An interpreter's steps, each noting its time."""
    recorder = listening
    if recorder is None:
        return steps

    def timed(function: Any, name: str) -> Any:
        def run(values: list[Any], params: Any) -> Any:
            start = time.perf_counter_ns()
            result = function(values, params)
            shapes = tuple(tuple(getattr(v, "shape", ())) for v in values)
            recorder.add(name, "operation", start, time.perf_counter_ns(), shapes=shapes)
            return result

        return run

    return tuple(
        (timed(step[0], ins.op.name), *step[1:]) for ins, step in zip(program.instructions, steps)
    )


def flushed(reason: str, program: Program, tier: str, start: int) -> None:
    """A flush that began at `start` has run a program."""
    recorder = listening
    if recorder is None:
        return
    end = time.perf_counter_ns()
    ran = program.compiled if tier == "compiled" else getattr(program.interpreter, "executable", None)
    if ran is not None:
        _kernels(recorder, ran, start, end)
    recorder.add(reason, "flush", start, end, line=debug.user_line())


def _kernels(recorder: Recorder, compiled: Any, start: int, end: int) -> None:
    """The kernels that a compiled program has just run."""
    for step, first, last in compiled.timings():
        if step.call is not None:
            continue
        name = debug.label(step, compiled.program)
        begin = min(start + int(first * 1e9), end)
        flops = int(sum(x.flops for x in step.launches))
        recorder.add(name, "kernel", begin, min(start + int(last * 1e9), end), flops=flops)
