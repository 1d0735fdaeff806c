"""The algebra of layouts against NumPy's memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flambeau.core import layout

SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)


def strides_of(a: np.ndarray) -> tuple[int, ...]:
    return tuple(s // a.itemsize for s in a.strides)


@given(SHAPES)
def test_contiguous_strides(shape: tuple[int, ...]) -> None:
    strides = layout.contiguous_strides(shape)
    assert layout.is_contiguous(shape, strides)
    if 0 not in shape:
        assert strides == strides_of(np.empty(shape))
        assert layout.is_dense(shape, strides)


@settings(max_examples=300)
@given(SHAPES, st.randoms(use_true_random=False), SHAPES)
def test_view_strides_show_the_same_elements(shape, random, other) -> None:  # type: ignore[no-untyped-def]
    base = np.arange(int(np.prod(shape)) * 2).reshape(*shape, 2)[..., 0]
    order = list(range(len(shape)))
    random.shuffle(order)
    a = base.transpose(order)
    if np.prod(other) != a.size:
        other = (a.size,)
    found = layout.view_strides(a.shape, strides_of(a), other)
    if found is None or a.size == 0:
        return
    shown = np.lib.stride_tricks.as_strided(a, other, [s * a.itemsize for s in found])
    np.testing.assert_array_equal(shown, a.reshape(other))


@given(SHAPES)
def test_joining_contiguous_dimensions_always_works(shape: tuple[int, ...]) -> None:
    strides = layout.contiguous_strides(shape)
    assert layout.view_strides(shape, strides, (int(np.prod(shape)),)) is not None


@given(SHAPES, SHAPES)
def test_broadcast_is_numpys(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    try:
        expected = np.broadcast_shapes(a, b)
    except ValueError:
        with pytest.raises(RuntimeError, match="must match the size"):
            layout.broadcast(a, b)
    else:
        assert layout.broadcast(a, b) == expected


def test_broadcast_names_the_last_dimension_that_does_not_fit() -> None:
    with pytest.raises(RuntimeError, match=r"a \(3\) .* b \(2\) at non-singleton dimension 1"):
        layout.broadcast((2, 3), (3, 2))


def test_overlap() -> None:
    assert layout.has_overlap((3, 4), (0, 1))
    assert not layout.has_overlap((1, 4), (0, 1))
    assert layout.partly_overlap(((3,), (1,), 0), ((3,), (1,), 1))
    assert not layout.partly_overlap(((3,), (1,), 0), ((3,), (1,), 3))
    assert not layout.partly_overlap(((3,), (1,), 0), ((3,), (1,), 0))
    assert layout.partly_overlap(((2, 2), (2, 1), 0), ((2, 2), (1, 2), 0))


def test_infer_size() -> None:
    assert layout.infer_size((-1, 2), 6) == (3, 2)
    with pytest.raises(RuntimeError, match="only one dimension can be inferred"):
        layout.infer_size((-1, -1), 6)
    with pytest.raises(RuntimeError, match="invalid for input of size 6"):
        layout.infer_size((4, -1), 6)
    with pytest.raises(RuntimeError, match="ambiguous"):
        layout.infer_size((0, -1), 0)


def test_wrap_dim() -> None:
    assert layout.wrap_dim(-1, 3) == 2
    assert layout.wrap_dim(0, 0) == 0
    with pytest.raises(IndexError, match=r"\[-3, 2\], but got 3"):
        layout.wrap_dim(3, 3)
    with pytest.raises(RuntimeError, match="multiple times"):
        layout.wrap_dims((0, -3), 3)
