"""Rewrites: what they make of a graph, and that it means the same."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from flambeau.core.layout import contiguous_strides
from flambeau.graph.access import resolve
from flambeau.graph.evaluate import evaluate, ordered
from flambeau.graph.ir import Builder, Node
from flambeau.graph.simplify import simplify

from ..codegen.graph_random import RandomGraph


def kinds(outputs: list[Node]) -> Counter[str]:
    return Counter(n.attr[0] if n.op == "special" else n.op for n in ordered(outputs))


def inputs(b: Builder, *shapes: tuple[int, ...]) -> list[Node]:
    return [b.make("input", (), i, s, "float32") for i, s in enumerate(shapes)]


def same(before: list[Node], after: list[Node], arrays: list[Any]) -> None:
    for a, b in zip(evaluate(before, arrays), evaluate(after, arrays), strict=True):
        np.testing.assert_allclose(a, b, 1e-5, 1e-5)


def arrays(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s).astype(np.float32) for s in shapes]


def test_random_graphs_mean_the_same() -> None:
    for seed in range(100):
        g = RandomGraph(seed)
        after = simplify(list(g.outputs))
        for a, b in zip(
            evaluate(g.outputs, g.arrays, g.numbers), evaluate(after, g.arrays, g.numbers), strict=True
        ):
            np.testing.assert_array_equal(a, b)
        check_memory(after)


def check_memory(outputs: list[Node]) -> None:
    """Arguments are numbered lower; every view can be seen through; outputs have memory."""
    for node in ordered(outputs):
        assert all(a.number < node.number for a in node.args), node
        assert node.op != "view" or resolve(node).base.op != "view", node
    assert all(x.op not in ("view", "input", "const", "number") for x in outputs)


def test_a_bias_joins_the_product() -> None:
    b = Builder()
    x, w, c = inputs(b, (4, 3), (3, 2), (2,))
    outputs = [b.add(b.matmul(x, w), c)]
    after = simplify(outputs)
    assert kinds(after) == {"input": 3, "matmul_bias": 1}
    same(outputs, after, arrays((4, 3), (3, 2), (2,)))


def test_a_product_that_is_read_twice_stays() -> None:
    b = Builder()
    x, w, c = inputs(b, (4, 3), (3, 2), (2,))
    product = b.matmul(x, w)
    assert kinds(simplify([b.add(product, c), product]))["matmul_bias"] == 0


def test_a_transposed_product_is_the_product_of_the_transposed() -> None:
    b = Builder()
    x, w = inputs(b, (4, 3), (3, 2))
    outputs = [b.permute(b.matmul(x, w), (1, 0))]
    after = simplify(outputs)
    assert after[0].attr[0] == "matmul" and kinds(after)["copy"] == 0
    same(outputs, after, arrays((4, 3), (3, 2)))


def test_pooling_and_relu_are_one_kernel_each_way() -> None:
    b = Builder()
    x, g = inputs(b, (1, 2, 4, 4), (1, 2, 2, 2))
    params = (2, 2), (2, 2), (0, 0), (1, 1), False
    y = b.max(x, 0.0)
    pooled = b.special("max_pool", params, (y,), (1, 2, 2, 2), "float32")
    back = b.special("max_pool_backward", params, (g, y), y.shape, "float32")
    outputs = [pooled, b.select(b.le(y, 0.0), 0.0, back)]
    after = simplify(outputs)
    assert kinds(after)["relu_max_pool"] == 1 and kinds(after)["max_pool_backward_relu"] == 1
    same(outputs, after, arrays((1, 2, 4, 4), (1, 2, 2, 2)))


def test_kernels_read_row_major_memory() -> None:
    b = Builder()
    (x,) = inputs(b, (4, 3))
    turned = b.permute(x, (1, 0))
    scanned = b.special("scan", ("sum", 0), (turned,), (3, 4), "float32")
    after = simplify([scanned])
    assert after[0].args[0].op == "copy"
    same([scanned], after, arrays((4, 3)))
    crossed = b.reshape(turned, (12,))
    assert kinds(simplify([b.exp(b.view(crossed, (6,), contiguous_strides((6,))))]))["copy"] == 1
