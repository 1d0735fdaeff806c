"""The benchmarks for GPUs: networks in tiny sizes on a simulated one, without PyTorch."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import pytest

import flambeau as torch
from benchmarks import cuda, measure
from benchmarks.cuda_workloads import NETWORKS, workload
from benchmarks.workloads import Workload
from tools.gpu import simulated

OPTIONS = Namespace(only="", samples=1)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(measure, "REST", 0.0)
    monkeypatch.setattr(measure, "WARM", 0.0)
    with simulated() as gpu:
        yield gpu
        torch._flush()


def test_without_a_gpu(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    cuda.show(OPTIONS)
    cuda.bandwidth(OPTIONS)
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in told] == ["cuda", "bandwidth"]
    assert all("nothing is measured" in line for line in told)


CHOSEN = {n.name.split()[0]: n for n in NETWORKS}
"""One of each network, by the first word of its name."""


@pytest.mark.parametrize("name", ["MLP", "hand-written", "ResNet-50", "GPT,"])
def test_networks_learn_alike(name: str, gpu: Any) -> None:
    """The same losses as on the CPU, where the tests beside PyTorch are."""
    works = (workload(CHOSEN[name], "float32", device, tiny=True) for device in ("cuda", "cpu"))
    step, twin = (work.make(torch) for work in works)
    for _ in range(2 if name in ("MLP", "hand-written") else 1):
        assert step().item() == pytest.approx(twin().item(), 1e-4)
    assert all(p.device.type == "cuda" for p in step.net.parameters())  # type: ignore[attr-defined]


def test_a_table_of_flambeau_alone(
    gpu: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "settle", lambda step, steps: None)
    work = workload(NETWORKS[2], "tf32", "cuda", tiny=True)
    ((same, seconds),) = cuda.table([("tf32", work)], None, 1)
    assert same is work and seconds > 0
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 2 and told[1].startswith("MLP 784-8-8-10, batch 4, Adam, tf32") and " ms" in told[1]
    assert torch.get_float32_matmul_precision() == "highest"


def test_a_line_beside_pytorch() -> None:
    work = Workload("a network", lambda lib: None, 1, 1, 3.0, 3.0)  # type: ignore[arg-type, return-value]
    result = measure.Result(0.001, 0.004, ([1.0, 0.5], [1.0, 0.5004]), 0.002, 12.0)
    line = cuda._line(work, "float32", result)
    assert "1.000 ms" in line and "4.00x" in line and " must " in line and "2.00x" in line
    assert cuda.verdict(work, "float32", result._replace(theirs=0.002)) == "NO"
    apart = result._replace(losses=([1.0, 0.6], [1.0, 0.5]))
    assert [cuda.verdict(work, mode, apart) for mode in ("float32", "bfloat16")] == ["LOSS", "LOSS"]


def test_loops(gpu: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "REPEATS", 1)
    found = cuda.loops("bfloat16", 256, "cuda:0", None, 1)
    assert [name for name, _ in found] == [loop.name for loop in cuda.LOOPS]
    assert all(share > 0 for _, share in found)
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 1 + len(cuda.LOOPS) and all("GB/s" in line for line in told)
