"""What flambeau costs apart from computing: one operation, a flush, the import, the disk."""

from __future__ import annotations

import importlib.util
import statistics
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

from . import measure


def operations(options: Namespace) -> None:
    """What one operation costs: recording in flambeau, running in PyTorch."""
    import torch

    import flambeau

    print(f"{'one operation (10 x 10)':<48}{'flambeau':>11}{'PyTorch':>11}")
    theirs = _cases(torch)
    for name, ours in _cases(flambeau).items():
        a = measure.latency(ours, flambeau._flush)
        b = measure.latency(theirs[name], lambda: None)
        print(f"{name:<48}{a:>8.2f} us{b:>8.2f} us")
    _capture(flambeau)


def _cases(lib: Any) -> dict[str, Any]:
    x, y = lib.ones(10, 10), lib.ones(10, 10)
    w = lib.ones(10, 10, requires_grad=True)
    return {
        "x + y": lambda: x + y, "x * 2.0": lambda: x * 2.0, "x.t()": lambda: x.t(),
        "x.relu()": lambda: x.relu(), "x @ y": lambda: x @ y, "x.sum(1)": lambda: x.sum(1),
        "w * x (requires grad)": lambda: w * x,
    }  # fmt: skip


def _capture(flambeau: Any) -> None:
    """What a flush costs before its program runs: capture, key, look-up."""
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
    print(f"capture, key and cache hit of a {n}-node step: {statistics.median(found):.0f} us")


def footprint(options: Namespace) -> None:
    """Import time and size on disk."""
    print(f"{'':<62}{'flambeau':>11}{'PyTorch':>11}")
    a, b = measure.import_time("flambeau"), measure.import_time("torch")
    print(f"{'import':<62}{a:>9.3f} s{b:>9.3f} s{b / a:>7.1f}x")
    ours = measure.size_of(*(_folder(n) for n in ("flambeau", "numpy", "llvmlite")))
    ours += measure.size_of(_folder("numpy").parent / "numpy.libs")
    theirs = measure.size_of(_folder("torch"))
    print(f"{'size on disk (flambeau with NumPy and llvmlite; torch alone)':<62}"
          f"{ours / 1e6:>8.0f} MB{theirs / 1e6:>8.0f} MB{theirs / ours:>7.1f}x")  # fmt: skip


def _folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent
