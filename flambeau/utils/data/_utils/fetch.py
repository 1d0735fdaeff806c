"""Reads one batch from a dataset. Used in the caller's process and in workers alike."""

from __future__ import annotations

from typing import Any

import numpy as np

import flambeau as torch

from ..dataset import Subset, TensorDataset
from . import collate


class DatasetKind:
    """The two kinds of dataset, and what reads each."""

    Map = 0
    Iterable = 1

    @staticmethod
    def create_fetcher(
        kind: int, dataset: Any, auto_collation: bool, collate_fn: Any, drop_last: bool
    ) -> MapFetcher | IterableFetcher:
        if kind == DatasetKind.Map:
            return MapFetcher(dataset, auto_collation, collate_fn)
        return IterableFetcher(dataset, auto_collation, collate_fn, drop_last)


class MapFetcher:
    """Reads by index; with ``auto_collation`` an index is a list and the result a batch."""

    def __init__(self, dataset: Any, auto_collation: bool, collate_fn: Any) -> None:
        self.dataset = dataset
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self._may_take_rows = auto_collation and collate_fn is collate.default_collate

    def fetch(self, index: Any) -> Any:
        dataset = self.dataset
        if not self.auto_collation:
            return self.collate_fn(dataset[index])
        if self._may_take_rows and (rows := take_rows(dataset, index)) is not None:
            return rows
        if getattr(dataset, "__getitems__", None):
            return self.collate_fn(dataset.__getitems__(index))
        return self.collate_fn([dataset[i] for i in index])


class IterableFetcher:
    """Reads the next samples of a stream; StopIteration at its end."""

    def __init__(
        self, dataset: Any, auto_collation: bool, collate_fn: Any, drop_last: bool
    ) -> None:
        self.auto_collation = auto_collation
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.stream = iter(dataset)
        self.ended = False

    def fetch(self, index: Any) -> Any:
        if self.ended:
            raise StopIteration
        if not self.auto_collation:
            return self.collate_fn(next(self.stream))
        samples = []
        for _ in index:
            try:
                samples.append(next(self.stream))
            except StopIteration:
                self.ended = True
                break
        if not samples or (self.drop_last and len(samples) < len(index)):
            raise StopIteration
        return self.collate_fn(samples)


def take_rows(dataset: Any, indices: Any) -> list[Any] | None:
    """A TensorDataset's batch in one copy per tensor, equal to collating its samples.

    A Subset of one is looked through. None where the result might differ: a subclass, which may
    have a ``__getitem__`` of its own, indices that are not ints, tensors that require grad, or a
    changed table of collate functions.
    """
    while type(dataset) is Subset:
        if set(map(type, indices)) != {int}:
            return None
        chosen, dataset = dataset.indices, dataset.dataset
        indices = [chosen[i] for i in indices]
    if type(dataset) is not TensorDataset or set(map(type, indices)) != {int}:
        return None
    if collate.default_collate_fn_map.get(torch.Tensor) is not collate.collate_tensor_fn:
        return None
    if not collate.plain_tensors(dataset.tensors):
        return None
    rows = torch.from_numpy(np.array(indices))
    return [tensor[rows] for tensor in dataset.tensors]
