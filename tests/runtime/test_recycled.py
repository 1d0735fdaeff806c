"""Memory of large draws is used again, as soon as nobody refers to it and not before."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import flambeau as torch
from flambeau.engine import tiering
from flambeau.runtime import native_random, recycled
from flambeau.runtime.random import Generator

LARGE = recycled.SMALL // 4 + 1


@pytest.fixture(autouse=True)
def nothing_free() -> Iterator[None]:
    recycled.release()
    yield
    recycled.release()


def address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


@pytest.mark.parametrize("shape", [(), 0, 3, (2, 3), [4, 5], (0, 7), (300, 400), (300, 20, 20)])
@pytest.mark.parametrize("dtype", ["float32", "bool", "complex128"])
def test_it_is_like_numpys(shape: tuple[int, ...], dtype: str) -> None:
    made, expected = recycled.empty(shape, dtype), np.empty(shape, dtype)
    assert made.shape == expected.shape and made.dtype == expected.dtype
    assert made.flags.c_contiguous and made.flags.writeable and type(made) is np.ndarray
    made[...] = 1
    assert made.all()


def test_wrong_shapes_are_errors() -> None:
    for shape in ((-3, 4), (-300, -400)):
        with pytest.raises(ValueError):
            recycled.empty(shape, "float64")


def test_memory_is_used_again() -> None:
    first = recycled.empty(LARGE, "float32")
    place = address(first)
    second = recycled.empty(LARGE, "float32")
    assert address(second) != place
    del first
    assert address(recycled.empty(LARGE, "float32")) == place


def test_a_view_keeps_it() -> None:
    first = recycled.empty((LARGE, 2), "float32")
    view, place = first[3:, 1], address(first)
    view[...] = 5
    del first
    others = [recycled.empty((LARGE, 2), "float32") for _ in range(3)]
    for other in others:
        other[...] = 7
    assert place not in map(address, others) and (view == 5).all()


def test_what_is_free_has_a_bound() -> None:
    held = [recycled.empty(1 << 22, "float32") for _ in range(9)]
    held.clear()
    assert 0 < recycled._free <= recycled.MOST_FREE
    assert sum(b.size * len(b.free) for b in recycled._bins.values()) == recycled._free
    recycled.release()
    assert recycled._free == 0


@pytest.mark.skipif(native_random.prepare() is None, reason=native_random.reason())
def test_programs_that_still_run_keep_their_masks() -> None:
    torch.manual_seed(5)
    stream = Generator().manual_seed(5)
    x = torch.ones(256, 300)
    total, expected = torch.zeros(256, 300), np.zeros((256, 300), np.float32)
    for step in range(60):
        total = total + torch.dropout(x, 0.5, True)
        expected += stream.bernoulli((256, 300), "float32", 0.5) * 2
        flush()
        if step == 10:
            tiering.wait_for_compiler(60)
    np.testing.assert_array_equal(total.numpy(), expected)


def flush() -> None:
    from flambeau.engine.flush import flush as run

    run("a test")


@pytest.mark.skipif(native_random.prepare() is None, reason=native_random.reason())
def test_a_large_draw_that_numpy_has_seen_becomes_lazy_again() -> None:
    t = torch.rand(300, 300)
    shown = t.numpy()
    before = shown.copy()
    assert t._storage.is_shared()
    del shown
    assert not t._storage.is_shared()
    t.add_(1)
    other = [torch.rand(300, 300) for _ in range(3)]
    np.testing.assert_array_equal(t.numpy(), before + 1)
    del other


@pytest.mark.skipif(native_random.prepare() is None, reason=native_random.reason())
def test_draws_run_nothing() -> None:
    from flambeau.graph.trace import state

    flush()
    x = torch.ones(300, 300) * 2
    first = state.nodes[0]
    for _ in range(3):
        x = torch.nn.functional.dropout(x, 0.5) + torch.rand(300, 300)
    assert state.nodes[0] is first
