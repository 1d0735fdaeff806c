"""The iterator that is fed by worker processes."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .iterators import BaseIterator, run_pending
from .position import Position, must_be_read_again, shares

if TYPE_CHECKING:
    from ..dataloader import DataLoader


class MultiProcessIterator(BaseIterator):
    """Hands indices to workers in turn, some batches ahead, and gives their results in order.

    Tasks are numbered; ``_tasks`` has those that are not delivered, with the worker that has it
    and the message that came back, if any. Numbers go on from epoch to epoch of a persistent
    iterator, so that what is left of an earlier one is known by its number.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        if not loader.prefetch_factor:
            raise AssertionError(
                f"DataLoader: prefetch_factor must be positive, got {loader.prefetch_factor}"
            )
        super().__init__(loader)
        self._prefetch = loader.prefetch_factor
        self._in_order = loader.in_order
        self._persistent = loader.persistent_workers
        self._timeout = loader.timeout or None
        self._send_number = 0
        self._snapshots_due: set[int] = set()
        self._lock = threading.RLock()
        """Several threads may share an iterator: each batch goes to one of them."""
        self._half_way = False
        """Whether an interruption has come between taking a batch and giving it."""
        self._pool = _start_pool(loader, self.position if self._goes_on else None, self._base_seed)
        with self._closing_pool():
            if not self._goes_on:
                self._begin_epoch()
            elif self.position.ended:
                snapshots = self.position.snapshots
                self._new_position(loader).snapshots = snapshots
                self._begin_epoch()
            else:
                self._go_on(loader)

    def reset(self, loader: DataLoader[Any]) -> None:
        """Begins another epoch with the same workers."""
        self._reported_length = loader._IterableDataset_len_called
        self._num_yielded = 0
        from .worker import RESUME

        for worker in range(self._num_workers):
            self._pool.send(worker, (RESUME, self._send_number))
        self._snapshots_due = set(range(self._num_workers))
        self._new_position(loader)
        with self._closing_pool():
            self._begin_epoch()

    @property
    def usable(self) -> bool:
        """Whether the workers are there for another epoch."""
        return bool(self._pool.open) and not self._half_way

    @contextlib.contextmanager
    def _closing_pool(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._pool.close()
            raise

    def _new_tasks(self, turn: int) -> None:
        self._first_number = self._next_number = self._send_number
        self._tasks: dict[int, list[Any]] = {}
        self._active = [True] * self._num_workers
        self._load = [0] * self._num_workers
        self._turn = itertools.cycle(range(self._num_workers))
        for _ in range(turn % self._num_workers):
            next(self._turn)

    def _begin_epoch(self) -> None:
        position, order = self.position, self._order
        # PyTorch makes the sampler's iterator a second time here; a sampler that draws when its
        # iterator is made must see that too.
        order.note_beginning(position)
        position.at_iter = order.states()
        self._sampler_iter = iter(self._index_sampler)
        position.at_first = order.states()
        self._new_tasks(0)
        for _ in range(self._prefetch * self._num_workers):
            self._send_next()

    def _go_on(self, loader: DataLoader[Any]) -> None:
        """Takes an epoch up where the loaded position is."""
        position = self.position
        self._sampler_iter, given, more = self._order.again(position)
        self._new_tasks(position.turn)
        if self._order.streams:
            given, more = [next(self._sampler_iter)] * position.given, []
        given += [more[number - position.given] for number in sorted(position.ahead)]
        self._read_again(loader, given)
        self._send_number = self._next_number = position.given
        for index in more:
            if self._send_number - self._first_number in position.ahead:
                self._send_number += 1
            else:
                self._send(index)
        for _ in range(self._prefetch * self._num_workers - len(self._tasks)):
            self._send_next()

    def _read_again(self, loader: DataLoader[Any], given: list[Any]) -> None:
        """Lets the workers read what was given, where they can't be as they were without."""
        from .worker import AGAIN

        position = self.position
        if not must_be_read_again(loader):
            return
        for worker, index in shares(given, position.by_worker):
            snapshot = position.snapshots[worker]
            if snapshot is None or snapshot["before"]:
                self._pool.send(worker, (AGAIN, index))

    def _send_next(self) -> None:
        """Gives the next index to the worker whose turn it is."""
        try:
            index = next(self._sampler_iter)
        except StopIteration:
            self.position.exhausted = True
            return
        self.position.drawn += 1
        self._order.note(self.position, self._send_number - self._first_number)
        self._send(index)

    def _send(self, index: Any) -> None:
        worker = self._choose_worker()
        if worker is None:
            return
        self._pool.send_task(worker, self._send_number, index)
        self._tasks[self._send_number] = [worker, None]
        self._load[worker] += 1
        self._send_number += 1

    def _choose_worker(self) -> int | None:
        most = self._prefetch * self._num_workers // max(1, sum(self._active))
        for worker in itertools.islice(self._turn, self._num_workers):
            if self._active[worker] and (self._in_order or self._load[worker] < most):
                return worker
        return None

    def _next_data(self) -> Any:
        with self._lock:
            return self._next_batch()

    def _next_batch(self) -> Any:
        if self._half_way:
            self._pool.close()
            self._pool.check_usable()
        while True:
            if not self._find_next():
                if not self._persistent:
                    self._pool.close()
                raise StopIteration
            if self._tasks[self._next_number][1] is not None:
                return self._deliver(self._next_number)
            number = self._receive()
            if number is not None and not self._in_order:
                return self._deliver(number)

    def _find_next(self) -> bool:
        """Moves on to the first task that still has a result to come."""
        while self._next_number < self._send_number:
            task = self._tasks.get(self._next_number)
            if task is not None:
                worker, message = task
                if message is not None or self._active[worker]:
                    return True
                del self._tasks[self._next_number]
            self._next_number += 1
        return False

    def _receive(self) -> int | None:
        """Waits for a message; the number of the task that it answers, if it has a result."""
        from .worker import ENDED, SNAPSHOT

        try:
            received = self._pool.receive(self._timeout)
        except BaseException:
            # Also KeyboardInterrupt, which may have come in the middle of a message.
            self._pool.close()
            raise
        if received is None:
            task = self._tasks.get(self._next_number)
            who = "its workers" if task is None else f"worker {task[0]} of {self._num_workers}"
            raise RuntimeError(
                f"DataLoader timed out after {self._timeout} seconds while it waited for {who}"
            )
        worker, message = received
        header = message[0]
        number: int = header[1]
        if number < self._first_number:
            if header[0] == SNAPSHOT:
                self._note_snapshot(worker, header[2], header[3], message[1])
            self._pool.skip_segment(worker, header)
            return None
        if header[0] == ENDED:
            self._active[worker] = False
            if not self._persistent:
                self._pool.retire(worker)
            self._send_next()
            return None
        self._tasks[number][1] = message
        return number

    def _deliver(self, number: int) -> Any:
        import pickle

        from . import wire
        from .worker import FAILED

        self._half_way = True
        worker, (header, body) = self._tasks.pop(number)
        self._load[worker] -= 1
        failed = header[0] == FAILED
        buffers = [] if failed else self._pool.read_segment(worker, header)
        # The next task first: the worker works while the batch is put together here.
        self._send_next()
        try:
            if failed:
                pickle.loads(body).reraise()
            data = wire.decode(body, buffers)
        except Exception as error:
            if not failed:
                error.add_note(f"A batch from DataLoader worker {worker} can't be unpickled here.")
            self._count(number, worker, header[-1])
            raise
        self._count(number, worker, header[-1])
        return data

    def _count(self, number: int, worker: int, snapshot: bytes | None) -> None:
        position = self.position
        if snapshot:
            position.snapshots[worker] = snapshot
        if self._order.streams:
            number = position.given + self._first_number
        position.count(number - self._first_number, worker)
        self._half_way = False

    def _note_snapshot(self, worker: int, epoch: int, snapshot: bytes, failure: bytes) -> None:
        if epoch != self._first_number:
            return
        self._snapshots_due.discard(worker)
        if failure:
            import pickle

            pickle.loads(failure).reraise()
        self.position.snapshots[worker] = snapshot

    def ask_workers(self) -> None:
        """Waits until the position's snapshots are those of this epoch or, after it, of its end."""
        from .worker import SNAPSHOT

        with self._lock:
            if self.position.ended and not self._snapshots_due:
                self._snapshots_due = set(range(self._num_workers))
                for worker in self._snapshots_due:
                    self._pool.send(worker, (SNAPSHOT, self._first_number))
            while self._snapshots_due:
                self._receive()


def _start_pool(loader: DataLoader[Any], goes_on: Position | None, base_seed: int) -> Any:
    import numpy.random  # noqa: F401  (once here rather than in every worker that forks)

    from .pool import WorkerPool
    from .worker import WorkerSpec

    # Else a forked worker would inherit what is pending, and run it too.
    run_pending()
    spec = WorkerSpec(
        loader._dataset_kind,
        loader.dataset,
        loader._auto_collation,
        loader.collate_fn,
        loader.drop_last,
        base_seed,
        loader.worker_init_fn,
        loader.num_workers,
        None if goes_on is None else goes_on.snapshots,
    )
    return WorkerPool(loader.multiprocessing_context or default_context(), spec)


def default_context() -> Any:
    """The start method that the program has chosen, else fork on Linux and the system's elsewhere.

    Fork takes milliseconds and needs nothing to be picklable; it is no default where the system's
    own libraries don't survive it.
    """
    import multiprocessing
    import sys

    method = multiprocessing.get_start_method(allow_none=True)
    if method is None and sys.platform == "linux":
        method = "fork"
    return multiprocessing.get_context(method)
