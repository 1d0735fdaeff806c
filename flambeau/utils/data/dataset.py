"""Datasets: what a DataLoader reads from, and ways to join, cut and split them."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import flambeau as torch

if TYPE_CHECKING:
    from flambeau import Generator, Tensor

__all__ = [
    "ChainDataset",
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
]

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """A map from keys (usually ``0 .. len - 1``) to samples.

    A subclass defines ``__getitem__``, and ``__len__`` where samplers need it. It may define
    ``__getitems__(indices) -> list of samples`` too: a DataLoader then asks for a whole batch in
    one call. (Neither ``__len__`` nor ``__getitems__`` has a default here, because callers decide
    by their presence.)
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} does not define __getitem__")

    def __add__(self, other: Dataset[Any]) -> Dataset[Any]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co], Iterable[T_co]):
    """A stream of samples: a subclass defines ``__iter__``.

    Every DataLoader worker iterates over its own copy, so that with several workers the dataset
    has to share the work out itself, by ``get_worker_info()`` or a ``worker_init_fn``.
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} does not define __iter__")

    def __add__(self, other: Dataset[Any]) -> Dataset[Any]:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Any, ...]]):
    """Sample ``i`` is the tuple of row ``i`` of every tensor.

    Args:
        *tensors: tensors of the same size in dimension 0; AssertionError otherwise.
    """

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        sizes = [tensor.size(0) for tensor in tensors]
        if len(set(sizes)) > 1:
            raise AssertionError(
                "TensorDataset: the tensors must have the same size in dimension 0, "
                f"but their sizes there are {sizes}"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].size(0))


class StackDataset(Dataset[Any]):
    """Datasets of one length side by side.

    Sample ``i`` is a tuple of everyone's sample ``i`` (datasets given by position), or a dict of
    them (given by keyword).

    Raises:
        ValueError: no dataset, both forms at once, or lengths that differ.
    """

    datasets: tuple[Any, ...] | dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError(
                "StackDataset takes datasets by position (samples are tuples) or by keyword "
                f"(samples are dicts), not both; got {len(args)} and {len(kwargs)}"
            )
        if not args and not kwargs:
            raise ValueError("StackDataset needs at least one dataset")
        self.datasets = args or kwargs
        lengths = [len(dataset) for dataset in args or kwargs.values()]
        if len(set(lengths)) > 1:
            raise ValueError(f"StackDataset: the datasets' lengths differ: {lengths}")
        self._length = lengths[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {key: dataset[index] for key, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __getitems__(self, indices: list[Any]) -> list[Any]:
        if isinstance(self.datasets, dict):
            columns = [self._column(dataset, indices) for dataset in self.datasets.values()]
            keys = list(self.datasets)
            return [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]
        return list(zip(*(self._column(d, indices) for d in self.datasets), strict=True))

    @staticmethod
    def _column(dataset: Any, indices: list[Any]) -> Sequence[Any]:
        samples = read_samples(dataset, indices)
        if len(samples) != len(indices):
            raise ValueError(
                f"StackDataset: {type(dataset).__name__}.__getitems__ was asked for "
                f"{len(indices)} samples and returned {len(samples)}"
            )
        return samples

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[T_co]):
    """Map-style datasets one after the other.

    Raises:
        AssertionError: no dataset, or an IterableDataset among them.
    """

    datasets: list[Any]
    cumulative_sizes: list[int]

    @staticmethod
    def cumsum(sequence: Iterable[Any]) -> list[int]:
        """Where each of the datasets ends: the running sum of their lengths."""
        return list(accumulate(len(dataset) for dataset in sequence))

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("ConcatDataset needs at least one dataset")
        for position, dataset in enumerate(self.datasets):
            if isinstance(dataset, IterableDataset):
                raise AssertionError(
                    f"ConcatDataset joins map-style datasets, but number {position} is the "
                    f"IterableDataset {type(dataset).__name__}; ChainDataset joins those"
                )
        self.cumulative_sizes = self.cumsum(self.datasets)

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, idx: int) -> T_co:
        position = idx if idx >= 0 else len(self) + idx
        if position < 0:
            raise ValueError(f"ConcatDataset: index {idx} is below -{len(self)}, its length")
        if position >= len(self):
            raise IndexError(f"ConcatDataset: index {idx} is past its length {len(self)}")
        which = bisect_right(self.cumulative_sizes, position)
        start = self.cumulative_sizes[which - 1] if which else 0
        sample: T_co = self.datasets[which][position - start]
        return sample

    @property
    def cummulative_sizes(self) -> list[int]:
        """The old, misspelt name of ``cumulative_sizes``."""
        import warnings

        warnings.warn("cummulative_sizes is now cumulative_sizes", FutureWarning, stacklevel=2)
        return self.cumulative_sizes


class ChainDataset(IterableDataset[T_co]):
    """IterableDatasets one after the other; AssertionError, when reached, for any other kind."""

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = datasets

    def _streams(self) -> Iterator[IterableDataset[Any]]:
        for position, dataset in enumerate(self.datasets):
            if not isinstance(dataset, IterableDataset):
                raise AssertionError(
                    f"ChainDataset chains IterableDatasets, but number {position} is "
                    f"{type(dataset).__name__}; ConcatDataset joins map-style datasets"
                )
            yield dataset

    def __iter__(self) -> Iterator[T_co]:
        for dataset in self._streams():
            yield from dataset

    def __len__(self) -> int:
        return sum(map(len, self._streams()))  # type: ignore[arg-type]


class Subset(Dataset[T_co]):
    """The samples of ``dataset`` at ``indices``, in that order.

    A DataLoader reads it through ``__getitems__``. A subclass with a ``__getitem__`` of its own
    must therefore define ``__getitems__`` as well; NotImplementedError otherwise.
    """

    dataset: Dataset[T_co]
    indices: Sequence[int]

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        cls = type(self)
        own_item = cls.__getitem__ is not Subset.__getitem__
        if own_item and cls.__getitems__ is Subset.__getitems__:
            raise NotImplementedError(
                f"{cls.__name__} overrides __getitem__ but not __getitems__, which is what a "
                "DataLoader calls. Add, for instance:\n"
                "    def __getitems__(self, indices):\n"
                "        return [self[i] for i in indices]"
            )
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, idx: Any) -> T_co:
        if isinstance(idx, list):
            return self.dataset[[self.indices[i] for i in idx]]
        return self.dataset[self.indices[idx]]

    def __getitems__(self, indices: list[int]) -> Sequence[T_co]:
        return read_samples(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


def read_samples(dataset: Any, indices: Sequence[Any]) -> Sequence[Any]:
    """The samples at ``indices``: one ``__getitems__`` call where the dataset has it."""
    if callable(getattr(dataset, "__getitems__", None)):
        samples: Sequence[Any] = dataset.__getitems__(indices)
        return samples
    return [dataset[index] for index in indices]


def random_split(
    dataset: Dataset[T_co],
    lengths: Sequence[int | float],
    generator: Generator | None = None,
) -> list[Subset[T_co]]:
    """Splits ``dataset`` at random into disjoint subsets.

    Args:
        lengths: sizes that sum to ``len(dataset)``, or fractions that sum to 1. With fractions,
            sizes are rounded down and what is left goes one by one to the first subsets.
        generator: source of the permutation (default: the global generator). The same seed gives
            PyTorch's split.

    Raises:
        ValueError: sizes with another sum, or a fraction outside [0, 1].
    """
    total = len(dataset)  # type: ignore[arg-type]
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        sizes = _sizes_of_fractions(lengths, total)
    else:
        sizes = list(lengths)  # type: ignore[arg-type]
    if sum(sizes) != total:
        raise ValueError(
            f"random_split: the lengths {list(lengths)} sum to {sum(lengths)}, but the dataset "
            f"has {total} samples; give sizes that sum to {total}, or fractions that sum to 1"
        )
    order = torch.randperm(total, generator=generator).tolist()
    return [
        Subset(dataset, order[end - size : end])
        for end, size in zip(accumulate(sizes), sizes, strict=True)
    ]


def _sizes_of_fractions(fractions: Sequence[float], total: int) -> list[int]:
    for position, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(
                f"random_split: the fraction at index {position} is {fraction}, "
                "which is not between 0 and 1"
            )
    sizes = [math.floor(total * fraction) for fraction in fractions]
    for position in range(total - sum(sizes)):
        sizes[position % len(sizes)] += 1
    for position, size in enumerate(sizes):
        if size == 0:
            import warnings

            warnings.warn(f"random_split: subset {position} is empty", stacklevel=3)
    return sizes
