"""Loop kernels against NumPy, case by case."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from flambeau.codegen import loop_llvm, loop_numpy
from flambeau.codegen.loop import (
    BINARY,
    DTYPES,
    UNARY,
    Access,
    Loop,
    Operand,
    Stage,
    Statement,
    verify,
    words,
)  # fmt: skip
from flambeau.graph.elementwise import POINTWISE, cast
from flambeau.runtime import native

from .loop_support import NEON, NUMPY, Compiled, targets

pytestmark = pytest.mark.skipif(not native.available(), reason="needs llvmlite")


class Body:
    """Writes stages."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, list[Statement]]] = []
        self.count = 0

    def stage(self, level: str) -> None:
        self.stages.append((level, []))

    def __call__(self, op: str, *args: int, dtype: str = "float32", attr: Any = None) -> int:
        self.stages[-1][1].append(Statement(op, args, dtype, attr))
        self.count += 1
        return self.count - 1

    def done(self) -> tuple[Stage, ...]:
        return tuple(Stage(level, tuple(body)) for level, body in self.stages)


def elementwise(op: str, sources: list[str], result: str) -> Loop:
    """out = op(in0, in1, ...) over one dimension."""
    b = Body()
    b.stage("full")
    loaded = [b("load", dtype=d, attr=k) for k, d in enumerate(sources)]
    b("store", b(op, *loaded, dtype=result), dtype=result, attr=0)
    inputs = tuple(Operand(d, 1) for d in sources)
    return Loop(1, 0, "par", inputs, (Operand(result, 1),), (), b.done())


def run(
    loop: Loop, extents: tuple[int, ...], arrays: list[Any], numbers: Any = (), target: Any = None
) -> None:
    """Run a kernel on whole arrays with as many dimensions as the loop; size 1 broadcasts."""
    verify(loop)
    access = []
    for k, a in enumerate(arrays):
        strides = [0 if n == 1 else s for n, s in zip(a.shape, a.strides)]
        gather = a.strides[-1] if k in loop.gathers else 0
        access.append(Access(k, 0, tuple(strides[: len(extents)]), gather))
    slots = tuple(range(len(arrays), len(arrays) + len(numbers)))
    args = np.array(words(loop, extents, tuple(access), slots), np.int64)
    table = [a.ctypes.data for a in arrays]
    table += [
        int(np.float64(x).view(np.int64)) if t == "float64" else x
        for t, x in zip(loop.numbers, numbers)
    ]
    t = np.array(table, np.int64)
    compiled = Compiled(loop, target or targets()[0])
    compiled.call(t.ctypes.data, args.ctypes.data, 0, extents[0], 0)


def unary(op: str, x: Any, result: str, source: str = "", target: Any = None) -> Any:
    source = source or x.dtype.name
    out = np.zeros(x.shape, NUMPY[result])
    run(elementwise(op, [source], result), x.shape, [x, out], target=target)
    return out


def binary(op: str, x: Any, y: Any, result: str = "", target: Any = None) -> Any:
    result = result or x.dtype.name
    out = np.zeros(x.shape, NUMPY[result])
    run(elementwise(op, [x.dtype.name, y.dtype.name], result), x.shape, [x, y, out], target=target)
    return out


# --- casts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", targets(), ids=lambda t: t.vector_bytes)
def test_bfloat16_rounds_to_nearest_even(target: Any) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2**32, 5001, dtype=np.uint32).view(np.float32)
    x[:6] = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1 + 2.0**-8]
    x[6:8] = [3 * 2.0**-8 + 1, np.finfo(np.float32).max]
    got = unary("cast", x, "bfloat16", target=target)
    assert np.array_equal(got, cast(x, "float32", "bfloat16"))
    assert got[0] == 0x7FC0
    back = unary("cast", got, "float32", "bfloat16", target=target)
    assert np.array_equal(back, cast(got, "bfloat16", "float32"), equal_nan=True)


@pytest.mark.parametrize("target", targets(), ids=lambda t: t.vector_bytes)
def test_float16_is_ieee(target: Any) -> None:
    bits = np.arange(2**16, dtype=np.uint16).view(np.float16)
    x = unary("cast", bits, "float32", target=target)
    assert np.array_equal(x, bits.astype(np.float32), equal_nan=True)
    y = np.random.default_rng(0).standard_normal(4999).astype(np.float32) * 1e4
    with np.errstate(over="ignore"):
        assert np.array_equal(unary("cast", y, "float16", target=target), y.astype(np.float16))


@pytest.mark.parametrize("target", targets(), ids=lambda t: t.vector_bytes)
@pytest.mark.parametrize("source", ["float32", "float64"])
@pytest.mark.parametrize("result", ["bool", "uint8", "int8", "int16", "int32", "int64"])
def test_floats_to_integers_truncate_and_never_crash(target: Any, source: str, result: str) -> None:
    x = np.array([0.0, 1.9, -1.9, 100.5, math.nan, math.inf, -math.inf, 1e30, -1e30] * 5, source)
    got = unary("cast", x, result, target=target)
    if result == "bool":
        assert got.tolist() == (x != 0).tolist()
    fits = np.abs(x) < (101 if result != "uint8" else 1)
    assert np.array_equal(got[fits], x[fits].astype(NUMPY[result]))


# --- integers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("target", targets(), ids=lambda t: t.vector_bytes)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_integer_division_and_shifts_at_the_edges(target: Any, dtype: str) -> None:
    kind = np.iinfo(dtype)
    edge = [kind.min, kind.max, 0, 1, 2, 3, 7, 100, kind.max - 1, kind.min + 1]
    if kind.min:
        edge += [-1, -2, -3, -7]
    x, y = (a.ravel().astype(dtype) for a in np.meshgrid(edge, edge))
    with np.errstate(all="ignore"):
        for op in ("floordiv", "remainder"):
            want = POINTWISE[op](x, y)
            assert np.array_equal(binary(op, x, y, target=target), want), op
    width = 8 * DTYPES[dtype]
    shifts = np.resize(np.array([0, 1, width - 1, width, width + 1, 100], dtype), x.shape)
    for op in ("shl", "shr"):
        want = POINTWISE[op](x, shifts)
        assert np.array_equal(binary(op, x, shifts, target=target), want), op


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "int64"])
def test_division_by_constants(dtype: str) -> None:
    x = np.random.default_rng(0).integers(np.iinfo(dtype).min, np.iinfo(dtype).max, 83, dtype)
    for divisor in (1, 2, 7, 64, -3, 0):
        if divisor < 0 and dtype == "uint8":
            continue
        b = Body()
        b.stage("full")
        given = b("load", dtype=dtype, attr=0)
        by = b("const", dtype=dtype, attr=divisor)
        for k, op in enumerate(["floordiv", "remainder"]):
            b("store", b(op, given, by, dtype=dtype), dtype=dtype, attr=k)
        one = Operand(dtype, 1)
        got = np.zeros_like(x), np.zeros_like(x)
        run(Loop(1, 0, "par", (one,), (one, one), (), b.done()), x.shape, [x, *got])
        with np.errstate(all="ignore"):
            assert np.array_equal(got[0], x // np.array(divisor, dtype)), divisor
            assert np.array_equal(got[1], x % np.array(divisor, dtype)), divisor


@pytest.mark.parametrize("target", targets(), ids=lambda t: t.vector_bytes)
def test_bytes_alone_fill_whole_registers(target: Any) -> None:
    rng = np.random.default_rng(0)
    for n in (1, 63, 64, 65, 200):
        x, y = rng.integers(0, 256, (2, n), np.uint8)
        assert np.array_equal(binary("add", x, y, target=target), x + y)
        assert np.array_equal(binary("xor", x > 9, y > 9, target=target), (x > 9) ^ (y > 9))
    code = loop_llvm.kernel(elementwise("add", ["uint8", "uint8"], "uint8")).emit(target, "kernel")
    assert f"<{target.vector_bytes} x i8>" in code


# --- floats -------------------------------------------------------------------------------------


EDGES = [0.0, -0.0, 1.0, -1.0, 2.5, -2.5, 3.0, 7.5, math.inf, -math.inf, math.nan, 1e30, 1e-30]


@pytest.mark.parametrize("target", targets(), ids=lambda t: t.vector_bytes)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extremes_and_divisions_at_the_edges(target: Any, dtype: str) -> None:
    info = np.finfo(dtype)
    edge = np.array([*EDGES, info.max, info.tiny, info.smallest_subnormal, 0.1], dtype)
    x, y = (np.ascontiguousarray(a.ravel()) for a in np.meshgrid(edge, edge))
    with np.errstate(all="ignore"):
        for op in ("min", "max", "fmin", "fmax", "fmod", "remainder", "floordiv", "lt", "ne"):
            want = POINTWISE[op](x, y)
            got = binary(op, x, y, want.dtype.name, target)
            same = (
                (got == want) | (np.isnan(got) & np.isnan(want))
                if want.dtype != bool
                else got == want
            )
            assert same.all(), (op, x[~same], y[~same], got[~same], want[~same])


@pytest.mark.parametrize("target", targets(), ids=lambda t: t.vector_bytes)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_function_is_there(target: Any, dtype: str) -> None:
    """One loop with all of them, on numbers in all domains; vectors and the rest agree."""
    names = sorted(UNARY - {"not", "isnan"})
    b = Body()
    b.stage("full")
    x = b("load", dtype=dtype, attr=0)
    one = b("const", dtype=dtype, attr=1.0)
    for k, name in enumerate(names):
        at = b("add", x, one, dtype=dtype) if name == "acosh" else x
        b("store", b(name, at, dtype=dtype), dtype=dtype, attr=k)
    for k, name in enumerate(["pow", "atan2"], len(names)):
        b("store", b(name, x, one, dtype=dtype), dtype=dtype, attr=k)
    outs = (Operand(dtype, 1),) * (len(names) + 2)
    loop = Loop(1, 0, "par", (Operand(dtype, 1),), outs, (), b.done())
    given = np.random.default_rng(0).uniform(0.05, 0.95, 37).astype(dtype)
    got = [np.zeros_like(given) for _ in outs]
    run(loop, given.shape, [given, *got], target=target)
    want = [np.zeros_like(given) for _ in outs]
    loop_numpy.run(loop, given.shape, [given, *want])
    tight = 4 * np.finfo(dtype).eps
    for name, g, w in zip([*names, "pow", "atan2"], got, want):
        assert np.allclose(g, w, rtol=tight, atol=tight / 8), name


def test_no_multiplication_is_contracted() -> None:
    rng = np.random.default_rng(0)
    x, y, z = (rng.standard_normal(1000).astype(np.float32) for _ in range(3))
    b = Body()
    b.stage("full")
    loaded = [b("load", attr=k) for k in range(3)]
    b("store", b("add", b("mul", loaded[0], loaded[1]), loaded[2]), attr=0)
    out = np.zeros_like(x)
    loop = Loop(1, 0, "par", (Operand("float32", 1),) * 3, (Operand("float32", 1),), (), b.done())
    run(loop, x.shape, [x, y, z, out])
    assert np.array_equal(out, x * y + z)


# --- reductions ---------------------------------------------------------------------------------


def reduction(kind: str, dtype: str, result: str, vector: str = "red") -> Loop:
    """Rows or columns of a matrix, reduced; in0 is (rows, row elements) in either case."""
    b = Body()
    b.stage("full")
    x = b("reduce", b("load", dtype=dtype, attr=0), dtype=result, attr=kind)
    b.stage("row")
    b("store", x, dtype=result, attr=0)
    return Loop(1, 1, vector, (Operand(dtype, 1),), (Operand(result, 1),), (), b.done())


@pytest.mark.parametrize("target", targets(), ids=lambda t: t.vector_bytes)
@pytest.mark.parametrize("n", [0, 1, 7, 16, 65, 3000])
@pytest.mark.parametrize("kind", ["argmax", "argmin"])
def test_the_first_extreme_wins_and_nan_is_one(target: Any, n: int, kind: str) -> None:
    rng = np.random.default_rng(n)
    x = rng.integers(-3, 4, (6, n)).astype(np.float32)
    if n:
        x[1] = -math.inf
        x[2] = math.inf
        x[3, rng.integers(n)] = math.nan
        x[4, rng.integers(n, size=3)] = math.nan
    out = np.zeros((6, 1), np.int64)
    run(reduction(kind, "float32", "int64"), (6, n), [x, out], target=target)
    want = getattr(np, kind)(x, 1) if n else np.zeros(6)
    assert out[:, 0].tolist() == want.tolist()
    columns = np.ascontiguousarray(x.T)
    loop = reduction(kind, "float32", "int64", "par")
    run(loop, (6, n), [columns.T, out], target=target)
    assert out[:, 0].tolist() == want.tolist()


@pytest.mark.parametrize("target", targets(), ids=lambda t: t.vector_bytes)
def test_long_sums_stay_accurate(target: Any) -> None:
    """A plain chain of float32 additions would be off by 1e-4 and more."""
    x = np.random.default_rng(0).random((3, 400_000)).astype(np.float32)
    out = np.zeros((3, 1), np.float32)
    run(reduction("sum", "float32", "float32"), x.shape, [x, out], target=target)
    exact = x.sum(1, dtype=np.float64)
    assert np.abs(out[:, 0] / exact - 1).max() < 5e-7
    columns = np.ascontiguousarray(x.T)
    loop = reduction("sum", "float32", "float32", "par")
    run(loop, x.shape, [columns.T, out], target=target)
    assert np.abs(out[:, 0] / exact - 1).max() < 2e-6


def softmax() -> Loop:
    b = Body()
    b.stage("full")
    largest = b("reduce", b("load", attr=0), attr="max")
    b.stage("full")
    total = b("reduce", b("exp", b("sub", b("load", attr=0), largest)), attr="sum")
    b.stage("full")
    b("store", b("div", b("exp", b("sub", b("load", attr=0), largest)), total), attr=0)
    return Loop(1, 1, "red", (Operand("float32", 1),), (Operand("float32", 1),), (), b.done())


@pytest.mark.parametrize("target", targets(), ids=lambda t: t.vector_bytes)
@pytest.mark.parametrize("n", [1, 5, 16, 63, 64, 200])
def test_softmax_in_place(target: Any, n: int) -> None:
    x = np.random.default_rng(n).standard_normal((5, n)).astype(np.float32)
    e = np.exp(x - x.max(1, keepdims=True))
    want = e / e.sum(1, keepdims=True)
    run(softmax(), x.shape, [x, x], target=target)
    assert np.allclose(x, want, rtol=1e-5)


@pytest.mark.parametrize("target", targets(), ids=lambda t: t.vector_bytes)
def test_a_stage_loads_what_an_earlier_one_has_stored(target: Any) -> None:
    """Softmax with one exp: in1 and out0 are the same memory."""
    b = Body()
    b.stage("full")
    largest = b("reduce", b("load", attr=0), attr="max")
    b.stage("full")
    e = b("exp", b("sub", b("load", attr=0), largest))
    b("store", e, attr=0)
    total = b("reduce", e, attr="sum")
    b.stage("full")
    b("store", b("div", b("load", attr=1), total), attr=0)
    one = Operand("float32", 1)
    loop = Loop(1, 1, "red", (one, one), (one,), (), b.done())
    x = np.random.default_rng(0).standard_normal((3, 83)).astype(np.float32)
    out, want = np.zeros_like(x), np.zeros_like(x)
    run(loop, x.shape, [x, out, out], target=target)
    loop_numpy.run(loop, x.shape, [x, want, want])
    assert np.allclose(out, want, rtol=1e-5)


def test_numbers_come_from_the_table() -> None:
    b = Body()
    b.stage("full")
    a = b("number", attr=0)
    k = b("number", dtype="int64", attr=1)
    x = b("add", b("load", attr=0), a)
    b("store", b("add", x, b("cast", k)), attr=0)
    one = (Operand("float32", 1),)
    loop = Loop(1, 0, "par", one, one, ("float64", "int64"), b.done())
    x, out = np.arange(21, dtype=np.float32), np.zeros(21, np.float32)
    run(loop, x.shape, [x, out], (0.5, 7))
    assert np.array_equal(out, x + 7.5)


def test_rows_are_gathered_whole() -> None:
    """An embedding: the index is the same along the vector dimension."""
    b = Body()
    b.stage("full")
    index = b("load", dtype="int64", attr=0)
    b("store", b("load", index, attr=1), attr=0)
    inputs = (Operand("int64", 0), Operand("float32", 1))
    loop = Loop(2, 0, "par", inputs, (Operand("float32", 1),), (), b.done(), (1,))
    table = np.random.default_rng(0).standard_normal((10, 21)).astype(np.float32)
    index = np.array([3, 9, 0, 3])[:, None]
    out = np.zeros((4, 21), np.float32)
    run(loop, (4, 21), [index, table.T[None], out])
    assert np.array_equal(out, table[index[:, 0]])
    text = loop_llvm.kernel(loop).emit(targets()[0], "kernel")
    assert "gather" not in text


# --- the code itself ----------------------------------------------------------------------------


def test_keys_tell_zeros_apart() -> None:
    def of(zero: float) -> Any:
        body = (Statement("const", (), "float32", zero), Statement("store", (0,), "float32", 0))
        return loop_llvm.kernel(
            Loop(1, 0, "par", (), (Operand("float32", 1),), (), (Stage("full", body),))
        ).key

    assert of(0.0) != of(-0.0)
    assert of(0.0) == of(0.0)


def test_rows_of_softmax_run_in_whole_registers() -> None:
    text = loop_llvm.kernel(softmax()).emit(NEON, "kernel")
    code = native.assembly(text, NEON)
    assert "fmaxnm" in code or "fmax" in code
    wide = targets()[0]
    if wide.vector_bytes == 64:
        assert "zmm" in native.assembly(loop_llvm.kernel(softmax()).emit(wide, "kernel"), wide)


@pytest.mark.parametrize("op", sorted(BINARY - {"shl", "shr", "and", "or", "xor"}))
def test_a_scalar_rest_equals_the_vectors(op: str) -> None:
    """The same numbers at positions that vectors and the rest take give the same bits."""
    rng = random.Random(op)
    one = [rng.uniform(0.1, 4) for _ in range(3)]
    x = np.array(one * 7, np.float32)
    y = np.array(one[::-1] * 7, np.float32)
    result = "bool" if op in ("lt", "le", "gt", "ge", "eq", "ne") else "float32"
    for target in targets():
        got = binary(op, x, y, result, target)
        assert np.array_equal(got.reshape(7, 3), np.broadcast_to(got[:3], (7, 3)))
