"""Loops of the loop language as kernels of a simulated GPU, beside what they mean in NumPy."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np

from flambeau.codegen import group_loop, loop_numpy, loop_text
from flambeau.codegen.cuda import loop_choice, loops
from flambeau.codegen.cuda.kernel import Gpu, GpuLaunch, target
from flambeau.codegen.cuda.loop_choice import Choice
from tests.codegen.loop_support import Setup, compare
from tools.gpu import run_kernel


class Room:
    """What a planner is given: temporaries are slots from `first` on."""

    def __init__(self, first: int, gpu: Gpu, loose: set[int]) -> None:
        self.gpu = gpu
        self.first = first
        self.temporaries: list[int] = []
        self.owner = dict.fromkeys(loose, 0)
        """Slots that are aligned to an element only."""

    def temporary(self, nbytes: int) -> int:
        self.temporaries.append(nbytes)
        return self.first + len(self.temporaries) - 1


def made(setup: Setup) -> group_loop.Made:
    """The loop as the planner has it; the numbers' slots come after the operands'."""
    first = len(setup.memory)
    numbers = tuple(range(first, first + len(setup.numbers)))
    accesses = tuple(m.access for m in setup.memory)
    return group_loop.Made(setup.loop, setup.extents, accesses, numbers, setup.block, 1, 1, 1, 1)


def run(
    setup: Setup, gpu: Gpu | None = None, choice: Choice | None = None, loose: set[int] | None = None,
    seed: int | None = None,
) -> tuple[list[GpuLaunch], list[Any], list[Any]]:  # fmt: skip
    """(launches, outputs' bytes, statistics of each launch)."""
    gpu = gpu or Gpu()
    room = Room(len(setup.memory) + len(setup.numbers), gpu, loose or set())
    launches = loops.plan_group(made(setup), room, choice=choice)
    table: list[Any] = [m.guarded.bytes.copy() for m in setup.memory]
    for kind, x in zip(setup.loop.numbers, setup.numbers, strict=True):
        table.append(float(x) if kind == "float64" else int(x))
    table += [np.full(n, 0x55, np.uint8) for n in room.temporaries]
    told = []
    for launch in launches:
        told.append(run_kernel(
            launch.kernel.emit(target(gpu.capability), "kernel_under_test"), "kernel_under_test",
            launch.grid, launch.block, launch.words(), launch.shared, gpu.capability, table,
            race_check=True, seed=seed,
        ))  # fmt: skip
    return launches, table[len(setup.loop.inputs) : len(setup.memory)], told


def other_choice(setup: Setup, rng: random.Random) -> Choice:
    """Another way to divide a loop over threads than the planner would take."""
    loop, room = setup.loop, Room(1000, Gpu(multiprocessors=rng.choice([1, 4, 132])), set())
    choice = loop_choice.choose(loop, setup.extents, tuple(m.access for m in setup.memory), room)
    shape = choice.shape._replace(wide=rng.random() < 0.4)
    if not loop.red:
        threads = rng.choice([32, 64, 256])
        copies = 1 if shape.flat else rng.choice([1, 2, 3, 4])
        return Choice(shape._replace(threads=threads, copies=copies), rng.choice([1, 2, 7]))
    count = math.prod(setup.extents[loop.par :]) // (shape.lanes if shape.kind == "rows" else 1)
    threads = rng.choice([32, 64, 128, 256])
    team = rng.choice([n for n in (1, 2, 4, 8, 16, 32, 64, 128, 256) if n <= threads])
    rest = math.prod(setup.extents[loop.par :]) % shape.lanes if shape.kind == "rows" else 0
    held = count > 0 and not rest and rng.random() < 0.4 and -(-count // team) <= 16
    copies = -(-count // team) if held else rng.choice([1, 2, 4])
    shape = shape._replace(threads=threads, team=team, held=held, copies=copies)
    rows = math.prod(setup.extents[: loop.par]) // (shape.lanes if shape.kind == "columns" else 1)
    if held or count < 2 or rng.random() < 0.4:
        return Choice(shape, rng.choice([1, 2, 5]), rows)
    chunk = rng.randint(1, count - 1)
    return Choice(shape, rng.choice([1, 2, 5]), rows, -(-count // chunk), chunk)


def check(
    setup: Setup, near: set[int], gpu: Gpu | None = None, choice: Choice | None = None,
    loose: set[int] | None = None, seed: int | None = None,
) -> tuple[list[GpuLaunch], list[Any]]:  # fmt: skip
    """Run a loop and compare with NumPy: outputs in `near` within rounding, others exactly."""
    outputs = setup.memory[len(setup.loop.inputs) :]
    saved = [m.guarded.inside.copy() for m in setup.memory]
    launches, got, told = run(setup, gpu, choice, loose, seed)
    loop_numpy.run(setup.loop, setup.extents, [m.view for m in setup.memory], setup.numbers)
    want = [m.guarded.bytes.copy() for m in outputs]
    for m, s in zip(setup.memory, saved, strict=True):
        m.guarded.inside[:] = s
    for k, (g, w) in enumerate(zip(got, want, strict=True)):
        shapes = [x.kernel.key[2] for x in launches]  # type: ignore[index]
        where = f"out{k}, {setup.extents}, {shapes}\n{loop_text.show(setup.loop)}"
        compare(g, w, setup.loop.outputs[k].dtype, k in near, where)
    return launches, told
