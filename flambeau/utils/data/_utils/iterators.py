"""Iterators over a DataLoader: what all share, and the one in the caller's own process."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import flambeau as torch

from .fetch import DatasetKind
from .position import Order, Position, is_stateful

if TYPE_CHECKING:
    from ..dataloader import DataLoader


_NONE = object()


class BaseIterator:
    """What both iterators share.

    PyTorch's order of draws from the generator: the base seed when an iterator is made, even if
    nobody uses it; the sampler's own draws when its first index is asked for.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        goes_on = loader._take_loaded()
        self._pins = loader.pin_memory and _accelerator_available()
        self._dataset = loader.dataset
        self._dataset_kind = loader._dataset_kind
        self._reported_length = loader._IterableDataset_len_called
        self._index_sampler = loader._index_sampler
        self._num_workers = loader.num_workers
        self._num_yielded = 0
        self._order = Order(loader)
        self._goes_on = goes_on is not None
        if goes_on is not None:
            # What a new iterator draws, the one that this goes on for has drawn.
            self._base_seed = goes_on.base_seed
            self._num_yielded = 0 if goes_on.ended else goes_on.given + len(goes_on.ahead)
            self.position = loader._position = goes_on
            return
        at_iter = None if self._num_workers else self._order.states()
        self._sampler_iter = iter(self._index_sampler)
        draw = torch.empty((), dtype=torch.int64).random_(generator=loader.generator)
        self._base_seed = int(draw.item())
        self._new_position(loader).at_iter = at_iter

    def _new_position(self, loader: DataLoader[Any]) -> Position:
        self.position = loader._position = Position(self._base_seed, self._num_workers)
        return self.position

    def __iter__(self) -> Iterator[Any]:
        return self

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __next__(self) -> Any:
        try:
            data = self._next_data()
        except StopIteration:
            self.position.ended = True
            raise
        self._num_yielded += 1
        if self._reported_length is not None and self._num_yielded > self._reported_length:
            self._warn_of_length()
        return pinned(data) if self._pins else data

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
        order, position = self._order, self.position
        self._begun = self._goes_on and position.given > 0
        self._index: Any = _NONE
        """Taken from the sampler, but not given yet: Ctrl-C in between loses no batch."""
        if not self._goes_on:
            if order.streams:
                position.at_iter = order.states()
            self._fetcher = _fetcher(loader)
        elif order.streams:
            self._go_on_in_stream(loader, order, position)
        else:
            self._fetcher = _fetcher(loader)
            self._sampler_iter, _, _ = order.again(position)
        stream = getattr(self._fetcher, "stream", None)
        position.stream = stream if is_stateful(stream) else None

    def _go_on_in_stream(self, loader: DataLoader[Any], order: Order, position: Position) -> None:
        """The stream tells its own state, or else is read again up to where it was."""
        self._sampler_iter = iter(self._index_sampler)
        state = position.dataset_state
        before = order.states()
        try:
            order.restore(position.at_iter)
            self._fetcher = _fetcher(loader)
            order.restore(position.at_first)
            if "stream" in state:
                self._fetcher.stream.load_state_dict(state["stream"])
            elif "dataset" not in state:
                for index in itertools.islice(self._sampler_iter, position.given):
                    with contextlib.suppress(Exception):  # it has been raised where it was given
                        self._fetcher.fetch(index)
        finally:
            order.restore(before)

    def _next_data(self) -> Any:
        if not self._begun:
            self.position.at_first = self._order.states()
            self._begun = True
        index = self._index
        if index is _NONE:
            index = self._index = next(self._sampler_iter)
        # What is recorded before and what is recorded after are programs of their own: a training
        # step whose program had this batch's random transforms in it would never be seen again.
        run_pending()
        try:
            data = self._fetcher.fetch(index)
        except StopIteration as error:
            if self._order.streams:
                raise
            self._count()
            raise RuntimeError(
                "DataLoader: the dataset or collate_fn raised StopIteration, which would end the "
                "loop in silence"
            ) from error
        except Exception:
            self._count()
            raise
        run_pending()
        self._count()
        return data

    def _count(self) -> None:
        self._index = _NONE
        self.position.given += 1


def _fetcher(loader: DataLoader[Any]) -> Any:
    return DatasetKind.create_fetcher(
        loader._dataset_kind,
        loader.dataset,
        loader._auto_collation,
        loader.collate_fn,
        loader.drop_last,
    )


def run_pending() -> None:
    """Runs the operations that are recorded and not yet run."""
    flush = getattr(torch, "_flush", None)
    if flush is not None:
        flush()


def pinned(data: Any) -> Any:
    """A batch whose tensors lie in page-locked memory: copies of them to a GPU run beside the
    program. What has a method `pin_memory` is asked for it."""
    if isinstance(data, torch.Tensor):
        return data.pin_memory() if data.device.type == "cpu" else data
    if hasattr(data, "pin_memory"):
        return data.pin_memory()
    if isinstance(data, (str, bytes)):
        return data
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(pinned, data))
    if isinstance(data, tuple):
        return [pinned(x) for x in data]  # a list, as PyTorch gives
    if isinstance(data, Mapping):
        return _like(data, {key: pinned(x) for key, x in data.items()})
    if isinstance(data, Sequence):
        return _like(data, [pinned(x) for x in data])
    return data


def _like(data: Any, plain: Any) -> Any:
    """A plain dict or list as an object of the class of `data`, if it takes one."""
    try:
        return type(data)(plain)
    except TypeError:
        return plain


def warn_of_pinning() -> None:
    """Says that pin_memory=True does nothing here; the caller's caller is the program."""
    if _accelerator_available():
        return
    import warnings

    warnings.warn(
        "DataLoader: pin_memory=True has no effect, because there is no accelerator to copy to",
        stacklevel=3,
    )


def _accelerator_available() -> bool:
    accelerator = getattr(torch, "accelerator", None)
    return accelerator is not None and bool(accelerator.is_available())
