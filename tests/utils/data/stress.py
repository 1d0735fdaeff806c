"""Loaders of random kinds with random faults, over and over; nothing may be left or lost.

    python -m tests.utils.data.stress --seconds 60 --seed 0

Each round makes a loader, lets one thing go wrong (or nothing), and looks at what came: the right
batches up to the fault, the right error, all workers gone, descriptors, threads and shared memory as
before. With ``--spawn`` some rounds start workers with spawn, which is slow. Prints a line when
something is wrong and ends with status 1.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import random
import resource
import signal
import sys
import threading
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

import flambeau as torch
from flambeau.utils.data import DataLoader, Dataset, IterableDataset
from flambeau.utils.data._utils import pool

ROUND_SECONDS = 60


class Hung(Exception):
    """A round took too long."""


class Data(Dataset):
    """Sample ``i`` is full of ``i``; at ``bad`` something happens in the process that reads it."""

    def __init__(self, n: int, side: int, bad: int = -1, fault: str = "") -> None:
        self.n, self.side, self.bad, self.fault = n, side, bad, fault

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Any:
        if index == self.bad:
            FAULTS[self.fault][0]()
        return np.full((self.side, self.side), index, np.int64), random.random()


class StreamOf(IterableDataset):
    def __init__(self, data: Data) -> None:
        self.data = data

    def __iter__(self) -> Any:
        info = torch.utils.data.get_worker_info()
        start, step = (info.id, info.num_workers) if info else (0, 1)
        for index in range(start, len(self.data), step):
            yield self.data[index]


def fail() -> None:
    raise ValueError("bad sample")


def sleep_long() -> None:
    time.sleep(600)


def kill(number: int) -> Any:
    def read() -> None:
        import faulthandler

        faulthandler.disable()
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    return read


def write_garbage() -> None:
    for number in range(3, 64):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{number}").startswith("socket:"):
                os.write(number, random.randbytes(random.randrange(1, 2000)))


def half_a_message() -> None:
    from flambeau.utils.data._utils import channel

    data = channel.pack((2, 0, None, (), False, (), None), bytes(5000))
    for number in range(3, 64):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{number}").startswith("socket:"):
                os.write(number, data[: random.randrange(1, len(data))])
    os._exit(9)


def no_end() -> None:
    threading.Thread(target=time.sleep, args=(600,)).start()
    sys.exit(1)


# What happens, and which error the loader is to raise (None: none at all).
FAULTS: dict[str, tuple[Any, Any]] = {
    "": (lambda: None, None),
    "raise": (fail, ValueError),
    "exit": (lambda: os._exit(4), RuntimeError),
    "sys.exit": (lambda: sys.exit(4), RuntimeError),
    "thread": (no_end, RuntimeError),
    "KILL": (kill(signal.SIGKILL), RuntimeError),
    "SEGV": (kill(signal.SIGSEGV), RuntimeError),
    "STOP": (kill(signal.SIGSTOP), RuntimeError),
    "hang": (sleep_long, RuntimeError),
    "interrupt": (kill(signal.SIGINT), (RuntimeError, KeyboardInterrupt)),
    "close": (lambda: os.closerange(3, 256), (RuntimeError, OSError)),
    "garbage": (write_garbage, RuntimeError),
    "half": (half_a_message, RuntimeError),
    "memory": (lambda: bytearray(1 << 60), MemoryError),
}

# What the consumer does.
CONSUMERS = ("all", "all", "break", "abandon", "raise", "ctrl-c", "resume", "cycle", "fork")


class Round:
    """One loader, its fault and its consumer."""

    def __init__(self, rng: random.Random, spawn: bool) -> None:
        self.rng = rng
        self.n = rng.randrange(1, 40)
        self.batch = rng.randrange(1, 5)
        self.fault = rng.choice(list(FAULTS)) if rng.random() < 0.6 else ""
        self.consumer = rng.choice(CONSUMERS)
        self.workers = rng.randrange(1, 4)
        self.streams = rng.random() < 0.25
        self.options: dict[str, Any] = {
            "num_workers": self.workers,
            "prefetch_factor": rng.randrange(1, 4),
            "persistent_workers": rng.random() < 0.3,
            "drop_last": rng.random() < 0.2,
            "shuffle": not self.streams and rng.random() < 0.5,
        }
        if self.fault in ("STOP", "hang"):
            self.options["timeout"] = 0.2
        if spawn and rng.random() < 0.05:
            self.options["multiprocessing_context"] = "spawn"
        side = rng.choice([1, 80, 200])
        self.bad = rng.randrange(self.n) if self.fault else -1
        data = Data(self.n, side, self.bad, self.fault)
        self.loader: DataLoader[Any] = DataLoader(
            StreamOf(data) if self.streams else data, self.batch, **self.options
        )

    def __str__(self) -> str:
        kind = "stream" if self.streams else "map"
        return (
            f"{kind} of {self.n} by {self.batch}, fault {self.fault or 'none'} at {self.bad}, "
            f"consumer {self.consumer}, {self.options}"
        )

    def run(self) -> None:
        seen: list[int] = []
        try:
            getattr(self, "do_" + self.consumer.replace("-", "_"))(seen)
        except Hung:
            raise
        except Exception as error:
            expected = FAULTS[self.fault][1]
            if expected is None or not isinstance(error, expected):
                raise
        except KeyboardInterrupt:
            if self.consumer != "ctrl-c" and self.fault != "interrupt":
                raise
        else:
            if self.consumer == "all" and not self.fault and not self.options["drop_last"]:
                assert sorted(seen) == list(range(self.n)), f"got {seen}"
        assert len(set(seen)) == len(seen), f"given twice: {seen}"

    def take(self, iterator: Any, seen: list[int], most: int = 1000) -> None:
        for _ in range(most):
            try:
                values, _ = next(iterator)
            except StopIteration:
                return
            for sample in values:
                assert sample.min().item() == sample.max().item()
                seen.append(int(sample[0, 0].item()))

    def some(self) -> int:
        return self.rng.randrange(0, 1 + self.n // self.batch)

    def do_all(self, seen: list[int]) -> None:
        self.take(iter(self.loader), seen)

    def do_break(self, seen: list[int]) -> None:
        self.take(iter(self.loader), seen, self.some())

    def do_abandon(self, seen: list[int]) -> None:
        iterators = [iter(self.loader) for _ in range(self.rng.randrange(1, 4))]
        if not self.options["persistent_workers"]:
            self.take(iterators[0], seen, self.some())

    def do_raise(self, seen: list[int]) -> None:
        with contextlib.suppress(ZeroDivisionError):
            self.take(iter(self.loader), seen, self.some())
            raise ZeroDivisionError

    def do_ctrl_c(self, seen: list[int]) -> None:
        delay = self.rng.choice([0.0005, 0.005, 0.03, 0.1]) * (0.1 + self.rng.random())
        timer = threading.Timer(delay, signal.raise_signal, (signal.SIGINT,))
        timer.start()
        try:
            try:
                self.take(iter(self.loader), seen)
            finally:
                # It may come anywhere, but not after this round.
                while timer.is_alive():
                    time.sleep(0.001)
        finally:
            timer.join()

    def do_resume(self, seen: list[int]) -> None:
        iterator = iter(self.loader)
        self.take(iterator, seen, self.some())
        state = self.loader.state_dict()
        del iterator
        self.loader.load_state_dict(state)
        rest: list[int] = []
        self.take(iter(self.loader), rest)
        seen += rest
        if not self.fault and not self.options["drop_last"]:
            assert sorted(seen) == list(range(self.n)), f"got {seen}"

    def do_cycle(self, seen: list[int]) -> None:
        iterator = iter(self.loader)
        ring: list[Any] = [iterator]
        ring.append(ring)
        self.take(iterator, seen, self.some())

    def do_fork(self, seen: list[int]) -> None:
        iterator = iter(self.loader)
        child = os.fork()
        if child == 0:
            del iterator
            gc.collect()
            os._exit(0)
        os.waitpid(child, 0)
        self.take(iterator, seen)


def children() -> list[int]:
    """This process's children that are there, zombies left out."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid() and fields[0] not in "ZX":
                found.append(int(path.parent.name))
    return found


def left_over() -> dict[str, int]:
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        # The library's own come when there is something to compile, and are few.
        "threads": sum(not thread.daemon for thread in threading.enumerate()),
        "shared files": len(os.listdir("/dev/shm")),
        "segments": Path("/proc/self/maps").read_text().count("flambeau-batch"),
    }


def settled(before: dict[str, int], kept: set[int], seconds: float = 8.0) -> str:
    """What is still there that was not before; empty if nothing, perhaps after a while."""
    deadline = time.monotonic() + seconds
    while True:
        now = left_over()
        more = {name: now[name] for name in now if now[name] > before[name]}
        workers = set(children()) - kept
        if not more and not workers:
            return ""
        if time.monotonic() > deadline:
            return f"left: {more} (before {before}), processes {workers}"
        time.sleep(0.01)


def one(rng: random.Random, spawn: bool, before: dict[str, int], kept: set[int]) -> str:
    """Runs a round; says what was wrong with it."""
    trial = Round(rng, spawn)
    signal.alarm(ROUND_SECONDS)
    wrong = ""
    try:
        trial.run()
    except BaseException as error:
        wrong = f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    name = str(trial)
    counted[f"{trial.fault or 'none'}"] += 1
    del trial
    gc.collect()
    wrong = wrong or settled(before, kept)
    return f"{name}\n    {wrong}" if wrong else ""


counted: Counter[str] = Counter()


def hung(signum: int, frame: Any) -> None:
    raise Hung(f"longer than {ROUND_SECONDS} s")


def resident() -> float:
    """Megabytes that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def stress(seconds: float, seed: int, spawn: bool = False, rounds: int = 1 << 60) -> list[str]:
    """Runs rounds for a while; the faults found, as text."""
    rng = random.Random(seed)
    warnings.simplefilter("ignore")
    before_grace, pool.GRACE_SECONDS = pool.GRACE_SECONDS, 0.3
    before_alarm = signal.signal(signal.SIGALRM, hung)
    found: list[str] = []
    try:
        list(DataLoader(Data(4, 80), 2, num_workers=1, multiprocessing_context="fork"))
        if spawn:
            list(DataLoader(Data(4, 80), 2, num_workers=1, multiprocessing_context="spawn"))
        gc.collect()
        before, kept, start = left_over(), set(children()), time.monotonic()
        number, memory = 0, 0.0
        while time.monotonic() - start < seconds and number < rounds:
            number += 1
            wrong = one(rng, spawn, before, kept)
            if wrong:
                found.append(f"round {number} of seed {seed}: {wrong}")
                print(found[-1], flush=True)
            if number == 100:
                memory = resident()
            if number % 500 == 0:
                print(f"{number} rounds, {resident():.0f} MB", flush=True)
        if memory and resident() > memory + 100:
            found.append(f"memory grew from {memory:.0f} to {resident():.0f} MB")
        print(f"{number} rounds, {len(found)} wrong, {resident():.0f} MB; {dict(counted)}")
    finally:
        pool.GRACE_SECONDS = before_grace
        signal.signal(signal.SIGALRM, before_alarm)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--spawn", action="store_true")
    options = parser.parse_args()
    return 1 if stress(options.seconds, options.seed, options.spawn) else 0


if __name__ == "__main__":
    sys.exit(main())
