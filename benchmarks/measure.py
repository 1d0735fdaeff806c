"""Timing: interleaved samples of both frameworks in one process, medians, losses compared."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from .workloads import Workload


class Result(NamedTuple):
    """Seconds a step under each framework, and by how much the losses differ at most."""

    ours: float
    theirs: float
    difference: float

    @property
    def ratio(self) -> float:
        return self.theirs / self.ours


def compare(work: Workload, flambeau: Any, torch: Any, samples: int) -> Result:
    """Alternate between both sides: a sample is the mean of some steps, the result the median of
    the samples. Losses are compared over the warm-up steps."""
    sides = [work.make(flambeau), work.make(torch)]
    difference = 0.0
    for _ in range(work.warmup):
        a, b = (side().item() for side in sides)
        difference = max(difference, abs(a - b) / max(abs(b), 1e-6))
    times: list[list[float]] = [[], []]
    for _ in range(samples):
        for side, seconds in zip(sides, times, strict=True):
            start = time.perf_counter()
            for _ in range(work.steps):
                loss = side()
            loss.item()
            seconds.append((time.perf_counter() - start) / work.steps)
    return Result(statistics.median(times[0]), statistics.median(times[1]), difference)


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
