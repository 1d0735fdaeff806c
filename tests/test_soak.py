"""The soak: each of its parts once, and its verdict."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import pytest

ROOT = str(Path(__file__).parent.parent)


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_each_part_once() -> None:
    from tools.soak.__main__ import ACTIVITIES

    for part in ACTIVITIES:
        part(Random(3))


@pytest.mark.skipif(sys.platform != "linux", reason="measures by the tables in /proc")
def test_a_sample_has_what_is_judged() -> None:
    from tools.soak import measuring, verdict

    found = measuring.sample(measuring.Resident())
    assert set(verdict.ALLOWED) <= set(found)
    assert found["settled_mb"] > 10 and found["descriptors"] >= 3 and found["threads"] >= 1


def test_what_grows_is_told_from_what_does_not() -> None:
    from tools.soak import verdict

    random = Random(0)

    def samples(slope: float) -> list[dict[str, Any]]:
        """`settled_mb` rises by `slope` from sample to sample, with noise; a cold start before."""
        return [
            {name: 100.0 for name in verdict.ALLOWED}
            | {"seconds": 60.0 * i, "settled_mb": min(i, 15) * 10 + slope * i + random.random()}
            for i in range(60)
        ]

    steady = {t.name: t.flat for t in verdict.trends(samples(0.0))}
    assert all(steady.values()) and len(steady) == len(verdict.ALLOWED)
    grown = [t.name for t in verdict.trends(samples(1.0)) if not t.flat]
    assert grown == ["settled_mb"]
    assert verdict.trends(samples(0.0)[:4]) == []
