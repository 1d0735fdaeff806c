"""Seeing into the engine while it runs: the ladder of FLAMBEAU_DEBUG, and what `explain` collects.

Each rung prints what the ones below it do, and more, to the standard error stream:

    1  each flush: its reason, the user's line, the program and what ran it
    2  each program when it is first seen, and when it has been compiled
    3  each kernel of each run: time, GFLOP/s, GB/s (programs run one at a time then)
    4  of each compiled program its launches, the operations of each, and what was not fused
    5  the loops of kernels that no program had before
    6  their LLVM IR and assembly, on a GPU PTX

The engine calls in here only where `config.debug` or `config.profile` is set.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import config
from ..codegen import loop_text
from ..codegen.kernel import Kernel, Launch, Target
from ..codegen.loop import Loop
from ..graph.program import Program

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class Record:
    """What a run of a program of the user's did, collected for `explain`."""

    def __init__(self) -> None:
        self.flushes: Counter[tuple[str, str]] = Counter()
        """By reason and the user's line."""
        self.programs: dict[int, Program] = {}
        self.compiled_runs: Counter[int] = Counter()
        """By the program's number."""
        self.seconds: Counter[int] = Counter()
        """Spent in compiling, by the program's number."""


record: Record | None = None
"""Where what happens is collected, if it is."""

_shown: set[str] = set()
"""Kernels whose text was printed."""


def flushed(reason: str, program: Program, tier: str) -> None:
    """A flush has run a program."""
    line = user_line()
    if record is not None:
        record.flushes[reason, line] += 1
        record.programs[program.number] = program
        record.compiled_runs[program.number] += tier == "compiled"
    if config.debug:
        known = f"use {program.uses}" if program.uses > 1 else "first seen"
        say(f"flush: {reason}; {line}; {title(program)}, {known}, {tier}")
    if config.debug > 1 and program.uses == 1:
        say(str(program))
    if config.debug > 2 and tier == "compiled":
        _say_run(program.compiled)


def compiled(program: Program, seconds: float) -> None:
    """A program has been compiled, or could not be."""
    if record is not None:
        record.seconds[program.number] += seconds  # type: ignore[assignment]
    if config.debug < 2 and not (config.debug and program.compiled is None):
        return
    say(f"{title(program)}: {program.state}, in {seconds * 1e3:.0f} ms")
    if program.compiled is None:
        return
    plan = program.compiled.plan
    if config.debug > 3:
        for line in plan_lines(plan, program):
            say("  " + line)
    if config.debug > 4:
        for kernel in kernels(plan):
            _say_kernel(kernel)


def title(program: Program) -> str:
    """A program in a few words."""
    n = program
    return (
        f"program {n.number}: {len(n.instructions)} operations, {len(n.inputs)} inputs, "
        f"{len(n.outputs)} outputs"
    )


def user_line() -> str:
    """The file and line of the innermost frame that is not flambeau's."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith((PACKAGE, "<frozen ")):
            return f"{_short(name)}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return "?"


def _short(path: str) -> str:
    """A file below the current folder from there, any other in full."""
    here = os.getcwd() + os.sep
    return path.removeprefix(here)


def say(text: str) -> None:
    """Print for whoever asked for it."""
    print("\n".join("[flambeau] " + line for line in text.splitlines()), file=sys.stderr)


# --- programs and kernels in words --------------------------------------------------------------


def label(step: Any, program: Program) -> str:
    """What a step does."""
    if step.call is not None:
        return f"{program.instructions[step.call.position].op.name}, through NumPy"
    return "; ".join(x.label or name(x) for x in step.launches)


def name(launch: Any) -> str:
    """What a launch calls: a kernel, or a library for a problem."""
    kernel = getattr(launch, "kernel", None)
    return type(launch.problem).__name__ if kernel is None else str(kernel.name)


def size(launch: Any) -> str:
    """How a launch is divided."""
    if isinstance(launch, Launch):
        return f"{launch.tasks} tasks"
    if getattr(launch, "kernel", None) is None:
        return f"{launch.problem}"
    blocks, threads = (" x ".join(str(n) for n in t if n != 1) or "1" for t in (launch.grid, launch.block))
    shared = f" with {launch.shared} bytes of shared memory" if launch.shared else ""
    return f"{blocks} blocks of {threads} threads{shared}"


def rates(step: Any, seconds: float) -> str:
    """A step's time and what it makes of it."""
    seconds = max(seconds, 1e-9)
    flops, nbytes = (sum(getattr(x, a) for x in step.launches) for a in ("flops", "bytes"))
    return (
        f"{seconds * 1e6:9.1f} us {flops / seconds / 1e9:8.1f} GFLOP/s "
        f"{nbytes / seconds / 1e9:7.1f} GB/s"
    )


def kernels(plan: Any) -> list[Any]:
    """A plan's kernels, each once."""
    found = {
        repr(x.kernel.key): x.kernel for s in plan.steps for x in s.launches if hasattr(x, "kernel")
    }
    return list(found.values())


def loop_of(kernel: Any) -> Loop | None:
    """The loop that a kernel runs, if it is of that kind."""
    parts = getattr(kernel.emit, "args", ())
    return next((x for x in parts if isinstance(x, Loop)), None)


def operations(launch: Any) -> str:
    """What is fused into a loop, in order."""
    kernel = getattr(launch, "kernel", None)
    loop = None if kernel is None else loop_of(kernel)
    if loop is None:
        return name(launch)
    moves = ("load", "store", "number", "const")
    names = [
        str(s.attr) if s.op == "reduce" else s.op
        for stage in loop.stages for s in stage.body if s.op not in moves
    ]  # fmt: skip
    return " ".join(names) or "copy"


def plan_lines(plan: Any, program: Program) -> list[str]:
    """A plan to be read: its launches, and why there are so many."""
    total = sum(t.nbytes for t in plan.temporaries)
    lines = [f"{len(plan.steps)} steps, {len(plan.temporaries)} arrays in between, {total} bytes"]
    for step in plan.steps:
        lines.append(f"  {label(step, program)}")
        for x in step.launches:
            lines.append(
                f"    {operations(x)}: {size(x)}, {x.flops:.3g} flops, {x.bytes:.3g} bytes"
            )
    lines += ["  not fused: " + text for text in refusals(plan)]
    return lines


def refusals(plan: Any) -> list[str]:
    """Why neighbours were not fused, each pair of operations and reason once."""
    return [f"{n} x {why}" for why, n in Counter(plan.refused).most_common()]


def _say_run(compiled: Any) -> None:
    for step, start, end in compiled.timings():
        told = "" if step.call is not None else rates(step, end - start) + "  "
        say(f"  {told}{label(step, compiled.program)}")


def _say_kernel(kernel: Any) -> None:
    text = type(kernel).__name__ + repr(kernel.key)
    if text in _shown:
        return
    _shown.add(text)
    loop = loop_of(kernel)
    say(f"kernel {kernel.name}" if loop is None else loop_text.show(loop))
    if config.debug > 5:
        from ..runtime import native

        target = _target(kernel)
        code = kernel.emit(target, f"{kernel.name}_kernel")  # its parts may have the name itself
        say(code)
        say(native.assembly(code, target))


def _target(kernel: Any) -> Target:
    """What a kernel's code is made for: the host, or this thread's GPU (so its assembly is PTX)."""
    from ..runtime import native

    if isinstance(kernel, Kernel):
        return Target(*native.host())
    from ..codegen.cuda import kernel as gpu
    from ..runtime import cuda

    return gpu.target(cuda.device().capability)


# --- switching ----------------------------------------------------------------------------------


@contextmanager
def level(rung: int) -> Iterator[None]:
    """Within it, FLAMBEAU_DEBUG has another value."""
    before = config.debug
    config.debug = rung
    try:
        with profiling(rung > 2 or config.profile):
            yield
    finally:
        config.debug = before


@contextmanager
def profiling(on: bool = True) -> Iterator[None]:
    """Within it, the times of kernels are noted, or not."""
    before = config.profile
    try:
        _profile(on)
        yield
    finally:
        _profile(before)


def _profile(on: bool) -> None:
    """Switch, also for programs that are compiled already."""
    from ..runtime import pool
    from . import tiering

    if on == config.profile:
        return
    config.profile = on
    tiering.wait_for_compiler()
    pool.synchronize()
    for program in tiering.programs():
        if program.compiled is not None:
            program.compiled.profile(on)
