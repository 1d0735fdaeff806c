"""Training beside a process that keeps one core busy."""

from __future__ import annotations

import os
import statistics
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from . import measure, processes
from .workloads import WORKLOADS

NAMES = ("tutorial CNN, batch 64", "ResNet-18 (32x32 stem), batch 32")


def show(options: Namespace) -> None:
    import torch

    import flambeau

    samples = options.samples or 9
    print(
        f"{'beside a process that keeps a core busy':<42}{'':<10}"
        f"{'quiet':>12}{'busy':>12}{'times':>7}  (must: 2.5 at most for flambeau)"
    )
    for name in options.only and [options.only] or NAMES:
        for work in [w for w in WORKLOADS if name.lower() in w.name.lower()]:
            for label, lib in (("flambeau", flambeau), ("PyTorch", torch)):
                step = work.make(lib)
                if lib is flambeau:
                    measure.settle(step, work.warmup // 4)
                for how, core in (("any core", None), ("one core", _a_core())):
                    quiet, busy = _timed(step, work.steps, samples, core)
                    print(
                        f"{work.name + ', on ' + how:<42}{label:<10}{quiet * 1e3:>9.2f} ms"
                        f"{busy * 1e3:>9.2f} ms{busy / quiet:>7.2f}",
                        flush=True,
                    )


def _a_core() -> int:
    return min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0


def _timed(
    step: Callable[[], Any], count: int, samples: int, core: int | None
) -> tuple[float, float]:
    """Median seconds of a step without and with the neighbour, in turns."""
    quiet, busy = [], []
    with processes.neighbour(core) as other:
        for _ in range(samples):
            quiet.append(measure.sample(step, count, measure.look))
            other.work()
            busy.append(measure.sample(step, count, measure.look))
            other.rest()
    return statistics.median(quiet), statistics.median(busy)
