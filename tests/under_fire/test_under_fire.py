"""Small samples of the campaigns in this folder, each in a process of its own with a time limit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "campaign",
    ["threads --runs 1", "threads --runs 1 --strict", "signals sync --tries 25",
     "signals off --tries 25", "signals background --tries 25", "forks --runs 2"],
)  # fmt: skip
def test_a_sample(campaign: str) -> None:
    if "forks" in campaign and not hasattr(os, "fork"):
        pytest.skip("no fork here")
    name, *options = campaign.split()
    command = [sys.executable, "-m", f"tests.under_fire.{name}", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
