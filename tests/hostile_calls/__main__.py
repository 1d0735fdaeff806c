"""`python -m tests.hostile_calls`: hostile calls in children under limits, for as long as you like."""

from __future__ import annotations

import argparse
import importlib
import json
import mmap
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from flambeau import config

from .mutation import mutate
from .subjects import subjects
from .worker import Calls, fork

SECONDS = 6.0
"""Processor time of one call from which on it hangs."""
WALL = 120.0
"""The same of a clock: a call that waits."""


class Child:
    """One of the processes, started again behind the call that killed it."""

    def __init__(self, calls: Calls, folder: Path) -> None:
        self.calls = calls
        self.name = folder / str(calls.first)
        self.results = self.name.with_suffix(".jsonl")
        self.results.touch()
        self.deaths: list[list[Any]] = []
        self.progress = mmap.mmap(-1, mmap.PAGESIZE)
        self.start()

    def start(self) -> None:
        self.progress[:8] = self.calls.first.to_bytes(8, "little")
        self.pid = fork(self.calls, self.progress, self.name)
        self.at, self.since, self.cpu = -1, time.monotonic(), 0.0

    def _used(self) -> float:
        """Seconds of a processor so far."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def watch(self) -> bool:
        """Look after it; False once it is through."""
        ended, status = os.waitpid(self.pid, os.WNOHANG)
        call = int.from_bytes(self.progress[:8], "little")
        if not ended:
            if call != self.at:
                self.at, self.since, self.cpu = call, time.monotonic(), self._used()
            elif self._used() - self.cpu > SECONDS or time.monotonic() - self.since > WALL:
                os.kill(self.pid, signal.SIGUSR1)
                time.sleep(0.3)
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                self._died(call, "hang")
            return True
        if call >= self.calls.end and status == 0:
            return False
        self._died(call, f"death {os.waitstatus_to_exitcode(status)}")
        return True

    def _died(self, call: int, how: str) -> None:
        stack = self.name.with_suffix(".err").read_text(errors="replace")
        main = stack.rpartition("Current thread")[2] or stack.rpartition("Thread ")[2] or stack
        lines = [line.strip() for line in main.splitlines() if "flambeau/" in line]
        place = lines[0].rpartition("flambeau/")[2] if lines else main[-100:]
        self.deaths.append([call, how, place, main[-1200:], ""])
        self.calls = self.calls.next(call + self.calls.step)
        self.start()


def text_of(seed: int, index: int) -> str:
    """The program of one call."""
    programs = subjects()
    return mutate(random.Random(f"{seed}:{index}"), programs[index % len(programs)]).text()


def main() -> int:
    """Run the calls; print what was wrong, grouped. The exit status says whether anything was."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile_calls", description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--start", type=int, default=0, help="the first call's number")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--every", type=int, default=1, help="only each so many-th program")
    parser.add_argument("--show", type=int, help="only print the program of a call")
    parser.add_argument("--examples", type=int, default=1, help="how many programs of each group")
    parser.add_argument(
        "--leaks", action="store_true", help="also list where builtins' errors come through"
    )
    options = parser.parse_args()
    if options.show is not None:
        print(text_of(options.seed, options.show))
        return 0
    folder = Path(tempfile.mkdtemp(prefix="hostile"))
    last = options.start + options.calls * options.every
    config.compile = "off"
    for module in ("engine.compiled", "engine.linking", "runtime.native", "codegen.plan"):
        importlib.import_module(f"flambeau.{module}")  # so that all children run the same sources
    subjects()
    children = [
        Child(
            Calls(
                options.seed, options.start + i * options.every, options.jobs * options.every, last
            ),
            folder,
        )
        for i in range(options.jobs)
    ]
    running = list(children)
    began = time.monotonic()
    while running:
        running = [child for child in running if child.watch()]
        time.sleep(0.05)
    found = [death for child in children for death in child.deaths]
    refused, leaks = 0, Counter[str]()
    for child in children:
        for line in child.results.read_text().splitlines():
            entry = json.loads(line)
            if entry[0] < 0:
                refused += entry[2]
                leaks.update(entry[3])
            else:
                found.append(entry)
    groups: dict[tuple[str, str], list[list[Any]]] = {}
    for entry in found:
        groups.setdefault((entry[1], entry[2]), []).append(entry)
    for (kind, where), entries in sorted(groups.items(), key=lambda item: -len(item[1])):
        print(f"{len(entries):5d}  {kind}  {where}")
        for index, _, _, text, program in entries[: options.examples]:
            print(f"       {text}")
            print(f"       call {index}: {(program or text_of(options.seed, index))[:900]}")
    if options.leaks:
        for where, count in leaks.most_common():
            print(f"{count:5d}  {where}")
    print(
        f"{options.calls} calls (seed {options.seed}) in {time.monotonic() - began:.0f} s: {refused} refused, "
        f"{sum(leaks.values())} of them by a builtin's error; {len(found)} faults in {len(groups)} groups"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
