"""Writes docs/operations/: a page for each family of the op table, and an index.

    python -m tools.make_operation_pages [--check]

`--check` writes nothing and fails where a page is not what it would write; the tests ask for that.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import Any

import flambeau
from flambeau.frontend import dispatch
from flambeau.ops.lowering.common import GPU_LOWERINGS
from flambeau.ops.table import Row, table

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "operations"

INTERNAL = frozenset(("sequences",))
"""Namespaces that the library calls, not users."""

NAMESPACES = {"": "torch", "nn": "torch.nn.functional"}
"""What users call the namespaces of rows; others are `torch.<where>`."""


def families() -> dict[str, list[Row]]:
    """The rows that users can call, by family."""
    found: dict[str, list[Row]] = {}
    for row in table.values():
        if row.forms and not row.name.startswith("_") and row.where not in INTERNAL:
            found.setdefault(row.family, []).append(row)
    return dict(sorted(found.items()))


def docstring(family: str) -> str:
    text = importlib.import_module(f"flambeau.ops.{family}").__doc__ or family
    return " ".join(text.split("\n\n")[0].split())


def known_as(row: Row) -> str:
    """The name in its namespace: linalg_svd is torch.linalg.svd."""
    namespace = NAMESPACES.get(row.where, f"torch.{row.where}")
    if not set(row.forms) & set("fo"):
        namespace = "torch.Tensor"
    short = row.name.removeprefix(row.where + "_") if row.where else row.name
    if row.where and row.where != "nn" and row.alias:
        short = row.alias[0]
    return f"{namespace}.{short}"


def signature(row: Row) -> str:
    """The parameters with their defaults, without annotations."""
    function = dispatch.function(row.name)
    shown = inspect.signature(function)
    known = [p for p in shown.parameters.values() if p.name != "old_"]
    plain = [p.replace(annotation=p.empty) for p in known]
    text = str(shown.replace(parameters=plain, return_annotation=shown.empty))
    return re.sub(r"<object object at 0x\w+>", "...", text)


def description(row: Row) -> str:
    text = row.doc
    if (not text or text == "See body.") and row.body is not None:
        text = inspect.getdoc(row.body) or ""
    return text.strip()


def forms(row: Row) -> str:
    """Which forms there are, in words."""
    words = []
    if "m" in row.forms and set(row.forms) & set("fo"):
        words.append(f"method `x.{row.name}`")
    if "i" in row.forms.lower():
        words.append(f"in place `x.{row.name}_`")
    if "o" in row.forms:
        words.append("`out=`")
    if row.operator:
        words.append(f"operator `__{row.operator}__`")
    others = [a for a in row.alias if not known_as(row).endswith("." + a)]
    if others:
        words.append("also called " + ", ".join(f"`{a}`" for a in others))
    return "; ".join(words)


def _how(row: Row) -> str:
    """Who computes it."""
    if row.lower is None:
        return "runs in NumPy"
    return "compiled on a GPU, else runs in NumPy" if row.lower in GPU_LOWERINGS else "compiled"


def properties(row: Row) -> str:
    words = []
    if row.body is not None:
        words.append("written with other operations")
    elif row.view is not None:
        words.append("a view: the result shares the input's memory")
    else:
        words.append(_how(row))
    if row.body is None:
        if row.grads:
            words.append("differentiable")
        elif row.not_differentiable:
            words.append(f"no derivative: {row.not_differentiable}")
    return "; ".join(words)


def page(family: str, rows: list[Row]) -> str:
    lines = [f"# {family.replace('_', ' ').capitalize()}", "", docstring(family), "",
             f"Rows: [flambeau/ops/{family}.py](../../flambeau/ops/{family}.py).", ""]  # fmt: skip
    for row in rows:
        lines += [f"## `{known_as(row)}{signature(row)}`", "", description(row), ""]
        lines += [f"*{text}*" for text in [". ".join(filter(None, (forms(row), properties(row))))]]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def index(found: dict[str, list[Row]]) -> str:
    lines = ["# Operations by family", "",
             "Written by `python -m tools.make_operation_pages` from the op table.", "",
             "| family | what | operations |", "| --- | --- | --- |"]  # fmt: skip
    for family, rows in found.items():
        names = ", ".join(f"`{known_as(r).rpartition('.')[2]}`" for r in rows)
        lines.append(f"| [{family}]({family}.md) | {docstring(family)} | {names} |")
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """All pages by file name."""
    flambeau.nn.functional  # noqa: B018  all rows are there
    found = families()
    for row in (row for rows in found.values() for row in rows if not row.where):
        getattr(flambeau, row.name, None)  # the first look may give a function the standard's signature
    texts = {f"{family}.md": page(family, rows) for family, rows in found.items()}
    return {"README.md": index(found), **texts}


def stale(texts: dict[str, str]) -> list[str]:
    """The files that are not what they should be, or should not be there."""
    there = {p.name: p.read_text() for p in FOLDER.glob("*.md")}
    return sorted(n for n in {*texts, *there} if texts.get(n) != there.get(n))


def main(arguments: list[str]) -> Any:
    texts = pages()
    if "--check" in arguments:
        old = stale(texts)
        return f"stale pages: {', '.join(old)}; run python -m tools.make_operation_pages" if old else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale(texts):
        if name in texts:
            (FOLDER / name).write_text(texts[name])
        else:
            (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
