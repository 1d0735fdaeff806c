"""Makes tests/autograd/stored.json with PyTorch itself: what every case of `autograd` gives there.

Run it in an environment that has PyTorch 2.13: `python -m tools.make_autograd_numbers`.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch

from tests.autograd.cases import CASES, EXPRESSIONS, chain_of
from tests.autograd.support import run

FILE = Path(__file__).parent.parent / "tests" / "autograd" / "stored.json"


def main() -> None:
    stored = {
        "cases": {name: run(case, torch) for name, case in CASES.items()},
        "graphs": {expression: chain_of(torch, expression) for expression in EXPRESSIONS},
    }
    # One case a line, so that a change is seen where it is.
    lines = []
    for group, cases in stored.items():
        rows = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in cases.items())
        lines.append(f"{json.dumps(group)}: {{\n{rows}\n}}")
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
