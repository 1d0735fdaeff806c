"""The driver: what is there, what is said where it isn't, contexts, streams, events, graphs, errors."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from flambeau.errors import AcceleratorError
from flambeau.runtime import cuda
from flambeau.runtime.cuda_api import MINIMUM_CAPABILITY, Error
from flambeau.runtime.cuda_prototypes import PROTOTYPES

from .recording import Recorder


@pytest.fixture
def api() -> Iterator[Recorder]:
    recorder = Recorder(devices=2)
    cuda.use(recorder)
    yield recorder
    cuda.use(None)


def using(**changed: object) -> Recorder:
    recorder = Recorder(**changed)  # type: ignore[arg-type]
    cuda.use(recorder)
    return recorder


# --- whether there is a GPU --------------------------------------------------------------------------


def test_an_old_driver_is_refused_in_words(api: Recorder) -> None:
    using(version=11080)
    assert not cuda.available() and "11.8" in cuda.reason() and "12.0" in cuda.reason()
    with pytest.raises(RuntimeError, match="driver on your system is too old"):
        cuda.device()


def test_no_device(api: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    using().failing["cuInit"] = 100
    assert not cuda.available() and cuda.device_count() == 0
    assert "no CUDA-capable device" in cuda.reason() and "CUDA_VISIBLE_DEVICES is ''" in cuda.reason()
    with pytest.raises(RuntimeError, match="no CUDA-capable device"):
        cuda.require()
    using(devices=0)
    assert not cuda.available()


def test_a_driver_that_does_not_start(api: Recorder) -> None:
    using().failing["cuInit"] = 803
    assert not cuda.available() and "restart the machine" in cuda.reason()


def test_a_library_that_is_none() -> None:
    cuda.use(object())
    try:
        assert not cuda.available() and "AttributeError" in cuda.reason()
    finally:
        cuda.use(None)


def test_a_gpu_that_is_too_old(api: Recorder) -> None:
    api = using()
    api.attributes[75], api.attributes[76] = 7, 0
    assert not cuda.available() and "7.0" in cuda.reason() and "7.5" in cuda.reason()
    with pytest.raises(RuntimeError, match="compute capability is 7.0"):
        cuda.device(0)


def test_an_old_gpu_beside_a_good_one(api: Recorder) -> None:
    api = using(devices=2)
    api.do_cuDeviceGetAttribute = lambda out, number, device: setattr(  # type: ignore[method-assign]
        out._obj, "value", {75: (6, 9)[device], 76: 0}.get(number, 1)
    )
    assert cuda.available() and cuda.device_count() == 2 and cuda.device(1).capability == 90
    with pytest.raises(RuntimeError, match=f"cuda:0 .*{MINIMUM_CAPABILITY // 10}"):
        cuda.device(0)


def test_nothing_is_said_and_nothing_is_loaded_without_a_gpu() -> None:
    code = (
        "import sys, flambeau; assert not any('runtime.cuda' in m for m in sys.modules); "
        "print(flambeau.cuda.is_available())"
    )
    out = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert out.returncode == 0 and out.stderr == "" and out.stdout in ("False\n", "True\n")


def test_every_prototype_is_a_function_of_cuda_12() -> None:
    for name, arguments in PROTOTYPES.items():
        assert name.startswith("cu") and isinstance(arguments, tuple)
    for name in ("cuMemFree_v2", "cuStreamBeginCapture_v2", "cuMemcpyHtoDAsync_v2", "cuLinkCreate_v2"):
        assert name in PROTOTYPES  # the headers map the plain names to these


# --- devices and contexts ----------------------------------------------------------------------------


def test_contexts_are_made_when_needed_and_once(api: Recorder) -> None:
    first = cuda.device(0)
    assert (first.name, first.capability, first.multiprocessors) == ("Recorder", 90, 132)
    assert first.gpu() == (90, 132, 232448, frozenset()) and not first.started
    assert "cuDevicePrimaryCtxRetain" not in api.names()
    first.activate()
    cuda.device(0).activate()
    assert api.names().count("cuDevicePrimaryCtxRetain") == api.names().count("cuCtxSetCurrent") == 1
    cuda.device(1).activate()
    first.activate()
    assert api.names().count("cuCtxSetCurrent") == 3


def test_threads_have_contexts_devices_and_streams_of_their_own(api: Recorder) -> None:
    cuda.set_device(1)
    cuda.set_current_stream(cuda.pooled(1))
    cuda.current_stream().synchronize()
    seen = []

    def work() -> None:
        seen.append((cuda.current_device(), cuda.current_stream(1).handle))
        cuda.current_stream(1).synchronize()

    before = api.names().count("cuCtxSetCurrent")
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(0, 0)] and cuda.current_device() == 1 and cuda.current_stream().handle
    assert api.names().count("cuCtxSetCurrent") == before + 1


def test_devices_that_are_not_there(api: Recorder) -> None:
    for index in (2, -1):
        with pytest.raises(Error, match="invalid device ordinal"):
            cuda.device(index)
    with pytest.raises(Error):
        cuda.set_device(5)
    assert cuda.current_device() == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_told_to_spawn(api: Recorder) -> None:
    cuda.device(0).activate()
    cuda.current_stream().synchronize()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            assert cuda.available()
            cuda.current_stream().synchronize()
        except BaseException as error:
            os.write(writing, f"{type(error).__name__}: {error}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    said = os.read(reading, 1000).decode()
    assert said.startswith("RuntimeError: Cannot re-initialize CUDA in forked subprocess") and "spawn" in said
    cuda.current_stream().synchronize()


# --- errors --------------------------------------------------------------------------------------------


def test_errors_are_pytorchs(api: Recorder) -> None:
    api.failing["cuStreamSynchronize"] = 2
    with pytest.raises(AcceleratorError, match="CUDA error: out of memory") as caught:
        cuda.current_stream().synchronize()
    error = caught.value
    assert isinstance(error, Error) and isinstance(error, RuntimeError)
    assert (error.code, error.error_code, error.name) == (2, 2, "CUDA_ERROR_OUT_OF_MEMORY")
    assert "waiting for a stream of cuda:0" in str(error)
    del api.failing["cuStreamSynchronize"]
    cuda.current_stream().synchronize()
    assert "out of memory" in str(pickle.loads(pickle.dumps(error)))


def test_a_lost_device_is_remembered(api: Recorder) -> None:
    stream = cuda.current_stream()
    api.failing["cuStreamSynchronize"] = 700
    with pytest.raises(Error, match="Restart the process") as first:
        stream.synchronize()
    assert "CUDA_LAUNCH_BLOCKING=1" in str(first.value)
    api.failing.clear()
    calls = len(api.calls)
    for again in (stream.query, stream.record, cuda.synchronize, lambda: cuda.fill(1, 0, 4, stream)):
        with pytest.raises(Error, match="illegal memory access") as later:
            again()
        assert later.value.code == 700 and isinstance(later.value.__cause__, Error)
    assert {n for n, _ in api.calls[calls:]} <= {"cuGetErrorName", "cuGetErrorString"}
    assert cuda.lost() is not None and not cuda.usable() and cuda.available()


# --- streams, events, graphs ----------------------------------------------------------------------------


def test_pooled_streams_come_again_and_keep_within_the_priorities(api: Recorder) -> None:
    made = [cuda.pooled(0) for _ in range(34)]
    assert len(set(made)) == 32 and made[32] is made[0] and made[1] != made[0]
    assert api.names().count("cuStreamCreateWithPriority") == 32
    assert cuda.pooled(0, priority=-100).priority == -5 and cuda.pooled(0, priority=3).priority == 0
    flags = {args[1] for name, args in api.calls if name == "cuStreamCreateWithPriority"}
    assert flags == {1}  # they don't wait for the default stream


def test_streams_wait_for_each_other(api: Recorder) -> None:
    a, b = cuda.pooled(0), cuda.default_stream(0)
    a.wait_stream(b)
    (record, wait) = [(n, args) for n, args in api.calls if n in ("cuEventRecord", "cuStreamWaitEvent")]
    assert record[0] == "cuEventRecord" and record[1][1] == 0
    assert wait[1][:2] == (a.handle, record[1][0])
    calls = len(api.calls)
    a.wait_stream(a)
    a.wait(cuda.Event())  # never recorded: nothing to wait for
    cuda.wait_for(1)
    cuda.wait_for(0)
    cuda.waited_by(1)
    assert len(api.calls) == calls
    cuda.wait_for(0x77)
    assert api.calls[-1][0] == "cuStreamWaitEvent" and api.calls[-1][1][0] == 0
    cuda.waited_by(0x77)
    assert api.calls[-1][1][0] == 0x77


def test_events(api: Recorder) -> None:
    start, end = cuda.Event(), cuda.Event()
    assert start.query() and not api.names().count("cuEventCreate")
    start.synchronize()
    with pytest.raises(ValueError, match="recorded"):
        start.elapsed(end)
    stream = cuda.current_stream()
    stream.record(start), stream.record(end)
    assert start.elapsed(end) == 2.5
    api.pending.add(end.handle)
    assert not end.query()
    with pytest.raises(RuntimeError, match="completed"):
        start.elapsed(end)
    api.pending.clear()
    with pytest.raises(ValueError, match="enable_timing"):
        start.elapsed(cuda.Event(timing=False))
    with pytest.raises(RuntimeError, match="does not match"):
        start.record(cuda.default_stream(1))
    handles = {start.handle, end.handle}
    del start, end
    again = stream.record(cuda.Event())
    assert again.handle in handles  # they are used again
    assert stream.record().handle not in handles  # but without times it is another kind


def test_capture_makes_a_graph(api: Recorder) -> None:
    with cuda.capture(cuda.current_stream()) as graph:
        assert cuda.capturing() and graph.stream.handle  # the default stream can't be captured
        with pytest.raises(RuntimeError, match="not been captured"):
            graph.launch(cuda.current_stream())
    assert graph.nodes == 7 and not cuda.capturing()
    graph.launch(cuda.current_stream())
    assert api.calls[-1][0] == "cuGraphLaunch" and api.calls[-1][1][1] == 0
    other = cuda.pooled(0)
    with cuda.capture(other) as second:
        assert second.stream is other
    with cuda.capture(cuda.default_stream(0)) as third:
        assert third.stream == graph.stream
    names = api.names()
    assert names.count("cuGraphDestroy") == 3 and not names.count("cuGraphExecDestroy")
    del graph  # in any thread: the driver is told later
    assert not api.names().count("cuGraphExecDestroy")
    with cuda.capture(other):
        pass
    assert api.names().count("cuGraphExecDestroy") == 1


def test_a_capture_that_fails_leaves_no_capture(api: Recorder) -> None:
    with pytest.raises(KeyError), cuda.capture(cuda.current_stream()):
        raise KeyError
    assert not cuda.capturing() and api.names()[-2:] == ["cuStreamEndCapture", "cuGraphDestroy"]
    api.failing["cuStreamEndCapture"] = 901
    with pytest.raises(Error, match="ending a capture"), cuda.capture(cuda.current_stream()):
        pass
    api.failing.clear()
    api.failing["cuGraphInstantiateWithFlags"] = 2
    with pytest.raises(Error, match="graph of 7 nodes"), cuda.capture(cuda.current_stream()):
        pass
    assert api.names()[-1] == "cuGraphDestroy" or "cuGraphDestroy" in api.names()


def test_what_was_made_with_another_library_is_left_alone(api: Recorder) -> None:
    with cuda.capture(cuda.current_stream()) as graph:
        pass
    event = cuda.current_stream().record()
    other = using()
    assert cuda.available()
    del graph, event
    assert "cuGraphExecDestroy" not in other.names()
    fresh = cuda.current_stream().record()
    assert "cuEventCreate" in other.names() and fresh.handle


# --- launches ------------------------------------------------------------------------------------------


def test_launches(api: Recorder) -> None:
    module = cuda.load(b"PTX")
    function = module.function("kernel")
    assert (function.registers, function.local, function.static_shared, function.threads) == (40, 0, 1024, 1024)
    prepared = function.prepare([1, -2, 3], 0x7000)
    stream = cuda.current_stream()
    cuda.launch(function, (4, 1, 1), (256, 1, 1), 0, stream, prepared)
    cuda.launch(function, (4, 1, 1), (256, 1, 1), 47 << 10, stream, prepared)
    assert "cuFuncSetAttribute" not in api.names()
    cuda.launch(function, (4, 1, 1), (256, 1, 1), 96 << 10, stream, prepared)
    cuda.launch(function, (4, 1, 1), (256, 1, 1), 96 << 10, stream, prepared)
    assert [args for n, args in api.calls if n == "cuFuncSetAttribute"] == [(function.handle, 8, 96 << 10)]
    args = api.calls[-1][1]
    assert args[:9] == (function.handle, 4, 1, 1, 256, 1, 1, 96 << 10, 0) and args[10] is None
    import ctypes

    table = ctypes.c_uint64.from_address(args[9][0])
    words = (ctypes.c_int64 * 3).from_address(args[9][1])
    assert table.value == 0x7000 and list(words) == [1, -2, 3]
    prepared.table.value = 0x8000
    assert ctypes.c_uint64.from_address(prepared.parameters[0]).value == 0x8000
    with pytest.raises(ValueError, match="600 words"):
        function.prepare([0] * 600, 0)
    function.prepare([], 0)
    api.failing["cuLaunchKernel"] = 701
    with pytest.raises(Error, match=r"launching kernel, \(4, 1, 1\) blocks"):
        cuda.launch(function, (4, 1, 1), (256, 1, 1), 0, stream, prepared)
