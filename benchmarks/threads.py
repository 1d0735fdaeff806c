"""The same bits, whatever the number of threads, and from run to run."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter

from . import processes
from .table import chosen

CHILD = """
import hashlib, sys
import flambeau as torch
from flambeau.engine import tiering
from benchmarks.table import chosen
for work in chosen(sys.argv[1]):
    step = work.make(torch)
    losses = [step().item() for _ in range(3)]
    digest = hashlib.blake2b(repr(losses).encode(), digest_size=8)
    for p in step.net.state_dict().values():
        digest.update(p.numpy().tobytes())
    assert tiering.programs()[-1].compiled is not None
    print(work.name, digest.hexdigest(), sep="|")
"""
"""Three compiled steps of each workload, and a digest of the losses and of all parameters."""


def show(options: Namespace) -> None:
    runs = options.samples or 10
    most = options.threads or 2
    found: dict[str, Counter[str]] = {w.name: Counter() for w in chosen(options.only)}
    print(
        f"3 compiled steps, {runs} runs with each of 1 to {most} threads: "
        "digests of parameters and losses"
    )
    for _ in range(runs):
        for threads in range(1, most + 1):
            said = processes.python(
                CHILD, options.only, FLAMBEAU_COMPILE="sync", FLAMBEAU_NUM_THREADS=str(threads)
            )
            for line in said.splitlines():
                name, digest = line.split("|")
                found[name][digest] += 1
    for name, digests in found.items():
        total = sum(digests.values())
        same = "the same" if len(digests) == 1 else f"DIFFERENT, {len(digests)} kinds"
        print(f"  {name:<46}{total:>3} runs: {same} ({', '.join(digests)})")
