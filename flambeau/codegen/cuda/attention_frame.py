"""What the kernels of attention share: their arguments, where a block is, and scores.

A block has a tile of rows of one head, and goes through tiles of columns. Rows are queries and columns
keys, or (for the gradients of keys and values) the other way round.
"""

from __future__ import annotations

from typing import NamedTuple

from ..ir_values import Val
from .attention_tiles import Tiles, element_size, from_float, pitch
from .ir import Divisor
from .special_code import (
    Code,
    Placed,
    Room,
    Target,
    Words,
    aligned,
    buffer,
    divisor_words,
)

BATCH = 3
"""Dimensions in front of rows and columns, at most."""


class Masking(NamedTuple):
    """What becomes of scores, in this order."""

    kind: str
    """"": nothing; "causal": keys behind the query get `fill`; "where": those where the mask holds
    get it; "unless": those where it does not; "bias": the mask is added."""
    nowhere: bool
    """Whether a query has no weights at all if all of its scores were filled ("bias": if all are equal
    to `fill`)."""


class Key(NamedTuple):
    """What a kernel knows when it is written."""

    what: str
    kind: str
    """How tiles are multiplied, see `Tiles`."""
    source: str
    """The dtype of queries, keys, values."""
    out: tuple[str, ...]
    """Those of the results."""
    masking: Masking
    d: int
    """Of queries and keys, rounded up to 16."""
    e: int
    """Of values."""
    rows: int
    columns: int
    whole: tuple[bool, ...]
    """For each operand, whether it is loaded in accesses of 16 bytes."""
    even: bool
    """Whether queries, keys and values have an even number of elements."""

    @property
    def threads(self) -> int:
        return 2 * self.rows

    def tile_bytes(self, rows: int, d: int) -> int:
        return rows * pitch(self.kind, d) * element_size(self.kind)

    @property
    def scratch_bytes(self) -> int:
        """Where `fma` has its weights."""
        return self.rows * (self.columns + 4) * 4 if self.kind == "fma" else 0


def rounded(n: int) -> int:
    return -(-n // 16) * 16


class Sizes(NamedTuple):
    batch: tuple[int, ...]
    """Three numbers."""
    queries: int
    keys: int
    d: int
    e: int


def operand_words(x: Placed) -> Words:
    """Of an array (batch..., rows, columns): where it is, the step of rows, and those of the batch."""
    steps = (0,) * (BATCH + 2 - len(x.shape)) + x.strides[:-2]
    return (buffer(x), x.strides[-2], *steps)


def mask_words(x: Placed) -> Words:
    """The same, with the step of columns first."""
    return (buffer(x), x.strides[-1], *operand_words(x)[1:])


def is_whole(room: Room, x: Placed) -> bool:
    """Whether rows can be loaded in accesses of 16 bytes."""
    steps = [s for n, s in zip(x.shape[:-1], x.strides[:-1], strict=True) if n > 1]
    return aligned(room, x) == 16 and all(n * x.itemsize % 16 == 0 for n in (x.shape[-1], *steps))


def common_words(s: Sizes, tiles: int) -> Words:
    out: Words = ()
    for n in s.batch:
        out = (*out, *divisor_words(n))
    return (*out, *divisor_words(tiles), s.queries, s.keys, s.d, s.e)


class Operand(NamedTuple):
    base: Val
    """Where this head's rows begin."""
    step: Val
    column: Val | None = None


class Frame:
    """A kernel in the making. Arguments are read in the order of calls."""

    def __init__(self, target: Target, symbol: str, k: Key, capability: int) -> None:
        self.k = k
        c = self.c = Code(target, symbol, True, k.threads)
        self.t = Tiles(c, k.kind, k.source, capability)
        self.batch: list[Divisor] = [c.over() for _ in range(BATCH)]
        tiles = c.over()
        self.queries, self.keys, self.d, self.e = c.wholes(4)
        self.head, tile = tiles.split(c.block_id())
        self.first = tile * k.rows
        self.at: list[Val] = []
        rest = self.head
        for size in reversed(self.batch):
            rest, place = size.split(rest)
            self.at.insert(0, place)

    def _begin(self, base: Val, steps: list[Val], element: str) -> Val:
        c, offset = self.c, self.c.const("i64", 0)
        for place, step in zip(self.at, steps, strict=True):
            offset = offset + c.wider(place) * step
        return c.at(base, offset, element)

    def operand(self, dtype: str) -> Operand:
        """The next array's head."""
        c = self.c
        base, step = c.buffer(), c.word()
        return Operand(self._begin(base, c.words(BATCH), _element(dtype)), step)

    def mask(self) -> Operand | None:
        kind = self.k.masking.kind
        if kind in ("", "causal"):
            return None
        c = self.c
        base, column, step = c.buffer(), c.word(), c.word()
        element = "float" if kind == "bias" else "i8"
        return Operand(self._begin(base, c.words(BATCH), element), step, column)

    def rows_of(self, x: Val, count: Val, width: Val, element: str) -> Val:
        """Where this head's rows begin in a dense array."""
        c = self.c
        return c.at(x, c.wider(self.head) * c.wider(count) * c.wider(width), element)


def _element(dtype: str) -> str:
    return {"float32": "float", "bool": "i8"}.get(dtype, "i16")


class Scores:
    """Makes scores of products. Its arguments are the scale and the fill, float32, and the mask."""

    def __init__(self, f: Frame) -> None:
        c = self.c = f.c
        self.f, self.masking = f, f.k.masking
        self.scale = c.load("float", c.buffer())
        self.fill = c.load("float", c.buffer())
        self.mask = f.mask()
        self.lowest = c.const("float", float("-inf"))

    @property
    def skips(self) -> Val:
        """Whether tiles that are all filled need not be looked at: causal, with -inf."""
        return self.fill.compare("oeq", self.lowest)

    def one(self, x: Val, query: Val, key: Val) -> tuple[Val, Val]:
        """(the score of a product, whether it was filled)."""
        c, kind = self.c, self.masking.kind
        s = x * self.scale
        none = c.const("i1", 0)
        if kind == "causal":
            filled = key.compare("sgt", query)
            return c.select(filled, self.fill, s), filled
        if self.mask is None:
            return s, none
        m = self.mask
        assert m.column is not None
        q, k = query.min(self.f.queries - 1), key.min(self.f.keys - 1)
        at = c.wider(q) * m.step + c.wider(k) * m.column
        if kind == "bias":
            s = s + c.load("float", m.base, at, invariant=True)
            return s, s.compare("oeq", self.fill)
        given = c.load("i8", m.base, at, invariant=True)
        filled = given.compare("ne" if kind == "where" else "eq", 0)
        return c.select(filled, self.fill, s), filled

    def gradient(self, d: Val, filled: Val) -> Val:
        """That of a product's score: nothing where it was filled."""
        if self.masking.kind in ("", "bias"):
            return d
        return self.c.select(filled, self.c.const("float", 0), d)


def store_row(f: Frame, values: list[list[Val]], to: Val, row: Val, width: Val, dtype: str) -> None:
    """A thread's two elements of each group of 8 columns, to a row of a dense array."""
    c, t = f.c, f.t
    begin = c.wider(row) * c.wider(width)
    for j, pair in enumerate(values):
        made = [from_float(c, v, dtype) for v in pair]
        column = t.column(j, 0)
        if f.k.even:
            with c.when(column < width):
                size = 4 if dtype == "float32" else 2
                c.store(c.vector_of(made), to, begin + c.wider(column), align=2 * size)
            continue
        for i, v in enumerate(made):
            with c.when(column + i < width):
                c.store(v, to, begin + c.wider(column + i))
