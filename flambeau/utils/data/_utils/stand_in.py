"""Loaders whose workers need not be started, because their batches are made faster here.

Handing a small batch over from another process costs more than making it in one go from data that are
in memory. Where a data set can promise that nobody sees a difference (`_frozen`, see `whole`), the
loader's own process does what the workers would: the same samples, the same random numbers, and the
data set as it was when the workers would have started.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import flambeau as torch

from . import collate, whole
from .fetch import DatasetKind
from .iterators import BaseIterator
from .position import Position, shares

if TYPE_CHECKING:
    from ..dataloader import DataLoader


def iterator_for(loader: DataLoader[Any]) -> StandInIterator | None:
    """An iterator without processes; None where the workers are needed: for code of the program's,
    or because it has said how they are to be started."""
    if (
        loader._dataset_kind != DatasetKind.Map
        or not loader._auto_collation
        or loader.collate_fn is not collate.default_collate
        or not collate.is_usual()
        or loader.worker_init_fn is not None
        or loader.multiprocessing_context is not None
        or not loader.prefetch_factor
    ):
        return None
    frozen = whole.frozen(loader.dataset)
    return None if frozen is None else StandInIterator(loader, frozen)


class StandInIterator(BaseIterator):
    """Gives what a `MultiProcessIterator` over the same loader would.

    The sampler is read as far ahead as there, since it may draw from the program's generators.
    """

    usable = True
    """For another epoch (`persistent_workers`)."""

    def __init__(self, loader: DataLoader[Any], frozen: whole.Frozen) -> None:
        super().__init__(loader)
        self._frozen = frozen
        self._ahead = self._num_workers * int(loader.prefetch_factor or 0)
        self._generators: list[Any] = []
        if frozen.draws:
            for worker in range(self._num_workers):
                self._generators.append(torch.Generator())
                self._generators[-1].manual_seed(self._base_seed + worker)
        if not self._goes_on:
            self._begin_epoch(loader)
        elif self.position.ended:
            self._restore(self.position)
            self._begin_epoch(loader)
        else:
            self._restore(self.position)
            self._go_on(self.position)

    def reset(self, loader: DataLoader[Any]) -> None:
        """Begins another epoch, as with workers that were kept."""
        self._reported_length = loader._IterableDataset_len_called
        self._num_yielded = 0
        self._begin_epoch(loader)

    def ask_workers(self) -> None:
        """Nothing to ask: what the workers would say is here."""

    def _restore(self, position: Position) -> None:
        for generator, snapshot in zip(self._generators, position.snapshots, strict=False):
            if snapshot is not None:
                generator.set_state(snapshot["random"][0])

    def _go_on(self, position: Position) -> None:
        """Takes an epoch up where the loaded position is."""
        self._sampler_iter, given, more = self._order.again(position)
        self._indices = deque(more)
        self._number = position.given
        position.worker_generators = self._generators
        if not self._generators:
            return
        for worker, index in shares(given, position.by_worker):
            snapshot = position.snapshots[worker]
            if snapshot is None or snapshot["before"]:  # of a loader that had workers
                with contextlib.suppress(Exception):  # it was raised where the batch was given
                    self._batch(index, worker)

    def _begin_epoch(self, loader: DataLoader[Any]) -> None:
        position, order = self._new_position(loader), self._order
        position.worker_generators = self._generators
        order.note_beginning(position)
        position.at_iter = order.states()
        self._sampler_iter: Iterator[Any] = iter(self._index_sampler)
        position.at_first = order.states()
        self._indices = deque()
        self._number = 0
        for _ in range(self._ahead):
            self._read_sampler()

    def _read_sampler(self) -> None:
        for index in self._sampler_iter:
            position = self.position
            self._order.note(position, position.drawn)
            position.drawn += 1
            self._indices.append(index)
            return
        self.position.exhausted = True

    def _next_data(self) -> Any:
        if not self._indices:
            raise StopIteration
        index = self._indices.popleft()
        worker = self._number % self._num_workers
        self.position.count(self._number, worker)
        self._number += 1
        self._read_sampler()
        try:
            return self._batch(index, worker)
        except Exception as error:
            failure = whole_error(error, worker)
        failure.reraise()

    def _batch(self, index: Any, worker: int) -> Any:
        generator = self._generators[worker] if self._generators else None
        batch = self._frozen.batch(index, generator)
        return self._one_by_one(index, generator) if batch is None else batch

    def _one_by_one(self, index: Any, generator: Any) -> Any:
        """The batch of single samples, which draw from the global generator."""
        sample = self._frozen.sample
        if generator is None:
            return collate.default_collate([sample(i) for i in index])
        before = torch.get_rng_state()
        torch.set_rng_state(generator.get_state())
        try:
            return collate.default_collate([sample(i) for i in index])
        finally:
            generator.set_state(torch.get_rng_state())
            torch.set_rng_state(before)


def whole_error(error: Exception, worker: int) -> Any:
    """The error as it would come from a worker."""
    from .errors import WorkerError

    return WorkerError(error, f"in DataLoader worker process {worker}")
