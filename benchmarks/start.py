"""How soon a fresh process trains: its first step, and its first compiled one."""

from __future__ import annotations

import statistics
import tempfile
from argparse import Namespace

from . import processes

CHILD = """
import sys, time
import flambeau as torch
imported = time.time()
from flambeau.engine import tiering
from benchmarks.workloads import cnn
step = cnn(4)(torch)
made = time.time()
step().item()
first = time.time()
steps = 1
while True:
    step().item()
    steps += 1
    if tiering.programs()[-1].compiled is not None:
        break
compiled = time.time()
from flambeau.runtime import kernel_cache
print(*(t - float(sys.argv[1]) for t in (imported, made, first, compiled)), steps,
      kernel_cache.stats.compiled, kernel_cache.stats.from_disk)
"""
"""Times since the process was asked for. The last is that of the first step that ran compiled."""

NAMES = ("flambeau is imported", "network and data are there", "first step", "first compiled step")


def show(options: Namespace) -> None:
    samples = options.samples or 5
    print(f"{'tutorial CNN, batch 4, a fresh process':<40}{'cold cache':>14}{'warm cache':>14}")
    cold, warm = [], []
    for _ in range(samples):
        with tempfile.TemporaryDirectory() as folder:
            cold.append(_child(folder))
            warm.append(_child(folder))
    for i, name in enumerate(NAMES):
        a, b = (statistics.median(c[i] for c in found) for found in (cold, warm))
        print(f"{'until ' + name:<40}{a:>12.3f} s{b:>12.3f} s")
    a, b = (statistics.median(c[3] - c[2] for c in found) for found in (cold, warm))
    print(f"{'from the first step to the compiled one':<40}{a:>12.3f} s{b:>12.3f} s")
    print(f"{'steps meanwhile':<40}{cold[-1][4]:>14.0f}{warm[-1][4]:>14.0f}")
    print(f"{'kernels compiled':<40}{cold[-1][5]:>14.0f}{warm[-1][5]:>14.0f}")
    print(f"{'kernels from disk':<40}{cold[-1][6]:>14.0f}{warm[-1][6]:>14.0f}")
    print("must: first step within 1 s, compiled within 5 s cold and 0.5 s warm")


def _child(folder: str) -> list[float]:
    import time

    said = processes.python(CHILD, str(time.time()), FLAMBEAU_CACHE_DIR=folder)
    return [float(word) for word in said.split()]
