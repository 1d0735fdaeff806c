"""Samplers: in which order a DataLoader reads a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import flambeau as torch
from flambeau.errors import shown

if TYPE_CHECKING:
    from flambeau import Generator, Tensor

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
]

T_co = TypeVar("T_co", covariant=True)

# PyTorch draws with replacement in blocks of 32. A generator that the caller can see has to be
# read just so, because other draws may come between two blocks; from a private one we take more.
_VISIBLE_BLOCK = 32
_PRIVATE_BLOCK = 1 << 16


class Sampler(Generic[T_co]):
    """Base of all samplers: ``__iter__`` gives indices (or lists of them), ``__len__`` how many.

    ``__len__`` is optional and has no default here: callers decide by its presence.
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} does not define __iter__")


class SequentialSampler(Sampler[int]):
    """``0, 1, .. len(data_source) - 1``."""

    data_source: Sized

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Indices in random order, in PyTorch's order for a seed.

    Args:
        data_source: what is sampled; only its length matters.
        replacement: draw every index independently.
        num_samples: how many to draw (default: ``len(data_source)``). Without replacement, more
            than the length means whole permutations one after the other.
        generator: source of randomness. By default each epoch seeds a generator of its own by one
            draw from the global generator.

    Raises:
        TypeError: ``replacement`` is not a bool.
        ValueError: ``num_samples`` is not a positive int, or the data source is empty.
    """

    data_source: Sized
    replacement: bool

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ) -> None:
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            raise TypeError(f"RandomSampler: replacement must be a bool, got {shown(replacement)}")
        if not isinstance(self.num_samples, int) or self.num_samples <= 0:
            source = "num_samples" if num_samples is not None else "the data source's length"
            raise ValueError(
                f"RandomSampler: {source} must be a positive integer, got {shown(self.num_samples)}"
            )

    @property
    def num_samples(self) -> int:
        """How many indices an epoch has; follows the data source's length unless given."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        if self.generator is None:
            seed = int(torch.empty((), dtype=torch.int64).random_().item())
            generator = torch.Generator()
            generator.manual_seed(seed)
        else:
            generator = self.generator
        if self.replacement:
            yield from self._draws(generator)
        else:
            yield from self._permutations(generator)

    def _draws(self, generator: Generator) -> Iterator[int]:
        n, left = len(self.data_source), self.num_samples
        block = _PRIVATE_BLOCK if self.generator is None else _VISIBLE_BLOCK
        while left > 0:
            count = min(block, left)
            yield from torch.randint(n, (count,), dtype=torch.int64, generator=generator).tolist()
            left -= count

    def _permutations(self, generator: Generator) -> Iterator[int]:
        n, total = len(self.data_source), self.num_samples
        for _ in range(total // n):
            yield from torch.randperm(n, generator=generator).tolist()
        rest = total % n
        # PyTorch draws a last permutation even where nothing of it is used; that shows only in
        # the state of a generator that belongs to the caller.
        if rest or self.generator is not None:
            yield from torch.randperm(n, generator=generator).tolist()[:rest]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order, drawn from ``generator`` (default: the global one)."""

    indices: Sequence[int]

    def __init__(self, indices: Sequence[int], generator: Generator | None = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for position in torch.randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[position]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """``num_samples`` indices, ``i`` drawn with probability proportional to ``weights[i]``.

    Args:
        weights: 1-d sequence of non-negative numbers.
        num_samples: how many to draw.
        replacement: whether an index may come twice.
        generator: source of randomness (default: the global generator).

    Raises:
        ValueError: an argument out of range or of the wrong type, or weights not 1-d.
    """

    weights: Tensor
    num_samples: int
    replacement: bool

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ) -> None:
        _check_positive("WeightedRandomSampler", "num_samples", num_samples)
        _check_bool("WeightedRandomSampler", "replacement", replacement)
        as_tensor = torch.as_tensor(weights, dtype=torch.double)
        if as_tensor.dim() != 1:
            raise ValueError(
                "WeightedRandomSampler: weights must be 1-d (one number per index), but their "
                f"shape is {tuple(as_tensor.shape)}"
            )
        self.weights = as_tensor
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        yield from torch.multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        ).tolist()

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Groups the indices of ``sampler`` into lists of ``batch_size``.

    Args:
        sampler: any iterable of indices.
        batch_size: positive int.
        drop_last: leave out a last list that is shorter.

    Raises:
        ValueError: ``batch_size`` not a positive int, ``drop_last`` not a bool.
    """

    def __init__(
        self, sampler: Sampler[int] | Iterable[int], batch_size: int, drop_last: bool
    ) -> None:
        _check_positive("BatchSampler", "batch_size", batch_size)
        _check_bool("BatchSampler", "drop_last", drop_last)
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while batch := list(islice(indices, self.batch_size)):
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch

    def __len__(self) -> int:
        total = len(self.sampler)  # type: ignore[arg-type]
        if self.drop_last:
            return total // self.batch_size
        return -(-total // self.batch_size)


def _check_positive(owner: str, name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(f"{owner}: {name} must be a positive integer, got {shown(value)}")


def _check_bool(owner: str, name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{owner}: {name} must be a bool, got {shown(value)}")
