"""Whole graphs, simplified, fused, planned and run, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from flambeau.engine.verify import difference
from flambeau.graph.rounding import evaluate
from flambeau.runtime import native

from .graph_random import RandomGraph

pytestmark = pytest.mark.skipif(not native.available(), reason="there is no compiler here")

GRAPHS, BATCH = 120, 20


def check(seed: int) -> None:
    from .graph_runner import Run

    g = RandomGraph(seed)
    inputs = {n: g.arrays[n.attr] for n in g.b.nodes if n.op == "input"}
    expected = evaluate(g.outputs, inputs, g.numbers)
    first = None
    for fusing, taking_over in ((True, False), (True, True), (False, False)):
        run = Run(g.outputs, g.arrays, g.numbers, fusing=fusing, taking_over=taking_over)
        for node, have, want in zip(g.outputs, run.results, expected, strict=True):
            found = difference(have, want, node.dtype)
            assert not found, f"seed {seed}, fusing {fusing}, {taking_over}: {node}: {found}"
        if first is None:
            first = [r.copy() for r in run.results]
        elif fusing:
            for a, b in zip(first, run.results, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("first", range(0, GRAPHS, BATCH))
def test_random_graphs(first: int) -> None:
    for seed in range(first, first + BATCH):
        check(seed)
