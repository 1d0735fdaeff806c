"""Random graphs of the compiler: elementwise chains, reductions, views, gathering, products."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np

from flambeau.core.layout import contiguous_strides
from flambeau.graph.ir import Builder, Node

SIZES = (1, 1, 2, 3, 3, 4, 5, 8, 17, 33)
LARGE = (1, 2, 7, 64, 130, 530, 1100, 4100)
"""More than the vectors, blocks and tasks that loops are cut into."""
MOST = 100_000
"""Elements of an array."""
FLOATS = ("float32", "float32", "float32", "float64")


class RandomGraph:
    """`outputs`, with `arrays` and `numbers` for the inputs that they are made of."""

    def __init__(self, seed: int, length: int | None = None) -> None:
        self.rng = random.Random(seed)
        self.numpy = np.random.default_rng(seed)
        self.b = Builder()
        self.dtype = self.rng.choice(FLOATS)
        self.sizes = self.rng.sample(LARGE if seed % 5 == 4 else SIZES, 3)
        self.special = seed % 7 == 3
        """Whether there are NaN and infinities among the inputs."""
        self.arrays: list[np.ndarray] = []
        self.numbers: list[float] = []
        self.pool: list[Node] = [self.input() for _ in range(self.rng.randint(1, 3))]
        for _ in range(length or self.rng.choice([4, 8, 16, 40])):
            made = self.step()
            if made is not None and 0 < made.numel <= MOST:
                self.pool.append(made)
        count = self.rng.randint(1, 3)
        late = self.pool[len(self.arrays) :] or self.pool
        self.outputs = [self.rng.choice(late) for _ in range(count)] + [self.pool[-1]]

    # --- leaves ---------------------------------------------------------------------------------

    def shape(self) -> tuple[int, ...]:
        while True:
            shape = tuple(self.rng.choice(self.sizes) for _ in range(self.rng.randint(0, 3)))
            if math.prod(shape) <= MOST:
                return shape

    def input(self, shape: tuple[int, ...] | None = None) -> Node:
        shape = self.shape() if shape is None else shape
        values = np.round(self.numpy.uniform(-2, 2, shape) * 4) / 4
        if self.special:
            at = self.numpy.random(shape) < 0.05
            values = np.where(at, self.numpy.choice([np.nan, np.inf, -np.inf, -0.0], shape), values)
        self.arrays.append(np.asarray(values, self.dtype))
        return self.b.make("input", (), len(self.arrays) - 1, shape, self.dtype)

    def index(self, shape: tuple[int, ...], size: int) -> Node:
        self.arrays.append(self.numpy.integers(0, size, shape))
        return self.b.make("input", (), len(self.arrays) - 1, shape, "int64")

    def number(self) -> Node:
        self.numbers.append(self.rng.choice([0.5, -1.5, 2.0]))
        return self.b.cast(self.b.make("number", (), len(self.numbers) - 1, (), "float64"), self.dtype)

    def some(self) -> Node:
        if self.rng.random() < 0.1:
            self.pool.append(self.input())
        return self.rng.choice(self.pool[-6:] if self.rng.random() < 0.7 else self.pool)

    def like(self, shape: tuple[int, ...]) -> Node:
        """A node that broadcasts with a shape."""
        fitting = [x for x in self.pool if _broadcasts(x.shape, shape)]
        if fitting and self.rng.random() < 0.8:
            return self.rng.choice(fitting)
        return self.number() if self.rng.random() < 0.5 else self.input(shape)

    # --- operations -----------------------------------------------------------------------------

    def step(self) -> Node | None:
        kind = self.rng.choice(
            ["unary", "binary", "binary", "select", "reduce", "reduce", "normalise", "view", "view",
             "take", "matmul", "write", "cat", "iota", "copy"]
        )  # fmt: skip
        made: Node | None = getattr(self, kind)(self.some())
        return made

    def unary(self, x: Node) -> Node:
        b = self.b
        whole = b.rint(b.min(b.max(x, -99.0), 99.0))
        if not self.special:  # NaN is no certain integer
            whole = b.cast(whole, "int32")
        return self.rng.choice([
            lambda: b.neg(x), lambda: b.abs(x), lambda: b.tanh(x), lambda: b.exp(b.min(x, 1.0)),
            lambda: b.sqrt(b.add(b.abs(x), 0.5)), lambda: b.mul(x, 0.5), lambda: b.max(x, 0.0),
            lambda: b.cast(whole, self.dtype),
        ])()  # fmt: skip

    def binary(self, x: Node) -> Node:
        y = self.like(x.shape)
        op = self.rng.choice(["add", "sub", "mul", "min", "max"])
        return self.b.pointwise(op, *self.rng.sample([x, y], 2))

    def select(self, x: Node) -> Node:
        y = self.like(x.shape)
        return self.b.select(self.b.pointwise(self.rng.choice(["gt", "le"]), x, y), x, y)

    def _dims(self, x: Node) -> list[int]:
        return self.rng.sample(range(x.ndim), self.rng.randint(1, x.ndim))

    def reduce(self, x: Node) -> Node | None:
        if not x.ndim:
            return None
        kind = self.rng.choice(["sum", "sum", "max", "min", "any", "argmax"])
        dims = self._dims(x)[: 1 if kind == "argmax" else None]
        if kind == "any":
            x = self.b.gt(x, 1.0)
        return self.b.cast(self.b.reduce(kind, x, dims, self.rng.random() < 0.5), self.dtype)

    def normalise(self, x: Node) -> Node | None:
        """A reduction and what is done with it along the same dimensions."""
        if not x.ndim:
            return None
        dims = self._dims(x)
        top = self.b.reduce("max", x, dims, True)
        e = self.b.exp(self.b.sub(x, top))
        return self.b.div(e, self.b.sum(e, dims, True))

    def view(self, x: Node) -> Node:
        b, shape = self.b, x.shape
        how = self.rng.choice(["permute", "reshape", "expand", "slice", "merge", "offset"])
        if how == "permute":
            return b.permute(x, self.rng.sample(range(x.ndim), x.ndim))
        if how == "reshape":
            at = self.rng.randint(0, x.ndim)
            return b.reshape(x, (*shape[:at], 1, *shape[at:]))
        if how == "merge":
            return b.reshape(x, (x.numel,))
        if how == "expand":
            return b.expand(x, (self.rng.choice(self.sizes), *shape))
        if how == "offset" and x.ndim:
            return self._moved(x)
        strides, offset, sizes = list(contiguous_strides(shape)), 0, list(shape)
        for d in range(x.ndim):
            start = self.rng.randint(0, shape[d] - 1)
            step = self.rng.choice([1, 1, 2])
            sizes[d] = -(-(shape[d] - start) // step)
            offset += start * strides[d]
            strides[d] *= step
        return b.view(x, sizes, strides, offset)

    def _moved(self, x: Node) -> Node:
        """One of x[0], x[1], ..., which one being known at run time."""
        strides = contiguous_strides(x.shape)
        self.numbers.append(self.rng.randint(0, x.shape[0] - 1) * strides[0])
        place = self.b.make("number", (), len(self.numbers) - 1, (), "int64")
        return self.b.view(x, x.shape[1:], strides[1:], 0, place)

    def take(self, x: Node) -> Node | None:
        if not x.ndim:
            return None
        dim = self.rng.randrange(x.ndim)
        return self.b.take(x, self.index(self.shape()[:2], x.shape[dim]), dim)

    def matmul(self, x: Node) -> Node | None:
        if x.ndim != 2:
            return None
        y = next((y for y in self.pool if y.ndim == 2 and y.shape[0] == x.shape[1]), None)
        return self.b.matmul(x, self.input((x.shape[1], 3)) if y is None else y)

    def write(self, x: Node) -> Node | None:
        if not x.ndim:
            return None
        d = self.rng.randrange(x.ndim)
        strides = contiguous_strides(x.shape)
        shape = (*x.shape[:d], *x.shape[d + 1 :])
        layout = shape, (*strides[:d], *strides[d + 1 :])
        value = self.b.expand(self.number(), shape) if self.rng.random() < 0.5 else self.input(shape)
        offset = self.rng.randrange(x.shape[d]) * strides[d]
        place = self.b.const(offset, "int64")
        return self.b.special("write", layout, (x, value, place), x.shape, x.dtype)

    def cat(self, x: Node) -> Node | None:
        others = [y for y in self.pool if y.shape == x.shape]
        if not x.ndim:
            return None
        d = self.rng.randrange(x.ndim)
        shape = (*x.shape[:d], 2 * x.shape[d], *x.shape[d + 1 :])
        return self.b.special("cat", (d,), (x, self.rng.choice(others)), shape, x.dtype)

    def iota(self, x: Node) -> Node | None:
        if not x.ndim:
            return None
        places = self.b.iota(x.shape, self.rng.randrange(x.ndim))
        return self.b.add(x, self.b.mul(self.b.cast(places, self.dtype), 0.25))

    def copy(self, x: Node) -> Node:
        return self.b.make("copy", (x,), None, x.shape, x.dtype)


def _broadcasts(a: Any, b: tuple[int, ...]) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(reversed(a), reversed(b)))
