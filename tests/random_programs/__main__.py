"""`python -m tests.random_programs`: random programs for as long as you like."""

from __future__ import annotations

import argparse
import importlib
import itertools
import math
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

from tests.random_programs.generator import generate
from tests.random_programs.runner import Program
from tests.random_programs.shrink import report


def _seeds(first: int, seconds: float, programs: int | None) -> Iterator[int]:
    end = time.monotonic() + seconds
    for count, seed in enumerate(itertools.count(first)):
        if time.monotonic() > end or (programs is not None and count >= programs):
            return
        yield seed


def _report(seed: int, program: Program, torch: Any, options: argparse.Namespace) -> str | None:
    if options.device == "cuda":
        from tests.random_programs import on_gpu

        return on_gpu.report(seed, options.tier == "compiled")
    if options.tier == "any":
        return report(seed, program, torch, options.repeats)
    from tests.random_programs import tiers

    if options.tier == "interpreter":
        return tiers.report_interpreted(seed, program, torch, options.repeats)
    return tiers.report_compiled(seed, program)


def main() -> int:
    """Run programs; print those that differ as scripts. The exit status says whether any did."""
    parser = argparse.ArgumentParser(prog="python -m tests.random_programs", description=__doc__)
    parser.add_argument("--seconds", type=float, help="how long to go on (default: 60)")
    parser.add_argument("--programs", type=int, help="how many programs at most")
    parser.add_argument("--seed", type=int, default=0, help="the first program's seed")
    parser.add_argument("--length", type=int, help="lines of each program; drawn by default")
    parser.add_argument("--module", default="flambeau", help="the framework: flambeau or torch")
    parser.add_argument(
        "--tier", choices=("any", "interpreter", "compiled"), default="any",
        help="compiled: each program compiled in several ways (see tiers.py)",
    )  # fmt: skip
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu",
        help="cuda: on a GPU, simulated where there is none",
    )  # fmt: skip
    parser.add_argument("--repeats", type=int, default=2, help="how often to run each program")
    parser.add_argument("--failures", type=int, default=5, help="stop after so many")
    parser.add_argument("--show", action="store_true", help="only print the first program")
    options = parser.parse_args()
    torch = importlib.import_module(options.module)
    if options.seconds is None:
        options.seconds = math.inf if options.programs else 60.0
    warnings.simplefilter("ignore")
    if options.show:
        print(generate(options.seed, options.length).script(options.module))
        return 0
    try:
        from tqdm import tqdm
    except ImportError:
        print('progress needs tqdm: pip install "flambeau[progress]"', file=sys.stderr)

        def tqdm(seeds: Iterator[int], **_: object) -> Iterator[int]:
            return seeds

    if options.device == "cuda" and not torch.cuda.is_available():
        from tools.gpu import simulated

        simulation = simulated()
        simulation.__enter__()
    count, failures = 0, 0
    for seed in tqdm(_seeds(options.seed, options.seconds, options.programs), unit=" programs"):
        count += 1
        text = _report(seed, generate(seed, options.length), torch, options)
        if text is not None:
            failures += 1
            print(f"\n{text}", flush=True)
            if failures == options.failures:
                break
    print(f"{count} programs, {failures} differ from the oracle")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
