"""A child: runs calls FIRST, FIRST + STEP, … and writes what was wrong, a line of JSON each."""

from __future__ import annotations

import faulthandler
import json
import mmap
import os
import random
import resource
import signal
import sys
from pathlib import Path
from typing import NamedTuple

LIMIT = 4 << 30
"""Bytes of address space beyond those at the start."""
SYNC = 13
"""Every so many calls, one is compiled at once."""


class Calls(NamedTuple):
    """Which calls a child makes."""

    seed: int
    first: int
    step: int
    end: int

    def next(self, first: int) -> Calls:
        return self._replace(first=first)


def limit() -> None:
    """Bound this process's memory."""
    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_AS, (now + LIMIT, now + LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(calls: Calls, progress: mmap.mmap, results: Path) -> None:
    """Make the calls. `progress` holds the number of the one that runs."""
    from flambeau import config

    from .judge import Judge
    from .mutation import mutate
    from .subjects import subjects

    programs, judge = subjects(), Judge()
    with open(results, "a", buffering=1) as out:
        for index in range(calls.first, calls.end, calls.step):
            progress[:8] = index.to_bytes(8, "little")
            rng = random.Random(f"{calls.seed}:{index}")
            program = mutate(rng, programs[index % len(programs)])
            config.compile = "sync" if index // calls.step % SYNC == 0 else "off"
            for fault in judge.run(program):
                out.write(json.dumps([index, *fault, program.text()]) + "\n")
            if index // calls.step % 64 == 0:
                out.write(json.dumps([-1, "so far", *judge.counted(), ""]) + "\n")
        progress[:8] = calls.end.to_bytes(8, "little")
        out.write(json.dumps([-1, "done", *judge.counted(), ""]) + "\n")


def fork(calls: Calls, progress: mmap.mmap, name: Path) -> int:
    """Start a child; its process id. What it says goes to files beside `name`."""
    pid = os.fork()
    if pid:
        return pid
    try:
        errors = os.open(name.with_suffix(".err"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(errors, 2)
        os.dup2(os.open(os.devnull, os.O_RDWR), 1)
        os.dup2(1, 0)
        faulthandler.enable()
        faulthandler.register(signal.SIGUSR1, all_threads=True)
        limit()
        run(calls, progress, name.with_suffix(".jsonl"))
        sys.stderr.flush()
        os._exit(0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(1)
