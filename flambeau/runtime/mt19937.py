"""The Mersenne Twister's stream, its seeds and its state, as PyTorch's CPU generator keeps them.

MT19937: M. Matsumoto and T. Nishimura, "Mersenne twister: a 623-dimensionally equidistributed
uniform pseudo-random number generator" (1998). NumPy's bit generator of that name yields the same
32-bit numbers for a 32-bit seed.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from . import native_random

if TYPE_CHECKING:
    from numpy.random import MT19937

DEFAULT_SEED = 67280421310721
"""The seed of a generator that nobody seeded, PyTorch's own."""

STATE_BYTES = 5056

_WORDS = 624
_NATIVE_BYTES = 4 * native_random.STATE_WORDS
_MASK32 = 0xFFFFFFFF

# CPUGeneratorImplState as a C compiler lays it out: type and offset of each field.
_FIELDS: dict[str, tuple[Any, int]] = {
    "seed": ("<u8", 0),
    "left": ("<i4", 8),
    "seeded": ("<i4", 12),
    "next": ("<u8", 16),
    "words": (("<u8", _WORDS), 24),
    "double": ("<f8", 5024),
    "has_double": ("<i4", 5040),
    "float": ("<f4", 5048),
    "has_float": ("u1", 5052),
}
_STATE = np.dtype(
    {
        "names": list(_FIELDS),
        "formats": [kind for kind, _ in _FIELDS.values()],
        "offsets": [offset for _, offset in _FIELDS.values()],
        "itemsize": STATE_BYTES,
    }
)


class Stream:
    """A seeded stream of 32-bit numbers, and the uniform floats made of them.

    A fresh stream has PyTorch's default seed. States are NumPy uint8 arrays of 5056 bytes in
    PyTorch's layout, so that they can be exchanged with it both ways; the spare number of a
    Box-Muller pair is part of them.
    """

    __slots__ = (
        "__weakref__", "_address", "_bits", "_float_spare", "_fresh", "_integers", "_seed",
        "_spare",
    )  # fmt: skip

    def __init__(self, device: str = "cpu") -> None:
        if str(device) != "cpu":
            raise RuntimeError(f"Generator: device must be 'cpu', got {str(device)!r}")
        # numpy.random takes 20 ms to import: nothing but a seed until the first draw.
        self._bits: MT19937 | None = None
        self._integers: Callable[..., NDArray[np.uint32]] | None = None
        self._address = 0  # of the state in `_bits`, once a native kernel has asked
        self._seed = DEFAULT_SEED
        self._fresh = True  # no draw since seeding, which the state's layout tells apart
        self._spare: float | None = None  # the second number of the last Box-Muller pair
        self._float_spare: float | None = None  # PyTorch's field for float32, unused, kept as it is

    @property
    def device(self) -> str:
        """Always ``'cpu'``."""
        return "cpu"

    def manual_seed(self, seed: int) -> Self:
        """Start the stream of `seed`, an int in [-2**63, 2**64 - 1]; returns the generator.

        A negative seed counts from the end, as in PyTorch. The stream depends on the lower 32 bits
        only. Raises RuntimeError for anything but an int, ValueError for one out of range.
        """
        if type(seed) is not int:
            raise RuntimeError(f"manual_seed: expected an int, got {type(seed).__name__}")
        if not -(2**63) <= seed < 2**64:
            raise ValueError(f"manual_seed: expected a seed in [-2**63, 2**64 - 1], got {seed}")
        self._seed = seed % 2**64
        self._fresh = True
        self._spare = self._float_spare = None
        if self._bits is not None:
            self._bits._legacy_seeding(self._seed & _MASK32)
        return self

    def initial_seed(self) -> int:
        """The seed in use, in [0, 2**64 - 1]."""
        return self._seed

    def seed(self) -> int:
        """Seed with 64 bits of the operating system's entropy and return them.

        Neither the clock nor the process id has a part in it, so forked children differ.
        """
        return self.manual_seed(int.from_bytes(os.urandom(8), "little")).initial_seed()

    def get_state(self) -> NDArray[np.uint8]:
        """The whole state as 5056 bytes in PyTorch's layout."""
        key = (self._bits or self._start()).state["state"]
        state = np.zeros(1, _STATE)
        state["seed"] = self._seed
        # PyTorch counts the words that are left, plus one; a seeded stream has none as yet.
        state["left"] = 1 if self._fresh else _WORDS + 1 - key["pos"]
        state["seeded"] = 1
        state["next"] = 0 if self._fresh else key["pos"]
        state["words"] = key["key"]
        if self._spare is not None:
            state["double"], state["has_double"] = self._spare, 1
        if self._float_spare is not None:
            state["float"], state["has_float"] = self._float_spare, 1
        return state.view(np.uint8)

    def set_state(self, state: NDArray[np.uint8]) -> Self:
        """Go on from a state that `get_state` or PyTorch gave, and return the generator.

        Raises TypeError for anything but a uint8 array and RuntimeError for a wrong size or an
        impossible state.
        """
        if not isinstance(state, np.ndarray) or state.dtype != np.uint8:
            found = getattr(state, "dtype", type(state).__name__)
            raise TypeError(f"set_state: expected an array of uint8, got {found}")
        if state.size != STATE_BYTES:
            raise RuntimeError(f"set_state: expected {STATE_BYTES} bytes, got {state.size}")
        fields = np.ascontiguousarray(state).reshape(-1).view(_STATE)[0]
        left, position = int(fields["left"]), int(fields["next"])
        fresh = left == 1 and position == 0
        if not fields["seeded"] or not (fresh or (left + position == _WORDS + 1 and left >= 1)):
            raise RuntimeError(f"set_state: invalid mt19937 state (left={left}, next={position})")
        words = fields["words"].astype(np.uint32)
        (self._bits or self._start()).state = {
            "bit_generator": "MT19937",
            "state": {"key": words, "pos": _WORDS if fresh else position},
        }
        self._seed, self._fresh = int(fields["seed"]), fresh
        self._spare = float(fields["double"]) if fields["has_double"] else None
        self._float_spare = float(fields["float"]) if fields["has_float"] else None
        return self

    def mark(self) -> Any:
        """Where the stream is, for `go_back`; in less than a microsecond once native code draws."""
        if not self._address:
            return self.get_state()
        return ctypes.string_at(self._address, _NATIVE_BYTES), self._fresh, self._spare

    def go_back(self, mark: Any) -> None:
        """Draw again from `mark` on, as if nothing had been drawn since."""
        if isinstance(mark, np.ndarray):
            self.set_state(mark)
            return
        words, self._fresh, self._spare = mark
        ctypes.memmove(self._address, words, _NATIVE_BYTES)

    def clone_state(self) -> Self:
        """A new generator that goes on from this one's state, each on its own."""
        return type(self)().set_state(self.get_state())

    def __copy__(self) -> Self:
        return self.clone_state()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.clone_state()

    def __reduce__(self) -> tuple[Callable[..., Stream], tuple[type[Stream], NDArray[np.uint8]]]:
        return _restore, (type(self), self.get_state())

    def _start(self) -> MT19937:
        from numpy.random import MT19937
        from numpy.random import Generator as NumpyGenerator

        bits = MT19937(0)
        bits._legacy_seeding(self._seed & _MASK32)
        self._bits, self._integers = bits, NumpyGenerator(bits).integers
        return bits

    def _native(self, entry: str, out: NDArray[Any], count: int, *numbers: float) -> bool:
        """Fill `out`, which is contiguous, with the `count` units of a native kernel's entry; False
        where there is no kernel, or none yet."""
        kernels = native_random.kernels
        if kernels is None:
            return False
        if count:
            bits = self._bits or self._start()
            if not self._address:
                self._address = native_random.state_address(bits)
            functions = kernels.short if count <= native_random.SHORT else kernels.long
            with bits.lock:
                functions[entry](self._address, kernels.address_of(out), count, *numbers)
            self._fresh = False
        return True

    def words(self, count: int) -> NDArray[np.uint32]:
        """The next `count` 32-bit numbers of the stream."""
        if native_random.kernels is not None:
            out = np.empty(count, np.uint32)
            self._native("words", out, count)
            return out
        native_random.drawn(count)
        bits = self._bits or self._start()
        if count:
            self._fresh = False
        # random_raw starts sooner, but gives 64-bit integers.
        if count < 4096 or self._integers is None:
            return bits.random_raw(count).astype(np.uint32)
        return self._integers(0, 2**32, count, np.uint32)

    def words64(self, count: int) -> NDArray[np.uint64]:
        """`count` 64-bit numbers, each from two draws of which the first is the upper half."""
        words = self.words(2 * count).astype(np.uint64)
        return (words[0::2] << np.uint64(32)) | words[1::2]

    def singles(self, count: int) -> NDArray[np.float32]:
        """Uniform in [0, 1): the lower 24 bits of one draw each."""
        if native_random.kernels is not None:
            out = np.empty(count, np.float32)
            self._native("uniform32", out, count, 1.0, 0.0, 1.0)
            return out
        return (self.words(count) & np.uint32(0xFFFFFF)).astype(np.float32) * np.float32(2.0**-24)

    def doubles(self, count: int) -> NDArray[np.float64]:
        """Uniform in [0, 1): the lower 53 bits of a 64-bit number each."""
        if native_random.kernels is not None:
            out = np.empty(count)
            self._native("uniform64", out, count, 1.0, 0.0, 1.0)
            return out
        words = self.words(2 * count)
        values: NDArray[np.float64] = np.multiply(words[0::2] & np.uint32(0x1FFFFF), 2.0**-21)
        values += np.multiply(words[1::2], 2.0**-53)
        return values

    def next_double(self) -> float:
        """One of `doubles`, as a Python float."""
        raw = (self._bits or self._start()).random_raw
        self._fresh = False
        high = raw() & 0x1FFFFF
        return high * 2.0**-21 + raw() * 2.0**-53


def _restore(kind: type[Stream], state: NDArray[np.uint8]) -> Stream:
    return kind().set_state(state)
