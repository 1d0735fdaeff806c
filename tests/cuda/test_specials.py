"""Specials on a simulated GPU against what they mean in NumPy: bits where nothing is summed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from flambeau.codegen.cuda import special_copy, special_index, special_sort, specials
from flambeau.codegen.cuda.kernel import Gpu, GpuLaunch
from flambeau.codegen.planning import Placed, row_major
from flambeau.codegen.specials import PLANNERS as OF_CPU
from flambeau.ops.pooling import pooled_size

from . import assembling
from .special_runner import Array, Bench, rng, special

DTYPES = ("float32", "float64", "int64", "int32", "int16", "uint8")


def whole(*shape: int, dtype: str = "float32") -> Array:
    """Small integers, whose sums are exact."""
    low = 0 if dtype == "uint8" else -8
    return rng.integers(low, 8, shape).astype(dtype)


def normal(*shape: int, dtype: str = "float32") -> Array:
    return rng.standard_normal(shape).astype(dtype)


def index(n: int, *shape: int) -> Array:
    return rng.integers(0, n, shape)


def check(name: str, arrays: list[Array], params: tuple[Any, ...], tolerance: float = 0.0, **how: Any) -> Bench:
    got, wanted, b = special(name, arrays, params, **how)
    for g, w in zip(got, wanted, strict=True):
        assert g.dtype == w.dtype and g.shape == w.shape
        if tolerance:
            np.testing.assert_allclose(g, w, tolerance, tolerance)
        else:
            np.testing.assert_array_equal(g, w)
    return b


def test_every_special_of_the_cpu_has_a_kernel() -> None:
    assert set(OF_CPU) | {"cat"} <= set(specials.PLANNERS)


# --- copies -------------------------------------------------------------------------------------

COPIES: dict[str, tuple[Any, ...]] = {  # shape, strides and offset of the source, of the target, kernel
    "flat": ((7, 11), (11, 1), 0, (11, 1), 0, "vectors"),
    "moved": ((7, 11), (11, 1), 3, (11, 1), 1, "vectors"),
    "rows": ((4, 6, 16), (16, 64, 1), 0, (96, 16, 1), 0, "vectors"),
    "transposed": ((3, 40, 50), (2000, 1, 40), 0, (2000, 50, 1), 0, "transpose"),
    "transposed, repeated": ((3, 40, 50), (0, 1, 40), 2, (2000, 50, 1), 0, "transpose"),
    "few columns": ((37, 3), (1, 37), 0, (3, 1), 0, "any"),
    "splat": ((4, 6, 16), (16, 64, 0), 5, (96, 16, 1), 0, "splat"),
    "anyhow": ((4, 6, 15), (3, 7, 2), 5, (-96, 16, 1), 400, "any"),
    "one": ((), (), 5, (), 4, "vectors"),
}


@pytest.mark.parametrize("dtype", ["float32", "uint8", "float64", "int16"])
@pytest.mark.parametrize("kind", COPIES)
def test_copy(kind: str, dtype: str) -> None:
    shape, steps, first, to, start, kernel = COPIES[kind]
    memory = np.arange(6000).astype(dtype)
    b = Bench()
    x = b.placed(memory, shape, steps, first)
    y = b.placed(np.zeros(6100, dtype), shape, to, start)
    b.run(special_copy.copy(b, x, y))
    assert kernel in b.launched[0].kernel.name
    wanted = np.zeros(6100, dtype)
    size = memory.itemsize
    view = np.lib.stride_tricks.as_strided(wanted[start:], shape, [s * size for s in to])
    view[...] = b.value(x)
    np.testing.assert_array_equal(b.slots[y.slot], wanted)


def test_a_copy_of_something_to_itself_and_to_one_place() -> None:
    b = Bench()
    x = b.array(normal(40))
    before = b.value(x)
    b.run(special_copy.copy(b, x, x))
    np.testing.assert_array_equal(b.value(x), before)
    assert special_copy.copy(b, x, x._replace(strides=(0,))) is None
    assert special_copy.copy(b, x._replace(shape=(0,)), x._replace(shape=(0,))) == []


def test_what_has_been_moved_at_run_time_is_aligned_to_its_element_alone() -> None:
    b = Bench()
    x, y = b.array(normal(64)), b.out((64,), "float32")
    assert "vectors128" in special_copy.copy(b, x, y)[0].kernel.name  # type: ignore[index]
    b.owner[x.slot] = 0
    assert "vectors32" in special_copy.copy(b, x, y)[0].kernel.name  # type: ignore[index]


def test_cat() -> None:
    check("cat", [normal(3, 4, 5), normal(3, 2, 5), normal(3, 7, 5)], (1,))
    assert len(check("cat", [normal(3, 4)] * 11, (1,)).launched) == 2
    check("cat", [normal(4, 3), normal(2, 3)], (0,))


def test_cat_of_strided_arrays() -> None:
    b = Bench()
    x, y = b.placed(np.arange(200.0), (5, 4), (1, 40)), b.array(normal(5, 3, dtype="float64"))
    out = b.out((5, 7), "float64")
    b.run(specials.PLANNERS["cat"](b, [x, y], [out], (1,)))
    np.testing.assert_array_equal(b.value(out), np.concatenate([b.value(x), b.value(y)], 1))


@pytest.mark.parametrize("dtype", ["float64", "float32", "int16", "uint8"])
def test_fill(dtype: str) -> None:
    b = Bench()
    out = b.out((5, 13), dtype)
    b.run(specials.PLANNERS["fill"](b, [], [out], (100,)))
    bits = np.full((5, 13), 100, f"u{np.dtype(dtype).itemsize}").view(dtype)
    np.testing.assert_array_equal(b.value(out), bits)


def test_pad() -> None:
    number = np.asarray(2.5, np.float32)
    check("pad", [normal(3, 5, 6), number], ((0, 0), (1, 2), (3, 0)))
    b = check("pad", [normal(4, 8), number], ((1, 1), (4, 8)))
    assert "128" in b.launched[0].kernel.name
    check("pad", [normal(0, 8), number], ((1, 1), (4, 8)))


# --- indices ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n, count, inner", [(50, 5, 16), (3, 70, 3)])
def test_rows(dtype: str, n: int, count: int, inner: int) -> None:
    base, rows = whole(n, inner, dtype=dtype), whole(count, inner, dtype=dtype)
    for name in ("index_add", "index_copy"):
        check(name, [base, index(n, count), rows], (0,))
    for name in ("scatter_add", "scatter"):
        check(name, [base, index(n, count, inner), rows], (0,))


@pytest.mark.parametrize("dtype", ["float64", "uint8"])
def test_along_a_dimension_in_the_middle(dtype: str) -> None:
    base, rows = whole(3, 20, 4, dtype=dtype), whole(3, 70, 4, dtype=dtype)
    for name in ("index_add", "index_copy"):
        check(name, [base, index(20, 70), rows], (1,))
    for name in ("scatter_add", "scatter"):
        check(name, [base, index(20, 3, 70, 4), rows], (1,))


def test_index_fill() -> None:
    b = Bench()
    base, number = b.array(whole(3, 20, 4)), b.array(np.asarray(5, np.float32))
    at, out = index(20, 70), b.out((3, 20, 4), "float32")
    # Several threads put the same number at one place.
    b.run(specials.PLANNERS["index_fill"](b, [base, b.array(at), number], [out], (1,)), race_check=False)
    wanted = b.value(base)
    wanted[:, at] = 5
    np.testing.assert_array_equal(b.value(out), wanted)


@pytest.mark.parametrize("n", [1, 9, 300])
def test_many_entries_of_few_places_and_of_many(n: int) -> None:
    check("index_add", [whole(n, 2), index(n, 300), whole(300, 2)], (0,))


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_more_entries_than_are_ranked(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(special_sort, "RANKED", 100)
    count = 5000
    for name in ("index_add", "index_copy"):
        b = check(name, [whole(70, dtype=dtype), index(70, count), whole(count, dtype=dtype)], (0,))
        assert [x.kernel.name for x in b.launched].count("move_digits") == 2


def test_sums_come_in_the_order_of_the_index() -> None:
    """The same bits as one addition after the other, for as long as a place's entries are in one
    chunk."""
    rows = normal(100, 5)
    at = rng.permutation(np.repeat(np.arange(10), 10))
    b = Bench()
    out = b.out((10, 5), "float32")
    zeros, source = b.array(np.zeros((10, 5), np.float32)), b.array(rows)
    b.run(specials.PLANNERS["index_add"](b, [zeros, b.array(at), source], [out], (0,)))
    wanted = np.zeros((10, 5), np.float32)
    np.add.at(wanted, at, rows)
    np.testing.assert_allclose(b.value(out), wanted, 1e-5, 1e-6)
    alone = np.sort(at)[:32]  # the first chunk
    sure = [k for k in range(10) if (np.sort(at) == k).nonzero()[0].max() < len(alone)]
    np.testing.assert_array_equal(b.value(out)[sure], wanted[sure])


@pytest.mark.parametrize("count", [10, 60])
@pytest.mark.parametrize("name", ["index_add", "index_copy", "scatter_add", "scatter"])
def test_indices_outside_touch_nothing(name: str, count: int) -> None:
    n, far = 5, np.array([-9, 7, 1 << 40, -(1 << 62)])
    at = np.concatenate([far, rng.integers(-n, n, count - 4)])
    rows, base = whole(count, 4), whole(n, 4)
    b = Bench()
    along = name.startswith("scatter")
    given = np.repeat(at[:, None], 4, 1) if along else at
    out = b.out((n, 4), "float32")
    b.run(specials.PLANNERS[name](b, [b.array(base), b.array(given), b.array(rows)], [out], (0,)))
    wanted = base.copy()
    for k in range(count):
        if -n <= at[k] < n:
            wanted[at[k]] = rows[k] + (wanted[at[k]] if "add" in name else 0)
    np.testing.assert_array_equal(b.value(out), wanted)


def test_gather_takes_the_nearest_place() -> None:
    x = normal(6, 4)
    at = np.array([[0, 1, -1, 99], [-99, 5, 2, 3]])
    b = Bench()
    out = b.out((2, 4), "float32")
    b.run(specials.PLANNERS["gather"](b, [b.array(x), b.array(at)], [out], (0,)))
    near = np.clip(np.where(at < 0, at + 6, at), 0, 5)
    np.testing.assert_array_equal(b.value(out), np.take_along_axis(x, near, 0))


@pytest.mark.parametrize("bad", [9, -1, None])
def test_check_index(bad: int | None) -> None:
    given = rng.integers(0, 9, 600)
    b = Bench()
    flag = b.array(np.zeros(2, np.int64))
    x = b.placed(given, (10, 7), (50, 3), 2)
    given[0] = 100  # between the elements
    if bad is not None:
        given[2 + 50 * 4 + 3 * 6] = bad
    b.run(special_index.check_index(b, x, 9, flag.slot))
    assert b.value(flag).tolist() == ([0, 0] if bad is None else [1, bad])
    assert special_index.check_index(b, x._replace(shape=(0, 7)), 9, flag.slot) == []


# --- scans --------------------------------------------------------------------------------------

SHAPES = [((3, 70), 1), ((70, 3), 0), ((2, 300), 1), ((1, 5000), 1), ((2, 520, 3), 1)]


@pytest.mark.parametrize("dtype", ["float32", "int64"])
@pytest.mark.parametrize("kind", ["sum", "prod", "max", "min"])
@pytest.mark.parametrize("shape, dim", SHAPES, ids=str)
def test_scan(shape: tuple[int, ...], dim: int, kind: str, dtype: str) -> None:
    x = whole(*shape, dtype=dtype)
    if kind == "prod":
        x = np.sign(x) + (x == 0)
    if dtype == "float32" and kind in ("max", "min"):
        x.reshape(-1)[40] = np.nan
    check("scan", [x], (kind, dim))


def test_scans_keep_the_sign_of_zero() -> None:
    b = check("scan", [np.full((1, 600), -0.0, np.float32)], ("sum", 1))
    assert np.signbit(b.value(Placed(1, "float32", (600,), (1,)))).all()


# --- pooling ------------------------------------------------------------------------------------

WINDOWS: dict[str, Any] = {  # shape, kernel, stride, padding, dilation, ceil
    "2": ((2, 3, 8, 8), (2, 2), (2, 2), (0, 0), (1, 1), False),
    "3, overlapping": ((1, 2, 9, 8), (3, 3), (2, 2), (1, 1), (1, 1), True),
    "dilated": ((1, 2, 9, 11), (3, 2), (1, 2), (1, 0), (2, 1), False),
    "large": ((1, 2, 12, 12), (7, 7), (2, 3), (3, 3), (1, 1), False),
    "volume": ((1, 2, 4, 6, 5), (2, 3, 2), (2, 2, 1), (1, 1, 0), (1, 1, 1), False),
    "line": ((2, 3, 10), (3,), (3,), (0,), (1,), False),
}


@pytest.mark.parametrize("kind", WINDOWS)
def test_max_pool(kind: str) -> None:
    shape, *window = WINDOWS[kind]
    dtype = "float64" if kind == "volume" else "float32"
    n = len(window[0])
    x = whole(*shape, dtype=dtype)
    x.reshape(-1)[5] = np.nan
    lead, size = shape[: len(shape) - n], pooled_size(shape[len(shape) - n :], *window)
    g, params = whole(*lead, *size, dtype=dtype), tuple(window)
    check("max_pool", [x], params)
    check("max_pool_places", [x], params)
    check("max_pool_gather", [normal(*shape, dtype=dtype), x], params)
    check("relu_max_pool", [x], params)
    check("max_pool_backward", [g, x], params)
    check("max_pool_backward_relu", [g, np.nan_to_num(np.maximum(x, 0))], params)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64"])
def test_max_pool_of_integers(dtype: str) -> None:
    check("max_pool", [whole(2, 3, 8, 8, dtype=dtype)], ((2, 2), (2, 2), (1, 1), (1, 1), False))


@pytest.mark.parametrize("include, divisor", [(True, None), (False, None), (True, 3)])
@pytest.mark.parametrize("kind", [k for k in WINDOWS if k != "dilated"])
def test_avg_pool(kind: str, include: bool, divisor: int | None) -> None:
    shape, kernel, stride, padding, dilation, ceil = WINDOWS[kind]
    n = len(kernel)
    params = (kernel, stride, padding, ceil, include, divisor)
    size = pooled_size(shape[len(shape) - n :], kernel, stride, padding, dilation, ceil)
    check("avg_pool", [normal(*shape)], params, 1e-5)
    check("avg_pool_backward", [normal(*shape[: len(shape) - n], *size)], (shape, *params), 1e-5)


@pytest.mark.parametrize("shape, size", [((2, 3, 7, 10), (3, 4)), ((2, 7, 6), (9, 2)), ((1, 2, 4, 7, 6), (2, 3, 4))])
def test_adaptive_pooling(shape: tuple[int, ...], size: tuple[int, ...]) -> None:
    n, x = len(size), normal(*shape)
    check("adaptive_max_pool", [x], (size,))
    check("adaptive_avg_pool", [x], (size,), 1e-5)
    check("adaptive_avg_pool_backward", [normal(*shape[: len(shape) - n], *size)], (shape, n), 1e-5)


# --- code ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("capability", [75, 80])
def test_an_older_device(capability: int) -> None:
    check("index_add", [whole(9, 8), index(9, 40), whole(40, 8)], (0,), capability=capability)
    check("scan", [whole(2, 300)], ("sum", 1), capability=capability)


class Plans(Bench):
    """A room for plans that nobody runs."""

    def temporary(self, nbytes: int) -> int:
        return 9


def _large(*shape: int) -> Placed:
    return Placed(0, "float32", shape, row_major(shape))


def test_more_elements_than_i32_counts_have_kernels_of_their_own() -> None:
    b = Plans(Gpu())
    small, large = _large(1 << 10, 1 << 10), _large(1 << 16, 1 << 16)
    keys = [special_copy.copy(b, x, x._replace(slot=1))[0].kernel.key for x in (small, large)]  # type: ignore[index]
    assert keys[0] != keys[1]
    x = Placed(0, "int64", (1 << 20,), (1,))
    planned = specials.PLANNERS["index_add"](b, [large, x, _large(1 << 20, 1 << 16)], [large], (0,))
    assert planned is not None
    for launch in planned[1:3]:
        assert isinstance(launch, GpuLaunch)
        ptx = assembling.ptx_of(launch.kernel, 75)
        if assembling.ptxas():
            assert not assembling.assemble(ptx, 75).spilled
