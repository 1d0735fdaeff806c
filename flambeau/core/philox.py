"""Philox4x32-10: random words as a function of a key and a counter.

Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. Ten rounds turn
a counter of four 32-bit words, under a key of two, into four random words. No state goes from one
number to the next, so every element of a tensor can be drawn by itself, in any order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
"""What the counter's words 0 and 2 are multiplied with."""
STEPS = 0x9E3779B9, 0xBB67AE85
"""What is added to the key's words from round to round."""
ROUNDS = 10

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def words(counter: tuple[Any, Any, Any, Any], key: tuple[Any, Any]) -> tuple[Array, ...]:
    """The four words of a counter's block; words are numbers or arrays of uint64 below 2**32."""
    c0, c1, c2, c3 = (np.asarray(c, np.uint64) for c in counter)
    k0, k1 = (np.asarray(k, np.uint64) for k in key)
    m0, m1 = (np.uint64(m) for m in MULTIPLIERS)
    s0, s1 = (np.uint64(s) for s in STEPS)
    for _ in range(ROUNDS):
        a, b = c0 * m0, c2 * m1
        c0, c1 = (b >> _HALF) ^ c1 ^ k0, b & _LOW
        c2, c3 = (a >> _HALF) ^ c3 ^ k1, a & _LOW
        k0, k1 = (k0 + s0) & _LOW, (k1 + s1) & _LOW
    return c0, c1, c2, c3


def philox(block: Any, half: Any, key: Any) -> Array:
    """Two random words as one int64, the first of them low: those of the block of that number, words
    0 and 1 where `half` is 0 and 2 and 3 where it is not. All are int64, taken for their 64 bits."""
    number, seed = (np.asarray(x).astype(np.uint64) for x in (block, key))
    w0, w1, w2, w3 = words(
        (number & _LOW, number >> _HALF, np.uint64(0), np.uint64(0)), (seed & _LOW, seed >> _HALF)
    )
    first = np.asarray(half) == 0
    low, high = np.where(first, w0, w2), np.where(first, w1, w3)
    return (low | high << _HALF).astype(np.int64)
