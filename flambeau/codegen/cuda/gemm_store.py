"""What becomes of a product's sums: bias, what is there already, an activation, rounding, storing.

    out = activation(sum + bias + out)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from .. import vectormath
from ..ir_values import Val
from ..loop_values import Lanes
from .gemm_code import HELD, Code, both
from .gemm_index import Place, Reader
from .ir import Writes

ACTIVATIONS = ("", "relu", "gelu", "gelu_tanh")


class Out(NamedTuple):
    """A result, as far as code depends on it."""

    dtype: str
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    """The keys of its axes."""
    vector: int
    """Neighbouring columns that are stored at a time."""
    bias: str = ""
    """Its dtype; "": there is none."""
    bias_by: str = ""
    """What it depends on: "m" (rows), "n" (columns), "mn"."""
    accumulate: bool = False
    activation: str = ""


class Writer:
    """Writes what stores a thread's sums. Its words are the next of the arguments'."""

    def __init__(self, code: Code, out: Out, wide: bool) -> None:
        self.code, self.out = code, out
        self.base = code.buffer()
        self.rows, self.columns = Reader(code, out.rows, wide), Reader(code, out.columns, wide)
        if out.bias:
            self.bias = code.buffer()
            self.bias_rows, self.bias_columns = code.word(self.rows.type), code.word(self.rows.type)
        self.kept: dict[Any, Any] = {}
        self.called: set[Any] = set()

    def begin(self, batch: Val, bias_batch: Val | None, m: Val, n: Val) -> None:
        """Once a block: the batch's offsets in elements, and how many rows and columns there are."""
        c, o = self.code, self.out
        self.m, self.n = m, n
        self.origin = c.at(self.base, batch, HELD[o.dtype])
        if o.bias and bias_batch is not None:
            self.bias = c.at(self.bias, bias_batch, HELD[o.bias])

    def store(self, row: Val, column: Val, cells: Iterable[tuple[int, int, list[Val]]]) -> None:
        """Sums of neighbouring columns, by how far they are from a thread's first row and column."""
        for i, j, sums in cells:
            v = min(self.out.vector, len(sums))
            for first in range(0, len(sums), v):
                self._one(row, column, i, j + first, sums[first : first + v])

    def _row(self, row: Val, i: int) -> tuple[Val, Place, Val]:
        if ("row", i) not in self.kept:
            r = row + i
            self.kept["row", i] = (r, self.rows.at(r), r < self.m)
        return self.kept["row", i]  # type: ignore[no-any-return]

    def _column(self, column: Val, j: int) -> tuple[Val, Place, Val]:
        if ("column", j) not in self.kept:
            at = column + j
            self.kept["column", j] = (at, self.columns.at(at), at < self.n)
        return self.kept["column", j]  # type: ignore[no-any-return]

    def _one(self, row: Val, column: Val, i: int, j: int, sums: list[Val]) -> None:
        c, o = self.code, self.out
        r, row_place, row_there = self._row(row, i)
        at, column_place, column_there = self._column(column, j)
        there = both(row_there, column_there)
        if o.bias:
            sums = [x + self._bias(r, column, i, j + k) for k, x in enumerate(sums)]
        address = c.at(self.origin, row_place.offset + column_place.offset, HELD[o.dtype])
        if o.accumulate:
            old = c.load_where(HELD[o.dtype], len(sums), address, there, constant=False)
            sums = [x + c.widened(y, o.dtype) for x, y in zip(sums, old, strict=True)]
        sums = [self._activated(x) for x in sums]
        c.store_where([c.rounded(x, o.dtype) for x in sums], address, there)

    def _bias(self, r: Val, column: Val, i: int, j: int) -> Val:
        c, o = self.code, self.out
        key = ("bias", i if "m" in o.bias_by else 0, j if "n" in o.bias_by else 0)
        if key not in self.kept:
            at, _, there = self._column(column, j)
            where: Val | None = None
            offset = c.const(self.rows.type, 0)
            if "m" in o.bias_by:
                offset = offset + r.to(self.rows.type) * self.bias_rows
                where = r < self.m
            if "n" in o.bias_by:
                offset = offset + at.to(self.rows.type) * self.bias_columns
                where = both(where, there)
            (x,) = c.load_where(HELD[o.bias], 1, c.at(self.bias, offset, HELD[o.bias]), where)
            self.kept[key] = c.widened(x, o.bias)
        return self.kept[key]  # type: ignore[no-any-return]

    def _activated(self, x: Val) -> Val:
        c, name = self.code, self.out.activation
        if not name:
            return x
        if name == "relu":  # NaN stays
            return c.select(x < 0.0, c.const(x.type, 0), x)
        dtype = "float32" if x.type == "float" else "float64"
        v = Lanes(Writes(c), c.target, 1, self.called)

        def do(op: str, *args: str | float) -> str:
            return v.apply(op, dtype, [a if isinstance(a, str) else v.const(a, dtype) for a in args])

        if name == "gelu":
            bent = do("erf", do("mul", x.text, 0.5**0.5))
        else:
            cube = do("mul", do("mul", do("mul", x.text, x.text), x.text), 0.044715)
            bent = do("tanh", do("mul", do("add", x.text, cube), 0.7978845608028654))
        return Val(c, x.type, do("mul", do("mul", x.text, 0.5), do("add", bent, 1.0)))

    def finish(self) -> None:
        """Define what was called."""
        for dtype in sorted({d for _, _, d in self.called}):
            names = [n for n, _, d in self.called if d == dtype]
            self.code.define(vectormath.functions(self.code.target, 1, dtype, names)[0])
