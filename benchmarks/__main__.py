"""`python -m benchmarks`: flambeau beside PyTorch. Ratios over one mean flambeau is faster."""

from __future__ import annotations

import argparse
import importlib
import os
from argparse import Namespace
from collections.abc import Callable
from typing import NamedTuple


class Part(NamedTuple):
    """One thing that can be asked for: a function of a module, which is imported then."""

    module: str
    function: str
    about: str
    beside: bool = False
    """Whether PyTorch is timed too."""

    def show(self, options: Namespace) -> None:
        run: Callable[[Namespace], None]
        run = getattr(importlib.import_module(f".{self.module}", __package__), self.function)
        run(options)


PARTS = {
    "table": Part("table", "show", "training steps of ten networks", True),
    "operations": Part("overhead", "operations", "what recording an operation costs", True),
    "hotpath": Part("hotpath", "show", "what Python costs in a step, part by part"),
    "footprint": Part("overhead", "footprint", "import time and size on disk", True),
    "convolutions": Part("convolutions", "show", "each convolution by itself", True),
    "kernels": Part("kernels", "show", "kernels beside the FMA peak and a copy", True),
    "start": Part("start", "show", "how soon a fresh process trains"),
    "neighbour": Part("neighbour", "show", "training beside a busy process", True),
    "threads": Part("threads", "show", "the same bits with any number of threads"),
    "loader": Part("loader", "show", "from files to batches and through an epoch", True),
    "memory": Part("memory", "show", "20,000 steps at flat memory"),
    "cuda": Part("cuda", "show", "training steps on a GPU, beside PyTorch where it has CUDA"),
    "bandwidth": Part("cuda", "bandwidth", "loops on a GPU beside a copy of its memory"),
}
USUAL = ("table", "operations", "hotpath", "footprint")


def main() -> None:
    about = "\n".join(f"  {name:<14}{part.about}" for name, part in PARTS.items())
    p = argparse.ArgumentParser(
        prog="python -m benchmarks", formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"{__doc__}\n\nparts:\n{about}\n  all           each of them\n\n"
        f"without --part: {', '.join(USUAL)}",
    )  # fmt: skip
    p.add_argument("--part", choices=("all", *PARTS), action="append", help="may be given again")
    p.add_argument("--only", default="", help="networks whose name contains this")
    p.add_argument("--samples", type=int, default=0, help="how often things are timed, or run")
    p.add_argument("--compile", action="store_true", help="table: torch.compile as well")
    p.add_argument("--steps", type=int, default=0, help="memory, loader: how many training steps")
    p.add_argument("--data", default="", help="loader: a folder with cifar-10-batches-py")
    p.add_argument("--threads", type=int, default=0, help="threads: up to how many")
    options = p.parse_args()
    wanted = list(options.part or USUAL)
    if "all" in wanted:
        wanted = list(PARTS)
    _say_machine(any(PARTS[name].beside for name in wanted))
    for name in wanted:
        print()
        PARTS[name].show(options)


def _say_machine(beside: bool) -> None:
    """What is compared on what."""
    import flambeau

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    text = f"{cores} cores{load}; flambeau on {flambeau.get_num_threads()} threads"
    if beside:
        import torch

        text += f"; PyTorch {torch.__version__} on {torch.get_num_threads()}"
    print(text)


if __name__ == "__main__":
    main()
