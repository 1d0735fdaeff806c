"""A few inputs for every parser; `python -m fuzz` goes on for hours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz import target
from fuzz.hostile_files import attacks
from fuzz.target import HERE

ENVIRONMENT = {**os.environ, "FLAMBEAU_COMPILE": "off"}


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env={**ENVIRONMENT, "PYTHONPATH": str(HERE.parent)},
    )  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are set as on Linux")
def test_hostile_files_are_refused(tmp_path: Path) -> None:
    """Each for the reason that is expected; nothing runs, memory is limited."""
    done = run("fuzz.hostile_files", str(tmp_path / "files"), "--check", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr[-1000:]
    assert not (tmp_path / "executed-by-a-hostile-file").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are set as on Linux")
def test_every_target_holds_for_a_sample(tmp_path: Path) -> None:
    done = run("fuzz.sample", "--runs", "150", folder=tmp_path)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]
    assert done.stdout.split()[: len(target.names())] == target.names()


def test_names_of_hostile_files_are_their_own() -> None:
    found = [attack.name for attack in attacks()]
    assert len(found) == len(set(found))


def test_the_guard_notices(tmp_path: Path) -> None:
    """That it would notice: a target that runs a command, and one that is slow with memory."""
    source = f"""
import os, sys, pathlib
from fuzz.child import Runner
from fuzz.guard import Guard
from fuzz.target import Target

def run(data):
    if data == b"system":
        os.system("echo")
    if data == b"write":
        open({str(tmp_path / "written")!r}, "w")
    if data == b"eval":
        eval("1")
    if data == b"raise":
        raise KeyError(data)
    if data == b"allowed":
        raise ValueError(data)
    if data == b"memory":
        bytearray(1 << 30)
    if data == b"recursion":
        run_again(data)

def run_again(data):
    try:
        return run_again(data)
    except RecursionError as error:
        raise ValueError("too deep") from error

runner = Runner(Target("t", run, (ValueError,), []), Guard(), pathlib.Path({str(tmp_path)!r}), None)
runner.warm()
for data in (b"system", b"write", b"eval", b"raise", b"allowed", b"memory", b"recursion"):
    before = runner.findings
    runner.seen.clear()
    runner.run(data)
    print(data.decode(), runner.findings - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", source], cwd=HERE.parent, capture_output=True, text=True, check=True
    )
    found = dict(line.split() for line in done.stdout.splitlines())
    assert found.pop("allowed") == "0"
    assert set(found.values()) == {"1"}, done.stdout + done.stderr
    assert not (tmp_path / "written").exists()
