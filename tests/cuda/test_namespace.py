"""`torch.cuda` on simulated GPUs, and without one."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import flambeau as torch
from tools.gpu import simulated

cuda: Any = torch.cuda
MIB = 1 << 20


@pytest.fixture
def gpu() -> Iterator[Any]:
    with simulated(count=2, memory=256 * MIB) as found:
        yield found


# --- without a GPU ---------------------------------------------------------------------------------


@pytest.mark.skipif(cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_answers_accepts_or_raises() -> None:
    """Every function does one of the three, with whatever arguments."""
    raising = []
    for name in cuda.__all__:
        function = getattr(cuda, name)
        if not inspect.isfunction(function) or name in ("cudart", "stream"):
            continue
        needed = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
        args = [0 for p in needed if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        try:
            function(*args)
        except AssertionError as error:
            assert "not compiled with CUDA" in str(error) and "is_available" in str(error), name
            raising.append(name)
    assert {"synchronize", "current_device", "get_device_properties", "set_device", "mem_get_info"} < set(raising)
    assert not {"is_available", "manual_seed_all", "empty_cache", "memory_allocated", "set_stream"} & set(raising)
    for made in (cuda.Stream, cuda.Event, cuda.CUDAGraph, cuda.MemPool, cuda.ExternalStream, cuda.FloatTensor):
        with pytest.raises(AssertionError, match="not compiled with CUDA"):
            made(1)
    with cuda.device(1), cuda.stream(None), cuda.device_of(torch.ones(2)):
        pass
    assert cuda.default_generators == () and cuda.get_arch_list() == []


def test_every_name_is_there() -> None:
    for name in cuda.__all__:
        getattr(cuda, name)
    for name in ("comm", "graphs", "memory", "nvtx", "profiler", "random", "streams"):
        module = getattr(cuda, name)
        for public in module.__all__:
            assert getattr(module, public).__doc__, public


# --- devices -----------------------------------------------------------------------------------------


def test_devices(gpu: Any) -> None:
    assert cuda.is_available() and cuda.device_count() == 2 and not cuda.is_initialized()
    cuda.init()
    assert cuda.is_initialized() and cuda.current_device() == 0
    cuda.set_device("cuda:1")
    assert cuda.current_device() == 1 and torch.ones(2, device="cuda").device.index == 1
    cuda.set_device(torch.device("cuda:0"))
    cuda.set_device(-1)
    with cuda.device(1) as inside:
        assert cuda.current_device() == 1 == inside.idx
        with cuda.device(None), cuda.device_of(torch.ones(1)):
            assert cuda.current_device() == 1
        with cuda.device_of(torch.ones(1, device="cuda:0")):
            assert cuda.current_device() == 0
    assert cuda.current_device() == 0
    with pytest.raises(torch.AcceleratorError, match="invalid device ordinal"):
        cuda.set_device(7)
    for wrong in ("cpu", torch.device("cpu")):
        with pytest.raises(ValueError, match="Expected a cuda device"):
            cuda.set_device(wrong)
    with pytest.raises(TypeError):
        cuda.set_device(1.5)


def test_properties(gpu: Any) -> None:
    found = cuda.get_device_properties("cuda")
    assert (found.major, found.minor) == cuda.get_device_capability() == (9, 0)
    assert found.name == cuda.get_device_name(0) and found.total_memory == 256 * MIB
    assert found.multi_processor_count > 0 and found.warp_size == 32
    for name in ("L2_cache_size", "max_threads_per_multi_processor", "regs_per_multiprocessor", "uuid",
                 "shared_memory_per_block", "shared_memory_per_block_optin", "is_integrated", "pci_bus_id",
                 "shared_memory_per_multiprocessor", "is_multi_gpu_board", "clock_rate"):  # fmt: skip
        assert getattr(found, name) is not None
    assert "multi_processor_count=132" in repr(found) and "total_memory=256MB" in repr(found)
    assert cuda.is_bf16_supported() and cuda.is_tf32_supported()
    assert "sm_90" in cuda.get_arch_list() and "sm_75" in cuda.get_gencode_flags()
    assert cuda.can_device_access_peer(0, 1) in (True, False)
    assert not cuda.can_device_access_peer(0, 0)
    with pytest.raises(AssertionError, match="peer"):
        cuda.can_device_access_peer(0, 5)


def test_turing_emulates_bfloat16() -> None:
    with simulated(capability=75):
        assert cuda.is_bf16_supported() and not cuda.is_bf16_supported(including_emulation=False)
        assert not cuda.is_tf32_supported()


# --- streams and events --------------------------------------------------------------------------------


def test_streams(gpu: Any) -> None:
    default = cuda.current_stream()
    assert default == cuda.default_stream() and default.cuda_stream == 0 and default.query()
    side = cuda.Stream(priority=-1)
    assert side.priority == -1 and side != default and side.device == torch.device("cuda:0")
    assert len({side, default, cuda.current_stream()}) == 2 and "cuda_stream=0x" in repr(side)
    with cuda.stream(side):
        assert cuda.current_stream() == side
        with cuda.stream(None):
            assert cuda.current_stream() == side
        x = torch.arange(5.0, device="cuda") * 2
    assert cuda.current_stream() == default
    default.wait_stream(side)
    assert x.tolist() == [0, 2, 4, 6, 8]
    other = cuda.Stream(device=1)
    with cuda.stream(other):
        assert cuda.current_device() == 1 and cuda.current_stream(1) == other
        assert cuda.current_stream(0) == default
    assert cuda.current_device() == 0 and cuda.current_stream(1).cuda_stream == 0
    with side:
        assert cuda.current_stream() == side
    cuda.set_stream(side)
    cuda.set_stream(None)
    assert cuda.current_stream() == side
    again = cuda.Stream(stream_id=side.stream_id, device_index=0, device_type=1)
    assert again == side and again._stream is side._stream
    assert cuda.ExternalStream(side.cuda_stream) == side and side.__cuda_stream__() == (0, side.cuda_stream)
    least, greatest = cuda.Stream.priority_range()
    assert least >= greatest


def test_what_is_pending_runs_on_the_stream_it_was_recorded_on(gpu: Any) -> None:
    x = torch.ones(1000, device="cuda")
    cuda.synchronize()
    side = cuda.Stream()
    gpu.calls.clear()
    y = x + 1
    with cuda.stream(side):
        z = y * 2
    cuda.synchronize()
    streams = [call.arguments[8] for call in gpu.calls if call.name == "cuLaunchKernel"]
    assert streams == [0, side.cuda_stream]
    assert z.tolist() == [4.0] * 1000


def test_events(gpu: Any) -> None:
    start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    assert start.query() and start.device is None and "uninitialized" in repr(start)
    start.record()
    x = torch.ones(100, device="cuda").cumsum(0)
    end.record()
    end.synchronize()
    assert end.query() and start.elapsed_time(end) >= 0 and end.device == torch.device("cuda:0")
    assert x[-1] == 100
    side = cuda.Stream()
    side.wait_event(cuda.current_stream().record_event())
    event = side.record_event()
    event.wait()
    event.wait(cuda.default_stream())
    with pytest.raises(ValueError, match="enable_timing"):
        start.elapsed_time(event)
    with pytest.raises(NotImplementedError):
        cuda.Event(interprocess=True)


def test_synchronizing_can_be_told(gpu: Any) -> None:
    x = torch.ones(3, device="cuda")
    cuda.set_sync_debug_mode("error")
    assert cuda.get_sync_debug_mode() == 2
    with pytest.raises(RuntimeError, match="synchronizing CUDA operation"):
        x.sum().item()
    cuda.set_sync_debug_mode("warn")
    with pytest.warns(UserWarning, match="synchronizing"):
        x.sum().item()
    cuda.set_sync_debug_mode(0)
    x.sum().item()
    with pytest.raises(RuntimeError, match="invalid value of debug_mode"):
        cuda.set_sync_debug_mode("nonsense")


# --- memory --------------------------------------------------------------------------------------------


def test_memory(gpu: Any) -> None:
    before = cuda.memory_allocated()
    cuda.reset_peak_memory_stats()
    x = torch.ones(MIB, device="cuda")
    assert cuda.memory_allocated() >= before + 4 * MIB <= cuda.memory_reserved()
    free, total = cuda.mem_get_info()
    assert free <= total - 4 * MIB and total == 256 * MIB
    del x
    assert cuda.memory_allocated() < 4 * MIB <= cuda.max_memory_allocated()
    assert cuda.memory_reserved() >= 4 * MIB
    cuda.empty_cache()
    assert cuda.memory_reserved() < 4 * MIB <= cuda.max_memory_reserved()
    stats = cuda.memory_stats("cuda:0")
    assert stats["allocated_bytes.all.peak"] == cuda.max_memory_allocated()
    assert cuda.memory_stats_as_nested_dict()["allocated_bytes"]["all"]["peak"] == cuda.max_memory_allocated()
    assert "Allocated memory" in cuda.memory_summary() and isinstance(cuda.memory_snapshot(), list)
    assert cuda.memory_allocated(1) == 0 and cuda.get_allocator_backend() == "native"
    cuda.reset_accumulated_memory_stats()
    with pytest.warns(FutureWarning, match="memory_reserved"):
        cuda.memory_cached()
    assert "allocated_bytes.current" in cuda.host_memory_stats()
    cuda.reset_peak_host_memory_stats()


def test_memory_can_be_limited(gpu: Any) -> None:
    cuda.set_per_process_memory_fraction(0.25)
    assert cuda.get_per_process_memory_fraction() == 0.25
    with pytest.raises(torch.OutOfMemoryError, match="CUDA out of memory. Tried to allocate 80.00 MiB"):
        x = torch.ones(20 * MIB, device="cuda")
        cuda.synchronize()
    cuda.set_per_process_memory_fraction(1.0)
    assert x[5] == 1  # it was tried again
    with pytest.raises(TypeError):
        cuda.set_per_process_memory_fraction(1)
    with pytest.raises(ValueError):
        cuda.set_per_process_memory_fraction(1.5)


def test_memory_by_address(gpu: Any) -> None:
    before = cuda.memory_allocated()
    address = cuda.caching_allocator_alloc(1000, stream=cuda.Stream())
    assert address and cuda.memory_allocated() > before
    cuda.caching_allocator_delete(address)
    cuda.caching_allocator_delete(address)
    assert cuda.memory_allocated() == before
    with pytest.raises(TypeError):
        cuda.caching_allocator_alloc(1, stream="x")
    with pytest.raises(NotImplementedError):
        cuda.change_current_allocator(None)
    with cuda.use_mem_pool(cuda.MemPool()), cuda.caching_allocator_disabled():
        torch.ones(2, device="cuda")


# --- random numbers ------------------------------------------------------------------------------------


def test_random_numbers(gpu: Any) -> None:
    cuda.manual_seed(5)
    assert cuda.initial_seed() == 5
    state = cuda.get_rng_state()
    first = torch.rand(4, device="cuda").tolist()
    cuda.set_rng_state(state)
    assert torch.rand(4, device="cuda").tolist() == first
    cuda.manual_seed_all(7)
    states = cuda.get_rng_state_all()
    assert len(states) == 2
    one = torch.rand(3, device="cuda:1").tolist()
    cuda.set_rng_state_all(states)
    assert torch.rand(3, device="cuda:1").tolist() == one
    cuda.seed()
    cuda.seed_all()
    assert len(cuda.default_generators) == 2


# --- several GPUs, and what is around ------------------------------------------------------------------


def test_comm(gpu: Any) -> None:
    x = torch.arange(6.0, device="cuda:0").view(3, 2)
    a, b = cuda.comm.broadcast(x, [0, 1])
    assert (a.device.index, b.device.index) == (0, 1) and b.tolist() == x.tolist()
    assert cuda.comm.reduce_add([a, b], 1).tolist() == (2 * x).tolist()
    parts = cuda.comm.scatter(x, [0, 1], [1, 2])
    assert [p.shape[0] for p in parts] == [1, 2] and parts[1].device.index == 1
    assert cuda.comm.gather(parts, destination="cpu").tolist() == x.tolist()
    assert cuda.comm.gather(parts).device.index == 0
    assert [len(c) for c in cuda.comm.broadcast_coalesced([x, x], [0, 1])] == [2, 2]
    assert len(cuda.comm.reduce_add_coalesced([[x], [x]])) == 1
    with pytest.raises(ValueError, match="invalid size"):
        cuda.comm.reduce_add([x, x[0]])
    with pytest.raises(RuntimeError, match="Exactly one"):
        cuda.comm.broadcast(x)


def test_marks_for_profilers(gpu: Any) -> None:
    assert cuda.nvtx.range_push("a") == 0 and cuda.nvtx.range_push("b") == 1
    assert cuda.nvtx.range_pop() == 1 and cuda.nvtx.range_pop() == 0 and cuda.nvtx.range_pop() == -1
    with cuda.nvtx.range("step {}", 3):
        cuda.nvtx.mark("here")
    cuda.nvtx.range_end(cuda.nvtx.range_start("c"))


def test_legacy_types(gpu: Any) -> None:
    x = torch.cuda.FloatTensor([1, 2])
    assert x.device.type == "cuda" and isinstance(x, cuda.FloatTensor) and not isinstance(x, cuda.LongTensor)
    assert not isinstance(torch.ones(1), cuda.FloatTensor)


def test_refusals_say_why(gpu: Any) -> None:
    for function in (cuda.current_blas_handle, cuda.current_solver_handle, cuda.GreenContext):
        with pytest.raises(NotImplementedError):
            function()
    with pytest.raises(RuntimeError, match="management library"):
        cuda.utilization()
    with pytest.raises(torch.AcceleratorError, match="CUDA error"):
        cuda.check_error(2)
    cuda.check_error(0)
    runtime = cuda.cudart()
    assert runtime.cudaMemGetInfo(0)[1] == 256 * MIB and runtime.cudaError.success == 0
    assert runtime.cudaGetErrorString(2) and torch.ones(1, device="cuda").item() == 1  # nothing is lost by asking


# --- graphs --------------------------------------------------------------------------------------------


def test_a_graph_reads_and_writes_the_tensors_it_was_recorded_with(gpu: Any) -> None:
    x, w = torch.zeros(3, device="cuda"), torch.full((3,), 2.0, device="cuda")
    counter = torch.zeros(1, device="cuda")
    g = cuda.CUDAGraph()
    with cuda.graph(g):
        assert cuda.is_current_stream_capturing()
        y = (x * w).relu()
        counter += 1
    assert counter.tolist() == [0] and not cuda.is_current_stream_capturing()  # nothing has run
    for value in (1.0, -2.0, 3.0):
        x.fill_(value)
        g.replay()
        assert y.tolist() == [max(2 * value, 0)] * 3
    w.copy_(torch.tensor([1.0, 2.0, 3.0], device="cuda"))
    g.replay()
    assert y.tolist() == [3, 6, 9] and counter.tolist() == [4]
    x.copy_(y)  # an output goes in again
    g.replay()
    assert y.tolist() == [3, 12, 27]


def test_a_training_step_as_a_graph(gpu: Any) -> None:
    def nets() -> list[Any]:
        torch.manual_seed(0)
        net = torch.nn.Linear(4, 2).cuda()
        return [net, torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)]

    torch.manual_seed(3)
    data = [torch.randn(5, 4) for _ in range(4)]
    (one, plain), (two, graphed) = nets(), nets()
    x = data[0].cuda()

    def step(net: Any, optimizer: Any, inputs: Any) -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = net(inputs).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    for net, optimizer in ((one, plain), (two, graphed)):
        step(net, optimizer, x)
    g = cuda.CUDAGraph()
    graphed.zero_grad(set_to_none=True)
    with cuda.graph(g):
        loss = step(two, graphed, x)
    for batch in data[1:]:
        expected = step(one, plain, batch.cuda())
        x.copy_(batch)
        g.replay()
        assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert torch.allclose(one.weight.cpu(), two.weight.cpu(), rtol=1e-6)
    assert torch.allclose(one.weight.grad.cpu(), two.weight.grad.cpu(), rtol=1e-6)


def test_a_replay_draws_new_numbers(gpu: Any) -> None:
    cuda.manual_seed(1)
    g = cuda.CUDAGraph()
    with cuda.graph(g):
        x = torch.rand(8, device="cuda")
        y = torch.rand(8, device="cuda") + 0
    found = []
    for _ in range(2):
        g.replay()
        found += [x.tolist(), y.tolist()]
    cuda.manual_seed(1)
    assert found == [torch.rand(8, device="cuda").tolist() for _ in range(4)]


def test_tensors_that_are_equal_at_first_are_told_apart(gpu: Any) -> None:
    a = torch.ones(2, device="cuda")
    b = a.clone()
    cuda.synchronize()
    g = cuda.CUDAGraph()
    with cuda.graph(g):
        c = a * 10 + b
    a.fill_(5)
    g.replay()
    assert c.tolist() == [51, 51]


def test_what_a_graph_does_not_take(gpu: Any, tmp_path: Path) -> None:
    x = torch.ones(3, device="cuda")
    g = cuda.CUDAGraph()
    with pytest.raises(RuntimeError, match="without a preceding successful capture"):
        g.replay()
    with pytest.raises(RuntimeError, match="not permitted when stream is capturing"), cuda.graph(g):
        (x + 1).tolist()
    with pytest.raises(RuntimeError, match="torch.cuda.synchronize"), cuda.graph(g):
        x += 1
        cuda.synchronize()
    assert x.tolist() == [1, 1, 1] and not cuda.is_current_stream_capturing()
    optimizer = torch.optim.Adam([torch.nn.Parameter(x)])
    optimizer.param_groups[0]["params"][0].grad = torch.ones(3, device="cuda")
    with pytest.raises(RuntimeError, match="Call step"), cuda.graph(g):
        optimizer.step()
    with cuda.graph(g, pool=cuda.graph_pool_handle()):
        y = x + 1
        with pytest.raises(RuntimeError, match="another CUDAGraph"):
            cuda.CUDAGraph().capture_begin()
        with cuda.stream(cuda.Stream()) as _:
            y = y + 1
        cuda.current_stream().wait_stream(cuda.Stream())
    with pytest.raises(RuntimeError, match="already owns"):
        g.capture_begin()
    g.replay()
    assert y.tolist() == [3, 3, 3]
    g.debug_dump(str(tmp_path / "graph.txt"))
    assert "add" in (tmp_path / "graph.txt").read_text()
    g.reset()
    with pytest.raises(RuntimeError):
        g.replay()
    module = torch.nn.Linear(2, 2)
    assert cuda.make_graphed_callables(module, (torch.ones(1, 2),)) is module
    with pytest.raises(TypeError):
        cuda.make_graphed_callables(3, ())
