"""Every CUDA kernel of the model zoo's training steps, assembled.

    python -m tools.cuda_zoo                       # everything, for sm_75, sm_80 and sm_90
    python -m tools.cuda_zoo --arch 80 --only gpt resnet18
    python -m tools.cuda_zoo --list

Training steps are recorded on a simulated GPU and planned; nothing is computed (results are zeros).
Their kernels become PTX by LLVM and machine code by ptxas (of the wheel nvidia-cuda-nvcc-cu12, or
on PATH). The table says of each network how many launches a step has and how many operations it calls through
NumPy, how many kernels all its steps need, and of these the most registers and the bytes spilled. The exit status is 1 if something could not be planned or
assembled.
"""

from __future__ import annotations

import argparse
import gc
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import flambeau as torch
from flambeau.codegen.cuda.kernel import Gpu, GpuKernel, GpuLaunch, target
from flambeau.engine import cuda_planning, flush, tiering
from flambeau.graph.program import Capture, Program
from flambeau.runtime import cuda, cuda_memory, native
from tests.cuda.assembling import Assembled, assemble, ptxas
from tools.gpu import simulated

ARCHITECTURES = (75, 80, 90)
DEVICE = "cuda"
STEPS = 3
"""Steps that are recorded."""

Step = Callable[[], Any]
nn: Any = torch.nn
lib: Any = torch


class Recorded:
    """A program of a network."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.times = 0
        """How often the last step has it; the first steps have programs that do not come again."""
        self.scalars: list[Any] | None = None
        """Its numbers when it came last."""
        self.constants: dict[int, int] = {}
        """The whole numbers that were the same then and before."""


@contextmanager
def recording() -> Iterator[dict[int, Recorded]]:
    """Programs that are flushed are noted instead of run, by number; their results are zeros."""
    seen: dict[int, Recorded] = {}

    def run(program: Program, captured: Capture, observed: bool) -> str:
        for value in captured.results:
            value.buffer = _zeros(value.aval)  # type: ignore[assignment]
        x = seen.setdefault(program.number, Recorded(program))
        numbers = list(captured.scalars)
        if x.scalars is not None:
            x.constants = tiering._constants(program, x.scalars, numbers)
        x.scalars = numbers
        x.times += 1
        return "recorded"

    real = tiering.run
    tiering.run = run
    try:
        yield seen
    finally:
        tiering.run = real


def _zeros(aval: Any) -> Any:
    if isinstance(aval, tuple):
        return tuple([_zeros(a) for a in aval])
    if aval.device.type != "cuda":
        return np.zeros(tuple(aval.shape), aval.dtype.np)
    nbytes = math.prod(aval.shape) * aval.dtype.itemsize
    block = cuda_memory.allocate(nbytes, aval.device.index)
    cuda.fill(block.address, 0, nbytes, cuda.current_stream(aval.device.index))
    return block


# --- networks -------------------------------------------------------------------------------------


def trained(net: Any, *inputs: Any, optimizer: Any = None) -> Step:
    """A step: the network's outputs, their squares' gradients, an optimizer."""
    net = net.to(DEVICE).train()
    inputs = tuple([x.to(DEVICE) for x in inputs])
    by = optimizer or lib.optim.SGD(net.parameters(), 0.01, momentum=0.9)

    def loss() -> Any:
        found = net(*inputs)
        if isinstance(found, tuple):  # helping classifiers
            found = list(found)
        elif isinstance(found, dict):
            found = list(found.values())
        outputs = found if isinstance(found, list) else [found]
        return sum([x.float().square().mean() for x in outputs if hasattr(x, "square")])

    def step() -> None:
        by.zero_grad()
        loss().backward()
        by.step()

    return step


VISION = {
    "alexnet": 64, "vgg11_bn": 32, "resnet18": 64, "resnet50": 64, "resnext50_32x4d": 64,
    "wide_resnet50_2": 32, "densenet121": 64, "googlenet": 64, "inception_v3": 299, "squeezenet1_1": 64,
    "mobilenet_v2": 64, "mobilenet_v3_small": 64, "mnasnet0_5": 64, "shufflenet_v2_x0_5": 64,
    "efficientnet_b0": 64, "efficientnet_v2_s": 64, "regnet_x_400mf": 64, "regnet_y_400mf": 64,
    "convnext_tiny": 64, "vit_b_32": 224, "swin_t": 64, "swin_v2_t": 64, "maxvit_t": 224, "lenet": 32,
}  # fmt: skip
"""One of each family of `flambeau.vision.models`, and the size of its pictures."""

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1}, "SGD nesterov": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    "Adam": {}, "Adam amsgrad": {"amsgrad": True, "weight_decay": 0.1}, "AdamW": {}, "Adamax": {}, "NAdam": {},
    "RAdam": {}, "Adagrad": {}, "Adadelta": {}, "RMSprop": {"momentum": 0.9, "centered": True}, "Rprop": {},
    "ASGD": {}, "Adafactor": {},
}  # fmt: skip


def _vision(name: str, size: int) -> Callable[[], Step]:
    def make() -> Step:
        import flambeau.vision.models as models

        model: Any = getattr(models, name)
        more = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        x = lib.randn(2, 1 if name == "lenet" else 3, size, size)
        return trained(model(**more), x)

    return make


def _workload(name: str) -> Callable[[], Step]:
    """One of the networks that are measured, by the beginning of its name."""

    def make() -> Step:
        from benchmarks.cuda_workloads import NETWORKS, workload

        network = next(x for x in NETWORKS if x.name.startswith(name))
        return workload(network, "float32", DEVICE, tiny=True).make(torch)

    return make


def _half(name: str, dtype: str) -> Callable[[], Step]:
    def make() -> Step:
        step = NETWORKS[name]()

        def narrow() -> None:
            with lib.autocast(DEVICE, dtype=getattr(lib, dtype)):
                step()

        return narrow

    return make


def _optimizer(name: str) -> Callable[[], Step]:
    def make() -> Step:
        net = nn.Sequential(nn.Linear(9, 17), nn.Tanh(), nn.Linear(17, 5)).to(DEVICE)
        kind = getattr(lib.optim, name.split()[0])
        return trained(net, lib.randn(3, 9), optimizer=kind(net.parameters(), **OPTIMIZERS[name]))

    return make


def _recurrent(kind: str) -> Callable[[], Step]:
    def make() -> Step:
        layer = getattr(nn, kind)(8, 16, num_layers=2)

        class First(nn.Module):  # type: ignore[name-defined, misc]
            def __init__(self) -> None:
                super().__init__()
                self.layer = layer

            def forward(self, x: Any) -> Any:
                return self.layer(x)[0]

        return trained(First(), lib.randn(5, 3, 8))

    return make


def _transformer() -> Step:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    return trained(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), lib.randn(2, 10, 32))


def _norms() -> Step:
    net = nn.Sequential(
        nn.Conv1d(3, 8, 3), nn.GroupNorm(2, 8), nn.GELU(), nn.Conv1d(8, 8, 3, groups=8), nn.InstanceNorm1d(8),
        nn.SiLU(), nn.AvgPool1d(2), nn.LayerNorm(13), nn.Softplus(), nn.Flatten(), nn.Linear(104, 10),
        nn.LogSoftmax(1),
    )  # fmt: skip
    return trained(net, lib.randn(2, 3, 30))


def _volumes() -> Step:
    net = nn.Sequential(
        nn.Conv3d(2, 4, 3, padding=1), nn.BatchNorm3d(4), nn.ReLU(), nn.MaxPool3d(2),
        nn.ConvTranspose3d(4, 2, 2, stride=2),
    )  # fmt: skip
    return trained(net, lib.randn(2, 2, 6, 6, 6))


NETWORKS: dict[str, Callable[[], Step]] = {
    "cnn": _workload("tutorial"), "mlp": _workload("MLP"), "rnn": _workload("hand-written RNN"),
    "gpt": _workload("GPT"),
    "gpt bfloat16": _half("gpt", "bfloat16"), "resnet18 bfloat16": _half("resnet18", "bfloat16"),
    "transformer": _transformer, "norms": _norms, "volumes": _volumes,
    **{f"nn.{kind}": _recurrent(kind) for kind in ("RNN", "LSTM", "GRU")},
    **{name: _vision(name, size) for name, size in VISION.items()},
    **{name: _optimizer(name) for name in OPTIMIZERS},
}  # fmt: skip


# --- kernels --------------------------------------------------------------------------------------


class Kernels(NamedTuple):
    """What a network needs."""

    launches: int
    """Of a step that is like those before."""
    kernels: dict[str, GpuKernel]
    """By the text of their keys."""
    calls: int
    """Operations that are called through NumPy."""


def recorded(name: str) -> list[Recorded]:
    """The programs of a network's step."""
    lib.manual_seed(0)
    with simulated(memory=8 << 30):
        step = NETWORKS[name]()
        with recording() as found:
            for _ in range(STEPS):
                for x in found.values():
                    x.times = 0
                step()
                flush.flush("the end of a step")
        del step
        gc.collect()
    return list(found.values())


def kernels_of(programs: list[Recorded], gpu: Gpu, fusing: bool = True) -> Kernels:
    """Plan programs for a GPU: those that come in every step, or, each operation by itself, all."""
    launches, calls = 0, 0
    found: dict[str, GpuKernel] = {}
    for x in programs:
        if not cuda_planning.known(x.program) or (fusing and not x.times):
            continue
        for step in cuda_planning.plan(x.program, x.constants, gpu, fusing).steps:
            calls += x.times if step.call is not None else 0
            launches += x.times * len(step.launches)
            for launch in step.launches:
                if isinstance(launch, GpuLaunch):
                    found[repr(launch.kernel.key)] = launch.kernel
    return Kernels(launches, found, calls)


def assembled(kernel: GpuKernel, arch: int) -> Assembled:
    """A kernel through LLVM and ptxas. AssertionError with what they say."""
    to = target(arch)
    return assemble(native.assembly(kernel.emit(to, "kernel"), to), arch)


class Row(NamedTuple):
    """A line of the table."""

    name: str
    launches: int
    kernels: int
    calls: int
    registers: int
    spilled: int
    failures: list[str]

    def __str__(self) -> str:
        text = (
            f"{self.name:24} {self.launches:9} {self.kernels:8} {self.calls:6} {self.registers:10} "
            f"{self.spilled:8}"
        )
        return text + (f"  {len(self.failures)} FAILED" if self.failures else "")


HEAD = f"{'network':24} {'launches':>9} {'kernels':>8} {'numpy':>6} {'registers':>10} {'spilled':>8}"


Bar = Callable[..., Any]
"""tqdm, or what does the same without a bar."""


def plain(things: Any, **_: Any) -> Any:
    return things


def attempted(work: Callable[[], Any]) -> Any:
    """What it gives, or the text of its error."""
    try:
        return work()
    except Exception:
        return traceback.format_exc()


def survey(
    programs: dict[str, list[Recorded] | str], arch: int, jobs: int, fusing: bool = True, bar: Bar = plain
) -> list[Row]:
    """Plan networks for a compute capability and assemble what they need, each kernel once. A text
    instead of programs says why there are none."""
    planned: dict[str, Kernels | str] = {}
    for name in bar(programs, desc=f"sm_{arch}: planning"):
        given = programs[name]
        if isinstance(given, str):
            planned[name] = given
        else:
            planned[name] = attempted(partial(kernels_of, given, Gpu(arch), fusing))
    wanted: dict[str, GpuKernel] = {}
    for found in planned.values():
        if isinstance(found, Kernels):
            wanted.update(found.kernels)
    told: dict[str, Assembled | str] = {}
    with ThreadPoolExecutor(jobs) as pool:
        work = {pool.submit(assembled, kernel, arch): key for key, kernel in wanted.items()}
        for done in bar(as_completed(work), total=len(work), desc=f"sm_{arch}: assembling"):
            error = done.exception()
            told[work[done]] = done.result() if error is None else f"{type(error).__name__}: {error}"
    rows = []
    for name, found in planned.items():
        if isinstance(found, str):
            rows.append(Row(name, 0, 0, 0, 0, 0, [found]))
            continue
        results = [(key, told[key]) for key in found.kernels]
        good = [x for _, x in results if isinstance(x, Assembled)]
        rows.append(Row(
            name, found.launches, len(found.kernels), found.calls,
            max([x.registers for x in good], default=0), sum([x.spilled for x in good]),
            [f"{key}: {x}" for key, x in results if isinstance(x, str)],
        ))  # fmt: skip
    good = [x for x in told.values() if isinstance(x, Assembled)]
    launches = sum(r.launches for r in rows)
    rows.append(Row(
        "all", launches, len(wanted), sum(r.calls for r in rows), max([x.registers for x in good], default=0),
        sum([x.spilled for x in good]), sorted({f for r in rows for f in r.failures}),
    ))  # fmt: skip
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.cuda_zoo", description=__doc__.splitlines()[0])
    parser.add_argument("--arch", type=int, nargs="+", default=list(ARCHITECTURES), help="75, 80, 90")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="networks, see --list")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="kernels at a time")
    parser.add_argument("--unfused", action="store_true", help="each operation by itself, as in first runs")
    parser.add_argument("--list", action="store_true", help="the networks' names")
    options = parser.parse_args()
    if options.list:
        print(*NETWORKS, sep="\n")
        return 0
    unknown = [n for n in options.only or () if n not in NETWORKS]
    if unknown:
        parser.error(f"no network {', '.join(unknown)}; see --list")
    if ptxas() is None:
        parser.error("there is no ptxas: pip install nvidia-cuda-nvcc-cu12")
    try:
        from tqdm import tqdm as progress
    except ImportError:
        progress = None
    bar: Bar = progress or plain
    names = options.only or list(NETWORKS)
    programs = {name: attempted(partial(recorded, name)) for name in bar(names, desc="recording")}
    failed: list[str] = []
    for arch in options.arch:
        start = time.perf_counter()
        rows = survey(programs, arch, options.jobs, not options.unfused, bar)
        print(f"\nsm_{arch}, {time.perf_counter() - start:.0f} s\n{HEAD}", *rows, sep="\n", flush=True)
        failed += [f"sm_{arch}: {text}" for text in rows[-1].failures]
    for text in failed:
        print(f"\n{text}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
