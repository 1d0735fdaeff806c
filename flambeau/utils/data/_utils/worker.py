"""What runs in a worker process."""

from __future__ import annotations

import os
import pickle
import random
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

import flambeau as torch

from . import channel, info, segments, wire
from .errors import WorkerError
from .fetch import DatasetKind
from .info import WorkerInfo, get_worker_info

__all__ = ["WorkerInfo", "WorkerSpec", "get_worker_info", "run_worker"]

# First item of a message's header. To a worker:
TASK = 0  # (TASK, number, index, segments that are free again)
RESUME = 1  # (RESUME,): a new epoch; forget tasks that are not done
# From a worker:
BATCH = 2  # (BATCH, number, segment or None, sizes, whether a file comes with it, dropped ones)
FAILED = 3  # (FAILED, number); the body is a WorkerError
ENDED = 4  # (ENDED, number): the stream has no more samples


class WorkerSpec:
    """All that a worker needs to know; has to be picklable where workers are not forked."""

    def __init__(
        self,
        dataset_kind: int,
        dataset: Any,
        auto_collation: bool,
        collate_fn: Callable[[Any], Any],
        drop_last: bool,
        base_seed: int,
        init_fn: Callable[[int], None] | None,
        num_workers: int,
    ) -> None:
        self.dataset_kind = dataset_kind
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.base_seed = base_seed
        self.init_fn = init_fn
        self.num_workers = num_workers

    def fetcher(self) -> Any:
        """Reads the dataset from its beginning."""
        return DatasetKind.create_fetcher(
            self.dataset_kind, self.dataset, self.auto_collation, self.collate_fn, self.drop_last
        )


def numpy_seed(base_seed: int, worker: int) -> np.ndarray:
    """The 128 bits with which PyTorch seeds NumPy in a worker: other than Python's own seed."""
    entropy = [worker, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    return np.random.SeedSequence(entropy).generate_state(4)


def run_worker(
    spec: WorkerSpec, worker: int, sock: socket.socket, after_fork: Callable[[], None] | None
) -> None:
    """A worker's life: serve tasks until the loader closes its end of the socket."""
    if after_fork is not None:
        after_fork()
    _watch_parent()
    _set_signals()
    try:
        _Server(spec, worker, sock).serve()
    except (BrokenPipeError, ConnectionResetError):
        pass  # the loader has gone, or wants no more


def _watch_parent() -> None:
    """Ends this process when its parent has ended, even in the middle of a long sample."""
    import multiprocessing
    import threading
    from multiprocessing.connection import wait

    parent = multiprocessing.parent_process()
    assert parent is not None
    ppid = os.getppid()

    def watch() -> None:
        # The sentinel alone is not enough: while a sibling has a copy of its other end, it
        # doesn't tell. Nor is getppid, if the parent ended before we looked for the first time.
        while not wait([parent.sentinel], timeout=1.0) and os.getppid() == ppid:
            pass
        os._exit(1)

    threading.Thread(target=watch, name="flambeau-parent-watch", daemon=True).start()


def _set_signals() -> None:
    """Ctrl-C reaches the whole group of processes; what becomes of workers is the loader's call.

    SIGTERM must end a worker, whatever handler it has inherited. Handlers, unlike SIG_IGN, are not
    passed on to programs that the dataset starts.
    """
    import signal

    signal.signal(signal.SIGINT, lambda signum, frame: None)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _set_seeds(base_seed: int, worker: int) -> None:
    random.seed(base_seed + worker)
    torch.manual_seed(base_seed + worker)
    np.random.seed(numpy_seed(base_seed, worker))


class _Server:
    def __init__(self, spec: WorkerSpec, worker: int, sock: socket.socket) -> None:
        self._spec = spec
        self._worker = worker
        self._where = f"in DataLoader worker process {worker}"
        self._sock = sock
        self._inbox = channel.Inbox(sock)
        self._tasks: deque[tuple[int, Any]] = deque()
        self._segments = segments.Writer()
        self._fetcher: Any = None
        self._failure: WorkerError | None = None
        self._ended = False
        self._streams = spec.dataset_kind == DatasetKind.Iterable

    def serve(self) -> None:
        self._start(self._set_up)
        while True:
            # Looking into the inbox before each task lets RESUME overtake the tasks that it ends.
            if not self._inbox.read(wait=not self._tasks):
                return
            for header, _ in self._inbox.messages():
                self._take(header)
            if self._tasks:
                self._answer(*self._tasks.popleft())

    def _take(self, header: Any) -> None:
        if header[0] == TASK:
            _, number, index, free = header
            self._segments.release(free)
            self._tasks.append((number, index))
        else:
            self._tasks.clear()
            if self._fetcher is not None:
                self._start(None)

    def _start(self, set_up: Callable[[], None] | None) -> None:
        """Begins at the dataset's start. What goes wrong is the answer to every task."""
        self._ended = False
        self._failure = None
        try:
            if set_up is not None:
                set_up()
            self._fetcher = self._spec.fetcher()
        except Exception as error:
            self._failure = WorkerError(error, self._where)

    def _set_up(self) -> None:
        spec, worker = self._spec, self._worker
        _set_seeds(spec.base_seed, worker)
        # The workers share the processors; threads of their own would only be in the way.
        torch.set_num_threads(1)
        seed = spec.base_seed + worker
        info.current = WorkerInfo(worker, spec.num_workers, seed, spec.dataset)
        if spec.init_fn is not None:
            spec.init_fn(worker)

    def _answer(self, number: int, index: Any) -> None:
        if self._ended:
            return
        failure = self._failure
        file = None
        if failure is None:
            try:
                header, body, file = self._pack(number, self._fetcher.fetch(index))
            except Exception as error:
                if isinstance(error, StopIteration) and self._streams:
                    self._ended = True
                    channel.send(self._sock, (ENDED, number))
                    return
                failure = WorkerError(error, self._where)
        if failure is not None:
            header, body = (FAILED, number), pickle.dumps(failure)
        try:
            channel.send(self._sock, header, body, file)
        finally:
            if file is not None:
                os.close(file)

    def _pack(self, number: int, batch: Any) -> tuple[Any, bytes, int | None]:
        """A batch's header and body, and the file to pass if its segment is new."""
        try:
            body, buffers = wire.encode(batch)
        except Exception as error:
            error.add_note("A batch has to be pickled to leave its worker process.")
            raise
        if not buffers:
            return (BATCH, number, None, (), False, ()), body, None
        sizes = [buffer.nbytes for buffer in buffers]
        segment, file, dropped = self._segments.write(buffers)
        return (BATCH, number, segment, sizes, file is not None, dropped), body, file
