"""Bounds of rounding: they hold, and they are not far too wide."""

from __future__ import annotations

import numpy as np

from flambeau.graph.ir import Builder, Node
from flambeau.graph.rounding import evaluate


def graph(dtype: str, kind: str) -> tuple[Node, Node, Node]:
    b = Builder()
    x = b.make("input", (), 0, (50, 400), dtype)
    w = b.make("input", (), 1, (400, 3), dtype)
    if kind == "softmax":
        e = b.exp(b.sub(x, b.amax(x, [1], True)))
        return x, w, b.div(e, b.sum(e, [1], True))
    if kind == "product":
        return x, w, b.tanh(b.matmul(x, w))
    if kind == "variance":
        middle = b.sub(x, b.mean(x, [1], True))
        return x, w, b.sqrt(b.mean(b.mul(middle, middle), [1]))
    return x, w, b.select(b.gt(b.mul(x, 3.0), b.sum(x, [0], True)), b.exp(x), b.neg(x))


def test_float32_is_within_its_bound_of_float64() -> None:
    rng = np.random.default_rng(0)
    given = [rng.standard_normal(s).astype(np.float32) for s in ((50, 400), (400, 3))]
    for kind in ("softmax", "product", "variance", "select"):
        x, w, out = graph("float32", kind)
        found = evaluate([out], {x: given[0], w: given[1]})[0]
        x, w, out = graph("float64", kind)
        exact = evaluate([out], {x: given[0].astype(float), w: given[1].astype(float)})[0].value
        error = np.abs(found.value - exact)
        assert np.all(error <= found.bound), kind
        assert np.median(found.bound) < 1e-3 * np.median(np.abs(exact)), kind


def test_what_is_uncertain_is_known() -> None:
    b = Builder()
    x = b.make("input", (), 0, (2,), "float32")
    y = b.mul(x, 1 / 3)
    outputs = [b.cast(b.gt(y, 1.0), "float32"), b.max(x, 0.0)]
    chosen, exact = evaluate(outputs, {x: np.array([3, 9], "f")})
    assert list(chosen.bound > 0) == [True, False]
    assert exact.bound is None
