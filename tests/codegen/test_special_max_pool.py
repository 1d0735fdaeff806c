"""Max pooling against its NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest

from flambeau.codegen import specials
from flambeau.ops import pool_kernels
from flambeau.ops.pooling import _max_gather, _windows

from .specials_runner import AVX2, HOST, NEON, TARGETS, Bench, assembly, run

CASES = [
    # shape, kernel, stride, padding, dilation, ceil_mode
    ((2, 3, 8, 8), (2, 2), (2, 2), (0, 0), (1, 1), False),
    ((5, 2, 7, 9), (2, 2), (2, 2), (0, 0), (1, 1), False),
    ((5, 2, 7, 9), (2, 2), (2, 2), (0, 0), (1, 1), True),
    ((1, 2, 28, 70), (2, 2), (2, 2), (0, 0), (1, 1), False),
    ((2, 2, 12, 12), (3, 3), (2, 2), (1, 1), (1, 1), False),
    ((2, 1, 13, 75), (3, 3), (2, 2), (1, 1), (1, 1), True),
    ((4, 1, 6, 40), (3, 3), (1, 1), (1, 1), (1, 1), False),
    ((2, 9, 9), (3, 3), (2, 2), (0, 0), (1, 1), False),
    ((1, 1, 8, 8), (1, 1), (2, 2), (0, 0), (1, 1), False),
    ((1, 2, 9, 20), (5, 4), (1, 2), (2, 2), (1, 1), True),
    ((1, 2, 9, 40), (1, 3), (1, 2), (0, 1), (1, 1), False),
    ((2, 1, 17, 80), (5, 5), (3, 3), (2, 2), (1, 1), False),
    ((2, 1, 9, 70), (3, 2), (4, 4), (1, 1), (1, 1), True),
    ((2, 1, 17, 17), (9, 9), (5, 5), (3, 3), (1, 1), False),
    ((2, 1, 17, 17), (7, 7), (3, 3), (3, 3), (1, 1), False),
    ((1, 2, 9, 11), (2, 3), (1, 2), (1, 1), (2, 3), False),
    ((3, 2, 1, 1), (1, 1), (1, 1), (0, 0), (1, 1), False),
    ((2, 2, 5, 6, 7), (2, 2, 2), (2, 2, 2), (0, 0, 0), (1, 1, 1), False),
    ((2, 2, 5, 6, 7), (3, 3, 3), (2, 1, 2), (1, 1, 1), (1, 1, 1), True),
    ((0, 2, 4, 4), (2, 2), (2, 2), (0, 0), (1, 1), False),
]  # fmt: skip


def images(shape, dtype, special: str) -> np.ndarray:
    """Random numbers with ties; `special` numbers strewn in."""
    rng = np.random.default_rng(len(shape) + sum(shape))
    x = rng.integers(-4, 5, shape).astype(dtype)
    if special and np.dtype(dtype).kind == "f":
        numbers = {"nan": [np.nan], "inf": [-np.inf, np.inf], "low": [-np.inf]}[special]
        x[rng.random(shape) < (1.0 if special == "low" else 0.2)] = 0
        put = rng.random(shape) < (0.9 if special == "low" else 0.15)
        x[put] = rng.choice(numbers, int(put.sum()))
    return x


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("special", ["", "nan", "inf", "low"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8"])
def test_all_of_it(dtype, special, target) -> None:
    if special and dtype[0] != "f":
        return
    for shape, *window in CASES:
        x = images(shape, dtype, special)
        w = _windows(x.shape, *window)
        for pieces in (2, 3):
            want = pool_kernels.largest(x, w)
            out = [(want.shape, dtype)]
            (y,) = run("max_pool", [x], out, window, target, pieces)
            np.testing.assert_array_equal(y, want)
            (p,) = run("max_pool_places", [x], [(want.shape, "int64")], window, target, pieces)
            np.testing.assert_array_equal(p, pool_kernels.places_of_largest(x, w))
            if dtype[0] != "f":
                continue
            r, y = run("relu_max_pool", [x], [(shape, dtype), *out], window, target, pieces)
            np.testing.assert_array_equal(r, np.maximum(x, 0))
            np.testing.assert_array_equal(y, pool_kernels.largest(r, w))
            source = np.random.default_rng(1).standard_normal(shape).astype(dtype)
            (y,) = run("max_pool_gather", [source, x], out, window, target, pieces)
            np.testing.assert_array_equal(y, _max_gather(source, x, *window))
            g = np.random.default_rng(2).standard_normal(want.shape).astype(dtype)
            wanted = pool_kernels.largest_backward(g, x, w)
            (y,) = run("max_pool_backward", [g, x], [(shape, dtype)], window, target, pieces)
            np.testing.assert_array_equal(y, wanted)
            wanted = np.where(~(x <= 0), wanted, 0)
            (y,) = run("max_pool_backward_relu", [g, x], [(shape, dtype)], window, target, pieces)
            np.testing.assert_array_equal(y, wanted)


@pytest.mark.parametrize("target", [HOST, AVX2, NEON])
def test_every_target_compiles(target) -> None:
    for shape, *window in CASES[:5]:
        bench = Bench()
        x = np.zeros(shape, np.float32)
        size = _windows(shape, *window).size
        y, g = (np.zeros((*shape[:-2], *size), np.float32) for _ in range(2))
        px, py, pg = bench.place(x), bench.place(y), bench.place(g)
        for name, inputs, output in (
            ("max_pool", [px], py), ("max_pool_backward", [pg, px], bench.place(x.copy())),
        ):  # fmt: skip
            for launch in specials.plan(name, bench, inputs, [output], tuple(window)) or []:
                assert "kernel" in assembly(launch.kernel, target)
