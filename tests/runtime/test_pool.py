"""Programs on the pool: every task once, in order, on any number of threads."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from flambeau.runtime import driver, kernel_cache, native, pool
from flambeau.runtime.pool import Program, Record

from .kernels_for_tests import CHAIN, COUNT, WHO, source

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not native.available(), reason=native.reason())


@pytest.fixture(scope="module")
def kernels() -> Iterator[dict[str, int]]:
    sources = [source("count", COUNT), source("chain", CHAIN), source("who", WHO)]
    found = kernel_cache.addresses(sources)
    yield {s.name: found[repr(s.key)] for s in sources}
    del found


@pytest.fixture(params=[1, 2, 4, 7])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = pool.get_num_threads()
    pool.set_num_threads(request.param)
    yield request.param
    pool.set_num_threads(before)


class Job:
    """A program over arrays, and what has to live as long."""

    def __init__(self, arrays: list[np.ndarray]) -> None:
        self.arrays = arrays
        self.table = (ctypes.c_void_p * len(arrays))(*[a.ctypes.data for a in arrays])
        self.args: list[ctypes.Array] = []
        self.records: list[Record] = []
        self.program = Program([])

    def add(self, kernels: list[tuple[int, int]], tasks: int, turns: int = 0, **how: int) -> None:
        pairs = []
        for address, slot in kernels:
            args = (ctypes.c_int64 * 2)(slot, turns)
            self.args.append(args)
            pairs.append((address, ctypes.addressof(args)))
        self.records.append(Record(tuple(pairs), tasks, **how))  # type: ignore[arg-type]

    def make(self, threads: int = 256) -> Job:
        self.program = Program(self.records, threads)
        return self

    @property
    def call(self) -> tuple[int, int]:
        return self.program.address, ctypes.addressof(self.table)


@pytest.mark.parametrize("tasks", [0, 1, 2, 3, 7, 64, 1000, 12345])
@pytest.mark.parametrize("grain, most", [(1, 0), (3, 0), (64, 128), (5, 1)])
def test_each_task_runs_once(
    kernels: dict[str, int], threads: int, tasks: int, grain: int, most: int
) -> None:
    counts = np.zeros(max(tasks, 1) + 1, np.int32)
    job = Job([counts])
    for i in range(6):
        job.add([(kernels["count"], 0)], tasks, grain=grain, most=most, parallel=i % 3 != 2)
    job.make()
    for _ in range(20):
        pool.run_now(*job.call)
    assert (counts[:tasks] == 120).all() and (counts[tasks:] == 0).all()


def test_records_run_in_order_and_kernels_in_turn(kernels: dict[str, int], threads: int) -> None:
    n = 500
    x = np.ones(n, np.int64)
    job = Job([x])
    pattern = [(300, True), (n, True), (40, False), (n, True), (7, True)]
    for tasks, parallel in pattern:
        job.add([(kernels["chain"], 0)] * 2, tasks, grain=4, parallel=parallel)
    job.make()
    expected = np.ones(n, np.int64)
    for _ in range(50):
        pool.run_now(*job.call)
        for tasks, _ in pattern:
            for _ in range(2):
                expected[:tasks] = 3 * expected[:tasks] + np.arange(tasks)
    assert (x == expected).all()


def test_several_threads_take_part_when_there_is_time(kernels: dict[str, int]) -> None:
    before = pool.get_num_threads()
    pool.set_num_threads(2)
    who = np.zeros(64, np.int64)
    job = Job([who])
    job.add([(kernels["who"], 0)], 64, turns=2_000_000, parallel=True)
    job.make()
    for _ in range(20):
        pool.run_now(*job.call)
        if set(who.tolist()) == {0, 1}:
            break
    assert set(who.tolist()) == {0, 1}
    pool.set_num_threads(before)


def test_a_program_has_no_more_threads_than_it_was_planned_for(
    kernels: dict[str, int], threads: int
) -> None:
    who = np.zeros(64, np.int64)
    for planned in (1, 2):
        job = Job([who])
        for _ in range(20):
            job.add([(kernels["who"], 0)], 64, turns=20_000, parallel=True)
        job.make(planned)
        pool.run_now(*job.call)
        assert who.max() < planned


def test_the_stream_keeps_the_order(kernels: dict[str, int], threads: int) -> None:
    n = 100
    x = np.ones(n, np.int64)
    job = Job([x])
    job.add([(kernels["chain"], 0)], n, parallel=True)
    job.make()
    expected = np.ones(n, np.int64)
    tickets = [pool.submit(*job.call) for _ in range(1000)]
    assert tickets == list(range(tickets[0], tickets[0] + 1000))
    pool.run_now(*job.call)
    assert all(map(pool.done, tickets))
    for _ in range(1001):
        expected = 3 * expected + np.arange(n)
    assert (x == expected).all()


def test_waiting(kernels: dict[str, int], threads: int) -> None:
    who = np.zeros(8, np.int64)
    job = Job([who])
    job.add([(kernels["who"], 0)], 8, turns=3_000_000, parallel=True)
    job.make()
    first, last = pool.submit(*job.call), pool.submit(*job.call)
    pool.wait(first)
    assert pool.done(first)
    pool.wait(last)
    assert pool.done(first) and pool.done(last) and pool.done(0)
    time.sleep(0.02)  # long enough for all to sleep
    pool.wait(pool.submit(*job.call))
    pool.synchronize()


def test_python_threads_beside_each_other(kernels: dict[str, int], threads: int) -> None:
    counts = np.zeros(100, np.int32)
    job = Job([counts])
    job.add([(kernels["count"], 0)], 100, parallel=True)
    job.make()

    def work(n: int) -> None:
        for i in range(200):
            if (i + n) % 3 == 0:
                pool.run_now(*job.call)
            else:
                ticket = pool.submit(*job.call)
                if i % 7 == 0:
                    pool.wait(ticket)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in workers:
        t.start()
    for t in workers:
        t.join()
    pool.synchronize()
    assert (counts == 800).all()


def test_the_number_of_threads_changes(kernels: dict[str, int]) -> None:
    before = pool.get_num_threads()
    counts = np.zeros(100, np.int32)
    job = Job([counts])
    job.add([(kernels["count"], 0)], 100, parallel=True)
    job.make()
    for n in (3, 1, 5, 2, 0, 1000, before):
        pool.set_num_threads(n)
        assert pool.get_num_threads() == max(1, min(n, 256))
        pool.submit(*job.call)
        pool.run_now(*job.call)
    assert (counts == 14).all()


def test_times_of_records(kernels: dict[str, int]) -> None:
    who = np.zeros(4, np.int64)
    job = Job([who])
    for turns in (100, 4_000_000, 100):
        job.add([(kernels["who"], 0)], 4, turns=turns)
    job.make()
    assert job.program.times().shape == (0, 2)
    job.program.profile()
    start = time.perf_counter()
    pool.run_now(*job.call)
    passed = time.perf_counter() - start
    times = job.program.times()
    spent = times[:, 1] - times[:, 0]
    assert times.shape == (3, 2) and times[0, 0] == 0 and (np.diff(times.ravel()) >= 0).all()
    assert spent[1] > spent[0] and spent[1] > spent[2]
    assert times[-1, 1] <= passed * 1.2
    job.program.profile(False)
    pool.run_now(*job.call)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forks(kernels: dict[str, int]) -> None:
    """A child, and its child, have pools of their own; what was submitted before has run."""
    counts = np.zeros(100, np.int32)
    job = Job([counts])
    job.add([(kernels["count"], 0)], 100, parallel=True)
    job.make()
    tickets = [pool.submit(*job.call) for _ in range(10)]

    def inside(depth: int) -> int:
        ok = all(map(pool.done, tickets)) and (counts == 10 + 2 * (1 - depth)).all()
        pool.wait(pool.submit(*job.call))
        pool.run_now(*job.call)
        ok = ok and (counts == 12 + 2 * (1 - depth)).all()
        if depth:
            child = os.fork()
            if not child:
                os._exit(inside(depth - 1))
            ok = ok and os.waitpid(child, 0)[1] == 0
            pool.run_now(*job.call)
        return 0 if ok else 1

    child = os.fork()
    if not child:
        os._exit(inside(1))
    assert os.waitpid(child, 0)[1] == 0
    assert (counts == 10).all()
    pool.run_now(*job.call)
    assert (counts == 11).all()


PROCESS = """
import ctypes, sys, threading, time
import numpy as np
from flambeau.runtime import kernel_cache, pool
from tests.runtime.kernels_for_tests import WHO, source
found = kernel_cache.addresses([source("who", WHO)])
who = np.zeros(8, np.int64)
args = (ctypes.c_int64 * 2)(0, 1_000_000)
table = (ctypes.c_void_p * 1)(who.ctypes.data)
record = pool.Record(((next(iter(found.values())), ctypes.addressof(args)),), 8, parallel=True)
program = pool.Program([record])
call = program.address, ctypes.addressof(table)
for _ in range(20): pool.submit(*call)
"""


@pytest.mark.parametrize(
    "end",
    [
        "",
        "sys.exit(0)",
        "time.sleep(0.05)",
        "import atexit; atexit.register(lambda: (pool.submit(*call), pool.run_now(*call)))",
        "threading.Thread(target=lambda: [pool.run_now(*call) for _ in range(10**6)], daemon=True)"
        ".start(); time.sleep(0.02)",
    ],
)
def test_the_process_ends(end: str) -> None:
    """Without waiting for anything, and without a crash, whatever is going on."""
    done = subprocess.run(
        [sys.executable, "-c", PROCESS + end], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (0, "")


ELSEWHERE = """
from flambeau.runtime import native, pool
pool._FUTEX.clear()
if {generic}: native.architecture = lambda: "unheard of"
{process}
pool.set_num_threads(3)
for i in range(200):
    ticket = pool.submit(*call)
    if i % 50 == 0: time.sleep(0.005)
    if i % 3 == 0: pool.wait(ticket)
    if i % 5 == 0: pool.run_now(*call)
assert pool._driver.entries and 0.5e9 < pool.ticks_per_second() < 1.5e9 or not {generic}
"""


@pytest.mark.parametrize("generic", [False, True])
def test_without_futex_and_clock(generic: bool) -> None:
    """What other systems and processors get works here too."""
    code = ELSEWHERE.format(generic=generic, process=PROCESS.replace("1_000_000", "1000"))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_driver_is_code_for_arm() -> None:
    arm = SimpleNamespace(triple="aarch64-unknown-linux-gnu", cpu="neoverse-n1", features="")
    text = native.assembly(driver.text("table", "aarch64", 98), arm)
    assert "cntvct_el0" in text.lower() and "table:" in text
