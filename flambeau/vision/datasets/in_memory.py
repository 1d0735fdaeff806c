"""Data sets that hold all their pictures in memory, and make whole batches of them in one go.

A batch made sample by sample costs a Pillow image, several small arrays and a tensor for each
sample. Where the data set, its transforms and the collating are the library's own, the same numbers
come out of a few NumPy calls over the whole batch.

A DataLoader with workers reads a copy of the data set that is as old as the workers. A batch made in
the caller's process must look the same, though the caller may write to `data` meanwhile. So `data` is
lent (`Lent`): as long as nobody has looked at it, nobody can have changed it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

import numpy as np

import flambeau as torch

from ..transforms import _whole
from .vision import ArrayView, VisionDataset, picture

__all__ = ["FrozenPictures", "InMemory", "Lent"]

MOST_COPIED = 256 << 20
"""Bytes that may be copied so that a loader's view of the data stays as it is."""


class Loan:
    """One array or tensor, whether it was ever given out, and who relies on its staying as it is."""

    __slots__ = ("value", "lent", "relying")

    def __init__(self, value: Any, lent: bool) -> None:
        self.value = value
        self.lent = lent
        self.relying: WeakSet[FrozenPictures] = WeakSet()

    def lend(self) -> Any:
        """The value, to somebody who may write to it."""
        if not self.lent:
            for reader in list(self.relying):
                reader.copy_pixels()
            self.relying.clear()
            self.lent = True
        return self.value

    def __reduce__(self) -> Any:
        return Loan, (self.value, self.lent)


class Lent:
    """An attribute that notices when somebody takes it. Inside, it is the `Loan` in `_NAME`."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._slot = "_" + name

    def __get__(self, dataset: Any, owner: type | None = None) -> Any:
        if dataset is None:
            return self
        try:
            loan = dataset.__dict__[self._slot]
        except KeyError:
            raise AttributeError(
                f"{type(dataset).__name__!r} object has no attribute {self._slot[1:]!r}"
            ) from None
        return loan.lend()

    def __set__(self, dataset: Any, value: Any) -> None:
        dataset.__dict__[self._slot] = Loan(value, True)

    def __delete__(self, dataset: Any) -> None:
        del dataset.__dict__[self._slot]


class InMemory(VisionDataset):
    """Base of the data sets whose samples are row `i` of `data`, as a picture, and `targets[i]`.

    Attributes:
        data: bytes (N, H, W) or (N, H, W, 3): a NumPy array or a tensor.
        targets: N ints: a list, an array or a tensor.
    """

    data: Any = Lent()
    targets: Any
    _data: Loan

    def _hold(self, data: Any, targets: Any) -> None:
        """Sets both; `data` is nobody else's."""
        self._data, self.targets = Loan(data, False), targets
        self._pixels, self._labels = ArrayView(), ArrayView()

    def _rows(self) -> Any:
        """`data` as an array, to be read only."""
        return self._pixels.of(self._data.value)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Returns (picture, class), both transformed."""
        return self._transformed(picture(self._rows()[index]), self._target(index))

    def _target(self, index: int) -> Any:
        """Sample `index`'s target, not transformed."""
        return int(self._labels.of(self.targets)[index])

    def __len__(self) -> int:
        return len(self._data.value)

    # ------------------------------------------------- what a DataLoader asks for

    def _is_plain(self) -> bool:
        """Whether samples are what this class says."""
        kind = type(self)
        return (
            kind.__getitem__ is InMemory.__getitem__
            and kind._target in _TARGETS
            and kind._transformed is VisionDataset._transformed
            and self.target_transform is None
        )

    def _whole_batch(self, indices: Sequence[Any]) -> list[Any] | None:
        """The collated batch of these samples; None where only sample by sample will do."""
        if not self._is_plain() or (pixels := _planes(self._rows())) is None:
            return None
        steps = _whole.steps(self.transform, pixels.shape[1:])
        chosen = _whole.positions(indices, len(pixels))
        if steps is None or chosen is None or not steps.fit(len(chosen)):
            return None
        targets = self._labels.of(self.targets)
        if len(targets) != len(pixels):
            return None
        if isinstance(targets, np.ndarray):
            if targets.dtype != np.int64 or targets.ndim != 1:
                return None
            labels = targets[chosen]
        else:
            listed = [targets[i] for i in indices]
            if set(map(type, listed)) != {int}:
                return None
            labels = np.array(listed)
            if labels.dtype != np.int64:
                return None
        return [torch.from_numpy(steps.run(pixels, chosen, None)), torch.from_numpy(labels)]

    def _frozen(self) -> FrozenPictures | None:
        """The data set as it is now, for a loader that must not see later changes; None where that
        would take too much memory, or samples are made by somebody else's code."""
        if not self._is_plain() or (pixels := _planes(self._rows())) is None:
            return None
        steps = _whole.steps(self.transform, pixels.shape[1:])
        targets = self._labels.of(self.targets)
        if steps is None or (type(targets) is list and set(map(type, targets)) != {int}):
            return None
        labels = np.array(targets)
        if labels.dtype != np.int64 or labels.shape != pixels.shape[:1]:
            return None
        if self._data.lent and pixels.nbytes > MOST_COPIED:
            return None
        frozen = FrozenPictures(self, pixels, labels, steps)
        if self._data.lent:
            frozen.copy_pixels()
        else:
            self._data.relying.add(frozen)
        return frozen


class FrozenPictures:
    """An `InMemory` data set as it was at one moment.

    Args:
        dataset: gives samples one by one where a batch can't be made in one go.
        pixels: bytes (N, C, H, W).
        labels: int64 (N), nobody else's.
        steps: the transforms.
    """

    def __init__(
        self, dataset: InMemory, pixels: np.ndarray, labels: np.ndarray, steps: _whole.Steps
    ) -> None:
        self._pixels = pixels
        self._labels = labels
        self._steps = steps
        self._single = copy.copy(dataset)
        self._single.transform = copy.deepcopy(dataset.transform)
        self._targets = copy.copy(dataset.targets)
        self._hold()
        self.draws = steps.words > 0
        """Whether samples use random numbers."""

    def copy_pixels(self) -> None:
        """Somebody may write to the data from now on."""
        self._pixels = self._pixels.copy()
        self._hold()

    def _hold(self) -> None:
        grey = self._pixels.shape[1] == 1
        pictures = self._pixels[:, 0] if grey else self._pixels.transpose(0, 2, 3, 1)
        self._single._hold(pictures, self._targets)

    def batch(self, indices: Sequence[Any], generator: Any) -> list[Any] | None:
        """The collated batch; None where it must be made of `sample`s. Random numbers come from
        `generator`."""
        chosen = _whole.positions(indices, len(self._labels))
        if chosen is None or not self._steps.fit(len(chosen)):
            return None
        images = self._steps.run(self._pixels, chosen, generator)
        return [torch.from_numpy(images), torch.from_numpy(self._labels[chosen])]

    def sample(self, index: Any) -> tuple[Any, Any]:
        """One sample."""
        return self._single[index]


class ClassOf:
    """For data sets whose targets are given as they are."""

    targets: Any

    def _target(self, index: int) -> Any:
        return self.targets[index]


_TARGETS = (InMemory._target, ClassOf._target)


def _planes(pixels: Any) -> np.ndarray[Any, Any] | None:
    """Bytes (N, H, W) or (N, H, W, 3) as (N, C, H, W); None for anything else."""
    if type(pixels) is not np.ndarray or pixels.dtype != np.uint8:
        return None
    if pixels.ndim == 3:
        return pixels[:, None]
    if pixels.ndim == 4 and pixels.shape[3] == 3:
        return pixels.transpose(0, 3, 1, 2)
    return None

