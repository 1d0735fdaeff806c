"""A sampler that gives each of several processes its share of a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sized
from typing import Any, TypeVar

import flambeau as torch

from .sampler import Sampler

__all__ = ["DistributedSampler"]

T_co = TypeVar("T_co", covariant=True)


class DistributedSampler(Sampler[T_co]):
    """Every ``num_replicas``-th index, beginning with ``rank``, of an order that all share.

    Call ``set_epoch(epoch)`` before each epoch, or all epochs have the same order.

    Args:
        dataset: what is sampled; only its length matters.
        num_replicas, rank: how many processes there are and which is this one (default: as the
            process group says).
        shuffle: permute, in PyTorch's order for ``seed + epoch``; else count up.
        seed: has to be the same in all processes.
        drop_last: cut the order to a multiple of ``num_replicas`` rather than fill it up with
            indices from its beginning.

    Raises:
        RuntimeError: ``num_replicas`` or ``rank`` left out, and no process group to ask.
        ValueError: ``rank`` outside ``[0, num_replicas - 1]``.
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None:
            num_replicas = _process_group("num_replicas").get_world_size()
        if rank is None:
            rank = _process_group("rank").get_rank()
        if not 0 <= rank < num_replicas:
            raise ValueError(
                f"DistributedSampler: rank must be between 0 and {num_replicas - 1} for "
                f"{num_replicas} replicas, got {rank}"
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.shuffle = shuffle
        self.seed = seed
        self.drop_last = drop_last
        whole, rest = divmod(len(dataset), num_replicas)
        self.num_samples = whole if drop_last or not rest else whole + 1
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[T_co]:
        n = len(self.dataset)
        if self.shuffle:
            generator = torch.Generator()
            generator.manual_seed(self.seed + self.epoch)
            indices = torch.randperm(n, generator=generator).tolist()
        else:
            indices = list(range(n))
        if self.drop_last:
            indices = indices[: self.total_size]
        elif indices:
            repeats = -(-self.total_size // n)
            indices = (indices * repeats)[: self.total_size]
        return iter(indices[self.rank :: self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch, which with the seed determines the order."""
        self.epoch = epoch


def _process_group(wanted: str) -> Any:
    distributed = getattr(torch, "distributed", None)
    if distributed is None or not distributed.is_available():
        raise RuntimeError(
            f"DistributedSampler: give {wanted}, since there is no process group to ask for it"
        )
    return distributed
