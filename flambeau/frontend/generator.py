"""`torch.Generator` and the default ones: seeds and states of PyTorch's CPU stream, and of a stream for
each GPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtypes
from ..core.device import CPU, usable
from ..core.device import device as Device
from ..runtime import random as streams
from ..runtime.mt19937 import DEFAULT_SEED
from .creation import wrap
from .tensor import Tensor


class Generator:
    """A stream of random numbers of its own, for tensors on a device: `manual_seed`, `get_state`,
    `set_state`."""

    def __init__(self, device: Any = "cpu") -> None:
        self._begin(CPU if device is None else usable(device))

    def _begin(self, where: Device) -> None:
        self._device = where
        self._stream: Any = streams.Generator() if where is CPU else _gpu_stream(where)

    @property
    def device(self) -> Device:
        return self._device

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
        """The state as a uint8 tensor on the CPU, in PyTorch's layout: of a GPU's generator seed and
        offset, 8 bytes each."""
        return wrap(np.array(self._stream.get_state(), np.uint8), dtypes.uint8, device=CPU)

    def set_state(self, new_state: Tensor) -> Generator:
        """Continue where `get_state` was taken.

        Raises:
            TypeError: it is no uint8 tensor.
            RuntimeError: it is the state of another kind of generator, or of none.
        """
        if not isinstance(new_state, Tensor) or new_state.dtype is not dtypes.uint8:
            found = getattr(new_state, "dtype", type(new_state).__name__)
            raise TypeError(f"expected a torch.ByteTensor, but got {found}")
        self._stream.set_state(np.array(new_state._array("set_state()")))
        return self

    def get_offset(self) -> int:
        """How many 32-bit numbers a GPU's generator has drawn."""
        if self._device is CPU:
            raise RuntimeError("CPU Generator does not use offset")
        return int(self._stream.offset)

    def set_offset(self, offset: int) -> Generator:
        """Go on behind so many 32-bit numbers, a multiple of 4; on a GPU only."""
        if self._device is CPU:
            raise RuntimeError("CPU Generator does not use offset")
        self._stream.offset = int(offset)
        return self

    graphsafe_get_state = get_state
    graphsafe_set_state = set_state

    def clone_state(self) -> Generator:
        """A generator that goes on from here as this one will."""
        return Generator(self._device).set_state(self.get_state())

    def __getstate__(self) -> dict[str, Any]:
        where = {} if self._device is CPU else {"device": str(self._device)}
        return {"state": np.array(self._stream.get_state()), **where}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._begin(usable(state.get("device", CPU)))
        self._stream.set_state(state["state"])


default_generator = Generator()
gpus: dict[int, Generator] = {}
"""The default generators of GPUs, of those that have drawn or were asked for."""
gpu_seed: int | None = None
"""What a GPU's default generator is seeded with when it is made, if anything."""


def _gpu_stream(where: Device) -> Any:
    from .cuda_random import Philox

    return Philox(where)


def gpu_generator(index: int) -> Generator:
    """The generator that draws for `cuda:index` where none is named; see `cuda_random`."""
    found = gpus.get(index)
    if found is None:
        from . import cuda_random

        found = cuda_random.generator(index)
    return found


def stream_of(generator: Any, where: Device = CPU) -> Any:
    """The stream to draw from for tensors on a device: the given generator's or the default one.

    Raises:
        TypeError: that is no generator.
        RuntimeError: it is another device's.
    """
    if generator is None:
        if where is CPU:
            return default_generator._stream
        return gpu_generator(where.index or 0)._stream
    if not isinstance(generator, Generator):
        raise TypeError(
            f"argument 'generator' must be torch.Generator, not {type(generator).__name__}"
        )
    if generator._device is not where:
        raise RuntimeError(
            f"Expected a '{where.type}' device type for generator but found "
            f"'{generator._device.type}'"
            if generator._device.type != where.type
            else f"Expected a generator of {where}, but got one of {generator._device}"
        )
    return generator._stream


def seed_gpus(seed: int) -> None:
    """Seed the default generators of all GPUs, also of those that will be made."""
    global gpu_seed
    gpu_seed = seed
    for g in gpus.values():
        g.manual_seed(seed)


def gpu_states() -> tuple[int | None, dict[int, Tensor]]:
    """What `set_gpu_states` needs to have the GPUs' default generators go on from here."""
    return gpu_seed, {index: g.get_state() for index, g in sorted(gpus.items())}


def set_gpu_states(states: tuple[int | None, dict[int, Tensor]]) -> None:
    """Set them to what `gpu_states` gave; those that were made since then begin anew."""
    global gpu_seed
    gpu_seed, known = states
    for index, g in gpus.items():
        if index in known:
            g.set_state(known[index])
        else:
            g.manual_seed(DEFAULT_SEED if gpu_seed is None else gpu_seed)
    for index in known.keys() - gpus.keys():
        gpu_generator(index).set_state(known[index])


def manual_seed(seed: int) -> Generator:
    """Start the default streams, the CPU's and each GPU's, that belong to `seed`."""
    default_generator.manual_seed(int(seed))
    seed_gpus(int(seed))
    return default_generator


def seed() -> int:
    """Start the default streams from the operating system's entropy, and return their seed."""
    found = default_generator.seed()
    seed_gpus(found)
    return found


def initial_seed() -> int:
    """The seed that the default stream was started with."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The default generator's state as a uint8 tensor."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Continue the default stream where `get_rng_state` was taken."""
    default_generator.set_state(new_state)
