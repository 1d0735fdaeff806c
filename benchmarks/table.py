"""The table: training steps beside PyTorch."""

from __future__ import annotations

import statistics
from argparse import Namespace
from collections.abc import Iterable

from . import measure
from .measure import Result
from .workloads import WORKLOADS, Workload

CLOSE = 1e-3
"""Losses are equal within this, relative."""


def show(options: Namespace) -> None:
    """Time each workload and print its line as soon as it is known."""
    import torch

    import flambeau

    samples = options.samples or 15
    head = f"{'a training step, unless it says so':<46}{'flambeau':>12}{'PyTorch':>12}{'ratio':>8}"
    head += f"{'must':>6}{'aim':>6}  {'':<5}{'loss':>11}{'PyTorch':>11}{'apart':>9}"
    if options.compile:
        head += f"{'torch.compile':>15}{'ratio':>8}{'took':>9}"
    print(head)
    results = []
    for work in chosen(options.only):
        r = measure.compare(work, flambeau, torch, samples, options.compile)
        results.append((work, r))
        print(_line(work, r), flush=True)
        if r.failed:
            print(f"    torch.compile failed: {r.failed}")
    if results:
        _summary(results)


def chosen(only: str) -> list[Workload]:
    """The workloads whose name contains a word."""
    return [w for w in WORKLOADS if only.lower() in w.name.lower()]


def verdict(work: Workload, r: Result) -> str:
    """What a result is good for."""
    if not r.difference <= CLOSE:
        return "LOSS"
    return "aim" if r.ratio >= work.aim else "must" if r.ratio >= work.must else "NO"


def _line(work: Workload, r: Result) -> str:
    ours, theirs = r.losses
    line = f"{work.name:<46}{r.ours * 1e3:>9.3f} ms{r.theirs * 1e3:>9.3f} ms{r.ratio:>7.2f}x"
    line += f"{work.must:>5g}x{work.aim:>5g}x  {verdict(work, r):<5}"
    line += f"{ours[-1]:>11.6g}{theirs[-1]:>11.6g}{r.difference:>9.0e}"
    if r.compiled:
        line += f"{r.compiled * 1e3:>12.3f} ms{r.compiled / r.ours:>7.2f}x{r.compiling:>7.1f} s"
    return line


def _mean(ratios: Iterable[float]) -> str:
    return f"{statistics.geometric_mean(ratios):.2f}x"


def _summary(results: list[tuple[Workload, Result]]) -> None:
    print(f"geometric mean: {_mean(r.ratio for _, r in results)}", end="")
    behind = [r.compiled / r.ours for _, r in results if r.compiled]
    print(f"; over torch.compile: {_mean(behind)}" if behind else "")
    verdicts = [verdict(w, r) for w, r in results]
    reached = sum(v in ("must", "aim") for v in verdicts)
    print(f"{reached} of {len(results)} reach what they must, {verdicts.count('aim')} their aim")
