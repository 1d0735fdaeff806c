"""Average pooling and adaptive pooling against their NumPy references."""

from __future__ import annotations

import numpy as np
import pytest

from flambeau.codegen import specials
from flambeau.ops import pool_kernels
from flambeau.ops.pooling import _avg_backward, _avg_windows

from .specials_runner import AVX2, HOST, NEON, TARGETS, Bench, assembly, run

CASES = [
    # shape, kernel, stride, padding, ceil_mode, include_pad, divisor
    ((2, 3, 8, 8), (2, 2), (2, 2), (0, 0), False, True, None),
    ((5, 2, 7, 9), (2, 2), (2, 2), (0, 0), True, True, None),
    ((5, 2, 7, 9), (3, 3), (2, 2), (1, 1), True, False, None),
    ((5, 2, 7, 9), (3, 3), (2, 2), (1, 1), True, True, None),
    ((1, 2, 12, 70), (3, 3), (1, 1), (1, 1), False, True, None),
    ((1, 2, 12, 70), (3, 2), (1, 1), (1, 0), False, False, 5),
    ((1, 1, 12, 75), (3, 5), (2, 3), (1, 2), True, False, None),
    ((1, 1, 12, 12), (9, 9), (5, 5), (3, 3), False, True, None),
    ((2, 9, 9), (4, 4), (3, 3), (2, 2), True, False, None),
    ((1, 2, 10, 31), (2, 1), (1, 2), (1, 0), True, False, None),
    ((1, 1, 8, 8), (1, 1), (2, 2), (0, 0), False, True, None),
    ((2, 2, 5, 6, 7), (2, 2, 2), (2, 2, 2), (0, 0, 0), False, True, None),
    ((2, 2, 5, 6, 7), (3, 3, 3), (2, 1, 2), (1, 1, 1), True, False, None),
    ((0, 2, 4, 4), (2, 2), (2, 2), (0, 0), False, True, None),
]  # fmt: skip
TILED = [
    ((2, 2, 7, 7), (7, 7)), ((2, 2, 8, 12), (2, 3)), ((1, 3, 7, 5), (3, 2)), ((5, 1, 3, 4), (5, 7)),
    ((2, 5, 9), (1, 1)), ((2, 2, 5, 4, 6), (2, 3, 6)), ((0, 2, 4, 4), (2, 2)), ((2, 2, 4, 4), (0, 2)),
]  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_windows(dtype, target) -> None:
    rng = np.random.default_rng(0)
    for shape, *settings in CASES:
        x = rng.standard_normal(shape).astype(dtype)
        x[rng.random(shape) < 0.01] = np.inf
        w, by = _avg_windows(shape, *settings)
        want = pool_kernels.mean(x, w, by)
        g = rng.standard_normal(want.shape).astype(dtype)
        for pieces in (2, 3):
            (y,) = run("avg_pool", [x], [(want.shape, dtype)], settings, target, pieces)
            np.testing.assert_array_equal(y, want)
            params = (shape, *settings)
            (y,) = run("avg_pool_backward", [g], [(shape, dtype)], params, target, pieces)
            np.testing.assert_array_equal(y, _avg_backward(g, *params))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tiles(dtype, target) -> None:
    rng = np.random.default_rng(0)
    for shape, size in TILED:
        x = rng.integers(-3, 4, shape).astype(dtype)
        x[rng.random(shape) < 0.05] = np.nan
        want = pool_kernels.tiled_mean(x, size)
        (y,) = run("adaptive_avg_pool", [x], [(want.shape, dtype)], (size,), target, 3)
        np.testing.assert_allclose(y, want, 1e-6 if dtype == "float32" else 1e-14)
        g = rng.standard_normal(want.shape).astype(dtype)
        params = (shape, len(size))
        (y,) = run("adaptive_avg_pool_backward", [g], [(shape, dtype)], params, target, 3)
        np.testing.assert_array_equal(y, pool_kernels.tiled_mean_backward(g, *params))
        wanted = pool_kernels.tiled_largest(x, size)
        outputs = [(want.shape, dtype), (want.shape, "int64")]
        found = run("adaptive_max_pool", [x], outputs, (size,), target, 3)
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("target", [HOST, AVX2, NEON])
def test_every_target_compiles(target) -> None:
    bench = Bench()
    shape, *settings = CASES[2]
    x = np.zeros(shape, np.float32)
    y = np.zeros((*shape[:2], *_avg_windows(shape, *settings)[0].size), np.float32)
    px, py = bench.place(x), bench.place(y)
    for name, source, out, params in (
        ("avg_pool", px, py, settings), ("avg_pool_backward", py, px, (shape, *settings)),
    ):  # fmt: skip
        for launch in specials.plan(name, bench, [source], [out], tuple(params)) or []:
            assert "kernel" in assembly(launch.kernel, target)
