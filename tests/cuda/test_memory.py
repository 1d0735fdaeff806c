"""Memory of a GPU and page-locked memory: used again in stream order, counted, given back."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pytest

from flambeau.errors import OutOfMemoryError
from flambeau.runtime import cuda, cuda_memory, cuda_pinned, cuda_statistics
from flambeau.runtime.cuda_memory import allocate, size_class

from .recording import Recorder

MIB = 1 << 20


@pytest.fixture
def api() -> Iterator[Recorder]:
    recorder = Recorder(devices=2, memory=64 * MIB)
    cuda.use(recorder)
    yield recorder
    cuda.use(None)


def test_sizes_are_classes() -> None:
    assert [size_class(n) for n in (0, 1, 256, 257, 4096, 4097, 9000)] == [256, 256, 256, 512, 4096, 4608, 9216]
    for n in (5000, 70_000, 3 * MIB + 1, 100 * MIB - 3):
        assert n <= size_class(n) <= n * 1.15 and size_class(n) % 256 == 0
        assert size_class(size_class(n)) == size_class(n)
    assert size_class(MIB * 9 + 1) <= 9.6 * MIB


def test_a_freed_block_is_used_again_on_its_stream_alone(api: Recorder) -> None:
    block = allocate(100_000, 0)
    assert block.nbytes >= 100_000 and block.address % 256 == 0 and block.device == 0 and len(block) == block.nbytes
    address = block.address
    other = cuda.pooled(0)
    del block
    elsewhere = allocate(100_000, 0, other)
    assert elsewhere.address != address and elsewhere.stream is other
    calls = len(api.calls)
    assert allocate(99_000, 0).address == address
    assert len(api.calls) == calls  # nothing was asked of the driver
    assert allocate(100_000, 1).device == 1


def test_small_blocks_share_what_the_driver_gives(api: Recorder) -> None:
    blocks = [allocate(1000, 0) for _ in range(20)]
    assert api.names().count("cuMemAllocAsync") == 1
    spans = sorted((b.address, b.address + b.nbytes) for b in blocks)
    assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:]))


def test_a_block_that_another_stream_uses_waits_for_it(api: Recorder) -> None:
    block, other = allocate(50_000, 0), cuda.pooled(0)
    block.used_by(other)
    block.used_by(block.stream)  # its own needs no care
    address = block.address
    del block
    assert "cuEventRecord" not in api.names()  # finalizers ask nothing of the driver
    first = allocate(10, 0)
    events = [args for name, args in api.calls if name == "cuEventRecord"]
    assert len(events) == 1 and events[0][1] == other.handle
    assert allocate(50_000, 0).address == address
    del first


def test_it_waits_until_the_event_is_done(api: Recorder) -> None:
    block, other = allocate(50_000, 0), cuda.pooled(0)
    block.used_by(other)
    address = block.address
    del block
    marks = [cuda.Event(timing=False) for _ in range(1)]
    marks[0].record(other)
    handle = marks[0].handle
    del marks  # the next event is this one
    api.pending.add(handle)
    kept = [allocate(50_000, 0) for _ in range(2)]
    assert address not in {b.address for b in kept}
    api.pending.clear()
    assert allocate(50_000, 0).address == address


def test_statistics(api: Recorder) -> None:
    a, b = allocate(2 * MIB, 0), allocate(1000, 0)
    stats = cuda_memory.stats(0)
    assert stats["allocated_bytes.all.current"] == a.nbytes + b.nbytes == stats["active_bytes.all.current"]
    assert stats["allocated_bytes.large_pool.current"] == a.nbytes and stats["allocation.all.current"] == 2
    assert stats["requested_bytes.all.current"] == 2 * MIB + 1000
    assert stats["reserved_bytes.all.current"] >= a.nbytes + cuda_memory.SLAB
    assert stats["segment.small_pool.current"] == 1 and stats["num_ooms"] == 0
    assert list(stats) == sorted(stats)
    del a
    stats = cuda_memory.stats(0)
    assert stats["allocated_bytes.all.peak"] > 2 * MIB > stats["allocated_bytes.all.current"] == b.nbytes
    assert stats["allocated_bytes.all.freed"] == 2 * MIB and stats["reserved_bytes.all.current"] > 2 * MIB
    cuda_statistics.reset_peak(0)
    cuda_statistics.reset_accumulated(0)
    stats = cuda_memory.stats(0)
    assert stats["allocated_bytes.all.peak"] == b.nbytes and stats["allocated_bytes.all.freed"] == 0
    text = cuda_statistics.summary(0)
    assert "memory summary, device ID 0" in text and "from large pool" in text
    assert len({len(line) for line in text.splitlines()}) == 1
    assert "from large pool" not in cuda_statistics.summary(0, abbreviated=True)
    segments = cuda_statistics.snapshot()
    assert sum(s["total_size"] for s in segments) == stats["reserved_bytes.all.current"]
    assert sum(s["allocated_size"] for s in segments) == b.nbytes


def test_release_gives_back_what_is_free(api: Recorder) -> None:
    big, small = allocate(8 * MIB, 0), [allocate(300, 0) for _ in range(5)]
    kept = small[0]
    address = big.address
    del big, small
    cuda_memory.release(0)
    assert address not in api.buffers and cuda_memory.stats(0)["reserved_bytes.all.current"] == cuda_memory.SLAB
    assert ("cuMemPoolTrimTo", (cuda_memory.pool(0).driver_pool, 0)) in api.calls
    again = allocate(300, 0)
    assert again.address != kept.address
    del kept, again
    cuda_memory.release()
    assert not api.buffers and cuda_memory.stats(0)["segment.all.current"] == 0


def test_where_memory_is_short_what_is_free_is_given_back(api: Recorder) -> None:
    blocks = [allocate(10 * MIB, 0) for _ in range(6)]
    del blocks
    assert allocate(40 * MIB, 0).nbytes >= 40 * MIB  # 60 were free, in blocks of 10
    assert cuda_memory.stats(0)["num_alloc_retries"] == 1


def test_out_of_memory_says_the_numbers(api: Recorder) -> None:
    kept = allocate(16 * MIB, 0)
    with pytest.raises(OutOfMemoryError) as caught:
        allocate(100 * MIB, 0)
    text = str(caught.value)
    assert text.startswith(
        "CUDA out of memory. Tried to allocate 100.00 MiB. GPU 0 has a total capacity of 64.00 MiB of which"
    )
    assert "16.00 MiB is allocated by flambeau" in text and caught.value.nbytes == 100 * MIB
    assert isinstance(caught.value, MemoryError) and isinstance(caught.value, RuntimeError)
    assert cuda_memory.stats(0)["num_ooms"] == 1 and cuda.lost() is None
    assert allocate(10 * MIB, 0).nbytes  # and it goes on
    del kept


def test_memory_may_be_limited(api: Recorder) -> None:
    cuda_memory.limit(0.25, 0)
    allocate(15 * MIB, 0)
    with pytest.raises(OutOfMemoryError, match="16.00 MiB allowed"):
        allocate(17 * MIB, 0)
    cuda_memory.limit(None, 0)
    allocate(17 * MIB, 0)


def test_sizes_that_are_no_longer_asked_for_go(api: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_memory, "LEAST_CACHED", 4 * MIB)
    for size in (3, 4, 5, 6, 7):
        allocate(size * MIB, 0)
    assert cuda_memory.pool(0).cached() <= 4 * MIB + 7 * MIB
    assert "cuMemFreeAsync" in api.names() and "cuCtxSynchronize" not in api.names()


def test_devices_without_pools(api: Recorder) -> None:
    api.attributes[115] = 0
    api.do_cuMemAlloc_v2 = lambda out, size: api.do_cuMemAllocAsync(out, size, 0)  # type: ignore[attr-defined]
    api.do_cuMemFree_v2 = lambda address: api.do_cuMemFreeAsync(address, 0)  # type: ignore[attr-defined]
    allocate(2 * MIB, 0)
    cuda_memory.release()
    assert "cuMemAllocAsync" not in api.names() and "cuMemFree_v2" in api.names() and not api.buffers


# --- page-locked memory and copies -----------------------------------------------------------------------


def test_page_locked_memory_is_a_buffer(api: Recorder) -> None:
    block = cuda_memory.pinned(1000)
    array = block.array(np.float32, (10, 20))
    array[...] = 3
    assert array.base is block and block.nbytes >= 1000 and block.address % 256 == 0
    assert cuda_pinned.pinned_of(array[1:, ::2]) is block and cuda_pinned.pinned_of(np.ones(3)) is None
    address = block.address
    del array, block
    assert cuda_memory.pinned(1000).address == address


def test_page_locked_memory_waits_for_its_copies(api: Recorder) -> None:
    stream = cuda.current_stream()
    block = cuda_memory.pinned(3 * MIB)
    block.used_by(stream)
    block.used_by(stream)
    (event,) = block.uses.values()
    api.pending.add(event.handle)
    address = block.address
    del block, event
    assert cuda_memory.pinned(3 * MIB).address != address
    api.pending.clear()
    found = [cuda_memory.pinned(3 * MIB) for _ in range(2)]
    assert address in {b.address for b in found}
    del found
    assert cuda_pinned.pinned_stats()["live"] == 0
    cuda_memory.release_pinned()
    assert cuda_pinned.pinned_stats()["reserved"] == 0


@pytest.mark.parametrize("count", [0, 1, 1000, 3 * MIB + 5])
def test_arrays_go_there_and_back(api: Recorder, count: int) -> None:
    array = np.arange(count, dtype=np.float64)
    block = cuda_memory.to_device(array, 0)
    back = cuda_memory.to_host(block, np.float64, (count,))
    assert np.array_equal(array, back) and back.flags.writeable
    if count:
        assert np.array_equal(cuda_memory.to_host(block, np.float64, (count - 1,), offset=8), array[1:])
    locked = cuda_memory.to_pinned(block, np.float64, (count,))
    cuda.synchronize()
    assert np.array_equal(array, locked) and (not count or cuda_pinned.pinned_of(locked) is not None)


def test_strided_arrays_are_copied_row_major(api: Recorder) -> None:
    array = np.arange(12, dtype=np.int16).reshape(3, 4).T[::2]
    block = cuda_memory.to_device(array)
    assert np.array_equal(cuda_memory.to_host(block, np.int16, array.shape), array)


def test_an_array_may_be_changed_after_it_was_submitted(api: Recorder) -> None:
    array = np.zeros(1000)
    cuda_memory.to_device(array)
    (copy,) = [args for name, args in api.calls if name == "cuMemcpyHtoDAsync_v2"]
    assert copy[1] != array.ctypes.data  # it was copied aside, and nobody waited
    assert "cuStreamSynchronize" not in api.names()
    locked = cuda_memory.pinned(800).array(np.float64, (100,))
    cuda_memory.to_device(locked, wait=False)
    assert "cuStreamSynchronize" not in api.names()
    copy = [args for name, args in api.calls if name == "cuMemcpyHtoDAsync_v2"][-1]
    assert copy[1] == locked.ctypes.data
    cuda_memory.to_device(locked)
    assert "cuStreamSynchronize" in api.names()


def test_staging_takes_no_more_than_its_ring(api: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_pinned, "CHUNK", 64 << 10)
    array = np.arange(MIB, dtype=np.uint8)
    block = cuda_memory.to_device(array)
    assert np.array_equal(cuda_memory.to_host(block, np.uint8, array.shape), array)
    assert cuda_pinned.pinned_stats()["peak"] <= 2 * MIB


def test_waiting_can_be_told(api: Recorder) -> None:
    block = allocate(100, 0)
    cuda.set_waiting(1)
    with pytest.warns(UserWarning, match="synchronizing CUDA operation"):
        cuda_memory.to_host(block, np.uint8, (10,))
    cuda.set_waiting(2)
    with pytest.raises(RuntimeError, match="synchronizing CUDA operation"):
        cuda_memory.to_host(block, np.uint8, (10,))


def test_blocks_outlive_the_library_they_came_from(api: Recorder) -> None:
    blocks = [allocate(100, 0), cuda_memory.pinned(100)]
    cuda.use(Recorder())
    del blocks
    gc.collect()
    assert allocate(100, 0).device == 0
