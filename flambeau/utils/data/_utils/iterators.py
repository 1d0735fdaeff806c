"""Iterators over a DataLoader: in the caller's own process, or fed by worker processes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import flambeau as torch

from .fetch import DatasetKind

if TYPE_CHECKING:
    from ..dataloader import DataLoader


class BaseIterator:
    """What both iterators share.

    PyTorch's order of draws from the generator: the base seed when an iterator is made, even if
    nobody uses it; the sampler's own draws when its first index is asked for.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._dataset = loader.dataset
        self._dataset_kind = loader._dataset_kind
        self._reported_length = loader._IterableDataset_len_called
        self._index_sampler = loader._index_sampler
        self._num_workers = loader.num_workers
        self._num_yielded = 0
        if loader.pin_memory and not _accelerator_available():
            import warnings

            warnings.warn(
                "DataLoader: pin_memory=True has no effect, because there is no accelerator to "
                "copy to",
                stacklevel=5,
            )
        self._sampler_iter = iter(self._index_sampler)
        draw = torch.empty((), dtype=torch.int64).random_(generator=loader.generator)
        self._base_seed = int(draw.item())

    def __iter__(self) -> Iterator[Any]:
        return self

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __next__(self) -> Any:
        data = self._next_data()
        self._num_yielded += 1
        if self._reported_length is not None and self._num_yielded > self._reported_length:
            self._warn_of_length()
        return data

    def _next_data(self) -> Any:
        raise NotImplementedError

    def _warn_of_length(self) -> None:
        import warnings

        advice = ""
        if self._num_workers > 0:
            advice = (
                ". Every worker iterates over its own copy of the dataset; use get_worker_info() "
                "to let each give its share only"
            )
        warnings.warn(
            f"IterableDataset {self._dataset} reported a length of {self._reported_length}, but "
            f"{self._num_yielded} samples or batches have come from it{advice}",
            stacklevel=3,
        )

    def __reduce__(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} can't be pickled")


class SingleProcessIterator(BaseIterator):
    """Reads and collates in the caller's process, when a batch is asked for."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        if loader.timeout != 0:
            raise AssertionError(
                f"DataLoader: timeout={loader.timeout} needs worker processes, but num_workers is 0"
            )
        super().__init__(loader)
        self._fetcher = DatasetKind.create_fetcher(
            loader._dataset_kind,
            loader.dataset,
            loader._auto_collation,
            loader.collate_fn,
            loader.drop_last,
        )

    def _next_data(self) -> Any:
        index = next(self._sampler_iter)
        # What is recorded before and what is recorded after are programs of their own: a training
        # step whose program had this batch's random transforms in it would never be seen again.
        run_pending()
        data = self._fetcher.fetch(index)
        run_pending()
        return data


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
        self._pool = _start_pool(loader, self._base_seed)
        self._begin_epoch()

    def reset(self, loader: DataLoader[Any]) -> None:
        """Begins another epoch with the same workers."""
        self._reported_length = loader._IterableDataset_len_called
        self._num_yielded = 0
        from .worker import RESUME

        for worker in range(self._num_workers):
            self._pool.send(worker, (RESUME,))
        self._begin_epoch()

    @property
    def usable(self) -> bool:
        """Whether the workers are there for another epoch."""
        return bool(self._pool.open)

    def _begin_epoch(self) -> None:
        # PyTorch makes the sampler's iterator a second time here; a sampler that draws when its
        # iterator is made must see that too.
        self._sampler_iter = iter(self._index_sampler)
        self._first_number = self._next_number = self._send_number
        self._tasks: dict[int, list[Any]] = {}
        self._active = [True] * self._num_workers
        self._load = [0] * self._num_workers
        self._turn = itertools.cycle(range(self._num_workers))
        try:
            for _ in range(self._prefetch * self._num_workers):
                self._send_next()
        except BaseException:
            self._pool.close()
            raise

    def _send_next(self) -> None:
        """Gives the next index to the worker whose turn it is."""
        try:
            index = next(self._sampler_iter)
        except StopIteration:
            return
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
        from .worker import ENDED

        try:
            received = self._pool.receive(self._timeout)
        except BaseException:
            # Also KeyboardInterrupt, which may have come in the middle of a message.
            self._pool.close()
            raise
        if received is None:
            raise RuntimeError(
                f"DataLoader timed out after {self._timeout} seconds while it waited for worker "
                f"{self._tasks[self._next_number][0]} of {self._num_workers}"
            )
        worker, message = received
        header = message[0]
        number: int = header[1]
        if number < self._first_number:
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

        worker, (header, body) = self._tasks.pop(number)
        self._load[worker] -= 1
        failed = header[0] == FAILED
        buffers = [] if failed else self._pool.read_segment(worker, header)
        # The next task first: the worker works while the batch is put together here.
        self._send_next()
        if failed:
            pickle.loads(body).reraise()
        return wire.decode(body, buffers)


def run_pending() -> None:
    """Runs the operations that are recorded and not yet run."""
    flush = getattr(torch, "_flush", None)
    if flush is not None:
        flush()


def _start_pool(loader: DataLoader[Any], base_seed: int) -> Any:
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


def _accelerator_available() -> bool:
    accelerator = getattr(torch, "accelerator", None)
    return accelerator is not None and bool(accelerator.is_available())
