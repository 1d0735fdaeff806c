"""The op table's samples on a GPU, operation by operation and compiled, against the CPU.

A part of the samples here; `python -m tests.cuda.rows` goes through all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flambeau.ops.table import Row
from tests.cuda.rows import check, gradients, rows
from tools.gpu import simulated

ROWS = rows()


@pytest.fixture(scope="module", autouse=True)
def gpu() -> Iterator[Any]:
    with simulated() as found:
        yield found


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_samples(row: Row) -> None:
    """The first sample of each row, in both tiers."""
    check(row, samples=1)


@pytest.mark.parametrize("row", [r for r in ROWS if not r.not_differentiable][::6], ids=lambda row: row.name)
def test_gradcheck(row: Row) -> None:
    gradients(row, samples=1)
