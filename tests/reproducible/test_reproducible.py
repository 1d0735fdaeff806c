"""The same seed gives the same bits, whatever the machine is busy with (docs/decisions/0021)."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flambeau as torch
from flambeau import config
from flambeau.engine import patience, tiering
from flambeau.nn import functional as F  # noqa: N812
from flambeau.runtime import native, pool

from .train import network, train

pytestmark = pytest.mark.skipif(not native.available(), reason="there is no compiler here")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(config, "compile", "background")
    monkeypatch.setattr(patience, "MOST", 8)
    before = pool.get_num_threads()
    tiering.forget()
    yield
    torch.use_deterministic_algorithms(False)
    tiering.forget()
    pool.set_num_threads(before)


def test_bits_depend_on_nothing_but_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads, workers, alignment, how long the compiler takes."""
    steps, make = 20, tiering._make
    expected = train(steps, 0, 0)
    assert any(p.state == "compiled" for p in tiering.programs())
    for threads, workers, odd, delay in ((1, 0, 4, 0.0), (3, 2, 12, 0.1), (8, 1, 0, 0.02)):

        def late(job: Any, delay: float = delay) -> None:
            job.done.wait(delay)
            make(job)

        monkeypatch.setattr(tiering, "_make", late)
        tiering.forget()
        pool.set_num_threads(threads)
        assert train(steps, workers, odd) == expected


def test_fresh_processes_agree(tmp_path: Path) -> None:
    """With other hashes and addresses, without kernels at hand and with them."""
    command = [sys.executable, "-m", "tests.reproducible.train", "--steps", "15", "--most", "6"]
    said = set()
    for seed in ("1", "2"):
        more = {"PYTHONHASHSEED": seed, "FLAMBEAU_CACHE_DIR": str(tmp_path)}
        done = subprocess.run(
            command, env=os.environ | more, capture_output=True, text=True, timeout=120, cwd=ROOT
        )
        assert done.returncode == 0, done.stderr
        said.add(done.stdout)
    assert len(said) == 1, said


def _steps(net: Any, optimizer: Any, count: int) -> None:
    for _ in range(count):
        optimizer.zero_grad()
        F.cross_entropy(net(torch.randn(8, 3, 16, 16)), torch.randint(0, 10, (8,))).backward()
        optimizer.step()


def test_a_resumed_run_is_the_uninterrupted_one_where_that_was_asked_for() -> None:
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(1)
    net = network()
    optimizer = torch.optim.Adam(net.parameters())
    _steps(net, optimizer, 5)
    file = io.BytesIO()
    torch.save([net.state_dict(), optimizer.state_dict(), torch.get_rng_state()], file)
    _steps(net, optimizer, 5)
    tiering.forget()  # as in a new process
    file.seek(0)
    again = network()
    optimizer = torch.optim.Adam(again.parameters())
    weights, moments, rng = torch.load(file)
    again.load_state_dict(weights)
    optimizer.load_state_dict(moments)
    torch.set_rng_state(rng)
    _steps(again, optimizer, 5)
    for a, b in zip(net.state_dict().values(), again.state_dict().values(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_the_count_is_of_the_program() -> None:
    """The run that is the first compiled one is known beforehand, and waits."""
    tiers = []
    x = torch.ones(3)
    x.tolist()
    for _ in range(12):
        (x * 3 + 1).tolist()
        tiers.append(tiering.programs()[-1].state)
    due = tiering.programs()[-1].uses - tiers.count("compiled") + 1
    assert tiers == [""] + ["compiling"] * (due - 2) + ["compiled"] * (13 - due)
    assert due == 2 + patience.patience(tiering.programs()[-1]) - 1 == 9


def test_asked_for_everything_is_compiled_before_it_runs() -> None:
    torch.use_deterministic_algorithms(True)
    assert torch.are_deterministic_algorithms_enabled()
    (torch.ones(5) * 2 - 1).tolist()
    assert tiering.programs()[-1].state == "compiled"


def test_a_finalizer_in_the_compilers_thread_may_look_at_tensors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What waits for the compiler lets it look."""
    make, seen = tiering._make, []

    def looking(job: Any) -> None:
        if not seen:
            seen.append(0.0)
            job.done.wait(0.3)  # until the others wait
            seen.append((torch.ones(2) * 3).sum().item())
        make(job)

    monkeypatch.setattr(tiering, "_make", looking)
    x = torch.ones(3)
    for i in range(12):
        assert (x * i + 0.5).sum().item() == 3 * i + 1.5
    assert tiering.wait_for_compiler(60) and seen == [0.0, 6.0]
