"""`python -m flambeau explain SCRIPT`: what flambeau made of a program, and why.

The program runs as with `run`, with the times of kernels noted, and therefore one compiled program
after the other. Afterwards this is printed: why and where what was recorded had to run; each
program with its tier, and why it was compiled again; each of its kernels with its time, what it
makes of it, and its share of what this machine was measured to reach.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .. import config
from ..codegen.peak import Peak, peak
from ..graph.program import Program
from ..runtime import kernel_cache, native, pool
from . import debug, tiering
from .compiled import Compiled
from .linking import divided

LINES = 12
"""How many flushes, programs, or kernels of a program are listed; the rest is summed up."""


class Timed(NamedTuple):
    """A step of a compiled program and its shortest time."""

    step: Any
    seconds: float


def explain(run: Callable[[list[str]], int], arguments: list[str]) -> int:
    """Run a program and tell about it, whatever becomes of it; gives its exit status."""
    record = debug.record = debug.Record()
    with debug.profiling():
        try:
            return run(arguments)
        finally:
            debug.record = None
            print("\n".join(report(record)), flush=True)


def report(record: debug.Record) -> list[str]:
    """The lines that tell what was collected."""
    tiering.wait_for_compiler(60)
    pool.synchronize()
    lines = ["", *_machine(), "", *_flushes(record), "", *_programs(record)]
    return [line.rstrip() for line in lines]


def _machine() -> Iterator[str]:
    if not native.available():
        yield f"no compiler: {native.reason()}"
        return
    host = native.host()
    yield f"{host.cpu}, vectors of {host.vector_bytes} bytes, LLVM {native.version()}; measured:"
    for p in [peak(1), peak()] if pool.get_num_threads() > 1 else [peak()]:
        single, double = (p.flops[d] / 1e9 for d in ("float32", "float64"))
        yield (
            f"  {p.threads} thread{'s' * (p.threads > 1)}: {single:.0f} GFLOP/s in float32, "
            f"{double:.0f} in float64; a copy {p.cached / 1e9:.0f} GB/s in cache, "
            f"{p.memory / 1e9:.1f} in memory"
        )
    yield f"kernels: {kernel_cache.stats}"
    if why := kernel_cache.refusal():
        yield f"kernels are not kept for the next process: {why}"


def _flushes(record: debug.Record) -> Iterator[str]:
    yield f"{sum(record.flushes.values())} times what was recorded had to run:"
    for (reason, line), count in record.flushes.most_common(LINES):
        yield f"  {count:6} x {reason:<32} {line}"
    rest = len(record.flushes) - LINES
    if rest > 0:
        yield f"  and for {rest} other reasons and lines"


def _programs(record: debug.Record) -> Iterator[str]:
    found = sorted(record.programs.values(), key=lambda p: -_weight(p, record))
    yield f"{len(found)} programs:"
    for program in found[:LINES]:
        yield ""
        yield from _program(program, record)
    rest = found[LINES:]
    if rest:
        yield ""
        states = Counter(p.state or "interpreted" for p in rest)
        yield f"  and {len(rest)} more: " + ", ".join(f"{n} {s}" for s, n in states.items())


def _weight(program: Program, record: debug.Record) -> float:
    """How much a program matters: by the time of its kernels, then by its uses."""
    if program.compiled is None:
        return 1e-9 * program.uses * len(program.instructions)
    runs = record.compiled_runs[program.number]
    return runs * sum(t.seconds for t in timed(program.compiled))


def _program(program: Program, record: debug.Record) -> Iterator[str]:
    runs = record.compiled_runs[program.number]
    yield (
        f"{debug.title(program)}; ran {program.uses} times, {runs} of them compiled; "
        f"{_state(program)}"
    )
    for why in program.history:
        yield f"  compiled again: {why}"
    made = program.compiled
    if made is None:
        return
    seconds = record.seconds[program.number]
    yield (
        f"  compiling took {seconds * 1e3:.0f} ms; {len(made.plan.steps)} steps with "
        f"{len(debug.kernels(made.plan))} different kernels; what lives inside a run takes "
        f"{made.arena_bytes:,} bytes"
    )
    yield from _steps(made)
    calls = Counter(
        program.instructions[s.call.position].op.name for s in made.plan.steps if s.call is not None
    )
    for name, n in calls.items():
        yield f"  {n} x {name} is called through NumPy: it has no native kernel here"
    refused = debug.refusals(made.plan)
    if refused:
        yield "  not fused:"
        for why in refused[:LINES]:
            yield f"    {why}"
        if len(refused) > LINES:
            yield f"    and {len(refused) - LINES} more pairs"


def _state(program: Program) -> str:
    if program.state:
        return program.state
    if config.compile == "off":
        return "not compiled: FLAMBEAU_COMPILE=off"
    return "not compiled: it has to be seen twice"


def timed(made: Any) -> list[Timed]:
    """The steps that ran, each with its shortest time."""
    return [Timed(step, seconds) for step, seconds in made.shortest()]


def _steps(made: Any) -> Iterator[str]:
    steps = sorted(timed(made), key=lambda t: -t.seconds)
    total = sum(t.seconds for t in steps)
    if not total:
        return
    yield f"  kernels, by their shortest times, {total * 1e6:.1f} us together:"
    for t in steps[:LINES]:
        if not isinstance(made, Compiled):  # what a GPU could do is not measured
            yield (
                f"    {t.seconds / total:4.0%} {debug.rates(t.step, t.seconds)}  "
                f"{debug.label(t.step, made.program)}"
            )
            continue
        p = peak(made.threads if divided(t.step) else 1)
        share, bound = share_of(t, p)
        shared = f"x{p.threads}" if p.threads > 1 else "  "
        yield (
            f"    {t.seconds / total:4.0%} {debug.rates(t.step, t.seconds)} {share:5.0%} of "
            f"{bound:<8} {shared}  {debug.label(t.step, made.program)}"
        )
    rest = steps[LINES:]
    if rest:
        yield f"    {sum(t.seconds for t in rest) / total:4.0%} in {len(rest)} more"


def share_of(t: Timed, p: Peak) -> tuple[float, str]:
    """The share of what is measured to be possible that a step reaches, and of what: arithmetic,
    or memory, whichever it is nearer to."""
    flops = sum(x.flops for x in t.step.launches)
    nbytes = sum(x.bytes for x in t.step.launches)
    double = any("float64" in repr(x.kernel.key) for x in t.step.launches)
    arithmetic = flops / p.flops["float64" if double else "float32"]
    memory = nbytes / p.bandwidth(nbytes)
    least = max(arithmetic, memory)
    return least / max(t.seconds, 1e-9), "the FMAs" if arithmetic >= memory else "the copy"
