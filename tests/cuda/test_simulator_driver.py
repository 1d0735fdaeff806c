"""The stand-in for libcuda: what runs late, what is refused, what is noticed."""

from __future__ import annotations

import ctypes
import threading
from ctypes import byref, c_float, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any

import numpy as np
import pytest

from tools.gpu import IllegalAddress, Race, simulated
from tools.gpu.panel import SimulatedGpu

from .ptx_kernels import module

ADD = module("u64 x, u32 n, u32 by", """
  mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x; mov.u32 %r3, %tid.x; mad.lo.u32 %r4, %r1, %r2, %r3; ld.param.u32 %r5, [n];
  setp.ge.u32 %p1, %r4, %r5; @%p1 ret; ld.param.u64 %rd1, [x]; mad.wide.u32 %rd2, %r4, 4, %rd1; ld.param.u32 %r6, [by];
  ld.global.u32 %r7, [%rd2]; add.u32 %r7, %r7, %r6; st.global.u32 [%rd2], %r7;""", 75)  # fmt: skip


class Machine:
    """A simulated GPU, started, with a few words for what tests do often."""

    def __init__(self, **more: Any) -> None:
        self.gpu = SimulatedGpu(**more)
        self.d = self.gpu.driver
        assert self.d.cuInit(0) == 0
        self.contexts = []
        for k in range(len(self.gpu.devices)):
            context = c_void_p()
            assert self.d.cuDevicePrimaryCtxRetain(byref(context), k) == 0
            self.contexts.append(context.value)
        assert self.d.cuCtxSetCurrent(self.contexts[0]) == 0
        self.handles: list[Any] = []

    def alloc(self, nbytes: int, stream: Any = None) -> int:
        out = c_uint64()
        assert self.d.cuMemAllocAsync(byref(out), nbytes, stream) == 0
        return out.value

    def stream(self, flags: int = 1) -> int:
        out = c_void_p()
        assert self.d.cuStreamCreateWithPriority(byref(out), flags, 0) == 0
        return out.value or 0

    def event(self, flags: int = 0) -> int:
        out = c_void_p()
        assert self.d.cuEventCreate(byref(out), flags) == 0
        return out.value or 0

    def pinned(self, n: int) -> Any:
        out = c_void_p()
        assert self.d.cuMemHostAlloc(byref(out), 4 * n, 0) == 0
        return np.ctypeslib.as_array((c_uint32 * n).from_address(out.value or 0))

    def upload(self, a: Any, stream: Any = None) -> int:
        address = self.alloc(a.nbytes, stream)
        assert self.d.cuMemcpyHtoDAsync_v2(address, a.ctypes.data, a.nbytes, stream) == 0
        return address

    def download(self, address: int, n: int, stream: Any = None) -> Any:
        out = np.zeros(n, "u4")
        assert self.d.cuMemcpyDtoHAsync_v2(out.ctypes.data, address, out.nbytes, stream) == 0
        return out

    def function(self, text: str = ADD) -> int:
        loaded, function = c_void_p(), c_void_p()
        assert self.d.cuModuleLoadData(byref(loaded), text.encode() + b"\0") == 0
        assert self.d.cuModuleGetFunction(byref(function), loaded.value, b"k") == 0
        return function.value or 0

    def add(
        self,
        function: int,
        address: int,
        n: int,
        by: int,
        stream: Any = None,
        block: int = 64,
        shared: int = 0,
    ) -> int:
        args = [c_uint64(address), c_uint32(n), c_uint32(by)]
        pointers = (c_void_p * 3)(*[ctypes.addressof(a) for a in args])
        return self.d.cuLaunchKernel(
            function, (n + block - 1) // block, 1, 1, block, 1, 1, shared, stream, pointers, None
        )


def test_kernels_run_when_they_are_waited_for() -> None:
    m = Machine()
    x = m.upload(np.arange(100, dtype="u4"))
    f = m.function()
    assert m.add(f, x, 100, 5) == 0 and m.add(f, x, 100, 7) == 0
    assert not m.gpu.launches and not m.gpu.waits
    assert np.array_equal(m.download(x, 100), np.arange(100) + 12)
    assert [(one.kernel, one.grid, one.block) for one in m.gpu.launches] == [
        ("k", (2, 1, 1), (64, 1, 1))
    ] * 2
    assert m.gpu.launches[0].statistics.bytes("ld") == 400 and m.gpu.waits == [
        "cuMemcpyDtoHAsync_v2"
    ]
    assert m.gpu.counts()["cuLaunchKernel"] == 2


def test_pinned_memory_is_read_when_the_copy_runs() -> None:
    m = Machine()
    host, pageable = m.pinned(4), np.full(4, 1, "u4")
    host[:] = 1
    x, y = m.alloc(16), m.upload(pageable)
    assert m.d.cuMemcpyHtoDAsync_v2(x, host.ctypes.data, 16, None) == 0
    host[:] = 2
    pageable[:] = 2
    assert m.download(x, 4).tolist() == [2] * 4 and m.download(y, 4).tolist() == [1] * 4
    host[:] = 0
    assert m.d.cuMemcpyDtoHAsync_v2(host.ctypes.data, x, 16, None) == 0
    assert host.tolist() == [0] * 4
    assert m.d.cuStreamSynchronize(None) == 0
    assert host.tolist() == [2] * 4
    assert m.d.cuMemFreeHost(host.ctypes.data) == 0 and m.d.cuMemFreeHost(host.ctypes.data) == 1


def test_streams_know_nothing_of_each_other_without_events() -> None:
    m = Machine()
    f, a, b = m.function(), m.stream(), m.stream()
    x = m.upload(np.zeros(8, "u4"), a)
    assert m.add(f, x, 8, 1, a) == 0
    assert m.d.cuStreamSynchronize(b) == 0 and not m.gpu.launches
    event = m.event()
    assert m.d.cuEventRecord(event, a) == 0
    assert m.add(f, x, 8, 100, a) == 0  # after the event
    assert m.d.cuStreamWaitEvent(b, event, 0) == 0
    assert m.d.cuEventQuery(event) == 600
    assert m.download(x, 8, b).tolist() == [1] * 8 and m.d.cuEventQuery(event) == 0
    assert m.d.cuStreamQuery(a) == 600 and m.d.cuStreamQuery(a) == 0
    assert m.download(x, 8, a).tolist() == [101] * 8


def test_the_default_stream_waits_for_blocking_ones() -> None:
    m = Machine()
    f, blocking, free = m.function(), m.stream(0), m.stream(1)
    x, y = m.upload(np.zeros(8, "u4"), blocking), m.upload(np.zeros(8, "u4"), free)
    assert m.add(f, x, 8, 1, blocking) == 0 and m.add(f, y, 8, 1, free) == 0
    assert m.download(x, 8).tolist() == [1] * 8 and len(m.gpu.launches) == 1
    assert m.add(f, x, 8, 1) == 0
    assert m.download(x, 8, blocking).tolist() == [2] * 8
    assert m.d.cuCtxSynchronize() == 0 and len(m.gpu.launches) == 3


def test_times_of_events() -> None:
    m = Machine()
    a, b, quiet = m.event(), m.event(), m.event(2)
    found = c_float()
    assert m.d.cuEventElapsedTime(byref(found), a, b) == 400
    f = m.function()
    x = m.upload(np.zeros(8, "u4"))
    assert (
        m.d.cuEventRecord(a, None) == 0
        and m.add(f, x, 8, 1) == 0
        and m.d.cuEventRecord(b, None) == 0
    )
    assert m.d.cuEventElapsedTime(byref(found), a, b) == 600
    assert (
        m.d.cuEventSynchronize(b) == 0
        and m.d.cuEventElapsedTime(byref(found), a, b) == 0
        and found.value > 0
    )
    assert (
        m.d.cuEventRecord(quiet, None) == 0
        and m.d.cuEventElapsedTime(byref(found), a, quiet) == 400
    )


def test_graphs() -> None:
    m = Machine()
    f, s, other = m.function(), m.stream(), m.stream()
    host = m.pinned(8)
    host[:] = 10
    x = m.upload(np.zeros(8, "u4"), s)
    assert m.d.cuStreamBeginCapture_v2(None, 2) == 900
    assert m.d.cuStreamBeginCapture_v2(s, 2) == 0
    assert m.d.cuMemcpyHtoDAsync_v2(x, host.ctypes.data, 32, s) == 0
    assert m.add(f, x, 8, 1, s) == 0
    event, back = m.event(), m.event()
    assert m.d.cuEventRecord(event, s) == 0 and m.d.cuStreamWaitEvent(other, event, 0) == 0
    assert m.d.cuEventQuery(event) == 907
    assert m.add(f, x, 8, 2, other) == 0
    assert m.d.cuEventRecord(back, other) == 0 and m.d.cuStreamWaitEvent(s, back, 0) == 0
    state = c_int()
    assert m.d.cuStreamIsCapturing(other, byref(state)) == 0 and state.value == 1
    graph, executable, count = c_void_p(), c_void_p(), c_size_t()
    assert m.d.cuStreamEndCapture(s, byref(graph)) == 0
    assert m.d.cuStreamIsCapturing(other, byref(state)) == 0 and state.value == 0
    assert m.d.cuGraphGetNodes(graph.value, None, byref(count)) == 0 and count.value == 3
    assert m.d.cuGraphInstantiateWithFlags(byref(executable), graph.value, 0) == 0
    assert m.d.cuGraphDestroy(graph.value) == 0
    assert m.download(x, 8, s).tolist() == [0] * 8 and not m.gpu.launches
    for value in (20, 30):
        host[:] = value
        assert m.d.cuGraphLaunch(executable.value, s) == 0
        assert m.download(x, 8, s).tolist() == [value + 3] * 8
    assert (
        m.d.cuGraphExecDestroy(executable.value) == 0
        and m.d.cuGraphLaunch(executable.value, s) == 400
    )


def test_waiting_ends_a_capture() -> None:
    m = Machine()
    s, out, graph = m.stream(), c_uint64(), c_void_p()
    assert m.d.cuStreamBeginCapture_v2(s, 2) == 0
    assert m.d.cuMemAllocAsync(byref(out), 8, s) == 900
    assert m.d.cuStreamSynchronize(s) == 900
    assert m.d.cuMemsetD8Async(0, 0, 0, s) == 901
    assert m.d.cuStreamEndCapture(s, byref(graph)) == 901 and not graph.value


def test_memory() -> None:
    m = Machine(memory=1 << 20)
    x = m.upload(np.arange(8, dtype="u4"))
    assert x % 256 == 0
    assert m.d.cuMemcpyHtoDAsync_v2(x + 4, np.zeros(8, "u4").ctypes.data, 32, None) == 1
    assert m.d.cuMemsetD32Async(x, 7, 4, None) == 0 and m.download(x, 8).tolist() == [7] * 4 + [
        4,
        5,
        6,
        7,
    ]
    y = m.alloc(32)
    assert m.d.cuMemcpyDtoDAsync_v2(y, x, 32, None) == 0 and m.download(y, 8).tolist() == [
        7
    ] * 4 + [4, 5, 6, 7]
    out = c_uint64()
    assert m.d.cuMemAllocAsync(byref(out), 2 << 20, None) == 2
    big = m.alloc(900 << 10)
    assert m.d.cuMemFreeAsync(big, None) == 0 and m.d.cuMemFreeAsync(big, None) == 1
    assert m.alloc(900 << 10)  # what is freed in order is there after that order
    free, total = c_size_t(), c_size_t()
    assert m.d.cuMemGetInfo_v2(byref(free), byref(total)) == 0 and total.value == 1 << 20
    assert total.value - free.value == 64 + (900 << 10)
    place = c_int()
    assert m.d.cuPointerGetAttribute(byref(place), 9, x + 5) == 0 and place.value == 0
    assert m.d.cuPointerGetAttribute(byref(place), 9, 12345) == 1
    assert m.d.cuMemFree_v2(x) == 0 and m.d.cuMemFree_v2(x) == 1 and m.d.cuMemFree_v2(0) == 0


def test_freed_memory_is_gone() -> None:
    m = Machine()
    x = m.upload(np.zeros(8, "u4"))
    f = m.function()
    assert m.d.cuMemFreeAsync(x, None) == 0 and m.add(f, x, 8, 1) == 0
    assert m.d.cuStreamSynchronize(None) == 700
    assert m.d.cuMemAllocAsync(byref(c_uint64()), 8, None) == 700 == m.gpu.lost
    assert isinstance(m.gpu.faults[0], IllegalAddress) and "k: 4 bytes at" in str(m.gpu.faults[0])


def test_what_launches_are_refused() -> None:
    m = Machine(capability=75)
    f = m.function()
    x = m.upload(np.zeros(8, "u4"))
    assert m.add(f, x, 8, 1, block=2048) == 1 and m.add(f, 0, 0, 1) == 1
    assert m.add(f, x, 8, 1, shared=49 << 10) == 1
    assert (
        m.d.cuFuncSetAttribute(f, 8, 65 << 10) == 1 and m.d.cuFuncSetAttribute(f, 8, 64 << 10) == 0
    )
    assert m.add(f, x, 8, 1, shared=49 << 10) == 0
    value = c_int()
    assert m.d.cuFuncGetAttribute(byref(value), 0, f) == 0 and value.value == 1024
    bounded = ADD.replace("{", "\n.maxntid 64\n{", 1)
    g = m.function(bounded)
    assert m.add(g, x, 8, 1, block=128) == 1 and m.add(g, x, 8, 1, block=64) == 0
    assert m.d.cuLaunchKernel(12345, 1, 1, 1, 1, 1, 1, 0, None, None, None) == 400


def test_code_that_is_refused() -> None:
    m = Machine(capability=80)
    log = ctypes.create_string_buffer(1024)
    options, values = (c_int * 2)(5, 6), (c_void_p * 2)(ctypes.addressof(log), 1024)
    out = c_void_p()
    assert (
        m.d.cuModuleLoadDataEx(
            byref(out), ADD.replace("mov.u32 %r1", "mov.u32 ,,").encode(), 2, options, values
        )
        == 218
    )
    assert b"ptxas fatal" in log.value
    assert m.d.cuModuleLoadData(byref(out), ADD.replace("sm_75", "sm_90").encode()) == 218
    assert (
        m.d.cuModuleLoadData(byref(out), ADD.replace(".version 8.0", ".version 8.7").encode())
        == 222
    )
    assert m.d.cuModuleLoadData(byref(out), b"nothing") == 200
    assert m.d.cuModuleLoadData(byref(out), ADD.encode()) == 0
    assert m.d.cuModuleGetFunction(byref(c_void_p()), out.value, b"other") == 500
    state, cubin, size = c_void_p(), c_void_p(), c_size_t()
    assert m.d.cuLinkCreate_v2(0, None, None, byref(state)) == 0
    data = ADD.encode() + b"\0"
    assert m.d.cuLinkAddData_v2(state.value, 1, data, len(data), b"name", 0, None, None) == 0
    assert m.d.cuLinkComplete(state.value, byref(cubin), byref(size)) == 0
    image = ctypes.string_at(cubin.value or 0, size.value)
    assert m.d.cuLinkDestroy(state.value) == 0
    assert m.d.cuModuleLoadData(byref(out), image) == 0
    assert Machine(capability=86).d.cuModuleLoadData(byref(out), image) == 0
    assert Machine(capability=90).d.cuModuleLoadData(byref(out), image) == 209


def test_failures_on_demand() -> None:
    m = Machine()
    m.gpu.fail("cuMemAllocAsync", 2, after=2, times=2)
    out = c_uint64()
    assert [m.d.cuMemAllocAsync(byref(out), 8, None) for _ in range(6)] == [0, 0, 2, 2, 0, 0]
    m.gpu.lose(719)
    assert m.d.cuStreamSynchronize(None) == 719
    name = ctypes.c_char_p()
    assert m.d.cuGetErrorName(719, byref(name)) == 0 and name.value == b"CUDA_ERROR_LAUNCH_FAILED"


def test_several_devices() -> None:
    m = Machine(count=2)
    x = m.upload(np.arange(8, dtype="u4"))
    s0 = m.stream()
    assert m.d.cuCtxSetCurrent(m.contexts[1]) == 0
    y = m.alloc(32)
    assert y - x == 1 << 36
    assert m.d.cuStreamSynchronize(s0) == 400  # a stream of the other one
    s1 = m.stream()
    assert m.d.cuMemcpyPeerAsync(y, m.contexts[0], x, m.contexts[1], 32, s1) == 1
    m.gpu.run_all()
    assert m.d.cuMemcpyPeerAsync(y, m.contexts[1], x, m.contexts[0], 32, s1) == 0
    assert m.download(y, 8, s1).tolist() == list(range(8))
    found = []
    thread = threading.Thread(target=lambda: found.append(m.d.cuStreamSynchronize(s1)))
    thread.start()
    thread.join()
    assert found == [201]  # no context is current there


def test_before_anything_is_started() -> None:
    d = SimulatedGpu(count=0).driver
    assert d.cuDeviceGetCount(byref(c_int())) == 3
    assert d.cuInit(0) == 100
    one = SimulatedGpu().driver
    assert one.cuInit(0) == 0 and one.cuMemAllocAsync(byref(c_uint64()), 8, None) == 201


def test_flambeau_sees_it() -> None:
    from flambeau.runtime import cuda

    with simulated(capability=86, count=2, multiprocessors=12) as gpu:
        assert cuda.available() and cuda.device_count() == 2
        assert cuda.device(1).capability == 86 and cuda.device(0).multiprocessors == 12
        stream = cuda.current_stream()
        function = cuda.load(ADD.encode()).function("k")
        assert function.threads == 1024 and gpu.counts()["cuModuleGetFunction"] == 1
        stream.synchronize()
    assert not cuda.available()


def test_what_is_noticed_is_raised_at_the_end() -> None:
    from flambeau.runtime import cuda

    racing = module(
        "u64 x", "ld.param.u64 %rd1, [x]; mov.u32 %r1, %tid.x; st.global.u32 [%rd1], %r1;", 75
    )
    with pytest.raises(Race), simulated(race_check=True) as gpu:
        function = cuda.load(racing.encode()).function("k")
        address = gpu.memory.allocate(4)
        value = c_uint64(address or 0)
        pointers = (c_void_p * 1)(ctypes.addressof(value))
        assert (
            gpu.driver.cuLaunchKernel(function.handle, 1, 1, 1, 32, 1, 1, 0, None, pointers, None)
            == 0
        )
    assert not cuda.available()
