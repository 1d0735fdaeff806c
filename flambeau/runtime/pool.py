"""Runs programs in native code: on the calling thread, or in order on a thread of their own while
Python goes on; both share parallel records with a pool of threads.

The threads are Python's, entered into the driver (`driver.py`) through ctypes, which lets go of the
interpreter lock; they stay there. They start at the first need, and again after a fork.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from .. import config
from . import cores, driver, kernel_cache, native
from .driver_layout import LAYOUT, LINE, MAX_THREADS, RING, SIZE

_FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98}

SPINS = {
    "WORKER_SPIN": 100e-6, "JOIN_SPIN": 30e-6, "POLITE": 20e-6, "EXECUTOR_SPIN": 1.5e-3,
    "WAIT_SPIN": 20e-6,
}  # fmt: skip
"""How long, in seconds, threads spin before they sleep: a thread of the pool for the next record,
thread 0 for pieces that others have, any of them before it gives its core to whoever wants it, the
executor for the next program, Python for a program's end. Waking a thread takes some 50 us."""


class Record(NamedTuple):
    """Kernels that share one range of tasks: a piece of it goes through all of them in turn."""

    kernels: tuple[tuple[int, int], ...]
    """For each, its address and the address of its arguments."""
    tasks: int
    grain: int = 1
    """Tasks at a time, at least."""
    most: int = 0
    """Tasks at a time, at most: so many that what one kernel leaves is in cache for the next.
    0: any number."""
    parallel: bool = False


class Program:
    """Records as the driver reads them. What their addresses point to must outlive it.

    `threads` is for how many threads it was planned: thread numbers are below it."""

    __slots__ = ("address", "labels", "_words", "_stamps")

    def __init__(self, records: Iterable[Record], threads: int = MAX_THREADS) -> None:
        words = [0, 0, threads, 0]
        for r in records:
            # Units are counted in 31 bits.
            grain = max(1, r.grain, -(-r.tasks // ((1 << 31) - 1)))
            words += (len(r.kernels), r.tasks if r.kernels else 0, grain, r.most, int(r.parallel))
            for kernel, args in r.kernels:
                words += (kernel, args)
            words[0] += 1
            words[1] |= int(r.parallel)
        self._words = np.array(words, np.int64)
        self._stamps: np.ndarray | None = None
        self.address: int = self._words.ctypes.data

    def __len__(self) -> int:
        return int(self._words[0])

    def profile(self, on: bool = True) -> None:
        """Have each run note the times of its records."""
        self._stamps = np.zeros((len(self), 2), np.int64) if on else None
        self._words[3] = 0 if self._stamps is None else self._stamps.ctypes.data

    def times(self) -> np.ndarray:
        """For each record of the last run, beginning and end in seconds, from the first one's."""
        if self._stamps is None or not len(self):
            return np.zeros((0, 2))
        return (self._stamps - self._stamps[0, 0]) / ticks_per_second()


class _Driver:
    """The driver's functions, and the memory that the threads share. Lives for the process."""

    def __init__(self) -> None:
        class Source(NamedTuple):
            name: str
            key: Any
            emit: Callable[[Any, str], str]

        futex = _FUTEX.get(native.architecture()) if sys.platform == "linux" else None
        # The text is the key: what it is made of is in no other hash.
        text = driver.text("@", native.architecture(), futex)
        source = Source(
            "driver", text, lambda _, symbol: driver.text(symbol, native.architecture(), futex)
        )
        self.code = kernel_cache.addresses([source])
        table = (ctypes.c_void_p * len(driver.ENTRIES)).from_address(self.code[repr(text)])
        self.entries: dict[str, int] = dict(zip(driver.ENTRIES, table))
        self.buffer = (ctypes.c_char * (SIZE + LINE))()
        self.address = -(-ctypes.addressof(self.buffer) // LINE) * LINE
        skip = self.address - ctypes.addressof(self.buffer)
        self.words = memoryview(self.buffer)[skip : skip + SIZE].cast("B").cast("q")
        self.origin = (self.function("ticks")(), time.perf_counter())

    def function(self, name: str, *arguments: Any, hold: bool = False) -> Callable[..., int]:
        """An entry. `hold`: it is short and keeps the interpreter lock."""
        kind = ctypes.PYFUNCTYPE if hold else ctypes.CFUNCTYPE
        return kind(ctypes.c_int64, *arguments)(self.entries[name])


_lock = threading.RLock()
"""Held by whoever puts programs into the stream or runs one: thread 0 is one thread at a time."""
_driver: _Driver | None = None
_threads: list[threading.Thread] = []
held: deque[tuple[int, Any]] = deque()
"""What must live until a ticket's program has run, in the tickets' order: memory of others that
it reads. Append to it, and `let_go` from time to time."""
_wanted = 0
"""The number of threads, 0 if not decided yet."""
_running = False
_ended = False

_HEAD, _TAIL, _THREADS = (LAYOUT[name] // 8 for name in ("HEAD", "TAIL", "THREADS"))
_words: Any = [0] * (SIZE // 8)
_address = 0
_submit: Any = None
_wait: Any = None
_run: Any = None


def _open() -> _Driver:
    """The driver, compiled or from the cache."""
    global _driver, _words, _address, _submit, _wait, _run
    if _driver is None:
        made = _Driver()
        pointer = ctypes.c_void_p
        _submit = made.function("submit", pointer, pointer, pointer, hold=True)
        _wait = made.function("wait", pointer, ctypes.c_int64)
        _run = made.function("run", pointer, pointer, pointer)
        _words, _address = made.words, made.address
        rate = ticks_per_second(made)
        for name, seconds in SPINS.items():
            _words[LAYOUT[name] // 8] = int(seconds * rate)
        _driver = made
    return _driver


def ticks_per_second(of: _Driver | None = None) -> float:
    """The rate of the driver's clock, measured since it was first read: over a millisecond at
    least, more exactly the later it is asked for."""
    made = of or _open()
    ticks = made.function("ticks")
    while (now := time.perf_counter()) - made.origin[1] < 1e-3:
        pass
    return float((ticks() - made.origin[0]) / (now - made.origin[1]))


def _start() -> None:
    """Start the threads. With the lock held."""
    global _running
    made = _open()
    count = 1 if _ended else min(get_num_threads(), MAX_THREADS)
    _words[_THREADS] = count
    if _ended:
        return
    pointer = ctypes.c_void_p
    worker = made.function("worker", pointer, ctypes.c_int64)
    executor = made.function("executor", pointer)
    calls: list[tuple[str, Callable[..., Any], tuple[int, ...]]] = [
        ("executor", executor, (_address,))
    ]
    calls += [(f"worker-{i}", worker, (_address, i)) for i in range(1, count)]
    for name, function, arguments in calls:
        thread = threading.Thread(
            target=function, args=arguments, name=f"flambeau-{name}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no more threads are to be had
            break
        _threads.append(thread)
    _running = bool(_threads)


def _stop() -> None:
    """Let the stream run empty and end the threads. With the lock held."""
    global _running
    if not _running:
        return
    assert _driver is not None
    synchronize()
    _words[_THREADS] = 1
    _driver.function("nudge", ctypes.c_void_p)(_address)
    _submit(_address, 0, 0)
    for thread in _threads:
        thread.join()
    _threads.clear()
    _running = False


def submit(program: int, table: int, done: list[int] | None = None) -> int:
    """Put a program (its address) with a table into the stream: its ticket. Returns at once unless
    64 programs are waiting. Both must stay alive until it is done.

    Where a signal's handler raises an error meanwhile, `done` is empty unless the program is in the
    stream: what one call of C does, it does without looking for signals.
    """
    done = [] if done is None else done
    with _lock:
        if not _running:
            _start()
            if not _running:
                done.extend(map(_run, (_address,), (program,), (table,)))
                _words[_HEAD] += 1
                _words[_TAIL] += 1
                return int(_words[_HEAD])
        while _words[_HEAD] - _words[_TAIL] >= RING:  # it is the only one that adds
            wait(_words[_TAIL] + 1)
        done.extend(map(_submit, (_address,), (program,), (table,)))
        return done[0]


def done(ticket: int) -> bool:
    """Whether a ticket's program has run. 0 is a ticket that is always done."""
    return bool(_words[_TAIL] >= ticket)


def wait(ticket: int) -> None:
    """Wait until a ticket's program, and so all before it, have run."""
    if _words[_TAIL] < ticket:
        while not _wait(_address, ticket):
            pass


def synchronize() -> None:
    """Wait until all that was submitted has run."""
    wait(_words[_HEAD])
    if held:
        let_go()


def let_go() -> None:
    """Drop what was held for programs that have run."""
    try:
        while True:
            first = held.popleft()
            if not done(first[0]):
                held.appendleft(first)
                return
    except IndexError:
        return


def run_now(program: int, table: int, done: list[int] | None = None) -> None:
    """Run a program (its address) on this thread, after all that was submitted. `done`: see
    `submit`."""
    with _lock:
        if not _running:
            _start()
        if _words[_TAIL] != _words[_HEAD]:
            synchronize()
        if done is None:
            _run(_address, program, table)
        else:
            done.extend(map(_run, (_address,), (program,), (table,)))


def get_num_threads() -> int:
    """How many threads share a record, the one that runs the program included."""
    global _wanted
    if not _wanted:
        _wanted = max(1, min(config.num_threads or cores.usable(), MAX_THREADS))
    return _wanted


def set_num_threads(count: int) -> None:
    """Set how many threads share a record. Waits until all that was submitted has run. A program
    that was planned for fewer goes on with those."""
    global _wanted
    with _lock:
        count = max(1, min(count, MAX_THREADS))
        if count != get_num_threads():
            _stop()
            _wanted = count


def _at_exit() -> None:
    """End the threads before the code they are in goes away."""
    global _ended
    with _lock:
        _stop()
        _ended = True
        _words[_THREADS] = 1


def _before_fork() -> None:
    """Only the thread that forks is there in the child: end the others, they start again at need.
    What was submitted has run, so both sides have its results."""
    _lock.acquire()
    _stop()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_lock.release, after_in_child=_lock.release
    )
