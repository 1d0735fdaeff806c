"""`torch.Generator` and the default one: seeds and states of PyTorch's CPU stream."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.device import device as Device
from ..core.device import usable
from ..runtime import random as streams
from .creation import wrap
from .tensor import Tensor


class Generator:
    """A stream of random numbers of its own: `manual_seed`, `get_state`, `set_state`."""

    def __init__(self, device: Any = "cpu") -> None:
        usable(device)
        self._stream = streams.Generator()

    @property
    def device(self) -> Device:
        return Device("cpu")

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream that belongs to `seed`, in [-2**63, 2**64 - 1]."""
        self._stream.manual_seed(int(seed) if isinstance(seed, (bool, np.integer)) else seed)
        return self

    def seed(self) -> int:
        """Start a stream from the operating system's entropy, and return its seed."""
        return int(self._stream.seed())

    def initial_seed(self) -> int:
        """The seed that the stream was started with."""
        return int(self._stream.initial_seed())

    def get_state(self) -> Tensor:
        """The state as a uint8 tensor, in PyTorch's layout."""
        return wrap(np.array(self._stream.get_state(), np.uint8), dtypes.uint8)

    def set_state(self, new_state: Tensor) -> Generator:
        """Continue where `get_state` was taken."""
        if not isinstance(new_state, Tensor) or new_state.dtype is not dtypes.uint8:
            found = getattr(new_state, "dtype", type(new_state).__name__)
            raise TypeError(f"expected a torch.ByteTensor, but got {found}")
        self._stream.set_state(np.array(new_state._array("set_state()")))
        return self

    graphsafe_get_state = get_state
    graphsafe_set_state = set_state

    def clone_state(self) -> Generator:
        """A generator that goes on from here as this one will."""
        return Generator().set_state(self.get_state())

    def __getstate__(self) -> dict[str, Any]:
        return {"state": np.array(self._stream.get_state())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._stream = streams.Generator()
        self._stream.set_state(state["state"])


default_generator = Generator()


def stream_of(generator: Any) -> Any:
    """The stream to draw from: the given generator's or the default one."""
    if generator is None:
        return default_generator._stream
    if not isinstance(generator, Generator):
        raise TypeError(
            f"argument 'generator' must be torch.Generator, not {type(generator).__name__}"
        )
    return generator._stream


def manual_seed(seed: int) -> Generator:
    """Start the default stream that belongs to `seed`."""
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Start the default stream from the operating system's entropy, and return its seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default stream was started with."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The default generator's state as a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Continue the default stream where `get_rng_state` was taken."""
    default_generator.set_state(new_state)
