"""Keys with indices in shared memory, and putting them in order there."""

from __future__ import annotations

from .special_code import Code, Val
from .special_order_keys import Keys, before


def pair_bytes(k: Keys) -> int:
    """Bytes of a key with its index."""
    return 12 if k.type == "i64" else 8


class Pairs:
    """`count` (i32) pairs of a key and an index (i32): one word of 64 bits, or two arrays."""

    def __init__(self, c: Code, k: Keys, memory: Val, count: Val) -> None:
        self.c, self.count = c, count
        self.whole = k.type == "i32"
        self.keys = memory
        self.numbers = memory if self.whole else c.at(memory, count * 8, "i8")

    def put(self, place: Val, key: Val, index: Val) -> None:
        c = self.c
        if self.whole:
            both = c.shifted("shl", c.value("i64", f"zext {key} to i64"), 32)
            c.store(both | c.value("i64", f"zext {index} to i64"), self.keys, place)
        else:
            c.store(key, self.keys, place)
            c.store(index, self.numbers, place)

    def index(self, place: Val) -> Val:
        c = self.c
        if self.whole:  # the low half
            return c.load("i32", self.keys, place * 2)
        return c.load("i32", self.numbers, place)

    def order(self, i: Val, j: Val, up: Val) -> None:
        """The pairs at two places, the one that comes first at i if `up`, else at j."""
        c = self.c
        a, b = c.load("i64", self.keys, i), c.load("i64", self.keys, j)
        if self.whole:
            with c.when(c.unsigned("lt", b, a).compare("eq", up)):
                c.store(b, self.keys, i)
                c.store(a, self.keys, j)
            return
        m, n = c.load("i32", self.numbers, i), c.load("i32", self.numbers, j)
        with c.when(before(c, b, n, a, m).compare("eq", up)):
            c.store(b, self.keys, i)
            c.store(a, self.keys, j)
            c.store(n, self.numbers, i)
            c.store(m, self.numbers, j)


def sort_pairs(c: Code, pairs: Pairs) -> None:
    """All pairs in order, their count being a power of two and no two equal, by all threads of the
    block (bitonic: Batcher 1968). Between barriers: what is there was put before, and is seen after."""
    half = pairs.count // 2
    size = c.var(c.i32(2))
    with c.loop_while(lambda: size.get() <= pairs.count):
        step = c.var(size.get() // 2)
        with c.loop_while(lambda: step.get() > 0):
            c.barrier()
            j = step.get()
            with c.loop(c.thread_id(), half, c.block_size()) as p:
                low = p & (j - 1)
                i = c.shifted("shl", p - low, 1) + low
                pairs.order(i, i + j, (i & size.get()).compare("eq", 0))
            step.set(c.shifted("lshr", j, 1))
        size.set(c.shifted("shl", size.get(), 1))
    c.barrier()
