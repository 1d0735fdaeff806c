"""Killing a process while it saves, and looking at what is left.

Two ways: `at_call` kills at the n-th call that Python makes into the system while it saves, before
or after it, which meets every moment between two system calls; `after_a_while` kills whatever it
is doing, also in the middle of a write. The checks raise AssertionError.
"""

from __future__ import annotations

import io
import os
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import flambeau as torch
from flambeau.serialization import whole_files

FORMS = {"zip": "a.pt", "legacy": "a.old", "safetensors": "a.safetensors"}
_NAMED = whole_files._Scratch._unnamed


@dataclass(frozen=True)
class Case:
    """How it is saved: the file's form, over an old file or not, with unnamed files or not."""

    form: str
    replaces: bool
    unnamed: bool

    def __str__(self) -> str:
        over = "over an old file" if self.replaces else "a new file"
        return f"{self.form}, {over}, {'unnamed' if self.unnamed else 'named'} scratch"


CASES = [Case(f, r, u) for f in FORMS for r in (True, False) for u in (True, False)]


def content(generation: int, numel: int = 3000) -> dict[str, Any]:
    """A checkpoint every byte of which says its generation."""
    data = np.full(numel, generation, np.int64)
    return {"a": torch.from_numpy(data), "b": torch.from_numpy(data[:7].copy())}


def save(generation: int, folder: Path, case: Case, numel: int = 3000) -> None:
    """What is saved, and where, in the way of `case`."""
    path, state = folder / FORMS[case.form], content(generation, numel)
    torch.save(state, path, _use_new_zipfile_serialization=case.form != "legacy")


def generation(path: Path) -> int:
    """The generation of a whole file. AssertionError where it is mixed."""
    state = torch.load(path)
    values = set(state["a"].numpy().tolist()) | set(state["b"].numpy().tolist())
    assert len(values) == 1 and state["b"].numel() == 7, f"{path} is mixed: {sorted(values)[:5]}"
    return int(values.pop())


@contextmanager
def scratch_files(unnamed: bool) -> Iterator[None]:
    """With `unnamed` False the file system is taken for one that has no unnamed files."""
    if not unnamed:
        whole_files._Scratch._unnamed = lambda self: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        whole_files._Scratch._unnamed = _NAMED  # type: ignore[method-assign]


def in_child(work: Callable[[], object]) -> int:
    """Runs `work` in a forked process that ends with it. Returns the process's id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)


def ended(pid: int) -> int:
    """How a process has ended: 0, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# --- at a call -----------------------------------------------------------------------------------


class Calls:
    """Counts the calls into the system that Python makes, and does something at one of them.

    Args:
        act: what is done at the `at`-th of them, counted from 0, before it happens; after it with
            `after`. What it raises is raised in the place of the call.
    """

    def __init__(self, at: int = -1, after: bool = False, act: Callable[[], object] = id) -> None:
        self.names: list[str] = []
        self._open: list[int] = []
        """The numbers of the calls that have begun and not ended: a flush writes."""
        self._at, self._after, self._act = at, after, act

    def __enter__(self) -> Calls:
        sys.setprofile(self._seen)
        return self

    def __exit__(self, *_exc: object) -> None:
        sys.setprofile(None)

    def _seen(self, _frame: Any, event: str, function: Any) -> None:
        if event[:2] != "c_" or not _is_of_the_system(function):
            return
        if event == "c_call":
            self._open.append(len(self.names))
            self.names.append(function.__name__)
            if not self._after and self._open[-1] == self._at:
                self._act()
        elif self._open and self._open.pop() == self._at and self._after:
            self._act()


def _is_of_the_system(function: Any) -> bool:
    module = getattr(function, "__module__", None)
    return module in ("posix", "fcntl") or isinstance(
        getattr(function, "__self__", None), io.IOBase
    )


def calls_of_a_save(folder: Path, case: Case) -> list[str]:
    """The names of the calls that a save makes, in their order."""
    _prepare(folder, case)
    with scratch_files(case.unnamed), Calls() as calls:
        save(2, folder, case)
    return calls.names


def at_call(folder: Path, case: Case, number: int, after: bool) -> str:
    """Kills a save at its `number`-th call. Returns what was found: "old", "new" or either with
    "+ scratch"."""
    _prepare(folder, case)

    def work() -> None:
        with Calls(number, after, lambda: os.kill(os.getpid(), signal.SIGKILL)):
            save(2, folder, case)

    with scratch_files(case.unnamed):
        status = ended(in_child(work))
    assert status in (0, -signal.SIGKILL), f"{case}: the child ended with {status}"
    return check(folder, case, {1, 2} if case.replaces else {None, 2})


def _prepare(folder: Path, case: Case) -> None:
    for path in folder.iterdir():
        path.unlink()
    if case.replaces:
        save(1, folder, case)


# --- after a while -------------------------------------------------------------------------------


def after_a_while(folder: Path, case: Case, seconds: float, numel: int = 200_000) -> str:
    """Kills a process `seconds` after the beginning of the first of many saves."""
    _prepare(folder, case)
    reading, writing = os.pipe()

    def work() -> None:
        for number in range(2, 10_000):
            os.write(writing, struct.pack("<q", number))
            save(number, folder, case, numel)

    with scratch_files(case.unnamed):
        pid = in_child(work)
    os.close(writing)
    begun = os.read(reading, 8)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    assert ended(pid) == -signal.SIGKILL
    with open(reading, "rb") as file:
        begun = (begun + file.read())[-8:]
    (last,) = struct.unpack("<q", begun)
    before: set[int | None] = {last - 1}
    if last == 2 and not case.replaces:
        before = {None}
    return check(folder, case, before | {last})


# --- what is left --------------------------------------------------------------------------------


def check(folder: Path, case: Case, allowed: set[int | None]) -> str:
    """AssertionError unless the file is whole and of an allowed generation (None: not there),
    nothing but at most one scratch file lies beside it, and the next save removes that."""
    path = folder / FORMS[case.form]
    found = generation(path) if path.exists() else None
    assert found in allowed, f"{case}: generation {found}, not one of {allowed}"
    said = "new" if found == max(n for n in allowed if n is not None) else "old"
    others = [one for one in folder.iterdir() if one != path]
    assert len(others) <= 1, f"{case}: {others} were left"
    for other in others:
        assert whole_files._SCRATCH.fullmatch(other.name), f"{case}: {other} was left"
        if case.unnamed:
            generation(other)  # whole
        said += " + scratch"
    whole_files._looked.clear()  # as in a new process
    save(1, folder, case)
    assert list(folder.iterdir()) == [path], f"{case}: the next save left {list(folder.iterdir())}"
    assert generation(path) == 1
    return said


def campaign(folder: Path, points: int, random: Random) -> Iterator[tuple[str, str]]:
    """Kills `points` times: half at each call in turn, in a shuffled order, half after a while.
    Yields where, and what was found."""
    cases = CASES if hasattr(os, "O_TMPFILE") else [case for case in CASES if not case.unnamed]
    places = []
    for case in cases:
        save(1, folder, case)  # what is done once only
        names = calls_of_a_save(folder, case)
        places += [
            (case, i, name, after) for i, name in enumerate(names) for after in (False, True)
        ]
    random.shuffle(places)
    for number in range(points):
        if number % 2 == 0:
            case, i, name, after = places[number // 2 % len(places)]
            where = f"{case}: {'after' if after else 'before'} call {i}, {name}"
            yield where, at_call(folder, case, i, after)
        else:
            case, seconds = random.choice(cases), random.uniform(0, 0.03)
            where = f"{case}: after {seconds * 1000:.1f} ms"
            yield where, after_a_while(folder, case, seconds)
