"""Gathering, scattering, scans and padding against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from flambeau.codegen import specials
from flambeau.ops.scattering import _index_add, _place_rows, _scatter

from .specials_runner import AVX2, HOST, NEON, TARGETS, Bench, assembly, run

SHAPES = [((7,), 0), ((5, 3), 0), ((4, 40), 0), ((3, 5, 200), 1), ((6, 9), 1), ((2, 3, 4, 5), 2)]
DTYPES = ["float32", "float64", "int64"]


def numbers(shape, dtype, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal(shape) * 10).astype(dtype)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows(dtype, target) -> None:
    rng = np.random.default_rng(0)
    for shape, dim in SHAPES:
        for count in (0, 1, 30):
            base = numbers(shape, dtype)
            index = rng.integers(0, shape[dim], count)
            source = numbers((*shape[:dim], count, *shape[dim + 1 :]), dtype, 1)
            out = [(shape, dtype)]
            arrays = [base, index, source]
            (y,) = run("index_add", arrays, out, (dim,), target, 3)
            np.testing.assert_array_equal(y, _index_add(base, index, source, 1, dim))
            (y,) = run("index_copy", arrays, out, (dim,), target, 3)
            np.testing.assert_array_equal(y, _place_rows(base, index, source, dim))
            one = np.array(3, dtype)
            (y,) = run("index_fill", [base, index - shape[dim], one], out, (dim,), target, 3)
            np.testing.assert_array_equal(y, _place_rows(base, index, one, dim))


def test_rows_outside_are_skipped_and_bases_may_have_any_strides() -> None:
    bench = Bench()
    zero, source = np.zeros(1, np.float32), np.ones((4, 40), np.float32)
    spread = np.broadcast_to(zero, (3, 40))
    index, y = np.array([0, 5, -9, -1]), np.empty((3, 40), np.float32)
    inputs = [bench.place(spread, zero), bench.place(index), bench.place(source)]
    bench.prepare(specials.plan("index_add", bench, inputs, [bench.place(y)], (0,)) or [])()
    assert (y == np.array([1, 0, 1], np.float32)[:, None]).all()
    inputs[2] = bench.place(np.asfortranarray(source))  # copied first
    bench.prepare(specials.plan("index_add", bench, inputs, [bench.place(y)], (0,)) or [])()
    assert (y == np.array([1, 0, 1], np.float32)[:, None]).all()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [*DTYPES, "bool"])
def test_along(dtype, target) -> None:
    rng = np.random.default_rng(0)
    for shape, dim in SHAPES:
        for count in (0, 1, 30):
            x = numbers(shape, dtype)
            many = (*shape[:dim], count, *shape[dim + 1 :])
            index, source = rng.integers(0, shape[dim], many), numbers(many, dtype, 1)
            (y,) = run("gather", [x, index], [(many, dtype)], (dim,), target, 3)
            np.testing.assert_array_equal(y, np.take_along_axis(x, index, dim))
            arrays, out = [x, index, source], [(shape, dtype)]
            (y,) = run("scatter", arrays, out, (dim,), target, 3)
            np.testing.assert_array_equal(y, _scatter(x, index, source, dim))
            if dtype != "bool":
                (y,) = run("scatter_add", arrays, out, (dim,), target, 3)
                np.testing.assert_array_equal(y, _scatter(x, index, source, dim, "add"))


SCANNED = [*SHAPES, ((40, 37), 1), ((5, 16), 1), ((3, 50), 1), ((4, 30, 150), 1), ((1, 3, 2), 1)]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["sum", "cumprod", "cummax", "min"])
def test_scans(kind, dtype, target) -> None:
    function = {"s": np.add, "cumprod": np.multiply, "cummax": np.maximum, "m": np.minimum}
    ufunc = function.get(kind) or function[kind[0]]
    for shape, dim in SCANNED:
        x = numbers(shape, dtype)
        if dtype[0] == "f":
            x.reshape(-1)[:: 7 if kind == "sum" else 29] = [np.nan, np.inf][kind == "sum"]
        (y,) = run("scan", [x], [(shape, dtype)], (kind, dim), target, 3)
        np.testing.assert_array_equal(y, ufunc.accumulate(x, axis=dim))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["bool", "int16", "float32", "float64"])
def test_pad(dtype, target) -> None:
    for shape, room in (
        ((5,), [(2, 3)]), ((2, 3), [(0, 0), (1, 1)]), ((2, 3, 4, 5), [(0, 0), (0, 0), (1, 2), (3, 0)]),
        ((3, 40), [(1, 0), (0, 0)]), ((2, 3, 70), [(0, 1), (2, 0), (0, 33)]), ((2, 3), [(0, 0)] * 2),
    ):  # fmt: skip
        x, number = numbers(shape, dtype), np.array(1, dtype)
        want = np.pad(x, room, constant_values=1)
        (y,) = run("pad", [x, number], [(want.shape, dtype)], tuple(room), target, 3)
        np.testing.assert_array_equal(y, want)


@pytest.mark.parametrize("target", [HOST, AVX2, NEON])
def test_every_target_compiles(target) -> None:
    bench = Bench()
    x, y = (bench.place(np.zeros((20, 30), np.float32)) for _ in range(2))
    index = bench.place(np.zeros(20, np.int64))
    wide = bench.place(np.zeros((20, 30), np.int64))
    number = bench.place(np.zeros((), np.float32))
    padded = bench.place(np.zeros((22, 30), np.float32))
    for name, inputs, out, params in (
        ("index_add", [x, index, x], y, (0,)), ("gather", [x, wide], y, (0,)),
        ("scan", [x], y, ("sum", 0)), ("scan", [x], y, ("sum", 1)),
        ("pad", [x, number], padded, ((1, 1), (0, 0))),
    ):  # fmt: skip
        for launch in specials.plan(name, bench, inputs, [out], params) or []:
            assert "kernel" in assembly(launch.kernel, target)
