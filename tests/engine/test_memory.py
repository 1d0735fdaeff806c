"""Memory is bounded, flat, given back, and its lack an error from which a program goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import numpy as np
import pytest

import flambeau as torch
from flambeau import config
from flambeau.engine import memory
from flambeau.graph.trace import state
from flambeau.runtime import blocks, limits, recycled

pytestmark = pytest.mark.skipif(config.max_pending_nodes < 64, reason="nothing stays pending")

MIB = 1 << 20
TOO_MUCH = 1 << 45

PEAK = """
import resource
import flambeau as torch
from flambeau.engine import memory, tiering

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

x = torch.ones(4 << 20)  # 16 MiB
x.sum().item()
start = peak()
"""


def peak(program: str, **environment: str) -> int:
    """By how many MiB a program's memory grows at most, run by itself."""
    return said(textwrap.dedent(program) + "\nprint(peak() - start)", **environment)


def said(program: str, **environment: str) -> int:
    """The number that a program prints last, run by itself."""
    text = PEAK + textwrap.dedent(program)
    env = {**os.environ, **environment}
    done = subprocess.run([sys.executable, "-c", text], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


@pytest.fixture(autouse=True)
def nothing_pending() -> Iterator[None]:
    torch._flush()
    yield
    torch._flush()


# --- bounds -------------------------------------------------------------------------------------

linux = pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")


@linux
@pytest.mark.parametrize("compiling", ["off", "background"])
def test_inputs_that_die_are_not_kept_by_what_reads_them(compiling: str) -> None:
    """30 arrays of 16 MiB, of which a number each is wanted: PyTorch's peak is one of them."""
    grown = peak(
        """
        sums = []
        for i in range(30):
            y = torch.rand(4 << 20)
            sums.append(y.sum())
        del y
        assert 0 < float(sum(sums))
        """,
        FLAMBEAU_MAX_PENDING_BYTES=str(128 * MIB), FLAMBEAU_COMPILE=compiling,
    )  # fmt: skip
    assert grown < 128 + 64 + 64


@linux
@pytest.mark.parametrize("compiling", ["off", "sync"])
def test_a_chain_holds_what_it_needs(compiling: str) -> None:
    """Each result dies with the next: PyTorch's peak is two of them."""
    grown = peak(
        """
        y = x * 1.5
        for i in range(60):
            y = y * 1.01
        y[0].item()
        """,
        FLAMBEAU_MAX_PENDING_BYTES=str(128 * MIB), FLAMBEAU_COMPILE=compiling,
    )  # fmt: skip
    assert grown < 128 + 64 + 64


@linux
def test_pending_results_are_computed_when_they_are_many() -> None:
    """What is not held any more is never more than the bound."""
    grown = peak(
        """
        for i in range(40):
            xs = [x * k for k in range(8)]
        assert xs[3][0] == 3
        """,
        FLAMBEAU_MAX_PENDING_BYTES=str(128 * MIB), FLAMBEAU_COMPILE="off",
    )  # fmt: skip
    assert grown < 2 * 128 + 128 + 64


def test_large_pending_results_run_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "max_pending_bytes", 10 * MIB)
    x = torch.ones(MIB >> 2)  # 1 MiB
    xs = [x * i for i in range(9)]
    assert xs[0]._storage.value.buffer is None and state.pending_bytes >= 9 * MIB
    xs += [x * i for i in range(3)]
    assert xs[0]._storage.value.buffer is not None and state.pending_bytes <= 3 * MIB
    values, indices = zip(*[torch.max(torch.ones(2, MIB >> 3), 0) for _ in range(9)])
    assert state.pending_bytes < 10 * MIB
    del values, indices


def test_the_bound_follows_the_machine() -> None:
    from flambeau.graph import trace

    torch.ones(1 << 20) + 1
    assert 0 < config.max_pending_bytes
    if "FLAMBEAU_MAX_PENDING_BYTES" not in os.environ:
        assert config.max_pending_bytes in (0, min(trace.MOST_PENDING, limits.most() // 8))


def test_memory_is_flat_over_a_thousand_steps() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 8))
    optimizer = torch.optim.Adam(net.parameters())

    def step() -> None:
        optimizer.zero_grad()
        net(torch.randn(32, 64)).square().mean().backward()
        optimizer.step()

    def held() -> int:
        torch._synchronize()
        found = memory.stats()
        return found["live"] + found["cached"]

    for _ in range(100):
        step()
    before, resident = held(), limits.resident()
    for _ in range(1000):
        step()
    assert held() <= before + 64 * 1024
    assert limits.resident() < resident + 16 * MIB


# --- given back ---------------------------------------------------------------------------------


def test_del_gives_memory_back() -> None:
    memory.release()
    before = memory.stats()
    x = torch.rand(32 * MIB >> 2)
    y = x * 2
    y[0].item()
    del x, y
    memory.release()
    after = memory.stats()
    assert after["live"] <= before["live"] + MIB and after["cached"] <= before["cached"] + MIB


@linux
def test_the_system_has_it_then() -> None:
    """In a process of its own: in one that has run for long, an array may be cut from what C's
    allocator has free between other things, and is not given back from there."""
    given_back = said(
        """
        memory.release()
        y = torch.rand(32 << 18)
        z = y * 2
        z[0].item()
        during = memory.stats()["resident"]
        del y, z
        memory.release()
        print((during - memory.stats()["resident"]) >> 20)
        """
    )
    assert given_back >= 48


def test_stats_count_what_is_there() -> None:
    torch._flush()
    found = memory.stats()
    assert set(found) == {"live", "cached", "arena", "pending", "resident", "available"}
    assert found["pending"] == 0 and all(n >= 0 for n in found.values())
    block = blocks.allocate(8 * MIB)
    assert memory.stats()["live"] >= found["live"] + 8 * MIB or found["cached"] >= 8 * MIB
    del block
    kept = recycled.empty(MIB, np.uint8)
    del kept
    assert memory.stats()["cached"] >= MIB
    memory.release()
    assert recycled.free_bytes() == 0


# --- out of memory ------------------------------------------------------------------------------


def test_it_is_everybodys_error() -> None:
    for kind in (torch.OutOfMemoryError, RuntimeError, MemoryError):
        with pytest.raises(kind, match="DefaultCPUAllocator: can't allocate memory"):
            torch.empty(TOO_MUCH)


CALLS = {
    "empty": lambda: torch.empty(TOO_MUCH),
    "repeat": lambda: torch.ones(2, 2).repeat(10**7, 10**7),
    "clone": lambda: torch.ones(1).expand(TOO_MUCH).contiguous(),
    "add": lambda: torch.ones(1).expand(TOO_MUCH) + 1,
    "mul": lambda: torch.ones(10**7).outer(torch.ones(10**7)),
    "zeros": lambda: torch.nn.functional.one_hot(torch.tensor([TOO_MUCH])),
    "bincount": lambda: torch.bincount(torch.tensor([TOO_MUCH])),
    "combinations": lambda: torch.combinations(torch.arange(10**5), 4),
    "arange": lambda: torch.arange(TOO_MUCH),
    "linspace": lambda: torch.linspace(0, 1, TOO_MUCH),
    "eye": lambda: torch.eye(1 << 25),
    "randperm": lambda: torch.randperm(1 << 40),
    "randn": lambda: torch.randn(TOO_MUCH),
    "tril_indices": lambda: torch.tril_indices(1 << 30, 1 << 30),
    "resize_": lambda: torch.ones(3).resize_(TOO_MUCH),
    "ones": lambda: torch.ones(TOO_MUCH, TOO_MUCH),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_can_never_fit_is_refused_at_the_call(name: str) -> None:
    before = torch.get_rng_state().tolist()
    with pytest.raises(torch.OutOfMemoryError) as caught:
        CALLS[name]()
    assert f"{name}(): " in str(caught.value)
    assert torch.get_rng_state().tolist() == before
    assert (torch.ones(3) + 1).tolist() == [2, 2, 2]  # though `caught` is there


def test_the_error_says_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "available", lambda: 100 * MIB)
    monkeypatch.setattr(config, "compile", "off")
    x = torch.ones(2, 16 * MIB).sum(1)
    with pytest.raises(torch.OutOfMemoryError, match="allocate 134217728 bytes") as caught:
        x.tolist()
    assert caught.value.nbytes == 128 * MIB and caught.value.operation in ("constant", "full")
    text = str(caught.value)
    assert "Available: 100 MiB of" in text and "the process is" in text
    monkeypatch.undo()
    assert x.tolist() == [16 * MIB, 16 * MIB]  # nothing is lost


def test_a_large_result_that_may_not_fit_is_refused_at_its_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(config, "max_pending_bytes", 200 * MIB)
    monkeypatch.setattr(config, "compile", "off")
    x = torch.ones(16 * MIB)
    torch._flush()
    monkeypatch.setattr(limits, "available", lambda: 50 * MIB)
    with pytest.raises(torch.OutOfMemoryError, match=r"^exp\(\): "):
        x.exp()
    monkeypatch.undo()
    assert x.exp()[0] == np.exp(np.float32(1))


def test_draws_that_fail_leave_the_stream_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(5)
    torch.rand(3)
    before = torch.get_rng_state()

    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("flambeau.frontend.draws.wrap", fail)
        with pytest.raises(torch.OutOfMemoryError, match=r"^randn\(\): "):
            torch.randn(100_000)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_limit_of_ones_own() -> None:
    program = """
    import flambeau as torch
    x = torch.ones(1 << 20)
    try:
        (x + torch.rand(200 << 20)).sum().item()
    except torch.OutOfMemoryError as error:
        assert "allocate 838860800 bytes" in str(error), error
    print(float((x + 1).sum()))
    """
    env = {**os.environ, "FLAMBEAU_MEMORY_LIMIT": str(700 * MIB)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0 and float(done.stdout) == 2 << 20, done.stderr


def test_control_groups_are_read(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path  # version 2: a limit on the outer group alone
    inner = root / "a" / "b"  # type: ignore[operator]
    inner.mkdir(parents=True)
    (inner / "memory.max").write_text("max\n")
    (inner.parent / "memory.max").write_text("1000000\n")
    (inner.parent / "memory.current").write_text("700000\n")
    (inner.parent / "memory.stat").write_text("anon 1\ninactive_file 200000\n")
    groups = root / "groups"  # type: ignore[operator]
    groups.write_text("0::/a/b\n")
    monkeypatch.setattr(limits, "_MOUNT", root)
    monkeypatch.setattr(limits, "_GROUPS", groups)
    limits._folders.cache_clear()
    try:
        assert limits._groups() == [(1000000, 500000)]
        assert limits.available() <= 500000
    finally:
        limits._folders.cache_clear()
