"""Random indices in all of NumPy's forms, as functions of a library, and random values for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Part = Callable[[Any], Any]
"""An index, or a part of one, made with the library that is given: a torch, or NumPy."""


def _given(value: Any) -> Part:
    return lambda library: value


def _tensor(array: np.ndarray) -> Part:
    return lambda library: array if library is np else library.tensor(array)


class Random:
    """Draws shapes, indices and values. Counts what it drew: `whole` integers, `picks` of tensors,
    `flags` of Python bools and of an Ellipsis for nothing, `wrong` indices that may not fit."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.whole = self.picks = self.flags = self.wrong = 0

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def shape(self) -> tuple[int, ...]:
        sizes = self.rng.choice([0, 1, 2, 3, 4], p=[0.04, 0.16, 0.3, 0.3, 0.2], size=4)
        return tuple(int(s) for s in sizes[: self.rng.integers(0, 5)])

    def integer(self, size: int) -> int:
        if size == 0 or self.chance(0.01):
            self.wrong += 1
            return int(self.rng.integers(-6, 6))
        return int(self.rng.integers(-size, size))

    def slice(self, size: int) -> slice:
        def bound() -> int | None:
            return None if self.chance(0.4) else int(self.rng.integers(-size - 2, size + 3))

        return slice(bound(), bound(), None if self.chance(0.6) else int(self.rng.integers(1, 4)))

    def indices(self, size: int, common: tuple[int, ...]) -> Part:
        """A tensor, list or array of integers whose shape broadcasts to `common`."""
        shape = list(common[self.rng.integers(0, len(common) + 1) :]) if self.chance(0.3) else list(common)
        shape = [1 if self.chance(0.15) else s for s in shape]
        if self.chance(0.01):
            self.wrong += 1
            shape = [5, *shape]
        if size == 0 and 0 not in shape or self.chance(0.005):
            self.wrong += 1
            array = self.rng.integers(-4, 4, shape)
        else:
            array = self.rng.integers(-max(size, 1), max(size, 1), shape)
        if not shape:  # picks nothing: a whole number
            self.whole += 1
        else:
            self.picks += 1
        kind = self.rng.integers(0, 4)
        if kind == 1 and len(shape) == 1 and array.size:
            return _given(array.tolist())
        if kind == 2 and shape:
            return _given(array)
        return _tensor(array)

    def mask(self, sizes: list[int]) -> Part:
        self.wrong += self.picks > 0  # two masks may pick different numbers of places
        self.picks += 1
        if self.chance(0.02):
            self.wrong += 1
            sizes = [s + int(self.rng.integers(-1, 2)) for s in sizes]
        array = self.rng.random([max(s, 0) for s in sizes]) < 0.5
        return _given(array) if self.chance(0.3) else _tensor(array)

    def index(self, shape: tuple[int, ...]) -> Part:
        """An index for a tensor of this shape: a tuple of parts, or one part alone."""
        self.whole = self.picks = self.flags = self.wrong = 0
        common = tuple(int(s) for s in self.rng.integers(1, 4, self.rng.integers(0, 3)))
        if self.chance(0.04):
            common = (0, *common)
        masks = self.chance(0.25)
        parts: list[Part] = []
        left = list(shape)
        gap = False
        while left and not self.chance(0.12):
            kind = self.rng.random()
            if kind < 0.1:
                parts.append(_given(None))
            elif kind < 0.2 and not gap:
                gap = True
                parts.append(_given(Ellipsis))
                taken = int(self.rng.integers(0, len(left) + 1))
                left = left[taken:]
                self.flags += taken == 0
            elif kind < 0.45:
                parts.append(_given(self.slice(left.pop(0))))
            elif kind < 0.65:
                self.whole += 1
                parts.append(_given(self.integer(left.pop(0))))
            elif kind < 0.69:
                self.flags += 1
                parts.append(_given(bool(self.rng.integers(0, 2))))
            elif masks:
                count = int(self.rng.integers(1, len(left) + 1))
                parts.append(self.mask(left[:count]))
                left = left[count:]
            else:
                parts.append(self.indices(left.pop(0), common))
        if gap and left:  # what stands behind the Ellipsis meets other sizes than it was made for
            self.wrong += 1
        if self.chance(0.01):
            self.wrong += 1
            parts += [_given(0)] * (len(left) + 1)
        if len(parts) == 1 and self.chance(0.7):
            return parts[0]
        return lambda library: tuple(part(library) for part in parts)

    def value(self, shape: tuple[int, ...]) -> Any:
        """A number, or an array that most often broadcasts to `shape`."""
        if self.chance(0.3):
            return float(self.rng.integers(100, 200))
        kept = list(shape[self.rng.integers(0, len(shape) + 1) :]) if self.chance(0.4) else list(shape)
        kept = [1 if self.chance(0.1) else s for s in kept]
        if self.chance(0.1):
            kept = [1, *kept]
        if self.chance(0.04):
            kept = [*kept, 2]
        return 100.0 + np.arange(float(np.prod(kept))).reshape(kept)
