"""The loop language in NumPy: what a loop means, without LLVM.

Every value is an array over all dimensions, parallel ones first, of size 1 where it is the same
along a dimension. Operands are given so too: as views that broadcast to the extents, with one more
dimension at the end, the index's, where an input is gathered. bfloat16 is its bits in uint16.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..graph.elementwise import cast, constant, pointwise
from .loop import Loop, Stage, Statement

Array = np.ndarray[Any, Any]


def run(
    loop: Loop, extents: Sequence[int], operands: Sequence[Array], numbers: Sequence[float] = ()
) -> None:
    """Run a loop over inputs and outputs; the outputs are written."""
    Run(loop, tuple(extents), operands, numbers).all()


class Run:
    """One run of a loop."""

    def __init__(
        self, loop: Loop, extents: tuple[int, ...],
        operands: Sequence[Array], numbers: Sequence[float],
    ) -> None:  # fmt: skip
        self.loop = loop
        self.extents = extents
        self.inputs = operands[: len(loop.inputs)]
        self.outputs = operands[len(loop.inputs) :]
        self.numbers = numbers
        self.values: list[Any] = []

    def all(self) -> None:
        with np.errstate(all="ignore"):
            for stage in self.loop.stages:
                for s in stage.body:
                    self.values.append(self.one(stage, s))

    def one(self, stage: Stage, s: Statement) -> Any:
        """A statement's value."""
        args = [self.values[a] for a in s.args]
        if s.op == "load":
            return self.load(stage, s, *args)
        if s.op == "store":
            return self.store(stage, s, args[0])
        if s.op == "number":
            return cast(self.numbers[s.attr], "", s.dtype)
        if s.op == "const":
            return constant(s.attr, s.dtype)
        if s.op == "index":
            n = len(self.extents)
            shape = [-1 if d == s.attr else 1 for d in range(n)]
            return np.arange(self.extents[s.attr], dtype=np.int64).reshape(shape)
        if s.op == "cast":
            return cast(args[0], self.dtype(s.args[0]), s.dtype)
        if s.op == "reduce":
            return self.reduce(args[0], s)
        return pointwise(s.op, *args)

    def dtype(self, number: int) -> str:
        """Of an earlier statement."""
        return [s for stage in self.loop.stages for s in stage.body][number].dtype

    def load(self, stage: Stage, s: Statement, index: Array | None = None) -> Array:
        x = self.start(stage, self.inputs[s.attr])
        if index is None:
            return x.copy()  # The memory may be an output's.
        shape = np.broadcast_shapes(x.shape[:-1], index.shape)
        whole = np.broadcast_to(x, (*shape, x.shape[-1]))
        at = np.broadcast_to(index, shape)[..., None]
        return np.take_along_axis(whole, at, -1)[..., 0]

    def store(self, stage: Stage, s: Statement, x: Any) -> None:
        out = self.start(stage, self.outputs[s.attr])
        out[...] = np.broadcast_to(cast(x, self.dtype(s.args[0]), s.dtype), out.shape)

    def start(self, stage: Stage, x: Array) -> Array:
        """In a row stage: what lies at the first positions of the reduction dimensions."""
        if stage.level == "full":
            return x
        first = (slice(None),) * self.loop.par + (slice(0, 1),) * self.loop.red
        return x[first]

    def reduce(self, x: Any, s: Statement) -> Array:
        """Over all reduction dimensions, which stay with size 1."""
        par = self.extents[: self.loop.par]
        over = np.broadcast_to(x, (*np.broadcast_shapes(np.shape(x)[: self.loop.par] or par, par),
                                   *self.extents[self.loop.par :]))  # fmt: skip
        rows = over.reshape(*par, math.prod(self.extents[self.loop.par :]))
        out = REDUCE[s.attr](rows, s.dtype)
        return out.reshape(*par, *(1,) * self.loop.red)


# --- reductions ---------------------------------------------------------------------------------


def _extreme(name: str) -> Callable[[Array, str], Array]:
    def reduce(x: Array, dtype: str) -> Array:
        kind = np.dtype(dtype)
        worst: Any
        if kind.kind == "f":
            worst = math.inf if name == "min" else -math.inf
        elif kind.kind == "b":
            worst = name == "min"
        else:
            worst = np.iinfo(kind).max if name == "min" else np.iinfo(kind).min
        f = np.minimum if name == "min" else np.maximum
        return f.reduce(x.astype(kind), axis=-1, initial=worst)

    return reduce


def _first_extreme(f: Any) -> Callable[[Array, str], Array]:
    def reduce(x: Array, dtype: str) -> Array:
        if not x.shape[-1]:
            return np.zeros(x.shape[:-1], np.int64)
        return f(x, axis=-1)

    return reduce


REDUCE: dict[str, Callable[[Array, str], Array]] = {
    "sum": lambda x, dtype: np.asarray(np.sum(x, axis=-1, dtype=dtype)),
    "prod": lambda x, dtype: np.asarray(np.prod(x, axis=-1, dtype=dtype)),
    "min": _extreme("min"),
    "max": _extreme("max"),
    "any": lambda x, dtype: np.any(x != 0, axis=-1),
    "all": lambda x, dtype: np.all(x != 0, axis=-1),
    "argmax": _first_extreme(np.argmax),
    "argmin": _first_extreme(np.argmin),
}
