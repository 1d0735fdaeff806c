"""Kernels as code: through LLVM to PTX, through the driver to cubins, both kept on disk."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flambeau import config
from flambeau.codegen.cuda.kernel import GpuKernel
from flambeau.codegen.cuda.kernel import target as target_of
from flambeau.runtime import cuda, cuda_code, kernel_cache
from flambeau.runtime.cuda_api import Error

from .recording import Recorder

IR = """target triple = "nvptx64-nvidia-cuda"
define ptx_kernel void @{symbol}(ptr addrspace(1) %table, ptr byval([2 x i64]) align 8 %args) {{
  %v = load i64, ptr %args
  store i64 {number}, ptr addrspace(1) %table
  ret void
}}
"""


def kernel(number: int = 1, name: str = "set", log: list[Any] | None = None) -> GpuKernel:
    def emit(target: Any, symbol: str) -> str:
        if log is not None:
            log.append((target, symbol))
        return IR.format(symbol=symbol, number=number)

    return GpuKernel(name, ("test", name, number), emit)


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    monkeypatch.setattr(config, "cache_dir", str(tmp_path))
    recorder = Recorder(devices=2)
    recorder.links = True
    cuda.use(recorder)
    yield recorder
    cuda.use(None)


def again(api: Recorder) -> Recorder:
    """A new process, as far as the driver is concerned."""
    fresh = Recorder(devices=2)
    fresh.links = api.links
    cuda.use(fresh)
    return fresh


def test_targets_are_those_of_the_code_generator() -> None:
    for capability in (75, 80, 90, 120):
        assert tuple(cuda_code.target(capability)) == tuple(target_of(capability))


def test_kernels_are_compiled_once(api: Recorder) -> None:
    log: list[Any] = []
    kernels = [kernel(1, log=log), kernel(2, log=log), kernel(1, log=log)]
    found = cuda_code.functions(kernels, cuda.device(0))
    assert set(found) == {repr(k.key) for k in kernels} and len(log) == 2
    assert log[0][0].cpu == "sm_90" and log[0][1].startswith("set_")
    image = next(iter(api.modules.values()))
    assert image.startswith(b"CUBIN of ") and b".target sm_90" in image and b".version 8.0" in image
    same = cuda_code.functions(kernels, cuda.device(0))
    assert all(same[text] is found[text] for text in found) and len(log) == 2
    assert cuda_code.stats.compiled == 2 and cuda_code.stats.from_memory == 2
    other = cuda_code.functions(kernels[:1], cuda.device(1))
    assert other[repr(kernels[0].key)].device is cuda.device(1)
    assert len(log) == 2 and cuda_code.stats.from_disk == 1


def test_cubins_are_kept_on_disk(api: Recorder) -> None:
    cuda_code.functions([kernel()], cuda.device(0))
    api = again(api)
    log: list[Any] = []
    cuda_code.functions([kernel(log=log)], cuda.device(0))
    assert not log and cuda_code.stats.from_disk == 1 and "cuLinkCreate_v2" not in api.names()
    api = again(api)
    api.version = 12090  # another driver: the PTX serves, its machine code does not
    cuda_code.functions([kernel(log=log)], cuda.device(0))
    assert not log and cuda_code.stats.linked == 1 and "cuLinkComplete" in api.names()


def test_a_cubin_that_the_driver_does_not_take_is_made_anew(api: Recorder) -> None:
    cuda_code.functions([kernel()], cuda.device(0))
    api = again(api)
    codes = [209, 0]
    load = api.do_cuModuleLoadDataEx
    api.do_cuModuleLoadDataEx = lambda *args: codes.pop(0) or load(*args)  # type: ignore[method-assign]
    cuda_code.functions([kernel()], cuda.device(0))
    assert cuda_code.stats.rejected == 1 and cuda_code.stats.linked == 1


def test_files_that_were_changed_are_not_used(api: Recorder, tmp_path: Path) -> None:
    cuda_code.functions([kernel()], cuda.device(0))
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[:-3] + b"bad")
    again(api)
    log: list[Any] = []
    cuda_code.functions([kernel(log=log)], cuda.device(0))
    assert len(log) == 1 and cuda_code.stats.from_disk == 0


def test_without_the_drivers_linker_ptx_is_loaded(api: Recorder) -> None:
    api.links = False
    cuda_code.functions([kernel()], cuda.device(0))
    (image,) = api.modules.values()
    assert b".entry set_" in image and not image.startswith(b"CUBIN")
    assert image.endswith(b"\0")


@pytest.mark.parametrize("links", [True, False])
def test_what_the_drivers_compiler_says_is_in_the_error(api: Recorder, links: bool) -> None:
    api.links = links
    with pytest.raises(Error, match=r"loading wrong_\w+ on cuda:0: line 3: wrong"):
        cuda_code.functions([kernel(name="wrong")], cuda.device(0))
    cuda_code.functions([kernel()], cuda.device(0))
    with pytest.raises(Error, match="loading code"):
        cuda.load(b"wrong")


def test_many_kernels_at_once_and_in_another_thread(api: Recorder) -> None:
    found: dict[str, Any] = {}
    thread = threading.Thread(
        target=lambda: found.update(cuda_code.functions([kernel(n) for n in range(9)], cuda.device(1)))
    )
    thread.start()
    thread.join()
    assert len(found) == 9 and len(api.modules) == 9
    for number, text in enumerate(found):
        symbol = found[text].name
        image = api.modules[found[text].module.handle].decode()
        assert symbol in image and f"], {number};" in image


def test_one_wrong_kernel_among_many(api: Recorder) -> None:
    def broken(target: Any, symbol: str) -> str:
        raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        cuda_code.functions([kernel(1), GpuKernel("b", "b", broken), kernel(2)], cuda.device(0))
    cuda_code.functions([kernel(1), kernel(2)], cuda.device(0))


def test_modules_are_unloaded_after_the_last_reference(api: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_code, "KEEP", 2)
    held = cuda_code.functions([kernel(0)], cuda.device(0))
    cuda_code.functions([kernel(n) for n in range(1, 5)], cuda.device(0))
    cuda_code.sweep(0)
    gone = [args[0] for name, args in api.calls if name == "cuModuleUnload"]
    (kept,) = held.values()
    assert len(gone) == 2 and kept.module.handle not in gone
    assert api.names().count("cuCtxSynchronize") == 1


def test_ptx_can_be_had_without_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "cache_dir", str(tmp_path))
    assert ".target sm_75" in cuda_code.ptx(kernel(), 75)
    assert len(list(tmp_path.iterdir())) == 1 and kernel_cache.stats
