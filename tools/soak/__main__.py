"""The soak: everything over and over in one process, and whether anything grows.

`python -m tools.soak --seconds 3600` trains, evaluates, saves, loads, opens and closes loaders,
makes mistakes, and measures each minute what the process holds. `samples.csv`, `errors.txt` and a
picture go into the output folder. At the end a line is fitted to each measure over the samples
after the first third; the exit status is 1 where one grows or anything went wrong.

`--each N` does each part N times by itself instead and shows what is left of it in objects.
"""

from __future__ import annotations

import argparse
import csv
import faulthandler
import gc
import os
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import flambeau as torch

from . import files_and_loaders as files
from . import learning, measuring, verdict

Activity = Callable[[Random], None]
ACTIVITIES: dict[Activity, int] = {
    learning.train: 30,
    learning.fresh_graph: 40,
    learning.dropped_work: 10,
    learning.deep_graph: 2,
    learning.big_tensors: 3,
    learning.views_and_exchange: 10,
    learning.errors: 10,
    learning.threads: 4,
    learning.machinery: 6,
    learning.garbage: 6,
    files.save_and_load: 20,
    files.bad_files: 8,
    files.loaders: 10,
    files.worker_loaders: 4,
    files.logging: 3,
}
"""How often each part comes, relative to the others."""
HANGS = 300
"""Seconds after which a part is taken to hang: the process then ends with all its tracebacks."""
MOST_ERRORS = 20
WARM = 5


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--every", type=float, help="seconds between two samples (60, or a 40th)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="parts of the soak by name, with commas between them")
    parser.add_argument("--each", type=int, default=0, metavar="N", help="leaks of each part alone")
    parser.add_argument("--out", type=Path, default=Path("soak-output"))
    parser.add_argument("--real-bounds", action="store_true", help="leave the caches' bounds alone")
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else None
    chosen = {a: n for a, n in ACTIVITIES.items() if wanted is None or a.__name__ in wanted}
    options.out.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    torch.manual_seed(options.seed)
    if not (options.real_bounds or options.each):
        measuring.lower_bounds()
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = os.environ["TMPDIR"] = folder
        if options.each:
            return each_alone(chosen, options.each, options.seed)
        return Soak(options, chosen).run()


class Soak:
    """One run: the parts in a random order, a sample now and then."""

    def __init__(self, options: Any, chosen: dict[Activity, int]) -> None:
        self.seconds: float = options.seconds
        self.every: float = options.every or min(60.0, options.seconds / 40)
        self.out: Path = options.out
        self.random = Random(options.seed)
        self.chosen = chosen
        self.samples: list[dict[str, float]] = []
        self.errors = 0
        self.rounds: Counter[str] = Counter()
        self.resident = measuring.Resident()

    def run(self) -> int:
        """Returns the exit status."""
        faulthandler.enable()
        start = time.monotonic()
        try:
            with open(self.out / "samples.csv", "w", newline="") as table:
                self._go(start, table)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
        finally:
            faulthandler.cancel_dump_traceback_later()
        return self._report()

    def _go(self, start: float, table: Any) -> None:
        parts, weights = list(self.chosen), list(self.chosen.values())
        with _Bar(self.seconds) as bar:
            due = start + self.every
            while (now := time.monotonic()) < start + self.seconds and self.errors < MOST_ERRORS:
                faulthandler.dump_traceback_later(HANGS, exit=True)
                self._do(self.random.choices(parts, weights)[0])
                if now >= due:
                    self._sample(now - start, table)
                    due = now + self.every
                bar.to(now - start, self.samples[-1] if self.samples else {})

    def _do(self, part: Activity) -> None:
        self.rounds[part.__name__] += 1
        state = self.random.getstate()
        try:
            part(self.random)
        except Exception:
            self.errors += 1
            with open(self.out / "errors.txt", "a", encoding="utf-8") as file:
                file.write(f"{part.__name__}, round {self.rounds.total()}, {hash(state):x}\n")
                file.write(traceback.format_exc() + "\n")

    def _sample(self, seconds: float, table: Any) -> None:
        found = {
            "seconds": seconds,
            "rounds": float(self.rounds.total()),
            **measuring.sample(self.resident),
        }
        self.samples.append(found)
        writer = csv.DictWriter(table, list(found))
        if len(self.samples) == 1:
            writer.writeheader()
        writer.writerow({name: round(value, 3) for name, value in found.items()})
        table.flush()

    def _report(self) -> int:
        found = verdict.trends(self.samples)
        print("\n".join(map(str, found)))
        print(f"{self.rounds.total()} parts: {dict(self.rounds.most_common())}")
        if self.samples:
            caches = {n: int(v) for n, v in self.samples[-1].items() if n.startswith("cache_")}
            print(f"caches: {caches}")
            verdict.picture(self.samples, self.out / "soak.png")
        flat = bool(found) and all(each.flat for each in found)
        if not found:
            print(f"too few samples for a verdict: {len(self.samples)}")
        if self.errors:
            print(f"{self.errors} errors, in {self.out / 'errors.txt'}")
        print("flat" if flat else "NOT flat")
        return int(not flat or self.errors > 0)


class _Bar:
    """Progress in seconds, by tqdm where it is installed."""

    def __init__(self, total: float) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            self._bar: Any = None
        else:
            self._bar = tqdm(total=round(total), unit="s", mininterval=1.0)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def to(self, seconds: float, sample: dict[str, float]) -> None:
        """Show how far it is, and some of the last sample."""
        if self._bar is None:
            return
        self._bar.update(int(seconds) - self._bar.n)
        if sample:
            shown = ("settled_mb", "descriptors", "threads", "objects", "step_ms")
            text = " ".join(f"{name} {sample[name]:.4g}" for name in shown)
            self._bar.set_postfix_str(text, refresh=False)


# --- each part by itself -------------------------------------------------------------------------


def each_alone(chosen: dict[Activity, int], count: int, seed: int) -> int:
    """Each part the same `count` times over and over until all is in the caches, and once more
    with its objects counted."""
    grown = 0
    for part in chosen:
        for _ in range(WARM):
            _repeat(part, count, seed)
        before, kinds = measuring.sample(), _kinds()
        _repeat(part, count, seed)
        after, more = measuring.sample(), _kinds()
        more.subtract(kinds)
        left = {name: n for name, n in more.most_common(6) if n >= count}
        changed = {
            name: round(after[name] - before[name], 2)
            for name in ("settled_mb", "descriptors", "threads", "children", "shm",
                         "temporary_files", "maps", "objects", "blocks_of_python")
            if after[name] != before[name]
        }  # fmt: skip
        grown += bool(left)
        print(f"{part.__name__:20} {'LEFT ' + str(left) if left else 'nothing left':40} {changed}")
    return int(grown > 0)


def _repeat(part: Activity, count: int, seed: int) -> None:
    """The same `count` things each time it is called."""
    random = Random(seed)
    for _ in range(count):
        try:
            part(random)
        except Exception:
            traceback.print_exc()


def _kinds() -> Counter[str]:
    gc.collect()
    return Counter(f"{type(o).__module__}.{type(o).__qualname__}" for o in gc.get_objects())


if __name__ == "__main__":
    sys.exit(main())
