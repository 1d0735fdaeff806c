"""The process that fuzzes one target: `python -m fuzz.child`, started by `fuzz.campaign`."""

from __future__ import annotations

import argparse
import gc
import hashlib
import os
import random
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path
from types import FunctionType
from typing import Any

from fuzz.board import Board
from fuzz.guard import Executed, Guard
from fuzz.mutation import mutator
from fuzz.target import Target, load

SLOW = 1.0  # seconds of processor time for one input
MEMORY = 256 << 20  # what an input may take beyond its own size: our allocator maps in large steps
_ADDRESS_SPACE = 4 << 30
_TWICE = 2
_BROKEN = 70
_CHAIN = 20


class Runner:
    """Gives inputs to a target one by one and keeps what is found.

    Args:
        findings: folder in which inputs are put that show a fault, each fault once.
    """

    def __init__(self, target: Target, guard: Guard, findings: Path, board: Board | None) -> None:
        self.target, self._guard, self._folder, self._board = target, guard, findings, board
        self.inputs = self.slowest = self.findings = 0
        self.seen: set[str] = set()
        self._status = os.open("/proc/self/status", os.O_RDONLY) if _has_proc() else -1
        self._space = self.space()
        self._first_space = self._space

    def warm(self) -> None:
        """Run the seeds, so that what is imported lazily is there, and memory pools are filled."""
        for data in self.target.seeds:
            try:
                self.target.run(data)
            except self.target.allowed:
                pass
            except Exception as error:  # it is reported where it counts
                print(f"{self.target.name}: a seed raises {error!r:.200}", file=sys.stderr)
        self._space = self._first_space = self.space()

    def space(self) -> int:
        """The most address space that the process has had so far, in bytes."""
        if self._status < 0:
            return 0
        text = os.pread(self._status, 1024, 0)
        at = text.index(b"VmPeak:")
        return int(text[at + 7 : text.index(b"kB", at)]) << 10

    def run(self, data: bytes) -> None:
        """One input."""
        if self._board:
            self._board.begin(data)
        fault = self._attempt(data)
        for _ in range(_TWICE):  # a lazy import happens once, an attack each time
            if fault != "noted":
                break
            fault = self._attempt(data)
        if fault == "noted":
            self._keep(data, "executed", f"executed: {self._guard.events[:5]}")
        self.inputs += 1
        if self._board:
            used = self._space - self._first_space
            self._board.count(self.inputs, self.slowest, used, self.findings)

    def _attempt(self, data: bytes) -> str | None:
        start = time.process_time_ns()
        error: BaseException | None = None
        try:
            with self._guard:
                self.target.run(data)
        except self.target.allowed as found:
            error = found
        except Executed as found:
            self._keep(data, "executed", f"executed: {found}")
        except (Exception, SystemExit, GeneratorExit) as found:
            error = found
            self._keep(data, _signature(found), "".join(traceback.format_exception(found)))
        elapsed = time.process_time_ns() - start
        if error is not None and _out_of_resources(error):
            self._keep(data, "resources " + _signature(error), _text(error))
        if elapsed > self.slowest:
            self.slowest = elapsed
            if elapsed > SLOW * 1e9:
                self._keep(data, "slow", f"slow: {elapsed / 1e9:.1f} s")
        self._look_at_memory(data)
        return "noted" if self._guard.events else None

    def _look_at_memory(self, data: bytes) -> None:
        space = self.space()
        if space > self._space + MEMORY + len(data):
            self._keep(data, "memory", f"memory: {(space - self._space) >> 20} MiB")
        self._space = space

    def _keep(self, data: bytes, signature: str, text: str) -> None:
        if signature in self.seen:
            return
        self.seen.add(signature)
        self.findings += 1
        path = save_finding(self._folder, self.target.name, data, text)
        print(f"{self.target.name}: {path}: {text.strip().splitlines()[-1][:300]}", file=sys.stderr)


def save_finding(folder: Path, name: str, data: bytes, text: str) -> Path:
    """The input as a file, and beside it what it did."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    path.with_suffix(".txt").write_text(text, errors="backslashreplace")
    return path


def _has_proc() -> bool:
    return os.path.exists("/proc/self/status")


def _signature(error: BaseException) -> str:
    """The same for two inputs that fail in the same place."""
    frames = traceback.extract_tb(error.__traceback__)
    last = frames[-1] if frames else None
    ours = [f for f in frames if "flambeau" in f.filename]
    place = ours[-1] if ours else last
    return f"{type(error).__name__} {place.filename}:{place.lineno}" if place else repr(error)


def _out_of_resources(error: BaseException | None) -> bool:
    """Whether an exception, or one that it replaces, is a failed allocation or a deep recursion.

    Both are subclasses of what parsers are allowed to raise.
    """
    seen = 0
    while error is not None and seen < _CHAIN:
        kind = type(error)
        if kind.__name__ == "OutOfMemoryError" or isinstance(error, (MemoryError, RecursionError)):
            return True
        hidden = error.__suppress_context__
        error, seen = error.__cause__ or (None if hidden else error.__context__), seen + 1
    return False


def _text(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def fuzz_plainly(runner: Runner, runs: int, seconds: float, seed: int) -> None:
    """Mutations of the seeds, without guidance. Zero for `runs` or `seconds` is no limit."""
    rng = random.Random(seed)
    target = runner.target
    corpus = target.seeds or [b""]
    plain = mutator(rng, target.dictionary, corpus)
    end = time.monotonic() + (seconds or 1e9)
    previous = corpus[0]
    while (not runs or runner.inputs < runs) and time.monotonic() < end:
        base = previous if rng.random() < 0.3 else rng.choice(corpus)
        if target.mutate is not None and rng.random() < 0.8:
            data = target.mutate(base, target.max_length, rng, plain)
        else:
            data = plain(base, target.max_length)
        runner.run(data)
        previous = data


def fuzz_guided(runner: Runner, options: argparse.Namespace) -> None:
    """Inputs that atheris makes, guided by coverage. Does not return."""
    import atheris

    target = runner.target
    _instrument(target.instrument)
    arguments = [
        "fuzz", options.corpus, f"-seed={options.seed + 1}", f"-max_len={target.max_length}",
        f"-dict={_dictionary_file(target, options.corpus)}", "-timeout=600", "-rss_limit_mb=0",
        f"-runs={options.runs or -1}", "-print_final_stats=0", "-reload=0", "-detect_leaks=0",
        "-verbosity=1", "-len_control=20",
    ]  # fmt: skip
    if options.seconds:
        arguments.append(f"-max_total_time={max(int(options.seconds), 1)}")
    corpus = Path(options.corpus)
    if not any(corpus.iterdir()):
        for index, data in enumerate(target.seeds):
            (corpus / f"seed-{index:04d}").write_bytes(data)
    extra: dict[str, Any] = {}
    if target.mutate is not None:
        own = target.mutate

        def mutate(data: bytes, max_size: int, seed: int) -> bytes:
            rng = random.Random(seed)
            if rng.random() < 0.3:
                return bytes(atheris.Mutate(data, max_size))
            try:
                return own(data, max_size, rng, atheris.Mutate)[:max_size]
            except BaseException:  # atheris would wait for ever
                traceback.print_exc()
                os._exit(_BROKEN)

        extra["custom_mutator"] = mutate
    atheris.Setup(arguments, runner.run, **extra)
    atheris.Fuzz()


def _instrument(modules: tuple[str, ...]) -> None:
    """Let the functions of these modules, and of what is in them, report their coverage.

    They are changed where they are: imports through atheris's hook take ten times as long.
    """
    import atheris

    prefixes = tuple(f"{name}." for name in modules)
    for found in gc.get_objects():
        if type(found) is FunctionType and f"{found.__module__}.".startswith(prefixes):
            atheris.instrument_func(found)


def _dictionary_file(target: Target, corpus: str) -> str:
    path = Path(corpus).with_suffix(".dict")
    words = ("".join(f"\\x{byte:02x}" for byte in word) for word in target.dictionary)
    path.write_text("".join(f'"{word}"\n' for word in words))
    return str(path)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fuzz.child")
    for name in ("target", "board", "findings", "corpus"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plain", action="store_true")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    target = load(options.target)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    runner = Runner(target, Guard(), Path(options.findings), Board(Path(options.board)))
    runner.warm()
    space = runner.space() + _ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    if options.plain:
        fuzz_plainly(runner, options.runs, options.seconds, options.seed)
    else:
        fuzz_guided(runner, options)


if __name__ == "__main__":
    main()
