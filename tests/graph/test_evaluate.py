"""The compiler's graph, evaluated in NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from flambeau.codegen import loop
from flambeau.graph.elementwise import POINTWISE
from flambeau.graph.evaluate import SPECIALS, evaluate, special
from flambeau.graph.ir import Builder, Node

RNG = np.random.default_rng(0)


def given(b: Builder, *arrays: Any) -> list[Node]:
    return [b.make("input", (), i, a.shape, a.dtype.name) for i, a in enumerate(arrays)]


def one(f: Any, *arrays: Any, numbers: Any = ()) -> Any:
    """The result of a graph built by f(builder, *inputs)."""
    b = Builder()
    return evaluate([f(b, *given(b, *arrays))], arrays, numbers)[0]


def floats(*shape: int) -> Any:
    return RNG.standard_normal(shape)


def test_every_pointwise_operation_has_a_meaning() -> None:
    assert set(POINTWISE) == loop.UNARY | loop.BINARY | loop.TERNARY


@pytest.mark.parametrize("op", sorted(loop.UNARY - {"not"}))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_unary_keeps_the_dtype(op: str, dtype: str) -> None:
    x = np.array([0.0, -0.0, 0.5, math.nan, math.inf], dtype)
    out = one(lambda b, x: b.pointwise(op, x), x)
    assert out.dtype == ("bool" if op == "isnan" else dtype)
    if op in ("neg", "tanh", "erf", "expm1", "sin", "rint"):
        assert np.signbit(out[1]) == (op != "neg") and np.isnan(out[3])


def test_softmax() -> None:
    x = floats(3, 5)

    def softmax(b: Builder, x: Node) -> Node:
        e = b.exp(b.sub(x, b.amax(x, (-1,), True)))
        return b.div(e, b.sum(e, (-1,), True))

    want = np.exp(x) / np.exp(x).sum(-1, keepdims=True)
    np.testing.assert_allclose(one(softmax, x), want, 1e-12)


def test_nan_in_extremes() -> None:
    x, y = np.array([math.nan, 1.0, 2.0]), np.array([0.0, math.nan, 3.0])
    np.testing.assert_array_equal(one(lambda b, x, y: b.max(x, y), x, y), [math.nan, math.nan, 3])
    np.testing.assert_array_equal(one(lambda b, x, y: b.fmax(x, y), x, y), [0, 1, 3])
    assert one(lambda b, x: b.reduce("argmax", x), y) == 1
    assert math.isnan(one(lambda b, x: b.reduce("min", x), y))


def test_bools_and_integers() -> None:
    p, q = np.array([True, True, False]), np.array([True, False, False])
    np.testing.assert_array_equal(one(lambda b, x, y: b.add(x, y), p, q), [True, True, False])
    np.testing.assert_array_equal(one(lambda b, x, y: b.mul(x, y), p, q), [True, False, False])
    x = np.array([-7, 7, 5], np.int32)
    np.testing.assert_array_equal(one(lambda b, x: b.floordiv(x, 2), x), [-4, 3, 2])
    np.testing.assert_array_equal(one(lambda b, x: b.remainder(x, 0), x), [0, 0, 0])
    np.testing.assert_array_equal(one(lambda b, x: b.rint(x), x), x)
    big = np.array([2**31 - 1], np.int32)
    np.testing.assert_array_equal(one(lambda b, x: b.add(x, 1), big), [-(2**31)])


def test_casts() -> None:
    x = np.array([1.7, -1.7, 0.0])
    np.testing.assert_array_equal(one(lambda b, x: b.cast(x, "int64"), x), [1, -1, 0])
    np.testing.assert_array_equal(one(lambda b, x: b.cast(x, "bool"), x), [True, True, False])
    narrow = one(lambda b, x: b.cast(x, "bfloat16"), np.array([1.0, 3.0, math.nan], np.float32))
    assert narrow.dtype == np.uint16
    b = Builder()
    node = b.cast(b.make("input", (), 0, (3,), "bfloat16"), "float32")
    np.testing.assert_array_equal(evaluate([node], [narrow])[0], [1, 3, math.nan])


def test_numbers_and_constants() -> None:
    def scale(b: Builder, x: Node) -> Node:
        return b.mul(x, b.cast(b.make("number", (), 1, (), "float64"), "float32"))

    np.testing.assert_array_equal(one(scale, np.ones(2, np.float32), numbers=[3, 0.5]), [0.5, 0.5])
    b = Builder()
    out = evaluate([b.const(-1, "uint8"), b.full((2,), math.inf, "float32")], [])
    assert out[0] == 255 and out[0].shape == () and np.isinf(out[1]).all()


@pytest.mark.parametrize("kind", sorted(loop.REDUCTIONS))
@pytest.mark.parametrize("shape", [(3, 4), (0, 4), (3, 0)])
def test_reductions(kind: str, shape: tuple[int, int]) -> None:
    x = floats(*shape).astype(np.float32)
    empty = {"sum": 0, "prod": 1, "min": math.inf, "max": -math.inf, "any": False, "all": True}
    for keep in (False, True):
        out = one(lambda b, x: b.reduce(kind, x, (1,), keep), x)
        assert out.shape == ((shape[0], 1) if keep else shape[:1])
        if shape[1]:
            f = getattr(np, kind)
            np.testing.assert_allclose(out, f(x, axis=1, keepdims=keep), 1e-6)
        else:
            np.testing.assert_array_equal(out, np.full(out.shape, empty.get(kind, 0)))


def test_sums_of_integers_in_the_node_s_dtype() -> None:
    x = np.full(3, 200, np.uint8)
    assert one(lambda b, x: b.sum(x), x).dtype == np.uint8
    assert one(lambda b, x: b.sum(b.cast(x, "int64")), x) == 600


def test_views() -> None:
    x = floats(3, 4)
    out = one(lambda b, x: b.permute(b.neg(x), (1, 0)), x)
    np.testing.assert_array_equal(out, -x.T)
    np.testing.assert_array_equal(one(lambda b, x: b.view(x, (2, 2), (4, 2), 1), x), x[:2, 1::2])
    np.testing.assert_array_equal(one(lambda b, x: b.expand(x, (2, 3, 4)), x)[1], x)
    turned = one(lambda b, x: b.view(x, (12,), (-1,), 11), x)
    np.testing.assert_array_equal(turned, x.ravel()[::-1])
    assert one(lambda b, x: b.view(x, (0, 4), (4, 1), 99), x).shape == (0, 4)

    def moved(b: Builder, x: Node) -> Node:
        return b.view(x, (4,), (1,), 4, run_time=b.make("number", (), 0, (), "int64"))

    np.testing.assert_array_equal(one(moved, x, numbers=[4]), x[2])
    with pytest.raises(AssertionError):
        one(moved, x, numbers=[5])


def test_take_and_iota() -> None:
    x, index = floats(3, 4), np.array([[2, 0], [1, 1]])
    np.testing.assert_array_equal(one(lambda b, x, i: b.take(x, i, 1), x, index), x[:, index])
    b = Builder()
    out = evaluate([b.iota((2, 3), 1), b.iota((2, 3), 0)], [])
    np.testing.assert_array_equal(out, [[[0, 1, 2]] * 2, [[0] * 3, [1] * 3]])


def test_matmul() -> None:
    x, y = floats(2, 3, 4), floats(2, 4, 5)
    np.testing.assert_allclose(one(lambda b, x, y: b.matmul(x, y), x, y), x @ y)


def test_specials_that_move_elements() -> None:
    x, y = floats(3, 4), floats(2, 2)

    def write(b: Builder, x: Node, y: Node) -> Node:
        return b.special("write", ((2, 2), (4, 1)), (x, y, b.const(5, "int64")), x.shape, x.dtype)

    want = x.copy()
    want[1:, 1:3] = y
    np.testing.assert_array_equal(one(write, x, y), want)

    def add(b: Builder, x: Node, y: Node, i: Node) -> Node:
        return b.special("index_add", (1,), (x, i, y), x.shape, x.dtype)

    z, index = np.ones((3, 3)), np.array([1, 1, 3])
    np.testing.assert_allclose(one(add, x, z, index), x + [0, 2, 0, 1])

    def pad(b: Builder, x: Node) -> Node:
        return b.special("pad", ((0, 1), (2, 0)), (x, b.const(7.0, x.dtype)), (4, 6), x.dtype)

    np.testing.assert_array_equal(one(pad, x), np.pad(x, ((0, 1), (2, 0)), constant_values=7))


def test_a_special_of_one_s_own_with_several_results() -> None:
    @special("test halves")
    def halves(arrays: list[Any], params: tuple[Any, ...]) -> Any:
        return arrays[0][: params[0]], arrays[0][params[0] :]

    try:
        x = floats(5)
        b = Builder()
        node = b.special("test halves", (2,), given(b, x), ((2,), (3,)), ("float64",) * 2)
        first, second = evaluate([b.part(node, 0), b.part(node, 1)], [x])
        np.testing.assert_array_equal(np.concatenate([first, second]), x)
    finally:
        del SPECIALS["test halves"]


def test_unknown_special() -> None:
    b = Builder()
    with pytest.raises(NotImplementedError, match="nonesuch"):
        evaluate([b.special("nonesuch", (), (), (), "float32")], [])


def test_wrong_dtypes_are_found() -> None:
    with pytest.raises(AssertionError):
        one(lambda b, x: b.exp(x), np.arange(3))


def test_deep_graphs() -> None:
    b = Builder()
    x = b.make("input", (), 0, (), "float64")
    for _ in range(5000):
        x = b.add(x, 1.0)
    assert evaluate([x], [np.zeros(())])[0] == 5000


def test_outputs_are_copies() -> None:
    x = floats(3)
    b = Builder()
    (node,) = given(b, x)
    out = evaluate([node, b.reshape(node, (3, 1))], [x])
    assert not any(np.shares_memory(o, x) for o in out)
