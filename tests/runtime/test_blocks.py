"""Memory for results."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

from flambeau.runtime import blocks
from flambeau.runtime.blocks import Block


def test_size_classes_hold_what_is_asked_for() -> None:
    for n in [0, 1, 63, 64, 65, 1000, 1024, 1025, 4097, 65537, 10**6, 10**9 + 1]:
        size = blocks.size_class(n)
        assert size >= n and size % 64 == 0
        assert blocks.size_class(size) == size
        assert n < 1025 or size <= n * 1.15


@pytest.mark.parametrize("nbytes", [0, 1, 100, 4096, 32 << 10, (32 << 10) + 1, 1 << 20, 9 << 20])
def test_blocks_are_aligned_and_writeable(nbytes: int) -> None:
    made = [blocks.allocate(nbytes) for _ in range(5)]
    for i, block in enumerate(made):
        assert block.__class__ is Block
        assert block.address % 64 == 0 and block.nbytes >= nbytes and block.owner is None
        block.array(np.uint8, (block.nbytes,))[:] = i
    for i, block in enumerate(made):
        assert (block.array(np.uint8, (block.nbytes,)) == i).all()


def test_memory_is_used_again() -> None:
    for nbytes in (256, 3 << 20):
        block = blocks.allocate(nbytes)
        address = block.address
        del block
        again = blocks.allocate(nbytes)
        assert again.address == address


def test_an_array_keeps_its_block() -> None:
    array = blocks.empty((3, 4), np.float32)
    assert isinstance(array.base, Block) and array.flags.writeable and array.flags.c_contiguous
    address = array.base.address
    array[:] = 7
    view = array[1:, ::2]
    del array
    others = [blocks.allocate(48) for _ in range(50)]
    assert address not in [b.address for b in others]
    assert view.tolist() == [[7, 7], [7, 7]]
    del view, others
    assert address in [b.address for b in [blocks.allocate(48) for _ in range(60)]]


def test_arrays_stay_within_their_block() -> None:
    block = blocks.allocate(64)
    assert block.array(np.float64, (4,), 32).shape == (4,)
    with pytest.raises(ValueError):
        block.array(np.float64, (9,))
    with pytest.raises(ValueError):
        block.array(np.float64, (8,), 8)


def test_of_array() -> None:
    array = np.arange(6, dtype=np.float32)[2:]
    block = Block.of_array(array)
    assert block.__class__ is Block and block.owner is array
    assert block.address == array.ctypes.data and block.nbytes == 16
    assert block.array(np.float32, (2, 2)).tolist() == [[2, 3], [4, 5]]
    frozen = np.zeros(3)
    frozen.setflags(write=False)
    assert Block.of_array(frozen).address == frozen.ctypes.data
    before = blocks.stats()["slabs_free"]
    del block
    assert blocks.stats()["slabs_free"] == before


def test_addresses() -> None:
    for array in (np.zeros(0), np.array(3), np.zeros((3, 4))[1:, 1:], np.zeros((5, 5)).T):
        assert blocks.address_of(array) == array.__array_interface__["data"][0]


def test_what_is_free_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks.release()
    monkeypatch.setattr(blocks, "LEAST_CACHED", 10 << 20)
    before = blocks.stats()["live"]
    held = [blocks.allocate(1 << 20) for _ in range(30)]
    assert blocks.stats()["live"] - before >= 30 << 20
    del held
    assert blocks.stats()["cached"] <= 10 << 20
    blocks.release()
    assert blocks.stats()["cached"] == 0


def test_bins_out_of_use_give_back_first(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks.release()
    monkeypatch.setattr(blocks, "LEAST_CACHED", 12 << 20)
    old = [blocks.allocate(1 << 20) for _ in range(8)]
    del old
    new = [blocks.allocate(2 << 20) for _ in range(5)]
    addresses = {b.address for b in new}
    del new
    assert {blocks.allocate(2 << 20).address for _ in range(1)} <= addresses
    assert len(blocks.bin_for(2 << 20).free) == 5


def test_many_threads() -> None:
    wrong: list[int] = []

    def work(n: int) -> None:
        rng = np.random.default_rng(n)
        held: list[np.ndarray] = []
        for i in range(300):
            array = blocks.empty((int(rng.integers(1, 20000)),), np.int64)
            array[:] = n * 1000 + i
            held.append(array)
            if len(held) > 10:
                out = held.pop(int(rng.integers(10)))
                if not (out == out[0]).all():
                    wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


def test_cycles_are_fine() -> None:
    class Holder:
        pass

    holder = Holder()
    holder.me = holder  # type: ignore[attr-defined]
    holder.block = blocks.allocate(2 << 20)  # type: ignore[attr-defined]
    address = holder.block.address  # type: ignore[attr-defined]
    del holder
    gc.collect()
    assert blocks.allocate(2 << 20).address == address
