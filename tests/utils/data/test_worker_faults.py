"""What goes wrong in workers, and how processes end: no hang, no orphan, a telling error."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import flambeau
from flambeau.utils.data import DataLoader, Dataset, IterableDataset
from flambeau.utils.data._utils import pool

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks for processes in /proc"
)


class Task(Dataset):
    """Sample ``i`` is the result of a function, called in the worker."""

    def __init__(self, function, n=4):
        self.function = function
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return self.function(index)


class TwoArguments(Exception):
    def __init__(self, code, text):
        super().__init__(code, text)


def running(pid):
    """Whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until_gone(pids, seconds=6.0):
    """The processes that are still there after some seconds."""
    deadline = time.monotonic() + seconds
    while (left := [pid for pid in pids if running(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


def pids_of(iterator):
    pids = iterator._pool.pids()
    assert pids and all(running(pid) for pid in pids)
    return pids


def raising(error):
    def read(index):
        if index == 1:
            raise error
        return index

    return read


@pytest.mark.parametrize(
    "error", [ValueError("bad sample"), OSError(5, "disk"), ZeroDivisionError()]
)
def test_exceptions_keep_their_type_and_show_the_workers_traceback(error):
    iterator = iter(DataLoader(Task(raising(error)), num_workers=2))
    assert next(iterator).tolist() == [0]
    with pytest.raises(type(error)) as caught:
        next(iterator)
    text = str(caught.value)
    assert f"Caught {type(error).__name__} in DataLoader worker process 1.\nOriginal Trace" in text
    assert "raise error" in text and str(error) in text
    assert next(iterator).tolist() == [2]


def test_key_errors_are_readable():
    iterator = iter(DataLoader(Task(raising(KeyError("absent"))), num_workers=2))
    next(iterator)
    with pytest.raises(KeyError) as caught:
        next(iterator)
    assert "\nKeyError: 'absent'" in str(caught.value)


def test_exceptions_that_cannot_be_made_again():
    class Inner(Exception):
        pass

    for error in (TwoArguments(3, "both"), Inner("hidden")):
        iterator = iter(DataLoader(Task(raising(error)), num_workers=2))
        next(iterator)
        with pytest.raises(RuntimeError, match=f"Caught {type(error).__name__} in DataLoader"):
            next(iterator)


def test_errors_of_collate_fn_and_of_what_it_returns():
    def unpicklable(samples):
        return lambda: samples

    for function, text in (
        (unpicklable, "has to be pickled"),
        (lambda samples: 1 / 0, "ZeroDivision"),
    ):
        with pytest.raises(Exception, match=f"(?s)in DataLoader worker process 0.*{text}"):
            next(iter(DataLoader(range(2), num_workers=1, collate_fn=function)))


def test_tensors_with_a_graph_stay_in_the_worker():
    def attached(samples):
        return flambeau.ones(2, requires_grad=True) * 2

    with pytest.raises(RuntimeError, match="(?s)detach"):
        next(iter(DataLoader(range(2), num_workers=1, collate_fn=attached)))


def test_errors_of_worker_init_fn():
    def init(worker):
        raise ValueError(f"worker {worker} has no licence")

    iterator = iter(DataLoader(range(4), num_workers=2, worker_init_fn=init))
    for worker in (0, 1, 0):
        with pytest.raises(ValueError, match=f"worker {worker} has no licence"):
            next(iterator)


def test_errors_of_streams():
    class Stream(IterableDataset):
        def __iter__(self):
            yield 0
            raise ValueError("torn")

    iterator = iter(DataLoader(Stream(), num_workers=1))
    assert next(iterator).tolist() == [0]
    with pytest.raises(ValueError, match="torn"):
        next(iterator)

    class Unopened(IterableDataset):
        def __iter__(self):
            raise FileNotFoundError("no stream")

    for workers in (0, 1):
        with pytest.raises(FileNotFoundError, match="no stream"):
            next(iter(DataLoader(Unopened(), num_workers=workers)))


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize(
    ("death", "text"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), r"killed by signal 9 \(SIGKILL\).*memory"),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), r"killed by signal 11 \(SIGSEGV\)"),
        (lambda: os._exit(7), "with exit code 7"),
        (lambda: sys.exit(3), "with exit code 3"),
    ],
)
def test_a_worker_that_dies(death, text, persistent, tmp_path):
    died = tmp_path / "died"

    def read(index):
        if index == 3 and not died.exists():
            died.touch()
            faulthandler.disable()
            death()
        return index

    loader = DataLoader(Task(read), num_workers=2, persistent_workers=persistent)
    iterator = iter(loader)
    pids = iterator._pool.pids()
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=rf"worker 1 \(pid {pids[1]}\) exited unexpect.*{text}"):
        list(iterator)
    assert time.monotonic() - start < 3.0
    assert not wait_until_gone(pids)
    # The loader can go on, with new workers.
    assert [batch.item() for batch in loader] == [0, 1, 2, 3]


def test_a_worker_killed_from_outside_while_idle():
    loader = DataLoader(range(40), num_workers=2)
    iterator = iter(loader)
    next(iterator)
    os.kill(pids_of(iterator)[0], signal.SIGKILL)
    with pytest.raises(RuntimeError, match="SIGKILL"):
        list(iterator)


def test_a_worker_whose_child_holds_its_socket():
    def read(index):
        if os.fork() == 0:
            time.sleep(4)
            os._exit(0)
        os._exit(4)

    start = time.monotonic()
    with pytest.raises(RuntimeError, match="with exit code 4"):
        next(iter(DataLoader(Task(read), num_workers=1)))
    assert time.monotonic() - start < 3.5


def test_timeout():
    def read(index):
        time.sleep(30 if index == 1 else 0)
        return index

    iterator = iter(DataLoader(Task(read), num_workers=1, timeout=0.3))
    pids = pids_of(iterator)
    assert next(iterator).tolist() == [0]
    start = time.monotonic()
    with pytest.raises(RuntimeError, match=r"timed out after 0.3 seconds.*worker 0 of 1"):
        next(iterator)
    assert time.monotonic() - start < 2.0
    del iterator
    assert not wait_until_gone(pids)


def test_workers_end_with_the_epoch():
    iterator = iter(DataLoader(range(4), num_workers=2))
    pids = pids_of(iterator)
    assert len(list(iterator)) == 4
    assert not wait_until_gone(pids, 0.0)
    with pytest.raises(StopIteration):
        next(iterator)


def test_an_exception_keeps_no_workers_alive():
    gc.disable()
    try:
        iterator = iter(DataLoader(Task(raising(ValueError())), num_workers=2))
        pids = pids_of(iterator)
        with pytest.raises(ValueError):
            list(iterator)
        del iterator
        assert not wait_until_gone(pids)
    finally:
        gc.enable()


def test_a_forked_program_does_not_end_its_parents_workers():
    iterator = iter(DataLoader(range(8), num_workers=2))
    child = os.fork()
    if child == 0:
        del iterator
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)
    assert len(list(iterator)) == 8


def test_workers_end_when_the_loop_is_left():
    before = set(pool._pools)
    for _ in DataLoader(range(100), num_workers=2):
        pids = [link.pid for p in pool._pools if p not in before for link in p._links]
        break
    assert len(pids) == 2 and not wait_until_gone(pids, 0.0)


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_end_when_the_iterator_is_collected(persistent):
    loader = DataLoader(range(100), num_workers=2, persistent_workers=persistent)
    iterator = iter(loader)
    pids = pids_of(iterator)
    next(iterator)
    del iterator, loader
    gc.collect()
    assert not wait_until_gone(pids)


def test_busy_workers_are_terminated(monkeypatch):
    monkeypatch.setattr(pool, "GRACE_SECONDS", 0.3)

    def stubborn(index):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)

    iterator = iter(DataLoader(Task(stubborn), num_workers=1))
    pids = pids_of(iterator)
    time.sleep(0.2)
    start = time.monotonic()
    del iterator
    assert not wait_until_gone(pids) and time.monotonic() - start < 3.0


def test_a_sampler_that_fails_leaves_no_workers():
    class Broken:
        def __iter__(self):
            raise ValueError("no order")

        def __len__(self):
            return 3

    before = set(pool._pools)
    with pytest.raises(ValueError, match="no order"):
        iter(DataLoader(range(3), sampler=Broken(), num_workers=1))
    started = [link.pid for p in set(pool._pools) - before for link in p._links]
    assert not wait_until_gone(started)


def test_no_descriptors_or_shared_memory_are_left():
    import numpy as np

    def epoch():
        def read(index):
            return np.ones((100, 100))

        for _ in DataLoader(Task(read, 8), 2, num_workers=2):
            pass
        gc.collect()

    epoch()
    before = sorted(os.listdir("/proc/self/fd")), sorted(os.listdir("/dev/shm"))
    for _ in range(3):
        epoch()
    assert (sorted(os.listdir("/proc/self/fd")), sorted(os.listdir("/dev/shm"))) == before
    assert "flambeau-batch" not in Path("/proc/self/maps").read_text()


# --- whole programs ------------------------------------------------------------------------

PROGRAM = """
import sys, time, os, signal
import flambeau as torch
from flambeau.utils.data import DataLoader, Dataset

class Data(Dataset):
    def __len__(self):
        return 1000
    def __getitem__(self, index):
        {read}
        return index

if __name__ == "__main__":
    loader = DataLoader(Data(), 1, num_workers=2, multiprocessing_context={method!r}, {options})
    iterator = iter(loader)
    print(*iterator._pool.pids(), flush=True)
    {then}
"""


def start_program(read="pass", then="time.sleep(60)", method="fork", options="", tmp_path=None):
    text = textwrap.dedent(PROGRAM).format(read=read, then=then, method=method, options=options)
    script = tmp_path / "program.py"
    script.write_text(text)
    root = str(Path(flambeau.__file__).parents[1])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    program = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,
        # What runs in a shell's background ignores Ctrl-C, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    pids = [int(word) for word in program.stdout.readline().split()]
    assert len(pids) == 2, program.communicate()
    return program, pids


@pytest.mark.parametrize(
    ("read", "method", "end"),
    [
        ("pass", "fork", signal.SIGKILL),
        ("time.sleep(60)", "fork", signal.SIGKILL),
        ("return bytes(3_000_000)", "fork", signal.SIGKILL),
        ("time.sleep(60)", "spawn", signal.SIGKILL),
        ("time.sleep(60)", "forkserver", signal.SIGKILL),
        ("time.sleep(60)", "fork", signal.SIGTERM),
    ],
    ids=["idle", "busy", "sending", "spawned", "of a server", "terminated"],
)
def test_no_orphan_when_the_parent_is_killed(read, method, end, tmp_path):
    options = "collate_fn=list" if method == "fork" else ""
    program, pids = start_program(read, method=method, options=options, tmp_path=tmp_path)
    time.sleep(0.3)
    assert all(running(pid) for pid in pids)
    program.send_signal(end)
    program.communicate()
    assert not wait_until_gone(pids)


@pytest.mark.parametrize("read", ["pass", "time.sleep(0.2)"])
def test_ctrl_c(read, tmp_path):
    then = "[print(end='') for _ in range(1000) for _ in loader]"
    program, pids = start_program(read, then, tmp_path=tmp_path)
    time.sleep(0.4)
    os.killpg(program.pid, signal.SIGINT)
    _, errors = program.communicate(timeout=10)
    assert program.returncode != 0
    assert not wait_until_gone(pids)
    assert errors.count("Traceback") == 1 and errors.rstrip().endswith("KeyboardInterrupt")


def in_session(leader):
    """The processes of a session, zombies left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, session = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(session) == leader and state not in "ZX":
            found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize("delay", [0.0, 0.013, 0.121])
def test_ctrl_c_while_loaders_come_and_go(delay, tmp_path):
    then = "[print(end='') for n in range(100000) for _ in zip(range(n % 5), loader)]"
    program, _ = start_program("pass", then, tmp_path=tmp_path)
    time.sleep(delay)
    os.killpg(program.pid, signal.SIGINT)
    _, errors = program.communicate(timeout=10)
    assert program.returncode != 0 and errors.rstrip().endswith("KeyboardInterrupt")
    assert "Exception ignored" not in errors
    assert not wait_until_gone(in_session(program.pid))


def test_ctrl_c_that_is_caught_leaves_a_usable_loader(tmp_path):
    then = """
    try:
        next(iterator), time.sleep(30)
    except KeyboardInterrupt:
        print(sum(1 for _ in zip(range(5), iterator)), flush=True)
    """
    program, _ = start_program(
        "pass", textwrap.dedent(then).replace("\n", "\n    "), tmp_path=tmp_path
    )
    time.sleep(0.3)
    os.killpg(program.pid, signal.SIGINT)
    out, errors = program.communicate(timeout=10)
    assert out.strip() == "5" and not errors


@pytest.mark.parametrize("options", ["", "persistent_workers=True"])
@pytest.mark.parametrize("read", ["pass", "time.sleep(60)"])
def test_interpreter_exit_with_a_live_iterator(read, options, tmp_path):
    program, pids = start_program(read, "pass", options=options, tmp_path=tmp_path)
    _, errors = program.communicate(timeout=10)
    assert program.returncode == 0 and not errors
    assert not wait_until_gone(pids, 1.0)


def test_multiprocessing_is_not_imported_without_workers():
    code = (
        "import sys, flambeau; from flambeau.utils.data import DataLoader; "
        "list(DataLoader(range(3), 2, shuffle=True)); "
        "assert 'multiprocessing' not in sys.modules, 'imported'"
    )
    root = str(Path(flambeau.__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": root})
