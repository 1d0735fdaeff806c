"""Every code block of README and docs runs, and prints what it says."""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.S | re.M)


@pytest.fixture
def rows() -> Iterator[None]:
    """What a page adds to the op table is taken out again."""
    from flambeau.ops.table import table

    before = dict(table)
    yield
    for name in set(table) - set(before):
        del table[name]


def _run(block: str, path: Path) -> None:
    """Run a program of a page; one that is a file of the package runs as that module."""
    import flambeau
    from flambeau.frontend.tensor import install_rows

    scope: dict[str, Any] = {"torch": flambeau}
    named = re.match(r"# (flambeau/\S+)\.py\n", block)
    if named:
        module = named[1].replace("/", ".")
        scope = {"__name__": module, "__package__": module.rpartition(".")[0]}
    exec(compile(block, str(path), "exec"), scope)
    if named:
        install_rows()


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
@pytest.mark.usefixtures("rows")
def test_code_blocks_run_and_print_what_they_say(path: Path) -> None:
    scope: dict[str, object] = {}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for number, block in enumerate(_blocks(path, "(?:pycon|python)")):
        if not block.startswith(">>>"):
            _run(block, path)
            continue
        test = doctest.DocTestParser().get_doctest(block, scope, f"{path.name}[{number}]", None, 0)
        found = runner.run(test, clear_globs=False)
        scope = test.globs
        assert found.failed == 0


def test_pages_of_operations_are_what_the_table_says() -> None:
    from tools import make_operation_pages

    assert not make_operation_pages.stale(make_operation_pages.pages()), (
        "run python -m tools.make_operation_pages"
    )
