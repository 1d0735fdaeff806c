"""Random numbers by Philox, in primitives: all that an element needs is its place.

Numbers below 2**31 go to floats by way of int32, since conversions of 64-bit integers are slow on
GPUs. Elements of one block ask for the block's words in the same terms but for constants, so that a
thread that computes several of them computes the block once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .common import Node, is_float

_WORD = 0xFFFFFFFF


def _place(b: Any, shape: Sequence[int], each: int) -> tuple[Node, Node]:
    """The number of every element, in row-major order, as that of its group of `each` (2 or 4) and its
    place in it. Where groups end with rows, LLVM sees from these terms which neighbours share one."""
    shift = each.bit_length() - 1
    dims = [d for d, n in enumerate(shape) if n != 1]
    if not dims or 0 in shape:
        zero = b.full(shape, 0, "int64")
        return zero, zero
    last = b.iota(shape, dims[-1])
    even = shape[dims[-1]] % each == 0
    total, step = b.shr(last, shift) if even else last, shape[dims[-1]] // (each if even else 1)
    for d in reversed(dims[:-1]):
        along = b.iota(shape, d)
        total = b.add(along if step == 1 else b.mul(along, step), total)
        step *= shape[d]
    if even:
        return total, b.and_(last, each - 1)
    return b.shr(total, shift), b.and_(total, each - 1)


def _given(b: Any, key0: Node, key1: Node, start: Node) -> tuple[Node, Node]:
    """The key as one int64, and the first block's number."""
    low, high, start = (b.cast(x, "int64") for x in (key0, key1, start))
    return b.or_(low, b.shl(high, 32)), start


def _pair(b: Any, key: Node, start: Node, shape: Sequence[int]) -> tuple[Node, Node]:
    """The half of a block that has each element's 32 bits, and the element's place in the block."""
    block, place = _place(b, shape, 4)
    return b.philox(b.add(block, start), b.shr(place, 1), key), place


def _word(b: Any, key: Node, start: Node, shape: Sequence[int]) -> Node:
    """32 random bits for each element, at the low end of an int64 whose upper bits are any."""
    pair, place = _pair(b, key, start, shape)
    return b.select(b.eq(b.and_(place, 1), 0), pair, b.shr(pair, 32))


def _double(b: Any, key: Node, start: Node, shape: Sequence[int]) -> Node:
    """64 random bits for each element."""
    block, place = _place(b, shape, 2)
    return b.philox(b.add(block, start), place, key)


def _fraction(b: Any, bits: Node) -> Node:
    """The upper 24 of 32 bits, as int32."""
    return b.cast(b.and_(b.shr(bits, 8), 0xFFFFFF), "int32")


def _unit(b: Any, key: Node, start: Node, shape: Sequence[int], double: bool) -> Node:
    """Uniform in [0, 1)."""
    if double:
        top = b.and_(b.shr(_double(b, key, start, shape), 11), (1 << 53) - 1)
        return b.mul(b.cast(top, "float64"), 2.0**-53)
    return b.mul(b.cast(_fraction(b, _word(b, key, start, shape)), "float32"), 2.0**-24)


def _working(dtype: Any) -> str:
    return "float64" if dtype.name == "float64" else "float32"


def uniform(
    b: Any, key0: Node, key1: Node, start: Node, low: Node, high: Node, shape: Any, dtype: Any
) -> Node:
    key, start = _given(b, key0, key1, start)
    kind = _working(dtype)
    low, high = b.cast(low, kind), b.cast(high, kind)
    x = _unit(b, key, start, shape, kind == "float64")
    x = b.add(b.mul(x, b.sub(high, low)), low)
    if dtype.name != kind:
        x, high = (b.cast(b.cast(each, dtype.name), kind) for each in (x, high))
    return b.select(b.lt(x, high), x, low)


def normal(
    b: Any, key0: Node, key1: Node, start: Node, mean: Node, std: Node, shape: Any, dtype: Any
) -> Node:
    key, start = _given(b, key0, key1, start)
    kind = _working(dtype)
    if kind == "float64":
        block, place = _place(b, shape, 2)
        block, even = b.add(block, start), b.eq(place, 0)
        first, turn = b.philox(block, 0, key), b.philox(block, 1, key)
        turn = b.cast(b.select(even, b.add(turn, 1 << 62), turn), kind)
        u = b.cast(b.and_(b.shr(first, 11), (1 << 53) - 1), kind)
        u = b.add(b.mul(u, 2.0**-53), 2.0**-54)
        angle = b.mul(turn, math.pi * 2.0**-63)
    else:
        pair, place = _pair(b, key, start, shape)
        even = b.eq(b.and_(place, 1), 0)
        turn = b.shr(pair, 32)
        turn = b.cast(b.cast(b.select(even, b.add(turn, 1 << 30), turn), "int32"), kind)
        u = b.cast(b.cast(b.and_(b.shr(pair, 1), 0x7FFFFFFF), "int32"), kind)
        u = b.add(b.mul(u, 2.0**-31), 2.0**-32)
        angle = b.mul(turn, math.pi * 2.0**-31)
    # A cosine is the sine of a quarter turn more, which in whole numbers is exact.
    z = b.mul(b.sqrt(b.mul(b.log(u), -2.0)), b.sin(angle))
    return b.add(b.mul(z, b.cast(std, kind)), b.cast(mean, kind))


def integers(
    b: Any, key0: Node, key1: Node, start: Node, low: Node, span: Node, kind: str, shape: Any, dtype: Any
) -> Node | None:
    if not dtype.native:
        return None
    key, start = _given(b, key0, key1, start)
    low, span = b.cast(low, "int64"), b.cast(span, "int64")
    if kind == "narrow":
        word = b.and_(_word(b, key, start, shape), _WORD)
        found = b.and_(b.shr(b.mul(word, span), 32), _WORD)
    else:
        found = _double(b, key, start, shape)
        if kind == "wide":
            found = _high_product(b, found, span)
    return b.cast(b.add(found, low), dtype.name)


def _high_product(b: Any, x: Node, y: Node) -> Node:
    """The upper 64 bits of a product of unsigned numbers of 64 bits."""
    low = lambda z: b.and_(z, _WORD)  # noqa: E731
    high = lambda z: b.and_(b.shr(z, 32), _WORD)  # noqa: E731
    cross, other = b.mul(high(x), low(y)), b.mul(low(x), high(y))
    middle = b.add(b.add(high(b.mul(low(x), low(y))), low(cross)), low(other))
    rest = b.add(b.add(high(cross), high(other)), high(middle))
    return b.add(b.mul(high(x), high(y)), rest)


def _coins(b: Any, key: Node, start: Node, p: Node, shape: Any) -> Node:
    """Where the coin has fallen on its side of probability p."""
    limit = b.cast(b.ceil(b.mul(b.cast(p, "float64"), float(1 << 24))), "int32")
    return b.lt(_fraction(b, _word(b, key, start, shape)), limit)


def bernoulli(
    b: Any, key0: Node, key1: Node, start: Node, p: Node, shape: Any, dtype: Any
) -> Node | None:
    key, start = _given(b, key0, key1, start)
    return b.cast(_coins(b, key, start, p, shape), dtype.name) if dtype.native else None


def dropout(b: Any, x: Node, key0: Node, key1: Node, start: Node, p: Node) -> Node | None:
    if not is_float(x):
        return None
    key, start = _given(b, key0, key1, start)
    keeps = b.sub(1.0, b.cast(p, "float64"))
    kept = _coins(b, key, start, keeps, x.shape)
    scale = b.cast(b.div(1.0, keeps), x.dtype)
    return b.mul(x, b.select(kept, scale, b.const(0.0, x.dtype)))
