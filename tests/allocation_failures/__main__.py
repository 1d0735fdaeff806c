"""`python -m tests.allocation_failures --all`: every allocation of a step, one after the other."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from .steps import OPTIMIZERS
from .sweep import TIERS, allocations, check, expectation, tier


def main() -> int:
    """Sweep, and print what came of it. The exit status says whether anything was lost."""
    name = "python -m tests.allocation_failures"
    parser = argparse.ArgumentParser(prog=name, description=__doc__)
    parser.add_argument("--all", action="store_true", help="every allocation, not each tenth")
    parser.add_argument("--tier", choices=TIERS, action="append")
    parser.add_argument("--optimizer", choices=tuple(OPTIMIZERS), action="append")
    parser.add_argument("--times", type=int, action="append", help="how many fail in a row")
    parser.add_argument("--warm", type=int, action="append", help="steps before it")
    options = parser.parse_args()
    wrong = 0
    for name in options.tier or TIERS:
        for optimizer in options.optimizer or OPTIMIZERS:
            for warm in options.warm or (0, 2):
                with tier(name):
                    expected = expectation(optimizer, warm)
                    count = allocations(optimizer, warm, name)
                    for times in options.times or (1, 1 << 30):
                        wrong += _sweep(name, optimizer, warm, times, count, options.all, expected)
    return int(wrong > 0)


def _sweep(name, optimizer, warm, times, count, whole, expected) -> int:  # type: ignore[no-untyped-def]
    start, outcomes, wrong = time.monotonic(), Counter(), 0
    for n in range(1, count + 2, 1 if whole else 10):
        try:
            outcomes[check(optimizer, warm, name, n, times, expected)] += 1
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            wrong += 1
            outcomes[type(error).__name__] += 1
            print(f"  {n}: {type(error).__name__}: {str(error)[:300]}", flush=True)
    how = "one fails" if times == 1 else f"{times if times < 1 << 30 else 'all'} from it on fail"
    told = ", ".join(f"{v} {k}" for k, v in sorted(outcomes.items()))
    print(f"{name}, {optimizer}, {warm} steps old, {count} allocations, {how}: {told}"
          f" ({time.monotonic() - start:.0f} s)", flush=True)  # fmt: skip
    return wrong


if __name__ == "__main__":
    sys.exit(main())
