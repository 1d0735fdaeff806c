"""`python -m fuzz.sample`: a few inputs for every target in one process, for the test suite."""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

from fuzz.child import Runner, fuzz_plainly
from fuzz.guard import Guard
from fuzz.target import load, names


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz.sample", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="inputs for each target")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    guard = Guard()
    found = 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for name in names():
            print(name, flush=True)
            runner = Runner(load(name), guard, Path(folder), None)
            runner.warm()
            fuzz_plainly(runner, options.runs, 0.0, options.seed)
            found += runner.findings
        for path in sorted(Path(folder).glob("*.txt")):
            print(f"{path.name}\n{path.read_text()}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
