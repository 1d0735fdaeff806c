"""The oracle of `tests/random_programs` agrees with PyTorch: it stands for it elsewhere."""

from __future__ import annotations

import warnings

import pytest

torch = pytest.importorskip("torch")

from tests.random_programs.generator import generate  # noqa: E402
from tests.random_programs.shrink import report  # noqa: E402


@pytest.mark.parametrize("first", range(0, 600, 100))
def test_the_oracle_is_right(first: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(first, first + 100):
            difference = report(seed, generate(seed), torch)
            assert difference is None, difference
