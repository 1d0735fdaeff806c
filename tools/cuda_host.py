"""Writes docs/cuda-host.md: which operations go through the host's memory when tensors are on a GPU.

    python -m tools.cuda_host [--check]

`--check` writes nothing and fails where the page is not what it would write; the tests ask for that.
"""

from __future__ import annotations

import argparse
import dis
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from flambeau.ops.table import Row, table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "cuda-host.md"

INTRODUCTION = """
# What goes through the host on a GPU

A program whose tensors are on a GPU runs there, but for what is listed here. Such an operation waits for
the GPU, copies its inputs to the host, computes in NumPy and copies the result back: right, but slow.
`FLAMBEAU_DEBUG=2` names those that a program meets.

Not in the lists: with complex numbers, and dtypes that kernels have not (uint16 and such), every
operation that computes goes through the host; and some operations with a kernel do for a few arguments that
it does not know.
"""

WITHOUT = """
## Without a kernel

An operation's own name, under the module of `flambeau/ops` that it stands in.
"""

LOOKING = """
## Looking at their input

These are written with other operations, but read some input on the host, since the size of the result
depends on it, or what is to be refused; some only for some arguments.
"""


SELDOM = frozenset(["where"])
"""Rows that look at their input only in a form that other rows do not use (a condition alone)."""


def through_numpy() -> list[Row]:
    """The rows that have no lowering and are neither views nor written with other rows."""
    return [
        r for r in table.values()
        if r.lower is None and r.body is None and r.view is None and not r.multi_view and r.numpy is not None
    ]  # fmt: skip


def looking() -> list[Row]:
    """The rows whose bodies look at content."""
    return [r for r in table.values() if r.body is not None and _observes(r.body, set())]


def _observes(f: Callable[..., Any], seen: set[CodeType]) -> bool:
    """Whether a function, or one of ours that it names, asks for a tensor's content."""
    if not isinstance(f, FunctionType) or not f.__module__.startswith("flambeau.ops") or f.__code__ in seen:
        return False
    seen.add(f.__code__)
    cells = [c.cell_contents for c in f.__closure__ or ()]
    return any(_named(code, f, seen) for code in _codes(f.__code__)) or any(
        _observes(c, seen) for c in cells if isinstance(c, FunctionType)
    )


def _named(code: CodeType, f: FunctionType, seen: set[CodeType]) -> bool:
    called = _called(code)
    if {"observe", "observe_batch"} & called:
        return True
    rows = [table[name].body for name in called - SELDOM if name in table]
    if any(body is not None and _observes(body, seen) for body in rows):
        return True
    found = [f.__globals__.get(name) for name in code.co_names]
    return any(_observes(g, seen) for g in found if isinstance(g, FunctionType))


def _called(code: CodeType) -> set[str]:
    """The operations that are asked for as `call.name`."""
    steps = list(dis.get_instructions(code))
    pairs = zip(steps, steps[1:], strict=False)
    return {str(b.argval) for a, b in pairs if a.opname == "LOAD_GLOBAL" and a.argval == "call"}


def _codes(code: CodeType) -> list[CodeType]:
    """A function's code, and that of the functions in it."""
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    return [code, *(x for c in inner for x in _codes(c))]


def _listed(rows: list[Row]) -> str:
    families: dict[str, list[str]] = {}
    for row in rows:
        families.setdefault(row.family, []).append(row.name)
    lines = []
    for family, names in sorted(families.items()):
        text = f"- {family}: " + ", ".join(f"`{n}`" for n in sorted(names))
        lines.append(textwrap.fill(text, 110, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))
    return "\n".join(lines)


def text() -> str:
    """The page."""
    parts = (INTRODUCTION, WITHOUT, _listed(through_numpy()), LOOKING, _listed(looking()))
    return "\n\n".join(p.strip() for p in parts) + "\n"


def stale() -> bool:
    """Whether the page says something else."""
    return not PAGE.exists() or PAGE.read_text() != text()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.cuda_host", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say whether the page is up to date")
    if not parser.parse_args().check:
        PAGE.write_text(text())
        return 0
    if stale():
        print(f"{PAGE.name} is out of date; run python -m tools.cuda_host")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
