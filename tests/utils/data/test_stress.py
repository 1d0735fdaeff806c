"""Some rounds of `stress`, which can also be run for hours."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import stress


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_some_rounds():
    assert not stress.stress(seconds=60, seed=1, rounds=8)
