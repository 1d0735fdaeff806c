"""How much of PyTorch flambeau covers, by PyTorch's own databases: the table in docs/coverage.md.

    python -m tools.coverage_of_torch [--only PATTERN] [--database operators,modules,optimizers]
                                      [--dtypes float16,uint8] [--verbose] [--jobs N]
                                      [--markdown FILE] [--json FILE]

The databases of operators, modules and optimizers come with PyTorch's wheel; each entry's sample
inputs drive both frameworks (`sweep_torch_ops`, `sweep_torch_modules`,
`sweep_torch_optimizers`). An entry passes when
nothing differs that a program computes with: values, dtypes, shapes, gradients, second gradients,
the method, in-place and `out=` forms, and the types of exceptions for the database's wrong inputs.
Names of autograd nodes, whether an error names its operation, and which results may be rounded to
an `out=` of int8 are counted in a column of their own. Each entry runs in a process of its own, so that a crash is a line of the table.

Needs PyTorch 2.13 and expecttest. See what it prints for the whole: `make coverage`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch

from flambeau import config
from tools import sweep_torch_modules as modules
from tools import sweep_torch_ops as ops
from tools import sweep_torch_optimizers as optimizers

try:
    from tqdm import tqdm
except ImportError:  # the extra `progress`

    def tqdm(steps: Any, **options: Any) -> Any:
        return steps


Found = dict[str, Any]
"""What a sweep finds: how many checks it made, and the differences, or that there is no twin."""

ADVICE = ("node", "message", "out= of int8")
"""Checks whose differences no program computes with."""

NOT_COUNTED = ("sparse.*", "to_sparse", "jiterator_*", "torch._scaled_mm*", "torch.ops.aten._*_attention_*")
"""Operators that are sparse, or run on no CPU, or are quantized products."""

FAMILIES = {
    "UnaryUfuncInfo": "elementwise, one operand",
    "BinaryUfuncInfo": "elementwise, two operands",
    "ReductionOpInfo": "reductions",
    "SpectralFuncInfo": "fft",
    "ShapeFuncInfo": "shapes",
}
"""Families of operators, by the class of the database's entry."""

PREFIXES = ("linalg", "fft", "special", "signal", "masked", "nn.functional")
"""Families of operators, by their namespace."""


class Entry(NamedTuple):
    """One line of the table."""

    family: str
    name: str
    sweep: Callable[[], Found]


def family_of(info: Any) -> str:
    for prefix in PREFIXES:
        if info.name.startswith(prefix + "."):
            return prefix
    if type(info).__name__ in FAMILIES:
        return FAMILIES[type(info).__name__]
    if info.name.startswith("_") or info.name.startswith("torch."):
        return "internal names"
    return "others"


def operators(pattern: str, limit: int) -> Iterator[Entry]:
    """The database's operators that run on the CPU."""
    for info in ops.chosen(pattern):
        if info.supported_dtypes("cpu") and not ops.fits(info.name, NOT_COUNTED):
            yield Entry(family_of(info), ops.label(info), lambda info=info: ops.sweep(info, limit))


def of_modules(pattern: str, limit: int) -> Iterator[Entry]:
    """The database's modules."""
    for name, info in modules.chosen_modules(pattern):
        yield Entry("nn", name, lambda info=info: modules.sweep_module(info))


def of_optimizers(pattern: str, limit: int) -> Iterator[Entry]:
    """The database's optimizers."""
    for name, info in optimizers.chosen_optimizers(pattern):
        yield Entry("optim", name, lambda info=info: optimizers.sweep_optimizer(info))


DATABASES = {"operators": operators, "modules": of_modules, "optimizers": of_optimizers}


def state(found: Found) -> str:
    """missing, passing or differing."""
    if found.get("missing"):
        return "missing"
    grave = [each for each in found["differences"] if each[0] not in ADVICE]
    return "differing" if grave else "passing"


def percentage(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def family_table(rows: list[tuple[str, str, Found]]) -> list[str]:
    """Passing, differing and missing entries by family, and of all."""
    lines = [
        "| family | entries | passing | differing | missing | advice |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for family in [*dict.fromkeys(f for f, _, _ in rows), "all"]:
        mine = [found for f, _, found in rows if family in (f, "all")]
        count = {s: sum(state(f) == s for f in mine) for s in ("passing", "differing", "missing")}
        advised = sum(any(d[0] in ADVICE for d in f["differences"]) for f in mine)
        lines.append(
            f"| {family} | {len(mine)} | {count['passing']} "
            f"({percentage(count['passing'], len(mine))}) | {count['differing']} "
            f"| {count['missing']} | {advised} |"
        )
    return lines


def difference_table(rows: list[tuple[str, str, Found]]) -> list[str]:
    """The first difference of each entry that doesn't pass."""
    lines = ["| entry | checks | differ | first difference |", "| --- | --- | --- | --- |"]
    for _, name, found in rows:
        if state(found) == "differing":
            check, where, text, sample = found["differences"][0]
            cell = f"{check}, {where}: {text} — `{sample}`".replace("|", "\\|")
            grave = sum(each[0] not in ADVICE for each in found["differences"])
            lines.append(f"| {name} | {found['checks']} | {grave} | {cell} |")
    return lines


def markdown(tables: dict[str, list[tuple[str, str, Found]]], command: str) -> str:
    lines = [
        "# What of PyTorch is covered",
        "",
        f"Generated on {datetime.date.today()} by `{command}` against the databases that come with "
        f"PyTorch {torch.__version__}. An entry passes when values, dtypes, shapes, gradients, "
        "second gradients, method, in-place and `out=` forms and the types of exceptions are "
        "PyTorch's on all its samples.",
    ]
    for title, rows in tables.items():
        lines += ["", f"## {title.capitalize()}", "", *family_table(rows)]
        differing = difference_table(rows)
        if len(differing) > 2:
            lines += ["", "What differs:", "", *differing]
        missing = [name for _, name, found in rows if state(found) == "missing"]
        if missing:
            lines += ["", "Missing: " + ", ".join(missing) + "."]
    lines += ["", "## Differences that are meant", ""]
    lines += [f"- `{name}`, {check}: {why}." for (name, check), why in ops.ACCEPTED.items()]
    return "\n".join(lines) + "\n"


def run(entries: list[Entry], jobs: int, shown: int) -> list[tuple[str, str, Found]]:
    """All sweeps, `jobs` processes at a time; what differs is printed as it is found."""
    rows = []
    with ThreadPoolExecutor(jobs) as pool:
        found_by = pool.map(lambda entry: ops.isolated(entry.sweep), entries)
        progress = tqdm(zip(entries, found_by), total=len(entries), disable=None)
        for entry, found in progress:
            rows.append((entry.family, entry.name, found))
            for each in found["differences"][:shown]:
                print(f"{entry.name}: {len(found['differences'])}/{found['checks']} "
                      + " | ".join(each), flush=True)  # fmt: skip
            if found.get("missing"):
                print(f"{entry.name}: missing", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="*", help="names or patterns, with commas between")
    parser.add_argument("--database", default=",".join(DATABASES), help="which databases")
    parser.add_argument("--dtypes", help="of the operators' samples, as float16,uint8; default: five")
    parser.add_argument("--limit", type=int, default=60, help="samples for each dtype")
    parser.add_argument("--jobs", type=int, default=1, help="processes at a time")
    parser.add_argument("--verbose", action="store_true", help="all differences of an entry")
    parser.add_argument("--markdown", help="write the table there")
    parser.add_argument("--json", help="write everything found there")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    config.check = True
    if options.dtypes:
        ops.DTYPES[:] = [getattr(torch, name) for name in options.dtypes.split(",")]
    ops.prepare()
    tables = {}
    for title in options.database.split(","):
        entries = list(DATABASES[title](options.only, options.limit))
        tables[title] = run(entries, options.jobs, 50 if options.verbose else 1)
        print(f"{title}:", *family_table(tables[title]), sep="\n")
    if options.markdown:
        Path(options.markdown).write_text(markdown(tables, "make coverage"))
    if options.json:
        Path(options.json).write_text(json.dumps(tables, indent=1))


if __name__ == "__main__":
    sys.exit(main())
