"""Which DataLoader worker this process is, if any."""

from __future__ import annotations

from typing import Any


class WorkerInfo:
    """What a worker knows about itself; see ``get_worker_info``."""

    __slots__ = ("id", "num_workers", "seed", "dataset")

    id: int
    """0 to num_workers - 1."""
    num_workers: int
    seed: int
    """What this worker's random number generators were seeded with."""
    dataset: Any
    """This process's copy of the dataset."""

    def __init__(self, id: int, num_workers: int, seed: int, dataset: Any) -> None:
        for name, value in zip(self.__slots__, (id, num_workers, seed, dataset), strict=True):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"WorkerInfo is read-only: can't set {name!r}")

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__slots__)
        return f"WorkerInfo({fields})"


current: WorkerInfo | None = None
"""Set in a worker process."""


def get_worker_info() -> WorkerInfo | None:
    """The worker that this process is, or None in any other process.

    A dataset or a ``worker_init_fn`` uses its ``id`` and ``num_workers`` to share work out, its
    ``dataset`` to change this worker's copy, and its ``seed`` for other random generators.
    """
    return current
