"""`torch.cuda.random`: the seeds and states of the GPUs' generators."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flambeau.errors import refusing
from flambeau.runtime import cuda as driver

from ._devices import index_of
from ._needing import needing, without

__all__ = ["get_rng_state", "get_rng_state_all", "initial_seed", "manual_seed", "manual_seed_all",
           "seed", "seed_all", "set_rng_state", "set_rng_state_all"]  # fmt: skip


def _generator(device: Any) -> Any:
    """A GPU's default generator."""
    from flambeau.frontend.cuda_random import generator

    return generator(driver.device(index_of(device)).index)


@needing
def get_rng_state(device: Any = "cuda") -> Any:
    """The state of a GPU's generator: a tensor of 16 bytes on the CPU."""
    return _generator(device).get_state()


@without(list)
def get_rng_state_all() -> list[Any]:
    """The states of all GPUs' generators."""
    return [get_rng_state(i) for i in range(driver.device_count())]


@needing
def set_rng_state(new_state: Any, device: Any = "cuda") -> None:
    """Have a GPU's generator go on from a state of `get_rng_state`."""
    _generator(device).set_state(new_state)


@without(None)
def set_rng_state_all(new_states: Iterable[Any]) -> None:
    """Have each GPU's generator go on from a state."""
    for i, state in enumerate(new_states):
        set_rng_state(state, i)


@without(None)
def manual_seed(seed: int) -> None:
    """Start the current GPU's numbers that belong to a seed."""
    _generator(None).manual_seed(int(seed))


@without(None)
def manual_seed_all(seed: int) -> None:
    """Start every GPU's numbers that belong to a seed."""
    from flambeau.frontend.cuda_random import manual_seed_all as all_of_them

    all_of_them(seed)


@without(None)
def seed() -> None:
    """Start the current GPU's numbers anywhere."""
    _generator(None).seed()


@without(None)
def seed_all() -> None:
    """Start every GPU's numbers anywhere."""
    from flambeau.frontend.cuda_random import seed_all as all_of_them

    all_of_them()


@needing
def initial_seed() -> int:
    """The seed of the current GPU's generator."""
    return int(_generator(None).initial_seed())


__getattr__ = refusing(__name__)
