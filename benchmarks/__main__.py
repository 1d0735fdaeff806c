"""`python -m benchmarks`: flambeau beside PyTorch. Ratios over one mean flambeau is faster."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import statistics
from pathlib import Path
from typing import Any

from . import hotpath, measure
from .workloads import WORKLOADS


def training(flambeau: Any, torch: Any, only: str, samples: int) -> None:
    """Training steps."""
    print(f"{'training step':<48}{'flambeau':>11}{'PyTorch':>11}{'ratio':>8}{'loss diff.':>12}")
    ratios = []
    for work in WORKLOADS:
        if only not in work.name:
            continue
        r = measure.compare(work, flambeau, torch, samples)
        ratios.append(r.ratio)
        print(
            f"{work.name:<48}{r.ours * 1e3:>8.2f} ms{r.theirs * 1e3:>8.2f} ms{r.ratio:>7.2f}x"
            f"{r.difference:>12.1e}",
            flush=True,
        )
    if ratios:
        print(f"{'geometric mean':<70}{statistics.geometric_mean(ratios):>7.2f}x")


def operations(flambeau: Any, torch: Any) -> None:
    """What one operation costs: recording in flambeau, running in PyTorch."""
    print(f"\n{'one operation (10 x 10)':<48}{'flambeau':>11}{'PyTorch':>11}")

    def cases(lib: Any) -> dict[str, Any]:
        x, y = lib.ones(10, 10), lib.ones(10, 10)
        w = lib.ones(10, 10, requires_grad=True)
        return {
            "x + y": lambda: x + y, "x * 2.0": lambda: x * 2.0, "x.t()": lambda: x.t(),
            "x.relu()": lambda: x.relu(), "x @ y": lambda: x @ y, "x.sum(1)": lambda: x.sum(1),
            "w * x (requires grad)": lambda: w * x,
        }  # fmt: skip

    theirs = cases(torch)
    for name, ours in cases(flambeau).items():
        a = measure.latency(ours, flambeau._flush)
        b = measure.latency(theirs[name], lambda: None)
        print(f"{name:<48}{a:>8.2f} us{b:>8.2f} us")


def capture(flambeau: Any) -> None:
    """What a flush costs before its program runs: capture, key, look-up."""
    import time

    from flambeau.engine import flush, tiering
    from flambeau.graph.trace import state

    x = flambeau.ones(4)
    found = []
    for _ in range(100):
        kept = x
        for _ in range(30):
            kept = (kept + x) * 0.5
        n = len(state.nodes)
        captured = None
        start = time.perf_counter()
        captured = flush.capture(state.nodes)
        tiering.find(captured.key)
        found.append((time.perf_counter() - start) * 1e6)
        del captured
        flambeau._flush()
    print(f"\ncapture, key and cache hit of a {n}-node step: {statistics.median(found):.0f} us")


def footprint() -> None:
    """Import time and size on disk."""
    print(f"\n{'':<48}{'flambeau':>11}{'PyTorch':>11}")
    a, b = measure.import_time("flambeau"), measure.import_time("torch")
    print(f"{'import':<48}{a:>9.3f} s{b:>9.3f} s{b / a:>7.1f}x")

    def folder(name: str) -> Path:
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None
        return Path(spec.origin).parent

    names = ("numpy",)
    ours = measure.size_of(folder("flambeau"), *(folder(n) for n in names))
    ours += measure.size_of(folder("numpy").parent / "numpy.libs")
    theirs = measure.size_of(folder("torch"))
    print(f"{'size on disk (flambeau with NumPy; torch alone)':<48}{ours / 1e6:>8.0f} MB{theirs / 1e6:>8.0f} MB"
          f"{theirs / ours:>7.1f}x")  # fmt: skip


PARTS = ("all", "training", "operations", "hotpath", "footprint")


def main() -> None:
    p = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    p.add_argument("--only", default="", help="training steps whose name contains this")
    p.add_argument("--samples", type=int, default=15)
    p.add_argument("--part", choices=PARTS, default="all")
    options = p.parse_args()
    if options.part == "hotpath":
        hotpath.report(importlib.import_module("flambeau"))
        return
    import torch

    import flambeau

    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads\n")
    if options.part in ("all", "training"):
        training(flambeau, torch, options.only, options.samples)
    if options.part in ("all", "operations"):
        operations(flambeau, torch)
        capture(flambeau)
        hotpath.report(flambeau)
    if options.part in ("all", "footprint"):
        footprint()


if __name__ == "__main__":
    main()
