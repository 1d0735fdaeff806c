"""`python -m tools.gpu [--capability 90] [--count 1] [--races] [--report] script.py ...`: a program on simulated GPUs."""

from __future__ import annotations

import argparse
import runpy
import sys

from .simulation import simulated


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.gpu", description=__doc__)
    parser.add_argument("--capability", type=int, default=90)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--races", action="store_true", help="look for races")
    parser.add_argument("--report", action="store_true", help="print what was called and what ran")
    parser.add_argument("--torch", action="store_true", help="resolve `torch` to flambeau")
    parser.add_argument("script")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    with simulated(options.capability, options.count, race_check=options.races) as gpu:
        if options.torch:
            from flambeau.compat import runner

            runner.run([options.script, *options.arguments])
        else:
            sys.argv = [options.script, *options.arguments]
            runpy.run_path(options.script, run_name="__main__")
        gpu.run_all()
    if options.report:
        print(gpu.report())


if __name__ == "__main__":
    main()
