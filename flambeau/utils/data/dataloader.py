"""DataLoader: batches of a dataset, read here or in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from flambeau.errors import shown

from ._utils import stand_in, state
from ._utils.collate import default_collate, default_convert
from ._utils.fetch import DatasetKind
from ._utils.info import get_worker_info
from ._utils.iterators import BaseIterator, SingleProcessIterator, warn_of_pinning
from ._utils.multi_process import MultiProcessIterator
from ._utils.position import Position
from ._utils.stand_in import StandInIterator
from .dataset import Dataset, IterableDataset
from .sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

if TYPE_CHECKING:
    from flambeau import Generator

# By these names programs ask what kind of iterator they have.
_BaseDataLoaderIter = BaseIterator
_SingleProcessDataLoaderIter = SingleProcessIterator
_MultiProcessingDataLoaderIter = MultiProcessIterator
_DatasetKind = DatasetKind

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

T_co = TypeVar("T_co", covariant=True)

_FIXED = frozenset(
    ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")
)


class _Endless(Sampler[Any]):
    """The index of a stream's samples: none, over and over."""

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield None


class DataLoader(Generic[T_co]):
    """Iterates over a dataset in batches.

    For a seed of the global generator, or of ``generator``, the order is PyTorch's in every epoch.

    Args:
        dataset: map-style (``__getitem__``, ``__len__``) or an IterableDataset.
        batch_size: samples in a batch; None for single samples, not collated.
        shuffle: a new random order in each epoch.
        sampler: an iterable of indices, instead of ``shuffle``.
        batch_sampler: an iterable of lists of indices, instead of ``batch_size``, ``shuffle``,
            ``sampler`` and ``drop_last``.
        num_workers: processes that read ahead; 0 reads in this process when asked. For the
            library's own data sets in memory, with transforms of its own, no process is started:
            batches are made in one go here, with the samples and random numbers of the workers.
        collate_fn: makes a batch of a list of samples (default: ``default_collate``; without
            batches ``default_convert`` is applied to each sample).
        pin_memory: for copies to an accelerator; warns and has no effect where there is none.
        drop_last: leave out a last batch that is smaller.
        timeout: seconds to wait for a batch from the workers; 0 waits as long as they live.
        worker_init_fn: called with the worker's number in each worker, after seeding.
        multiprocessing_context: a start method ("fork", "spawn", "forkserver") or a context.
            Default: what the program has set, else fork on Linux. Except with fork, dataset and
            functions must be picklable.
        generator: draws the order (``shuffle=True``) and the workers' seeds.
        prefetch_factor: batches that each worker reads ahead (default 2).
        persistent_workers: keep the workers, and their copies of the dataset, between epochs.
        pin_memory_device: accepted; the current accelerator is what counts.
        in_order: False gives batches in the order in which workers finish them.

    Raises:
        ValueError: arguments out of range, or that exclude each other.
        TypeError: ``multiprocessing_context`` of another type.

    While iterating, a worker's exception is raised here with its type and the worker's traceback
    in the message; RuntimeError names a worker that has died, with its exit code or signal.
    """

    dataset: Dataset[T_co]
    batch_size: int | None
    num_workers: int
    pin_memory: bool
    drop_last: bool
    timeout: float
    sampler: Sampler[Any] | Iterable[Any]
    prefetch_factor: int | None
    _initialized = False
    _position: Position | None = None
    _loaded: tuple[dict[str, Any], Position | None] | None = None

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[list[Any]] | Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        streams = isinstance(dataset, IterableDataset)
        if streams:
            _check_stream(shuffle, sampler, batch_sampler)
        _check_batching(batch_size, bool(shuffle), sampler, batch_sampler, drop_last)

        self.dataset = dataset
        self._dataset_kind = DatasetKind.Iterable if streams else DatasetKind.Map
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.in_order = in_order
        self.persistent_workers = persistent_workers

        if sampler is None:
            sampler = _default_sampler(dataset, streams, bool(shuffle), generator)
        if batch_sampler is not None:
            batch_size, drop_last = None, False
        elif batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn

        self._IterableDataset_len_called: int | None = None
        self._iterator: MultiProcessIterator | StandInIterator | None = None
        self._initialized = True
        self.check_worker_number_rationality()

    def __setattr__(self, name: str, value: Any) -> None:
        if self._initialized and name in _FIXED:
            raise ValueError(
                f"{name} can't be changed after {type(self).__name__} is initialized; make a new "
                "one"
            )
        super().__setattr__(name, value)

    @property
    def multiprocessing_context(self) -> Any:
        """The context that starts the workers; None for the default."""
        return self._multiprocessing_context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        if context is not None:
            context = _check_context(context, self.num_workers)
        self._multiprocessing_context = context

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler if self._auto_collation else self.sampler

    def _get_iterator(self) -> BaseIterator:
        if self.num_workers == 0:
            return SingleProcessIterator(self)
        return self._workers_iterator()

    def _workers_iterator(self) -> MultiProcessIterator | StandInIterator:
        """What reads in worker processes, or does here what they would."""
        found = stand_in.iterator_for(self)
        return MultiProcessIterator(self) if found is None else found

    def __iter__(self) -> Iterator[Any]:
        if self.pin_memory:
            warn_of_pinning()
        loaded = self._loaded
        if loaded is None:
            return self._begin()
        self._iterator = None
        try:
            return self._begin()
        except BaseException:
            self._loaded = loaded  # not lost, for another try
            raise

    def _begin(self) -> BaseIterator:
        if not (self.persistent_workers and self.num_workers > 0):
            return self._get_iterator()
        if self._iterator is not None and self._iterator.usable:
            self._iterator.reset(self)
        else:
            self._iterator = self._workers_iterator()
        return self._iterator

    def _take_loaded(self) -> Position | None:
        """The position that a new iterator is to go on from, once."""
        loaded, self._loaded = self._loaded, None
        return None if loaded is None or loaded[1] is None else loaded[1].copy()

    def state_dict(self) -> dict[str, Any]:
        """Where this loader is: after the batch given last, or between two epochs.

        May be asked at any time, also in the middle of a loop. Plain data for ``torch.save`` and
        ``torch.load(weights_only=True)``. The global generators' states are not in it; save them
        beside it (``torch.get_rng_state()`` and so on).
        """
        if self._loaded is not None:
            return dict(self._loaded[0])
        return state.describe(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Lets the next ``iter(loader)`` go on where ``state_dict`` was taken.

        It gives the batches that were still to come in that epoch, and the epochs after it are
        those that would have come, bit for bit; a state from between two epochs begins the next.
        The states of given ``generator``s are set here; set the global ones before the loop.

        The order is made again from the random states of the epoch's beginning. A sampler, batch
        sampler, dataset or iterator of an IterableDataset with ``state_dict()`` and
        ``load_state_dict(state)`` goes on from what these keep. Without them, workers read again
        what they had given, so that they draw what they would have drawn; a map-style dataset
        whose samples depend on the index alone can say ``stateless = True`` to spare this. With
        ``num_workers=0`` only an IterableDataset is read again. With ``in_order=False`` no batch
        is lost or given twice, but which worker reads which is not repeated.

        Raises:
            TypeError: ``state_dict`` is no dict.
            ValueError: it is no loader's state, or of a loader with another length, batch size,
                number of workers or kind of dataset. Nothing has changed then.
        """
        position = state.load(self, state_dict)
        self._loaded = dict(state_dict), position

    def __len__(self) -> int:
        """Batches in an epoch; for an IterableDataset an estimate from its ``__len__``."""
        if self._dataset_kind == DatasetKind.Map:
            return len(self._index_sampler)
        length: int = len(self.dataset)  # type: ignore[arg-type]
        self._IterableDataset_len_called = length
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)

    def check_worker_number_rationality(self) -> None:
        """Warns when there are to be more workers than processors that this process may use."""
        if self.num_workers == 0:
            return
        import os

        if hasattr(os, "sched_getaffinity"):
            processors: int | None = len(os.sched_getaffinity(0))
        else:
            processors = os.cpu_count()
        if processors is not None and self.num_workers > processors:
            import warnings

            warnings.warn(
                f"DataLoader: {self.num_workers} workers will share {processors} processors; "
                f"more than {processors} may make loading slower",
                stacklevel=3,
            )


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> None:
    if num_workers < 0:
        raise ValueError(
            f"DataLoader: num_workers must not be negative, got {num_workers}; 0 loads in this "
            "process"
        )
    if timeout < 0:
        raise ValueError(f"DataLoader: timeout must not be negative, got {timeout}")
    if prefetch_factor is not None:
        if num_workers == 0:
            raise ValueError(
                f"DataLoader: prefetch_factor={prefetch_factor} is for worker processes, but "
                "num_workers is 0"
            )
        if prefetch_factor < 0:
            raise ValueError(
                f"DataLoader: prefetch_factor must not be negative, got {prefetch_factor}"
            )
    if persistent_workers and num_workers == 0:
        raise ValueError("DataLoader: persistent_workers=True needs num_workers > 0")


def _check_stream(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    if shuffle not in (False, None):
        raise ValueError(
            f"DataLoader: shuffle={shuffle} doesn't fit an IterableDataset, which determines its "
            "own order"
        )
    for name, value in (("sampler", sampler), ("batch_sampler", batch_sampler)):
        if value is not None:
            raise ValueError(
                f"DataLoader: {name} doesn't fit an IterableDataset, which has no indices; got "
                f"{name}={value}"
            )


def _check_batching(
    batch_size: Any, shuffle: bool, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    if sampler is not None and shuffle:
        raise ValueError(
            "DataLoader: sampler and shuffle=True exclude each other; the sampler determines the "
            "order"
        )
    if batch_sampler is not None:
        clashes = [
            name
            for name, given in (
                ("batch_size", batch_size != 1),
                ("shuffle", shuffle),
                ("sampler", sampler is not None),
                ("drop_last", drop_last),
            )
            if given
        ]
        if clashes:
            raise ValueError(
                f"DataLoader: batch_sampler and {', '.join(clashes)} exclude each other; the "
                "batch sampler determines the batches"
            )
    elif batch_size is None and drop_last:
        raise ValueError(
            "DataLoader: batch_size=None gives single samples, so that drop_last=True has nothing "
            "to drop"
        )


def _check_context(context: Any, num_workers: int) -> Any:
    if num_workers == 0:
        raise ValueError(
            f"DataLoader: multiprocessing_context={shown(context)} is for worker processes, but "
            "num_workers is 0"
        )
    import multiprocessing
    from multiprocessing.context import BaseContext

    if isinstance(context, str):
        methods = multiprocessing.get_all_start_methods()
        if context not in methods:
            raise ValueError(
                f"DataLoader: multiprocessing_context must be one of {methods}, got "
                f"{shown(context)}"
            )
        return multiprocessing.get_context(context)
    if not isinstance(context, BaseContext):
        raise TypeError(
            "DataLoader: multiprocessing_context must be the name of a start method or a context "
            f"of multiprocessing, got {type(context).__name__}"
        )
    return context


def _default_sampler(dataset: Any, streams: bool, shuffle: bool, generator: Any) -> Sampler[Any]:
    if streams:
        return _Endless()
    if shuffle:
        return RandomSampler(dataset, generator=generator)
    return SequentialSampler(dataset)
