"""Training on a GPU beside PyTorch's eager mode and `torch.compile`, and loops beside a device copy."""

from __future__ import annotations

import math
import statistics
from argparse import Namespace
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from . import measure
from .cuda_workloads import MODES, NETWORKS, workload
from .workloads import Workload

Call = Callable[[], Any]


def device_or_why() -> tuple[str, str]:
    """The GPU that is measured, and its name; "" and why there is none."""
    import flambeau

    if not flambeau.cuda.is_available():
        from flambeau.runtime import cuda

        return "", cuda.reason() or "no GPU"
    return "cuda:0", flambeau.cuda.get_device_name(0)


def pytorch() -> Any:
    """PyTorch with CUDA; None where there is none, which is said."""
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: flambeau is timed alone")
        return None
    if not torch.cuda.is_available():
        print(f"PyTorch {torch.__version__} sees no GPU: flambeau is timed alone")
        return None
    return torch


# --- training -----------------------------------------------------------------------------------


def show(options: Namespace) -> None:
    """Time a training step of each network in each mode, and print its line as soon as it is known."""
    device, name = device_or_why()
    if not device:
        print(f"cuda: nothing is measured: {name}")
        return
    other = pytorch()
    beside = f" beside PyTorch {other.__version__}" if other is not None else ""
    print(f"training steps on {name}{beside}")
    works = [
        (mode, workload(network, mode, device))
        for network in NETWORKS for mode in MODES
    ]  # fmt: skip
    table([(m, w) for m, w in works if options.only.lower() in w.name.lower()], other, options.samples or 9)


def table(works: Iterable[tuple[str, Workload]], other: Any, samples: int) -> list[tuple[Workload, Any]]:
    """The lines of workloads, printed; with no other framework, times and losses of flambeau alone."""
    import flambeau

    head = f"{'':<58}{'flambeau':>12}"
    if other is not None:
        head += f"{'eager':>12}{'ratio':>8}{'must':>6}  {'':<5}{'compile':>12}{'ratio':>8}{'took':>9}"
    print(head + f"{'loss':>11}" + (f"{'PyTorch':>11}{'apart':>9}" if other is not None else ""))
    found: list[tuple[Workload, Any]] = []
    for mode, work in works:
        if other is None:
            seconds, losses = alone(work, flambeau, samples)
            found.append((work, seconds))
            print(f"{work.name:<58}{_time(seconds)}{losses[-1]:>11.6g}", flush=True)
            continue
        result = measure.compare(work, flambeau, other, samples, True)
        found.append((work, result))
        print(_line(work, mode, result), flush=True)
        if result.failed:
            print(f"    torch.compile failed: {result.failed}")
    flambeau.set_float32_matmul_precision("highest")
    if other is not None and found:
        other.set_float32_matmul_precision("highest")
        _summary([r for _, r in found])
    return found


def alone(work: Workload, lib: Any, samples: int) -> tuple[float, list[float]]:
    """Median seconds of a step, and the losses of the first."""
    step = work.make(lib)
    with measure.compiled_at_once():
        losses = [measure.look(step()) for _ in range(min(work.warmup, measure.COMPARED))]
    measure.settle(step, work.warmup // 4)
    times = [measure.sample(step, work.steps, measure.look) for _ in range(samples)]
    return statistics.median(times), losses


def verdict(work: Workload, mode: str, r: measure.Result) -> str:
    """What a result is good for."""
    if not r.difference <= MODES[mode]:
        return "LOSS"
    return "must" if r.ratio >= work.must else "NO"


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:>9.3f} ms"


def _line(work: Workload, mode: str, r: measure.Result) -> str:
    ours, theirs = r.losses
    line = f"{work.name:<58}{_time(r.ours)}{_time(r.theirs)}{r.ratio:>7.2f}x{work.must:>5g}x"
    line += f"  {verdict(work, mode, r):<5}"
    if r.compiled:
        line += f"{_time(r.compiled)}{r.compiled / r.ours:>7.2f}x{r.compiling:>7.1f} s"
    else:
        line += " " * 29
    return line + f"{ours[-1]:>11.6g}{theirs[-1]:>11.6g}{r.difference:>9.0e}"


def _summary(results: list[measure.Result]) -> None:
    print(f"geometric mean over eager: {statistics.geometric_mean(r.ratio for r in results):.2f}x", end="")
    behind = [r.compiled / r.ours for r in results if r.compiled]
    print(f"; over torch.compile: {statistics.geometric_mean(behind):.2f}x" if behind else "")


# --- bandwidth ----------------------------------------------------------------------------------


class Loop(NamedTuple):
    """Something that moves memory and hardly computes. `make` gets the framework, a size in elements
    of its largest array, the device and a dtype, and gives a call and the bytes that it has to move."""

    name: str
    make: Callable[[Any, int, str, Any], tuple[Call, int]]
    must: float = 0.8
    """Of a copy's bandwidth; 0 where it is listed only."""


def _sizes(n: int) -> tuple[int, int]:
    """Rows and columns of about n elements."""
    columns = min(4096, 1 << (n.bit_length() // 2))
    return max(n // columns, 1), columns


def _pointwise(lib: Any, n: int, device: str, dtype: Any) -> tuple[Call, int]:
    x, y = (lib.ones(n, device=device, dtype=dtype) for _ in range(2))
    return lambda: (x * 2 + y).relu() * (y * 0.5 + 1), 3 * n * x.element_size()


def _biased(lib: Any, n: int, device: str, dtype: Any) -> tuple[Call, int]:
    rows, columns = _sizes(n)
    x = lib.ones(rows, columns, device=device, dtype=dtype)
    bias, skip = lib.ones(columns, device=device, dtype=dtype), lib.ones_like(x)
    return lambda: lib.relu(x + bias) + skip, 3 * x.numel() * x.element_size()


def _dropped(lib: Any, n: int, device: str, dtype: Any) -> tuple[Call, int]:
    x = lib.ones(n, device=device, dtype=dtype)
    return lambda: lib.nn.functional.dropout(x, 0.1), 2 * n * x.element_size()


def _sum(dim: int | None) -> Callable[..., tuple[Call, int]]:
    def make(lib: Any, n: int, device: str, dtype: Any) -> tuple[Call, int]:
        x = lib.ones(_sizes(n), device=device, dtype=dtype)
        return (lambda: x.sum() if dim is None else x.sum(dim)), x.numel() * x.element_size()

    return make


def _rows(call: Callable[[Any, Any], Any]) -> Callable[..., tuple[Call, int]]:
    def make(lib: Any, n: int, device: str, dtype: Any) -> tuple[Call, int]:
        x = lib.ones(_sizes(n), device=device, dtype=dtype)
        return lambda: call(lib, x), 2 * x.numel() * x.element_size()

    return make


def _normalised(lib: Any, x: Any) -> Any:
    return lib.nn.functional.layer_norm(x, x.shape[-1:])


def _normalising(lib: Any, n: int, device: str, dtype: Any) -> tuple[Call, int]:
    """Forward and backward: x and the gradient are read, twice x, and two arrays written."""
    x = lib.ones(_sizes(n), device=device, dtype=dtype).requires_grad_()
    weight, bias = (lib.ones(x.shape[-1], device=device, dtype=dtype).requires_grad_() for _ in range(2))
    grad = lib.ones_like(x).detach()

    def call() -> Any:
        y = lib.nn.functional.layer_norm(x, x.shape[-1:], weight, bias)
        return lib.autograd.grad(y, (x, weight, bias), grad)

    return call, 5 * x.numel() * x.element_size()


def _cross_entropy(lib: Any, n: int, device: str, dtype: Any) -> tuple[Call, int]:
    """The loss and its gradient: the logits are read twice, the gradient written."""
    classes = min(50304, max(n // 8, 2))
    x = lib.ones(max(n // classes, 1), classes, device=device, dtype=dtype).requires_grad_()
    y = lib.zeros(x.shape[0], device=device, dtype=lib.int64)

    def call() -> Any:
        return lib.autograd.grad(lib.nn.functional.cross_entropy(x, y), x)

    return call, 3 * x.numel() * x.element_size()


def _adam(lib: Any, n: int, device: str, dtype: Any) -> tuple[Call, int]:
    """Four arrays are read, three written."""
    p = lib.ones(n, device=device, dtype=dtype).requires_grad_()
    p.grad = lib.ones_like(p).detach()
    optimizer = lib.optim.Adam([p], 1e-3, **({} if lib.__name__ == "flambeau" else {"fused": True}))

    def call() -> Any:
        optimizer.step()
        return p

    return call, 7 * n * p.element_size()


LOOPS = (
    Loop("five pointwise operations of two arrays", _pointwise),
    Loop("bias, relu, sum of two", _biased),
    Loop("sum of everything", _sum(None)),
    Loop("sum of rows", _sum(-1)),
    Loop("sum of columns", _sum(0)),
    Loop("dropout", _dropped, 0.0),
    Loop("softmax", _rows(lambda lib, x: lib.softmax(x, -1)), 0.0),
    Loop("layer norm", _rows(_normalised), 0.0),
    Loop("layer norm, with gradients", _normalising, 0.0),
    Loop("cross-entropy, with gradient", _cross_entropy, 0.0),
    Loop("Adam", _adam, 0.0),
)


def bandwidth(options: Namespace) -> None:
    """Loops that only move memory, as a share of what a device copy moves in the same time."""
    device, name = device_or_why()
    if not device:
        print(f"bandwidth: nothing is measured: {name}")
        return
    print(f"memory on {name}")
    other = pytorch()
    for dtype, n in (("float32", 1 << 27), ("bfloat16", 1 << 28)):
        loops(dtype, n, device, other, options.samples or 15, options.only)


def loops(
    dtype: str, n: int, device: str, other: Any, samples: int, only: str = ""
) -> list[tuple[str, float]]:
    """The lines of one dtype, printed: each loop in turns with a copy of as many bytes as its largest
    array has, and with PyTorch. Gives names and shares."""
    import flambeau

    copy, moved = _copying(n * (4 if dtype == "float32" else 2), device)
    (took,) = measure.in_turns([_then_wait(copy, flambeau)], samples, 0.05)
    print(f"{f'{dtype}: a copy of {moved >> 21} MiB':<46}{_rate(moved * REPEATS, took)}")
    found = []
    for loop in LOOPS:
        if only.lower() not in loop.name:
            continue
        call, nbytes = loop.make(flambeau, n, device, getattr(flambeau, dtype))
        calls = [copy, _recorded(call, flambeau)]
        if other is not None:
            calls.append(loop.make(other, n, device, getattr(other, dtype))[0])
        waits = [_then_wait(c, flambeau if i < 2 else other) for i, c in enumerate(calls)]
        times = measure.in_turns(waits, samples, 0.05)
        share = nbytes / times[1] / (moved / times[0])
        found.append((loop.name, share))
        line = f"{loop.name:<46}{_rate(nbytes * REPEATS, times[1])}{share:>8.0%} of a copy"
        line += f"{'':>6}" if not loop.must else "  must" if share >= loop.must else "    NO"
        if other is not None:
            line += f"   PyTorch{_rate(nbytes * REPEATS, times[2])}{times[2] / times[1]:>7.2f}x"
        print(line, flush=True)
    return found


def _rate(nbytes: int, seconds: float) -> str:
    return f"{nbytes / seconds / 1e9:>10.1f} GB/s" if seconds and math.isfinite(seconds) else f"{'?':>15}"


REPEATS = 10
"""Calls that are submitted before the device is waited for."""


def _then_wait(call: Call, lib: Any) -> Call:
    """Several calls, and waiting for them."""

    def run() -> None:
        for _ in range(REPEATS):
            call()
        lib.cuda.synchronize()

    return run


def _recorded(call: Call, lib: Any) -> Call:
    """A call whose result is computed, though nobody looks at it."""
    kept: list[Any] = []

    def run() -> None:
        kept[:] = [call()]
        lib._flush()

    return run


def _copying(nbytes: int, device: str) -> tuple[Call, int]:
    """A call that copies memory of the device by the driver, and how many bytes it moves."""
    from flambeau.runtime import cuda, cuda_memory

    index = int(device.partition(":")[2] or 0)
    source, target = (cuda_memory.allocate(nbytes, index) for _ in range(2))

    def copy() -> None:
        cuda.copy_on_device(target.address, source.address, nbytes, cuda.current_stream(index))

    return copy, 2 * nbytes
