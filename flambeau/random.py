"""`torch.random`: the default stream of random numbers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import flambeau as torch
from flambeau import (
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from flambeau.errors import refusing

__all__ = ["default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed", "seed",
           "set_rng_state", "thread_safe_generator"]  # fmt: skip


@contextlib.contextmanager
def fork_rng(
    devices: Iterable[int] | None = None, enabled: bool = True, device_type: str = "cuda"
) -> Iterator[None]:
    """Draws inside a `with` block leave the stream outside as it was.

    `devices` and `device_type` name GPUs whose streams to keep too; there are none here.
    """
    if not enabled:
        yield
        return
    before = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(before)


def thread_safe_generator() -> torch.Generator | None:
    """A generator of this thread's own: inside a DataLoader's worker thread; None, workers are
    processes."""
    return None


__getattr__ = refusing(__name__)
