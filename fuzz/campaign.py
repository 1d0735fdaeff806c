"""Starts a process for each target, watches it, starts it anew after a crash, and sums up."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from fuzz.board import Board
from fuzz.child import save_finding
from fuzz.target import HERE

HANG = 5.0, 120.0
"""Seconds of processor time, and of the clock, without a new input after which a process hangs."""
MOST_CRASHES = 50
STARTS = 5, 10.0
"""How often a process that comes to no input is started again, and after how many seconds."""
_COVERAGE = re.compile(rb"cov: (\d+)")
_QUIET = {"MALLOC_ARENA_MAX": "1", "FLAMBEAU_CACHE_DIR": "", "FLAMBEAU_NUM_THREADS": "1", "FLAMBEAU_COMPILE": "off",
          "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}  # fmt: skip


def _used(process: int) -> float:
    """The processor time of a process, where the system tells; its clock's seconds are coarse."""
    try:
        text = Path(f"/proc/{process}/stat").read_bytes()
    except OSError:
        return 0.0
    fields = text.rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Result:
    """What a campaign over one target has come to."""

    name: str
    inputs: int = 0
    slowest: float = 0.0
    peak: int = 0
    findings: int = 0
    first_coverage: int = 0
    coverage: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        grown = f"{self.first_coverage} -> {self.coverage}" if self.coverage else "not measured"
        return (
            f"{self.name:<24} {self.inputs:>11,} inputs  {self.inputs / max(self.seconds, 1e-9):>7,.0f}/s  "
            f"coverage {grown:<14} findings {self.findings:<3} "
            f"slowest {self.slowest * 1e3:>7.1f} ms  memory +{self.peak >> 20} MiB"
        )


def guided() -> bool:
    """Whether atheris is installed."""
    return importlib.util.find_spec("atheris") is not None


class Campaign:
    """The campaign over one target.

    Args:
        runs, seconds: when it ends; zero is no limit.
        findings: the folder for inputs that show a fault.
        corpus: a folder that keeps the inputs that have led to new coverage; None for a
            temporary one.
    """

    def __init__(
        self,
        name: str,
        runs: int,
        seconds: float,
        seed: int,
        findings: Path,
        plain: bool,
        corpus: Path | None,
    ) -> None:
        self.result = Result(name)
        self._runs, self._seconds, self._seed = runs, seconds, seed
        self._findings, self._plain, self._keep = findings, plain, corpus
        self._begin = time.monotonic()
        self._done = self._failed_starts = 0
        self.stop = False

    def run(self) -> Result:
        """Until the end, over crashes."""
        with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
            folder = Path(scratch)
            corpus = (self._keep or folder) / f"{self.result.name}-corpus"
            corpus.mkdir(parents=True, exist_ok=True)
            self._begin = time.monotonic()
            for attempt in range(MOST_CRASHES):
                if not self._one(folder, corpus, attempt) or self._over():
                    break
                if self._failed_starts > STARTS[0]:
                    break
        return self.result

    def _over(self) -> bool:
        late = self._seconds and time.monotonic() - self._begin >= self._seconds
        return self.stop or bool(late) or bool(self._runs and self.result.inputs >= self._runs)

    def _one(self, folder: Path, corpus: Path, attempt: int) -> bool:
        """One process to its end; whether another is to follow, since it crashed."""
        board = Board(folder / "board", create=True)
        log = folder / "log"
        command = [
            sys.executable, "-m", "fuzz.child", "--target", self.result.name,
            "--board", str(folder / "board"), "--findings", str(self._findings),
            "--corpus", str(corpus), "--seed", str(self._seed + attempt),
            "--runs", str(max(self._runs - self._done, 1) if self._runs else 0),
            "--seconds", str(self._left()), *(["--plain"] if self._plain else []),
        ]  # fmt: skip
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, stdout=out, stderr=out, cwd=HERE.parent, env={**os.environ, **_QUIET}
            )
            try:
                hung = self._watch(process, board)
            finally:
                process.kill()
                process.wait()
        text = log.read_bytes()
        self._take(board, text)
        self._done = self.result.inputs
        for line in text.decode(errors="replace").splitlines():
            if line.startswith(f"{self.result.name}: "):
                print(line, flush=True)
        if process.returncode == 0 or self.stop or (self._over() and not hung):
            return False
        tail = text[-3000:].decode(errors="replace")
        if board.counts()[0] == 0:
            return self._not_started(tail)
        what = "hang" if hung else f"crash (exit status {process.returncode})"
        path = save_finding(self._findings, self.result.name, board.input(), f"{what}\n{tail}")
        self.result.findings += 1
        print(f"{self.result.name}: {what}: {path}", flush=True)
        return True

    def _not_started(self, tail: str) -> bool:
        """It may be that someone is editing what it imports."""
        self._failed_starts += 1
        if self._failed_starts > STARTS[0]:
            self.result.findings += 1
            print(f"{self.result.name} does not start:\n{tail}", flush=True)
            return False
        time.sleep(STARTS[1])
        return True

    def _left(self) -> float:
        gone = time.monotonic() - self._begin
        return max(self._seconds - gone, 1.0) if self._seconds else 0.0

    def _watch(self, process: subprocess.Popen[bytes], board: Board) -> bool:
        """Wait for the process, and tell whether it hung."""
        last, since, used = -1, time.monotonic(), 0.0
        base = (self._done, self.result.findings)
        while process.poll() is None:
            time.sleep(0.1)
            inputs = board.counts()[0]
            self.result.inputs = base[0] + inputs
            if inputs != last or inputs == 0:
                last, since, used = inputs, time.monotonic(), _used(process.pid)
            if _used(process.pid) - used > HANG[0] or time.monotonic() - since > HANG[1]:
                return True
            if self.stop or (self._seconds and self._left_over() > 60):
                return False
        return False

    def _left_over(self) -> float:
        return time.monotonic() - self._begin - self._seconds

    def _take(self, board: Board, log: bytes) -> None:
        inputs, slowest, peak, findings = board.counts()
        found = [int(n) for n in _COVERAGE.findall(log)]
        result = self.result
        result.inputs = self._done + inputs
        result.slowest = max(result.slowest, slowest / 1e9)
        result.peak = max(result.peak, peak)
        result.findings += findings
        if found:
            result.first_coverage = result.first_coverage or found[0]
            result.coverage = max(result.coverage, found[-1])
        result.seconds = time.monotonic() - self._begin


def run_all(campaigns: list[Campaign], jobs: int) -> list[Result]:
    """All of them, `jobs` at a time, with a bar that counts the inputs."""
    waiting = list(campaigns)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                if not waiting:
                    return
                campaign = waiting.pop(0)
            print(campaign.run(), flush=True)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(max(jobs, 1))]
    for thread in threads:
        thread.start()
    try:
        with _bar() as bar:
            while any(thread.is_alive() for thread in threads):
                time.sleep(0.2)
                bar.update(sum(c.result.inputs for c in campaigns) - bar.n)
    except KeyboardInterrupt:
        for campaign in campaigns:
            campaign.stop = True
        waiting.clear()
        for thread in threads:
            thread.join()
    return [campaign.result for campaign in campaigns]


def _bar():  # type: ignore[no-untyped-def]
    from tqdm import tqdm

    return tqdm(unit=" inputs", disable=None, mininterval=1.0)
