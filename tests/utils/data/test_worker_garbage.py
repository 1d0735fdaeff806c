"""What a dataset may do to its worker: odd errors, odd results, damage to the process."""

from __future__ import annotations

import os
import pickle
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import flambeau as torch
from flambeau.utils.data import DataLoader, Dataset
from flambeau.utils.data._utils import channel, pool

from .test_worker_faults import Task, wait_until_gone

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc"),
    pytest.mark.filterwarnings("ignore:DataLoader. . workers will share"),
]


@pytest.fixture(autouse=True)
def hard_limit(monkeypatch):
    """No test here may hang: an alarm ends it."""
    monkeypatch.setattr(pool, "GRACE_SECONDS", 0.4)

    def late(signum, frame):
        raise TimeoutError("this test hangs")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


class Base(BaseException):
    pass


class FixedText(Exception):
    def __init__(self, *args):
        super().__init__("always the same")


class Exiting(Exception):
    """Can't be made again without an end of the program."""

    def __init__(self, *args):
        if args and os.getpid() == HERE:
            sys.exit(3)


class Speechless(Exception):
    def __str__(self):
        raise ValueError("no words")


HERE = os.getpid()


def first_error(read, kind=BaseException, **options):
    loader = DataLoader(Task(read), num_workers=1, **options)
    with pytest.raises(kind) as caught:
        list(loader)
    return caught.value


def raise_(error):
    raise error


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (KeyboardInterrupt(), RuntimeError, "Caught KeyboardInterrupt in DataLoader worker"),
        (GeneratorExit(), RuntimeError, "Caught GeneratorExit in DataLoader worker"),
        (StopIteration(5), RuntimeError, "Caught StopIteration in DataLoader worker"),
        (Base("b"), Base, "Caught Base in DataLoader worker"),
        (MemoryError("none left"), MemoryError, "none left"),
        (FixedText(), FixedText, "Caught FixedText in DataLoader worker"),
        (Exiting(), RuntimeError, "Caught Exiting in DataLoader worker"),
        (Speechless(), RuntimeError, "Caught Speechless in DataLoader worker"),
        (ExceptionGroup("many", [ValueError("one"), KeyError("two")]), RuntimeError, "KeyError"),
        (UnicodeDecodeError("ascii", b"x", 0, 1, "odd"), RuntimeError, "UnicodeDecodeError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_odd_errors_arrive(error, kind, text):
    caught = first_error(lambda index: raise_(error), kind)
    assert type(caught) is kind
    assert text in "\n".join([str(caught), *getattr(caught, "__notes__", [])])


def test_stop_iteration_does_not_end_an_epoch_in_silence():
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(DataLoader(Task(lambda index: raise_(StopIteration()))))


def test_warnings_that_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "too warm" in str(first_error(lambda i: warnings.warn("too warm"), UserWarning))


class Unreduced:
    def __init__(self, error):
        self.error = error

    def __reduce__(self):
        raise self.error


class Unbuilt:
    """Pickled well; what it is rebuilt by fails."""

    def __reduce__(self):
        return int, ("no number",)


class Lying:
    def __len__(self):
        return 1 << 60

    def __array__(self, *args, **kwargs):
        raise ArithmeticError("no array")


def test_results_that_are_garbage():
    for result, kind, text in (
        (Unreduced(ValueError("no parts")), ValueError, "no parts"),
        (Unreduced(KeyboardInterrupt()), RuntimeError, "KeyboardInterrupt"),
        (threading.Lock(), TypeError, "has to be pickled"),
        (pickle_buffer_of_columns(), pickle.PicklingError, "contiguous"),
        (Lying(), TypeError, "Lying"),
    ):
        options = {} if isinstance(result, Lying) else {"batch_size": None}
        assert text in str(first_error(lambda index, r=result: r, kind, **options))
    iterator = iter(DataLoader(Task(lambda i: Unbuilt() if i == 1 else i), None, num_workers=2))
    assert next(iterator) == 0
    with pytest.raises(ValueError) as caught:
        next(iterator)
    assert "worker 1 can't be unpickled" in caught.value.__notes__[0]
    assert list(iterator) == [2, 3]


def pickle_buffer_of_columns():
    class Columns:
        def __reduce_ex__(self, protocol):
            return bytes, (pickle.PickleBuffer(np.zeros((300, 300))[:, ::2]),)

    return Columns()


def test_circular_and_deep_results():
    def circle(index):
        ring = [index]
        ring.append(ring)
        return ring

    ring = next(iter(DataLoader(Task(circle), None, num_workers=1, collate_fn=lambda x: x)))
    assert ring[1] is ring

    def deep(index):
        nest = []
        for _ in range(200_000):
            nest = [nest]
        return nest

    assert "Recursion" in type(first_error(deep, batch_size=None, collate_fn=lambda x: x)).__name__


def own_sockets():
    """The sockets of this process: in a worker, the one to its loader."""
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                yield int(name)
        except FileNotFoundError:
            pass


def to_loader(data):
    for number in own_sockets():
        try:
            with socket.socket(fileno=os.dup(number)) as sock:
                if sock.family == socket.AF_UNIX:
                    sock.send(data)
        except OSError:
            pass


def test_a_stream_with_other_data_in_it():
    for data in (b"printed by some library\n" * 10, struct.pack("<IQ", 9, 1 << 60) * 4):
        error = first_error(lambda index, d=data: to_loader(d), RuntimeError)
        assert "descriptors that aren't its own" in str(error)


def test_death_in_the_middle_of_a_message():
    def read(index):
        to_loader(channel.pack((2, 0, None, (), False, (), None), bytes(100_000))[:5000])
        os._exit(6)

    assert "with exit code 6" in str(first_error(read, RuntimeError))


def test_all_descriptors_closed():
    def read(index):
        os.closerange(0, 256)
        return index

    start = time.monotonic()
    assert "DataLoader worker 0" in str(first_error(read, RuntimeError))
    assert time.monotonic() - start < 5.0


def test_exit_with_a_thread_that_goes_on():
    def read(index):
        threading.Thread(target=time.sleep, args=(30,)).start()
        sys.exit(2)

    start = time.monotonic()
    assert "worker 0" in str(first_error(read, RuntimeError))
    assert time.monotonic() - start < 5.0


def test_a_worker_that_is_stopped():
    iterator = iter(
        DataLoader(Task(lambda i: os.kill(os.getpid(), signal.SIGSTOP)), num_workers=1, timeout=0.3)
    )
    pids = iterator._pool.pids()
    with pytest.raises(RuntimeError, match="timed out"):
        next(iterator)
    del iterator
    assert not wait_until_gone(pids)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGABRT", "SIGBUS", "SIGFPE", "SIGHUP", "SIGUSR1"])
def test_signals_that_end_a_worker(name):
    number = getattr(signal, name)

    def read(index):
        signal.signal(number, signal.SIG_DFL)
        import faulthandler

        faulthandler.disable()
        os.kill(os.getpid(), number)

    assert f"({name})" in str(first_error(read, RuntimeError))


def test_datasets_that_change_their_process(tmp_path):
    def read(index):
        gone = tmp_path / f"gone{index}"
        gone.mkdir()
        os.chdir(gone)
        gone.rmdir()
        for name in ("SIGINT", "SIGTERM", "SIGCHLD", "SIGPIPE"):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        threading.Thread(target=time.sleep, args=(0.01,), daemon=True).start()
        subprocess.run([sys.executable, "-c", "pass"], cwd="/", check=True)
        os.environ.clear()
        sys.stdout = sys.stderr = None
        return torch.full((100, 100), index)

    batches = list(DataLoader(Task(read), None, num_workers=2))
    assert [batch[0, 0].item() for batch in batches] == [0, 1, 2, 3]


def test_no_files_left_in_the_worker():
    def no_files(worker):
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))

    def no_size(worker):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    read = lambda index: torch.full((100, 100), index)  # noqa: E731
    for init in (no_files, no_size):
        loader = DataLoader(Task(read), None, num_workers=2, worker_init_fn=init)
        assert [batch[9, 9].item() for batch in loader] == [0, 1, 2, 3]


def test_no_files_left_in_the_loader():
    data = Task(lambda index: torch.full((100, 100), index))
    before = len(os.listdir("/proc/self/fd"))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    iterator = iter(DataLoader(data, None, num_workers=1))
    used = max(int(name) for name in os.listdir("/proc/self/fd"))
    others = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, limits[1]))
        with pytest.raises(OSError):
            while True:
                others.append(os.open("/dev/null", os.O_RDONLY))
        with pytest.raises(OSError, match="too many open files"):
            list(iterator)
        with pytest.raises(OSError, match="Too many open files"):
            iter(DataLoader(data, None, num_workers=1))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for number in others:
            os.close(number)
    del iterator
    assert len(list(DataLoader(data, None, num_workers=1))) == 4
    assert len(os.listdir("/proc/self/fd")) == before


def test_fork_that_fails(monkeypatch):
    loader = DataLoader(range(4), num_workers=2)
    real, made = os.fork, []

    def fork():
        if len(made) % 2:
            made.append(0)
            raise BlockingIOError(11, "Resource temporarily unavailable")
        pid = real()
        made.append(pid)
        return pid

    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(BlockingIOError):
        iter(loader)
    monkeypatch.undo()
    assert not wait_until_gone(made[:1])
    assert len(list(loader)) == 4


def test_an_iterator_in_a_forked_program():
    for persistent in (False, True):
        loader = DataLoader(range(12), num_workers=2, persistent_workers=persistent)
        iterator = iter(loader)
        next(iterator)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for _ in range(2):
                    with pytest.raises(RuntimeError, match="belongs to process"):
                        list(iterator)
                if [batch.item() for batch in loader] == list(range(12)):
                    code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert [batch.item() for batch in iterator] == list(range(1, 12))


def test_loaders_within_workers():
    def inner(index):
        return [batch.item() for batch in DataLoader(range(index))]

    assert list(DataLoader(Task(inner), None, num_workers=2)) == [[], [0], [0, 1], [0, 1, 2]]

    def with_workers(index):
        return list(DataLoader(range(3), num_workers=1))

    assert "daemonic" in str(first_error(with_workers, AssertionError))


def test_loaders_in_threads():
    results, errors = {}, []
    shared = DataLoader(range(40), 4, num_workers=2)

    def read(name, loader):
        try:
            for _ in range(2):
                results.setdefault(name, []).append([batch.tolist() for batch in loader])
        except BaseException as error:
            errors.append(error)

    own = [DataLoader(range(40), 4, num_workers=1) for _ in range(2)]
    threads = [
        threading.Thread(target=read, args=pair, daemon=True)
        for pair in enumerate([*own, shared, shared])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(15)
    assert not errors
    expected = [list(range(start, start + 4)) for start in range(0, 40, 4)]
    assert results == {name: [expected, expected] for name in range(4)}


def test_an_iterator_shared_by_threads():
    iterator = iter(DataLoader(range(300), 3, num_workers=2))
    seen = []

    def read():
        for batch in iterator:
            seen.extend(batch.tolist())

    threads = [threading.Thread(target=read, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(15)
    assert sorted(seen) == list(range(300))


def test_an_interrupted_iterator_loses_no_batch_in_silence(monkeypatch):
    class Alarm(Exception):
        pass

    iterator = iter(DataLoader(range(6), num_workers=1))
    next(iterator)
    with monkeypatch.context() as patch:
        patch.setattr(iterator, "_send_next", lambda: raise_(Alarm()))
        with pytest.raises(Alarm):
            next(iterator)
    with pytest.raises(RuntimeError, match="after an error or an interruption"):
        next(iterator)

    broken = [1]

    def read(index):
        if index in broken:
            broken.clear()
            raise KeyboardInterrupt
        return index

    loader = DataLoader(Task(read))
    iterator = iter(loader)
    next(iterator)
    with pytest.raises(KeyboardInterrupt):
        next(iterator)
    assert loader.state_dict()["position"]["given"] == 1
    assert [batch.item() for batch in iterator] == [1, 2, 3]


def test_batches_outlive_their_loader():
    def read(index):
        x = torch.full((100, 100), index)
        return x, x[0], x

    kept = list(DataLoader(Task(read), None, num_workers=2, collate_fn=lambda x: x))
    for index, (whole, row, same) in enumerate(kept):
        assert whole is same and row.tolist() == [index] * 100
        assert whole.add_(1)[5, 5].item() == index + 1


def test_the_clock_may_jump(monkeypatch):
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + random.choice([-1e6, 0, 1e6]))
    loader = DataLoader(range(40), num_workers=2, timeout=10)
    assert len(list(loader)) == 40


class Draws(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return random.random(), float(np.random.rand()), torch.rand(1).item()


def test_seeds_do_not_depend_on_how_workers_start():
    seen = []
    for method in ("fork", "spawn"):
        torch.manual_seed(3)
        loader = DataLoader(Draws(), None, num_workers=2, multiprocessing_context=method)
        seen.append(list(loader))
    assert seen[0] == seen[1]
    assert len({value for sample in seen[0] for value in sample}) == 12


def test_many_loaders():
    def look():
        names = os.listdir("/proc/self/fd"), os.listdir("/proc/self/task"), os.listdir("/dev/shm")
        return [len(entries) for entries in names]

    data = Task(lambda index: np.zeros((70, 70)), 6)
    list(DataLoader(data, num_workers=1))
    before, pids = look(), []
    for number in range(30):
        iterator = iter(DataLoader(data, num_workers=1 + number % 2))
        pids += iterator._pool.pids()
        for _ in range(number % 4):
            next(iterator)
    del iterator
    assert not wait_until_gone(pids) and look() == before
