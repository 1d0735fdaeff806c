"""Seeing into the engine: the ladder of FLAMBEAU_DEBUG, and `python -m flambeau explain`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import flambeau as torch
from flambeau import config
from flambeau.codegen.peak import Peak
from flambeau.engine import debug, explain, linking, tiering
from flambeau.runtime import native

pytestmark = pytest.mark.skipif(not native.available(), reason="needs llvmlite")

ROOT = Path(__file__).resolve().parents[2]
HERE = os.path.relpath(__file__)


@pytest.fixture(autouse=True)
def compiled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    torch._flush()
    monkeypatch.setattr(config, "compile", "sync")
    monkeypatch.setattr(config, "verify", False)
    monkeypatch.setattr(config, "debug", 0)
    monkeypatch.setattr(config, "profile", False)
    debug._shown.clear()


_sizes = iter(range(1000, 2000))


def softmax() -> None:
    """A program of its own, of two loops at least, whose result is looked at."""
    x = torch.ones(4, next(_sizes))
    ((x + 1).softmax(1) * 2).sum(0).tolist()


Output = pytest.CaptureFixture[str]
Report = Callable[..., str]


def printed(rung: int, capsys: Output, program: Callable[[], None] = softmax) -> str:
    torch._flush()
    capsys.readouterr()
    with debug.level(rung):
        program()
    return capsys.readouterr().err


def test_nothing_is_printed_without_being_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(0, capsys) == ""
    assert config.debug == 0 and not config.profile


def test_the_first_rung_tells_reason_and_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(1, capsys).splitlines()
    assert len(lines) == 1
    assert re.search(rf"flush: tolist\(\); .*{re.escape(HERE)}:\d+; program \d+: ", lines[0])
    assert lines[0].endswith("first seen, compiled")


def test_each_rung_prints_more(capsys: pytest.CaptureFixture[str]) -> None:
    signs = {
        2: "= softmax(", 3: "GB/s", 4: "not fused", 5: "loop(par", 6: "define",
    }  # fmt: skip
    for rung in range(1, 7):
        debug._shown.clear()
        text = printed(rung, capsys)
        for at, sign in signs.items():
            assert (sign in text) == (at <= rung), (rung, sign)
    assert "ret" in text.split("define")[-1]


def test_kernels_of_programs_that_are_compiled_already_are_timed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    x = torch.ones(77)

    def again() -> None:
        (x * 3 + 1).tolist()

    again()
    again()
    text = printed(3, capsys, again)
    assert "GB/s" in text and "compiled" in text
    assert printed(0, capsys, again) == ""
    assert all(
        not len(s.native.times())
        for p in tiering.programs() if p.compiled
        for s in p.compiled.segments if isinstance(s, linking.Segment)
    )  # fmt: skip


def test_a_called_operation_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(3, capsys, lambda: print(torch.linalg.det(torch.eye(3) + 1).tolist()))
    assert "through NumPy" in text


@pytest.fixture
def report(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> Report:
    def run(program: Callable[[list[str]], int], *arguments: str) -> str:
        def peak(threads: int = 0) -> Peak:
            return Peak(threads or 2, {"float32": 1e11, "float64": 5e10}, 1e11, 1e10)

        monkeypatch.setattr(explain, "peak", peak)
        assert explain.explain(program, list(arguments)) == 3
        assert debug.record is None and not config.profile
        return capsys.readouterr().out

    return run


def test_explain_tells_flushes_programs_and_kernels(report: Report) -> None:
    def program(arguments: list[str]) -> int:
        assert arguments == ["a", "b"]
        x, w = torch.ones(64, 50), torch.ones(50, 40)
        torch._flush()
        for _ in range(3):
            ((x @ w).relu().sum(1) / 2).tolist()
        return 3

    text = report(program, "a", "b")
    assert re.search(rf"3 x tolist\(\) +{re.escape(HERE)}:\d+", text)
    assert re.search(r"ran 3 times, 3 of them compiled; compiled", text)
    line = next(x for x in text.splitlines() if "matmul 64x40x50" in x)
    assert re.search(r"us +[\d.]+ GFLOP/s +[\d.]+ GB/s +\d+% of the ", line)


def test_explain_tells_why_something_was_compiled_again(report: Report) -> None:
    def program(arguments: list[str]) -> int:
        x = torch.arange(12.0).view(3, 4)
        torch._flush()
        for i in range(3):
            (x[i] * 2 + 1).tolist()
        return 3

    text = report(program)
    why = r"compiled again: %\d+, which view reads, was taken for \d+ and came as \d+"
    assert re.search(why, text)


def test_explain_tells_why_neighbours_were_not_fused(report: Report) -> None:
    def program(arguments: list[str]) -> int:
        (torch.ones(30, 40).softmax(1) * 2).sum(0).tolist()
        return 3

    text = report(program)
    assert re.search(r"not fused:\n +\d x \w+ → \w+: ", text)
    assert "both reduce, over other dimensions" in text


def test_the_command(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, torch\n"
        "x = torch.ones(1000, 100)\n"
        "for _ in range(3):\n"
        "    print((x * 2).sum().item())\n"
        "sys.exit(int(sys.argv[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "flambeau", "explain", str(script), "5"], cwd=ROOT,
        capture_output=True, text=True, env={**os.environ, "FLAMBEAU_COMPILE": "sync"},
    )  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert done.stdout.startswith("200000.0\n")
    assert re.search(r"1 threads?: +\d+ GFLOP/s in float32", done.stdout)
    assert re.search(rf"3 x item\(\) +{re.escape(str(script))}:4", done.stdout)
    assert "GB/s" in done.stdout
