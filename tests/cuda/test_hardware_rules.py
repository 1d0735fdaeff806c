"""What a real driver, assembler and GPU insist on, and what they take long for."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import config
from flambeau.codegen.cuda import loops, rewrite_again
from flambeau.codegen.cuda.kernel import Gpu, GpuLaunch, target
from flambeau.core.aval import aval
from flambeau.core.device import gpu as gpu_name
from flambeau.core.dtypes import float32
from flambeau.engine import cuda_graphs, tiering
from flambeau.graph.evaluate import evaluate
from flambeau.graph.fusion import again, fuse
from flambeau.graph.ir import Builder
from flambeau.graph.trace import state
from flambeau.runtime import cuda, cuda_code, cuda_memory, cuda_streams, native
from flambeau.runtime.cuda_prototypes import PROTOTYPES
from flambeau.runtime.libraries import LibraryError
from tools import cuda_plan
from tools.gpu import SimulationError, Unsupported, run_kernel, simulated
from tools.gpu.arguments import check
from tools.gpu.modules import load

NN = torch.nn.functional


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(config, "compile", "sync")
    with simulated(memory=256 << 20) as found:
        yield found


# --- the driver's functions -----------------------------------------------------------------------


def header() -> str | None:
    """cuda.h of CUDA 12, where it is installed."""
    spec = importlib.util.find_spec("nvidia")
    places = [Path(p, "cuda_runtime") for p in (spec.submodule_search_locations or ())] if spec else []
    for place in [*places, Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")), Path("/usr/local/cuda-12")]:
        file = place / "include" / "cuda.h"
        if file.exists():
            text = file.read_text(errors="replace")
            if re.search(r"#define CUDA_VERSION 12\d\d\d", text):
                return text
    return None


def declared(text: str) -> dict[str, list[str]]:
    """The functions of a header, by the names that are exported: kinds of their arguments."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    exported = dict(re.findall(r"#define\s+(cu\w+)\s+(?:__CUDA_API_PT\w+\()?(cu\w+)\)?", text))
    found: dict[str, list[str]] = {}
    for name, given in re.findall(r"CUresult\s+CUDAAPI\s+(\w+)\s*\(([^;]*?)\)\s*;", text):
        kinds = [kind(x) for x in given.split(",")] if given.strip() not in ("", "void") else []
        found.setdefault(exported.get(name, name), kinds)  # old forms come later
    return found


def kind(parameter: str) -> str:
    words = re.sub(r"\bconst\b", "", parameter).replace("*", " * ").replace("[", " * ").split()
    if "*" in words:
        return "8"
    name = " ".join(words[:-1])
    handles = r"CU(context|stream|event|module|function|linkState|graph|graphExec|memoryPool)"
    eight = ("size_t", "CUdeviceptr", "unsigned long long", "cuuint64_t")
    return "8" if name in eight or re.fullmatch(handles, name) else "4"


def test_arguments_are_as_wide_as_the_header_says() -> None:
    text = header()
    if text is None:
        pytest.skip("there is no cuda.h of CUDA 12")
    known = declared(text)
    for name, arguments in PROTOTYPES.items():
        if name in known:  # the profiler has a header of its own
            assert [str(ctypes.sizeof(a)) for a in arguments] == known[name], name


def test_numbers_that_ctypes_would_refuse_or_cut_are_errors() -> None:
    check("cuMemFree_v2", (5,))
    check("cuMemFree_v2", (np.int64(5),))
    with pytest.raises(ctypes.ArgumentError):
        check("cuStreamSynchronize", (np.int64(5),))
    with pytest.raises(OverflowError):
        check("cuMemFree_v2", (np.int64(-5),))
    with pytest.raises(ctypes.ArgumentError):
        check("cuStreamWaitEvent", (1, 2, 1.0))
    with pytest.raises(OverflowError):
        check("cuInit", (1 << 32,))
    with pytest.raises(TypeError):
        check("cuCtxSynchronize", (1,))


def test_parameters_beyond_four_kilobytes_are_refused(gpu: Any) -> None:
    text = """.version 8.0\n.target sm_75\n.address_size 64
    .visible .entry k(.param .u64 a, .param .align 8 .b8 b[%d])\n{\n ret;\n}\n"""
    device = gpu.devices[0]
    assert not isinstance(load((text % 4088).encode(), device), tuple)
    found = load((text % 4096).encode(), device)
    assert isinstance(found, tuple) and "parameters" in found[1]


PRODUCT = """.version 8.0
.target sm_75
.address_size 64
.visible .entry k(.param .u64 a)
{
 .reg .f32 %f<3>;
 .reg .b64 %rd<2>;
 ld.param.u64 %rd1, [a];
 ld.global.f32 %f1, [%rd1];
 mul{rounding}.f32 %f2, %f1, %f1;
 add{rounding}.f32 %f2, %f2, %f1;
 st.global.f32 [%rd1], %f2;
 ret;
}
"""


def test_what_ptxas_may_contract_is_refused() -> None:
    x = np.array([3], np.float32)
    run_kernel(PRODUCT.replace("{rounding}", ".rn"), "k", 1, 1, [x])
    assert x[0] == 12
    with pytest.raises(Unsupported, match="contracted"):
        run_kernel(PRODUCT.replace("{rounding}", ""), "k", 1, 1, [x])


def test_nothing_is_left_to_be_contracted() -> None:
    seen = 0
    for launch in cuda_plan.planned("x", "float32", Gpu(75), small_network).launches:
        text = native.assembly(launch.kernel.emit(target(75), "k"), target(75))
        assert not re.search(r"\b(mul|add|sub)\.(f32|f64|f16)", text)
        seen += len(re.findall(r"\b(?:mul|add|sub|fma)\.rn\.f32", text))
    assert seen > 50


def small_network(dtype: str) -> Any:
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(48, 64), torch.nn.LayerNorm(64), torch.nn.GELU(), torch.nn.Linear(64, 96)
    ).cuda()
    x = torch.randn(64, 48).cuda()

    def step() -> None:
        net.zero_grad()
        net(x).square().mean().backward()

    return step


@pytest.mark.parametrize("capability", [75, 80])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_what_lanes_do_together_is_convergent(dtype: str, capability: int) -> None:
    """Else LLVM may move it to where some lanes are not."""

    def make(_: str) -> Any:
        q, k, v = (torch.randn(2, 2, 32, 16).to("cuda", getattr(torch, dtype)).requires_grad_() for _ in range(3))
        a = torch.randn(256, 128).to("cuda", getattr(torch, dtype))

        def step() -> None:
            NN.scaled_dot_product_attention(q, k, v, is_causal=True).float().sum().backward()
            (a.T @ a).sum()

        return step

    together = 0
    for launch in cuda_plan.planned("x", "float32", Gpu(capability), make).launches:
        for line in launch.kernel.emit(target(capability), "k").splitlines():
            if " asm " in line and ".sync" in line:
                together += 1
                assert line.endswith("#1"), line
    assert together or dtype == "float32"


# --- captures -------------------------------------------------------------------------------------


def test_waiting_for_a_device_elsewhere_does_not_spoil_a_capture(gpu: Any) -> None:
    stream = cuda.current_stream(0)
    block = cuda_memory.allocate(256, 0)
    other = threading.Thread(target=cuda.synchronize)
    with cuda.capture(stream) as graph:
        other.start()
        other.join(0.05)
        cuda.fill(block.address, 0, 256, graph.stream)
        assert other.is_alive()  # until the capture has ended
    other.join()
    graph.launch(stream)
    assert graph.nodes == 1


def test_the_driver_is_as_strict(gpu: Any) -> None:
    stream = cuda.pooled(0)
    with pytest.raises(cuda.Error), cuda.capture(stream):
        cuda.call("cuCtxSynchronize")
    block, array = cuda_memory.allocate(64, 0), np.zeros(16, np.float32)
    with pytest.raises(cuda.Error), cuda.capture(stream):
        cuda.copy_to_device(block.address, array.ctypes.data, 64, stream)
    event = cuda.Event()
    cuda.fill(block.address, 0, 64, cuda.default_stream(0))
    event.record(cuda.default_stream(0))
    with pytest.raises(cuda.Error), cuda.capture(stream):
        stream.wait(event)


def test_graphs_are_given_back_outside_of_finalizers(gpu: Any) -> None:
    block = cuda_memory.allocate(64, 0)
    with cuda.capture(cuda.current_stream(0)) as graph:
        cuda.fill(block.address, 0, 64, graph.stream)
    del graph
    assert not gpu.calls_of("cuGraphExecDestroy")
    cuda_streams.sweep()
    assert len(gpu.calls_of("cuGraphExecDestroy")) == 1


class Unwilling:
    """A library's call that can't be captured."""

    def __init__(self) -> None:
        self.ran = 0

    def run(self, words: Any, stream: Any) -> None:
        if cuda.capturing():
            raise LibraryError("CUDNN_STATUS_NOT_SUPPORTED")
        self.ran += 1


def test_what_a_library_can_not_capture_runs_directly(gpu: Any) -> None:
    call = Unwilling()
    graphs = cuda_graphs.Graphs([call])
    for turn in range(1, 6):
        graphs.run([], cuda.current_stream(0), [])
        assert call.ran == turn
    assert len(gpu.calls_of("cuStreamBeginCapture_v2")) == cuda_graphs.TRIES


def test_modules_are_unloaded_when_nothing_of_them_runs(gpu: Any) -> None:
    def launched() -> Any:
        text = PRODUCT.replace("{rounding}", ".rn").encode()
        module = cuda_code.load(text, cuda.device(0))
        function = module.function("k")
        block = cuda_memory.allocate(4, 0)
        cuda.fill(block.address, 0, 4, cuda.current_stream(0))
        cuda.launch(function, (1, 1, 1), (1, 1, 1), 0, cuda.current_stream(0), function.prepare([], block.address))
        return module

    launched()
    cuda_code.sweep(0)
    assert len(gpu.calls_of("cuModuleUnload")) == 1
    module = launched()
    cuda.call("cuModuleUnload", module.handle)
    module._waste = None
    with pytest.raises(SimulationError, match="unloaded"):
        cuda.synchronize(0)
    gpu.errors.clear()


# --- memory ---------------------------------------------------------------------------------------


def test_results_on_a_gpu_are_not_pending_memory(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "max_pending_bytes", 1 << 20)
    x = torch.ones(1 << 16).cuda()
    before = state.pending_bytes
    for _ in range(40):
        x = x * 1.5
    assert x._storage.value.buffer is None and state.pending_bytes == before
    assert aval((1 << 20,), float32).big and not aval((1 << 20,), float32, gpu_name(0)).big


def test_copies_to_a_gpu_are(gpu: Any) -> None:
    total = torch.zeros(1 << 20).cuda()
    first = total = total + 1
    for _ in range(9):  # 4 MiB each; an eighth of 256 MiB may be held
        total = total + torch.ones(1 << 20).cuda()
    assert first._storage.value.buffer is not None
    assert total[7].item() == 10


def test_no_elements_have_no_address(gpu: Any) -> None:
    class Empty:
        __cuda_array_interface__ = {
            "shape": (0, 3), "typestr": "<f4", "data": (0, False), "version": 3, "strides": None,
        }  # fmt: skip

    found = torch.as_tensor(Empty(), device="cuda")
    assert found.shape == (0, 3) and found.is_cuda


def test_other_dtypes_of_the_same_bytes_stay_on_the_gpu(gpu: Any) -> None:
    """A program of the CPU would take the GPU's addresses for the host's."""
    x = torch.tensor([0, 1, 2, 255], dtype=torch.uint8).cuda()
    for _ in range(3):
        flags = x.view(torch.bool)
        assert flags.is_cuda and flags.sum().item() == 3 and (flags & flags).tolist() == [False, True, True, True]
        assert x.view(torch.int16).tolist() == [256, -254]
        tiering.wait_for_compiler()


# --- traffic --------------------------------------------------------------------------------------


def gelu_and_back(b: Builder) -> list[Any]:
    """A product, gelu, a product, and what of gelu its gradient needs."""
    n = (64, 64)
    x, w, g = (b.make("input", (), i, n, "float32") for i in range(3))
    h = b.special("matmul", (), (x, w), n, "float32")
    bent = b.pointwise("add", b.pointwise("erf", b.pointwise("mul", h, 0.7)), 1.0)
    y = b.special("matmul", (), (b.pointwise("mul", h, bent), w), n, "float32")
    back = b.special("matmul", (), (b.pointwise("mul", y, g), w), n, "float32")
    return [b.pointwise("mul", back, bent)]


def test_elementwise_results_are_computed_again_where_that_saves_traffic() -> None:
    b = Builder()
    outputs = gelu_and_back(b)
    made = rewrite_again.again(outputs)
    erfs = {n for n in rewrite_again._reachable(made) if n.op == "erf"}
    assert len(erfs) == 2 and len({n for n in rewrite_again._reachable(outputs) if n.op == "erf"}) == 1
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((64, 64)).astype(np.float32) for _ in range(3)]
    for was, now in zip(evaluate(outputs, arrays, []), evaluate(made, arrays, [])):
        assert np.array_equal(was, now)


def test_what_takes_long_or_reads_more_is_kept() -> None:
    b = Builder()
    n = (64, 64)
    x, w, g = (b.make("input", (), i, n, "float32") for i in range(3))
    h, k = (b.special("matmul", (), pair, n, "float32") for pair in ((x, w), (w, x)))
    both = b.pointwise("add", h, k)  # of two arrays
    long = h
    for _ in range(4):
        long = b.pointwise("erf", long)
    after = b.special("matmul", (), (b.pointwise("mul", both, long), g), n, "float32")
    outputs = [b.pointwise("mul", after, both), b.pointwise("mul", after, long)]
    assert rewrite_again.again(outputs) is outputs


def test_what_a_merge_makes_possible_is_merged() -> None:
    """A row's statistics that are wanted too, and what is computed from them along the row."""
    b = Builder()
    x = b.make("input", (), 0, (64, 96), "float32")
    total = b.sum(x, (1,), True)
    scale = b.pointwise("div", b.const(1.0, "float32"), total)
    made = [b.pointwise("mul", x, scale), scale]
    found = fuse(made)
    again(found)
    assert len({id(g) for g in found.group_of.values()}) == 1


def test_a_step_s_plan_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cuda_plan.MODELS, "chain", small_network)
    monkeypatch.setattr("sys.argv", ["cuda_plan", "chain"])
    assert cuda_plan.main() == 0
    told = capsys.readouterr().out
    assert "gemm_float32" in told and "in 1 programs" in told and "calls through the host: none" in told


def test_training_with_norms_and_gelu_is_right(gpu: Any) -> None:
    def trained(device: str) -> Any:
        torch.manual_seed(1)
        net = torch.nn.Sequential(
            torch.nn.Linear(48, 64), torch.nn.LayerNorm(64), torch.nn.GELU(), torch.nn.Linear(64, 96)
        ).to(device)
        x = torch.linspace(-1, 1, 96 * 48).reshape(96, 48).to(device)
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        for _ in range(4):
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
            tiering.wait_for_compiler()
        return [p.detach().cpu().numpy() for p in net.parameters()]

    for here, there in zip(trained("cpu"), trained("cuda")):
        np.testing.assert_allclose(here, there, rtol=2e-5, atol=2e-6)


def test_launches_are_of_kernels() -> None:
    """The tables of `cuda_plan` count every launch."""
    step = cuda_plan.planned("x", "float32", Gpu(), small_network)
    found = cuda_plan.items(step, Gpu(), "float32", 3e12, 1e-6)
    assert len(found) == len(step.launches) and all(isinstance(x, GpuLaunch) for x in step.launches)
    assert callable(loops.plan_group) and not step.calls
