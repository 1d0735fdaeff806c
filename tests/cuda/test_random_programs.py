"""Random programs with fixed seeds on a GPU; `python -m tests.random_programs --device cuda` has more."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from tests.random_programs.on_gpu import report
from tools.gpu import simulated


@pytest.fixture(scope="module", autouse=True)
def gpu() -> Iterator[Any]:
    with simulated() as found:
        yield found


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_no_program_differs(first: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(first, first + 10):
            difference = report(seed, compiled=False)
            assert difference is None, difference


def test_no_compiled_program_differs() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(12):
            difference = report(seed, compiled=True)
            assert difference is None, difference
