"""Copies of any strides against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from flambeau.codegen import specials

from .specials_runner import AVX2, HOST, NEON, TARGETS, Bench, assembly, flush

PERMUTATIONS = [
    ((5,), (0,)), ((), ()), ((0, 3), (1, 0)), ((1, 7), (1, 0)), ((33, 17), (1, 0)),
    ((16, 16), (1, 0)), ((130, 70), (1, 0)), ((2, 3, 50), (0, 2, 1)),
    ((2, 65, 7, 9), (0, 2, 3, 1)), ((2, 7, 9, 20), (0, 3, 1, 2)), ((4, 5, 6), (2, 1, 0)),
    ((3, 4, 5, 6, 2), (4, 2, 0, 3, 1)), ((40, 40, 3), (1, 0, 2)), ((100000,), (0,)),
    ((3, 200), (1, 0)), ((200, 3), (1, 0)), ((2, 4, 130), (0, 2, 1)), ((2, 130, 4), (0, 2, 1)),
    ((2, 5000), (1, 0)), ((2, 6, 90), (0, 2, 1)), ((2, 90, 8), (0, 2, 1)), ((5000, 2), (1, 0)), ((3, 64, 2, 3), (0, 2, 1, 3)),
]  # fmt: skip
DTYPES = ["bool", "int16", "float32", "float64"]


def numbers(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    count = int(np.prod(shape, dtype=np.int64))
    return (np.arange(count) * 7 % 251).reshape(shape).astype(dtype)


def same(array: np.ndarray) -> np.ndarray:
    return array


def check(x: np.ndarray, base: np.ndarray, whole: np.ndarray, target, view=same) -> None:
    """x, a view into base, is copied to a view of whole; what is beside it stays."""
    if x.size:
        inside = flush(base.shape, base.dtype, at_end=x.size % 2 == 0)
        inside[...] = base
        flat = inside.reshape(-1).view(np.uint8)
        offset = x.ctypes.data - base.ctypes.data
        x, base = np.ndarray(x.shape, x.dtype, flat.data, offset, x.strides), inside
    want, before = whole.copy(), whole.copy()
    view(want)[...] = x
    for pieces in (1, 3):
        whole[...] = before
        bench = Bench()
        placed = [bench.place(x, base)], [bench.place(view(whole), whole)]
        launches = specials.plan("copy", bench, *placed, ())
        assert launches is not None
        bench.prepare(launches, target)(pieces)
        assert whole.tobytes() == want.tobytes()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape, order", PERMUTATIONS)
def test_permuted(shape, order, dtype, target) -> None:
    base = numbers(shape, dtype)
    x = base.transpose(order)
    check(x, base, flush(x.shape, dtype), target)
    # and the other way round: from dense memory into a permuted view
    source = numbers(x.shape, dtype)
    check(source, source, flush(shape, dtype), target, lambda y: y.transpose(order))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_strided(dtype, target) -> None:
    base = numbers((40, 60), dtype)
    for cut in (
        np.s_[3:, 5:], np.s_[::2, ::3], np.s_[::-1], np.s_[:, ::-1], np.s_[::-1, ::-2],
        np.s_[:, 4], np.s_[5], np.s_[1:1],
    ):  # fmt: skip
        x = base[cut]
        check(x, base, flush(x.shape, dtype), target)
        source = numbers(x.shape, dtype)
        check(source, source, flush(base.shape, dtype), target, lambda y: y[cut])
    for x in (
        np.broadcast_to(base[:, :1], (40, 60)), np.broadcast_to(base, (3, 40, 60)),
        np.broadcast_to(base[:, :, None], (40, 60, 33)), np.broadcast_to(base[0, :1], (50,)),
    ):  # fmt: skip
        check(x, base, flush(x.shape, dtype), target)


def test_what_is_declined() -> None:
    bench = Bench()
    x, y = np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float64)
    assert specials.plan("copy", bench, [bench.place(x)], [bench.place(y)], ()) is None
    spread = np.lib.stride_tricks.as_strided(x, (2, 3), (0, 4))
    assert specials.plan("copy", bench, [bench.place(x)], [bench.place(spread, x)], ()) is None
    assert specials.plan("nothing", bench, [], [], ()) is None


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype, value", [("bool", 1), ("int16", -7), ("float32", 2.5), ("float64", -0.0)])
@pytest.mark.parametrize("count", [0, 1, 15, 1000, 100000])
def test_fill(dtype, value, count, target) -> None:
    y = flush((count,), dtype)
    want = np.full(count, value, dtype)
    bits = int(np.array(value, dtype).view(f"i{y.itemsize}"))
    bench = Bench()
    launches = specials.plan("fill", bench, [], [bench.place(y)], (bits,))
    assert launches is not None
    bench.prepare(launches, target)(2)
    assert y.tobytes() == want.tobytes()


@pytest.mark.parametrize("target", [HOST, AVX2, NEON])
def test_every_target_compiles(target) -> None:
    bench = Bench()
    for dtype in DTYPES:
        base = np.zeros((20, 30), dtype)
        y = bench.place(np.zeros((30, 20), dtype))
        for x, out in ((base.T, y), (base, bench.place(np.zeros((20, 30), dtype)))):
            (launch,) = specials.plan("copy", bench, [bench.place(x, base)], [out], ()) or []
            assert "kernel" in assembly(launch.kernel, target)
