"""The driver's parts together on a simulated GPU, whose streams run late and whose memory is watched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from flambeau.codegen.cuda.kernel import GpuKernel
from flambeau.errors import OutOfMemoryError
from flambeau.runtime import cuda, cuda_code, cuda_memory
from tools.gpu import simulated

ADD = """target triple = "nvptx64-nvidia-cuda"
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
define ptx_kernel void @{symbol}(ptr addrspace(1) %table, ptr byval([2 x i64]) align 8 %args) {{
  %slot = load i64, ptr %args
  %at = getelementptr i64, ptr %args, i64 1
  %n = load i64, ptr %at
  %word = getelementptr i64, ptr addrspace(1) %table, i64 %slot
  %address = load i64, ptr addrspace(1) %word
  %x = inttoptr i64 %address to ptr addrspace(1)
  %t = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %i = zext i32 %t to i64
  %inside = icmp slt i64 %i, %n
  br i1 %inside, label %do, label %done
do:
  %p = getelementptr i32, ptr addrspace(1) %x, i64 %i
  %v = load i32, ptr addrspace(1) %p
  %w = add i32 %v, {number}
  store i32 %w, ptr addrspace(1) %p
  br label %done
done:
  ret void
}}
"""


def adding(number: int) -> GpuKernel:
    """x[i] += number for the first `args[1]` elements of the buffer in slot `args[0]`."""
    return GpuKernel("add", ("test add", number), lambda t, symbol: ADD.format(symbol=symbol, number=number))


@pytest.fixture
def gpu() -> Iterator[Any]:
    with simulated(count=2, memory=64 << 20) as found:
        yield found


def prepared(block: Any, function: Any, n: int) -> tuple[Any, Any]:
    """The function's arguments, and its table, which must live."""
    table = cuda_memory.to_device(np.array([0, block.address], np.int64), block.device)
    return function.prepare([1, n], table.address), table


def test_kernels_run_in_the_order_of_their_stream(gpu: Any) -> None:
    block = cuda_memory.to_device(np.arange(50, dtype=np.int32))
    found = cuda_code.functions([adding(5), adding(100)], cuda.device(0))
    stream = cuda.current_stream()
    for function in found.values():
        assert function.registers > 0 and function.local == 0
        arguments, table = prepared(block, function, 40)
        for _ in range(2):
            cuda.launch(function, (1, 1, 1), (64, 1, 1), 0, stream, arguments)
        del table  # its memory may be used again, but only behind the launches
    assert np.array_equal(
        cuda_memory.to_host(block, np.int32, (50,)), np.arange(50) + np.where(np.arange(50) < 40, 210, 0)
    )


def test_a_graph_runs_again_and_again(gpu: Any) -> None:
    block = cuda_memory.to_device(np.zeros(8, np.int32))
    (function,) = cuda_code.functions([adding(1)], cuda.device(0)).values()
    arguments, table = prepared(block, function, 8)
    with cuda.capture(cuda.current_stream()) as graph:
        for _ in range(3):
            cuda.launch(function, (1, 1, 1), (32, 1, 1), 0, graph.stream, arguments)
        cuda.fill(block.address + 28, 0, 4, graph.stream)
    assert graph.nodes == 4 and cuda_memory.to_host(block, np.int32, (8,)).tolist() == [0] * 8
    for _ in range(2):
        graph.launch(cuda.current_stream())
    assert cuda_memory.to_host(block, np.int32, (8,)).tolist() == [6] * 7 + [0]
    del table


def test_arrays_that_were_submitted_may_go_and_change(gpu: Any) -> None:
    array = np.arange(1 << 20, dtype=np.int32)
    block = cuda_memory.to_device(array)
    array[:] = 7
    kept = cuda_memory.to_pinned(block, np.int32, (10,))
    del array
    other = cuda_memory.to_device(np.full(1 << 20, 3, np.int32))
    cuda.synchronize()
    assert kept.tolist() == list(range(10))
    assert cuda_memory.to_host(other, np.int32, (1 << 20,)).min() == 3


def test_freed_memory_is_used_again_behind_what_used_it(gpu: Any) -> None:
    source = cuda_memory.to_device(np.full(1000, 1.5))
    target = cuda_memory.allocate(8000, 0)
    stream = cuda.current_stream()
    cuda.copy_on_device(target.address, source.address, 8000, stream)
    address = source.address
    del source
    again = cuda_memory.to_device(np.full(1000, 2.5))
    assert again.address == address
    assert cuda_memory.to_host(target, np.float64, (1000,)).tolist() == [1.5] * 1000


def test_another_stream_keeps_what_it_uses(gpu: Any) -> None:
    source = cuda_memory.to_device(np.full(1000, 1.5))
    side = cuda.pooled(0)
    side.wait_stream(cuda.current_stream())
    target = cuda_memory.allocate(8000, 0, side)
    cuda.copy_on_device(target.address, source.address, 8000, side)
    source.used_by(side)
    address = source.address
    del source
    later = [cuda_memory.to_device(np.full(1000, 2.5)) for _ in range(2)]
    seen = cuda_memory.to_host(target, np.float64, (1000,), side)
    assert seen.tolist() == [1.5] * 1000
    assert address in {b.address for b in [*later, cuda_memory.allocate(8000, 0)]}


def test_between_devices(gpu: Any) -> None:
    first = cuda_memory.to_device(np.arange(100), 0)
    second = cuda_memory.allocate(800, 1)
    stream = cuda.current_stream(1)
    stream.wait_stream(cuda.current_stream(0))
    cuda.copy_between(second.address, 1, first.address, 0, 800, stream)
    assert cuda_memory.to_host(second, np.int64, (100,)).tolist() == list(range(100))
    assert cuda.device_of_pointer(second.address) == 1 and cuda.device_of_pointer(first.address) == 0


def test_out_of_memory_and_after(gpu: Any) -> None:
    blocks = [cuda_memory.allocate(10 << 20, 0) for _ in range(5)]
    with pytest.raises(OutOfMemoryError, match="Tried to allocate 30.00 MiB"):
        cuda_memory.allocate(30 << 20, 0)
    del blocks
    block = cuda_memory.allocate(40 << 20, 0)
    cuda.fill(block.address, 1, 40 << 20, cuda.current_stream())
    assert cuda_memory.to_host(block, np.uint8, (5,)).tolist() == [1] * 5
    del block
    cuda_memory.release()
    free, total = cuda.device(0).memory()
    assert free > total - (1 << 20)


def test_a_lost_gpu(gpu: Any) -> None:
    block = cuda_memory.to_device(np.arange(10))
    gpu.lose()
    for _ in range(2):
        with pytest.raises(cuda.Error, match="Restart the process"):
            cuda_memory.to_host(block, np.int64, (10,))
    del block
    gpu.faults.clear()
    gpu.errors.clear()


def test_wrong_code_is_named(gpu: Any) -> None:
    wrong = GpuKernel("wrong", "wrong", lambda target, symbol: "define void @f( {")
    with pytest.raises(RuntimeError):
        cuda_code.functions([wrong], cuda.device(0))
    with pytest.raises(cuda.Error, match="loading code"):
        cuda.load(b".version 8.0\n.target sm_90\nnonsense")
