from __future__ import annotations

import numpy as np
import pytest

from flambeau.runtime.random import Generator
from flambeau.runtime.shuffle import inside_out, swap_in_turn


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 10, 100, 5000])
@pytest.mark.parametrize("near", [False, True])
def test_swaps_in_turn(n: int, near: bool) -> None:
    numbers = np.random.default_rng(n)
    reach = np.minimum(n - np.arange(n), 3) if near else n - np.arange(n)
    partners = np.arange(n) + numbers.integers(0, np.maximum(reach, 1))
    expected = list(range(n))
    for i, j in enumerate(partners.tolist()):
        expected[i], expected[j] = expected[j], expected[i]
    assert swap_in_turn(partners).tolist() == expected


def test_long_chains_of_swaps() -> None:
    n = 1000
    to_the_next = np.minimum(np.arange(n) + 1, n - 1)
    assert swap_in_turn(to_the_next).tolist() == [*range(1, n), 0]
    to_the_end = np.full(n, n - 1)
    assert swap_in_turn(to_the_end).tolist() == [n - 1, *range(n - 1)]


def test_inside_out() -> None:
    # The first numbers and the polynomial hash of the same shuffle written in C.
    order = inside_out(100, Generator().manual_seed(0).words64).tolist()
    assert order[:8] == [81, 43, 96, 98, 55, 63, 26, 42]
    total = 0
    for value in order:
        total = (total * 31 + value) % 2**64
    assert total == 12553436895479104100
