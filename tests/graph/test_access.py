"""Views of views, resolved: the same elements as NumPy's."""

from __future__ import annotations

import random

import numpy as np

from flambeau.core.layout import contiguous_strides
from flambeau.graph.access import compose, resolve, spread
from flambeau.graph.evaluate import evaluate
from flambeau.graph.ir import Builder, Node

SIZES = (1, 2, 3, 4)


def random_view(rng: random.Random, b: Builder, x: Node) -> Node:
    how = rng.choice(["permute", "reshape", "merge", "expand", "slice"])
    shape = x.shape
    if how == "permute":
        return b.permute(x, rng.sample(range(x.ndim), x.ndim))
    if how == "reshape":
        at = rng.randint(0, x.ndim)
        return b.reshape(x, (*shape[:at], 1, *shape[at:]))
    if how == "merge":
        return b.reshape(x, (x.numel,))
    if how == "expand":
        return b.expand(x, (rng.choice(SIZES), *shape))
    strides, offset, sizes = list(contiguous_strides(shape)), 0, list(shape)
    for d in range(x.ndim):
        start, step = rng.randint(0, shape[d] - 1), rng.choice([1, 2])
        sizes[d] = -(-(shape[d] - start) // step)
        offset += start * strides[d]
        strides[d] *= step
    return b.view(x, sizes, strides, offset)


def test_resolved_views_are_the_same_elements() -> None:
    seen_through = 0
    for seed in range(400):
        rng = random.Random(seed)
        b = Builder()
        shape = tuple(rng.choice(SIZES) for _ in range(rng.randint(1, 3)))
        x = node = b.make("input", (), 0, shape, "float32")
        for _ in range(rng.randint(1, 4)):
            node = random_view(rng, b, node)
        given = np.arange(x.numel, dtype=np.float32).reshape(shape)
        access = resolve(node)
        base, want = evaluate([access.base, node], [given])
        flat = base.reshape(-1)[access.offset :]
        steps = [s * 4 for s in access.strides]
        have = np.lib.stride_tricks.as_strided(flat, node.shape, steps)
        np.testing.assert_array_equal(have, want)
        seen_through += access.base is x
    assert seen_through > 250


def test_a_view_that_crosses_dimensions_is_not_composed() -> None:
    transposed = (2, 3), (1, 2)
    assert compose(*transposed, 0, ((6,), (1,), 0)) is None
    assert compose(*transposed, 0, ((2, 3), (3, 1), 0)) == ((1, 2), 0)
    assert compose((6,), (0,), 5, ((2, 3), (3, 1), 0)) == ((0, 0), 5)


def test_run_time_offsets_are_kept() -> None:
    b = Builder()
    x = b.make("input", (), 0, (4, 3), "float32")
    place = b.make("number", (), 0, (), "int64")
    row = b.view(x, (3,), (1,), 0, place)
    access = resolve(b.reshape(row, (1, 3)))
    assert (access.base, access.strides, access.run_time) == (x, (0, 1), (place,))
    turned = b.view(b.permute(x, (1, 0)), (4,), (1,), 0, place)
    assert resolve(turned).base.op == "view"  # the offset counts in other memory


def test_spread_tells_repeated_dimensions() -> None:
    b = Builder()
    x = b.make("input", (), 0, (3, 4), "float32")
    assert spread(x, resolve(b.expand(x, (2, 3, 4))), (2, 3, 4)) == (1, 2)
    assert spread(x, resolve(b.permute(x, (1, 0))), (4, 3)) == (1, 0)
    assert spread(x, resolve(b.view(x, (3,), (4,))), (3,)) is None
    assert spread(x, resolve(b.view(x, (3, 2), (4, 1))), (3, 2)) is None
