from __future__ import annotations

import math

import numpy as np
import pytest

from flambeau.runtime.random import Generator

N = 4000


@pytest.mark.parametrize("rate", [0.0, 0.3, 5.0, 12.0, 300.0])
def test_poisson(rate: float) -> None:
    values = Generator().manual_seed(1).poisson(np.full(N, rate), "float64")
    spread = 5 * math.sqrt(max(rate, 1e-9) / N)
    assert abs(values.mean() - rate) <= spread + 1e-12
    assert (values == np.floor(values)).all() and (values >= 0).all()


@pytest.mark.parametrize("alpha", [0.1, 0.9, 1.0, 4.5, 60.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gamma(alpha: float, dtype: str) -> None:
    values = Generator().manual_seed(1).standard_gamma(np.full(N, alpha, dtype), dtype)
    assert values.dtype == dtype and (values > 0).all()
    assert abs(values.mean() - alpha) < 5 * math.sqrt(alpha / N)


def test_gamma_never_gives_zero() -> None:
    alpha = np.array([0.0, -1.0, 1e-4, math.nan], np.float32)
    values = Generator().manual_seed(1).standard_gamma(alpha)
    assert (values >= np.finfo(np.float32).tiny).all()


@pytest.mark.parametrize(("count", "prob"), [(3, 0.4), (20, 0.7), (100, 0.5), (1000, 0.98)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_binomial(count: int, prob: float, dtype: str) -> None:
    counts, probs = np.full(N, count, dtype), np.full(N, prob, dtype)
    values = Generator().manual_seed(1).binomial(counts, probs, dtype)
    assert abs(values.mean() - count * prob) < 5 * math.sqrt(count * prob * (1 - prob) / N)
    assert values.min() >= 0 and values.max() <= count


def test_binomial_at_the_ends() -> None:
    counts = np.array([0, -3, 5, 5, 5, np.nan, 5])
    probs = np.array([0.5, 0.5, 0, 1, -1, 0.5, np.nan])
    values = Generator().binomial(counts, probs, "float64")
    np.testing.assert_array_equal(values, [0, 0, 0, 5, 0, np.nan, np.nan])
