"""The tutorial's script on PyTorch itself, so far as PyTorch still runs it: the claims are right."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import tutorial

pytest.importorskip("torch")

# There is no torchvision on the machines of the tests, and `volatile` is gone.
GONE = ("torchvision", "volatile")


def test_the_claims_hold_on_pytorch(tmp_path: Path) -> None:
    parts = tutorial.blocks(tutorial.TEXT.read_text(encoding="utf-8"))
    kept = [block for block in parts if not any(word in block.code for word in GONE)]
    assert len(kept) == 22
    text = tutorial.script(kept)
    text = "".join(line for line in text.splitlines(True) if "torchvision" not in line)
    script = tmp_path / "tutorial_on_torch.py"
    script.write_text(text, encoding="utf-8")
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    printed = tutorial.outputs(run.stdout)
    for block in kept:
        tutorial.check(block, printed[str(block.number)])
