"""Small namespaces: futures, absent devices, torch_version, return_types, backends, symbols."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import flambeau as torch
from flambeau.futures import Future, collect_all, wait_all
from flambeau.torch_version import TorchVersion


def test_futures() -> None:
    future: Future[int] = Future()
    after = future.then(lambda f: f.value() + 1)
    seen: list[bool] = []
    future.add_done_callback(lambda f: seen.append(f.done()))
    thread = threading.Thread(target=lambda: future.set_result(2))
    assert not future.done()
    thread.start()
    assert future.wait() == 2 and after.wait() == 3
    thread.join()
    assert seen == [True] and wait_all([future, after]) == [2, 3]
    assert collect_all([]).wait() == [] and torch.Future is Future
    with pytest.raises(RuntimeError, match="only once"):
        future.set_result(3)
    failed: Future[int] = Future()
    failed.set_exception(KeyError("no"))
    with pytest.raises(KeyError):
        failed.wait()
    with pytest.raises(KeyError):
        failed.then(lambda f: f.value()).wait()
    with pytest.raises(RuntimeError, match="wait"):
        Future().value()


@pytest.mark.parametrize("kind", ["cuda", "xpu", "mtia", "mps"])
def test_absent_devices(kind: str) -> None:
    space = getattr(torch, kind)
    assert not space.is_available() and space.device_count() == 0
    space.manual_seed(3)
    space.empty_cache()
    for use in (lambda: space.synchronize(), lambda: space.Event(), lambda: space.get_rng_state()):
        with pytest.raises(AssertionError, match="not compiled with .*is_available"):
            use()
    assert not isinstance(3, space.Event)


def test_cuda() -> None:
    cuda: Any = torch.cuda
    assert cuda.memory_allocated() == cuda.max_memory_cached() == 0 and not cuda.memory_stats()
    with cuda.device(0), cuda.stream(None):
        pass
    assert not isinstance(torch.ones(1), cuda.FloatTensor) and not cuda.is_bf16_supported()
    with pytest.raises(AssertionError):
        cuda.FloatTensor(3)
    assert cuda.OutOfMemoryError is torch.OutOfMemoryError and issubclass(torch.OutOfMemoryError, RuntimeError)
    with pytest.raises(RuntimeError, match="record_function"):
        cuda.nvtx.range_push("a")
    cuda.memory.reset_peak_memory_stats()
    assert cuda.random.get_rng_state_all() == []


def test_accelerator_and_cpu() -> None:
    assert not torch.accelerator.is_available() and torch.accelerator.memory_allocated() == 0
    with pytest.raises(RuntimeError, match="no accelerator"):
        torch.accelerator.current_device_index()
    x = torch.ones(2) + 1
    torch.cpu.synchronize()
    assert x._storage.value.buffer is not None
    assert torch.cpu.device_count() == 1 and torch.cpu.current_stream().synchronize() is None
    with torch.cpu.stream(torch.cpu.Stream()):
        torch.cpu.Event().record()
    assert torch.get_device_module("cpu") is torch.cpu


def test_versions() -> None:
    v = TorchVersion("2.13.0+cpu")
    assert v > "2.2" and v >= (2, 13) and v < "2.20.1" and v == TorchVersion("2.13+cpu") and str(v) == "2.13.0+cpu"
    assert TorchVersion("2.1a1") < "2.1" and not v == "moon"
    assert torch.version.xpu is None and torch.version.rocm is None


def test_named_results() -> None:
    assert type(torch.ones(2, 2).max(0)) is torch.return_types.max
    assert "sort" in dir(torch.return_types)
    assert torch.functional.einsum is torch.einsum


def test_symbols_are_numbers() -> None:
    assert (torch.sym_int(-1.5), torch.sym_max(1, 2.0), torch.sym_min(1, 2)) == (-1, 2.0, 1)
    assert torch.sym_not(False) and torch.sym_ite(True, 1, 2) == 1 and torch.sym_sum([1, 2]) == 3
    assert torch.sym_float(3) == 3.0 and torch.sym_sqrt(4) == 2


def test_switches() -> None:
    backends: Any = torch.backends
    assert backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2", "AVX512")
    with backends.cudnn.flags(enabled=False):
        assert not backends.cudnn.enabled
    assert backends.cudnn.enabled and not backends.mkldnn.is_available()
    backends.cuda.enable_flash_sdp(False)
    assert not backends.cuda.flash_sdp_enabled()
    backends.cuda.enable_flash_sdp(True)
    with pytest.warns(FutureWarning, match="sdpa_kernel"), backends.cuda.sdp_kernel(enable_math=False):
        assert not backends.cuda.math_sdp_enabled()
    assert backends.quantized.engine == "none" and not backends.nnpack.is_available()
    with backends.mkl.verbose(backends.mkl.VERBOSE_ON):
        pass
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    assert torch.is_warn_always_enabled()
    torch.set_warn_always(before)
    assert torch.compiled_with_cxx11_abi() and torch.has_lapack and not torch.has_mkl
    assert not torch.is_anomaly_enabled()
    with torch.autograd.set_detect_anomaly(True):
        assert torch.is_anomaly_enabled() and torch.is_anomaly_check_nan_enabled()


def test_what_computes() -> None:
    import flambeau

    assert "NumPy" in flambeau.__config__.show() and "threads" in flambeau.__config__.parallel_info()
