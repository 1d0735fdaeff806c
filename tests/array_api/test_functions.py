"""Functions of the standard on drawn arrays, beside NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flambeau.array_api as xp

from . import support
from .support import arrays, ours, same

quick = settings(max_examples=25, deadline=None)


def _axis(data: Any, x: np.ndarray, several: bool = True) -> Any:
    """An axis of an array, several or none."""
    if x.ndim == 0:
        return data.draw(st.sampled_from([None, ()] if several else [None]))
    one = st.integers(-x.ndim, x.ndim - 1)
    if not several:
        return data.draw(st.one_of(st.none(), one))
    few = st.sets(st.integers(0, x.ndim - 1)).map(tuple)
    return data.draw(st.one_of(st.none(), one, few))


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "max", "min", "all", "any",
                                  "count_nonzero"])  # fmt: skip
@quick
@given(data=st.data())
def test_reductions(name: str, data: Any) -> None:
    dtypes = support.NUMERIC
    if name in ("mean", "var", "std"):
        dtypes = support.FLOATING if name == "mean" else support.REAL
    if name in ("max", "min"):
        dtypes = support.INTEGRAL + support.REAL
    whole = name in ("mean", "var", "std", "max", "min")
    x = data.draw(arrays(dtypes, limit=2, min_side=int(whole), max_dims=2))
    options: dict[str, Any] = {"axis": _axis(data, x), "keepdims": data.draw(st.booleans())}
    same(getattr(xp, name)(ours(x), **options), getattr(np, name)(x, **options), 1e-3)


@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
@quick
@given(data=st.data())
def test_running_sums(name: str, data: Any) -> None:
    x = data.draw(arrays(limit=2, min_dims=1, max_dims=2))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    options = {"axis": axis, "include_initial": data.draw(st.booleans())}
    same(getattr(xp, name)(ours(x), **options), getattr(np, name)(x, **options), 1e-3)


@pytest.mark.parametrize("name", ["argmax", "argmin"])
@quick
@given(data=st.data())
def test_places_of_extremes(name: str, data: Any) -> None:
    x = data.draw(arrays(support.INTEGRAL + support.REAL, min_side=1))
    options = {"axis": _axis(data, x, False), "keepdims": data.draw(st.booleans())}
    same(getattr(xp, name)(ours(x), **options), getattr(np, name)(x, **options))


@quick
@given(data=st.data())
def test_sorting_is_stable_either_way(data: Any) -> None:
    x = data.draw(arrays(support.INTEGRAL + support.REAL, min_dims=1, limit=2))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    same(xp.sort(ours(x), axis=axis), np.sort(x, axis=axis))
    same(xp.argsort(ours(x), axis=axis), np.argsort(x, axis=axis, stable=True))
    same(xp.sort(ours(x), axis=axis, descending=True), np.flip(np.sort(x, axis=axis), axis=axis))
    turned = np.argsort(np.flip(x, axis=axis), axis=axis, stable=True)
    places = np.flip(x.shape[axis] - 1 - turned, axis=axis)
    same(xp.argsort(ours(x), axis=axis, descending=True), places)


@quick
@given(x=arrays(support.EVERY, limit=2))
def test_sets(x: np.ndarray) -> None:
    if x.dtype.kind == "c":
        found = xp.unique_all(ours(x))
        assert found.values.tolist() == np.unique(x).tolist()
        assert xp.all(xp.reshape(found.values[found.inverse_indices], x.shape) == ours(x))
        return
    wanted = np.unique_all(x)
    same(xp.unique_all(ours(x)), tuple(wanted))
    same(xp.unique_inverse(ours(x)), (wanted.values, wanted.inverse_indices))
    same(xp.unique_counts(ours(x)), (wanted.values, wanted.counts))
    same(xp.unique_values(ours(x)), wanted.values)


def test_each_nan_is_distinct() -> None:
    found = xp.unique_all(xp.asarray([np.nan, 1.0, np.nan, 1.0, -0.0, 0.0]))
    assert found.counts.tolist() == [2, 2, 1, 1] and found.values[:2].tolist() == [0.0, 1.0]
    assert found.inverse_indices.shape == (6,)


@quick
@given(data=st.data())
def test_searching(data: Any) -> None:
    x = data.draw(arrays(support.EVERY, min_dims=1, limit=2))
    same(xp.nonzero(ours(x)), np.nonzero(x))
    a = data.draw(arrays(support.INTEGRAL + support.REAL, min_dims=1, max_dims=1))
    b = data.draw(arrays((a.dtype.name,)))
    side = data.draw(st.sampled_from(["left", "right"]))
    table = np.sort(a)
    same(xp.searchsorted(ours(table), ours(b), side=side), np.searchsorted(table, b, side=side))
    order = np.argsort(a, stable=True)
    same(xp.searchsorted(ours(a), ours(b), side=side, sorter=ours(order)),
         np.searchsorted(a, b, side=side, sorter=order))  # fmt: skip


@quick
@given(data=st.data())
def test_rearranging(data: Any) -> None:
    x = data.draw(arrays(support.EVERY, min_dims=1))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    t = ours(x)
    count = data.draw(st.integers(0, 3))
    same(xp.flip(t, axis=axis), np.flip(x, axis=axis))
    same(xp.flip(t), np.flip(x))
    same(xp.roll(t, count - 1, axis=axis), np.roll(x, count - 1, axis=axis))
    same(xp.roll(t, 2), np.roll(x, 2))
    same(xp.repeat(t, count, axis=axis), np.repeat(x, count, axis=axis))
    each = data.draw(arrays(("int64",), (x.shape[axis],), limit=3))
    same(xp.repeat(t, ours(abs(each)), axis=axis), np.repeat(x, abs(each), axis=axis))
    same(xp.tile(t, (count, 2)), np.tile(x, (count, 2)))
    same(xp.expand_dims(t, axis=axis), np.expand_dims(x, axis=axis))
    same(xp.unstack(t, axis=axis), np.unstack(x, axis=axis))
    same(xp.concat([t, t], axis=axis), np.concatenate([x, x], axis=axis))
    same(xp.concat([t, xp.reshape(t, (-1, 1) if x.size else (0, 1))], axis=None),
         np.concatenate([x, x], axis=None))  # fmt: skip
    same(xp.stack([t, t], axis=axis), np.stack([x, x], axis=axis))
    same(xp.moveaxis(t, axis, 0), np.moveaxis(x, axis, 0))
    same(xp.permute_dims(t, tuple(range(x.ndim))[::-1]), x.T)
    same(xp.broadcast_to(t, (2, *x.shape)), np.broadcast_to(x, (2, *x.shape)))
    same(xp.squeeze(xp.expand_dims(t, axis=0), 0), x)
    if x.dtype != bool:
        same(xp.diff(t, axis=axis, n=count), np.diff(x, axis=axis, n=count))


@quick
@given(data=st.data())
def test_taking(data: Any) -> None:
    x = data.draw(arrays(support.EVERY, min_dims=1, min_side=1))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    size = x.shape[axis]
    at = np.asarray(data.draw(st.lists(st.integers(-size, size - 1), max_size=4)), np.int64)
    same(xp.take(ours(x), ours(at), axis=axis), np.take(x, at, axis=axis))
    rows = np.argsort(x, axis=axis)
    same(xp.take_along_axis(ours(x), ours(rows), axis=axis), np.take_along_axis(x, rows, axis=axis))


@quick
@given(data=st.data())
def test_products(data: Any) -> None:
    dtype = data.draw(st.sampled_from(support.NUMERIC))
    n, k, m = (data.draw(st.integers(0, 3)) for _ in range(3))

    def draw(*shape: int) -> np.ndarray:
        return data.draw(arrays((dtype,), shape, limit=2))  # type: ignore[no-any-return]

    a, b, v, w = draw(2, n, k), draw(k, m), draw(k), draw(2, n, k)
    same(xp.matmul(ours(a), ours(b)), np.matmul(a, b))
    same(xp.matmul(ours(a), ours(v)), np.matmul(a, v))
    same(xp.vecdot(ours(a), ours(v)), np.vecdot(a, v))
    same(xp.vecdot(ours(a), ours(w), axis=-2), np.vecdot(a, w, axis=-2))
    same(xp.tensordot(ours(a), ours(b), axes=1), np.tensordot(a, b, axes=1))
    same(xp.tensordot(ours(a), ours(w), axes=((0, 2), (0, 2))),
         np.tensordot(a, w, axes=((0, 2), (0, 2))))  # fmt: skip
    u = draw(m)
    same(xp.linalg.outer(ours(v), ours(u)), np.outer(v, u))
    same(xp.linalg.trace(ours(a)), np.linalg.trace(a))
    same(xp.linalg.diagonal(ours(a), offset=1), np.linalg.diagonal(a, offset=1))


def test_creation() -> None:
    for args in [(5,), (2, 9, 3), (9, 2, -3), (5, 2), (-3,), (-5, -9, -1)]:
        same(xp.arange(*args), np.arange(*args))
    same(xp.arange(0.5, 3.2, 0.4), np.arange(0.5, 3.2, 0.4, np.float32))
    same(xp.arange(3, dtype=xp.uint64), np.arange(3, dtype=np.uint64))
    for endpoint in (True, False):
        for num in (0, 1, 5):
            same(xp.linspace(1, -3, num, endpoint=endpoint, dtype=xp.float64),
                 np.linspace(1, -3, num, endpoint=endpoint))  # fmt: skip
    same(xp.linspace(0, 1 + 2j, 5, dtype=xp.complex128), np.linspace(0, 1 + 2j, 5))
    for k in (-1, 0, 5):
        same(xp.eye(3, 4, k=k, dtype=xp.int16), np.eye(3, 4, k=k, dtype=np.int16))
    same(xp.full(3, 2), np.full(3, 2))
    same(xp.full((), 1j, dtype=xp.complex128), np.full((), 1j))
    same(xp.full_like(xp.zeros(2, dtype=xp.int8), 3), np.full(2, 3, np.int8))
    for indexing in ("xy", "ij"):
        parts = [np.arange(n, dtype=np.float32) for n in (2, 3, 4)]
        same(xp.meshgrid(*map(ours, parts), indexing=indexing),
             tuple(np.meshgrid(*parts, indexing=indexing)))  # fmt: skip
    x = np.arange(12).reshape(3, 4)
    same(xp.tril(ours(x), k=-1), np.tril(x, -1))
    same(xp.triu(ours(x), k=1), np.triu(x, 1))


def test_asarray_copies_where_it_is_told() -> None:
    x = xp.ones(3)
    assert xp.asarray(x) is x and xp.asarray(x, copy=False) is x
    copied = xp.asarray(x, copy=True)
    copied[0] = 5
    assert x[0] == 1
    with pytest.raises(ValueError, match="alias"):
        xp.asarray(x, dtype=xp.int8, copy=False)
    with pytest.raises(ValueError, match="alias"):
        xp.asarray([1, 2], copy=False)
    assert xp.asarray([[1, 2.5]]).dtype is xp.float32 and xp.asarray(1j).dtype is xp.complex64
    assert xp.asarray([True]).dtype is xp.bool and xp.asarray(3).shape == ()
    a = np.ones(2)
    xp.asarray(a)[0] = 7
    assert a[0] == 7
    r = xp.reshape(x, (3, 1), copy=True)
    r[0] = 9
    assert x[0] == 1
    with pytest.raises(ValueError, match="copy"):
        xp.reshape(xp.ones((2, 3)).T, (6,), copy=False)


def test_clip() -> None:
    x = np.asarray([-3, 0, 7], np.int8)
    same(xp.clip(ours(x), -1, 5), np.clip(x, -1, 5))
    same(xp.clip(ours(x), max=ours(np.asarray([[1], [2]], np.int8))), np.minimum(x, [[1], [2]]).astype("i1"))
    same(xp.clip(ours(x)), x)
    y = np.asarray([np.nan, 1.0], np.float32)
    same(xp.clip(ours(y), 2.0), np.clip(y, 2.0, None))


def test_what_does_not_fit_is_refused() -> None:
    x = xp.ones((2, 3))
    for wrong, kind in [
        (lambda: xp.squeeze(x, 0), ValueError), (lambda: xp.expand_dims(x, axis=4), IndexError),
        (lambda: xp.nonzero(xp.ones(())), ValueError), (lambda: xp.sum(x, axis=2), IndexError),
        (lambda: xp.cumulative_sum(x), ValueError), (lambda: xp.take(x, xp.asarray([0])), ValueError),
        (lambda: xp.matrix_transpose(x[0]), ValueError), (lambda: xp.sum(x, axis=(0, 0)), ValueError),
        (lambda: xp.vecdot(x, xp.ones(2)), ValueError), (lambda: xp.linalg.cross(x, x[:, :2]), ValueError),
        (lambda: xp.meshgrid(x, indexing="ji"), ValueError), (lambda: xp.arange(3, step=0), ValueError),
        (lambda: xp.matmul(x, x), RuntimeError), (lambda: xp.linalg.qr(x, mode="r"), ValueError),
        (lambda: xp.concat([x, x[0]]), ValueError), (lambda: xp.triu(x[0]), ValueError),
    ]:  # fmt: skip
        with pytest.raises(kind):
            wrong()
