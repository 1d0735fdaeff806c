"""Timing: samples of both frameworks in turns in one process, and their medians.

Both keep threads that spin for a while when they are done. So before a sample of one side, the
other's are given time to go to sleep, and the side runs a little without being timed.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .workloads import Step, Workload

REST = 0.015
"""Seconds after which threads that have nothing to do are asleep."""
WARM = 0.002
"""Seconds that a side runs at least before it is timed."""
COMPARED = 10
"""Steps over which losses are compared, if the warm-up is as long: a few steps further, rounding alone
sets two runs of a deep network apart (the interpreter is as far from PyTorch as compiled code)."""


def nothing(result: Any = None) -> None:
    """For calls that are over when they return."""


def sample(call: Callable[[], Any], count: int, finish: Callable[[Any], Any] = nothing) -> float:
    """Seconds a call, the mean of `count` after some that are not counted. `finish` waits for the
    last one's result."""
    time.sleep(REST)
    until = time.perf_counter() + WARM
    while True:
        finish(call())
        if time.perf_counter() > until:
            break
    start = time.perf_counter()
    for _ in range(count):
        result = call()
    finish(result)
    return (time.perf_counter() - start) / count


def in_turns(
    calls: Sequence[Callable[[], Any]], samples: int, seconds: float = 0.01,
    finish: Callable[[Any], Any] = nothing,
) -> list[float]:  # fmt: skip
    """The median seconds of each call. A sample takes about so many seconds."""
    counts = [max(1, int(seconds / max(sample(c, 1, finish), 1e-7))) for c in calls]
    found: list[list[float]] = [[] for _ in calls]
    for _ in range(samples):
        for call, count, times in zip(calls, counts, found, strict=True):
            times.append(sample(call, count, finish))
    return [statistics.median(times) for times in found]


def look(loss: Any) -> float:
    """Wait for a loss."""
    return float(loss.item())


class Result(NamedTuple):
    """What a workload showed."""

    ours: float
    """Seconds a step."""
    theirs: float
    losses: tuple[list[float], list[float]]
    """Of each side's first steps."""
    compiled: float = 0.0
    """Seconds a step of PyTorch behind torch.compile; 0 where that was not asked for."""
    compiling: float = 0.0
    """Seconds that torch.compile took."""
    failed: str = ""
    """Why torch.compile did not."""

    @property
    def ratio(self) -> float:
        return self.theirs / self.ours

    @property
    def difference(self) -> float:
        """By how much the losses differ at most, relative to PyTorch's."""
        return max(abs(a - b) / max(abs(b), 1e-6) for a, b in zip(*self.losses, strict=True))


@contextlib.contextmanager
def compiled_at_once() -> Iterator[None]:
    """Have flambeau compile what it sees, so that the losses compared are those of compiled code."""
    from flambeau import config

    before, config.compile = config.compile, "sync"
    try:
        yield
    finally:
        config.compile = before


def settle(step: Step, steps: int) -> None:
    """Run flambeau until its compiler has nothing left to do."""
    from flambeau.engine import tiering

    for _ in range(4):
        for _ in range(max(steps, 3)):
            loss = step()
        loss.item()
        tiering.wait_for_compiler()


def compare(work: Workload, flambeau: Any, torch: Any, samples: int, compiled: bool) -> Result:
    """Both sides from equal seeds: the losses of their first steps, then the time of a step."""
    ours, theirs = sides = [work.make(flambeau), work.make(torch)]
    with compiled_at_once():
        losses = [[look(side()) for _ in range(min(work.warmup, COMPARED))] for side in sides]
    settle(ours, work.warmup // 4)
    for _ in range(work.warmup - len(losses[1])):
        theirs()
    result = Result(0.0, 0.0, (losses[0], losses[1]))
    if compiled:
        made, result = _compiled(work, torch, theirs, result)
        sides += made
    found: list[list[float]] = [[] for _ in sides]
    for _ in range(samples):
        for side, times in zip(sides, found, strict=True):
            times.append(sample(side, work.steps, look))
    medians = [statistics.median(times) for times in found]
    result = result._replace(ours=medians[0], theirs=medians[1])
    return result._replace(compiled=medians[2]) if len(medians) > 2 else result


def _compiled(
    work: Workload, torch: Any, plain: Step, result: Result
) -> tuple[list[Step], Result]:
    """The step behind torch.compile, and how long that took: its first steps, less as many without
    it."""
    torch.compiler.reset()
    try:
        step = work.make(torch, torch.compile)
        start = time.perf_counter()
        for _ in range(3):
            look(step())
        middle = time.perf_counter()
        for _ in range(3):
            look(plain())
        end = time.perf_counter()
    except Exception as error:
        return [], result._replace(failed=f"{type(error).__name__}: {error}".splitlines()[0])
    return [step], result._replace(compiling=(middle - start) - (end - middle))


def latency(function: Callable[[], Any], settle: Callable[[], Any], repeats: int = 200) -> float:
    """Microseconds a call, the median over samples of 50 calls; `settle` runs between them."""
    found = []
    for _ in range(repeats):
        settle()
        start = time.perf_counter()
        for _ in range(50):
            function()
        found.append((time.perf_counter() - start) / 50)
    settle()
    return statistics.median(found) * 1e6


def import_time(name: str, samples: int = 5) -> float:
    """Seconds that `import name` takes in a fresh process, less an empty process; median."""

    def run(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - start

    run(f"import {name}")
    pairs = [(run(f"import {name}"), run("pass")) for _ in range(samples)]
    return statistics.median(a - b for a, b in pairs)


def size_of(*folders: Path) -> int:
    """Bytes of the files below folders, compiled Python left out."""
    return sum(
        f.stat().st_size
        for folder in folders
        for f in folder.rglob("*")
        if f.is_file() and "__pycache__" not in f.parts
    )
