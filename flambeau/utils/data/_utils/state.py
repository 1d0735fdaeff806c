"""A DataLoader's position as plain data, and back."""

from __future__ import annotations

import contextlib
import copy
from typing import TYPE_CHECKING, Any

from flambeau.errors import shown

from ..distributed import DistributedSampler
from . import random_states
from .fetch import DatasetKind
from .position import Position, generators_of, is_stateful, jumps, stateful_sampler

if TYPE_CHECKING:
    from ..dataloader import DataLoader

VERSION = 1

# So many indices no loader has read ahead: what a damaged state may ask for ends here.
_MOST_AHEAD = 1 << 20


def describe(loader: DataLoader[Any]) -> dict[str, Any]:
    """The state of ``loader`` as data that any checkpoint can hold."""
    position = _current(loader)
    sampler = loader.sampler
    return {
        "version": VERSION,
        "loader": _identity(loader),
        "generators": [generator.get_state() for generator in generators_of(loader)],
        "epoch": sampler.epoch if isinstance(sampler, DistributedSampler) else None,
        "sampler": _sampler_state(loader, position),
        "dataset": _dataset_state(loader, position) if loader.num_workers == 0 else None,
        "position": None if position is None else _written(position),
    }


def _current(loader: DataLoader[Any]) -> Position | None:
    """The position in an epoch; None between two, where nothing goes on from one to the other."""
    position = loader._position
    iterator = loader._iterator
    if iterator is not None and iterator.position is position and iterator.usable:
        iterator.ask_workers()
        return position
    return None if position is None or position.ended else position


def _sampler_state(loader: DataLoader[Any], position: Position | None) -> Any:
    sampler = stateful_sampler(loader)
    if sampler is None:
        return None
    # Where workers read ahead, the sampler itself is further than what has been given.
    if position is not None and position.sampler_states and not position.ended:
        return position.sampler_states[min(position.sampler_states)]
    return sampler.state_dict()


def _dataset_state(loader: DataLoader[Any], position: Position | None) -> Any:
    if position is not None and position.stream is not None:
        return {"stream": position.stream.state_dict()}
    dataset: Any = loader.dataset
    return {"dataset": dataset.state_dict()} if is_stateful(dataset) else None


def _written(position: Position) -> dict[str, Any]:
    return {
        "base_seed": position.base_seed,
        "given": position.given,
        "ahead": sorted(position.ahead),
        "drawn": max(position.drawn, position.given),
        "exhausted": position.exhausted,
        "ended": position.ended,
        "by_worker": list(position.by_worker),
        "turn": position.turn,
        "at_iter": random_states.plain(position.at_iter),
        "at_first": random_states.plain(position.at_first),
        "snapshots": [_written_snapshot(snapshot) for snapshot in _snapshots(position)],
    }


def _snapshots(position: Position) -> list[Any]:
    return [
        random_states.snapshot((generator.get_state(), None, None, []))
        for generator in position.worker_generators
    ] or position.snapshots


def _written_snapshot(snapshot: Any) -> Any:
    if isinstance(snapshot, bytes):
        from . import wire

        snapshot = wire.decode(snapshot, ())
    if snapshot is None:
        return None
    return {**snapshot, "random": random_states.plain(snapshot["random"])}


def _identity(loader: DataLoader[Any]) -> dict[str, Any]:
    """What has to be the same where a state is loaded."""
    streams = loader._dataset_kind == DatasetKind.Iterable
    try:
        batches = None if streams else len(loader._index_sampler)
    except TypeError:  # a sampler may have no length
        batches = None
    return {
        "dataset": "an IterableDataset" if streams else "map-style",
        "num_workers": loader.num_workers,
        "batch_size": loader.batch_size,
        "drop_last": loader.drop_last,
        "batches": batches,
        "generators": len(generators_of(loader)),
    }


def load(loader: DataLoader[Any], state: Any) -> Position | None:
    """Checks ``state`` and puts it into effect, except for the position, which is returned.

    Raises:
        TypeError: ``state`` is no dict.
        ValueError: it is no loader's state, or that of another one. Nothing has changed then.
    """
    if not isinstance(state, dict):
        raise TypeError(
            "DataLoader.load_state_dict: expected what DataLoader.state_dict() returned, got "
            f"{type(state).__name__}"
        )
    try:
        position, generator_states, dataset_state = _checked(loader, state)
        epoch, sampler_state = state["epoch"], state["sampler"]
    except KeyError as error:
        raise ValueError(
            f"DataLoader.load_state_dict: this is no DataLoader's state, or not all: {error} is "
            "not there"
        ) from error
    except (TypeError, ValueError, AttributeError, IndexError, RuntimeError) as error:
        raise ValueError(f"DataLoader.load_state_dict: {error}") from error
    sampler, dataset = stateful_sampler(loader), loader.dataset
    own = [(sampler, sampler_state)] if sampler is not None and sampler_state is not None else []
    if "dataset" in dataset_state:
        own.append((dataset, dataset_state["dataset"]))
    _load_all(own)
    if position is not None:
        position.dataset_state = dataset_state
        if sampler is not None and loader.num_workers:
            last = position.given - 1 if jumps(loader) else -1
            position.sampler_states = {last: sampler_state}
    if epoch is not None and isinstance(loader.sampler, DistributedSampler):
        loader.sampler.set_epoch(epoch)
    for generator, generator_state in zip(generators_of(loader), generator_states, strict=True):
        generator.set_state(generator_state)
    return position


def _load_all(pairs: list[tuple[Any, Any]]) -> None:
    """Gives each object its state; if one refuses, those before it get theirs back."""
    before: list[tuple[Any, Any]] = []
    try:
        for owner, state in pairs:
            before.append((owner, copy.deepcopy(owner.state_dict())))
            owner.load_state_dict(state)
    except BaseException:
        for owner, state in before:
            with contextlib.suppress(Exception):
                owner.load_state_dict(state)
        raise


def _checked(loader: DataLoader[Any], state: dict[str, Any]) -> tuple[Any, list[Any], Any]:
    if state["version"] != VERSION:
        raise ValueError(f"the state's version is {state['version']!r}; {VERSION} can be read")
    _check_identity(state["loader"], _identity(loader))
    generators = len(generators_of(loader))
    states = list(state["generators"])
    random_states.check_streams(states, generators)
    position = state["position"]
    if position is not None:
        position = _read(position, loader.num_workers, generators)
        if position.ended and not loader.persistent_workers:
            position = None  # only workers that stay take something over from epoch to epoch
    epoch, dataset_state = state["epoch"], state["dataset"] or {}
    if epoch is not None and type(epoch) is not int:
        raise ValueError(f"epoch must be a whole number, got {shown(epoch)}")
    if not isinstance(dataset_state, dict):
        raise ValueError(f"the dataset's state is a {type(dataset_state).__name__}")
    if "dataset" in dataset_state and not is_stateful(loader.dataset):
        raise ValueError(
            "the state has one of the dataset, but this loader's dataset has no load_state_dict"
        )
    return position, states, dataset_state


def _check_identity(theirs: Any, ours: dict[str, Any]) -> None:
    different = [name for name in ours if theirs[name] != ours[name]]
    if different:
        listed = ", ".join(f"{name} {theirs[name]} (here {ours[name]})" for name in different)
        raise ValueError(
            f"the state is of another loader: {listed}; make the loader as it was when the state "
            "was saved"
        )


def _read(data: dict[str, Any], workers: int, generators: int) -> Position:
    position = Position(_whole(data, "base_seed"), workers)
    position.given = _whole(data, "given")
    position.drawn = _whole(data, "drawn")
    if not 0 <= position.drawn - position.given <= _MOST_AHEAD:
        raise ValueError(f"drawn={position.drawn} doesn't fit given={position.given}")
    position.ahead = {int(number) for number in data["ahead"]}
    position.exhausted, position.ended = bool(data["exhausted"]), bool(data["ended"])
    counts = data["by_worker"]
    position.by_worker = [_whole(counts, worker) for worker in range(workers)]
    position.turn = _whole(data, "turn")
    if workers and sum(position.by_worker) != position.given + len(position.ahead):
        raise ValueError(f"workers gave {counts}, in all given={position.given}")
    position.at_iter = random_states.from_plain(data["at_iter"], generators)
    position.at_first = random_states.from_plain(data["at_first"], generators)
    position.snapshots = [_read_snapshot(data["snapshots"][worker]) for worker in range(workers)]
    return position


def _read_snapshot(data: Any) -> Any:
    if data is None:
        return None
    states = random_states.from_plain(data["random"], 0)
    if states is None:
        raise ValueError("a worker's random state is missing")
    return random_states.snapshot(
        states, data["dataset"], data["stream"], bool(data["before"]), bool(data["ended"])
    )


def _whole(data: Any, name: Any) -> int:
    value = data[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise ValueError(f"{name} must be a whole number, got {shown(value)}")
    return value
