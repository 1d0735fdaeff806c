"""What the switches of TF32 say of each other is what PyTorch says (`tests/cuda/test_switches.py`)."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.cuda.test_switches import SAID

PROGRAM = """
import json, os, sys
import torch

b = torch.backends
asked = {
    "gen": lambda: b.fp32_precision, "mm": lambda: b.cuda.matmul.fp32_precision,
    "tf32": lambda: b.cuda.matmul.allow_tf32, "all": lambda: b.cudnn.fp32_precision,
    "conv": lambda: b.cudnn.conv.fp32_precision, "rnn": lambda: b.cudnn.rnn.fp32_precision,
    "cudnn": lambda: b.cudnn.allow_tf32, "get": torch.get_float32_matmul_precision,
}

def said():
    found = []
    for name, ask in asked.items():
        try:
            found.append(f"{name}={ask()}")
        except RuntimeError:
            found.append(f"{name}=E")
    return " ".join(found)

for statements in json.load(sys.stdin):
    child = os.fork()  # each starts with what holds at first
    if not child:
        exec(statements, {"b": b, "torch": torch})
        print(said(), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_switches_are_coupled_as_in_pytorch() -> None:
    cases = [case.split(" | ") for case in SAID.strip().splitlines()]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], input=json.dumps([statements for statements, _ in cases]),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == [expected for _, expected in cases]
