"""Where a DataLoader's iterator is in its epoch, and how another one gets there.

The order of an epoch is not kept but made again: the sampler is iterated from the random states it
had when the epoch began, and what had been given is passed over.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..dataset import Subset, TensorDataset
from ..distributed import DistributedSampler
from ..sampler import BatchSampler, RandomSampler, SequentialSampler, SubsetRandomSampler
from . import collate, random_states
from .fetch import DatasetKind

if TYPE_CHECKING:
    from ..dataloader import DataLoader

# Samplers that draw nothing from generators others can see, and those that draw from ours alone.
_NO_DRAWS = (SequentialSampler, DistributedSampler, range, list, tuple)
_OUR_DRAWS = (RandomSampler, SubsetRandomSampler)


class Position:
    """The record that an iterator keeps; it outlives the iterator."""

    def __init__(self, base_seed: int, workers: int) -> None:
        self.base_seed = base_seed
        self.given = 0
        """Indices whose batches have been given (or whose errors were raised), without a gap."""
        self.ahead: set[int] = set()
        """Given out of order, after the gap."""
        self.drawn = 0
        """Indices taken from the sampler: more than given, where workers read ahead."""
        self.exhausted = False
        """Whether the sampler has said that it has no more."""
        self.ended = False
        """Whether the loop has been told that there is no more."""
        self.by_worker = [0] * workers
        self.turn = 0
        """The worker that comes after the one that gave last."""
        self.at_iter: random_states.States | None = None
        """Random states before `iter(sampler)`, or before `iter(dataset)` of a stream."""
        self.at_first: random_states.States | None = None
        """Random states before the first index or sample was asked for."""
        self.sampler_states: dict[int, Any] = {}
        """What a sampler with `state_dict` said after the index of this number; -1: before all.

        Kept where workers read ahead, so that the sampler itself is further.
        """
        self.snapshots: list[Any] = [None] * workers
        """From where each worker goes on, in bytes or as a dict: see `worker`."""
        self.stream: Any = None
        """In this process: the dataset's iterator, if that tells its own state."""
        self.worker_generators: list[Any] = []
        """In this process: the streams that workers would draw from, if it stands in for them."""
        self.dataset_state: Any = None
        """In a position that was loaded: what that iterator is to be told."""

    def copy(self) -> Position:
        """A record that goes its own way from here."""
        other = copy.copy(self)
        other.ahead, other.by_worker = set(self.ahead), list(self.by_worker)
        other.snapshots, other.sampler_states = list(self.snapshots), dict(self.sampler_states)
        return other

    def count(self, number: int, worker: int) -> None:
        """A worker's batch of this number in the epoch has been given."""
        self.by_worker[worker] += 1
        self.turn = worker + 1
        if number != self.given:
            self.ahead.add(number)
            return
        self.given += 1
        while self.ahead and self.given in self.ahead:
            self.ahead.remove(self.given)
            self.given += 1
        if len(self.sampler_states) > 1:
            for old in [key for key in self.sampler_states if key < self.given - 1]:
                del self.sampler_states[old]


class Order:
    """How a loader's order is made: its sampler, and all that this draws from."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self.sampler = loader._index_sampler
        self.streams = loader._dataset_kind == DatasetKind.Iterable
        self._stateful = stateful_sampler(loader)
        self._jumps = self._stateful is not None and jumps(loader)
        self._draws = self._what_is_drawn(loader)
        self._generators = generators_of(loader) if self._draws else []

    def _what_is_drawn(self, loader: DataLoader[Any]) -> str:
        if self.streams:
            return "" if loader.num_workers else "all"
        sampler = self.sampler
        if type(sampler) is BatchSampler:
            sampler = sampler.sampler
        if type(sampler) in _NO_DRAWS:
            return ""
        return "ours" if type(sampler) in _OUR_DRAWS else "all"

    def states(self) -> random_states.States | None:
        """The random states that the order depends on, now; None if on none."""
        if not self._draws:
            return None
        return random_states.capture(self._generators, self._draws == "ours")

    def restore(self, states: random_states.States | None) -> None:
        if states is not None:
            random_states.restore(states, self._generators)

    def again(self, position: Position) -> tuple[Iterator[Any], list[Any], list[Any]]:
        """The sampler's iterator where ``position`` has it, what it had given, what is read ahead.

        The random states are the same afterwards.
        """
        if self._jumps:
            return self._from_its_own_state(position)
        before = self.states()
        try:
            self.restore(position.at_iter)
            indices = iter(self.sampler)
            self.restore(position.at_first)
            given = list(islice(indices, position.given))
            more = list(islice(indices, position.drawn - position.given))
            if position.exhausted:
                next(indices, None)
        finally:
            self.restore(before)
        return indices, given, more

    def _from_its_own_state(self, position: Position) -> tuple[Iterator[Any], list[Any], list[Any]]:
        try:
            all_given = position.given >= len(self.sampler)
        except TypeError:
            all_given = False
        if all_given:  # its state may be the beginning of the next epoch already
            return iter(()), [], []
        before = self.states()
        more: list[Any] = []
        try:
            indices = iter(self.sampler)
            for index in islice(indices, position.drawn - position.given):
                self.note(position, position.given + len(more))
                more.append(index)
        finally:
            self.restore(before)
        return indices, [], more

    def note_beginning(self, position: Position) -> None:
        """Keeps what a sampler that tells its state says before its `iter`."""
        if self._stateful is not None:
            position.sampler_states[-1] = copy.deepcopy(self._stateful.state_dict())

    def note(self, position: Position, number: int) -> None:
        """Keeps what it says now that it has given the index ``number``."""
        if self._jumps:
            position.sampler_states[number] = copy.deepcopy(self._stateful.state_dict())


def shares(indices: Sequence[Any], quotas: Sequence[int]) -> Iterator[tuple[int, Any]]:
    """Deals ``indices`` out in turn, ``quotas[w]`` of them to worker ``w``."""
    left, worker = list(quotas), 0
    for index in indices:
        if not any(left):
            return
        while not left[worker]:
            worker = (worker + 1) % len(left)
        left[worker] -= 1
        yield worker, index
        worker = (worker + 1) % len(left)


def is_stateful(obj: Any) -> bool:
    """Whether ``obj`` tells its own state."""
    return callable(getattr(obj, "state_dict", None)) and callable(
        getattr(obj, "load_state_dict", None)
    )


def stateful_sampler(loader: DataLoader[Any]) -> Any:
    """The loader's batch sampler or sampler that tells its own state, or None."""
    sampler = loader._index_sampler
    if is_stateful(sampler):
        return sampler
    inner = getattr(sampler, "sampler", None)
    return inner if type(sampler) is BatchSampler and is_stateful(inner) else None


def generators_of(loader: DataLoader[Any]) -> list[Any]:
    """The random generators that the loader and its samplers were given, each once."""
    inner = getattr(loader._index_sampler, "sampler", None)
    found: list[Any] = []
    for owner in (loader, loader._index_sampler, inner, loader.sampler):
        generator = getattr(owner, "generator", None)
        if hasattr(generator, "set_state") and not any(generator is other for other in found):
            found.append(generator)
    return found


def must_be_read_again(loader: DataLoader[Any]) -> bool:
    """Whether a worker has to read what was given, to be as it was.

    Not for a dataset whose samples are a function of the index (a TensorDataset, a sequence, one
    that says ``stateless = True``), nor for one that tells its own state.
    """
    dataset: Any = loader.dataset
    if is_stateful(dataset) or getattr(dataset, "stateless", False) is True:
        return False
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return (
        type(dataset) not in (TensorDataset, list, tuple, range)
        or loader.collate_fn not in (collate.default_collate, collate.default_convert)
        or loader.worker_init_fn is not None
    )


def jumps(loader: DataLoader[Any]) -> bool:
    """Whether a sampler that tells its state is taken up in the middle of an epoch.

    Not where workers read again: what, it has to give once more from the beginning.
    """
    return not (loader.num_workers and must_be_read_again(loader))
