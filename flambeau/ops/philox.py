"""Random numbers that are functions of a seed and a place: Philox4x32-10 (see `core.philox`).

They are what tensors on a GPU are filled with, inside of the loop that uses them. The key's two words,
`key0` and `key1`, are the seed, and `start` is the number of the first block. They are given at run
time, and as floats: whole numbers that do not change would be written into the kernels, one for each
seed. Element e (in row-major order) of 32-bit draws has word e % 4 of block start + e // 4. Elements
that take 64 bits have one half of block start + e // 2.

A draw of n elements uses up `blocks(n, wide)` blocks; who draws next starts behind them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.aval import aval
from ..core.dtypes import bool_, dtype, float16, float32, float64, int64, narrow, widen
from ..core.philox import philox
from .lowering import philox as low
from .table import Spec, call, row

_WORD = np.int64(0xFFFFFFFF)
_FLOATS = float64, float32, float16


def numbers(seed: int, start: int) -> tuple[float, float, float]:
    """A seed of 64 bits and a block's number as the rows take them. Floats count up to 2**53."""
    return float(seed & 0xFFFFFFFF), float(seed >> 32 & 0xFFFFFFFF), float(start % (1 << 53))


def blocks(count: int, wide: bool) -> int:
    """How many blocks `count` elements take."""
    return -(-count // (2 if wide else 4))


# --- words --------------------------------------------------------------------------------------


def _key(key0: float, key1: float) -> np.int64:
    return np.int64(np.uint64(int(key0) | int(key1) << 32).astype(np.int64))


def _pairs(key0: float, key1: float, start: float, per_block: int, shape: Any) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of all elements, and of the block that each is in."""
    e = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
    with np.errstate(over="ignore"):
        return e, np.int64(start) + e // per_block


def _words(key0: float, key1: float, start: float, shape: Any) -> np.ndarray:
    """32 random bits for each element, as int64."""
    e, block = _pairs(key0, key1, start, 4, shape)
    pair = philox(block, (e >> 1) & 1, _key(key0, key1))
    return np.where(e & 1 == 0, pair, pair >> 32) & _WORD


def _doubles(key0: float, key1: float, start: float, shape: Any) -> np.ndarray:
    """64 random bits for each element."""
    e, block = _pairs(key0, key1, start, 2, shape)
    return philox(block, e & 1, _key(key0, key1))


def _unit(key0: float, key1: float, start: float, shape: Any, double: bool) -> np.ndarray:
    """Uniform in [0, 1): multiples of 2**-24, or of 2**-53."""
    if double:
        top = (_doubles(key0, key1, start, shape) >> 11) & np.int64((1 << 53) - 1)
        return top.astype(np.float64) * 2.0**-53
    return (_words(key0, key1, start, shape) >> 8).astype(np.float32) * np.float32(2.0**-24)


def permutation(key0: float, key1: float, start: float, count: int) -> np.ndarray:
    """A random order of 0 ... count - 1: that of 64 random bits for each."""
    return np.argsort(_doubles(key0, key1, start, (count,)), kind="stable")


def chosen(key0: float, key1: float, start: float) -> int:
    """A seed for another generator, from this place of the stream."""
    return int(_doubles(key0, key1, start, ()))


# --- distributions ------------------------------------------------------------------------------


def _rule(*given: Any) -> Spec:
    *_, shape, dt = given
    if not dt.is_floating_point:
        raise NotImplementedError(f"not implemented for '{dt.legacy}'")
    return Spec(aval(shape, dt))


def _working(dt: dtype) -> Any:
    return np.float64 if dt.itemsize == 8 else np.float32


def _uniform(key0: float, key1: float, start: float, low_end: Any, high: Any, shape: Any, dt: dtype) -> np.ndarray:
    kind = _working(dt)
    least, most = kind(low_end), kind(high)
    x = _unit(key0, key1, start, shape, kind is np.float64) * (most - least) + least
    if dt.is_narrow:
        x, most = widen(narrow(x, dt), dt), widen(narrow(np.asarray(most), dt), dt)
    return np.where(x < most, x, least)


row(
    "philox_uniform(Scalar key0, Scalar key1, Scalar start, Scalar low, Scalar high, int[] shape, dtype dtype) -> Tensor",
    rule=_rule, numpy=_uniform, lower=low.uniform, forms="",
    samples=lambda m: [((7.0, 1.0, 3.0, 0.0, 1.0, (3, 4), dt), {}) for dt in _FLOATS] + [
        ((4294967291.0, 4294967295.0, 1099511627776.0, -2.5, 4, (2, 3, 5), dt), {}) for dt in _FLOATS
    ] + [((0.0, 0.0, 0.0, 0.0, 1.0, (), float64), {}), ((0.0, 0.0, 0.0, 0.0, 1.0, (0, 3), float64), {})],
    doc="Uniform in [low, high), of 24 random bits (53 for float64). A 16-bit float that is rounded to "
    "high is low instead.",
)  # fmt: skip


def _normal(key0: float, key1: float, start: float, mean: Any, std: Any, shape: Any, dt: dtype) -> np.ndarray:
    kind = _working(dt)
    e, block = _pairs(key0, key1, start, 2 if kind is np.float64 else 4, shape)
    key = _key(key0, key1)
    odd = e & 1 != 0
    with np.errstate(over="ignore"):
        if kind is np.float64:
            first, turn = philox(block, np.int64(0), key), philox(block, np.int64(1), key)
            turn = np.where(odd, turn, turn + np.int64(1 << 62))
            u = ((first >> 11) & np.int64((1 << 53) - 1)).astype(kind) * 2.0**-53 + 2.0**-54
            angle = turn.astype(kind) * (math.pi * 2.0**-63)
        else:
            pair = philox(block, (e >> 1) & 1, key)
            turn = pair >> 32
            turn = np.where(odd, turn, turn + np.int64(1 << 30)).astype(np.int32)
            u = ((pair >> 1) & np.int64(0x7FFFFFFF)).astype(kind) * kind(2.0**-31) + kind(2.0**-32)
            angle = turn.astype(kind) * kind(math.pi * 2.0**-31)
    return np.sqrt(kind(-2) * np.log(u)) * np.sin(angle) * kind(std) + kind(mean)


row(
    "philox_normal(Scalar key0, Scalar key1, Scalar start, Scalar mean, Scalar std, int[] shape, dtype dtype) -> Tensor",
    rule=_rule, numpy=_normal, lower=low.normal, forms="",
    samples=lambda m: [((7.0, 1.0, 3.0, 0.0, 1.0, (3, 4), dt), {}) for dt in _FLOATS]
    + [((0.0, 256.0, 0.0, 2, 0.5, (2, 1, 5), dt), {}) for dt in _FLOATS],
    doc="Normal numbers by Box and Muller's formula: elements 2k and 2k + 1 are the cosine and the sine "
    "of one angle, times one radius.",
)  # fmt: skip


def _bits_rule(key0: type, key1: type, start: type, low_end: type, span: type, kind: str, shape: Any, dt: dtype) -> Spec:
    if kind not in ("narrow", "wide", "whole"):
        raise ValueError(f"there are narrow, wide and whole integers, not {kind}")
    return Spec(aval(shape, dt))


def _bits(
    key0: float, key1: float, start: float, low_end: int, span: int, kind: str, shape: Any, dt: dtype
) -> np.ndarray:
    with np.errstate(over="ignore"):
        if kind == "narrow":
            found = (_words(key0, key1, start, shape) * np.int64(span) >> 32) & _WORD
        else:
            x = _doubles(key0, key1, start, shape)
            found = x if kind == "whole" else _high_product(x, span)
        found = found + np.int64(low_end)
    return narrow(found, dt) if dt.is_narrow else found.astype(dt.np)


def _high_product(x: np.ndarray, span: int) -> np.ndarray:
    """The upper 64 bits of a product of unsigned numbers of 64 bits."""
    low_x, high_x = x & _WORD, (x >> 32) & _WORD
    low_s, high_s = np.int64(span & 0xFFFFFFFF), np.int64((span >> 32) & 0xFFFFFFFF)
    cross, other = high_x * low_s, low_x * high_s
    middle = ((low_x * low_s >> 32) & _WORD) + (cross & _WORD) + (other & _WORD)
    rest = (cross >> 32 & _WORD) + (other >> 32 & _WORD) + (middle >> 32 & _WORD)
    return high_x * high_s + rest  # type: ignore[no-any-return]


row(
    "philox_integers(Scalar key0, Scalar key1, Scalar start, Scalar low, Scalar span, str kind, int[] shape, dtype dtype)"
    " -> Tensor",
    rule=_bits_rule, numpy=_bits, lower=low.integers, forms="",
    samples=lambda m: [
        ((7.0, 1.0, 3.0, 0, 10, "narrow", (3, 4), int64), {}),
        ((7.0, 1.0, 3.0, -4, (1 << 32) - 1, "narrow", (13,), int64), {}),
        ((7.0, 1.0, 3.0, -1000, 3 << 60, "wide", (3, 4), int64), {}),
        ((9.0, 0.0, 1.0, 0, (1 << 33) + 1, "wide", (5,), int64), {}),
        ((7.0, 1.0, 3.0, 0, 0, "whole", (3, 4), int64), {}),
        ((7.0, 1.0, 3.0, -2, 20, "narrow", (2, 3), float16), {}),
        ((7.0, 1.0, 3.0, 0, 2, "narrow", (9,), bool_), {}),
    ],
    doc="Whole numbers in [low, low + span): random bits, taken for a fraction, times the span (Lemire, "
    "'Fast random integer generation in an interval', 2019, without the rejection: as close to equal "
    "shares as a remainder is). narrow: 32 bits, span below 2**32; wide: 64 bits; whole: all 64 bits.",
)  # fmt: skip


def _threshold(p: Any) -> np.int64:
    return np.int64(math.ceil(float(p) * (1 << 24)))


def _coins(key0: float, key1: float, start: float, p: Any, shape: Any) -> np.ndarray:
    return _words(key0, key1, start, shape) >> 8 < _threshold(p)


row(
    "philox_bernoulli(Scalar key0, Scalar key1, Scalar start, Scalar p, int[] shape, dtype dtype) -> Tensor",
    rule=lambda key0, key1, start, p, shape, dt: Spec(aval(shape, dt)), lower=low.bernoulli, forms="",
    numpy=lambda key0, key1, start, p, shape, dt: _coins(key0, key1, start, p, shape).astype(np.float32 if dt.is_narrow else dt.np),
    samples=lambda m: [((7.0, 1.0, 3.0, 0.3, (3, 4), dt), {}) for dt in _FLOATS] + [
        ((7.0, 1.0, 3.0, p, (5,), float32), {}) for p in (0, 1, 0.0, 1.0)
    ],
    doc="Ones with probability p (a multiple of 2**-24, rounded up), else zeros.",
)  # fmt: skip


def _dropped(x: np.ndarray, key0: float, key1: float, start: float, p: Any) -> np.ndarray:
    kept = _coins(key0, key1, start, 1.0 - p, x.shape)
    kind = x.dtype.type
    return x * np.where(kept, kind(1.0 / (1.0 - p)), kind(0))  # type: ignore[no-any-return]


row(
    "philox_dropout(Tensor input, Scalar key0, Scalar key1, Scalar start, Scalar p) -> Tensor",
    rule=lambda x, key0, key1, start, p: Spec(x), numpy=_dropped, lower=low.dropout, forms="",
    node="NativeDropout",
    grads={
        "input": lambda grad, key0, key1, start, p: call.philox_dropout(grad, key0, key1, start, p),
    },
    samples=lambda m: [((m(3, 4), 7.0, 1.0, 3.0, 0.4), {}), ((m(2, 3, 2), 5.0, 0.0, 0.0, 0.1), {}),
                       ((m(0), 7.0, 0.0, 3.0, 0.4), {}), ((m(), 1.0, 0.0, 2.0, 0.5), {})],
    doc="Zeros with probability p < 1, the rest times 1 / (1 - p). The gradient draws the same numbers "
    "again, so that no mask is kept.",
)  # fmt: skip

