"""Other processes: those that a benchmark starts, and this one's size."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def python(code: str, *arguments: str, **environment: str) -> str:
    """What a program prints that runs in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, env={**os.environ, **environment},
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return done.stdout


class Neighbour:
    """A process that keeps a core busy, when it is let."""

    def __init__(self, core: int | None) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        if core is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self.process.pid, {core})
        self.rest()

    def rest(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(0.05)

    def work(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        time.sleep(0.05)


@contextmanager
def neighbour(core: int | None) -> Iterator[Neighbour]:
    """A busy process, at rest in the beginning; on one core, or wherever it is put."""
    made = Neighbour(core)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()


def resident() -> int:
    """Bytes of this process that are in memory now (where the system does not say: at most so
    far)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()
    except OSError:
        peak: Any = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return int(peak) * (1 if sys.platform == "darwin" else 1024)
