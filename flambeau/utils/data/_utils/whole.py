"""Batches made in one go, equal to what collating their samples gives.

A data set may offer two methods, which the library's own have:

- `_whole_batch(indices)`: the collated batch, or None where it has to be made sample by sample;
- `_frozen()`: the data set as it is now (`Frozen`), for a loader that must not see later changes;
  None where that can't be promised.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

import flambeau as torch

from ..dataset import Subset, TensorDataset
from . import collate


class Frozen(Protocol):
    """A data set as it was at one moment, whatever happens to it afterwards."""

    draws: bool
    """Whether samples use random numbers."""

    def batch(self, indices: Sequence[Any], generator: Any) -> Any:
        """The collated batch, its random numbers from `generator`; None where it must be made of
        samples."""

    def sample(self, index: Any) -> Any:
        """One sample."""


def batch(dataset: Any, indices: Any) -> Any:
    """The batch that `default_collate` would make of these samples; None where it might differ: a
    subclass, which may have a ``__getitem__`` of its own, indices that are not ints, or a changed
    table of collate functions. A Subset is looked through."""
    if not collate.is_usual():
        return None
    while type(dataset) is Subset:
        if set(map(type, indices)) != {int}:
            return None
        chosen, dataset = dataset.indices, dataset.dataset
        indices = [chosen[i] for i in indices]
    if type(dataset) is TensorDataset:
        return _rows(dataset.tensors, indices)
    make = getattr(type(dataset), "_whole_batch", None)
    return None if make is None else make(dataset, indices)


def _rows(tensors: tuple[Any, ...], indices: Any) -> list[Any] | None:
    """Rows of tensors, in one copy per tensor; not where gradients might flow."""
    if set(map(type, indices)) != {int} or not collate.plain_tensors(tensors):
        return None
    rows = torch.from_numpy(np.array(indices))
    return [tensor[rows] for tensor in tensors]


def frozen(dataset: Any) -> Frozen | None:
    """The data set as it is now; None where that can't be promised."""
    chosen: list[int] | None = None
    while type(dataset) is Subset:
        outer = list(dataset.indices)
        if not set(map(type, outer)) <= {int}:
            return None
        if chosen is None:
            chosen = outer
        elif not all(-len(outer) <= i < len(outer) for i in chosen):
            return None
        else:
            chosen = [outer[i] for i in chosen]
        dataset = dataset.dataset
    make = getattr(type(dataset), "_frozen", None)
    made: Frozen | None = None if make is None else make(dataset)
    return made if made is None or chosen is None else _FrozenSubset(made, chosen)


class _FrozenSubset:
    """Chosen samples of a frozen data set."""

    def __init__(self, inner: Frozen, chosen: list[int]) -> None:
        self._inner = inner
        self._chosen = chosen
        self.draws = inner.draws

    def batch(self, indices: Sequence[Any], generator: Any) -> Any:
        if set(map(type, indices)) != {int}:
            return None
        return self._inner.batch([self._chosen[i] for i in indices], generator)

    def sample(self, index: Any) -> Any:
        return self._inner.sample(self._chosen[index])
