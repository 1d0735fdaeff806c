"""A fixed sample of hostile calls: nothing but PyTorch's exceptions, at the call, inputs as they were."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(sys.platform != "linux", reason="limits and watches its children through /proc")
def test_a_sample_of_hostile_calls() -> None:
    """In a process of its own: its children fork from it before it has any thread."""
    command = [
        sys.executable,
        "-m",
        "tests.hostile_calls",
        "--calls",
        "3000",
        "--every",
        "2",
        "--seed",
        "5",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
