"""Scaled dot-product attention against NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest

import flambeau as torch
from flambeau.nn.functional import scaled_dot_product_attention as attention

RNG = np.random.default_rng(10)
Q, K, V = (RNG.normal(size=(2, n, 4)) for n in (3, 5, 5))


def reference(allowed: np.ndarray | None = None) -> np.ndarray:
    scores = Q @ np.swapaxes(K, 1, 2) / 2
    if allowed is not None:
        scores = np.where(allowed, scores, -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ V  # type: ignore[no-any-return]


def test_masks() -> None:
    q, k, v = map(torch.tensor, (Q, K, V))
    np.testing.assert_allclose(attention(q, k, v).numpy(), reference())
    causal = np.tril(np.ones((3, 5), bool))
    np.testing.assert_allclose(attention(q, k, v, is_causal=True).numpy(), reference(causal))
    np.testing.assert_allclose(attention(q, k, v, torch.tensor(causal)).numpy(), reference(causal))
    added = torch.zeros(3, 5).masked_fill(~torch.tensor(causal), -math.inf).double()
    np.testing.assert_allclose(attention(q, k, v, added).numpy(), reference(causal))


def test_a_query_that_may_go_nowhere_gets_zeros() -> None:
    q, k, v = map(torch.tensor, (Q, K, V))
    allowed = torch.ones(3, 5, dtype=torch.bool)
    allowed[1] = False
    out = attention(q, k, v, allowed)
    assert not out[:, 1].any() and out[:, 0].any()


def test_wrong_calls() -> None:
    x = torch.ones(2, 3)
    with pytest.raises(RuntimeError, match="is_causal"):
        attention(x, x, x, torch.ones(2, 2, dtype=torch.bool), is_causal=True)
    with pytest.raises(RuntimeError, match="same.*dtype"):
        attention(x, x, x.double())
    with pytest.raises(RuntimeError, match=r"\[3\]"):
        attention(x[0], x, x)
