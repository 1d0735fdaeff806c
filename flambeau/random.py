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
    """Draws inside a `with` block leave the streams outside as they were: the CPU's, and those of the
    GPUs that `devices` names, of all of them without it.
    """
    if not enabled:
        yield
        return
    before, on_gpus = torch.get_rng_state(), torch._random.gpu_states()
    kept = []
    for d in devices or ():
        where = torch.device(device_type, d) if isinstance(d, int) else torch.device(d)
        if where.type == "cuda":
            g = _generator(where.index)
            kept.append((g, g.get_state()))
    try:
        yield
    finally:
        torch.set_rng_state(before)
        if devices is None:
            torch._random.set_gpu_states(on_gpus)
        for g, state in kept:
            g.set_state(state)


def _generator(index: int | None) -> torch.Generator:
    """A GPU's default generator, by default the current one's."""
    return torch._random.gpu_generator(torch.cuda.current_device() if index is None else index)


def thread_safe_generator() -> torch.Generator | None:
    """A generator of this thread's own: inside a DataLoader's worker thread; None, workers are
    processes."""
    return None


__getattr__ = refusing(__name__)
