"""Every code block of README and docs runs, and prints what it says."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.S | re.M)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_sessions_print_what_they_say(path: Path) -> None:
    scope: dict[str, object] = {}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for number, block in enumerate(_blocks(path, "pycon")):
        test = doctest.DocTestParser().get_doctest(block, scope, f"{path.name}[{number}]", None, 0)
        found = runner.run(test, clear_globs=False)
        scope = test.globs
        assert found.failed == 0


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_programs_run(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import flambeau

    for block in _blocks(path, "python"):
        exec(compile(block, path.name, "exec"), {"torch": flambeau})
