"""Makes tests/nn/stored.json with PyTorch itself: what every case of `nn` gives there.

Run it in an environment that has PyTorch 2.13: `python -m tools.make_nn_numbers`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from tests.nn import support
from tests.nn.cases import FUNCTIONS, INITS, MODULES

FILE = Path(__file__).parent.parent / "tests" / "nn" / "stored.json"


def digests(results: dict[str, Any]) -> dict[str, Any]:
    return {name: [support.digest(each) for each in found] for name, found in results.items()}


def module(case: str) -> dict[str, Any]:
    made = support.build(torch, case)
    state = made.state_dict()
    stored = {
        "repr": repr(made),
        "state": {key: support.digest(value) for key, value in state.items()},
    }
    return (
        stored if case.startswith("~") else {**stored, **digests(support.run_module(torch, case))}
    )


def init(case: str) -> Any:
    torch.manual_seed(11)
    return support.digest(support.evaluate(torch, case))


def main() -> None:
    stored = {
        "modules": {case: module(case) for case in MODULES},
        "functions": {case: digests(support.run_function(torch, case)) for case in FUNCTIONS},
        "inits": {case: init(case) for case in INITS},
    }
    # One case a line, so that a change is seen where it is.
    lines = []
    for group, cases in stored.items():
        rows = ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in cases.items())
        lines.append(f"{json.dumps(group)}: {{\n{rows}\n}}")
    FILE.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
