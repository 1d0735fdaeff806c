"""A sample of the sweep: `python -m tests.allocation_failures --all` is the whole of it."""

from __future__ import annotations

from collections import Counter

import pytest

from flambeau.runtime import native

from .steps import OPTIMIZERS
from .sweep import TIERS, allocations, check, expectation, tier

SAMPLES = {"interpreter": 12, "compiled": 6, "compiling": 4, "background": 4}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", TIERS)
def test_a_failed_allocation_loses_nothing(name: str, optimizer: str) -> None:
    if name != "interpreter" and not native.available():
        pytest.skip("nothing is compiled here")
    warm = 0 if name == "interpreter" else 1
    outcomes: Counter[str] = Counter()
    with tier(name):
        expected = expectation(optimizer, warm)
        count = allocations(optimizer, warm, name)
        for i in range(SAMPLES[name]):
            n = 1 + i * count // SAMPLES[name]
            outcomes[check(optimizer, warm, name, n, 1 if i % 2 else 1 << 30, expected)] += 1
        outcomes[check(optimizer, warm, name, count, 1 << 30, expected)] += 1
    assert outcomes["before"], outcomes
