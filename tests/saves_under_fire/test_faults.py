"""Faults on purpose while something is saved or loaded: each is an error that says what to do, the
old file stays, nothing is left behind, and the next save works."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import flambeau as torch
from flambeau.serialization import whole_files
from flambeau.serialization.whole_files import atomic_file

from .killing import (
    CASES,
    FORMS,
    Calls,
    Case,
    calls_of_a_save,
    ended,
    generation,
    in_child,
    save,
    scratch_files,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="brings the faults about as Linux")
FAULTS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EACCES, errno.EINTR, errno.EMFILE)
LOOKS = {"stat", "lstat", "fspath", "fsdecode", "access", "fileno", "flock", "urandom", "fstat"}
"""Calls that only ask; the others change something or reserve it."""


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("case", [c for c in CASES if c.form == "zip"], ids=str)
def test_each_call_fails_once(case: Case, tmp_path: Path) -> None:
    """The n-th write, fsync, link, rename ... of a save gives an error, for every n."""
    path = tmp_path / FORMS[case.form]
    save(1, tmp_path, case)
    called = calls_of_a_save(tmp_path, case)
    held = descriptors()
    failed = 0
    for number, name in enumerate(called):
        if name in LOOKS:
            continue
        code = FAULTS[number % len(FAULTS)]

        def fail(code: int = code) -> None:
            raise OSError(code, os.strerror(code))

        for old in tmp_path.iterdir():
            old.unlink()
        if case.replaces:
            save(1, tmp_path, case)
        where = f"{case}: {os.strerror(code)} at call {number}, {name}"
        error = None
        with scratch_files(case.unnamed):
            try:
                with Calls(number, act=fail):
                    save(2, tmp_path, case)
            except OSError as caught:
                error = caught
        found = generation(path) if path.exists() else None
        if error is None:
            assert found == 2, where  # it did without
        else:
            failed += 1
            assert found in ({1, 2} if case.replaces else {None, 2}), where
            assert found != 2 or "in its place" in str(error), (where, error)
        assert [p for p in tmp_path.iterdir() if p != path] == [], where
        save(3, tmp_path, case)
        assert generation(path) == 3
    assert failed > 5
    assert descriptors() <= held + 1


@pytest.mark.parametrize("unnamed", [True, False])
def test_a_limit_on_the_size_of_files(unnamed: bool, tmp_path: Path) -> None:
    import resource

    case = Case("zip", True, unnamed)
    save(1, tmp_path, case)

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
        with scratch_files(unnamed), pytest.raises(OSError, match="Make room") as caught:
            save(2, tmp_path, case, 20_000)
        assert caught.value.errno == errno.EFBIG
        assert caught.value.filename == str(tmp_path / "a.pt")
        assert generation(tmp_path / "a.pt") == 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        save(2, tmp_path, case, 20_000)

    assert ended(in_child(work)) == 0
    assert generation(tmp_path / "a.pt") == 2
    assert os.listdir(tmp_path) == ["a.pt"]


def test_no_descriptors_left(tmp_path: Path) -> None:
    import resource

    torch.save(torch.ones(1), tmp_path / "a.pt")

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        taken: list[int] = []
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        with pytest.raises(OSError, match="ulimit -n"):
            torch.save(torch.ones(2), tmp_path / "a.pt")
        assert torch.ones(2).sum().item() == 2.0
        os.close(taken.pop())
        torch.save(torch.ones(3), tmp_path / "a.pt")  # one is enough

    assert ended(in_child(work)) == 0
    assert torch.load(tmp_path / "a.pt").numel() == 3


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root may mount")
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a file system can't be mounted here")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=False)


@pytest.mark.parametrize("unnamed", [True, False])
def test_a_full_and_a_read_only_disk(unnamed: bool, small_disk: Path) -> None:
    path = small_disk / "a.pt"
    state = {"a": torch.ones(100_000)}
    with scratch_files(unnamed):
        torch.save(state, path)
        for _ in range(2):
            with pytest.raises(OSError, match="Make room") as caught:
                torch.save({**state, "b": torch.ones(120_000)}, path)
            assert caught.value.errno == errno.ENOSPC
        assert torch.equal(torch.load(path)["a"], state["a"])
        assert os.listdir(small_disk) == ["a.pt"]
        torch.save(state, path)  # as much as there is room for, twice
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        with pytest.raises(OSError) as caught:
            torch.save(state, path)
        assert caught.value.errno in (errno.EROFS, errno.EACCES)
        assert torch.equal(torch.load(path, mmap=True)["a"], state["a"])
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
        torch.save(state, path)


@pytest.mark.parametrize("unnamed", [True, False])
def test_the_folder_goes_away(unnamed: bool, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with scratch_files(unnamed):
        with pytest.raises(FileNotFoundError) as caught, atomic_file(folder / "a.pt") as file:
            file.write(b"1")
            shutil.rmtree(folder)
        assert caught.value.filename == str(folder / "a.pt")
        folder.mkdir()
        torch.save(torch.ones(1), folder / "a.pt")
    assert os.listdir(folder) == ["a.pt"]


def test_a_system_that_names_no_unnamed_file(tmp_path: Path, monkeypatch: Any) -> None:
    """The content is written once more."""
    monkeypatch.setattr(whole_files, "_link", _refuses)
    for n in (1, 2):
        torch.save(torch.ones(100_000 * n), tmp_path / "a.pt")
        assert torch.load(tmp_path / "a.pt").numel() == 100_000 * n
    assert os.listdir(tmp_path) == ["a.pt"]


def _refuses(*_: Any) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted")


# --- loading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_gets_shorter_while_it_is_read(form: str, tmp_path: Path) -> None:
    case = Case(form, False, True)
    save(1, tmp_path, case, 50_000)
    path = tmp_path / FORMS[form]
    whole = path.read_bytes()

    def shorten(storage: Any, place: str) -> None:
        os.truncate(path, len(whole) // 2)

    with pytest.raises((EOFError, RuntimeError), match="ended|truncated|no complete|not where"):
        torch.load(path, map_location=shorten)
        torch.load(path)
    path.write_bytes(whole)
    assert generation(path) == 1


# --- clocks --------------------------------------------------------------------------------------


def test_clock_jumps(tmp_path: Path, monkeypatch: Any) -> None:
    """The clock of the day may go anywhere: nothing but the time of an event is read from it."""
    from flambeau.engine import tiering
    from flambeau.runtime import kernel_cache
    from flambeau.utils.tensorboard import SummaryWriter

    clock = iter([1e9, 2e9, 0.0, -5.0, 4e9] * 10_000)
    monkeypatch.setattr(time, "time", lambda: next(clock))
    if (place := kernel_cache.directory()) is not None:
        kernel_cache._shrink(place)
    net = torch.nn.Linear(7, 3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with SummaryWriter(str(tmp_path / "log"), flush_secs=1) as writer:
        for step in range(5):
            optimizer.zero_grad()
            loss = net(torch.ones(2, 7)).pow(2).sum()
            loss.backward()
            optimizer.step()
            writer.add_scalar("loss", loss.item(), step)
            torch.save(net.state_dict(), tmp_path / "a.pt")
            os.utime(tmp_path / "a.pt", (0, 4e9 * (step % 2)))
            net.load_state_dict(torch.load(tmp_path / "a.pt"))
    assert tiering.wait_for_compiler(60)
    assert sorted(os.listdir(tmp_path)) == ["a.pt", "log"]
