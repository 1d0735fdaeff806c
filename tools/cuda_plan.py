"""What a training step launches on a GPU, and how much of it is traffic that need not be.

    python -m tools.cuda_plan gpt                    # a table of launches by kernel
    python -m tools.cuda_plan resnet50 --dtype bfloat16 --sms 132 --bandwidth 3350
    python -m tools.cuda_plan chain --each           # every launch in order
    python -m tools.cuda_plan --list

A step is recorded on a simulated GPU and planned; nothing is computed. Bytes and operations are what the
planners reckon; the time of a launch is the larger of bytes by bandwidth and operations by rate, and at
least `--launch` microseconds: no measurement, but it shows what matters. Beside the table there are

    narrow      launches that read or write large arrays in accesses below 16 bytes
    few blocks  launches with much to do in fewer blocks than the GPU has multiprocessors
    calls       operations that go through the host
    copies      launches that only move data, of which the largest are listed
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

import flambeau as torch
from flambeau.codegen.cuda.kernel import Gpu, GpuLaunch, target
from flambeau.engine import cuda_planning, flush, tiering
from flambeau.graph.program import Capture, Program
from flambeau.runtime import cuda_memory, native
from tools.gpu import simulated

DEVICE = "cuda"
STEPS = 3
"""Steps that are recorded; the last one counts."""
LARGE = 1 << 20
"""Bytes of a launch whose accesses matter."""
MOVES = re.compile(r"copy|transpose|cat|pad|fill")
RATES = {"float32": 60e12, "float16": 700e12, "bfloat16": 700e12}
"""Operations a second: about an H100's."""

lib: Any = torch


class Item(NamedTuple):
    """A launch of a step."""

    label: str
    kernel: str
    bytes: float
    flops: float
    blocks: int
    narrow: bool
    seconds: float


# --- steps --------------------------------------------------------------------------------------


def _network(name: str) -> Callable[[str], Any]:
    def make(dtype: str) -> Any:
        from benchmarks.cuda_workloads import NETWORKS, workload

        network = next(x for x in NETWORKS if x.name.startswith(name))
        return workload(network, dtype, DEVICE).make(lib)

    return make


def _chain(dtype: str) -> Any:
    """Operations on each element, a mean and gradients: bound by memory."""
    x = lib.randn(4096, 4096).to(DEVICE).requires_grad_()

    def step() -> None:
        x.grad = None
        (x.sigmoid() * x + x.tanh()).clamp(-1, 1).mul(0.5).square().mean().backward()

    return step


MODELS: dict[str, Callable[[str], Any]] = {
    "gpt": _network("GPT"), "resnet50": _network("ResNet-50"), "resnet18": _network("ResNet-18"),
    "mlp": _network("MLP"), "cnn": _network("tutorial"), "rnn": _network("hand-written"), "chain": _chain,
}  # fmt: skip


# --- recording ------------------------------------------------------------------------------------


@contextmanager
def recording() -> Iterator[list[tuple[Program, Capture]]]:
    """Programs that are flushed are noted instead of run; their results are whatever is there."""
    seen: list[tuple[Program, Capture]] = []

    def run(program: Program, captured: Capture, observed: bool) -> str:
        for value in captured.results:
            value.buffer = _some(value.aval)  # type: ignore[assignment]
        seen.append((program, captured))
        return "recorded"

    real = tiering.run
    tiering.run = run
    try:
        yield seen
    finally:
        tiering.run = real


def _some(aval: Any) -> Any:
    if isinstance(aval, tuple):
        return tuple([_some(a) for a in aval])
    if aval.device.type != "cuda":
        return np.zeros(tuple(aval.shape), aval.dtype.np)
    return cuda_memory.allocate(1, aval.device.index)  # nobody reads it


class Step(NamedTuple):
    """What was planned of one step."""

    launches: list[Any]
    calls: list[str]
    unknown: list[str]
    programs: int
    arena: int


def planned(model: str, dtype: str, gpu: Gpu, make: Any = None) -> Step:
    """The launches of a model's step."""
    lib.manual_seed(0)
    with simulated(gpu.capability, memory=6 << 30):
        step = (make or MODELS[model])(dtype)
        flush.flush("the model is there")
        with recording() as seen:
            for _ in range(STEPS):
                before = {p.number: list(c.scalars) for p, c in seen}
                seen.clear()
                step()
                flush.flush("the end of a step")
        del step
    launches: list[Any] = []
    calls: list[str] = []
    unknown: list[str] = []
    arena = 0
    for program, captured in seen:
        if not cuda_planning.known(program):
            unknown += [str(i.op.name) for i in program.instructions]
            continue
        constants = tiering._constants(program, before.get(program.number, list(captured.scalars)), list(captured.scalars))
        plan = cuda_planning.plan(program, constants, gpu)
        arena = max(arena, sum(t.nbytes for t in plan.temporaries))
        for x in plan.steps:
            launches += x.launches
            if x.call is not None:
                calls.append(str(program.instructions[x.call.position].op.name))
    return Step(launches, calls, unknown, len(seen), arena)


# --- reckoning ------------------------------------------------------------------------------------

_ACCESS = re.compile(r"\b(?:ld|st)\.global(?:\.nc)?(?:\.v([24]))?\.[a-z]?(\d+)")
_widths: dict[str, int] = {}


def widest(launch: GpuLaunch, capability: int) -> int:
    """Bytes of the widest access to global memory in a kernel (the table's words not counted)."""
    key = repr(launch.kernel.key)
    if key not in _widths:
        to = target(capability)
        ptx = native.assembly(launch.kernel.emit(to, "kernel"), to)
        found = [int(n or 1) * int(bits) // 8 for n, bits in _ACCESS.findall(ptx)]
        wide = max([x for x in found if x != 8], default=8)
        _widths[key] = 16 if "cp.async" in ptx else wide
    return _widths[key]


def items(step: Step, gpu: Gpu, dtype: str, bandwidth: float, launch: float) -> list[Item]:
    """Launches with what they cost."""
    out = []
    for x in step.launches:
        seconds = max(x.bytes / bandwidth, x.flops / RATES[dtype], launch)
        if isinstance(x, GpuLaunch):
            large = x.bytes >= LARGE
            narrow = large and widest(x, gpu.capability) < 16
            name, blocks = x.kernel.name, math.prod(x.grid)
        else:
            name, blocks, narrow = type(x.problem).__name__.lower(), gpu.multiprocessors, False
        out.append(Item(x.label or name, name, x.bytes, x.flops, blocks, narrow, seconds))
    return out


def table(found: list[Item], each: bool) -> str:
    """Of launches, or of kernels and labels, the most expensive first."""
    rows: dict[Any, list[Item]] = {}
    for n, x in enumerate(found):
        rows.setdefault(n if each else (x.kernel, x.label.split(" ")[0]), []).append(x)
    whole = sum(x.seconds for x in found)
    lines = [f"{'kernel':28} {'what':34} {'count':>5} {'MB':>9} {'GFLOP':>9} {'ms':>8} {'share':>6}"]
    order = list(rows.values()) if each else sorted(rows.values(), key=lambda r: -sum(x.seconds for x in r))
    for r in order:
        seconds = sum(x.seconds for x in r)
        marks = ("  narrow" if any(x.narrow for x in r) else "")
        what = r[0].label if each or len(r) == 1 else r[0].label.split(" ")[0]
        lines.append(
            f"{r[0].kernel[:28]:28} {what[:34]:34} {len(r):5} {sum(x.bytes for x in r) / 1e6:9.1f} "
            f"{sum(x.flops for x in r) / 1e9:9.1f} {1e3 * seconds:8.3f} {100 * seconds / whole:5.1f}%{marks}"
        )
    return "\n".join(lines)


def summary(step: Step, found: list[Item], gpu: Gpu) -> str:
    """What the table does not say."""
    moves = [x for x in found if MOVES.match(x.kernel)]
    few = [x for x in found if x.bytes >= 4 * LARGE and 2 * x.blocks < gpu.multiprocessors]
    narrow = [x for x in found if x.narrow]
    whole = sum(x.seconds for x in found)
    lines = [
        f"{len(found)} launches in {step.programs} programs, {sum(x.bytes for x in found) / 1e9:.2f} GB, "
        f"{sum(x.flops for x in found) / 1e12:.2f} TFLOP, {1e3 * whole:.2f} ms; {step.arena / 1e9:.2f} GB in between",
    ]
    for name, which in (("copies", moves), ("narrow", narrow), ("few blocks", few)):
        seconds = sum(x.seconds for x in which)
        lines.append(
            f"{name}: {len(which)} launches, {sum(x.bytes for x in which) / 1e6:.1f} MB, {100 * seconds / whole:.1f}%"
        )
        kinds: dict[str, tuple[int, float, int]] = {}
        for x in which:
            n, b, blocks = kinds.get(x.label, (0, 0.0, 0))
            kinds[x.label] = n + 1, b + x.bytes, max(blocks, x.blocks)
        for label, (n, nbytes, blocks) in sorted(kinds.items(), key=lambda k: -k[1][1])[:8]:
            lines.append(f"    {n:4} x {label[:60]} ({nbytes / 1e6:.1f} MB, up to {blocks} blocks)")
    lines.append(f"calls through the host: {', '.join(step.calls) or 'none'}")
    if step.unknown:
        lines.append(f"programs that are not compiled: {', '.join(step.unknown)}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.cuda_plan", description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", choices=list(MODELS))
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"], help="bfloat16 by autocast")
    parser.add_argument("--arch", type=int, default=90, help="compute capability")
    parser.add_argument("--sms", type=int, default=132, help="multiprocessors")
    parser.add_argument("--bandwidth", type=float, default=3350, help="GB/s")
    parser.add_argument("--launch", type=float, default=1.5, help="microseconds of a launch, at least")
    parser.add_argument("--each", action="store_true", help="every launch, in order")
    parser.add_argument("--list", action="store_true", help="the models' names")
    options = parser.parse_args()
    if options.list or options.model is None:
        print(*MODELS, sep="\n")
        return 0
    gpu = Gpu(options.arch, options.sms)
    step = planned(options.model, options.dtype, gpu)
    found = items(step, gpu, options.dtype, 1e9 * options.bandwidth, 1e-6 * options.launch)
    print(table(found, options.each), "", summary(step, found, gpu), sep="\n")
    return 1 if step.calls or step.unknown else 0


if __name__ == "__main__":
    sys.exit(main())
