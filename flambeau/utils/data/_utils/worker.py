"""What runs in a worker process."""

from __future__ import annotations

import contextlib
import os
import pickle
import random
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

import flambeau as torch

from . import channel, info, position, random_states, segments, wire
from .errors import WorkerError
from .fetch import DatasetKind
from .info import WorkerInfo, get_worker_info

__all__ = ["WorkerInfo", "WorkerSpec", "get_worker_info", "run_worker"]

# First item of a message's header. To a worker:
TASK = 0  # (TASK, number, index, segments that are free again)
RESUME = 1  # (RESUME, epoch): a new epoch; forget tasks that are not done
AGAIN = 5  # (AGAIN, index): read what has been given before, to be as one was
# From a worker:
# (BATCH, number, segment or None, sizes, whether a file comes with it, dropped ones, snapshot)
BATCH = 2
FAILED = 3  # (FAILED, number, snapshot); the body is a WorkerError
ENDED = 4  # (ENDED, number): the stream has no more samples
DONE = 6  # (DONE, -1): has read something again
# Both ways. To a worker (SNAPSHOT, epoch): asks for one. From it (SNAPSHOT, -1, epoch, snapshot):
# at the epoch's beginning, or when asked; the body is a WorkerError if there is none.
SNAPSHOT = 7


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
        snapshots: list[Any] | None = None,
    ) -> None:
        self.dataset_kind = dataset_kind
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.base_seed = base_seed
        self.init_fn = init_fn
        self.num_workers = num_workers
        self.snapshots = snapshots
        """From where each worker goes on: `random_states.snapshot`; None for the beginning."""

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
    finally:
        # The loader is told now: threads that the data set has started may keep the process.
        with contextlib.suppress(OSError):  # the data set has closed it
            sock.close()


def _watch_parent() -> None:
    """Ends this process when its parent has ended, even in the middle of a long sample."""
    import multiprocessing
    import threading
    from multiprocessing.connection import wait

    parent = multiprocessing.parent_process()
    assert parent is not None
    ppid = os.getppid()

    def ended() -> bool:
        try:
            return bool(wait([parent.sentinel], timeout=1.0))
        except OSError:  # the data set has closed descriptors that aren't its own
            time.sleep(1.0)
            return False

    def watch() -> None:
        # The sentinel alone is not enough: while a sibling has a copy of its other end, it
        # doesn't tell. Nor is getppid, if the parent ended before we looked for the first time.
        while not ended() and os.getppid() == ppid:
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
        self._stream: Any = None
        self._failure: WorkerError | None = None
        self._ended = False
        self._streams = spec.dataset_kind == DatasetKind.Iterable
        self._tells_state = position.is_stateful(spec.dataset)

    def serve(self) -> None:
        self._start(self._set_up, (self._spec.snapshots or {self._worker: None})[self._worker])
        while True:
            # Looking into the inbox before each task lets RESUME overtake the tasks that it ends.
            if not self._inbox.read(wait=not self._tasks):
                return
            for header, _ in self._inbox.messages():
                self._take(header)
            if self._tasks:
                number, index = self._tasks.popleft()
                if number < 0:
                    self._read_again(index)
                else:
                    self._answer(number, index)

    def _take(self, header: Any) -> None:
        kind = header[0]
        if kind == TASK:
            _, number, index, free = header
            self._segments.release(free)
            self._tasks.append((number, index))
        elif kind == AGAIN:
            self._tasks.append((-1, header[1]))
        else:
            while self._tasks:
                number, index = self._tasks.popleft()
                if number < 0:
                    self._read_again(index)
            snapshot, failure = None, b""
            try:
                snapshot = self._snapshot(before=True)
            except Exception as error:
                failure = pickle.dumps(WorkerError(error, self._where))
            if kind == RESUME and self._fetcher is not None:
                self._start(None)
            channel.send(self._sock, (SNAPSHOT, -1, header[1], snapshot), failure)

    def _start(self, set_up: Callable[[], None] | None, snapshot: Any = None) -> None:
        """Begins at the dataset's start, or where ``snapshot`` was taken.

        What goes wrong is the answer to every task.
        """
        self._ended = False
        self._failure = None
        try:
            if set_up is not None:
                set_up()
            if snapshot is None:
                self._fetcher = self._spec.fetcher()
            else:
                self._go_on(snapshot)
            self._stream = getattr(self._fetcher, "stream", None)
            self._tells_state |= position.is_stateful(self._stream)
        except SystemExit:
            raise
        except BaseException as error:
            self._failure = WorkerError(error, self._where)

    def _go_on(self, snapshot: dict[str, Any]) -> None:
        if snapshot["dataset"] is not None:
            self._spec.dataset.load_state_dict(snapshot["dataset"][0])
        if snapshot["before"]:
            random_states.restore(snapshot["random"])
        self._fetcher = self._spec.fetcher()
        if snapshot["stream"] is not None:
            self._fetcher.stream.load_state_dict(snapshot["stream"][0])
        if not snapshot["before"]:
            random_states.restore(snapshot["random"])
        if self._streams:
            self._fetcher.ended = snapshot["ended"]

    def _snapshot(self, before: bool = False) -> bytes:
        """From where this worker goes on, as bytes. What the dataset says must be picklable."""
        dataset: Any = self._spec.dataset
        stream: Any = None if before else self._stream
        return wire.encode_whole(
            random_states.snapshot(
                random_states.capture(),
                (dataset.state_dict(),) if position.is_stateful(dataset) else None,
                (stream.state_dict(),) if position.is_stateful(stream) else None,
                before,
                not before and bool(getattr(self._fetcher, "ended", False)),
            )
        )

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
        file = snapshot = None
        if failure is None:
            try:
                batch = self._fetcher.fetch(index)
                if self._tells_state:
                    snapshot = self._snapshot()
                header, body, file = self._pack(number, batch, snapshot)
            except SystemExit:
                raise  # the loader tells the exit code
            except BaseException as error:
                if isinstance(error, StopIteration) and self._streams:
                    self._ended = True
                    channel.send(self._sock, (ENDED, number))
                    return
                failure = WorkerError(error, self._where)
        if failure is not None:
            header, body = (FAILED, number, snapshot), pickle.dumps(failure)
        try:
            channel.send(self._sock, header, body, file)
        finally:
            if file is not None:
                os.close(file)

    def _read_again(self, index: Any) -> None:
        if self._failure is None and not self._ended:
            try:
                self._fetcher.fetch(index)
            except StopIteration:
                self._ended = self._streams
            except SystemExit:
                raise
            except BaseException:
                pass  # it was raised where the batch was given
        # The loader's timeout begins anew.
        channel.send(self._sock, (DONE, -1))

    def _pack(self, number: int, batch: Any, snapshot: Any) -> tuple[Any, bytes, int | None]:
        """A batch's header and body, and the file to pass if its segment is new."""
        try:
            body, buffers = wire.encode(batch)
        except Exception as error:
            error.add_note("A batch has to be pickled to leave its worker process.")
            raise
        if not buffers:
            return (BATCH, number, None, (), False, (), snapshot), body, None
        sizes = [buffer.nbytes for buffer in buffers]
        try:
            segment, file, dropped = self._segments.write(buffers)
        except OSError:
            # No more files, or no room in them: through the socket it still goes.
            return (BATCH, number, None, (), False, (), snapshot), wire.encode_whole(batch), None
        return (BATCH, number, segment, sizes, file is not None, dropped, snapshot), body, file
