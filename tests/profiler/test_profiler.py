"""What takes how long: `torch.profiler` and `torch.autograd.profiler`."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import flambeau as torch
from flambeau.autograd import profiler as old
from flambeau.engine import profiling, tiering
from flambeau.profiler import (
    ProfilerAction,
    ProfilerActivity,
    profile,
    record_function,
    schedule,
    tensorboard_trace_handler,
)


def step(x: Any, w: Any) -> float:
    with record_function("forward"):
        y = torch.mm(x, w).relu().sum()
    return float(y)


@pytest.mark.parametrize("compiled", [False, True])
def test_ranges_hold_the_time_of_their_operations(compiled: bool) -> None:
    x, w = torch.rand(7, 5), torch.rand(5, 3)
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True, with_stack=True,
                 with_flops=True) as found:  # fmt: skip
        for _ in range(4 if compiled else 1):
            step(x, w)
            if compiled:
                tiering.wait_for_compiler()
    assert profiling.listening is None
    events = found.events()
    ranges = [e for e in events if e.key == "forward"]
    product = [e for e in events if ("matmul" in e.key if compiled else e.key == "aten::mm")]
    assert len(ranges) == (4 if compiled else 1) and product
    run = product[-1].cpu_parent
    assert run.key.startswith("flambeau::run") and run.cpu_parent in ranges
    assert ranges[0].cpu_time_total >= run.cpu_time_total >= product[-1].cpu_time_total > 0 or compiled
    assert __file__.rpartition("/")[2] in run.stack[0]
    if compiled:
        assert product[-1].flops == 2 * 7 * 5 * 3
    else:
        assert product[0].input_shapes == [[7, 5], [5, 3]]
    averages = found.key_averages()
    table = averages.table(sort_by="cpu_time_total", row_limit=3)
    assert "Self CPU time total" in table and table.splitlines()[1].split()[0] == "Name"
    assert sum(e.self_cpu_time_total for e in averages) == pytest.approx(events.self_cpu_time_total)
    with pytest.raises(AttributeError, match="sorted by"):
        averages.table(sort_by="moon")


def test_schedules() -> None:
    plan = schedule(wait=1, warmup=1, active=2, repeat=2, skip_first=1)
    names = [plan(i).name for i in range(11)]
    assert names == ["NONE", "NONE", "WARMUP", "RECORD", "RECORD_AND_SAVE"] + [
        "NONE", "WARMUP", "RECORD", "RECORD_AND_SAVE"] + ["NONE"] * 2  # fmt: skip
    with pytest.raises(AssertionError, match="Invalid profiler schedule"):
        schedule(wait=0, warmup=0, active=0)
    assert ProfilerAction.RECORD_AND_SAVE.value == 3


def test_rounds_of_steps(tmp_path: Path) -> None:
    seen = []
    handler = tensorboard_trace_handler(str(tmp_path), "me", use_gzip=True)

    def ready(p: Any) -> None:
        seen.append([e.key for e in p.events() if e.key.startswith("ProfilerStep")])
        handler(p)

    with profile(schedule=schedule(wait=1, warmup=0, active=2, repeat=2), on_trace_ready=ready) as p:
        for _ in range(8):
            torch.ones(2).add(1).tolist()
            p.step()
    assert seen == [["ProfilerStep#1", "ProfilerStep#2"], ["ProfilerStep#4", "ProfilerStep#5"]]
    path, _ = sorted(tmp_path.iterdir())
    trace = json.loads(gzip.decompress(path.read_bytes()))
    assert {"ProfilerStep#1", "aten::add"} <= {e["name"] for e in trace["traceEvents"]}


def test_the_old_profiler(tmp_path: Path) -> None:
    with old.profile() as found:
        with old.record_function("mine"):
            torch.ones(3).exp().tolist()
        with pytest.raises(RuntimeError, match="listens already"), old.profile():
            pass
    assert found.total_average().count == len(found.events()) and "mine" in found.table()
    found.export_chrome_trace(tmp_path / "trace.json")
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    with old.profile(enabled=False) as nothing:
        assert nothing is None
    with pytest.warns(UserWarning, match="CUDA is not available"):
        old.profile(use_cuda=True)
    with pytest.warns(UserWarning, match="does not track memory"):
        old.profile(profile_memory=True)
    with pytest.raises(RuntimeError, match="GPU"), old.emit_nvtx():
        pass


def test_ranges_without_a_profiler_run_nothing() -> None:
    from flambeau.graph.trace import state

    with record_function("quiet"):
        x = torch.ones(2) + 1
    assert state.nodes
    assert record_function("decorated")(lambda: 3)() == 3 and x.tolist() == [2, 2]


def test_what_nobody_looks_at_is_measured_too() -> None:
    x = torch.rand(3, requires_grad=True)
    with old.profile() as found:
        for _ in range(4):
            y = x / 2
        (x * 2).sum().backward()
    counts = {e.key: e.count for e in found.key_averages()}
    assert (counts["aten::div"], counts["aten::mul"], counts["aten::sum"]) == (4, 2, 1)
    assert y.tolist() == (x.detach() / 2).tolist()
